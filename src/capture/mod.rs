//! Sources of picture and sound. Each source is one file behind [`VideoSource`] or [`AudioSource`]; the
//! [`supervisor`] gives each a thread, reopens it with backoff when it fails, and puts its newest frame into a slot.
//!
//! In: devices, screens, files. Out: [`VideoFrame`]s into a [`LatestSlot`](crate::media::slot::LatestSlot), sound into
//! an [`AudioSink`]. Adding a source: one file, one variant in [`SourceSpec`] (or [`AudioSpec`]), one line in
//! [`open_video`] (or [`open_audio`]).

pub mod camera;
pub mod media_file;
#[cfg(feature = "mic")]
pub mod microphone;
mod no_signal;
mod pacing;
pub mod play;
pub mod probe;
pub mod screen;
pub mod still;
pub mod supervisor;
pub mod test_pattern;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};

use crate::media::audio::AudioFormat;
use crate::media::ring::{AudioSink, AudioTap, audio_ring};
use crate::media::time::{FrameRate, MediaClock};
use crate::media::video::{Resolution, VideoFrame};
use crate::media::{Recovery, SourceId};
use camera::control::Control;
use play::{PlayOrder, Playback};

/// Where a picture comes from, with the settings of that kind. Plain data, saved in the settings file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceSpec {
    /// Bars, a moving part, clock and barcode, with a flash and a beep each second.
    Test {},
    /// A screen, or a monitor, a region or a window of it.
    Screen(screen::ScreenSettings),
    /// A camera.
    Camera(camera::CameraSettings),
    /// A media file, picture and sound, in real time.
    File(media_file::MediaFileSettings),
    /// A picture file, still or animated.
    Still(still::StillSettings),
    /// A plain colour.
    Color(still::ColorSettings),
}

impl SourceSpec {
    /// What a person calls it.
    pub fn name(&self) -> String {
        match self {
            Self::Test {} => "test pattern".to_owned(),
            Self::Screen(s) => s.called(),
            Self::Camera(c) => c.called(),
            Self::File(f) => {
                let name = f.path.file_name().unwrap_or(f.path.as_os_str());
                format!("file {}", name.to_string_lossy())
            }
            Self::Still(s) => {
                let name = s.path.file_name().unwrap_or(s.path.as_os_str());
                format!("picture {}", name.to_string_lossy())
            }
            Self::Color(c) => format!("colour {}", c.color),
        }
    }

    /// The same device, screen or file, in whatever mode: what a person calls the same source.
    pub fn is_same_device(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Camera(a), Self::Camera(b)) => a.device == b.device,
            (Self::Screen(a), Self::Screen(b)) => a.is_same_device(b),
            (Self::File(a), Self::File(b)) => a.path == b.path,
            (Self::Still(a), Self::Still(b)) => a.path == b.path,
            (a, b) => a == b,
        }
    }

    /// One opened source can serve both: they are equal but for what [`VideoSource::adjust`] changes.
    pub fn is_same_stream(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Camera(a), Self::Camera(b)) => a.is_same_stream(b),
            (Self::Screen(a), Self::Screen(b)) => a.is_same_stream(b),
            (Self::File(a), Self::File(b)) => a.is_same_stream(b),
            // how a slide show goes on can be changed while it runs
            (Self::Still(a), Self::Still(b)) => a.path == b.path,
            (a, b) => a == b,
        }
    }
}

/// Where live sound comes from (besides the sound of picture sources).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AudioSpec {
    /// A microphone or line input. What the machine plays is none, whatever the system calls its default.
    Microphone {
        /// Its id or name; the system's default when absent, followed when that changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// What the machine plays.
    Desktop {
        /// Id or name of the output; the system's default when absent, followed when that changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<String>,
    },
    /// The sound of a media file.
    File(media_file::MediaFileSettings),
}

impl AudioSpec {
    /// The system's default microphone.
    pub const MICROPHONE: Self = Self::Microphone { device: None };
    /// What the system's default output plays.
    pub const DESKTOP: Self = Self::Desktop { device: None };

