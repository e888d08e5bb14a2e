//! Sound in system memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::time::MediaTime;

/// Sample rate of everything inside the engine, in Hz.
pub const ENGINE_RATE: u32 = 48_000;

/// Rate and channel count of interleaved `f32` samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// Samples per second and channel.
    pub rate: u32,
    /// Channels, interleaved.
    pub channels: u16,
}

impl AudioFormat {
    /// 48 kHz stereo: what the mixer works in.
    pub const ENGINE: Self = Self {
        rate: ENGINE_RATE,
        channels: 2,
    };

    /// Length of `frames` sample frames (one sample of each channel).
    pub fn duration_of(self, frames: usize) -> Duration {
        let ns = frames as u128 * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Whole sample frames in `d`, to the nearest.
    pub fn frames_in(self, d: Duration) -> usize {
        usize::try_from((d.as_nanos() * u128::from(self.rate) + 500_000_000) / 1_000_000_000)
            .unwrap_or(usize::MAX)
    }
}

/// Which channels of a sound are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelPick {
    /// Left on the left, right on the right.
    #[default]
    Stereo,
    /// Both on both sides.
    Mono,
    /// The left one on both sides: a microphone in the first socket of an interface.
    Left,
    /// The right one on both sides.
    Right,
}

impl ChannelPick {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stereo, Self::Mono, Self::Left, Self::Right];

    /// Shares of left and right (columns) in what is heard on the left and on the right (rows).
    pub const fn shares(self) -> [[f32; 2]; 2] {
        match self {
            Self::Stereo => [[1.0, 0.0], [0.0, 1.0]],
            Self::Mono => [[0.5; 2]; 2],
            Self::Left => [[1.0, 0.0]; 2],
            Self::Right => [[0.0, 1.0]; 2],
        }
    }
}

/// A run of interleaved samples; cheap to clone.
#[derive(Clone)]
pub struct AudioBlock {
    /// Time of the first sample.
    pub pts: MediaTime,
    /// Interleaved samples, −1 to 1.
    pub samples: Arc<[f32]>,
    /// Rate and channels.
    pub format: AudioFormat,
}

impl AudioBlock {
    /// Sample frames in the block.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.format.channels.max(1))
    }
}

impl fmt::Debug for AudioBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioBlock")
            .field("pts", &self.pts)
            .field("frames", &self.frames())
            .finish_non_exhaustive()
    }
}
