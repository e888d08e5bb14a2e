//! Watermarks onto the encoder's picture on the processor, only where they lie: for software adapters, where a full-frame
//! pass costs twenty times as much. In: planes in NV12 or I420 (BT.709, limited range). Out: NV12 with the watermarks in
//! it. Same result as the composing pass to within 2 of 255. Render thread.
//!
//! Putting something over (`normal`) is linear, so it is done on luma and chroma as they are: a sprite is turned into
//! "what is added" and "what is left of the picture" once, and each row is one multiplication and one addition per byte,
//! which the compiler makes vector code of. The other blend modes are not linear and take the way over RGB.

use super::motion::Placed;
use super::spec::BlendMode;
use super::sprite::Sprite;
use crate::media::pool::{BufferPool, PooledBuffer};
use crate::media::video::{FrameData, Plane, Resolution};
use crate::render::convert::packed_nv12;

/// BT.709-6 item 3.2.
const LUMA: [f32; 3] = [0.2126, 0.7152, 0.0722];
/// Denominators of Cb = (B - Y) / 1.8556 and Cr = (R - Y) / 1.5748 (BT.709-6 item 3.3).
const CHROMA: [f32; 2] = [1.8556, 1.5748];
/// Limited range (BT.709-6 item 4): luma spans 219 steps from 16, chroma 224 about 128.
const LUMA_SPAN: f32 = 219.0 / 255.0;
const CHROMA_SPAN: f32 = 224.0 / 255.0;

/// A sprite turned into bytes to multiply with and to add.
#[derive(Debug)]
struct Prepared {
    key: Key,
    /// Draws since it was used.
    age: u32,
    luma: Layer,
    /// Pairs (Cb, Cr) for blocks of 2x2, the first of which begins at the even pixel at or before the sprite's corner.
    chroma: Layer,
}

/// Sprite, odd column, odd row, opacity.
type Key = (u64, bool, bool, u32);

#[derive(Debug, Default)]
struct Layer {
    /// Bytes per row.
    width: usize,
    /// What is added.
    add: Vec<u8>,
    /// How much of the picture is left, of 255.
    keep: Vec<u8>,
}

/// Draws watermarks onto pictures in system memory.
#[derive(Debug)]
pub(in crate::render) struct Nv12Painter {
    pool: BufferPool,
    prepared: Vec<Prepared>,
}

impl Nv12Painter {
    /// Draws that an unused sprite is kept for: the odd and even places of a marquee, the pictures of an animation.
    const KEEP: u32 = 120;
    /// Bytes of turned sprites that are kept.
    const MOST: usize = 32 << 20;

    pub(in crate::render) fn new() -> Self {
        Self {
            // the encoder's queue of 3, the one it works on, the one kept for still scenes
            pool: BufferPool::new(5),
            prepared: Vec::new(),
        }
    }

    /// `data` (complete planes of an even-sized picture) with the watermarks; `None` for other formats than NV12 and I420.
    pub(in crate::render) fn over(
        &mut self,
        data: &FrameData,
        size: Resolution,
        placed: &[Placed],
    ) -> Option<FrameData> {
        let mut copy = copy_nv12(&self.pool, data, size)?;
        self.paint(&mut copy, size, placed);
        Some(packed_nv12(copy, size))
    }

    /// Draws onto a whole NV12 picture without padding: `width * height` bytes of luma, then chroma.
    pub(in crate::render) fn paint(
        &mut self,
        picture: &mut [u8],
        size: Resolution,
        placed: &[Placed],
    ) {
        let width = size.width as usize;
        let (luma, chroma) = picture.split_at_mut(width * size.height as usize);
        let mut target = Target {
            luma,
            chroma,
            width,
        };
        for p in &mut self.prepared {
            p.age += 1;
        }
        for one in placed {
            let Some(area) = one.area() else { continue };
            if one.blend == BlendMode::Normal {
                target.over(one, area, self.prepared(one));
            } else {
                target.blend(one, area);
            }
        }
        self.prepared.retain(|p| p.age <= Self::KEEP);
    }

    fn prepared(&mut self, placed: &Placed) -> &Prepared {
        let key = (
            placed.sprite.id,
            placed.x % 2 != 0,
            placed.y % 2 != 0,
            placed.opacity.to_bits(),
        );
        let found = self.prepared.iter().position(|p| p.key == key);
        let at = found.unwrap_or_else(|| {
            let size = |p: &Prepared| p.luma.add.len() * 3;
            while self.prepared.iter().map(size).sum::<usize>() > Self::MOST {
                let oldest = (0..self.prepared.len()).max_by_key(|&i| self.prepared[i].age);
                oldest.map(|i| self.prepared.swap_remove(i));
            }
            self.prepared.push(prepare(key, placed));
            self.prepared.len() - 1
        });
        let prepared = &mut self.prepared[at];
        prepared.age = 0;
        prepared
    }
}

