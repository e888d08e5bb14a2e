//! Encoders: pictures and sound in, [`EncodedPacket`]s out. Each is one file behind [`VideoEncoder`] or
//! [`AudioEncoder`]; only `ffmpeg.rs` and the codec files name ffmpeg types.
#![warn(clippy::cast_possible_truncation)]

pub mod aac;
pub mod bitstream;
pub mod ffmpeg;
pub mod fmp4;
mod sound;
pub mod stage;
pub mod x264;

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::sound::{AacEncoder, AudioChannels, AudioEncoderSettings, AudioRate};
use crate::media::audio::AudioBlock;
use crate::media::packet::{Bitrate, CodecParameters, EncodedPacket};
use crate::media::time::{FrameRate, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use crate::media::{Recovery, SourceId};

/// Range of the video bitrate in bits per second.
const BITRATE_BPS: RangeInclusive<u32> = 100_000..=100_000_000;

/// A video encoder this program knows.
struct Candidate {
    /// Value of [`VideoEncoderSettings::encoder`].
    name: &'static str,
    /// What a person calls it.
    title: &'static str,
    open: OpenVideo,
}

/// Opens an encoder; the number becomes [`EncodedPacket::generation`].
type OpenVideo =
    fn(&VideoEncoderSettings, VideoFormat, u32) -> Result<Box<dyn VideoEncoder>, EncodeError>;

const VIDEO_ENCODERS: [Candidate; 1] = [Candidate {
    name: "x264",
    title: "H.264, libx264 (processor)",
    open: x264::open,
}];

/// What the video encoder gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoFormat {
    /// Picture size; even in both directions.
    pub resolution: Resolution,
    /// Nominal rate (time stamps decide).
    pub rate: FrameRate,
}

/// Settings of the video encoder. Plain data, saved in the settings file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoEncoderSettings {
    /// Which encoder: "x264" (others come with their files).
    pub encoder: String,
    /// kbit/s (1000 bits), 100 to 100000.
    pub bitrate_kbps: u32,
    /// libx264 preset, ultrafast to veryslow.
    pub preset: String,
    /// H.264 profile: baseline, main, high.
    pub profile: Profile,
    /// What is optimised.
    pub tune: Tune,
    /// Seconds between keyframes, 0.5 to 10.
    pub keyframe_interval: f32,
    /// Consecutive B-frames, 0 to 4; 0 for lowest delay.
    pub b_frames: u8,
}

impl Default for VideoEncoderSettings {
    fn default() -> Self {
        Self {
            encoder: "x264".to_owned(),
            bitrate_kbps: 2500,
            preset: "veryfast".to_owned(),
            profile: Profile::High,
            tune: Tune::LowLatency,
            keyframe_interval: 2.0,
            b_frames: 0,
        }
    }
}

impl VideoEncoderSettings {
    /// Refuses the first field that is out of its range, with the range.
    pub fn validate(&self) -> Result<(), EncodeError> {
        if !VIDEO_ENCODERS.iter().any(|c| c.name == self.encoder) {
            return refuse(
                "encoder.encoder",
                format!(
                    "{:?} is not one of: {}",
                    self.encoder,
                    VIDEO_ENCODERS.map(|c| c.name).join(", ")
                ),
            );
        }
        let bps = u64::from(self.bitrate_kbps) * 1000;
        if !u32::try_from(bps).is_ok_and(|bps| BITRATE_BPS.contains(&bps)) {
            return refuse(
                "encoder.bitrate_kbps",
                format!("{} is not between 100 and 100000 kbit/s", self.bitrate_kbps),
            );
        }
        if !x264::PRESETS.contains(&self.preset.as_str()) {
            return refuse(
                "encoder.preset",
                format!(
                    "{:?} is not one of: {}",
                    self.preset,
                    x264::PRESETS.join(", ")
                ),
            );
        }
        if !(0.5..=10.0).contains(&self.keyframe_interval) {
            return refuse(
                "encoder.keyframe_interval",
                format!(
                    "{} is not between 0.5 and 10 seconds",
                    self.keyframe_interval
                ),
            );
        }
        if self.b_frames > 4 {
            return refuse(
                "encoder.b_frames",
                format!("{} is not between 0 and 4", self.b_frames),
            );
        }
        if self.b_frames > 0 && self.profile == Profile::Baseline {
            return refuse(
                "encoder.b_frames",
                format!(
                    "the baseline profile has no B-frames, {} are asked for: set 0, or profile main or high",
                    self.b_frames
                ),
            );
        }
        Ok(())
    }
}

