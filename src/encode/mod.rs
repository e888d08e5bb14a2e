//! Encoders: pictures and sound in, [`EncodedPacket`]s out. Each is one file behind [`VideoEncoder`] or
//! [`AudioEncoder`]; only `ffmpeg.rs` and the codec files name ffmpeg types.
#![warn(clippy::cast_possible_truncation)]

pub mod aac;
pub mod bitstream;
pub mod ffmpeg;
pub mod fmp4;
pub mod stage;
pub mod x264;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::media::Recovery;
use crate::media::audio::AudioBlock;
use crate::media::packet::{Bitrate, CodecParameters, EncodedPacket};
use crate::media::time::FrameRate;
use crate::media::video::{Resolution, VideoFrame};

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

/// Settings of the audio encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioEncoderSettings {
    /// kbit/s, 32 to 320.
    pub bitrate_kbps: u32,
}

impl Default for AudioEncoderSettings {
    fn default() -> Self {
        Self { bitrate_kbps: 128 }
    }
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
    /// The thread that runs it did not start, or is gone.
    #[error("the {name} stage is not running: {reason}")]
    Stage {
        /// Which stage.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

impl EncodeError {
    /// What the controller does about it.
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::Missing { .. } => Recovery::Fallback,
            Self::Setting { .. } => Recovery::GiveUp,
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
    /// Encodes one block of exactly [`frame_size`](Self::frame_size) sample frames in the engine's format. Packet
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
    match settings.encoder.as_str() {
        "x264" => x264::open(settings, format, generation),
        other => Err(EncodeError::Setting {
            field: "encoder.encoder",
            reason: format!("{other:?} is not one of: x264"),
        }),
    }
}

/// Opens the audio encoder.
pub fn open_audio(
    settings: &AudioEncoderSettings,
    generation: u32,
) -> Result<Box<dyn AudioEncoder>, EncodeError> {
    aac::open(settings, generation)
}

/// All encoders this build knows, with whether they work on this machine.
pub fn list() -> Vec<EncoderInfo> {
    Vec::new()
}
