//! Drawing a tick: newest frames up, filters, layers onto the composed picture, NV12 for the encoder. Records and submits
//! one command buffer, never waits. Render thread.

mod compose;
mod layer;
mod sprites;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::convert::Delivered;
use super::filter::FilterChain;
use super::geometry::{Quad, pixels};
use super::overlay::Placed;
use super::plan::{Drawn, Plan, is_active};
use super::scene::Scene;
use crate::gpu::PassError;
use crate::gpu::context::GpuContext;
use crate::gpu::pass::{
    Blend, Draw, PassContext, Pipelines, Quality, Uniforms, Variant, buffer_size, copy_to_buffer,
};
use crate::gpu::shader::{LAYER, PICTURE_TO_NV12, uniform};
use crate::gpu::texture::{
    GpuFrame, PictureKey, PictureKind, Sampling, TARGET_USAGE, TexturePool, texture_descriptor,
};
use crate::gpu::timer::{PassTime, PassTimer};
use crate::gpu::upload::upload;
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
pub(in crate::render) use compose::Leaving;
use compose::{Chains, filter_layers};
pub(in crate::render) use layer::LayerUniform;
use layer::{layer_draw, taps};
use sprites::Sprites;

uniform! {
    /// What the NV12 pass reads.
    pub(in crate::render) Nv12Uniform {
        /// Part of the picture that fills the output.
        uv: [f32; 4],
        /// Where the picture may be read.
        bounds: [f32; 4],
        /// Output size in pixels.
        size: [f32; 4],
    }
}

/// What a tick must produce.
pub(super) struct Job<'a> {
    pub(super) scene: &'a Scene,
    pub(super) drawn: &'a [Drawn],
    /// Above all, where a composed picture is made.
    pub(super) overlays: &'a [Placed],
    /// What is still seen below all this; only for a composed picture.
    pub(super) leaving: Option<Leaving<'a>>,
    /// [`Plan::Direct`] or [`Plan::Compose`], with the buffer for the NV12 picture.
    pub(super) nv12: Option<(Plan, &'a wgpu::Buffer)>,
    /// The window's picture.
    pub(super) preview: Option<GpuFrame>,
    /// The window's picture shows its left half without filters.
    pub(super) compare: bool,
    /// A buffer for the composed RGBA picture.
    pub(super) screenshot: Option<&'a wgpu::Buffer>,
}

impl Job<'_> {
    /// A composed picture is made: for the encoder, or for somebody else, of which the encoder's is then made, too.
    fn is_composed(&self) -> bool {
        let for_nv12 = matches!(self.nv12, Some((Plan::Compose, _)));
        for_nv12 || self.preview.is_some() || self.screenshot.is_some()
    }
}

/// What was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submitted {
    /// Full-frame passes.
    pub(super) passes: u32,
    /// The NV12 picture was made of a composed one, which has the watermarks in it.
    pub(super) composed: bool,
    /// What the encoder's buffer holds.
    pub(super) delivered: Delivered,
    /// New settings of filters wait for their passes: the next picture will be another one.
    pub(super) waiting: bool,
    /// Time in `queue.submit`.
    pub(super) submit: Duration,
}

struct Uploaded {
    stamp: (u64, MediaTime),
    frame: GpuFrame,
    /// It is the source's picture, not the placeholder for one that could not be used.
    good: bool,
}

/// Everything on the GPU that the render stage owns.
pub(super) struct Compositor {
    gpu: GpuContext,
    output: Resolution,
    pool: TexturePool,
    pipelines: Pipelines,
    uniforms: Uniforms,
    uploaded: HashMap<SourceId, Uploaded>,
    sprites: Sprites,
    chains: Chains,
    /// Those of the scene that is fading out.
    leaving: Chains,
    placeholder: GpuFrame,
    timer: Option<PassTimer>,
    /// How fine filters may work.
    pub(super) quality: Quality,
    /// Filters are compiled as they are used: there is no old picture to go on with meanwhile.
    pub(super) patient: bool,
    nv12: wgpu::Texture,
    nv12_view: wgpu::TextureView,
}

