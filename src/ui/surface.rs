//! Keeps the window's surface right while the engine submits to the same device: after a change of size, or after a
//! graphics call of the window failed, the next paint reconfigures the surface with submissions held
//! ([`WindowShare`]). Runs on the main thread.

use std::sync::Arc;

use eframe::{SurfaceConfig, egui};

use crate::gpu::share::WindowShare;

/// Decides when a paint must reconfigure undisturbed.
pub(super) struct SurfaceGuard {
    share: Arc<WindowShare>,
    size: Option<egui::Vec2>,
    failed_calls: u32,
}

impl SurfaceGuard {
    pub(super) const fn new(share: Arc<WindowShare>) -> Self {
        Self {
            share,
            size: None,
            failed_calls: 0,
        }
    }

    /// Called at the end of `App::ui`: the paint follows at once.
    pub(super) fn before_paint(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        let size = Some(ctx.content_rect().size() * ctx.pixels_per_point());
        let failed_calls = self.share.failed_calls();
        if size == self.size && failed_calls == self.failed_calls {
            return;
        }
        (self.size, self.failed_calls) = (size, failed_calls);
        if let Some(config) = frame.wgpu_surface_config() {
            // eframe reconfigures when this differs; `None` and 2 mean the same to wgpu.
            let latency = config.desired_maximum_frame_latency.xor(Some(2));
            frame.set_wgpu_surface_config(SurfaceConfig {
                desired_maximum_frame_latency: latency,
                ..config
            });
            self.share.hold();
            ctx.request_repaint(); // its `logic` releases
        }
    }

    /// Called when the paint is over: at the next `App::logic`, and at the end.
    pub(super) fn painted(&self) {
        self.share.release();
    }
}

impl Drop for SurfaceGuard {
    fn drop(&mut self) {
        self.share.release();
    }
}
