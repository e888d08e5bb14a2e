//! The video encoder stage (thread `venc`): pictures from a bounded channel in, packets onto the [`PacketBus`] out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::{EncodeError, VideoEncoderSettings, VideoFormat};
use crate::media::packet::{Bitrate, PacketBus};
use crate::media::time::MediaClock;
use crate::media::video::VideoFrame;

/// The engine's hand on a running encoder; latest value wins (edge 9).
#[derive(Debug, Default)]
pub struct EncoderControl {
    bitrate_bps: AtomicU32,
    keyframe: AtomicBool,
}

impl EncoderControl {
    /// A control that asks for `bitrate`.
    pub fn new(bitrate: Bitrate) -> Self {
        Self {
            bitrate_bps: AtomicU32::new(bitrate.bps()),
            keyframe: AtomicBool::new(false),
        }
    }

    /// Asks for another bitrate from the next picture on.
    pub fn set_bitrate(&self, bitrate: Bitrate) {
        self.bitrate_bps.store(bitrate.bps(), Ordering::Relaxed);
    }

    /// The bitrate asked for.
    pub fn bitrate(&self) -> Bitrate {
        Bitrate::from_bps(self.bitrate_bps.load(Ordering::Relaxed))
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// Takes the request, if there is one.
    pub fn take_keyframe(&self) -> bool {
        self.keyframe.swap(false, Ordering::Relaxed)
    }
}

/// Tells the engine what happened to the encoder. Called on the encoder's thread; must not block.
pub type EncoderListener = Arc<dyn Fn(EncoderEvent) + Send + Sync>;

/// What happened to the encoder.
#[derive(Debug)]
pub enum EncoderEvent {
    /// It failed while running and was opened anew (a keyframe follows).
    Rebuilt {
        /// Why.
        error: EncodeError,
    },
    /// It failed for the third time within 30 s, or could not be opened anew: no more packets come.
    Failed {
        /// Why.
        error: EncodeError,
    },
}

/// Figures of the encoder stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct EncoderStats {
    /// Name of the encoder in use.
    pub name: String,
    /// Pictures taken in.
    pub frames: u64,
    /// Keyframes made.
    pub keyframes: u64,
    /// Bytes made since the start.
    pub bytes: u64,
    /// Produced kbit/s over the last second.
    pub kbps: u32,
    /// Asked kbit/s.
    pub target_kbps: u32,
    /// Encoded pictures per second over the last second.
    pub fps: f32,
    /// Median milliseconds per picture over the last second.
    pub encode_ms: f32,
    /// Pictures waiting.
    pub queue: usize,
}

/// Everything the encoder stage needs.
pub struct VideoEncodeConfig {
    /// Which encoder, and how.
    pub settings: VideoEncoderSettings,
    /// Size and rate.
    pub format: VideoFormat,
    /// The session's clock (for figures).
    pub clock: MediaClock,
    /// Pictures. Sent by the render stage; bound 3; when full the render stage skips the tick. A closed channel ends
    /// the stage after flushing.
    pub frames: Receiver<VideoFrame>,
    /// The engine's hand.
    pub control: Arc<EncoderControl>,
    /// Where packets go.
    pub bus: Arc<PacketBus>,
    /// Told what happens.
    pub listener: EncoderListener,
}

/// The running video encoder stage.
#[derive(Debug)]
pub struct VideoEncodeStage {}

impl VideoEncodeStage {
    /// Opens the encoder on its own thread; an error of opening comes back from here.
    pub fn start(_config: VideoEncodeConfig) -> Result<Self, EncodeError> {
        Ok(Self {})
    }

    /// Figures so far.
    pub fn stats(&self) -> EncoderStats {
        EncoderStats::default()
    }

    /// Asks the stage to stop, without waiting (closing the channel does the same and flushes).
    pub fn request_stop(&self) {}

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, _deadline: Instant) -> bool {
        true
    }
}
