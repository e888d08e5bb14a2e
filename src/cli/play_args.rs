//! Options of what is played: films, lists of them, slide shows; and which scene is on air.

use std::time::Duration;

use clap::Args;

use super::push_args::parse_duration;
use crate::capture::SourceSpec;
use crate::capture::media_file::MediaFileSettings;
use crate::capture::still::StillSettings;

/// How files are played.
#[derive(Debug, Args)]
pub(super) struct PlayArgs {
    /// Start a media file, or a list of them, again at its end.
    #[arg(long = "loop")]
    looped: bool,
    /// Play the files of a folder or list (M3U) in random order.
    #[arg(long)]
    shuffle: bool,
    /// The same number gives the same random order.
    #[arg(long, value_name = "NUMBER", requires = "shuffle")]
    seed: Option<u64>,
    /// Picture track of a media file, from 1 [default: its main one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    picture_track: Option<u32>,
    /// Sound track of a media file, from 1 [default: its main one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sound_track: Option<u32>,
    /// How long each picture of a folder is shown [default: 5s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    interval: Option<Duration>,
    /// How long one picture of a folder fades into the next [default: not at all]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    slide_fade: Option<Duration>,
    /// The scene of the settings file that is on air first; with --control, "scene NAME" switches.
    #[arg(long, value_name = "NAME")]
    pub(super) scene: Option<String>,
}

impl PlayArgs {
    /// A source that is played, played so; others as they are.
    pub(super) fn over(&self, source: SourceSpec) -> SourceSpec {
        let track = |n: Option<u32>| n.map(|n| n as usize - 1);
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        match source {
            SourceSpec::File(file) => SourceSpec::File(MediaFileSettings {
                looped: self.looped,
                shuffled: self.shuffle,
                seed: self.seed,
                picture_track: track(self.picture_track),
                sound_track: track(self.sound_track),
                ..file
            }),
            SourceSpec::Still(still) => SourceSpec::Still(StillSettings {
                interval_ms: self.interval.map_or(still.interval_ms, ms),
                fade_ms: self.slide_fade.map_or(still.fade_ms, ms),
                ..still
            }),
            other => other,
        }
    }
}
