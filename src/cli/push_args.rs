//! The options of `kaibo push`: parsed, checked, and laid over the settings file.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::chain;
use super::encoder_args::EncoderArgs;
use super::link_args::LinkArgs;
use super::network_args::NetworkArgs;
use super::play_args::PlayArgs;
use super::record_args::RecordOptions;
use super::sound_args::SoundArgs;
use crate::capture::camera::CameraSettings;
use crate::capture::camera::mode::CameraMode;
use crate::capture::screen::ScreenSettings;
use crate::capture::{SourceSpec, spec_or_file};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;
use crate::output::adapt::AdaptPreset;
use crate::render::scene::{Layer, Scene};
use crate::rtmp::url::{Login, RtmpUrl, StreamKey, split_address};
use crate::settings::{Settings, file};

/// What to broadcast, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    /// What to show: "screen", "monitor:NAME", "window:TITLE", "region:WxH+LEFT+TOP", "camera", "camera:ID" (as `kaibo
    /// devices` lists them), "test", a media file (played in real time, like `ffmpeg -re -i FILE`), or a picture file
    /// (PNG, JPEG, WebP, GIF).
    #[arg(long, value_parser = spec_or_file)]
    source: Option<SourceSpec>,
    /// Push address with the stream key. Without it the built-in server takes the stream and says where to watch it.
    /// Arguments can be seen by other users of this machine: KAIBO_URL and KAIBO_KEY in the environment cannot.
    #[arg(long, value_name = "RTMP")]
    url: Option<String>,
    /// A further address, with its key, that gets the same stream; may be given several times. Or KAIBO_ALSO in the
    /// environment, separated by spaces.
    #[arg(long, value_name = "RTMP")]
    also: Vec<String>,
    /// Picture size [default: 1280x720]
    #[arg(long, value_name = "WxH")]
    size: Option<Resolution>,
    /// Frames per second, as 30, 29.97 or 30000/1001 [default: 30]
    #[arg(long)]
    fps: Option<FrameRate>,
    /// Video bitrate, as 2500k or 4M [default: 2500k]
    #[arg(long, value_parser = parse_kbps, value_name = "RATE")]
    video_bitrate: Option<u32>,
    /// X display to capture [default: $DISPLAY]
    #[arg(long)]
    display: Option<String>,
    /// What to ask the camera for, as mjpeg:1280x720@30 [default: what suits the picture best]
    #[arg(long, value_name = "FORMAT:WxH@FPS")]
    camera_mode: Option<CameraMode>,
    /// Leave the mouse pointer out of the picture.
    #[arg(long)]
    no_cursor: bool,
    #[command(flatten)]
    play: PlayArgs,
    #[command(flatten)]
    pub(super) sound: SoundArgs,
    #[command(flatten)]
    pub(super) recording: RecordOptions,
    /// `kaibo record`: nothing is pushed.
    #[arg(skip)]
    pub(super) alone: bool,
    /// End by itself after this long on air, as 30s, 5m or 1h.
    #[arg(long, value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Settings file (TOML); the other options win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Leave the bitrate as it is set; pictures are dropped when the link is too slow.
    #[arg(long)]
    no_adapt: bool,
    /// How the bitrate follows the link [default: balanced]
    #[arg(long, value_enum, value_name = "PRESET")]
    adapt: Option<AdaptArg>,
    /// The video bitrate never goes below this, as 200k [default: 100k]
    #[arg(long, value_parser = parse_kbps, value_name = "RATE")]
    min_bitrate: Option<u32>,
    /// No picture is sent that would come later than this, as 2.5s [default: 2.5s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    max_delay: Option<Duration>,
    /// For rtmps://: trust a server whose certificate nobody vouches for (your own).
    #[arg(long)]
    trust_any_certificate: bool,
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    network: NetworkArgs,
    /// At the end, write the last ten minutes (figures and events, no secrets) into this JSON file.
    #[arg(long, value_name = "FILE")]
    pub(super) flight_recorder: Option<PathBuf>,
    /// Print figures once a second on standard output (as JSON: events, too).
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(super) stats: Option<StatsFormat>,
    /// Draw on the software adapter even if there is a GPU.
    #[arg(long)]
    pub(super) software_gpu: bool,
    #[command(flatten)]
    encoder: EncoderArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StatsFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AdaptArg {
    /// Few changes, a little more delay.
    Steady,
    /// In between.
    Balanced,
    /// Least delay, follows the link closely.
    Lively,
}

/// "2500k", "2.5M", "2500" (kbit/s) into kbit/s.
pub(super) fn parse_kbps(text: &str) -> Result<u32, String> {
    let err = || format!("{text:?} is not a bitrate: write 2500k or 2.5M");
    let text = text.trim();
    let (number, factor) = match text.char_indices().last() {
        Some((i, 'k' | 'K')) => (&text[..i], 1.0),
        Some((i, 'M' | 'm')) => (&text[..i], 1000.0),
        _ => (text, 1.0),
    };
    let kbps = number
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite() && *n > 0.0)
        .ok_or_else(err)?
        * factor;
    if kbps > 1e6 {
        return Err(format!("{text:?} is too much: at most 100M"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    Ok(kbps.round() as u32)
}

/// "90", "90s", "500ms", "5m", "1h" into a duration.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let err = || format!("{text:?} is not a duration: write 30s, 5m or 1h");
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let factor = match &text[split..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(err()),
    };
    let seconds = text[..split].trim().parse::<f64>().ok().ok_or_else(err)? * factor;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(err)
}

/// What settings do not hold.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) key: StreamKey,
    pub(super) login: Option<Login>,
}

