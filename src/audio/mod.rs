//! The sound: every input resampled to 48 kHz stereo, aligned by time stamps, mixed, metered, encoded (thread `audio`).
//!
//! Blocks of 1024 sample frames are made by the clock, so the AAC track never stops: where no input has samples there
//! is silence of the right length.

pub mod meter;
pub mod mixer;
pub mod resample;

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use crate::encode::{AudioEncoderSettings, EncodeError};
use crate::media::SourceId;
use crate::media::packet::PacketBus;
use crate::media::ring::AudioTap;
use crate::media::time::MediaClock;

/// Everything the audio stage needs.
pub struct AudioConfig {
    /// The session's clock.
    pub clock: MediaClock,
    /// New sound rings from sources (bound 16).
    pub taps: Receiver<AudioTap>,
    /// Where packets go while an encoder is on.
    pub bus: Arc<PacketBus>,
    /// Called when the stage ends by itself (with the reason).
    pub on_exit: Box<dyn FnOnce(&crate::stage::StageExit) + Send>,
}

/// Levels of the mix, −120 dBFS (silence) to 0 (and above: clipped).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Levels {
    /// Highest sample of the last block, left and right, with about 1.5 s hold and fall.
    pub peak_dbfs: [f32; 2],
    /// Root mean square over about 300 ms, left and right.
    pub rms_dbfs: [f32; 2],
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            peak_dbfs: [-120.0; 2],
            rms_dbfs: [-120.0; 2],
        }
    }
}

/// Figures of the audio stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct AudioStats {
    /// Levels of the mix.
    pub levels: Levels,
    /// Inputs that delivered samples within the last second.
    pub active_inputs: usize,
    /// Blocks refused by full rings, over all inputs.
    pub overruns: u64,
    /// Milliseconds of silence filled in where an input had a gap.
    pub gap_ms: u64,
    /// AAC packets made.
    pub packets: u64,
    /// Milliseconds of sound waiting in the longest input.
    pub queued_ms: u32,
}

/// The running audio stage.
#[derive(Debug)]
pub struct AudioStage {}

impl AudioStage {
    /// Starts the thread.
    pub fn start(_config: AudioConfig) -> Result<Self, EncodeError> {
        Ok(Self {})
    }

    /// Turns AAC encoding on (a new generation) or, with `None`, off. An error of opening comes back from here.
    pub fn set_encoder(&self, _settings: Option<AudioEncoderSettings>) -> Result<(), EncodeError> {
        Ok(())
    }

    /// Gain (in dB) and mute of one source; applied smoothly from the next block on. A source not known yet gets it
    /// when it appears.
    pub fn set_gain(&self, _source: SourceId, _gain_db: f32, _muted: bool) {}

    /// Added to the time of all sound: the picture's age at its tick, so that lips match. Nanoseconds.
    pub fn set_video_delay(&self, _nanos: i64) {}

    /// Figures so far.
    pub fn stats(&self) -> AudioStats {
        AudioStats::default()
    }

    /// Asks the stage to stop, without waiting; the encoder is flushed.
    pub fn request_stop(&self) {}

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, _deadline: Instant) -> bool {
        true
    }
}