/// A copy of NV12 or I420 planes as NV12 without padding; `None` when they are something else or too short.
fn copy_nv12(pool: &BufferPool, data: &FrameData, size: Resolution) -> Option<PooledBuffer> {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut out = pool.get(width * height * 3 / 2);
    let (luma, chroma) = out.split_at_mut(width * height);
    match data {
        FrameData::Nv12 { y, uv } => {
            copy_rows(y, luma, width)?;
            copy_rows(uv, chroma, width)?;
        }
        FrameData::I420 { y, u, v } => {
            copy_rows(y, luma, width)?;
            for (n, row) in chroma.chunks_exact_mut(width).enumerate() {
                let part = |plane: &Plane| {
                    let at = n * plane.stride;
                    plane.data.get(at..at + width / 2).map(<[u8]>::to_owned)
                };
                let (u, v) = (part(u)?, part(v)?);
                for (pair, (u, v)) in row.as_chunks_mut::<2>().0.iter_mut().zip(u.iter().zip(&v)) {
                    *pair = [*u, *v];
                }
            }
        }
        _ => return None,
    }
    Some(out)
}

fn copy_rows(plane: &Plane, out: &mut [u8], width: usize) -> Option<()> {
    for (n, row) in out.chunks_exact_mut(width).enumerate() {
        let at = n * plane.stride;
        row.copy_from_slice(plane.data.get(at..at + width)?);
    }
    Some(())
}

/// Premultiplied bytes and opacity as shares of 255: red, green, blue, alpha.
fn pixel(sprite: &Sprite, x: usize, y: usize, opacity: f32) -> [f32; 4] {
    let at = (y * sprite.width as usize + x) * 4;
    let p = &sprite.rgba[at..at + 4];
    [p[0], p[1], p[2], p[3]].map(|v| f32::from(v) * opacity)
}

fn luma_of([r, g, b, _]: [f32; 4]) -> f32 {
    LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
}

const fn byte(v: f32) -> u8 {
    (v + 0.5) as u8 // saturates
}

fn prepare(key: Key, placed: &Placed) -> Prepared {
    let (_, odd_x, odd_y, _) = key;
    let sprite = &placed.sprite;
    let (width, height) = (sprite.width as usize, sprite.height as usize);
    let columns = (width + usize::from(odd_x)).div_ceil(2);
    let rows = (height + usize::from(odd_y)).div_ceil(2);
    let mut luma = Layer {
        width,
        add: Vec::with_capacity(width * height),
        keep: Vec::with_capacity(width * height),
    };
    // sums over the block: Cb, Cr, alpha
    let mut sums = vec![[0.0_f32; 3]; columns * rows];
    for y in 0..height {
        for x in 0..width {
            let p = pixel(sprite, x, y, placed.opacity);
            let l = luma_of(p);
            luma.add.push(byte(l * LUMA_SPAN + p[3] * (16.0 / 255.0)));
            luma.keep.push(byte(255.0 - p[3]));
            let block = (y + usize::from(odd_y)) / 2 * columns + (x + usize::from(odd_x)) / 2;
            let sum = &mut sums[block];
            sum[0] += (p[2] - l) / CHROMA[0];
            sum[1] += (p[0] - l) / CHROMA[1];
            sum[2] += p[3];
        }
    }
    let mut chroma = Layer {
        width: columns * 2,
        add: Vec::with_capacity(sums.len() * 2),
        keep: Vec::with_capacity(sums.len() * 2),
    };
    for [cb, cr, alpha] in sums.into_iter().map(|s| s.map(|v| v / 4.0)) {
        for c in [cb, cr] {
            chroma
                .add
                .push(byte(c * CHROMA_SPAN + alpha * (128.0 / 255.0)));
            chroma.keep.push(byte(255.0 - alpha));
        }
    }
    Prepared {
        key,
        age: 0,
        luma,
        chroma,
    }
}

/// An NV12 picture being drawn on.
struct Target<'a> {
    luma: &'a mut [u8],
    chroma: &'a mut [u8],
    width: usize,
}