    /// An input by its name or id alone, as older settings and `--audio` give it: sound servers name what records an
    /// output "Monitor of" it.
    pub fn named(name: &str) -> Self {
        let device = Some(name.to_owned());
        if name.starts_with("Monitor of ") || name.ends_with(".monitor") {
            Self::Desktop { device }
        } else {
            Self::Microphone { device }
        }
    }

    /// What a person calls it.
    pub fn called(&self) -> String {
        match self {
            Self::Microphone { device: None } => "default microphone".to_owned(),
            Self::Microphone { device: Some(name) } => format!("microphone {name}"),
            Self::Desktop { device: None } => "desktop sound".to_owned(),
            Self::Desktop { device: Some(name) } => format!("desktop sound of {name}"),
            Self::File(file) => {
                let name = file.path.file_name().unwrap_or(file.path.as_os_str());
                name.to_string_lossy().into_owned()
            }
        }
    }
}

/// What every source gets when it is opened.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// The source's name in frames and statistics.
    pub id: SourceId,
    /// The session's clock.
    pub clock: MediaClock,
    /// The show's frame rate: what a source should aim at when it can choose.
    pub rate: FrameRate,
    /// The show's picture size: what a source should aim at when it can choose.
    pub resolution: Resolution,
    /// Takes the reading end of a new sound ring to the audio stage. Sent by sources, received by the audio stage;
    /// bound 16; when full the source runs without sound and says so.
    pub taps: Sender<AudioTap>,
}

impl SourceContext {
    /// How much sound a ring holds (architecture: edge 2).
    pub const RING: Duration = Duration::from_millis(500);

    /// Opens a sound ring to the audio stage for samples in `format`. `None` when the stage takes no more.
    pub fn open_audio_sink(&self, format: AudioFormat) -> Option<AudioSink> {
        let (sink, tap) = audio_ring(self.id, format, Self::RING);
        self.taps.try_send(tap).ok().map(|()| sink)
    }
}

/// A running source of pictures, driven by its own thread.
pub trait VideoSource {
    /// Blocks for the next frame, at most `timeout`; `Ok(None)` when none came in time. `VideoFrame::pts` is the
    /// moment of capture (the device's stamp where there is one), not of return. Must return within about `timeout`,
    /// whatever the device does.
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError>;

    /// What it delivers, in words for the panel: "1280x720, 30 fps, BGRA".
    fn describe(&self) -> String;

    /// Whether [`describe`](Self::describe) says something else than when this was asked last, though the size is the
    /// same.
    fn reworded(&mut self) -> bool {
        false
    }

    /// A source that ends by itself (a file that does not loop) is not a failure. Asked when [`next`](Self::next) came
    /// back with no frame.
    fn finished(&self) -> bool {
        false
    }

    /// Sources for which it is normal to deliver nothing for a while (a screen on which nothing changes, a paused file)
    /// say so here and are then not taken for stalled.
    fn may_be_still(&self) -> bool {
        false
    }

    /// It has nothing to show yet through nobody's fault: a person is asked, or the window is minimised. It may not have
    /// delivered at all.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Pictures that came broken and were left out, since it was opened.
    fn corrupt(&self) -> u64 {
        0
    }

    /// Something a person should know though it goes on (a file that is damaged), once each.
    fn trouble(&mut self) -> Option<String> {
        None
    }

    /// Where it stands, if it is something that is played.
    fn playback(&self) -> Option<Playback> {
        None
    }

    /// Stands still, goes on, goes elsewhere, if it is something that is played.
    fn play(&mut self, order: PlayOrder) {
        let _ = order;
    }

    /// What can be set while it runs, as it is set now.
    fn controls(&self) -> Vec<Control> {
        Vec::new()
    }

    /// Takes over what can be set while it runs out of `spec`, which differs from what it was opened with in nothing
    /// else ([`SourceSpec::is_same_stream`]).
    fn adjust(&mut self, spec: &SourceSpec) {
        let _ = spec;
    }
}

/// A running source of live sound: it pushes into its [`AudioSink`] by itself (often from a real-time callback).
pub trait AudioSource {
    /// Whether it still delivers; called a few times a second. `Err` makes the supervisor close and reopen it.
    fn check(&mut self) -> Result<(), SourceError>;

