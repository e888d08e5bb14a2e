//! The options of recordings, for `kaibo push` and `kaibo record`: parsed, checked, laid over the settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::push_args::{PushArgs, parse_duration};
use crate::container::Format;
use crate::output::record::settings::RecordSettings;
use crate::settings::RecordEncoder;

/// Recording beside a stream, or alone.
#[derive(Debug, clap::Args)]
pub(super) struct RecordOptions {
    /// Record what is sent, too, into this MP4, MKV or FLV file; without a name into the video folder. A file that is
    /// there is never overwritten.
    #[arg(long, value_name = "FILE")]
    record: Option<Option<PathBuf>>,
    /// Kind of recording where no file is named: mp4, mkv or flv [default: mp4]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    record_format: Option<Format>,
    /// Begin a new file after this time (30m, 2h; whole minutes) or before this size (700MB, 4GB), at a keyframe and
    /// without losing a picture.
    #[arg(long, value_name = "TIME|SIZE", value_parser = parse_split)]
    record_split: Option<SplitArg>,
    /// Record with an encoder of its own, as `kaibo encoders` lists them, or auto; H.264, HEVC or AV1. Without this and the
    /// next two what is streamed is recorded, which costs nothing.
    #[arg(long, value_name = "NAME")]
    record_encoder: Option<String>,
    /// Quality of the recording's own encoder, 0 (lossless) to 51 (worst) [default: 18]
    #[arg(long, value_name = "NUMBER")]
    record_quality: Option<u8>,
    /// Preset of the recording's own encoder [default: auto]
    #[arg(long, value_name = "PRESET")]
    record_preset: Option<String>,
    /// Record each sound on a track of its own beside the mix (MP4 and MKV).
    #[arg(long)]
    record_tracks: bool,
    /// Title of the recording, in its name and in the file.
    #[arg(long, value_name = "TEXT")]
    record_title: Option<String>,
    /// Make a plain MP4 of each recording when it has ended.
    #[arg(long)]
    make_mp4: bool,
    /// Keep the last seconds in memory, as 30s or 2m; with --control the line "replay" writes them into a file.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) replay: Option<Duration>,
    /// Take orders on standard input, one a line: pause, resume, split, mark TITLE, replay [FILE], picture FILE.
    #[arg(long)]
    pub(super) control: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SplitArg {
    Minutes(u32),
    Megabytes(u32),
}

/// `kaibo record`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("url", |a| a.hide(true)), mut_arg("also", |a| a.hide(true)), mut_arg("record", |a| a.hide(true)))]
pub(super) struct RecordArgs {
    /// The MP4, MKV or FLV file; without it one in the video folder, named by date and time.
    file: Option<PathBuf>,
    #[command(flatten)]
    show: PushArgs,
}

impl RecordArgs {
    /// The same show, recorded and not pushed.
    pub(super) fn into_push(self) -> PushArgs {
        let Self { file, mut show } = self;
        show.alone = true;
        let named = show.recording.record.take().flatten();
        show.recording.record = Some(file.or(named));
        show
    }
}

impl RecordOptions {
    /// Whether to record, and into which file if one is named.
    pub(super) fn wanted(&self) -> Option<Option<PathBuf>> {
        self.record.clone()
    }

    /// Puts what was given over the settings.
    pub(super) fn lay_over(
        &self,
        settings: &mut RecordSettings,
        encoder: &mut RecordEncoder,
    ) -> Result<(), String> {
        let (name, preset) = (&self.record_encoder, &self.record_preset);
        encoder.own |= name.is_some() || preset.is_some() || self.record_quality.is_some();
        if let Some(name) = name {
            encoder.video.encoder.clone_from(name);
        }
        if let Some(preset) = preset {
            encoder.video.preset.clone_from(preset);
        }
        if let Some(quality) = self.record_quality {
            encoder.video.quality = quality;
        }
        settings.separate_tracks |= self.record_tracks;
        if let Some(Some(path)) = &self.record {
            check_name(path)?;
            settings.format = Format::of(path).unwrap_or(settings.format);
        }
        if let Some(format) = self.record_format {
            settings.format = format;
        }
        match self.record_split {
            Some(SplitArg::Minutes(minutes)) => settings.split_minutes = minutes,
            Some(SplitArg::Megabytes(mb)) => settings.split_mb = mb,
            None => {}
        }
        if let Some(title) = &self.record_title {
            title.clone_into(&mut settings.title);
        }
        settings.make_mp4 |= self.make_mp4;
        if let Some(replay) = self.replay {
            settings.replay_seconds = u32::try_from(replay.as_secs()).unwrap_or(u32::MAX);
        }
        Ok(())
    }
}

/// The kind of file goes by the name, so the name has to tell one.
fn check_name(path: &Path) -> Result<(), String> {
    match Format::of(path) {
        Some(_) => Ok(()),
        None => Err(format!(
            "the recording {} is of no kind Kaibo writes: let its name end in .mp4, .mkv or .flv",
            path.display()
        )),
    }
}

fn parse_format(text: &str) -> Result<Format, String> {
    let named = |f: &Format| text.eq_ignore_ascii_case(f.extension());
    let found = Format::ALL.into_iter().find(named);
    found.ok_or_else(|| "recordings are mp4, mkv or flv".to_owned())
}

fn parse_split(text: &str) -> Result<SplitArg, String> {
    let upper = text.trim().to_ascii_uppercase();
    let size = [("GB", 1000), ("G", 1000), ("MB", 1)]
        .into_iter()
        .find_map(|(unit, factor)| Some((upper.strip_suffix(unit)?, factor)));
    if let Some((number, factor)) = size {
        let mb = number.trim().parse::<u32>().ok();
        let mb = mb.and_then(|n| n.checked_mul(factor)).filter(|n| *n > 0);
        return mb
            .map(SplitArg::Megabytes)
            .ok_or_else(|| format!("{text:?} is not a size: write 700MB or 4GB"));
    }
    let time = parse_duration(text)?;
    let minutes = time.as_secs() / 60;
    if minutes * 60 != time.as_secs() || time.subsec_nanos() > 0 {
        return Err(format!("{text:?} is not in whole minutes: write 10m or 1h"));
    }
    u32::try_from(minutes)
        .map(SplitArg::Minutes)
        .map_err(|_too_long| format!("{text:?} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_times_or_sizes() {
        assert_eq!(parse_split("10m"), Ok(SplitArg::Minutes(10)));
        assert_eq!(parse_split("2h"), Ok(SplitArg::Minutes(120)));
        assert_eq!(parse_split("4GB"), Ok(SplitArg::Megabytes(4000)));
        assert_eq!(parse_split("700 mb"), Ok(SplitArg::Megabytes(700)));
        for wrong in ["90s", "0GB", "-1MB", "soon", "1.5GB", "99999999GB"] {
            assert!(parse_split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_tells_its_kind() {
        assert!(check_name(Path::new("a.MP4")).is_ok() && check_name(Path::new("b.mkv")).is_ok());
        assert!(check_name(Path::new("show")).is_err() && check_name(Path::new("a.avi")).is_err());
    }
}