impl Compositor {
    /// Makes what every tick needs and compiles the passes of the common cases, so that a bad driver shows here.
    pub(super) fn new(gpu: &GpuContext, output: Resolution) -> Result<Self, PassError> {
        let mut pool = TexturePool::new(gpu);
        let limit = gpu.max_side();
        if output.width.max(output.height * 3 / 2) > limit {
            return Err(PassError::TooLarge(output, limit));
        }
        let uniforms = Uniforms::new(gpu);
        let mut pipelines = Pipelines::new(gpu, &pool, &uniforms);
        let kind = PictureKind::Rgb;
        for fragment in PICTURE_TO_NV12.fragments.iter().copied() {
            let plain = Variant::plain(&PICTURE_TO_NV12, kind);
            pipelines.get(&Variant {
                fragment,
                option: Some(EXACT),
                ..plain
            })?;
        }
        pipelines.get(&Variant {
            layer: Some(Blend::Replace),
            ..Variant::plain(&LAYER, kind)
        })?;
        let placeholder = placeholder(gpu, &mut pool)?;
        let nv12 = gpu.device.create_texture(&texture_descriptor(
            "nv12",
            nv12_texels(output),
            wgpu::TextureFormat::Rgba8Unorm,
            TARGET_USAGE,
        ));
        Ok(Self {
            gpu: gpu.clone(),
            output,
            pool,
            pipelines,
            uniforms,
            uploaded: HashMap::new(),
            sprites: Sprites::default(),
            chains: Chains::default(),
            leaving: Chains::default(),
            placeholder,
            timer: PassTimer::new(gpu),
            quality: Quality::Full,
            patient: false,
            nv12_view: nv12.create_view(&wgpu::TextureViewDescriptor::default()),
            nv12,
        })
    }

    /// Pictures to draw into (for the preview).
    pub(super) fn pool(&mut self) -> &mut TexturePool {
        &mut self.pool
    }

    /// What the passes of a picture took on the GPU, once it is known.
    pub(super) fn pass_times(&mut self) -> Option<Vec<PassTime>> {
        self.timer.as_mut()?.poll()
    }

    /// Frees what sources that are not in `wanted` have on the GPU.
    pub(super) fn forget_all_but(&mut self, wanted: &HashSet<SourceId>) {
        self.uploaded.retain(|id, _| wanted.contains(id));
    }

    /// Records and submits `job`.
    pub(super) fn render(&mut self, job: &Job<'_>) -> Result<Submitted, PassError> {
        self.chains.sync(job.scene, self.patient);
        let inputs = self.upload_all(job.drawn);
        let below = match &job.leaving {
            Some(leaving) => {
                self.leaving.sync(leaving.scene, self.patient);
                self.upload_all(leaving.drawn)
            }
            None => Vec::new(),
        };
        let composed = job.is_composed();
        // a picture that is not composed has no use for them, but the preview between two such has
        if composed || job.overlays.is_empty() {
            let below = job.leaving.as_ref().map_or(&[][..], |l| l.overlays);
            let sprites = job.overlays.iter().chain(below);
            self.sprites.upload(&self.gpu, &mut self.pool, sprites);
        }
        self.uniforms.begin(self.uniform_count(job));
        let mut encoder = self
            .gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                label: Some("tick"),
            });
        let mut passes = 0;
        let Self {
            pool,
            pipelines,
            uniforms,
            sprites,
            timer,
            ..
        } = self;
        if let Some(timer) = timer {
            timer.begin();
        }
        let mut cx = PassContext {
            encoder: &mut encoder,
            pool,
            pipelines,
            uniforms,
            passes: &mut passes,
            timer: timer.as_mut(),
            quality: self.quality,
            blank: &self.placeholder,
            table: None,
            dry: None,
        };
        let mut recorder = Recorder {
            cx: &mut cx,
            output: self.output,
            sprites,
            chains: &mut self.chains,
            leaving: &mut self.leaving,
            nv12: (&self.nv12, &self.nv12_view),
            software: self.gpu.is_software(),
        };
        let delivered = recorder.record(job, inputs, below)?;
        self.uniforms.flush();
        if let Some(timer) = &self.timer {
            timer.end(&mut encoder);
        }
        let commands = encoder.finish();
        let before = Instant::now();
        let turn = self.gpu.share.turn();
        self.gpu.queue.submit([commands]);
        drop(turn);
        if let Some(timer) = &mut self.timer {
            timer.submitted();
        }
        Ok(Submitted {
            passes,
            composed,
            delivered,
            waiting: job.leaving.is_some() || self.chains.iter().any(FilterChain::is_behind),
            submit: before.elapsed(),
        })
    }

    /// Another scene comes: its filters begin anew, and those of the old one go on beside them until
    /// [`forget_left`](Self::forget_left).
    pub(super) fn leave_scene(&mut self) {
        self.leaving = std::mem::take(&mut self.chains);
    }

    /// Nothing of the old scene is drawn any more.
    pub(super) fn forget_left(&mut self) {
        self.leaving = Chains::default();
    }

    /// The pass that a fade needs is compiled; begins that if not.
    pub(super) fn prepare_fade(&mut self) -> bool {
        self.pipelines.prepare(&[compose::variant()])
    }

    /// Names of the filters that the driver refused: they are off.
    pub(super) fn failed_filters(&self) -> Vec<&'static str> {
        self.chains.iter().flat_map(FilterChain::failed).collect()
    }

    /// An upper bound of the uniforms that `job` needs.
    fn uniform_count(&self, job: &Job<'_>) -> usize {
        let chains = self.chains.iter().chain(self.leaving.iter());
        let filters: usize = chains.map(FilterChain::most_uniforms).sum();
        let below = job.leaving.as_ref();
        let below = below.map_or(0, |l| 2 * l.drawn.len() + l.overlays.len() + 1);
        2 * job.drawn.len() + job.overlays.len() + below + filters + 2
    }

    /// A picture on the GPU for each layer; uploads only what is new.
    fn upload_all(&mut self, drawn: &[Drawn]) -> Vec<GpuFrame> {
        drawn
            .iter()
            .map(|layer| match &layer.frame {
                None => self.placeholder.clone(),
                Some(frame) => self.newest(layer.source, frame),
            })
            .collect()
    }

    fn newest(&mut self, source: SourceId, frame: &VideoFrame) -> GpuFrame {
        let stamp = (frame.seq, frame.pts);
        let old = self.uploaded.remove(&source); // taken out, so that its textures can be used again
        let (was_good, uploaded) = match old {
            Some(old) if old.stamp == stamp => (old.good, Ok(old.frame)),
            old => {
                let was_good = old.is_none_or(|o| o.good);
                (was_good, upload(&self.gpu, &mut self.pool, frame))
            }
        };
        let (good, picture) = match uploaded {
            Ok(picture) => (true, picture),
            Err(error) => {
                if was_good {
                    tracing::warn!(source = %source, error = %error, "picture not usable");
                }
                (false, self.placeholder.clone())
            }
        };
        self.uploaded.insert(
            source,
            Uploaded {
                stamp,
                frame: picture.clone(),
                good,
            },
        );
        picture
    }
}

