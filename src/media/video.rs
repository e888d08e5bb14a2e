//! Pictures in system memory: formats, colour, frames. Planes are cheap to clone (reference counted).

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::SourceId;
use super::time::MediaTime;

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Resolution {
    /// 1280x720.
    pub const HD: Self = Self::new(1280, 720);

    /// `width` by `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Text that is no `WIDTHxHEIGHT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("size {0:?} is not WIDTHxHEIGHT with 16 to 8192 pixels each (for example 1280x720)")]
pub struct ResolutionError(String);

impl FromStr for Resolution {
    type Err = ResolutionError;

    fn from_str(s: &str) -> Result<Self, ResolutionError> {
        let parse = || {
            let (w, h) = s.trim().split_once(['x', 'X', '×'])?;
            let r = Self::new(w.trim().parse().ok()?, h.trim().parse().ok()?);
            let side = 16..=8192;
            (side.contains(&r.width) && side.contains(&r.height)).then_some(r)
        };
        parse().ok_or_else(|| ResolutionError(s.to_owned()))
    }
}

impl serde::Serialize for Resolution {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Resolution {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Matrix between RGB and YCbCr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorMatrix {
    /// ITU-R BT.601 (standard definition, most webcams).
    Bt601,
    /// ITU-R BT.709 (high definition; what we send).
    #[default]
    Bt709,
}

/// Value range of YCbCr samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorRange {
    /// 16 to 235 (luma), 16 to 240 (chroma).
    #[default]
    Limited,
    /// 0 to 255.
    Full,
}

/// How to read a frame's samples as colours. Means nothing for RGB formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ColorSpec {
    /// RGB to YCbCr matrix.
    pub matrix: ColorMatrix,
    /// Value range.
    pub range: ColorRange,
}

impl ColorSpec {
    /// What the encoder gets: BT.709, limited range.
    pub const BT709_LIMITED: Self = Self {
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
    };
    /// What most cameras deliver: BT.601, limited range.
    pub const BT601_LIMITED: Self = Self {
        matrix: ColorMatrix::Bt601,
        range: ColorRange::Limited,
    };
}

/// Layout of a frame's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Full-size luma plane, half-size interleaved CbCr plane.
    Nv12,
    /// Full-size luma plane, half-size Cb and Cr planes.
    I420,
    /// Packed Y0 Cb Y1 Cr.
    Yuyv422,
    /// 4 bytes a pixel, blue first; the fourth byte is ignored.
    Bgra,
    /// 4 bytes a pixel, red first; alpha is straight.
    Rgba,
}

/// One plane of samples.
#[derive(Clone)]
pub struct Plane {
    /// The samples, `stride` bytes from row to row.
    pub data: Bytes,
    /// Bytes from one row to the next; at least the row's own bytes.
    pub stride: usize,
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plane(len={}, stride={})", self.data.len(), self.stride)
    }
}

/// A frame's samples, by format.
#[derive(Debug, Clone)]
pub enum FrameData {
    /// See [`PixelFormat::Nv12`].
    Nv12 {
        /// Luma.
        y: Plane,
        /// Interleaved chroma, half size each way (rounded up).
        uv: Plane,
    },
    /// See [`PixelFormat::I420`].
    I420 {
        /// Luma.
        y: Plane,
        /// Blue-difference chroma, half size each way (rounded up).
        u: Plane,
        /// Red-difference chroma, half size each way (rounded up).
        v: Plane,
    },
    /// See [`PixelFormat::Yuyv422`].
    Yuyv422(Plane),
    /// See [`PixelFormat::Bgra`].
    Bgra(Plane),
    /// See [`PixelFormat::Rgba`].
    Rgba(Plane),
}

impl FrameData {
    /// The layout.
    pub const fn format(&self) -> PixelFormat {
        match self {
            Self::Nv12 { .. } => PixelFormat::Nv12,
            Self::I420 { .. } => PixelFormat::I420,
            Self::Yuyv422(_) => PixelFormat::Yuyv422,
            Self::Bgra(_) => PixelFormat::Bgra,
            Self::Rgba(_) => PixelFormat::Rgba,
        }
    }
}

/// One picture on its way from a source to the renderer, or from the renderer to an encoder.
#[derive(Debug, Clone)]
pub struct VideoFrame {
    /// When the picture was captured (sources) or the tick it belongs to (rendered).
    pub pts: MediaTime,
    /// Where it came from; the renderer's own pictures carry `SourceId(0)`.
    pub source: SourceId,
    /// Counts up by one for each frame the source made; gaps are losses.
    pub seq: u64,
    /// Size in pixels.
    pub resolution: Resolution,
    /// Samples.
    pub data: FrameData,
    /// How to read them.
    pub color: ColorSpec,
}
