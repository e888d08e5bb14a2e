//! Pictures on the GPU: planes, the bind group that shaders read them through (group 0), and the pool they go back to.
//! Render thread.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::PassError;
use super::context::GpuContext;
use super::shader::uniform;
use crate::media::time::MediaTime;
use crate::media::video::{ColorMatrix, ColorRange, ColorSpec, PixelFormat, Resolution};

/// Layout of a picture's planes as shaders see it (`PICTURE_KIND`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PictureKind {
    /// One plane; alpha is ignored.
    Rgb = 0,
    /// Luma, interleaved half-size chroma.
    Nv12 = 1,
    /// Luma, two half-size chroma planes.
    I420 = 2,
    /// The same bytes as pairs and as groups of four.
    Yuyv = 3,
    /// One plane with straight alpha.
    Rgba = 4,
}

impl PictureKind {
    /// Nothing shows through it.
    pub const fn is_opaque(self) -> bool {
        !matches!(self, Self::Rgba)
    }
}

uniform! {
    /// How to read a picture: rows of the matrix from (luma, Cb, Cr, 1), as shares of 255, to RGB, and the planes' scale.
    pub PictureUniform {
        /// Red.
        red: [f32; 4],
        /// Green.
        green: [f32; 4],
        /// Blue.
        blue: [f32; 4],
        /// From the picture's uv to the first plane's (two) and the chroma planes' (two).
        plane_scale: [f32; 4],
    }
}

impl PictureUniform {
    /// For pictures like `key`; the matrix is ITU-R BT.601-7 item 2.5 or BT.709-6 items 3 and 4.
    fn new(key: &PictureKey) -> Self {
        let color = key.color;
        let (kr, kb) = match color.matrix {
            ColorMatrix::Bt601 => (0.299_f64, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma_span, chroma_span) = match color.range {
            ColorRange::Limited => (16.0, 219.0, 224.0),
            ColorRange::Full => (0.0, 255.0, 255.0),
        };
        let (y, c) = (255.0 / luma_span, 255.0 / chroma_span);
        let row = |cb: f64, cr: f64| {
            let offset = -y * black / 255.0 - (cb + cr) * c * 128.0 / 255.0;
            [y, cb * c, cr * c, offset].map(narrow)
        };
        Self {
            red: row(0.0, 2.0 * (1.0 - kr)),
            green: row(-2.0 * kb * (1.0 - kb) / kg, -2.0 * kr * (1.0 - kr) / kg),
            blue: row(2.0 * (1.0 - kb), 0.0),
            plane_scale: key.plane_scale().map(narrow),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "matrix coefficients; single precision is what shaders have"
)]
const fn narrow(v: f64) -> f32 {
    v as f32
}

/// What a picture must be like; equal keys can stand in for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PictureKey {
    /// Layout.
    pub kind: PictureKind,
    /// Size in pixels.
    pub resolution: Resolution,
    /// Blue comes first (RGB kinds).
    pub bgr: bool,
    /// How YUV is read; must be the default for RGB kinds.
    pub color: ColorSpec,
    /// Passes draw into it (otherwise it is uploaded into).
    pub target: bool,
}

impl PictureKey {
    /// For uploading frames of this format.
    pub fn upload(format: PixelFormat, resolution: Resolution, color: ColorSpec) -> Self {
        let (kind, bgr) = match format {
            PixelFormat::Nv12 => (PictureKind::Nv12, false),
            PixelFormat::I420 => (PictureKind::I420, false),
            PixelFormat::Yuyv422 => (PictureKind::Yuyv, false),
            PixelFormat::Bgra => (PictureKind::Rgb, true),
            PixelFormat::Rgba => (PictureKind::Rgba, false),
        };
        let rgb = matches!(kind, PictureKind::Rgb | PictureKind::Rgba);
        let color = if rgb { ColorSpec::default() } else { color };
        Self {
            kind,
            resolution,
            bgr,
            color,
            target: false,
        }
    }

    /// For drawing into: `Rgba8Unorm`.
    pub fn target(kind: PictureKind, resolution: Resolution) -> Self {
        Self {
            kind,
            resolution,
            bgr: false,
            color: ColorSpec::default(),
            target: true,
        }
    }

    /// Picture size over the size that each plane stands for.
    fn plane_scale(&self) -> [f64; 4] {
        let Resolution { width, height } = self.resolution;
        let odd = |side: u32| f64::from(side) / f64::from(side.next_multiple_of(2));
        match self.kind {
            PictureKind::Rgb | PictureKind::Rgba => [1.0; 4],
            PictureKind::Nv12 | PictureKind::I420 => [1.0, 1.0, odd(width), odd(height)],
            PictureKind::Yuyv => [odd(width), 1.0, odd(width), 1.0],
        }
    }

