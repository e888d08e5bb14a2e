//! Drawing into an NV12 picture: filled areas, and shapes and glyphs blended by coverage.
//!
//! In: two planes of bytes. Out: the same, changed. Everything is clipped to the picture, so that a layout may run over
//! the edge of a very small one. Pure; no thread.

use crate::media::video::Resolution;

/// One colour in BT.709 limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yuv {
    /// Luma, 16 to 235.
    pub y: u8,
    /// Blue difference, 16 to 240.
    pub u: u8,
    /// Red difference, 16 to 240.
    pub v: u8,
}

impl Yuv {
    /// Grey with this luma.
    pub const fn grey(y: u8) -> Self {
        Self { y, u: 128, v: 128 }
    }

    /// From gamma-encoded RGB, 0 to 1, rounded to the nearest (ITU-R BT.709 item 3.2 to 3.5, 8 bits).
    pub fn from_rgb([r, g, b]: [f64; 3]) -> Self {
        const KR: f64 = 0.2126;
        const KB: f64 = 0.0722;
        let luma = KR * r + (1.0 - KR - KB) * g + KB * b;
        let cb = (b - luma) / (2.0 - 2.0 * KB);
        let cr = (r - luma) / (2.0 - 2.0 * KR);
        Self {
            y: (16.0 + 219.0 * luma).round() as u8,
            u: (128.0 + 224.0 * cb).round() as u8,
            v: (128.0 + 224.0 * cr).round() as u8,
        }
    }
}

/// Pixels from `left` to `right` (not included) and `top` to `bottom` (not included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: i32,
    /// First row.
    pub top: i32,
    /// Column after the last.
    pub right: i32,
    /// Row after the last.
    pub bottom: i32,
}

impl Area {
    /// From two corners.
    pub const fn between(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        Self {
            left,
            top,
            right,
            bottom,
        }
    }

    /// Columns.
    pub const fn width(self) -> i32 {
        self.right - self.left
    }

    /// Rows.
    pub const fn height(self) -> i32 {
        self.bottom - self.top
    }

    const fn is_empty(self) -> bool {
        self.right <= self.left || self.bottom <= self.top
    }

    /// The part that lies in a picture of `size`; may be empty.
    fn clipped(self, size: Resolution) -> Self {
        let side = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let (w, h) = (side(size.width), side(size.height));
        let (left, top) = (self.left.clamp(0, w), self.top.clamp(0, h));
        Self {
            left,
            top,
            right: self.right.clamp(left, w),
            bottom: self.bottom.clamp(top, h),
        }
    }

    /// Rows as an index range.
    fn rows(self) -> std::ops::Range<usize> {
        self.top as usize..self.bottom as usize
    }

    /// Columns as an index range.
    fn cols(self) -> std::ops::Range<usize> {
        self.left as usize..self.right as usize
    }
}

/// A picture of 8-bit coverage: 0 leaves the ground, 255 covers it.
#[derive(Debug, Clone, Default)]
pub(in crate::capture) struct Coverage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Rows above the baseline of text.
    pub rise: i32,
    /// `width` times `height` values.
    pub data: Vec<u8>,
}

/// Bytes of the luma plane and of both planes of a tightly packed NV12 picture.
pub(in crate::capture) fn plane_lengths(size: Resolution) -> (usize, usize) {
    let (w, h) = (size.width as usize, size.height as usize);
    let luma = w * h;
    (luma, luma + chroma_stride(size) * h.div_ceil(2))
}

/// Bytes in a row of the chroma plane.
pub(in crate::capture) const fn chroma_stride(size: Resolution) -> usize {
    2 * (size.width as usize).div_ceil(2)
}

/// A tightly packed NV12 picture to draw into.
#[derive(Debug)]
pub(in crate::capture) struct Canvas<'a> {
    size: Resolution,
    y: &'a mut [u8],
    uv: &'a mut [u8],
}

