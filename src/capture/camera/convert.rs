//! A camera's uncompressed pictures as the renderer takes them: copied as they are where it knows the layout, their
//! bytes put in its order on the way where it does not. The driver's memory is free again at once.
//!
//! Runs on the source's thread; one pass over the bytes in every case.

use bytes::Bytes;

use super::mode::CameraFormat;
use crate::media::pool::BufferPool;
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution};

/// How a driver lays out its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLayout {
    /// Anything but [`CameraFormat::Mjpeg`].
    pub format: CameraFormat,
    /// Size in pixels.
    pub size: Resolution,
    /// Bytes from row to row of the first plane; the chroma planes of NV12 have as much, those of I420 half.
    pub stride: usize,
    /// How the samples are read.
    pub color: ColorSpec,
}

/// Bytes of a row of the first plane, without padding.
const fn row_bytes(format: CameraFormat, width: usize) -> usize {
    match format {
        CameraFormat::Nv12 | CameraFormat::I420 | CameraFormat::Grey | CameraFormat::Mjpeg => width,
        CameraFormat::Yuyv | CameraFormat::Uyvy => width.div_ceil(2) * 4,
        CameraFormat::Bgr24 | CameraFormat::Rgb24 => width * 3,
    }
}

impl RawLayout {
    fn width(&self) -> usize {
        self.size.width as usize
    }

    fn height(&self) -> usize {
        self.size.height as usize
    }

    /// The stride, or what it must be at least where the driver says nothing sensible.
    fn stride(&self) -> usize {
        self.stride.max(row_bytes(self.format, self.width()))
    }

    /// Bytes of a whole picture; the padding of the last row does not count.
    pub fn len(&self) -> usize {
        let (stride, rows) = (self.stride(), self.height());
        let (half_width, half_rows) = (self.width().div_ceil(2), rows.div_ceil(2));
        match self.format {
            CameraFormat::Nv12 => stride * rows + stride * (half_rows.max(1) - 1) + half_width * 2,
            CameraFormat::I420 => {
                let chroma = stride.div_ceil(2);
                stride * rows + chroma * (half_rows * 2).saturating_sub(1) + half_width
            }
            _ => stride * (rows.max(1) - 1) + row_bytes(self.format, self.width()),
        }
    }

    /// A picture has no pixels.
    pub fn is_empty(&self) -> bool {
        self.size.pixels() == 0
    }
}

/// Converts the pictures of one opened camera.
#[derive(Debug)]
pub struct RawConverter {
    layout: RawLayout,
    pool: BufferPool,
    /// Chroma planes of pictures without colour.
    neutral: Bytes,
}

impl RawConverter {
    /// For pictures of `layout`.
    pub fn new(layout: RawLayout) -> Self {
        let half = layout.width().div_ceil(2) * layout.height().div_ceil(2);
        let neutral = match layout.format {
            CameraFormat::Grey => vec![128; half].into(),
            _ => Bytes::new(),
        };
        Self {
            layout,
            // one on show, one being uploaded, one to write into, and one to spare
            pool: BufferPool::new(4),
            neutral,
        }
    }

    /// What it converts.
    pub const fn layout(&self) -> &RawLayout {
        &self.layout
    }

