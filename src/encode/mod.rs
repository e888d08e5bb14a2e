//! Encoders: pictures and sound in, [`EncodedPacket`]s out. Video encoders are lines of one table ([`candidate`]), one
//! file a family, and FFmpeg runs all of them; [`probe`] finds out which work here, [`select`] chooses, [`stage`] runs one
//! and replaces it when it fails. Only this module names ffmpeg types.
#![warn(clippy::cast_possible_truncation)]

pub mod aac;
mod av;
mod av1;
mod avopt;
mod background;
pub mod bitstream;
pub mod candidate;
mod coded;
mod family;
pub mod ffmpeg;
pub mod fmp4;
mod hevc;
mod hwframes;
pub mod probe;
pub mod select;
pub mod settings;
mod sound;
pub mod stage;

use std::sync::Arc;

use serde::Serialize;

pub use self::settings::{Profile, RateControl, Style, Tune, VideoEncoderSettings, VideoFormat};
pub use self::sound::{AacEncoder, AudioChannels, AudioEncoderSettings, AudioRate};

use crate::media::Recovery;
use crate::media::audio::AudioBlock;
use crate::media::packet::{Bitrate, CodecParameters, EncodedPacket};
use crate::media::time::MediaTime;
use crate::media::video::VideoFrame;

/// Whether a live change took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconfigured {
    /// From the next frame on.
    Live,
    /// It was passed on; whether the encoder follows is to be seen in its bytes.
    Unproven,
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
    /// It takes pictures and gives nothing back, or does not even come back from a call.
    #[error("the encoder hangs: nothing came out of it for {millis} ms")]
    Hangs {
        /// How long.
        millis: u64,
    },
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
            Self::Codec { .. } | Self::Bitstream(_) | Self::Hangs { .. } | Self::Stage { .. } => {
                Recovery::Rebuild
            }
        }
    }
}

/// A running video encoder. Used by one thread.
pub trait VideoEncoder: Send {
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

/// The sound encoder of this build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderInfo {
    /// Name.
    pub name: &'static str,
    /// What a person calls it.
    pub title: String,
    /// Usable now; otherwise why not.
    pub usable: Result<(), String>,
}

/// Opens the video encoder that the settings name. "auto" is libx264 here: [`select`] turns it into the best one that
/// works before.
pub fn open_video(
    settings: &VideoEncoderSettings,
    format: VideoFormat,
    generation: u32,
) -> Result<Box<dyn VideoEncoder>, EncodeError> {
    settings.validate()?;
    format.validate()?;
    let candidate = candidate::find(&settings.encoder).unwrap_or_else(candidate::processor);
    let settings = settings.for_candidate(candidate);
    Ok(Box::new(coded::Coded::open(
        candidate, &settings, format, generation,
    )?))
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

/// The sound encoders, with whether they work: each is opened and given a block, which takes a millisecond.
pub fn audio_infos() -> [EncoderInfo; AacEncoder::ALL.len()] {
    AacEncoder::ALL.map(|aac| EncoderInfo {
        name: aac.name(),
        title: aac.title().to_owned(),
        usable: try_audio(aac).map_err(|e| in_words(&e)),
    })
}

/// An error with its causes on one line.
fn in_words(error: &EncodeError) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
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
    if packets.is_empty() {
        return Err(EncodeError::Bitstream("no packets came out".to_owned()));
    }
    Ok(())
}