impl<'a> Canvas<'a> {
    /// Over `data`, which must have the length that [`plane_lengths`] says.
    pub(in crate::capture) fn new(size: Resolution, data: &'a mut [u8]) -> Self {
        let (y, uv) = data.split_at_mut(plane_lengths(size).0);
        Self { size, y, uv }
    }

    fn luma_row(&mut self, row: usize, cols: std::ops::Range<usize>) -> &mut [u8] {
        let width = self.size.width as usize;
        &mut self.y[row * width..(row + 1) * width][cols]
    }

    /// Fills with a grey value and leaves the chroma alone: for ground that is grey already.
    pub(in crate::capture) fn fill_luma(&mut self, area: Area, y: u8) {
        let area = area.clipped(self.size);
        for row in area.rows() {
            self.luma_row(row, area.cols()).fill(y);
        }
    }

    /// Fills with a colour. Chroma samples that lie only partly in the area take the new colour.
    pub(in crate::capture) fn fill(&mut self, area: Area, color: Yuv) {
        self.fill_luma(area, color.y);
        let area = area.clipped(self.size);
        if area.is_empty() {
            return;
        }
        let stride = chroma_stride(self.size);
        let (from, to) = (area.left as usize / 2, (area.right as usize).div_ceil(2));
        for row in area.top as usize / 2..(area.bottom as usize).div_ceil(2) {
            let cells = &mut self.uv[row * stride + 2 * from..row * stride + 2 * to];
            for cell in cells.chunks_exact_mut(2) {
                cell.copy_from_slice(&[color.u, color.v]);
            }
        }
    }

    /// Blends grey by a coverage picture with its top left corner at `(left, top)`; leaves the chroma alone.
    pub(in crate::capture) fn blend_luma(
        &mut self,
        left: i32,
        top: i32,
        coverage: &Coverage,
        y: u8,
    ) {
        let area = Area::between(
            left,
            top,
            left + coverage.width as i32,
            top + coverage.height as i32,
        )
        .clipped(self.size);
        if area.is_empty() {
            return;
        }
        for row in area.rows() {
            let source = (row as i32 - top) as usize * coverage.width;
            let first = source + (area.left - left) as usize;
            let line = &coverage.data[first..first + area.width() as usize];
            for (p, &c) in self.luma_row(row, area.cols()).iter_mut().zip(line) {
                *p = mix(*p, y, c);
            }
        }
    }

