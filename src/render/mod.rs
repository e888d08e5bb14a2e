//! The picture: each tick takes the newest frame of every source, composes the scene, shows it and hands it to the
//! encoder as NV12.
//!
//! Colour: everything is composed in `Rgba8Unorm` on gamma-encoded values (what the filters of this field expect); the
//! result is BT.709 limited-range NV12.

mod budget;
mod compositor;
mod convert;
pub mod filter;
mod follow;
mod geometry;
pub mod overlay;
mod plan;
pub mod preview;
pub mod scene;
pub mod screenshot;
mod stage;
mod stats;
pub mod still;
pub mod transition;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Sender, TrySendError, bounded};
use parking_lot::Mutex;

use crate::gpu::context::GpuContext;
use crate::gpu::pass::Quality;
use crate::gpu::shader::{Uniform as _, UniformLayout};
use crate::gpu::timer::PassTime;
use crate::media::SourceId;
use crate::media::slot::LatestSlot;
use crate::media::time::{FrameRate, MediaClock};
use crate::media::video::{Resolution, VideoFrame};
use crate::stage::{StageExit, StageHandle, StartError, StopFlag};
use overlay::OverlayBoard;
pub use plan::Plan;
use preview::PreviewSink;
use scene::Scene;
use screenshot::ScreenshotCallback;
use transition::Transition;

/// What the renderer draws from now on; swapped as a whole, so that a tick never mixes two scenes.
#[derive(Debug, Default)]
pub struct SceneState {
    /// Layers and filters.
    pub scene: Scene,
    /// Where each source's newest frame lies.
    pub sources: HashMap<SourceId, Arc<LatestSlot<VideoFrame>>>,
    /// The source of each layer of `scene`, by index.
    pub layer_sources: Vec<SourceId>,
    /// The watermarks of `scene`, as far as they are ready.
    pub overlays: Arc<OverlayBoard>,
    /// Another scene was shown just before.
    pub transition: Option<Arc<Transition>>,
}

impl SceneState {
    /// The same picture for as long as it fades out: its watermarks stay as they are, whatever is put on the board.
    pub fn leaving(&self) -> Self {
        Self {
            scene: self.scene.clone(),
            sources: self.sources.clone(),
            layer_sources: self.layer_sources.clone(),
            overlays: Arc::new(self.overlays.copy()),
            transition: None,
        }
    }
}

/// Everything the render stage needs.
pub struct RenderConfig {
    /// Where to draw. Shared with a window or not, the stage never blocks on it.
    pub gpu: GpuContext,
    /// The session's clock.
    pub clock: MediaClock,
    /// Size of the picture; sides must be even (the encoder's chroma has half of them).
    pub resolution: Resolution,
    /// Ticks per second.
    pub rate: FrameRate,
    /// Read once per tick.
    pub scene: Arc<ArcSwap<SceneState>>,
    /// Where pictures go while an encoder runs (edge 3: bound 3; when full this tick's picture is skipped). NV12, or I420
    /// where the source itself delivers what the encoder wants.
    pub encoder: Arc<ArcSwapOption<EncoderInputs>>,
    /// Where the same pictures go while a recording has an encoder of its own (bound 3; when full the recording lacks
    /// this tick's picture, and nobody else does).
    pub recorder: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    /// Where the composed picture goes besides.
    pub preview: PreviewSink,
    /// Called when the stage ends by itself (with the reason).
    pub on_exit: Box<dyn FnOnce(&StageExit) + Send>,
}

/// Encoders' queues.
#[derive(Debug)]
pub struct EncoderInputs {
    /// The show's encoder. While its queue is full it misses this tick's picture.
    pub main: Sender<VideoFrame>,
    /// Encoders of single destinations. Each misses a picture by itself when its queue is full.
    pub more: Vec<Sender<VideoFrame>>,
}

impl From<Sender<VideoFrame>> for EncoderInputs {
    fn from(main: Sender<VideoFrame>) -> Self {
        Self {
            main,
            more: Vec::new(),
        }
    }
}