impl VideoFormat {
    /// Refuses sizes that H.264 with 4:2:0 colour cannot carry.
    pub fn validate(&self) -> Result<(), EncodeError> {
        let Resolution { width, height } = self.resolution;
        if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
            return refuse(
                "video.size",
                format!("{} has an odd side: both must be even", self.resolution),
            );
        }
        if !(16..=8192).contains(&width) || !(16..=8192).contains(&height) {
            return refuse(
                "video.size",
                format!("{} is not between 16x16 and 8192x8192", self.resolution),
            );
        }
        Ok(())
    }
}

fn refuse(field: &'static str, reason: String) -> Result<(), EncodeError> {
    Err(EncodeError::Setting { field, reason })
}

/// H.264 profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// No CABAC, no B-frames.
    Baseline,
    /// For old players.
    Main,
    /// The best of the three for the bits.
    High,
}

/// What the encoder optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tune {
    /// No look-ahead, no frame delay (x264 zerolatency).
    LowLatency,
    /// Look-ahead: a little more quality for the bits, about half a second more delay.
    Quality,
}

/// Whether a live change took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconfigured {
    /// From the next frame on.
    Live,
    /// Only by opening the encoder anew.
    NeedsReopen,
}

/// Why an encoder cannot be opened or stopped working.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// FFmpeg was built without it.
    #[error("FFmpeg on this machine has no {name} encoder{hint}")]
    Missing {
        /// FFmpeg's name.
        name: String,
        /// What to install, with a leading colon, or "".
        hint: &'static str,
    },
    /// A setting it refuses.
    #[error("encoder setting {field}: {reason}")]
    Setting {
        /// The field as in the settings file.
        field: &'static str,
        /// Why, and the allowed values.
        reason: String,
    },
    /// A call into FFmpeg failed.
    #[error("{what} failed")]
    Codec {
        /// What was being done.
        what: &'static str,
        /// FFmpeg's reason.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// It produced something we cannot send.
    #[error("the encoder produced a broken stream: {0}")]
    Bitstream(String),
    /// It was given something it was not opened for.
    #[error("the encoder cannot take its input: {0}")]
    Input(String),
    /// The thread that runs it did not start, or is gone.
    #[error("the {name} stage is not running: {reason}")]
    Stage {
        /// Which stage.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<bitstream::BitstreamError> for EncodeError {
    fn from(e: bitstream::BitstreamError) -> Self {
        Self::Bitstream(e.to_string())
    }
}

impl EncodeError {
    /// What the controller does about it.
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::Missing { .. } => Recovery::Fallback,
            Self::Setting { .. } | Self::Input(_) => Recovery::GiveUp,
            Self::Codec { .. } | Self::Bitstream(_) | Self::Stage { .. } => Recovery::Rebuild,
        }
    }
}

/// A running video encoder. Used by one thread.
pub trait VideoEncoder: Send {
    /// What decoders need; complete as soon as the encoder is open.
    fn parameters(&self) -> &Arc<CodecParameters>;
    /// Encodes one NV12 (or I420) picture of the opened size; packets that are ready are appended to `out`.
    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError>;
    /// Live where the codec really applies it (proved by measured bytes), otherwise [`Reconfigured::NeedsReopen`].
    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError>;
    /// Ends the stream; delayed packets are appended to `out`.
    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError>;
}

