//! The encoders this program knows: what each can do and how our settings become its options. One file a family in
//! `family`, one line of `FAMILIES` each; nothing here opens anything.

use serde::Serialize;

use super::family;
use super::settings::{AUTO, Profile, RateControl, VideoEncoderSettings, VideoFormat, refuse};
use super::{EncodeError, avopt};

/// In order of preference: hardware first, H.264 first within a family. To add a family: its file, and its line here.
const FAMILIES: [&[Candidate]; 12] = [
    family::nvenc::CANDIDATES,
    family::qsv::CANDIDATES,
    family::amf::CANDIDATES,
    family::videotoolbox::CANDIDATES,
    family::vaapi::CANDIDATES,
    family::vulkan::CANDIDATES,
    family::mediafoundation::CANDIDATES,
    family::v4l2m2m::CANDIDATES,
    family::x264::CANDIDATES,
    family::openh264::CANDIDATES,
    family::x265::CANDIDATES,
    family::svtav1::CANDIDATES,
];

/// What is in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264 (AVC): plays everywhere; the only one that plain RTMP carries.
    H264,
    /// H.265 (HEVC).
    Hevc,
    /// AV1.
    Av1,
}

impl VideoCodec {
    /// What a person calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC (H.265)",
            Self::Av1 => "AV1",
        }
    }
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A graphics chip or a codec block.
    Hardware,
    /// The processor.
    Processor,
}

/// Whether a running encoder takes another bitrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveBitrate {
    /// It does: seen in the bytes by this program's tests.
    Follows,
    /// FFmpeg passes it on; the bytes are measured while it runs, and an encoder that does not follow is reopened.
    Measured,
    /// It does not, so it is reopened at a keyframe.
    Reopens,
}

/// What FFmpeg wants the pictures to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pictures {
    /// NV12 in memory.
    Nv12,
    /// Three planes in memory.
    I420,
    /// NV12 on a device of this kind, uploaded by us.
    Device(Device),
}

/// Devices that pictures are uploaded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    Vaapi,
    Vulkan,
}

/// What an encoder can do.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Capabilities {
    /// Ways of rate control.
    pub rate_controls: &'static [RateControl],
    /// Whether the bitrate can change while it runs.
    pub live_bitrate: LiveBitrate,
    /// Most consecutive B-frames.
    pub b_frames: u8,
    /// Most pictures of look-ahead.
    pub look_ahead: u8,
    /// Profiles that can be chosen besides "auto".
    pub profiles: &'static [Profile],
    /// Its presets, fastest first; "auto" chooses.
    pub presets: &'static [&'static str],
    #[serde(skip)]
    pub(super) pictures: Pictures,
}

/// One encoder.
#[derive(Debug)]
pub struct Candidate {
    /// Value of [`VideoEncoderSettings::encoder`].
    pub name: &'static str,
    /// What a person calls it.
    pub title: &'static str,
    /// FFmpeg's name.
    pub(super) ffmpeg: &'static str,
    /// What it makes.
    pub codec: VideoCodec,
    /// Where it runs.
    pub place: Place,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What to install where FFmpeg lacks it, with a leading colon, or "".
    pub(super) hint: &'static str,
    /// Threads and options for settings that it accepts.
    pub(super) options: fn(&VideoEncoderSettings, VideoFormat) -> Options,
}

/// FFmpeg's words for the settings.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `thread_count`; 0 leaves it to the encoder.
    pub(super) threads: usize,
    pub(super) list: Vec<(&'static str, String)>,
}

impl Options {
    pub(super) fn new<const N: usize>(list: [(&'static str, &str); N]) -> Self {
        Self {
            threads: 0,
            list: list.map(|(k, v)| (k, v.to_owned())).to_vec(),
        }
    }

    pub(super) fn put(&mut self, name: &'static str, value: impl ToString) {
        self.list.push((name, value.to_string()));
    }
}

/// All of them, best first.
pub fn all() -> impl Iterator<Item = &'static Candidate> {
    FAMILIES.into_iter().flatten()
}

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Candidate> {
    all().find(|c| c.name == name)
}

/// The one that needs no hardware and holds everywhere: libx264.
pub(super) fn processor() -> &'static Candidate {
    &family::x264::CANDIDATES[0]
}

impl Candidate {
    /// Refuses what it cannot do: never silently changed. Ranges were checked before.
    pub(super) fn accepts(&self, settings: &VideoEncoderSettings) -> Result<(), EncodeError> {
        let Capabilities {
            rate_controls,
            b_frames,
            look_ahead,
            profiles,
            presets,
            ..
        } = &self.capabilities;
        let name = self.name;
        if !rate_controls.contains(&settings.rate_control) {
            let can: Vec<_> = rate_controls.iter().map(|r| r.name()).collect();
            return refuse(
                "encoder.rate_control",
                format!(
                    "{name} cannot do {}: choose {}",
                    settings.rate_control.name(),
                    can.join(" or ")
                ),
            );
        }
        if settings.b_frames > *b_frames {
            return refuse(
                "encoder.b_frames",
                format!("{name} makes at most {b_frames} B-frames in a row"),
            );
        }
        if settings.look_ahead.is_some_and(|n| n > *look_ahead) {
            return refuse(
                "encoder.look_ahead",
                format!("{name} looks ahead {look_ahead} pictures at most"),
            );
        }
        if settings.profile != Profile::Auto && !profiles.contains(&settings.profile) {
            let can: Vec<_> = profiles.iter().map(|p| p.name()).collect();
            let or = if can.is_empty() { "" } else { " or " };
            return refuse(
                "encoder.profile",
                format!(
                    "{name} has no profile {}: choose auto{or}{}",
                    settings.profile.name(),
                    can.join(" or ")
                ),
            );
        }
        if settings.preset != AUTO && !presets.contains(&settings.preset.as_str()) {
            return refuse(
                "encoder.preset",
                format!(
                    "{:?} is not one of {name}'s: {AUTO}, {}",
                    settings.preset,
                    presets.join(", ")
                ),
            );
        }
        avopt::check(self, &settings.options)
    }

    /// The next cheaper preset, if there is one.
    pub(super) fn cheaper(&self, preset: &str) -> Option<&'static str> {
        let presets = self.capabilities.presets;
        let at = presets.iter().position(|p| *p == preset)?;
        at.checked_sub(1).map(|at| presets[at])
    }
}