    /// What it delivers, in words for the panel. May change while it runs: the system's default is followed.
    fn describe(&self) -> String;

    /// A file that does not loop has reached its end. Asked after [`check`](Self::check).
    fn finished(&self) -> bool {
        false
    }

    /// For desktop sound: the system's name of the output that is captured.
    fn output(&self) -> Option<String> {
        None
    }
}

/// Why a source does not deliver. Texts are for the user: what failed, and after the dash what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The device, display or file is not there.
    #[error("{what} was not found: check its name, plug it in, or choose another source")]
    NotFound {
        /// The thing.
        what: String,
    },
    /// Somebody else holds it.
    #[error("{what} is in use by another program: close that program or choose another source")]
    Busy {
        /// The thing.
        what: String,
    },
    /// The system does not let us.
    #[error("no permission to use {what}: allow it in the system's settings")]
    Denied {
        /// The thing.
        what: String,
    },
    /// The user said no when the desktop asked.
    #[error("{what} was not allowed: choose it again to be asked once more")]
    Refused {
        /// The thing.
        what: String,
    },
    /// The user, or the desktop, ended what was allowed.
    #[error("{what} is no longer shared: choose it again to go on")]
    Ended {
        /// The thing.
        what: String,
    },
    /// It was there and went away (unplugged, server gone).
    #[error("{what} went away: it is shown again as soon as it is back")]
    Lost {
        /// The thing.
        what: String,
    },
    /// It needs a sound server, and none answers.
    #[error("{what} needs a sound server, and none answers: start PulseAudio or PipeWire")]
    NoServer {
        /// The thing.
        what: String,
    },
    /// It is there but delivers nothing.
    #[error("{what} has delivered nothing for {seconds} s: it is being restarted")]
    Stalled {
        /// The thing.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// It delivers something we cannot use, or the file is broken. The reason says what to do.
    #[error("{what} cannot be used: {reason}")]
    Unsupported {
        /// The thing.
        what: String,
        /// Why.
        reason: String,
    },
    /// A call to the system or a library failed.
    #[error("{what} failed: it is tried again")]
    Failed {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This build lacks the part that would open it.
    #[error("this build cannot open {what}: it was built without the feature {feature}")]
    NotBuilt {
        /// The thing.
        what: String,
        /// The cargo feature.
        feature: &'static str,
    },
}

impl SourceError {
    /// What the supervisor does about it.
    pub const fn recovery(&self) -> Recovery {
        match self {
            // a device just plugged in is forbidden until the system has given it to the user
            Self::NotFound { .. }
            | Self::Busy { .. }
            | Self::Denied { .. }
            | Self::Lost { .. }
            | Self::NoServer { .. }
            | Self::Failed { .. } => Recovery::Retry,
            Self::Stalled { .. } => Recovery::Rebuild,
            Self::Unsupported { .. }
            | Self::NotBuilt { .. }
            | Self::Refused { .. }
            | Self::Ended { .. } => Recovery::GiveUp,
        }
    }
}

/// Opens a picture source on the calling thread, which must be the one that runs it.
pub fn open_video(
    spec: &SourceSpec,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    match spec {
        SourceSpec::Test {} => test_pattern::open(cx),
        SourceSpec::Screen(s) => screen::open(s, cx),
        SourceSpec::Camera(s) => camera::open(s, cx),
        SourceSpec::File(s) => media_file::open(s, cx),
        SourceSpec::Still(s) => still::open(s, cx),
        SourceSpec::Color(s) => Ok(still::open_color(*s, cx)),
    }
}

/// Opens a sound source on the calling thread, which must be the one that keeps it.
pub fn open_audio(
    spec: &AudioSpec,
    cx: &SourceContext,
) -> Result<Box<dyn AudioSource>, SourceError> {
    let (kind, device) = match spec {
        AudioSpec::Microphone { device } => (SoundKind::Microphone, device),
        AudioSpec::Desktop { device } => (SoundKind::Desktop, device),
        #[cfg(feature = "ffmpeg")]
        AudioSpec::File(file) => return media_file::open_sound(file, cx),
        #[cfg(not(feature = "ffmpeg"))]
        AudioSpec::File(file) => {
            return Err(SourceError::NotBuilt {
                what: file.path.display().to_string(),
                feature: "ffmpeg",
            });
        }
    };
    #[cfg(feature = "mic")]
    return microphone::open(kind, device.as_deref(), cx);
    #[cfg(not(feature = "mic"))]
    {
        let _ = (kind, device, cx);
        Err(SourceError::NotBuilt {
            what: spec.called(),
            feature: "mic",
        })
    }
}

/// What a sound device records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundKind {
    /// The room: a microphone or line input.
    Microphone,
    /// What the machine plays.
    Desktop,
}

