//! Finished pixels of a watermark: premultiplied RGBA, to be put on the picture one to one. Scaling and turning happen
//! here, once, and not in each tick. Pure; overlay thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use image::imageops::{self, FilterType};
use image::{Rgba, RgbaImage};

/// Pixels to be drawn one to one.
pub(in crate::render) struct Sprite {
    /// Different for each sprite of the process.
    pub(in crate::render) id: u64,
    /// Columns.
    pub(in crate::render) width: u32,
    /// Rows.
    pub(in crate::render) height: u32,
    /// Premultiplied red, green, blue, alpha; rows without padding.
    pub(in crate::render) rgba: Bytes,
}

impl fmt::Debug for Sprite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sprite({}, {}x{})", self.id, self.width, self.height)
    }
}

impl Sprite {
    /// Takes a premultiplied picture.
    pub(super) fn new(image: RgbaImage) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (width, height) = image.dimensions();
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            width,
            height,
            rgba: image.into_raw().into(),
        })
    }
}

/// A picture of any size as sprites side by side, with the room about what is meant to be aligned.
#[derive(Debug, Clone)]
pub(super) struct Strip {
    /// Left and upper edge of each, and its pixels.
    pub(super) tiles: Vec<([i32; 2], Arc<Sprite>)>,
    /// All of them, in pixels.
    pub(super) size: [i32; 2],
    /// Pixels at left, top, right, bottom that are not counted when it is put to an edge (shadow, outline).
    pub(super) inset: [i32; 4],
}

impl Strip {
    /// Every adapter has textures of this side.
    const TILE: u32 = 2048;

    /// Cuts a premultiplied picture into tiles.
    pub(super) fn new(image: RgbaImage, inset: [i32; 4]) -> Self {
        let (width, height) = image.dimensions();
        let size = [width as i32, height as i32];
        if width.max(height) <= Self::TILE {
            let tiles = vec![([0, 0], Sprite::new(image))];
            return Self { tiles, size, inset };
        }
        let steps = |side: u32| (0..side).step_by(Self::TILE as usize);
        let corners = steps(height).flat_map(|y| steps(width).map(move |x| (x, y)));
        let tile = |(x, y): (u32, u32)| {
            let sides = [width - x, height - y].map(|rest| rest.min(Self::TILE));
            let part = imageops::crop_imm(&image, x, y, sides[0], sides[1]).to_image();
            ([x as i32, y as i32], Sprite::new(part))
        };
        let tiles = corners.map(tile).collect();
        Self { tiles, size, inset }
    }

    /// Bytes of pixels.
    pub(super) fn bytes(&self) -> usize {
        self.tiles.iter().map(|(_, sprite)| sprite.rgba.len()).sum()
    }
}

/// Straight alpha to premultiplied.
pub(super) fn premultiply(image: &mut RgbaImage) {
    for Rgba([r, g, b, a]) in image.pixels_mut() {
        for c in [r, g, b] {
            *c = ((u16::from(*c) * u16::from(*a) + 127) / 255) as u8;
        }
    }
}

/// Another size, every source pixel counted (area filter when made smaller). Premultiplied in and out, so that colours
/// of transparent pixels do not bleed.
pub(super) fn resize(image: &RgbaImage, width: u32, height: u32) -> RgbaImage {
    if image.dimensions() == (width, height) {
        return image.clone();
    }
    let mut scaled = imageops::resize(image, width, height, FilterType::CatmullRom);
    for Rgba([r, g, b, a]) in scaled.pixels_mut() {
        // the filter's overshoot must not make a colour stronger than its alpha
        for c in [r, g, b] {
            *c = (*c).min(*a);
        }
    }
    scaled
}

/// Turned clockwise about its middle, with soft edges; the picture grows so that nothing is cut. Premultiplied.
pub(super) fn rotate(image: &RgbaImage, degrees: f32) -> RgbaImage {
    let turn = degrees.rem_euclid(360.0);
    match turn {
        0.0 => return image.clone(),
        90.0 => return imageops::rotate90(image),
        180.0 => return imageops::rotate180(image),
        270.0 => return imageops::rotate270(image),
        _ => {}
    }
    let (sin, cos) = turn.to_radians().sin_cos();
    let (w, h) = (image.width() as f32, image.height() as f32);
    let width = (w * cos.abs() + h * sin.abs()).ceil() + 2.0;
    let height = (w * sin.abs() + h * cos.abs()).ceil() + 2.0;
    RgbaImage::from_fn(width as u32, height as u32, |x, y| {
        let (dx, dy) = (x as f32 + 0.5 - width / 2.0, y as f32 + 0.5 - height / 2.0);
        bilinear(
            image,
            dx * cos + dy * sin + w / 2.0 - 0.5,
            dy * cos - dx * sin + h / 2.0 - 0.5,
        )
    })
}

