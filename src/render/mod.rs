//! The picture: each tick takes the newest frame of every source, composes the scene, shows it and hands it to the
//! encoder as NV12.
//!
//! Colour: everything is composed in `Rgba8Unorm` on gamma-encoded values (what the filters of this field expect); the
//! result is BT.709 limited-range NV12.

pub mod filter;
pub mod preview;
pub mod scene;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::Sender;

use crate::gpu::context::GpuContext;
use crate::media::SourceId;
use crate::media::slot::LatestSlot;
use crate::media::time::{FrameRate, MediaClock};
use crate::media::video::{Resolution, VideoFrame};
use preview::PreviewSink;
use scene::Scene;

/// What the renderer draws from now on; swapped as a whole, so that a tick never mixes two scenes.
#[derive(Debug, Default)]
pub struct SceneState {
    /// Layers and filters.
    pub scene: Scene,
    /// Where each source's newest frame lies.
    pub sources: HashMap<SourceId, Arc<LatestSlot<VideoFrame>>>,
    /// The source of each layer of `scene`, by index.
    pub layer_sources: Vec<SourceId>,
}

/// Everything the render stage needs.
pub struct RenderConfig {
    pub gpu: GpuContext,
    pub clock: MediaClock,
    pub resolution: Resolution,
    pub rate: FrameRate,
    /// Read once per tick.
    pub scene: Arc<ArcSwap<SceneState>>,
    /// Where NV12 pictures go while an encoder runs (edge 3: bound 3; when full this tick's frame is skipped).
    pub encoder: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    pub preview: PreviewSink,
    /// Called when the stage ends by itself (with the reason).
    pub on_exit: Box<dyn FnOnce(&crate::stage::StageExit) + Send>,
}

/// Figures of the render stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct RenderStats {
    /// Ticks rendered.
    pub rendered: u64,
    /// Ticks skipped because the stage came too late.
    pub lagged: u64,
    /// Pictures not handed to the encoder because its queue or the readback ring was full.
    pub skipped: u64,
    /// Full-frame GPU passes of the last tick; 0 when the source's own pixels were passed on.
    pub passes: u32,
    /// Median and 99th percentile of the time in `queue.submit` over the last seconds, in microseconds.
    pub submit_us_p50: u32,
    pub submit_us_p99: u32,
    /// Median age of the main source's picture at its tick, in milliseconds (lip sync).
    pub source_age_ms: f32,
    /// Rendered frames per second over the last second.
    pub fps: f32,
}

#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the picture cannot be drawn: {0}")]
    Gpu(String),
}

/// The running render stage (thread `render`).
#[derive(Debug)]
pub struct RenderStage {}

impl RenderStage {
    /// Starts the thread; errors of pipeline creation come back from here.
    pub fn start(_config: RenderConfig) -> Result<Self, RenderError> {
        Ok(Self {})
    }

    pub fn stats(&self) -> RenderStats {
        RenderStats::default()
    }

    /// Asks the stage to stop, without waiting.
    pub fn request_stop(&self) {}

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, _deadline: Instant) -> bool {
        true
    }
}