/// A source that could be chosen now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoDevice {
    /// What a person calls it: "Screen :0 (1920x1080)".
    pub name: String,
    /// What opens it.
    pub spec: SourceSpec,
    /// For a camera: what it is and can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<camera::CameraInfo>,
}

/// A sound input that could be chosen now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AudioDevice {
    /// What a person calls it.
    pub name: String,
    /// The system's own name, which stays when another device of the same name is plugged in.
    pub id: String,
    /// What it records.
    pub kind: SoundKind,
    /// The system's choice among its kind.
    pub default: bool,
    /// Native format in words: "48000 Hz, 2 channels".
    pub format: String,
}

impl AudioDevice {
    /// What opens it.
    pub fn spec(&self) -> AudioSpec {
        let device = Some(self.id.clone());
        match self.kind {
            SoundKind::Microphone => AudioSpec::Microphone { device },
            SoundKind::Desktop => AudioSpec::Desktop { device },
        }
    }
}

/// Lists picture sources that are there now (files are chosen by path and not listed).
pub fn list_video() -> Vec<VideoDevice> {
    let mut devices = vec![VideoDevice {
        name: "Test pattern".to_owned(),
        spec: SourceSpec::Test {},
        camera: None,
    }];
    devices.extend(screen::list());
    devices.extend(camera::list().into_iter().map(|info| VideoDevice {
        name: info.name.clone(),
        spec: SourceSpec::Camera(info.settings()),
        camera: Some(info),
    }));
    devices
}

/// Lists sound inputs that are there now.
pub fn list_audio() -> Vec<AudioDevice> {
    #[cfg(feature = "mic")]
    return microphone::list();
    #[cfg(not(feature = "mic"))]
    Vec::new()
}

/// A picture source by the name `kaibo devices` gives it: "test", "screen" (or "monitor:NAME" and so on:
/// [`screen::ScreenSettings::from_name`]), "camera" (the first), "camera:ID" or a camera's ID.
pub fn spec_of(name: &str) -> Result<SourceSpec, screen::area::RegionError> {
    let camera = |device: Option<&str>| {
        SourceSpec::Camera(camera::CameraSettings {
            device: device.map(str::to_owned),
            ..Default::default()
        })
    };
    if let Some(screen) = screen::ScreenSettings::from_name(name) {
        return screen.map(SourceSpec::Screen);
    }
    Ok(match name {
        "test" => SourceSpec::Test {},
        "camera" => camera(None),
        id => camera(Some(id.strip_prefix("camera:").unwrap_or(id))),
    })
}

/// A picture source as it is named on the command line: as [`spec_of`], and anything else is a file's path.
pub fn spec_or_file(name: &str) -> Result<SourceSpec, screen::area::RegionError> {
    let listed = name == "test" || name == "camera" || name.starts_with("camera:");
    match screen::ScreenSettings::from_name(name) {
        Some(screen) => screen.map(SourceSpec::Screen),
        None if listed => spec_of(name),
        None => Ok(file_spec(name.into())),
    }
}

/// A path as the user typed it or dropped it: a picture, a film, or a folder of either.
pub fn file_spec(path: PathBuf) -> SourceSpec {
    // a folder with films or music is a list of them, one with pictures alone a slide show
    let plays = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.into_iter().any(|e| media_file::is_media(&e.path()))
    };
    if still::is_picture(&path) || (path.is_dir() && !plays(&path)) {
        return SourceSpec::Still(still::StillSettings {
            path,
            ..Default::default()
        });
    }
    SourceSpec::File(media_file::MediaFileSettings {
        path,
        ..Default::default()
    })
}