/// Figures of the render stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct RenderStats {
    /// Ticks with a picture for somebody.
    pub rendered: u64,
    /// Ticks without anybody to show a picture to.
    pub idle: u64,
    /// Pictures for the encoder that repeat the one before, because nothing had changed.
    pub repeated: u64,
    /// Ticks skipped because the stage came too late.
    pub lagged: u64,
    /// Pictures not handed to the encoder because its queue or the readback ring was full.
    pub skipped: u64,
    /// Pictures not handed to the recording's own encoder because its queue was full.
    pub record_skipped: u64,
    /// Full-frame GPU passes of the last tick; 0 when no pixel was touched or the picture was repeated.
    pub passes: u32,
    /// Median time in `queue.submit` over the last seconds, in microseconds.
    pub submit_us_p50: u32,
    /// 99th percentile of the same.
    pub submit_us_p99: u32,
    /// What the passes of a picture take on the GPU, where the adapter can tell.
    pub pass_times: Vec<PassTime>,
    /// Names of filters that the driver refused (in English): they are off until they are changed.
    pub failed_filters: Vec<&'static str>,
    /// How fine filters work: less than full when pictures took too long.
    pub quality: Quality,
    /// Median age of the main source's picture at its tick, in milliseconds (lip sync).
    pub source_age_ms: f32,
    /// Rendered frames per second over the last second.
    pub fps: f32,
}

/// Why pictures cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The graphics device or driver refuses.
    #[error("the picture cannot be drawn: {0}")]
    Gpu(String),
    /// A size that cannot be encoded.
    #[error("a picture of {0} cannot be encoded: width and height must be even numbers")]
    OddSize(Resolution),
    /// The thread could not be started.
    #[error("the picture cannot be drawn: {0}")]
    Thread(String),
    /// Screenshots are taken one at a time, and not while the device is being lost.
    #[error("no screenshot could be taken at this moment: try again")]
    Busy,
}

/// Layout of every uniform struct, for the test that compares them with the shaders.
pub fn uniform_layouts() -> Vec<UniformLayout> {
    vec![
        crate::gpu::texture::PictureUniform::LAYOUT,
        compositor::LayerUniform::LAYOUT,
        compositor::Nv12Uniform::LAYOUT,
        filter::point::PointUniform::LAYOUT,
        filter::beauty::BeautyShrinkUniform::LAYOUT,
        filter::beauty::BeautyAcrossUniform::LAYOUT,
        filter::beauty::BeautyDownUniform::LAYOUT,
        filter::beauty::BeautyUniform::LAYOUT,
        filter::sharpen::SharpenUniform::LAYOUT,
        filter::blur::ShrinkUniform::LAYOUT,
        filter::blur::BlurUniform::LAYOUT,
        filter::blur::BlurMixUniform::LAYOUT,
        filter::pixelate::PixelateUniform::LAYOUT,
    ]
}

/// The running render stage (thread `render`).
#[derive(Debug)]
pub struct RenderStage {
    handle: StageHandle,
    stats: Arc<Mutex<RenderStats>>,
    /// From any thread to the render thread; bound 1; when full the request is refused.
    screenshots: Sender<ScreenshotCallback>,
}

impl RenderStage {
    /// Starts the thread; errors of pipeline creation come back from here.
    pub fn start(mut config: RenderConfig) -> Result<Self, RenderError> {
        let Resolution { width, height } = config.resolution;
        if width % 2 + height % 2 > 0 || width * height == 0 {
            return Err(RenderError::OddSize(config.resolution));
        }
        let stats = Arc::new(Mutex::new(RenderStats::default()));
        let shared = Arc::clone(&stats);
        let (screenshots, requests) = bounded(1);
        let on_exit = std::mem::replace(&mut config.on_exit, Box::new(|_| {}));
        let handle = crate::stage::spawn(
            "render",
            &StopFlag::new(),
            move || stage::Stage::new(config, requests, shared),
            stage::Stage::run,
            move |exit| {
                if *exit != StageExit::Finished {
                    on_exit(exit);
                }
            },
        )
        .map_err(|error| match error {
            StartError::Init(error) => error,
            other => RenderError::Thread(other.to_string()),
        })?;
        Ok(Self {
            handle,
            stats,
            screenshots,
        })
    }

    /// Figures as of the last tick.
    pub fn stats(&self) -> RenderStats {
        self.stats.lock().clone()
    }

    /// Asks for the composed picture of the next tick. `callback` gets it on the render thread within a few ticks (never,
    /// if the stage ends before).
    pub fn request_screenshot(&self, callback: ScreenshotCallback) -> Result<(), RenderError> {
        self.screenshots
            .try_send(callback)
            .map_err(|error| match error {
                TrySendError::Full(_) => RenderError::Busy,
                TrySendError::Disconnected(_) => {
                    RenderError::Gpu("the render stage has ended".to_owned())
                }
            })
    }

    /// Asks the stage to stop, without waiting.
    pub fn request_stop(&self) {
        self.handle.request_stop();
    }

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.handle.join_until(deadline).is_some()
    }
}