    /// `None` when `data` is too short for a whole picture.
    pub fn convert(&self, data: &[u8]) -> Option<FrameData> {
        let layout = &self.layout;
        let data = data.get(..layout.len()).filter(|_| !layout.is_empty())?;
        let (width, rows, stride) = (layout.width(), layout.height(), layout.stride());
        Some(match layout.format {
            CameraFormat::Nv12 => {
                let bytes = self.copy(data);
                FrameData::Nv12 {
                    y: plane(bytes.slice(..stride * rows), stride),
                    uv: plane(bytes.slice(stride * rows..), stride),
                }
            }
            CameraFormat::I420 => {
                let bytes = self.copy(data);
                let (luma, chroma) = (stride * rows, stride.div_ceil(2));
                let second = luma + chroma * rows.div_ceil(2);
                FrameData::I420 {
                    y: plane(bytes.slice(..luma), stride),
                    u: plane(bytes.slice(luma..second), chroma),
                    v: plane(bytes.slice(second..), chroma),
                }
            }
            CameraFormat::Grey => {
                let (y, half) = (plane(self.copy(data), stride), width.div_ceil(2));
                let (u, v) = (
                    plane(self.neutral.clone(), half),
                    plane(self.neutral.clone(), half),
                );
                FrameData::I420 { y, u, v }
            }
            CameraFormat::Yuyv => FrameData::Yuyv422(plane(self.copy(data), stride)),
            CameraFormat::Uyvy => FrameData::Yuyv422(self.rows(data, 1, swap_pairs)),
            CameraFormat::Bgr24 => FrameData::Bgra(self.rows(data, 3, spread::<false>)),
            CameraFormat::Rgb24 => FrameData::Bgra(self.rows(data, 3, spread::<true>)),
            CameraFormat::Mjpeg => return None,
        })
    }

    fn copy(&self, data: &[u8]) -> Bytes {
        let mut buffer = self.pool.get(data.len());
        buffer.copy_from_slice(data);
        buffer.freeze()
    }

    /// Row by row into rows without padding; `per_four` is 3 where three bytes become four.
    fn rows(&self, data: &[u8], per_four: usize, write: fn(&[u8], &mut [u8])) -> Plane {
        let from = row_bytes(self.layout.format, self.layout.width());
        let to = if per_four == 3 { from / 3 * 4 } else { from };
        let mut buffer = self.pool.get(to * self.layout.height());
        let rows = data.chunks(self.layout.stride());
        for (row, out) in rows.zip(buffer.chunks_exact_mut(to)) {
            write(&row[..from], out);
        }
        plane(buffer.freeze(), to)
    }
}

const fn plane(data: Bytes, stride: usize) -> Plane {
    Plane { data, stride }
}

/// Cb Y0 Cr Y1 to Y0 Cb Y1 Cr.
fn swap_pairs(row: &[u8], out: &mut [u8]) {
    // a row is whole groups of four bytes; eight at once are a few operations even where nothing is optimised
    const EVERY_SECOND: u64 = 0x00ff_00ff_00ff_00ff;
    let (eights, rest) = row.as_chunks::<8>();
    let (out_eights, out_rest) = out.as_chunks_mut::<8>();
    for (eight, out) in eights.iter().zip(out_eights) {
        let v = u64::from_le_bytes(*eight);
        *out = ((v & EVERY_SECOND) << 8 | (v >> 8) & EVERY_SECOND).to_le_bytes();
    }
    for (pair, out) in rest
        .as_chunks::<2>()
        .0
        .iter()
        .zip(out_rest.as_chunks_mut().0)
    {
        *out = [pair[1], pair[0]];
    }
}