/// Borrowed parts of the compositor while a tick is recorded.
struct Recorder<'a, 'b> {
    cx: &'a mut PassContext<'b>,
    output: Resolution,
    sprites: &'a Sprites,
    chains: &'a mut Chains,
    leaving: &'a mut Chains,
    nv12: (&'a wgpu::Texture, &'a wgpu::TextureView),
    software: bool,
}

impl Recorder<'_, '_> {
    /// `inputs` and `below` are the pictures of the job's layers, and of those that leave.
    fn record(
        &mut self,
        job: &Job<'_>,
        inputs: Vec<GpuFrame>,
        below: Vec<GpuFrame>,
    ) -> Result<Delivered, PassError> {
        let Some(preview) = job.preview.as_ref().filter(|_| job.compare) else {
            return self.record_filtered(job, inputs, below);
        };
        let delivered = self.record_filtered(job, inputs.clone(), below)?;
        // last, because the encoder's picture may be made of the preview's
        let key = PictureKey::target(PictureKind::Rgb, self.output);
        let plain = self.cx.pool.get(key, MediaTime::ZERO)?;
        let draws: Vec<_> = job
            .drawn
            .iter()
            .zip(&inputs)
            .map(|(layer, input)| layer_draw(layer, input, self.output))
            .collect();
        self.cx.draw("compare", plain.picture().view(), &draws)?;
        let (from, to) = (&plain.picture().planes()[0], &preview.picture().planes()[0]);
        let left = wgpu::Extent3d {
            width: (to.width() / 2).max(1),
            ..to.size()
        };
        self.cx
            .encoder
            .copy_texture_to_texture(from.as_image_copy(), to.as_image_copy(), left);
        Ok(delivered)
    }

