//! One picture of a scene without the render thread and its clock: for tests, measurements and thumbnails. Waits for the
//! GPU, so never on a device that a window uses.

use std::time::{Duration, Instant};

use super::compositor::{Compositor, Job, Leaving, Submitted, encoder_buffer};
use super::convert::{self, Delivered};
use super::overlay::Placed;
use super::overlay::nv12::Nv12Painter;
use super::plan::{self, Drawn, Plan};
use super::screenshot::Screenshot;
use super::{RenderError, SceneState};
use crate::gpu::context::GpuContext;
use crate::gpu::pass::{align_row, buffer_size};
use crate::gpu::readback::ReadbackRing;
use crate::gpu::timer::PassTime;
use crate::media::pool::BufferPool;
use crate::media::time::MediaTime;
use crate::media::video::{FrameData, Resolution};

/// Draws stills of one size.
pub struct Still {
    gpu: GpuContext,
    output: Resolution,
    compositor: Compositor,
    nv12: ReadbackRing<()>,
    rgba: ReadbackRing<()>,
    converted: BufferPool,
    painter: Nv12Painter,
    /// Where animated and drifting watermarks stand.
    pub at: MediaTime,
}

impl Still {
    /// Software at its slowest takes well under a second.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// For pictures of `output` size.
    pub fn new(gpu: &GpuContext, output: Resolution) -> Result<Self, RenderError> {
        let device = &gpu.device;
        let ring = |label, size| ReadbackRing::with_buffers(device, label, size, 1);
        let mut compositor =
            Compositor::new(gpu, output).map_err(|e| RenderError::Gpu(e.to_string()))?;
        compositor.patient = true;
        Ok(Self {
            compositor,
            nv12: ring("still nv12", encoder_buffer(gpu, output)),
            rgba: ring("still rgba", buffer_size(output)),
            converted: BufferPool::new(1),
            painter: Nv12Painter::new(),
            at: MediaTime::ZERO,
            gpu: gpu.clone(),
            output,
        })
    }

    /// The plan that the render stage would choose.
    pub fn plan(&self, state: &SceneState) -> Plan {
        self.choose(state, &plan::drawn_layers(state, self.output))
    }

    fn choose(&self, state: &SceneState, drawn: &[Drawn]) -> Plan {
        let filtered = plan::is_active(&state.scene.filters);
        let overlays = !self.overlays(state).is_empty();
        let software = self.gpu.is_software();
        plan::choose_with_overlays(self.output, drawn, filtered, software, overlays)
    }

    fn overlays(&self, state: &SceneState) -> Vec<Placed> {
        state.overlays.place(self.at, self.output)
    }

    /// What the encoder would get, by the chosen plan or by `force` (which must be possible for the scene). Also the number
    /// of full-frame passes.
    pub fn encoder_picture(
        &mut self,
        state: &SceneState,
        force: Option<Plan>,
    ) -> Result<(FrameData, u32), RenderError> {
        let drawn = plan::drawn_layers(state, self.output);
        let plan = force.unwrap_or_else(|| self.choose(state, &drawn));
        let frame = drawn.first().and_then(|d| d.frame.as_ref());
        let overlays = self.overlays(state);
        match (plan, frame) {
            (Plan::Passthrough, Some(frame)) => {
                return Ok((self.on_top(frame.data.clone(), &overlays), 0));
            }
            (Plan::Convert, Some(frame)) => {
                return convert::to_nv12(&self.converted, frame)
                    .map(|buffer| convert::packed_nv12(buffer, self.output))
                    .map(|data| (self.on_top(data, &overlays), 0))
                    .ok_or_else(|| RenderError::Gpu("not a whole BGRA picture".to_owned()));
            }
            _ => {}
        }
        let buffer = self.nv12.begin().ok_or(RenderError::Busy)?;
        let job = Job {
            scene: &state.scene,
            drawn: &drawn,
            overlays: &overlays,
            leaving: None,
            nv12: Some((plan, &buffer)),
            preview: None,
            compare: false,
            screenshot: None,
        };
        let submitted = run(&mut self.compositor, &job);
        // what was not submitted is waited for nevertheless: the buffer goes back into the ring
        let kind = submitted
            .as_ref()
            .map_or(Delivered::Nv12, |submitted| submitted.delivered);
        let (output, pool) = (self.output, &self.converted);
        let make = |bytes: &[u8]| convert::delivered(bytes, kind, output, pool);
        let data = wait(&mut self.nv12, buffer, make)?;
        let passes = submitted.map(|submitted| submitted.passes);
        let bare = if plan == Plan::Compose {
            &[]
        } else {
            &overlays[..]
        };
        Ok((self.on_top(data, bare), passes?))
    }