    /// Format and size of each plane.
    fn planes(&self) -> Vec<(wgpu::TextureFormat, Resolution)> {
        use wgpu::TextureFormat as F;
        let full = self.resolution;
        let half = Resolution::new(full.width.div_ceil(2), full.height.div_ceil(2));
        let pairs = Resolution::new(full.width.div_ceil(2), full.height);
        match self.kind {
            PictureKind::Rgb | PictureKind::Rgba if self.bgr => vec![(F::Bgra8Unorm, full)],
            PictureKind::Rgb | PictureKind::Rgba => vec![(F::Rgba8Unorm, full)],
            PictureKind::Nv12 => vec![(F::R8Unorm, full), (F::Rg8Unorm, half)],
            PictureKind::I420 => vec![(F::R8Unorm, full), (F::R8Unorm, half), (F::R8Unorm, half)],
            PictureKind::Yuyv => vec![
                (F::Rg8Unorm, Resolution::new(pairs.width * 2, full.height)),
                (F::Rgba8Unorm, pairs),
            ],
        }
    }
}

/// How a picture is read between its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// The nearest pixel: where pixels map one to one. On software Vulkan 40 % cheaper.
    Nearest,
    /// Between the four nearest.
    Linear,
}

/// Textures of one picture with ready bind groups.
pub struct Picture {
    key: PictureKey,
    planes: Vec<wgpu::Texture>,
    view: wgpu::TextureView,
    nearest: wgpu::BindGroup,
    linear: wgpu::BindGroup,
}

impl Picture {
    /// What it is like.
    pub const fn key(&self) -> &PictureKey {
        &self.key
    }

    /// Its planes.
    pub fn planes(&self) -> &[wgpu::Texture] {
        &self.planes
    }

    /// The first plane as a target.
    pub const fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Group 0 for reading it.
    pub const fn bind_group(&self, sampling: Sampling) -> &wgpu::BindGroup {
        match sampling {
            Sampling::Nearest => &self.nearest,
            Sampling::Linear => &self.linear,
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({:?}, {})", self.key.kind, self.key.resolution)
    }
}

/// A picture between passes; cheap to clone, its textures go back to the pool with the last clone.
#[derive(Debug, Clone)]
pub struct GpuFrame {
    picture: Arc<Pooled>,
    /// When it was captured.
    pub pts: MediaTime,
}

impl GpuFrame {
    /// The textures.
    pub fn picture(&self) -> &Picture {
        // taken only by drop
        self.picture
            .picture
            .as_ref()
            .expect("present until dropped")
    }

    /// Size in pixels.
    pub fn resolution(&self) -> Resolution {
        self.picture().key.resolution
    }
}

#[derive(Debug)]
struct Pooled {
    picture: Option<Picture>,
    home: Arc<Idle>,
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(picture) = self.picture.take() {
            let mut idle = self.home.0.lock();
            if idle.len() >= TexturePool::KEEP {
                idle.remove(0); // the one idle for longest
            }
            idle.push(picture);
        }
    }
}

#[derive(Debug, Default)]
struct Idle(Mutex<Vec<Picture>>);

/// Makes pictures and takes them back. At most [`KEEP`](Self::KEEP) idle ones are held.
#[derive(Debug)]
pub struct TexturePool {
    gpu: GpuContext,
    layout: wgpu::BindGroupLayout,
    nearest: wgpu::Sampler,
    linear: wgpu::Sampler,
    /// Stands in for planes that a layout does not have.
    blank: wgpu::TextureView,
    uniforms: Vec<(PictureUniform, wgpu::Buffer)>,
    idle: Arc<Idle>,
}

/// One binding of group 0, as the shaders declare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureBinding {
    /// [`PictureUniform`].
    Uniform,
    /// A plane.
    Plane,
    /// The sampler.
    Sampler,
}

/// Group 0 of every pass, by binding number.
pub const PICTURE_BINDINGS: [PictureBinding; 5] = [
    PictureBinding::Uniform,
    PictureBinding::Plane,
    PictureBinding::Plane,
    PictureBinding::Plane,
    PictureBinding::Sampler,
];

impl TexturePool {
    /// Idle pictures held for the next use.
    pub const KEEP: usize = 10;

    /// An empty pool.
    pub fn new(gpu: &GpuContext) -> Self {
        let device = &gpu.device;
        let blank = device.create_texture(&texture_descriptor(
            "blank plane",
            Resolution::new(1, 1),
            wgpu::TextureFormat::Rgba8Unorm,
            wgpu::TextureUsages::TEXTURE_BINDING,
        ));
        Self {
            layout: picture_layout(device),
            nearest: sampler(device, "nearest", wgpu::FilterMode::Nearest),
            linear: sampler(device, "linear", wgpu::FilterMode::Linear),
            blank: blank.create_view(&wgpu::TextureViewDescriptor::default()),
            uniforms: Vec::new(),
            idle: Arc::default(),
            gpu: gpu.clone(),
        }
    }

    /// Layout of group 0.
    pub const fn layout(&self) -> &wgpu::BindGroupLayout {
        &self.layout
    }