/// Between the four nearest pixels; transparent outside.
fn bilinear(image: &RgbaImage, x: f32, y: f32) -> Rgba<u8> {
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let at = |dx: i32, dy: i32| {
        let (x, y) = (left as i32 + dx, top as i32 + dy);
        let inside = x >= 0 && y >= 0 && x < image.width() as i32 && y < image.height() as i32;
        if inside {
            image.get_pixel(x as u32, y as u32).0.map(f32::from)
        } else {
            [0.0; 4]
        }
    };
    let [a, b, c, d] = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
    Rgba(std::array::from_fn(|i| {
        let upper = a[i] + (b[i] - a[i]) * fx;
        let lower = c[i] + (d[i] - c[i]) * fx;
        (upper + (lower - upper) * fy + 0.5) as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downscaling_is_the_mean_and_never_stronger_than_alpha() {
        // opaque white and transparent red in turns: half white, no red
        let image = RgbaImage::from_fn(64, 64, |x, _| {
            if x % 2 == 0 {
                Rgba([255; 4])
            } else {
                Rgba([255, 0, 0, 0])
            }
        });
        let mut premultiplied = image;
        premultiply(&mut premultiplied);
        let small = resize(&premultiplied, 8, 8);
        for Rgba([r, g, b, a]) in small.pixels() {
            assert!(a.abs_diff(128) <= 6, "{a}");
            assert!(r == g && g == b && r <= a, "{r} {g} {b} {a}");
        }
    }

    #[test]
    fn turning_keeps_the_picture() {
        let image = RgbaImage::from_fn(40, 20, |x, _| {
            if x < 20 {
                Rgba([255; 4])
            } else {
                Rgba([0, 0, 0, 255])
            }
        });
        let sum = |i: &RgbaImage| i.pixels().map(|p| f64::from(p.0[3])).sum::<f64>();
        for degrees in [0.0, 90.0, 180.0, 30.0, -45.0] {
            let turned = rotate(&image, degrees);
            assert!(
                (sum(&turned) / sum(&image) - 1.0).abs() < 0.02,
                "{degrees}: area"
            );
        }
        let quarter = rotate(&image, 90.0);
        assert_eq!(quarter.dimensions(), (20, 40));
        // clockwise: the left half comes to the top
        assert_eq!(quarter.get_pixel(10, 2).0, [255; 4]);
        let slight = rotate(&image, 10.0);
        assert_eq!(
            slight.get_pixel(slight.width() / 4, slight.height() / 2).0,
            [255; 4]
        );
    }

    #[test]
    fn large_pictures_become_tiles() {
        let strip = Strip::new(RgbaImage::new(5000, 3), [0; 4]);
        let widths: Vec<_> = strip.tiles.iter().map(|(at, s)| (*at, s.width)).collect();
        assert_eq!(
            widths,
            [([0, 0], 2048), ([2048, 0], 2048), ([4096, 0], 904)]
        );
        assert_eq!(strip.bytes(), 5000 * 3 * 4);
        // a text of many lines: nothing of it is lost, and everything is where it was
        let tall = RgbaImage::from_fn(2100, 3000, |x, y| Rgba([x as u8, y as u8, 7, 255]));
        let strip = Strip::new(tall.clone(), [0; 4]);
        let places: Vec<_> = strip.tiles.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [[0, 0], [2048, 0], [0, 2048], [2048, 2048]]);
        assert_eq!(strip.bytes(), 2100 * 3000 * 4);
        for ([left, top], sprite) in &strip.tiles {
            assert!(sprite.width.max(sprite.height) <= Strip::TILE);
            let (x, y) = (sprite.width - 1, sprite.height - 1);
            let at = ((y * sprite.width + x) * 4) as usize;
            let there = tall.get_pixel(*left as u32 + x, *top as u32 + y).0;
            assert_eq!(sprite.rgba[at..at + 4], there);
        }
    }
}