    /// Blends a shape whose coverage at a point (in pixels, fractional) is `shape(x, y)`, 0 to 1.
    pub(in crate::capture) fn blend(
        &mut self,
        area: Area,
        color: Yuv,
        shape: impl Fn(f32, f32) -> f32,
    ) {
        let area = area.clipped(self.size);
        if area.is_empty() {
            return;
        }
        let coverage = |x: f32, y: f32| (shape(x, y).clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        for row in area.rows() {
            let left = area.left;
            for (x, p) in self.luma_row(row, area.cols()).iter_mut().enumerate() {
                *p = mix(
                    *p,
                    color.y,
                    coverage(left as f32 + x as f32 + 0.5, row as f32 + 0.5),
                );
            }
        }
        let stride = chroma_stride(self.size);
        for row in area.top as usize / 2..(area.bottom as usize).div_ceil(2) {
            for col in area.left as usize / 2..(area.right as usize).div_ceil(2) {
                // the sample's centre lies between four pixels
                let c = coverage(2.0 * col as f32 + 1.0, 2.0 * row as f32 + 1.0);
                let at = row * stride + 2 * col;
                self.uv[at] = mix(self.uv[at], color.u, c);
                self.uv[at + 1] = mix(self.uv[at + 1], color.v, c);
            }
        }
    }

    /// Blends a filled circle, its edge one pixel soft.
    pub(in crate::capture) fn disc(&mut self, (x, y): (f32, f32), radius: f32, color: Yuv) {
        self.blend(around((x, y), radius), color, |px, py| {
            radius - (px - x).hypot(py - y) + 0.5
        });
    }

    /// Blends a circle's line of the given width.
    pub(in crate::capture) fn ring(
        &mut self,
        (x, y): (f32, f32),
        radius: f32,
        width: f32,
        color: Yuv,
    ) {
        self.blend(around((x, y), radius + width), color, |px, py| {
            (width - 2.0 * ((px - x).hypot(py - y) - radius).abs()) / 2.0 + 0.5
        });
    }

    /// Blends a filled area with round corners.
    pub(in crate::capture) fn rounded(&mut self, area: Area, radius: f32, color: Yuv) {
        let (cx, cy) = (
            (area.left + area.right) as f32 / 2.0,
            (area.top + area.bottom) as f32 / 2.0,
        );
        let (hw, hh) = (
            area.width() as f32 / 2.0 - radius,
            area.height() as f32 / 2.0 - radius,
        );
        self.blend(area, color, |x, y| {
            let dx = ((x - cx).abs() - hw).max(0.0);
            let dy = ((y - cy).abs() - hh).max(0.0);
            radius - dx.hypot(dy) + 0.5
        });
    }
}

fn around((x, y): (f32, f32), radius: f32) -> Area {
    Area::between(
        (x - radius - 1.0).floor() as i32,
        (y - radius - 1.0).floor() as i32,
        (x + radius + 2.0).ceil() as i32,
        (y + radius + 2.0).ceil() as i32,
    )
}

/// `ground` moved towards `over` by `coverage`/255, to the nearest.
const fn mix(ground: u8, over: u8, coverage: u8) -> u8 {
    let (g, o, c) = (ground as u32, over as u32, coverage as u32);
    ((g * (255 - c) + o * c + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas_bytes(size: Resolution) -> Vec<u8> {
        vec![128; plane_lengths(size).1]
    }

    #[test]
    fn drawing_is_clipped_in_pictures_of_any_size() {
        for (w, h) in [(16, 16), (17, 19), (427, 241)] {
            let size = Resolution::new(w, h);
            let mut data = canvas_bytes(size);
            let mut canvas = Canvas::new(size, &mut data);
            let red = Yuv::from_rgb([1.0, 0.0, 0.0]);
            canvas.fill(Area::between(-50, -50, 5000, 5000), red);
            canvas.disc((f64::from(w) as f32, 0.0), 12.0, Yuv::grey(235));
            canvas.ring((-3.0, -3.0), 12.0, 2.0, Yuv::grey(235));
            canvas.rounded(Area::between(-9, 4, 9, 40), 6.0, Yuv::grey(16));
            canvas.fill(Area::between(40, 9, 4, 4), red);
            let coverage = Coverage {
                width: 8,
                height: 8,
                rise: 8,
                data: vec![255; 64],
            };
            canvas.blend_luma(-4, h as i32 - 4, &coverage, 200);
            assert_eq!(data[w as usize * (h as usize - 1)], 200, "{w}x{h}");
        }
    }

    #[test]
    fn blending_reaches_both_ends_and_fills_whole_chroma_samples() {
        assert_eq!((mix(16, 235, 0), mix(16, 235, 255)), (16, 235));
        assert_eq!(mix(0, 255, 128), 128);
        let size = Resolution::new(16, 16);
        let mut data = canvas_bytes(size);
        let blue = Yuv::from_rgb([0.0, 0.0, 1.0]);
        Canvas::new(size, &mut data).disc((8.0, 8.0), 6.0, blue);
        assert_eq!(data[8 * 16 + 8], blue.y);
        let uv = &data[256..];
        assert_eq!((uv[4 * 16 + 8], uv[4 * 16 + 9]), (blue.u, blue.v));
        assert_eq!((data[0], uv[0]), (128, 128), "outside of the circle");
    }
}
