//! Settings of the encoders: plain data in, the first value that is refused out, with what to do. No I/O; any thread.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::EncodeError;
use super::candidate::{self, Candidate};
use crate::media::packet::Bitrate;
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// Range of the video bitrate in bits per second.
pub(super) const BITRATE_BPS: RangeInclusive<u32> = 100_000..=100_000_000;

/// Value of `encoder` and `preset` that leaves the choice to the program.
pub const AUTO: &str = "auto";

/// What the video encoder gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Which encoder: "auto" (the best that works here) or a name out of `kaibo encoders`.
    pub encoder: String,
    /// What is held: the bitrate, the quality, or both within limits.
    pub rate_control: RateControl,
    /// kbit/s (1000 bits), 100 to 100000. With [`RateControl::Crf`] the most that is spent.
    pub bitrate_kbps: u32,
    /// Peak of [`RateControl::Vbr`] in kbit/s; 0 for one and a half times the bitrate.
    pub max_bitrate_kbps: u32,
    /// For [`RateControl::Crf`] and [`RateControl::Cqp`]: 0 (lossless) to 51 (worst); 18 to 28 is usual.
    pub quality: u8,
    /// Decoder buffer in milliseconds of the bitrate, 100 to 5000; 0 for what suits the tuning. A small one makes the
    /// bitrate even and its changes quick, a large one lets keyframes take what they need.
    pub buffer_ms: u32,
    /// "auto", or a preset of the encoder. Where the encoder is "auto" it is libx264's, used when that one encodes.
    pub preset: String,
    /// H.264 profile.
    pub profile: Profile,
    /// What is optimised.
    pub tune: Tune,
    /// Seconds between keyframes, 0.5 to 10.
    pub keyframe_interval: f32,
    /// Consecutive B-frames, 0 to 4; 0 for lowest delay.
    pub b_frames: u8,
    /// Pictures that the encoder looks ahead, 0 to 60; absent for what suits the tuning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_ahead: Option<u8>,
    /// Further options of the encoder as FFmpeg names them: `name=value`, separated by spaces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub options: String,
}

impl Default for VideoEncoderSettings {
    fn default() -> Self {
        Self {
            encoder: AUTO.to_owned(),
            rate_control: RateControl::Cbr,
            bitrate_kbps: 2500,
            max_bitrate_kbps: 0,
            quality: 23,
            buffer_ms: 0,
            preset: AUTO.to_owned(),
            profile: Profile::Auto,
            tune: Tune::LowLatency,
            keyframe_interval: 2.0,
            b_frames: 0,
            look_ahead: None,
            options: String::new(),
        }
    }
}

/// What the encoder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateControl {
    /// Constant bitrate: what services ask for. Nothing is padded: a still picture takes less.
    #[default]
    Cbr,
    /// Variable bitrate: the mean is the bitrate, hard scenes may take up to the peak.
    Vbr,
    /// Constant quality, never more than the bitrate.
    Crf,
    /// Constant quantiser without any limit: for recordings only.
    Cqp,
}

impl RateControl {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cbr, Self::Vbr, Self::Crf, Self::Cqp];

    /// As in the settings file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cbr => "cbr",
            Self::Vbr => "vbr",
            Self::Crf => "crf",
            Self::Cqp => "cqp",
        }
    }
}

/// H.264 profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The best that the encoder has.
    #[default]
    Auto,
    /// No CABAC, no B-frames.
    Baseline,
    /// For old players.
    Main,
    /// The best of the three for the bits.
    High,
}

impl Profile {
    /// As in the settings file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Baseline => "baseline",
            Self::Main => "main",
            Self::High => "high",
        }
    }
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

/// A bundle of settings that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Least delay: chat with viewers, games by remote.
    LowLatency,
    /// A short look-ahead.
    Balanced,
    /// B-frames and full look-ahead.
    Quality,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LowLatency, Self::Balanced, Self::Quality];

    /// Tune, B-frames, look-ahead and buffer of the bundle.
    const fn values(self) -> (Tune, u8, Option<u8>, u32) {
        match self {
            Self::LowLatency => (Tune::LowLatency, 0, None, 0),
            Self::Balanced => (Tune::Quality, 0, Some(8), 0),
            Self::Quality => (Tune::Quality, 2, None, 0),
        }
    }
}

/// Bits per second and bits that an encoder is told; 0 for "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) target: u32,
    pub(super) max: u32,
    pub(super) buffer: u32,
}

impl VideoEncoderSettings {
    /// Refuses the first field that is out of its range or that this encoder cannot do, with what can be done instead.
    pub fn validate(&self) -> Result<(), EncodeError> {
        self.check_ranges()?;
        if self.encoder == AUTO {
            if !self.options.trim().is_empty() {
                return refuse(
                    "encoder.options",
                    "options belong to one encoder: set encoder.encoder to the one that they are for, or remove them"
                        .to_owned(),
                );
            }
            return candidate::processor().accepts(self);
        }
        let Some(candidate) = candidate::find(&self.encoder) else {
            let names: Vec<_> = candidate::all().map(|c| c.name).collect();
            return refuse(
                "encoder.encoder",
                format!(
                    "{:?} is not one of: {AUTO}, {}",
                    self.encoder,
                    names.join(", ")
                ),
            );
        };
        candidate.accepts(self)
    }