impl Target<'_> {
    fn over(&mut self, placed: &Placed, area: [i32; 4], prepared: &Prepared) {
        let origin = [placed.x, placed.y];
        rows(self.luma, self.width, &prepared.luma, area, origin);
        // whole blocks: the clip's sides are even, so none lies half outside it
        let half = |v: i32| v.div_euclid(2);
        let [left, top, right, bottom] = area;
        let blocks = [
            half(left) * 2,
            half(top),
            half(right + 1) * 2,
            half(bottom + 1),
        ];
        let corner = [half(placed.x) * 2, half(placed.y)];
        rows(self.chroma, self.width, &prepared.chroma, blocks, corner);
    }

    /// Multiply, screen and add: over RGB, block by block.
    fn blend(&mut self, placed: &Placed, [left, top, right, bottom]: [i32; 4]) {
        for y in (top & !1..bottom).step_by(2) {
            for x in (left & !1..right).step_by(2) {
                let at = (y as usize / 2) * self.width + x as usize;
                let chroma = [self.chroma[at], self.chroma[at + 1]];
                let mut sum = [0.0; 2];
                for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let at = (y + dy) as usize * self.width + (x + dx) as usize;
                    let mut rgb = to_rgb(self.luma[at], chroma);
                    let (sx, sy) = (x + dx - placed.x, y + dy - placed.y);
                    let inside = sx >= 0
                        && sy >= 0
                        && sx < placed.sprite.width as i32
                        && sy < placed.sprite.height as i32;
                    if inside {
                        let source =
                            pixel(&placed.sprite, sx as usize, sy as usize, placed.opacity);
                        rgb = blended(placed.blend, source, rgb);
                        let luma = luma_of([rgb[0], rgb[1], rgb[2], 0.0]);
                        self.luma[at] = byte(luma * LUMA_SPAN + 16.0);
                    }
                    let luma = luma_of([rgb[0], rgb[1], rgb[2], 0.0]);
                    sum[0] += (rgb[2] - luma) / CHROMA[0];
                    sum[1] += (rgb[0] - luma) / CHROMA[1];
                }
                for (i, sum) in sum.into_iter().enumerate() {
                    self.chroma[at + i] = byte(sum / 4.0 * CHROMA_SPAN + 128.0);
                }
            }
        }
    }
}

fn to_rgb(luma: u8, [cb, cr]: [u8; 2]) -> [f32; 3] {
    let y = (f32::from(luma) - 16.0) / LUMA_SPAN;
    let blue = y + (f32::from(cb) - 128.0) / CHROMA_SPAN * CHROMA[0];
    let red = y + (f32::from(cr) - 128.0) / CHROMA_SPAN * CHROMA[1];
    let green = (y - LUMA[0] * red - LUMA[2] * blue) / LUMA[1];
    [red, green, blue].map(|v| v.clamp(0.0, 255.0))
}

/// `source` is premultiplied.
fn blended(mode: BlendMode, source: [f32; 4], below: [f32; 3]) -> [f32; 3] {
    let left = 1.0 - source[3] / 255.0;
    std::array::from_fn(|i| {
        let (s, d) = (source[i], below[i]);
        let v = match mode {
            BlendMode::Normal => s + d * left,
            BlendMode::Multiply => s * d / 255.0 + d * left,
            BlendMode::Screen => s + d * (1.0 - s / 255.0),
            BlendMode::Add => s + d,
        };
        v.min(255.0)
    })
}

