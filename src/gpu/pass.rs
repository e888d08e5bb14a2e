//! Recording passes: uniforms of a tick in one buffer, and the context that filters record into. Render thread.

use super::PassError;
use super::context::GpuContext;
pub use super::pipeline::{Blend, Pipelines, PointKinds, Variant};
use super::shader::{ShaderSource, Uniform};
use super::texture::{GpuFrame, PictureKey, PictureKind, Sampling, TexturePool};
use super::timer::PassTimer;
use super::upload::upload;
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

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

    /// Group 1 of every pass.
    pub const fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
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
    /// A picture of one grey pixel: what is shown instead of what must not be.
    pub blank: &'a GpuFrame,
    /// The colour table of the per-pixel steps at the end of the passes that are recorded next.
    pub table: Option<GpuFrame>,
    /// Filters record nothing; the passes that they would need are noted here.
    pub dry: Option<Vec<Variant>>,
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

    /// As [`draw`](Self::draw), with one more picture to read (between its pixels) where the shaders ask for it. Not
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
            let shader = draw.variant.shader;
            let mut extra = extras.first().copied();
            if shader.has_table() {
                // something must be bound where nothing is read
                let table = self.table.as_ref().unwrap_or(draw.input);
                pass.set_bind_group(3, table.picture().bind_group(Sampling::Linear), &[]);
                extra = extra.or(Some(draw.input));
            }
            if let Some(extra) = extra {
                pass.set_bind_group(2, extra.picture().bind_group(Sampling::Linear), &[]);
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
        let variant = Variant { kind, ..variant };
        if let Some(noted) = &mut self.dry {
            noted.push(variant);
            return Ok(target);
        }
        let draw = Draw {
            variant,
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