    /// As [`validate`](Self::validate), and refuses what a stream over RTMP cannot carry or a link could not stand.
    pub fn validate_for_stream(&self) -> Result<(), EncodeError> {
        self.validate()?;
        if let Some(c) = candidate::find(&self.encoder)
            && c.codec != candidate::VideoCodec::H264
        {
            return refuse(
                "encoder.encoder",
                format!(
                    "{} makes {}, and this program streams H.264 only: choose an H.264 encoder or {AUTO}",
                    c.name,
                    c.codec.title()
                ),
            );
        }
        if self.rate_control == RateControl::Cqp {
            return refuse(
                "encoder.rate_control",
                "cqp has no limit and would overrun the link: choose cbr, vbr or crf for a stream"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), EncodeError> {
        if !in_range(self.bitrate_kbps) {
            return refuse(
                "encoder.bitrate_kbps",
                format!("{} is not between 100 and 100000 kbit/s", self.bitrate_kbps),
            );
        }
        let peak = self.max_bitrate_kbps;
        if peak != 0 && !(in_range(peak) && peak >= self.bitrate_kbps) {
            return refuse(
                "encoder.max_bitrate_kbps",
                format!(
                    "{peak} is not between the bitrate ({}) and 100000 kbit/s; 0 chooses it",
                    self.bitrate_kbps
                ),
            );
        }
        if self.quality > 51 {
            return refuse(
                "encoder.quality",
                format!(
                    "{} is not between 0 (best) and 51 (worst); 23 is usual",
                    self.quality
                ),
            );
        }
        if self.buffer_ms != 0 && !(100..=5000).contains(&self.buffer_ms) {
            return refuse(
                "encoder.buffer_ms",
                format!(
                    "{} is not between 100 and 5000 milliseconds; 0 chooses it",
                    self.buffer_ms
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
        match self.look_ahead {
            Some(n) if n > 60 => refuse(
                "encoder.look_ahead",
                format!("{n} is not between 0 and 60 pictures"),
            ),
            Some(n) if n > 0 && self.tune == Tune::LowLatency => refuse(
                "encoder.look_ahead",
                format!(
                    "low latency means no look-ahead, {n} pictures are asked for: set 0, or tune quality"
                ),
            ),
            _ => Ok(()),
        }
    }

    /// These settings with the values of a bundle.
    #[must_use]
    pub fn styled(&self, style: Style) -> Self {
        let (tune, b_frames, look_ahead, buffer_ms) = style.values();
        Self {
            tune,
            b_frames,
            look_ahead,
            buffer_ms,
            ..self.clone()
        }
    }

    /// The bundle that these are, if it is one.
    pub fn style(&self) -> Option<Style> {
        let now = (self.tune, self.b_frames, self.look_ahead, self.buffer_ms);
        Style::ALL.into_iter().find(|style| style.values() == now)
    }

    /// The same wishes for a given encoder. What belongs to another one (its preset, its options) is left out.
    pub(super) fn for_candidate(&self, candidate: &Candidate) -> Self {
        let own = self.encoder == candidate.name;
        let kept = own || (self.encoder == AUTO && candidate.name == candidate::processor().name);
        Self {
            encoder: candidate.name.to_owned(),
            preset: if kept {
                self.preset.clone()
            } else {
                AUTO.to_owned()
            },
            options: if own {
                self.options.clone()
            } else {
                String::new()
            },
            ..self.clone()
        }
    }

    /// The same at another bitrate; the peak of VBR moves along with it.
    #[must_use]
    pub(super) fn at_bitrate(&self, bitrate: Bitrate) -> Self {
        let kbps = bitrate.kbps();
        let peak = u64::from(self.max_bitrate_kbps) * u64::from(kbps)
            / u64::from(self.bitrate_kbps.max(1));
        let (low, high) = (kbps, BITRATE_BPS.end() / 1000);
        Self {
            bitrate_kbps: kbps,
            max_bitrate_kbps: match self.max_bitrate_kbps {
                0 => 0,
                _ => u32::try_from(peak).unwrap_or(high).clamp(low, high),
            },
            ..self.clone()
        }
    }

    /// What the encoder is told for a bitrate; the peak of VBR moves along with it.
    pub(super) fn rate(&self, bitrate: Bitrate) -> Rate {
        let bps = bitrate.bps();
        let buffer_ms = match (self.buffer_ms, self.tune) {
            (0, Tune::LowLatency) => 500,
            (0, Tune::Quality) => 700,
            (ms, _) => ms,
        };
        let part = |of: u32, num: u64, den: u64| {
            u32::try_from(u64::from(of) * num / den.max(1)).unwrap_or(u32::MAX)
        };
        let max = match self.max_bitrate_kbps {
            0 => part(bps, 3, 2),
            peak => part(bps, peak.into(), self.bitrate_kbps.into()),
        };
        let (target, max) = match self.rate_control {
            RateControl::Cbr => (bps, bps),
            RateControl::Vbr => (bps, max),
            RateControl::Crf => (0, bps),
            RateControl::Cqp => (0, 0),
        };
        Rate {
            target,
            max,
            buffer: part(max, buffer_ms.into(), 1000),
        }
    }
}

fn in_range(kbps: u32) -> bool {
    let bps = u64::from(kbps) * 1000;
    u32::try_from(bps).is_ok_and(|bps| BITRATE_BPS.contains(&bps))
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

pub(super) fn refuse(field: &'static str, reason: String) -> Result<(), EncodeError> {
    Err(EncodeError::Setting { field, reason })
}