/// A running audio encoder. Used by one thread.
pub trait AudioEncoder: Send {
    /// What decoders need.
    fn parameters(&self) -> &Arc<CodecParameters>;
    /// Sample frames per block that [`encode`](Self::encode) takes (1024 for AAC).
    fn frame_size(&self) -> usize;
    /// Encodes one block of exactly [`frame_size`](Self::frame_size) sample frames in the format of the settings. Packet
    /// times are those of the sound in them: the codec's priming is accounted for.
    fn encode(
        &mut self,
        block: &AudioBlock,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError>;
    /// Ends the stream.
    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError>;
}

/// An encoder this machine may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderInfo {
    /// Name for the settings file.
    pub name: &'static str,
    /// What a person calls it.
    pub title: String,
    /// Usable now; otherwise why not.
    pub usable: Result<(), String>,
}

/// Opens the video encoder that the settings name.
pub fn open_video(
    settings: &VideoEncoderSettings,
    format: VideoFormat,
    generation: u32,
) -> Result<Box<dyn VideoEncoder>, EncodeError> {
    settings.validate()?;
    format.validate()?;
    let candidate = VIDEO_ENCODERS.iter().find(|c| c.name == settings.encoder);
    let candidate = candidate.expect("validated above");
    (candidate.open)(settings, format, generation)
}

/// Opens the audio encoder.
pub fn open_audio(
    settings: &AudioEncoderSettings,
    generation: u32,
) -> Result<Box<dyn AudioEncoder>, EncodeError> {
    aac::open(settings, generation)
}

/// Whether FFmpeg on this machine has the encoder; it may still not open.
pub fn has_aac(encoder: AacEncoder) -> bool {
    ffmpeg::has_encoder(encoder.name())
}

/// All encoders this build knows, with whether they work on this machine: each is opened and given a picture or a
/// block of sound, which takes some milliseconds.
pub fn list() -> Vec<EncoderInfo> {
    let mut list: Vec<EncoderInfo> = VIDEO_ENCODERS
        .iter()
        .map(|c| EncoderInfo {
            name: c.name,
            title: c.title.to_owned(),
            usable: try_video(c).map_err(|e| in_words(&e)),
        })
        .collect();
    list.extend(AacEncoder::ALL.map(|aac| EncoderInfo {
        name: aac.name(),
        title: aac.title().to_owned(),
        usable: try_audio(aac).map_err(|e| in_words(&e)),
    }));
    list
}

/// An error with its causes on one line.
fn in_words(error: &EncodeError) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn try_video(candidate: &Candidate) -> Result<(), EncodeError> {
    let resolution = Resolution::new(320, 180);
    let format = VideoFormat {
        resolution,
        rate: FrameRate::FPS_30,
    };
    let settings = VideoEncoderSettings {
        encoder: candidate.name.to_owned(),
        ..Default::default()
    };
    let mut encoder = (candidate.open)(&settings, format, 0)?;
    let plane = |rows: usize| Plane {
        data: vec![0x80; 320 * rows].into(),
        stride: 320,
    };
    let frame = VideoFrame {
        pts: MediaTime::ZERO,
        source: SourceId(0),
        seq: 0,
        resolution,
        data: FrameData::Nv12 {
            y: plane(180),
            uv: plane(90),
        },
        color: ColorSpec::BT709_LIMITED,
    };
    let mut packets = Vec::new();
    encoder.encode(&frame, false, &mut packets)?;
    encoder.flush(&mut packets)?;
    expect_packets(&packets)
}

fn try_audio(aac: AacEncoder) -> Result<(), EncodeError> {
    let settings = AudioEncoderSettings {
        encoder: aac,
        ..AudioEncoderSettings::default()
    };
    let mut encoder = aac::open(&settings, 0)?;
    let block = AudioBlock {
        pts: MediaTime::ZERO,
        samples: vec![0.0; encoder.frame_size() * 2].into(),
        format: settings.format(),
    };
    let mut packets = Vec::new();
    encoder.encode(&block, &mut packets)?;
    encoder.flush(&mut packets)?;
    expect_packets(&packets)
}

fn expect_packets(packets: &[EncodedPacket]) -> Result<(), EncodeError> {
    if packets.is_empty() {
        return Err(EncodeError::Bitstream("no packets came out".to_owned()));
    }
    Ok(())
}