/// Puts the part of `layer` (whose corner is at `origin`) that lies in `area` (bytes across, rows down) over `plane`.
fn rows(plane: &mut [u8], stride: usize, layer: &Layer, area: [i32; 4], origin: [i32; 2]) {
    let [left, top, right, bottom] = area;
    let count = (right - left).max(0) as usize;
    for y in top..bottom {
        let from = (y - origin[1]) as usize * layer.width + (left - origin[0]) as usize;
        let to = y as usize * stride + left as usize;
        let (add, keep) = (
            &layer.add[from..from + count],
            &layer.keep[from..from + count],
        );
        for ((v, add), keep) in plane[to..to + count].iter_mut().zip(add).zip(keep) {
            // exact division by 255 of a 16-bit product, rounded
            let product = u16::from(*v) * u16::from(*keep) + 128;
            let kept = ((product + (product >> 8)) >> 8) as u8;
            *v = kept.saturating_add(*add);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use image::{Rgba, RgbaImage};

    use super::*;

    const SIZE: Resolution = Resolution::new(16, 12);

    fn sprite(color: [u8; 4], width: u32, height: u32) -> Arc<Sprite> {
        Sprite::new(RgbaImage::from_pixel(width, height, Rgba(color)))
    }

    fn placed(sprite: Arc<Sprite>, x: i32, y: i32) -> Placed {
        Placed {
            sprite,
            x,
            y,
            clip: [0, 0, 16, 12],
            opacity: 1.0,
            blend: BlendMode::Normal,
        }
    }

    fn grey() -> Vec<u8> {
        let mut picture = vec![100; 16 * 12];
        picture.extend([128; 16 * 6]);
        picture
    }

    #[test]
    fn only_what_it_covers_is_touched() {
        for (x, y) in [(4, 4), (5, 3), (-2, -3), (13, 9)] {
            let mut picture = grey();
            let one = placed(sprite([255; 4], 5, 4), x, y);
            Nv12Painter::new().paint(&mut picture, SIZE, &[one]);
            for row in 0..12 {
                for column in 0..16 {
                    let inside = (x..x + 5).contains(&column) && (y..y + 4).contains(&row);
                    let want = if inside { 235 } else { 100 };
                    assert_eq!(
                        picture[(row * 16 + column) as usize],
                        want,
                        "{column} {row}"
                    );
                }
            }
            // white and grey have no colour
            assert!(picture[16 * 12..].iter().all(|c| c.abs_diff(128) <= 1));
        }
    }

    #[test]
    fn chroma_is_the_mean_of_its_block() {
        // pure red (limited range: 63, 102, 240) over one pixel of the block, then two, then four
        let red = |x, width, height| placed(sprite([255, 0, 0, 255], width, height), x, 4);
        for (one, share) in [
            (red(5, 1, 1), 0.25),
            (red(4, 2, 1), 0.5),
            (red(4, 2, 2), 1.0),
        ] {
            let mut picture = grey();
            Nv12Painter::new().paint(&mut picture, SIZE, &[one]);
            let at = 16 * 12 + 2 * 16 + 4;
            let want = [128.0 - 26.0 * share, 128.0 + 112.0 * share];
            for (got, want) in picture[at..at + 2].iter().zip(want) {
                assert!(
                    (f64::from(*got) - want).abs() <= 1.0,
                    "{share}: {got} not {want}"
                );
            }
            assert_eq!(picture[at + 2], 128, "the next block");
            assert_eq!(picture[4 * 16 + 5], 63, "red's luma");
        }
    }

    #[test]
    fn opacity_and_the_other_modes_follow_their_formulas() {
        let half = Placed {
            opacity: 0.5,
            ..placed(sprite([255; 4], 4, 4), 4, 4)
        };
        let mut picture = grey();
        Nv12Painter::new().paint(&mut picture, SIZE, std::slice::from_ref(&half));
        assert!(picture[5 * 16 + 5].abs_diff(167) <= 1);
        let below = (100.0 - 16.0) / 219.0;
        let source = 120.0 / 255.0;
        for (blend, want) in [
            (BlendMode::Multiply, below * source),
            (BlendMode::Screen, below + source - below * source),
            (BlendMode::Add, below + source),
        ] {
            let mut picture = grey();
            let one = Placed {
                blend,
                ..placed(sprite([120, 120, 120, 255], 3, 3), 5, 5)
            };
            Nv12Painter::new().paint(&mut picture, SIZE, &[one]);
            let want = 16.0 + 219.0 * want;
            let got = f64::from(picture[6 * 16 + 6]);
            assert!((got - want).abs() <= 1.0, "{blend:?}: {got} not {want}");
            assert_eq!(picture[4 * 16 + 4], 100, "{blend:?}");
        }
    }

    #[test]
    fn i420_becomes_nv12_and_short_planes_are_refused() {
        let plane = |data: Vec<u8>, stride| Plane {
            data: Bytes::from(data),
            stride,
        };
        let i420 = |rows: usize| FrameData::I420 {
            y: plane(vec![100; 20 * 12], 20),
            u: plane([[1; 8], [7; 8]].concat().repeat(rows / 2), 8),
            v: plane([[2; 8], [9; 8]].concat().repeat(rows / 2), 8),
        };
        let mut painter = Nv12Painter::new();
        let Some(FrameData::Nv12 { y, uv }) = painter.over(&i420(6), SIZE, &[]) else {
            panic!("not NV12");
        };
        assert_eq!((y.stride, uv.stride), (16, 16));
        assert_eq!(
            &uv.data[..18],
            &[&[1, 2].repeat(8)[..], &[7, 9]].concat()[..]
        );
        assert!(painter.over(&i420(4), SIZE, &[]).is_none());
        let bgra = FrameData::Bgra(plane(vec![0; 16 * 12 * 4], 64));
        assert!(painter.over(&bgra, SIZE, &[]).is_none());
    }

    #[test]
    fn turned_sprites_are_kept_and_bounded() {
        let mut painter = Nv12Painter::new();
        let mut picture = grey();
        let one = placed(sprite([9; 4], 4, 4), 0, 0);
        for x in [0, 1, 2, 3, 0, 1] {
            let moved = Placed { x, ..one.clone() };
            painter.paint(&mut picture, SIZE, &[moved]);
        }
        assert_eq!(painter.prepared.len(), 2, "odd and even");
        for _ in 0..=Nv12Painter::KEEP {
            painter.paint(&mut picture, SIZE, &[]);
        }
        assert_eq!(painter.prepared.len(), 0);
    }
}
