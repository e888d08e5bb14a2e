//! Where the composed picture goes besides the encoder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::gpu::context::GpuContext;
use crate::gpu::texture::{GpuFrame, TARGET_USAGE, TexturePool, texture_descriptor};
use crate::media::time::MediaTime;
use crate::media::video::Resolution;

/// Where the composed picture goes besides the encoder.
#[derive(Clone)]
pub enum PreviewSink {
    /// Nowhere: no preview work is done.
    None,
    /// Into a texture on the shared device; the window registers it once (again when [`PreviewTexture::generation`]
    /// changed). Same queue, so submission order is the synchronisation.
    Texture(Arc<PreviewTexture>),
}

/// The preview texture and who wants it.
pub struct PreviewTexture {
    /// The newest texture (`Rgba8Unorm`, composed size); replaced when the size changes.
    pub texture: ArcSwapOption<wgpu::Texture>,
    /// Grows when `texture` was replaced.
    pub generation: AtomicU32,
    /// False while the window is hidden or minimised: the renderer then does no preview work.
    pub visible: AtomicBool,
    /// The left half shows the picture before its filters.
    pub compare: AtomicBool,
    /// Least time between two pictures; [`INTERVAL`](Self::INTERVAL) unless set.
    pub interval: Duration,
    /// Called after each submitted preview picture, from the render thread; must not block.
    pub waker: Box<dyn Fn() + Send + Sync>,
}

impl PreviewTexture {
    /// At most 30 pictures a second.
    pub const INTERVAL: Duration = Duration::from_nanos(33_333_333);

    /// Hidden, without a texture; `waker` is called after each submitted picture.
    pub fn new(waker: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            texture: ArcSwapOption::empty(),
            generation: AtomicU32::new(0),
            visible: AtomicBool::new(false),
            compare: AtomicBool::new(false),
            interval: Self::INTERVAL,
            waker: Box::new(waker),
        }
    }
}

/// The render stage's side of the preview: when to draw, and into what. Render thread.
pub(super) struct Preview {
    sink: PreviewSink,
    target: Option<GpuFrame>,
    next: MediaTime,
}

impl Preview {
    /// The preview may take this part of the render thread's time: one in so many.
    const PAUSE: u32 = 4;
    /// Ticks are not cut to whole nanoseconds alike.
    const SLACK: Duration = Duration::from_millis(2);

    pub(super) fn new(sink: PreviewSink) -> Self {
        Self {
            sink,
            target: None,
            next: MediaTime::ZERO,
        }
    }

    /// Somebody looks at the preview.
    pub(super) fn is_visible(&self) -> bool {
        match &self.sink {
            PreviewSink::None => false,
            PreviewSink::Texture(t) => t.visible.load(Ordering::Relaxed),
        }
    }

    /// The left half is to be shown without filters.
    pub(super) fn compares(&self) -> bool {
        match &self.sink {
            PreviewSink::None => false,
            PreviewSink::Texture(t) => t.compare.load(Ordering::Relaxed),
        }
    }

    /// A new picture may be drawn at `at`.
    pub(super) fn is_due(&self, at: MediaTime) -> bool {
        at + Self::SLACK >= self.next
    }

    /// What to draw into; made at the first use.
    pub(super) fn target(
        &mut self,
        gpu: &GpuContext,
        pool: &mut TexturePool,
        size: Resolution,
    ) -> Option<GpuFrame> {
        let PreviewSink::Texture(shared) = &self.sink else {
            return None;
        };
        if self.target.as_ref().is_none_or(|t| t.resolution() != size) {
            let texture = gpu.device.create_texture(&texture_descriptor(
                "preview",
                size,
                wgpu::TextureFormat::Rgba8Unorm,
                TARGET_USAGE,
            ));
            self.target = Some(pool.wrap(&texture, MediaTime::ZERO));
            shared.texture.store(Some(Arc::new(texture)));
            shared.generation.fetch_add(1, Ordering::Release);
        }
        self.target.clone()
    }

    /// The picture of tick `at` was submitted, which took `cost`. On a software adapter that shares its device with a
    /// window it can be a whole tick: the pictures that viewers get come first, so the preview then pauses.
    pub(super) fn submitted(&mut self, at: MediaTime, cost: Duration) {
        if let PreviewSink::Texture(shared) = &self.sink {
            self.next = at + shared.interval.max(cost * Self::PAUSE);
            (shared.waker)();
        }
    }
}

impl fmt::Debug for PreviewTexture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviewTexture")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PreviewSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "PreviewSink::None",
            Self::Texture(_) => "PreviewSink::Texture",
        })
    }
}
