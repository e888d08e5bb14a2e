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
