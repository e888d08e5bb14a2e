//! Recording passes: pipelines by variant, uniforms of a tick in one buffer, and the context that filters record into.
//! Render thread.

use std::collections::HashMap;

use super::context::GpuContext;
use super::shader::{ShaderCache, ShaderSource, Uniform};
use super::texture::{GpuFrame, PictureKey, PictureKind, Sampling, TexturePool};
use super::timer::PassTimer;
use super::upload::upload;
use super::{PassError, ready};
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

/// A pass as it must be compiled.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its shader.
    pub shader: &'static ShaderSource,
    /// Its fragment entry point.
    pub fragment: &'static str,
    /// Layout of the picture that it reads.
    pub kind: PictureKind,
    /// Samples per direction and output pixel: 1 or 2.
    pub taps: u8,
    /// A boolean constant of the shader that is set.
    pub option: Option<&'static str>,
    /// Per-pixel steps at its end, where it has any.
    pub points: PointKinds,
    /// Draws over what is there (premultiplied alpha), as a strip of four vertices.
    pub layer: Option<Blend>,
}

/// What a layer does to what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blend {
    /// Replaces it.
    Replace,
    /// Premultiplied alpha over it.
    Over,
    /// Premultiplied: darkens it.
    Multiply,
    /// Premultiplied: lightens it.
    Screen,
    /// Premultiplied: adds to it.
    Add,
}

impl Blend {
    /// With s and d premultiplied colours above and below, a the alpha above: what the fixed stage computes.
    const fn state(self) -> Option<wgpu::BlendState> {
        use wgpu::BlendFactor as F;
        let (src_factor, dst_factor) = match self {
            Self::Replace => return None,
            Self::Over => return Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
            Self::Multiply => (F::Dst, F::OneMinusSrcAlpha), // s d + (1 - a) d
            Self::Screen => (F::One, F::OneMinusSrc),        // s + (1 - s) d
            Self::Add => (F::One, F::One),                   // s + d
        };
        let operation = wgpu::BlendOperation::Add;
        Some(wgpu::BlendState {
            color: wgpu::BlendComponent {
                src_factor,
                dst_factor,
                operation,
            },
            // what is below stays as opaque as it is
            alpha: wgpu::BlendComponent {
                src_factor: F::Zero,
                dst_factor: F::One,
                operation,
            },
        })
    }
}

impl Variant {
    /// A pass over the whole target that reads one sample per pixel.
    pub fn plain(shader: &'static ShaderSource, kind: PictureKind) -> Self {
        Self {
            shader,
            fragment: shader.fragments[0],
            kind,
            taps: 1,
            option: None,
            points: [0; 8],
            layer: None,
        }
    }

    fn key(&self) -> Key {
        let Self {
            shader,
            fragment,
            kind,
            taps,
            option,
            points,
            layer,
        } = *self;
        (shader.name, fragment, kind, taps, option, points, layer)
    }
}

type Key = (
    &'static str,
    &'static str,
    PictureKind,
    u8,
    Option<&'static str>,
    PointKinds,
    Option<Blend>,
);

/// Kinds of the per-pixel steps at the end of a pass, 0 for none: the constants `POINT_STEP_0` to `POINT_STEP_7` of
/// `shaders/common/point.wgsl`.
pub type PointKinds = [u8; 8];

const POINT_STEPS: [&str; 8] = [
    "POINT_STEP_0",
    "POINT_STEP_1",
    "POINT_STEP_2",
    "POINT_STEP_3",
    "POINT_STEP_4",
    "POINT_STEP_5",
    "POINT_STEP_6",
    "POINT_STEP_7",
];

/// Compiled pipelines; all draw into `Rgba8Unorm`.
#[derive(Debug)]
pub struct Pipelines {
    device: wgpu::Device,
    /// By the number of extra pictures.
    layouts: [wgpu::PipelineLayout; 2],
    shaders: ShaderCache,
    ready: HashMap<Key, wgpu::RenderPipeline>,
}