    fn record_filtered(
        &mut self,
        job: &Job<'_>,
        mut inputs: Vec<GpuFrame>,
        below: Vec<GpuFrame>,
    ) -> Result<Delivered, PassError> {
        filter_layers(self.cx, self.chains, job.drawn, &mut inputs);
        let composed = if job.is_composed() {
            Some(self.compose_all(job, &inputs, below)?)
        } else {
            None
        };
        if let (Some(buffer), Some(composed)) = (job.screenshot, &composed) {
            copy_to_buffer(self.cx.encoder, &composed.picture().planes()[0], buffer);
        }
        let Some((_, buffer)) = job.nv12 else {
            return Ok(Delivered::Nv12);
        };
        match (composed, job.drawn.first(), inputs.pop()) {
            (Some(composed), ..) => self.nv12_of(&composed, None, buffer),
            (None, Some(layer), Some(mut input)) => {
                if is_active(&job.scene.filters) {
                    input = self.chains.whole.apply(self.cx, input);
                }
                self.nv12_of(&input, Some(&layer.quad), buffer)
            }
            // a direct picture has a layer
            (None, ..) => Ok(Delivered::Nv12),
        }
    }

    /// The encoder's picture out of `input`: all of it, or the part that `quad` shows.
    fn nv12_of(
        &mut self,
        input: &GpuFrame,
        quad: Option<&Quad>,
        buffer: &wgpu::Buffer,
    ) -> Result<Delivered, PassError> {
        let source = input.resolution();
        let whole = Quad {
            center: [
                pixels(self.output.width) / 2.0,
                pixels(self.output.height) / 2.0,
            ],
            size: [pixels(self.output.width), pixels(self.output.height)],
            rotation: 0.0,
            uv: [0.0, 0.0, 1.0, 1.0],
            reversed: [false; 2],
        };
        let quad = quad.unwrap_or(&whole);
        if self.is_left_to_the_processor(input, quad) {
            copy_to_buffer(self.cx.encoder, &input.picture().planes()[0], buffer);
            return Ok(Delivered::Rgba);
        }
        let exact = quad.is_pixel_exact(source);
        let uniform = Nv12Uniform {
            uv: quad.output_uv(self.output),
            bounds: quad.bounds(source),
            size: [
                pixels(self.output.width),
                pixels(self.output.height),
                0.0,
                0.0,
            ],
        };
        let variant = Variant {
            taps: taps(quad, source),
            option: exact.then_some(EXACT),
            ..Variant::plain(&PICTURE_TO_NV12, input.picture().key().kind)
        };
        let texels = nv12_texels(self.output);
        let [width, height] = [texels.width, self.output.height].map(pixels);
        let draw = |fragment, sampling, viewport| Draw {
            variant: Variant {
                fragment,
                ..variant
            },
            input,
            sampling,
            uniform,
            viewport: Some(viewport),
        };
        let luma_sampling = if exact {
            Sampling::Nearest
        } else {
            Sampling::Linear
        };
        let draws = [
            draw("luma", luma_sampling, [0.0, 0.0, width, height]),
            draw(
                "chroma",
                Sampling::Linear,
                [0.0, height, width, height / 2.0],
            ),
        ];
        self.cx.draw("nv12", self.nv12.1, &draws)?;
        copy_to_buffer(self.cx.encoder, self.nv12.0, buffer);
        Ok(Delivered::Nv12)
    }

    /// The picture is one that was drawn and goes to the encoder pixel for pixel: the processor turns it into NV12 at less
    /// cost than a software adapter.
    fn is_left_to_the_processor(&self, input: &GpuFrame, quad: &Quad) -> bool {
        let drawn = input.picture().key().target; // always RGBA
        self.software && drawn && quad.is_identity(input.resolution(), self.output)
    }
}

const EXACT: &str = "NV12_EXACT";

/// Bytes that a picture for the encoder takes on its way back.
pub(super) fn encoder_buffer(gpu: &GpuContext, output: Resolution) -> u64 {
    let nv12 = buffer_size(nv12_texels(output));
    if gpu.is_software() {
        nv12.max(buffer_size(output))
    } else {
        nv12
    }
}

/// Size of the packed NV12 picture in texels of four bytes.
pub(super) const fn nv12_texels(output: Resolution) -> Resolution {
    Resolution::new(output.width.div_ceil(4), output.height / 2 * 3)
}

/// What a layer shows before its source has delivered, or when it is gone: plain dark grey.
fn placeholder(gpu: &GpuContext, pool: &mut TexturePool) -> Result<GpuFrame, PassError> {
    let grey = VideoFrame {
        pts: MediaTime::ZERO,
        source: SourceId(0),
        seq: 0,
        resolution: Resolution::new(1, 1),
        data: FrameData::Bgra(Plane {
            data: [0x2b, 0x2b, 0x2b, 0xff].as_slice().into(),
            stride: 4,
        }),
        color: ColorSpec::default(),
    };
    upload(gpu, pool, &grey)
}
