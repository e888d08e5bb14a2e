//! Settings of the sound encoder: which encoder, how many bits, channels and samples.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::EncodeError;
use crate::media::audio::AudioFormat;

/// Settings of the audio encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioEncoderSettings {
    /// Which encoder: "aac" (FFmpeg's own) or "libfdk_aac".
    pub encoder: AacEncoder,
    /// kbit/s, 32 to 320; of one channel at most 256.
    pub bitrate_kbps: u32,
    /// What is sent: "stereo" or "mono".
    pub channels: AudioChannels,
    /// Samples a second that are sent: 44100 or 48000.
    pub rate: AudioRate,
}

impl Default for AudioEncoderSettings {
    fn default() -> Self {
        Self {
            encoder: AacEncoder::Native,
            bitrate_kbps: 128,
            channels: AudioChannels::Stereo,
            rate: AudioRate::Hz48000,
        }
    }
}

/// An AAC encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AacEncoder {
    /// FFmpeg's own.
    #[default]
    #[serde(rename = "aac")]
    Native,
    /// Fraunhofer's; in few builds of FFmpeg, because of its licence.
    #[serde(rename = "libfdk_aac")]
    Fdk,
}

impl AacEncoder {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Native, Self::Fdk];

    /// FFmpeg's name, also in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "aac",
            Self::Fdk => "libfdk_aac",
        }
    }

    /// What a person calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Native => "AAC, FFmpeg (processor)",
            Self::Fdk => "AAC, Fraunhofer FDK (processor)",
        }
    }
}

impl FromStr for AacEncoder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|e| e.name() == text);
        found.ok_or_else(|| format!("{text:?} is neither aac nor libfdk_aac"))
    }
}

/// How many channels are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioChannels {
    /// Both, mixed into one.
    Mono,
    /// Left and right.
    #[default]
    Stereo,
}

impl AudioChannels {
    /// How many.
    pub const fn count(self) -> u16 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

impl FromStr for AudioChannels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mono" => Ok(Self::Mono),
            "stereo" => Ok(Self::Stereo),
            _ => Err(format!("{text:?} is neither mono nor stereo")),
        }
    }
}

/// Samples a second that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum AudioRate {
    /// For old services and players.
    Hz44100,
    /// What the engine works in: nothing is converted.
    #[default]
    Hz48000,
}

impl AudioRate {
    /// In Hz.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz44100 => 44_100,
            Self::Hz48000 => 48_000,
        }
    }
}

impl TryFrom<u32> for AudioRate {
    type Error = String;

    fn try_from(hz: u32) -> Result<Self, String> {
        match hz {
            44_100 => Ok(Self::Hz44100),
            48_000 => Ok(Self::Hz48000),
            _ => Err(format!("{hz} Hz is neither 44100 nor 48000")),
        }
    }
}

impl From<AudioRate> for u32 {
    fn from(rate: AudioRate) -> Self {
        rate.hz()
    }
}

impl FromStr for AudioRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hz: Result<u32, _> = text.trim().parse();
        hz.map_err(|_no_number| format!("{text:?} is neither 44100 nor 48000"))?
            .try_into()
    }
}

impl fmt::Display for AudioRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hz().fmt(f)
    }
}

impl AudioEncoderSettings {
    /// What the encoder is given.
    pub const fn format(&self) -> AudioFormat {
        AudioFormat {
            rate: self.rate.hz(),
            channels: self.channels.count(),
        }
    }

    /// Refuses the first field that is out of its range, with the range.
    pub fn validate(&self) -> Result<(), EncodeError> {
        let kbps = self.bitrate_kbps;
        if !(32..=320).contains(&kbps) {
            let reason = format!("{kbps} is not between 32 and 320 kbit/s");
            return super::refuse("audio.encoder.bitrate_kbps", reason);
        }
        // a frame of AAC has at most 6144 bits a channel (ISO/IEC 14496-3, 4.5.3): 264 kbit/s at 44.1 kHz
        if self.channels == AudioChannels::Mono && kbps > 256 {
            let reason = format!("{kbps} kbit/s do not fit into one channel: at most 256");
            return super::refuse("audio.encoder.bitrate_kbps", reason);
        }
        Ok(())
    }
}
