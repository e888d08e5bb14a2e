//! Colour conversions as the standards write them, in double precision, and frames made with them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kaibo::media::SourceId;
use kaibo::media::time::MediaTime;
use kaibo::media::video::{
    ColorMatrix, ColorRange, ColorSpec, FrameData, PixelFormat, Plane, Resolution, VideoFrame,
};

pub(crate) type Rgb = [u8; 3];

/// A picture as rows of RGB.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) size: Resolution,
    pub(crate) pixels: Vec<Rgb>,
}

impl Picture {
    pub(crate) fn new(size: Resolution, mut color: impl FnMut(u32, u32) -> Rgb) -> Self {
        let at = |n: u64| {
            (
                u32::try_from(n).unwrap() % size.width,
                u32::try_from(n).unwrap() / size.width,
            )
        };
        let pixels = (0..size.pixels())
            .map(at)
            .map(|(x, y)| color(x, y))
            .collect();
        Self { size, pixels }
    }

    pub(crate) fn at(&self, x: u32, y: u32) -> Rgb {
        let (x, y) = (x.min(self.size.width - 1), y.min(self.size.height - 1));
        self.pixels[(y * self.size.width + x) as usize]
    }
}

fn weights(matrix: ColorMatrix) -> [f64; 3] {
    match matrix {
        ColorMatrix::Bt601 => [0.299, 0.587, 0.114],
        ColorMatrix::Bt709 => [0.2126, 0.7152, 0.0722],
    }
}

fn spans(range: ColorRange) -> [f64; 3] {
    match range {
        ColorRange::Limited => [16.0, 219.0, 224.0],
        ColorRange::Full => [0.0, 255.0, 255.0],
    }
}

/// RGB (0 to 255, any fraction) to YCbCr, not rounded.
pub(crate) fn to_yuv(rgb: [f64; 3], color: ColorSpec) -> [f64; 3] {
    let [kr, kg, kb] = weights(color.matrix);
    let [black, luma, chroma] = spans(color.range);
    let [r, g, b] = rgb.map(|v| v / 255.0);
    let y = kr * r + kg * g + kb * b;
    [
        black + luma * y,
        128.0 + chroma * (b - y) / (2.0 * (1.0 - kb)),
        128.0 + chroma * (r - y) / (2.0 * (1.0 - kr)),
    ]
}

/// The reverse, cut to the gamut.
pub(crate) fn to_rgb(yuv: [f64; 3], color: ColorSpec) -> [f64; 3] {
    let [kr, kg, kb] = weights(color.matrix);
    let [black, luma, chroma] = spans(color.range);
    let y = (yuv[0] - black) / luma;
    let (cb, cr) = ((yuv[1] - 128.0) / chroma, (yuv[2] - 128.0) / chroma);
    let r = y + 2.0 * (1.0 - kr) * cr;
    let b = y + 2.0 * (1.0 - kb) * cb;
    let g = (y - kr * r - kb * b) / kg;
    [r, g, b].map(|v| v.clamp(0.0, 1.0) * 255.0)
}

fn byte(v: f64) -> u8 {
    v.round().clamp(0.0, 255.0) as u8
}

fn mean(picture: &Picture, x: u32, y: u32, across: u32, down: u32) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for (dx, dy) in (0..down).flat_map(|dy| (0..across).map(move |dx| (dx, dy))) {
        for (s, v) in sum.iter_mut().zip(picture.at(x + dx, y + dy)) {
            *s += f64::from(v) / f64::from(across * down);
        }
    }
    sum
}

/// Rows of `row` bytes with padding behind each, so that a shader or copy that forgets the stride is seen.
fn padded(rows: u32, row: u32, mut value: impl FnMut(u32, u32) -> u8) -> Plane {
    let stride = row as usize + 12;
    let mut data = vec![0xaa; stride * rows as usize];
    for y in 0..rows {
        for x in 0..row {
            data[y as usize * stride + x as usize] = value(x, y);
        }
    }
    Plane {
        data: Bytes::from(data),
        stride,
    }
}

/// Each frame is a new one.
static SEQ: AtomicU64 = AtomicU64::new(0);

