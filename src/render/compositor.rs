//! Drawing a tick: newest frames up, filters, layers onto the composed picture, NV12 for the encoder. Records and submits
//! one command buffer, never waits. Render thread.

mod sprites;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::filter::{FilterChain, FilterSpec};
use super::geometry::{Quad, pixels};
use super::overlay::Placed;
use super::plan::{Drawn, Plan, is_active};
use super::scene::Scene;
use crate::gpu::PassError;
use crate::gpu::context::GpuContext;
use crate::gpu::pass::{
    Blend, Draw, PassContext, Pipelines, Quality, Uniforms, Variant, copy_to_buffer,
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
use sprites::Sprites;

uniform! {
    /// One layer's place, as its shader takes it.
    pub(in crate::render) LayerUniform {
        /// Unit square to clip space, x.
        clip_x: [f32; 4],
        /// Unit square to clip space, y.
        clip_y: [f32; 4],
        /// Part of the picture that is shown.
        uv: [f32; 4],
        /// Where the picture may be read.
        bounds: [f32; 4],
        /// Size in output pixels, opacity.
        size_opacity: [f32; 4],
    }
}

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
    layer_filters: Vec<FilterChain>,
    scene_filters: FilterChain,
    placeholder: GpuFrame,
    timer: Option<PassTimer>,
    /// How fine filters may work.
    pub(super) quality: Quality,
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
            layer_filters: Vec::new(),
            scene_filters: FilterChain::default(),
            placeholder,
            timer: PassTimer::new(gpu),
            quality: Quality::Full,
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
        self.sync_filters(job.scene);
        let inputs = self.upload_all(job.drawn);
        let composed = job.is_composed();
        // a picture that is not composed has no use for them, but the preview between two such has
        if composed || job.overlays.is_empty() {
            self.sprites.upload(&self.gpu, &mut self.pool, job.overlays);
        }
        self.uniforms.begin(uniform_count(job));
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
        };
        let mut recorder = Recorder {
            cx: &mut cx,
            output: self.output,
            sprites,
            layer_filters: &mut self.layer_filters,
            scene_filters: &mut self.scene_filters,
            nv12: (&self.nv12, &self.nv12_view),
        };
        recorder.record(job, inputs)?;
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
            submit: before.elapsed(),
        })
    }

    fn sync_filters(&mut self, scene: &Scene) {
        self.scene_filters.sync(&scene.filters);
        self.layer_filters
            .resize_with(scene.layers.len(), FilterChain::default);
        for (chain, layer) in self.layer_filters.iter_mut().zip(&scene.layers) {
            chain.sync(&layer.filters);
        }
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
    layer_filters: &'a mut [FilterChain],
    scene_filters: &'a mut FilterChain,
    nv12: (&'a wgpu::Texture, &'a wgpu::TextureView),
}

impl Recorder<'_, '_> {
    fn record(&mut self, job: &Job<'_>, inputs: Vec<GpuFrame>) -> Result<(), PassError> {
        let Some(preview) = job.preview.as_ref().filter(|_| job.compare) else {
            return self.record_filtered(job, inputs);
        };
        self.record_filtered(job, inputs.clone())?;
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
        Ok(())
    }

    fn record_filtered(
        &mut self,
        job: &Job<'_>,
        mut inputs: Vec<GpuFrame>,
    ) -> Result<(), PassError> {
        for (layer, input) in job.drawn.iter().zip(&mut inputs) {
            if layer.filtered {
                let chain = &mut self.layer_filters[layer.index];
                *input = chain.apply(self.cx, input.clone());
            }
        }
        let composed = if job.is_composed() {
            Some(self.compose(job, &inputs)?)
        } else {
            None
        };
        if let (Some(buffer), Some(composed)) = (job.screenshot, &composed) {
            copy_to_buffer(self.cx.encoder, &composed.picture().planes()[0], buffer);
        }
        let Some((_, buffer)) = job.nv12 else {
            return Ok(());
        };
        match (composed, job.drawn.first(), inputs.pop()) {
            (Some(composed), ..) => self.nv12_of(&composed, None, buffer),
            (None, Some(layer), Some(mut input)) => {
                if is_active(&job.scene.filters) {
                    input = self.scene_filters.apply(self.cx, input);
                }
                self.nv12_of(&input, Some(&layer.quad), buffer)
            }
            // a direct picture has a layer
            (None, ..) => Ok(()),
        }
    }