impl PushArgs {
    /// Settings file first, then the options over it. The secrets come apart.
    pub(super) fn settings(&self) -> Result<(Settings, Secrets), String> {
        let mut settings = match &self.config {
            None => Settings::default(),
            Some(path) => file::load(path)
                .map_err(|e| chain(&e))?
                .ok_or_else(|| format!("--config: there is no file {}", path.display()))?,
        };
        if let Some(name) = &self.play.scene
            && !settings.switch_scene_to(name)
        {
            let names = settings.scenes.names().join(", ");
            return Err(format!(
                "--scene: there is none called {name}; there are {names}"
            ));
        }
        let Settings {
            video,
            encoder,
            audio,
            scene,
            stream,
            ..
        } = &mut settings;
        set(&mut video.size, self.size);
        set(&mut video.fps, self.fps);
        set(&mut encoder.bitrate_kbps, self.video_bitrate);
        self.encoder.over(encoder);
        stream.adapt.enabled &= !self.no_adapt;
        self.link.apply(stream);
        stream.trust_any_certificate |= self.trust_any_certificate;
        set(&mut stream.adapt.floor_kbps, self.min_bitrate);
        set(
            &mut stream.adapt.preset,
            self.adapt.map(|a| match a {
                AdaptArg::Steady => AdaptPreset::Steady,
                AdaptArg::Balanced => AdaptPreset::Balanced,
                AdaptArg::Lively => AdaptPreset::Lively,
            }),
        );
        set(
            &mut stream.max_delay_ms,
            self.max_delay
                .map(|d| u32::try_from(d.as_millis()).unwrap_or(u32::MAX)),
        );
        if let Some(source) = &self.source {
            *scene = Scene {
                layers: vec![Layer::new(self.source_spec(source))],
                filters: scene.filters.clone(),
                watermarks: scene.watermarks.clone(),
            };
        }
        let source = self.source.as_ref().and(scene.layers.first());
        let own_sound = source.is_some_and(|l| matches!(l.source, SourceSpec::File(_)));
        self.sound.apply(audio, own_sound)?;
        let Settings {
            recording,
            recording_encoder,
            ..
        } = &mut settings;
        self.recording.lay_over(recording, recording_encoder)?;
        let mut key = StreamKey::new(std::env::var("KAIBO_KEY").unwrap_or_default());
        let mut login = None;
        if self.alone && (self.url.is_some() || !self.also.is_empty()) {
            return Err("kaibo record pushes nothing: use kaibo push --record".to_owned());
        }
        let url = self.url.clone().or_else(|| std::env::var("KAIBO_URL").ok());
        let url = url.filter(|_| !self.alone);
        if let Some(url) = url {
            let split = split_address(&url).map_err(|e| format!("--url: {e}"))?;
            settings.stream.url = split.address;
            key = split.key.unwrap_or(key);
            login = split.login;
        }
        self.network.apply(&mut settings.network);
        let problems = settings.problems();
        let pushes = !self.alone && !settings.stream.url.trim().is_empty();
        if problems.is_empty() && pushes {
            RtmpUrl::parse(&settings.stream.url, Some(&key)).map_err(|e| format!("--url: {e}"))?;
        }
        match problems.as_slice() {
            [] => Ok((settings, Secrets { key, login })),
            problems => Err(problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\nkaibo: ")),
        }
    }

    /// Further addresses, all of them checked.
    pub(super) fn more(&self) -> Result<Vec<RtmpUrl>, String> {
        let kept = std::env::var("KAIBO_ALSO").unwrap_or_default();
        let given = self.also.iter().map(String::as_str);
        given
            .chain(kept.split_whitespace())
            .map(|url| RtmpUrl::parse(url, None).map_err(|e| format!("--also: {e}")))
            .collect()
    }

    /// The source with the options that belong to its kind.
    fn source_spec(&self, source: &SourceSpec) -> SourceSpec {
        match source.clone() {
            SourceSpec::Screen(screen) => SourceSpec::Screen(ScreenSettings {
                display: self.display.clone(),
                cursor: !self.no_cursor,
                ..screen
            }),
            SourceSpec::Camera(camera) => SourceSpec::Camera(CameraSettings {
                mode: self.camera_mode,
                ..camera
            }),
            other => self.play.over(other),
        }
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_durations_as_people_write_them() {
        assert_eq!(parse_kbps("2500k"), Ok(2500));
        assert_eq!(parse_kbps("2500"), Ok(2500));
        assert_eq!(parse_kbps("4M"), Ok(4000));
        assert_eq!(parse_kbps("2.5M"), Ok(2500));
        assert!(
            parse_kbps("fast").is_err() && parse_kbps("-1k").is_err() && parse_kbps("").is_err()
        );
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(
            parse_duration("0s").is_err()
                && parse_duration("soon").is_err()
                && parse_duration("-5s").is_err()
        );
    }
}