/// `picture` as a source would deliver it.
pub(crate) fn frame(picture: &Picture, format: PixelFormat, color: ColorSpec) -> VideoFrame {
    let size = picture.size;
    let (w, h) = (size.width, size.height);
    let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
    let yuv_at = |x, y| to_yuv(picture.at(x, y).map(f64::from), color);
    let luma = || padded(h, w, |x, y| byte(yuv_at(x, y)[0]));
    let chroma =
        |x: u32, y: u32, c: usize| byte(to_yuv(mean(picture, x * 2, y * 2, 2, 2), color)[c]);
    let rgb = |order: [Option<usize>; 4]| {
        padded(h, w * 4, |x, y| {
            order[x as usize % 4].map_or(255, |c| picture.at(x / 4, y)[c])
        })
    };
    let data = match format {
        PixelFormat::Nv12 => FrameData::Nv12 {
            y: luma(),
            uv: padded(half_h, half_w * 2, |x, y| {
                chroma(x / 2, y, 1 + x as usize % 2)
            }),
        },
        PixelFormat::I420 => FrameData::I420 {
            y: luma(),
            u: padded(half_h, half_w, |x, y| chroma(x, y, 1)),
            v: padded(half_h, half_w, |x, y| chroma(x, y, 2)),
        },
        PixelFormat::Yuyv422 => FrameData::Yuyv422(padded(h, half_w * 4, |x, y| {
            let pair = x / 4 * 2;
            let [_, cb, cr] = to_yuv(mean(picture, pair, y, 2, 1), color);
            byte([yuv_at(pair, y)[0], cb, yuv_at(pair + 1, y)[0], cr][x as usize % 4])
        })),
        PixelFormat::Bgra => FrameData::Bgra(rgb([Some(2), Some(1), Some(0), None])),
        PixelFormat::Rgba => FrameData::Rgba(rgb([Some(0), Some(1), Some(2), None])),
    };
    VideoFrame {
        pts: MediaTime::ZERO,
        source: SourceId(1),
        seq: SEQ.fetch_add(1, Ordering::Relaxed),
        resolution: size,
        data,
        color,
    }
}

/// What the frame's samples say about a pixel: nearest chroma, no filter between samples.
pub(crate) fn pixel(frame: &VideoFrame, x: u32, y: u32) -> [f64; 3] {
    let at = |plane: &Plane, x: u32, y: u32| {
        f64::from(plane.data[y as usize * plane.stride + x as usize])
    };
    let yuv = match &frame.data {
        FrameData::Bgra(p) => return [at(p, x * 4 + 2, y), at(p, x * 4 + 1, y), at(p, x * 4, y)],
        FrameData::Rgba(p) => return [at(p, x * 4, y), at(p, x * 4 + 1, y), at(p, x * 4 + 2, y)],
        FrameData::Nv12 { y: luma, uv } => [
            at(luma, x, y),
            at(uv, x / 2 * 2, y / 2),
            at(uv, x / 2 * 2 + 1, y / 2),
        ],
        FrameData::I420 { y: luma, u, v } => {
            [at(luma, x, y), at(u, x / 2, y / 2), at(v, x / 2, y / 2)]
        }
        FrameData::Yuyv422(p) => {
            let group = x / 2 * 4;
            [
                at(p, group + x % 2 * 2, y),
                at(p, group + 1, y),
                at(p, group + 3, y),
            ]
        }
    };
    to_rgb(yuv, frame.color)
}

/// All samples of an NV12 or I420 picture without padding: luma, then Cb and Cr interleaved.
pub(crate) fn samples(data: &FrameData, size: Resolution) -> Vec<u8> {
    let (w, h) = (size.width as usize, size.height as usize);
    let rows = |plane: &Plane, row: usize, rows: usize| -> Vec<u8> {
        plane
            .data
            .chunks(plane.stride)
            .take(rows)
            .flat_map(|r| r[..row].to_vec())
            .collect()
    };
    match data {
        FrameData::Nv12 { y, uv } => [rows(y, w, h), rows(uv, w, h / 2)].concat(),
        FrameData::I420 { y, u, v } => {
            let (u, v) = (rows(u, w / 2, h / 2), rows(v, w / 2, h / 2));
            let uv = u.into_iter().zip(v).flat_map(|(u, v)| [u, v]).collect();
            [rows(y, w, h), uv].concat()
        }
        other => panic!("{:?} is not for an encoder", other.format()),
    }
}

/// The encoder's samples for a picture of fractions, in the order of [`samples`].
pub(crate) fn expected_samples(size: Resolution, at: impl Fn(u32, u32) -> [f64; 3]) -> Vec<f64> {
    let spec = ColorSpec::BT709_LIMITED;
    let mut out = Vec::new();
    for y in 0..size.height {
        out.extend((0..size.width).map(|x| to_yuv(at(x, y), spec)[0]));
    }
    for y in 0..size.height / 2 {
        for x in 0..size.width / 2 {
            let mut sum = [0.0; 3];
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                for (s, v) in sum.iter_mut().zip(at(x * 2 + dx, y * 2 + dy)) {
                    *s += v / 4.0;
                }
            }
            out.extend(&to_yuv(sum, spec)[1..]);
        }
    }
    out
}

/// Largest distance between two lists of samples.
pub(crate) fn largest_difference(
    a: impl IntoIterator<Item = f64>,
    b: impl IntoIterator<Item = f64>,
) -> f64 {
    a.into_iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}