impl Pipelines {
    /// None compiled yet.
    pub fn new(gpu: &GpuContext, pool: &TexturePool, uniforms: &Uniforms) -> Self {
        let (picture, numbers) = (Some(pool.layout()), Some(&uniforms.layout));
        let layout = |groups: &[Option<&wgpu::BindGroupLayout>]| {
            gpu.device
                .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some("passes"),
                    bind_group_layouts: groups,
                    immediate_size: 0,
                })
        };
        let layouts = [
            layout(&[picture, numbers]),
            layout(&[picture, numbers, picture]),
        ];
        Self {
            device: gpu.device.clone(),
            layouts,
            shaders: ShaderCache::default(),
            ready: HashMap::new(),
        }
    }

    /// The pipeline of `variant`, compiled at first use (some milliseconds).
    pub fn get(&mut self, variant: &Variant) -> Result<&wgpu::RenderPipeline, PassError> {
        let key = variant.key();
        if !self.ready.contains_key(&key) {
            let pipeline = self.compile(variant)?;
            self.ready.insert(key, pipeline);
        }
        Ok(&self.ready[&key])
    }

    fn compile(&mut self, variant: &Variant) -> Result<wgpu::RenderPipeline, PassError> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let pipeline = self.create(variant);
        match ready(scope.pop()) {
            Some(None) => Ok(pipeline),
            error => Err(PassError::Pipeline {
                name: format!("{}:{}", variant.shader.name, variant.fragment),
                reason: error
                    .flatten()
                    .map_or_else(|| "no answer".to_owned(), |e| e.to_string()),
            }),
        }
    }

    fn create(&mut self, variant: &Variant) -> wgpu::RenderPipeline {
        let mut constants = vec![
            ("PICTURE_KIND", f64::from(variant.kind as u8)),
            ("PICTURE_TAPS", f64::from(variant.taps)),
        ];
        constants.extend(variant.option.map(|name| (name, 1.0)));
        let steps = POINT_STEPS.into_iter().zip(variant.points);
        constants.extend(
            steps
                .filter(|(_, k)| *k > 0)
                .map(|(n, k)| (n, f64::from(k))),
        );
        let layout = &self.layouts[variant.shader.extras.min(1) as usize];
        let module = self.shaders.get(&self.device, variant.shader);
        let options = wgpu::PipelineCompilationOptions {
            constants: &constants,
            ..wgpu::PipelineCompilationOptions::default()
        };
        let blend = variant.layer.and_then(Blend::state);
        self.device
            .create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(variant.shader.name),
                layout: Some(layout),
                vertex: wgpu::VertexState {
                    module,
                    entry_point: Some(variant.shader.vertex),
                    compilation_options: options.clone(),
                    buffers: &[],
                },
                primitive: wgpu::PrimitiveState {
                    topology: if variant.layer.is_some() {
                        wgpu::PrimitiveTopology::TriangleStrip
                    } else {
                        wgpu::PrimitiveTopology::TriangleList
                    },
                    ..wgpu::PrimitiveState::default()
                },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module,
                    entry_point: Some(variant.fragment),
                    compilation_options: options,
                    targets: &[Some(wgpu::ColorTargetState {
                        format: wgpu::TextureFormat::Rgba8Unorm,
                        blend,
                        write_mask: wgpu::ColorWrites::ALL,
                    })],
                }),
                multiview_mask: None,
                cache: None,
            })
    }
}

/// The uniforms of one tick in one buffer, bound at group 1 with a dynamic offset, written once before submission and
/// only when something changed.
#[derive(Debug)]
pub struct Uniforms {
    gpu: GpuContext,
    layout: wgpu::BindGroupLayout,
    buffer: wgpu::Buffer,
    group: wgpu::BindGroup,
    pending: Vec<u8>,
    written: Vec<u8>,
}

impl Uniforms {
    /// Distance between uniforms, and the most that one may have: a multiple of the largest offset alignment any adapter
    /// asks for.
    const SLOT: usize = 512;