    /// Watermarks drawn on the processor.
    fn on_top(&mut self, data: FrameData, overlays: &[Placed]) -> FrameData {
        if overlays.is_empty() {
            return data;
        }
        let drawn = self.painter.over(&data, self.output, overlays);
        drawn.unwrap_or(data)
    }

    /// What the passes of the last picture took on the GPU; empty where the adapter cannot tell.
    pub fn pass_times(&mut self) -> Vec<PassTime> {
        self.compositor.pass_times().unwrap_or_default()
    }

    /// The composed picture.
    pub fn composed(&mut self, state: &SceneState) -> Result<Screenshot, RenderError> {
        self.composed_over(state, None)
    }

    /// The composed picture in a fade: `share` (0 to 1) of `state`, the rest of `from`.
    pub fn fading(
        &mut self,
        from: &SceneState,
        state: &SceneState,
        share: f32,
    ) -> Result<Screenshot, RenderError> {
        self.composed_over(state, Some((from, share)))
    }

    fn composed_over(
        &mut self,
        state: &SceneState,
        below: Option<(&SceneState, f32)>,
    ) -> Result<Screenshot, RenderError> {
        let drawn = plan::drawn_layers(state, self.output);
        let overlays = self.overlays(state);
        let below = below.map(|(state, share)| {
            let drawn = plan::drawn_layers(state, self.output);
            (&state.scene, drawn, self.overlays(state), share)
        });
        let buffer = self.rgba.begin().ok_or(RenderError::Busy)?;
        let job = Job {
            scene: &state.scene,
            drawn: &drawn,
            overlays: &overlays,
            leaving: below
                .as_ref()
                .map(|(scene, drawn, overlays, share)| Leaving {
                    scene,
                    drawn,
                    overlays,
                    share: *share,
                }),
            nv12: None,
            preview: None,
            compare: false,
            screenshot: Some(&buffer),
        };
        let drawn = run(&mut self.compositor, &job);
        let data = wait(&mut self.rgba, buffer, bytes::Bytes::copy_from_slice)?;
        drawn?;
        let stride = align_row(self.output.width * 4) as usize;
        Ok(Screenshot {
            resolution: self.output,
            stride,
            data,
        })
    }
}

fn run(compositor: &mut Compositor, job: &Job<'_>) -> Result<Submitted, RenderError> {
    let layers = job.scene.layers.iter().flat_map(|l| &l.filters);
    for spec in layers.chain(&job.scene.filters) {
        if let Err(problem) = spec.check() {
            tracing::warn!(problem, "filter left out"); // reads its file, which a stage does beside
        }
    }
    compositor
        .render(job)
        .map_err(|e| RenderError::Gpu(e.to_string()))
}

fn wait<D>(
    ring: &mut ReadbackRing<()>,
    buffer: wgpu::Buffer,
    make: impl Fn(&[u8]) -> D,
) -> Result<D, RenderError> {
    ring.submitted(buffer, ());
    let deadline = Instant::now() + Still::PATIENCE;
    loop {
        if let Some(back) = ring.poll_as(|bytes, (), _| make(bytes)) {
            return back
                .data
                .ok_or_else(|| RenderError::Gpu("the device was lost".to_owned()));
        }
        if Instant::now() > deadline {
            return Err(RenderError::Gpu("the device does not answer".to_owned()));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