    /// All layers in one pass, then the filters of the whole picture; into the preview where there is one.
    fn compose(&mut self, job: &Job<'_>, inputs: &[GpuFrame]) -> Result<GpuFrame, PassError> {
        let filtered = is_active(&job.scene.filters);
        let pts = job
            .drawn
            .iter()
            .find_map(|d| d.frame.as_ref())
            .map_or(MediaTime::ZERO, |f| f.pts);
        let target = match &job.preview {
            Some(preview) if !filtered => preview.clone(),
            _ => self
                .cx
                .pool
                .get(PictureKey::target(PictureKind::Rgb, self.output), pts)?,
        };
        let mut draws: Vec<_> = job
            .drawn
            .iter()
            .zip(inputs)
            .map(|(layer, input)| layer_draw(layer, input, self.output))
            .collect();
        let overlays = self.sprites.draws(job.overlays, self.output);
        if !filtered {
            draws.extend(overlays);
            self.cx.draw("compose", target.picture().view(), &draws)?;
            return Ok(target);
        }
        self.cx.draw("compose", target.picture().view(), &draws)?;
        let composed = self.scene_filters.apply(self.cx, target);
        if !overlays.is_empty() {
            let view = composed.picture().view();
            self.cx.draw_onto("watermarks", view, &overlays)?;
        }
        if let Some(preview) = &job.preview {
            let (from, to) = (
                &composed.picture().planes()[0],
                &preview.picture().planes()[0],
            );
            self.cx.encoder.copy_texture_to_texture(
                from.as_image_copy(),
                to.as_image_copy(),
                to.size(),
            );
        }
        Ok(composed)
    }

    /// The encoder's picture out of `input`: all of it, or the part that `quad` shows.
    fn nv12_of(
        &mut self,
        input: &GpuFrame,
        quad: Option<&Quad>,
        buffer: &wgpu::Buffer,
    ) -> Result<(), PassError> {
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
        Ok(())
    }
}

const EXACT: &str = "NV12_EXACT";

/// How many samples across and down are averaged for an output pixel, so that each source pixel counts about as much as
/// the next and fine lines do not flicker. One sample between pixels is the mean of two across: exact where it falls on
/// their border, which it does where an even number of them makes one.
fn taps(quad: &Quad, source: Resolution) -> u8 {
    /// One sample for so many pixels still is a fair mean.
    const ENOUGH: f32 = 1.25;
    /// Up to here one sample will do: what a full-HD source on a 720p picture costs counts on software adapters.
    const FEW: f32 = 2.0;
    /// 64 samples; 4K becomes 384 lines.
    const MOST: f32 = 8.0;
    let shrink = quad.shrink(source);
    let pairs = shrink / 2.0;
    let taps = match () {
        () if shrink <= FEW => 1.0,
        () if (pairs - pairs.round()).abs() < 0.01 => pairs.round(),
        () => (shrink / ENOUGH).ceil(),
    };
    taps.min(MOST) as u8
}

fn layer_draw<'a>(
    layer: &Drawn,
    input: &'a GpuFrame,
    output: Resolution,
) -> Draw<'a, LayerUniform> {
    let quad = &layer.quad;
    let source = input.resolution();
    let [clip_x, clip_y] = quad.clip(output);
    let kind = input.picture().key().kind;
    let soft = !quad.is_upright();
    let replaces = kind.is_opaque() && layer.opacity >= 1.0 && !soft;
    Draw {
        variant: Variant {
            taps: taps(quad, source),
            option: soft.then_some("LAYER_SOFT_EDGE"),
            layer: Some(if replaces {
                Blend::Replace
            } else {
                Blend::Over
            }),
            ..Variant::plain(&LAYER, kind)
        },
        input,
        sampling: if quad.is_pixel_exact(source) {
            Sampling::Nearest
        } else {
            Sampling::Linear
        },
        uniform: LayerUniform {
            clip_x,
            clip_y,
            uv: quad.directed_uv(),
            bounds: quad.bounds(source),
            size_opacity: [quad.size[0], quad.size[1], layer.opacity, 0.0],
        },
        viewport: None,
    }
}

/// Size of the packed NV12 picture in texels of four bytes.
pub(super) const fn nv12_texels(output: Resolution) -> Resolution {
    Resolution::new(output.width.div_ceil(4), output.height / 2 * 3)
}

/// An upper bound of the uniforms that `job` needs; a filter runs at most eight passes.
fn uniform_count(job: &Job<'_>) -> usize {
    let filters = |specs: &[FilterSpec]| specs.len() * 8;
    let layers: usize = job.scene.layers.iter().map(|l| filters(&l.filters)).sum();
    2 * job.drawn.len() + job.overlays.len() + layers + filters(&job.scene.filters) + 2
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