    /// Room for a few.
    pub fn new(gpu: &GpuContext) -> Self {
        let layout = gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("uniform"),
                entries: &[wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: true,
                        min_binding_size: None,
                    },
                    count: None,
                }],
            });
        let (buffer, group) = Self::allocate(gpu, &layout, 16);
        Self {
            gpu: gpu.clone(),
            layout,
            buffer,
            group,
            pending: Vec::new(),
            written: Vec::new(),
        }
    }

    fn allocate(
        gpu: &GpuContext,
        layout: &wgpu::BindGroupLayout,
        slots: usize,
    ) -> (wgpu::Buffer, wgpu::BindGroup) {
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniforms"),
            size: (slots * Self::SLOT) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("uniform"),
            layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(Self::SLOT as u64),
                }),
            }],
        });
        (buffer, group)
    }

    /// Forgets the last tick's uniforms and makes room for `count`.
    pub fn begin(&mut self, count: usize) {
        self.pending.clear();
        if count * Self::SLOT > usize::try_from(self.buffer.size()).unwrap_or(usize::MAX) {
            (self.buffer, self.group) =
                Self::allocate(&self.gpu, &self.layout, count.next_power_of_two());
            self.written.clear();
        }
    }

    /// Adds one; returns its offset. Past the count given to [`begin`](Self::begin) wgpu refuses the pass.
    fn push<U: Uniform>(&mut self, uniform: &U) -> u32 {
        let at = self.pending.len();
        self.pending.extend_from_slice(bytemuck::bytes_of(uniform));
        self.pending.resize(at + Self::SLOT, 0);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Sends them to the GPU; call before submitting.
    pub fn flush(&mut self) {
        if self.pending != self.written && !self.pending.is_empty() {
            self.gpu.queue.write_buffer(&self.buffer, 0, &self.pending);
            self.written.clone_from(&self.pending);
        }
    }
}

/// What a pass is recorded with.
#[derive(Debug)]
pub struct PassContext<'a> {
    /// Commands of this tick.
    pub encoder: &'a mut wgpu::CommandEncoder,
    /// Pictures to draw into.
    pub pool: &'a mut TexturePool,
    /// Compiled passes.
    pub pipelines: &'a mut Pipelines,
    /// Uniforms of this tick.
    pub uniforms: &'a mut Uniforms,
    /// Full-frame passes recorded in this tick.
    pub passes: &'a mut u32,
    /// Measures passes, where that can be done.
    pub timer: Option<&'a mut PassTimer>,
    /// How fine filters may work; see [`Quality`].
    pub quality: Quality,
}

/// How fine filters may work. Lowered before pictures are lost, when they take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Coarsest.
    Low,
    /// In between.
    Medium,
    /// As designed.
    #[default]
    Full,
}

/// One draw of a pass.
pub struct Draw<'a, U> {
    /// The pass, compiled.
    pub variant: Variant,
    /// What it reads.
    pub input: &'a GpuFrame,
    /// How it reads between pixels.
    pub sampling: Sampling,
    /// Its numbers.
    pub uniform: U,
    /// Part of the target in pixels: x, y, width, height; `None` for all of it.
    pub viewport: Option<[f32; 4]>,
}

/// A pass of a filter.
#[derive(Debug, Clone, Copy)]
pub struct FilterPass<'a> {
    /// The pass; the kind of picture that it reads is filled in.
    pub variant: Variant,
    /// How it reads between pixels.
    pub sampling: Sampling,
    /// More pictures that it reads.
    pub extras: &'a [&'a GpuFrame],
    /// Size of the result if not the input's; such a pass is not counted as one over the whole picture.
    pub size: Option<Resolution>,
    /// The result has alpha even if the input has none.
    pub adds_alpha: bool,
}

impl FilterPass<'_> {
    /// The shader's first entry point over the whole picture, pixel for pixel.
    pub fn plain(shader: &'static ShaderSource) -> Self {
        Self {
            variant: Variant::plain(shader, PictureKind::Rgb),
            sampling: Sampling::Nearest,
            extras: &[],
            size: None,
            adds_alpha: false,
        }
    }
}