/// Three bytes to four with blue first; the fourth byte means nothing.
fn spread<const RED_FIRST: bool>(row: &[u8], out: &mut [u8]) {
    for (pixel, out) in row.as_chunks::<3>().0.iter().zip(out.as_chunks_mut().0) {
        let [a, g, c] = *pixel;
        *out = if RED_FIRST {
            [c, g, a, 255]
        } else {
            [a, g, c, 255]
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// The sample that belongs to pixel (x, y) by the format's definition, straight from the driver's bytes: three
    /// values that mean luma, Cb, Cr or red, green, blue.
    fn expected(layout: &RawLayout, data: &[u8], x: usize, y: usize) -> [u8; 3] {
        let (stride, rows) = (layout.stride, layout.height());
        let at = |i: usize| data[i];
        match layout.format {
            CameraFormat::Nv12 => {
                let uv = stride * rows + y / 2 * stride + x / 2 * 2;
                [at(y * stride + x), at(uv), at(uv + 1)]
            }
            CameraFormat::I420 => {
                let (half, half_rows) = (stride.div_ceil(2), rows.div_ceil(2));
                let u = stride * rows + y / 2 * half + x / 2;
                [at(y * stride + x), at(u), at(u + half * half_rows)]
            }
            CameraFormat::Yuyv => {
                let pair = y * stride + x / 2 * 4;
                [at(y * stride + x * 2), at(pair + 1), at(pair + 3)]
            }
            CameraFormat::Uyvy => {
                let pair = y * stride + x / 2 * 4;
                [at(y * stride + x * 2 + 1), at(pair), at(pair + 2)]
            }
            CameraFormat::Bgr24 => [2, 1, 0].map(|c| at(y * stride + x * 3 + c)),
            CameraFormat::Rgb24 => [0, 1, 2].map(|c| at(y * stride + x * 3 + c)),
            CameraFormat::Grey => [at(y * stride + x), 128, 128],
            CameraFormat::Mjpeg => unreachable!("not raw"),
        }
    }

    /// The same sample as the renderer reads it.
    fn got(frame: &FrameData, x: usize, y: usize) -> [u8; 3] {
        let at = |p: &Plane, x: usize, y: usize| p.data[y * p.stride + x];
        match frame {
            FrameData::Nv12 { y: luma, uv } => [
                at(luma, x, y),
                at(uv, x / 2 * 2, y / 2),
                at(uv, x / 2 * 2 + 1, y / 2),
            ],
            FrameData::I420 { y: luma, u, v } => {
                [at(luma, x, y), at(u, x / 2, y / 2), at(v, x / 2, y / 2)]
            }
            FrameData::Yuyv422(p) => [
                at(p, x * 2, y),
                at(p, x / 2 * 4 + 1, y),
                at(p, x / 2 * 4 + 3, y),
            ],
            FrameData::Bgra(p) => [2, 1, 0].map(|c| at(p, x * 4 + c, y)),
            FrameData::Rgba(_) => unreachable!("no camera has alpha"),
        }
    }

    fn layouts() -> impl Strategy<Value = (RawLayout, u64)> {
        let raw: Vec<_> = CameraFormat::ALL
            .into_iter()
            .filter(|f| *f != CameraFormat::Mjpeg)
            .collect();
        let sides = (1_u32..40, 1_u32..20, 0_usize..17);
        (prop::sample::select(raw), sides, any::<u64>()).prop_map(
            |(format, (w, h, padding), seed)| {
                let layout = RawLayout {
                    format,
                    size: Resolution::new(w, h),
                    stride: (row_bytes(format, w as usize) + padding).next_multiple_of(2),
                    color: ColorSpec::BT601_LIMITED,
                };
                (layout, seed)
            },
        )
    }

    proptest! {
        #[test]
        fn every_sample_is_where_the_renderer_looks_for_it((layout, seed) in layouts()) {
            let mut noise = fastrand::Rng::with_seed(seed);
            let data: Vec<u8> = (0..layout.len()).map(|_| noise.u8(..)).collect();
            let converter = RawConverter::new(layout);
            let frame = converter.convert(&data).unwrap();
            for y in 0..layout.height() {
                for x in 0..layout.width() {
                    prop_assert_eq!(got(&frame, x, y), expected(&layout, &data, x, y), "{:?} at {},{}", layout, x, y);
                }
            }
            prop_assert!(converter.convert(&data[..data.len() - 1]).is_none(), "one byte short");
        }
    }

    #[test]
    fn a_stream_of_pictures_takes_its_buffers_from_the_pool() {
        let layout = RawLayout {
            format: CameraFormat::Uyvy,
            size: Resolution::new(8, 4),
            stride: 0, // some drivers say nothing
            color: ColorSpec::BT601_LIMITED,
        };
        let converter = RawConverter::new(layout);
        let data = [7; 64];
        let first = converter.convert(&data).unwrap();
        drop(first);
        assert_eq!(converter.pool.idle(), 1);
        let _second = converter.convert(&data).unwrap();
        assert_eq!(converter.pool.idle(), 0);
    }
}