    /// A picture with old contents.
    pub fn get(&mut self, key: PictureKey, pts: MediaTime) -> Result<GpuFrame, PassError> {
        let limit = self.gpu.max_side();
        if key.resolution.width.max(key.resolution.height) > limit {
            return Err(PassError::TooLarge(key.resolution, limit));
        }
        let reused = {
            let mut idle = self.idle.0.lock();
            idle.iter()
                .position(|p| p.key == key)
                .map(|at| idle.remove(at))
        };
        let picture = reused.unwrap_or_else(|| self.make(key));
        Ok(self.frame(picture, pts))
    }

    /// A picture that is drawn into an outside texture (`Rgba8Unorm`, opaque), for instance the window's.
    pub fn wrap(&mut self, texture: &wgpu::Texture, pts: MediaTime) -> GpuFrame {
        let resolution = Resolution::new(texture.width(), texture.height());
        let picture = self.bind(
            PictureKey::target(PictureKind::Rgb, resolution),
            vec![texture.clone()],
        );
        // its own home: it must not be handed out as somebody's scratch picture
        let picture = Pooled {
            picture: Some(picture),
            home: Arc::default(),
        };
        GpuFrame {
            picture: Arc::new(picture),
            pts,
        }
    }

    fn frame(&self, picture: Picture, pts: MediaTime) -> GpuFrame {
        let picture = Pooled {
            picture: Some(picture),
            home: Arc::clone(&self.idle),
        };
        GpuFrame {
            picture: Arc::new(picture),
            pts,
        }
    }

    fn make(&mut self, key: PictureKey) -> Picture {
        let usage = if key.target {
            TARGET_USAGE
        } else {
            UPLOAD_USAGE
        };
        let planes = key
            .planes()
            .into_iter()
            .map(|(format, size)| {
                self.gpu
                    .device
                    .create_texture(&texture_descriptor("picture", size, format, usage))
            })
            .collect();
        self.bind(key, planes)
    }

    fn bind(&mut self, key: PictureKey, planes: Vec<wgpu::Texture>) -> Picture {
        let views: Vec<_> = planes
            .iter()
            .map(|t| t.create_view(&wgpu::TextureViewDescriptor::default()))
            .collect();
        let uniform = self.uniform(&PictureUniform::new(&key));
        let group = |sampler| {
            let plane =
                |n: usize| wgpu::BindingResource::TextureView(views.get(n).unwrap_or(&self.blank));
            let resources = [
                uniform.as_entire_binding(),
                plane(0),
                plane(1),
                plane(2),
                wgpu::BindingResource::Sampler(sampler),
            ];
            let entries: Vec<_> = (0..)
                .zip(resources)
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            self.gpu
                .device
                .create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("picture"),
                    layout: &self.layout,
                    entries: &entries,
                })
        };
        let (nearest, linear) = (group(&self.nearest), group(&self.linear));
        Picture {
            key,
            planes,
            view: views[0].clone(),
            nearest,
            linear,
        }
    }

    /// One buffer for all pictures that are read alike.
    fn uniform(&mut self, uniform: &PictureUniform) -> wgpu::Buffer {
        if let Some((_, buffer)) = self.uniforms.iter().find(|(u, _)| u == uniform) {
            return buffer.clone();
        }
        let buffer = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture matrix"),
            size: size_of::<PictureUniform>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.gpu
            .queue
            .write_buffer(&buffer, 0, bytemuck::bytes_of(uniform));
        self.uniforms.push((*uniform, buffer.clone()));
        buffer
    }
}

const UPLOAD_USAGE: wgpu::TextureUsages =
    wgpu::TextureUsages::TEXTURE_BINDING.union(wgpu::TextureUsages::COPY_DST);

/// What a texture needs to be drawn into, read by later passes, and copied.
pub const TARGET_USAGE: wgpu::TextureUsages = wgpu::TextureUsages::TEXTURE_BINDING
    .union(wgpu::TextureUsages::RENDER_ATTACHMENT)
    .union(wgpu::TextureUsages::COPY_SRC)
    .union(wgpu::TextureUsages::COPY_DST);

/// A plain 2D texture.
pub const fn texture_descriptor(
    label: &str,
    size: Resolution,
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
) -> wgpu::TextureDescriptor<'_> {
    wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d {
            width: size.width,
            height: size.height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    }
}

fn sampler(device: &wgpu::Device, label: &str, filter: wgpu::FilterMode) -> wgpu::Sampler {
    device.create_sampler(&wgpu::SamplerDescriptor {
        label: Some(label),
        mag_filter: filter,
        min_filter: filter,
        ..wgpu::SamplerDescriptor::default()
    })
}

fn picture_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entries: Vec<_> = (0..)
        .zip(PICTURE_BINDINGS)
        .map(|(binding, kind)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: match kind {
                PictureBinding::Uniform => wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                PictureBinding::Plane => wgpu::BindingType::Texture {
                    sample_type: wgpu::TextureSampleType::Float { filterable: true },
                    view_dimension: wgpu::TextureViewDimension::D2,
                    multisampled: false,
                },
                PictureBinding::Sampler => {
                    wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)
                }
            },
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("picture"),
        entries: &entries,
    })
}