impl PassContext<'_> {
    /// Draws into `target`, cleared to opaque black before.
    pub fn draw<U: Uniform>(
        &mut self,
        label: &'static str,
        target: &wgpu::TextureView,
        draws: &[Draw<'_, U>],
    ) -> Result<(), PassError> {
        self.draw_with(label, target, draws, &[])?;
        *self.passes += 1;
        Ok(())
    }

    /// Draws onto what `target` shows: no full-frame pass, only where the draws lie.
    pub fn draw_onto<U: Uniform>(
        &mut self,
        label: &'static str,
        target: &wgpu::TextureView,
        draws: &[Draw<'_, U>],
    ) -> Result<(), PassError> {
        self.draw_from(label, target, wgpu::LoadOp::Load, draws, &[])
    }

    /// As [`draw`](Self::draw), with as many more pictures to read (between their pixels) as the shaders ask for. Not
    /// counted as a pass over the whole picture.
    pub fn draw_with<U: Uniform>(
        &mut self,
        label: &'static str,
        target: &wgpu::TextureView,
        draws: &[Draw<'_, U>],
        extras: &[&GpuFrame],
    ) -> Result<(), PassError> {
        let black = wgpu::LoadOp::Clear(wgpu::Color::BLACK);
        self.draw_from(label, target, black, draws, extras)
    }

    fn draw_from<U: Uniform>(
        &mut self,
        label: &'static str,
        target: &wgpu::TextureView,
        load: wgpu::LoadOp<wgpu::Color>,
        draws: &[Draw<'_, U>],
        extras: &[&GpuFrame],
    ) -> Result<(), PassError> {
        for draw in draws {
            self.pipelines.get(&draw.variant)?; // compile before the pass borrows the encoder
        }
        let mut pass = self.encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some(label),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: target,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load,
                    store: wgpu::StoreOp::Store,
                },
            })],
            timestamp_writes: self.timer.as_mut().and_then(|t| t.pass(label)),
            ..wgpu::RenderPassDescriptor::default()
        });
        for draw in draws {
            let offset = self.uniforms.push(&draw.uniform);
            pass.set_pipeline(self.pipelines.get(&draw.variant)?);
            pass.set_bind_group(0, draw.input.picture().bind_group(draw.sampling), &[]);
            pass.set_bind_group(1, &self.uniforms.group, &[offset]);
            for (group, extra) in (2..).zip(extras) {
                pass.set_bind_group(group, extra.picture().bind_group(Sampling::Linear), &[]);
            }
            if let Some([x, y, width, height]) = draw.viewport {
                pass.set_viewport(x, y, width, height, 0.0, 1.0);
            }
            pass.draw(0..if draw.variant.layer.is_some() { 4 } else { 3 }, 0..1);
        }
        Ok(())
    }

    /// Pixels of a filter's own, on the GPU before this tick's passes.
    pub fn upload_rgba(
        &mut self,
        resolution: Resolution,
        rgba: &bytes::Bytes,
    ) -> Result<GpuFrame, PassError> {
        let frame = VideoFrame {
            pts: MediaTime::ZERO,
            source: SourceId(0),
            seq: 0,
            resolution,
            data: FrameData::Rgba(Plane {
                data: rgba.clone(),
                stride: resolution.width as usize * 4,
            }),
            color: ColorSpec::default(),
        };
        upload(&self.uniforms.gpu, self.pool, &frame)
    }

    /// One pass of a filter: reads `input` pixel for pixel, returns a new picture of the same size.
    pub fn filter<U: Uniform>(
        &mut self,
        input: &GpuFrame,
        pass: FilterPass<'_>,
        uniform: U,
    ) -> Result<GpuFrame, PassError> {
        let kind = input.picture().key().kind;
        let result = if kind.is_opaque() && !pass.adds_alpha {
            PictureKind::Rgb
        } else {
            PictureKind::Rgba
        };
        let size = pass.size.unwrap_or(input.resolution());
        let target = self.pool.get(PictureKey::target(result, size), input.pts)?;
        let FilterPass {
            variant,
            sampling,
            extras,
            ..
        } = pass;
        let draw = Draw {
            variant: Variant { kind, ..variant },
            input,
            sampling,
            uniform,
            viewport: None,
        };
        let (name, view) = (variant.shader.name, target.picture().view());
        self.draw_with(name, view, &[draw], extras)?;
        *self.passes += u32::from(pass.size.is_none());
        Ok(target)
    }
}

/// Rows in buffers start at multiples of this many bytes (wgpu's rule for copies out of textures).
pub fn align_row(bytes: u32) -> u32 {
    bytes.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}

/// Copies all of `texture` to the start of `buffer`, rows at [`align_row`].
pub fn copy_to_buffer(
    encoder: &mut wgpu::CommandEncoder,
    texture: &wgpu::Texture,
    buffer: &wgpu::Buffer,
) {
    let texel = texture.format().block_copy_size(None).unwrap_or(4);
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(align_row(texture.width() * texel)),
                rows_per_image: None,
            },
        },
        texture.size(),
    );
}

/// Bytes that [`copy_to_buffer`] needs for `size` texels of four bytes.
pub fn buffer_size(size: Resolution) -> u64 {
    u64::from(align_row(size.width * 4)) * u64::from(size.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_aligned_for_copies() {
        for (bytes, aligned) in [(0, 0), (1, 256), (256, 256), (257, 512), (1280, 1280)] {
            assert_eq!(align_row(bytes), aligned);
        }
        assert_eq!(buffer_size(Resolution::new(320, 1080)), 1280 * 1080);
        assert_eq!(buffer_size(Resolution::new(65, 2)), 1024);
    }
}
