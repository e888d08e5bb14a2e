//! Draws the mouse pointer into a grabbed picture, which the server leaves without it.
//!
//! In: the pointer's picture (premultiplied ARGB) and place. Out: changed BGRA pixels. Pure; no thread.

use crate::media::video::Resolution;

/// The pointer as the server describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointer<'a> {
    /// Column of its left edge; the hot spot is taken off already.
    pub(super) left: i32,
    /// Row of its top edge.
    pub(super) top: i32,
    /// Pixels in a row.
    pub(super) width: usize,
    /// Premultiplied alpha, red, green, blue from the high byte down, row by row.
    pub(super) argb: &'a [u32],
}

impl Pointer<'_> {
    /// Blends the part that lies inside the picture.
    pub(super) fn draw(&self, image: &mut [u8], stride: usize, size: Resolution) {
        if self.width == 0 {
            return;
        }
        for (row, pixels) in (self.top..).zip(self.argb.chunks_exact(self.width)) {
            let Some(row) = inside(row, size.height) else {
                continue;
            };
            for (col, &over) in (self.left..).zip(pixels) {
                let Some(col) = inside(col, size.width) else {
                    continue;
                };
                let at = row * stride + col * 4;
                if let Some(pixel) = image.get_mut(at..at + 3) {
                    blend(pixel, over);
                }
            }
        }
    }
}

fn inside(at: i32, end: u32) -> Option<usize> {
    usize::try_from(at).ok().filter(|&at| at < end as usize)
}

/// `over + ground * (1 - alpha)` for blue, green, red.
fn blend(pixel: &mut [u8], over: u32) {
    let [blue, green, red, alpha] = over.to_le_bytes();
    let rest = 255 - u32::from(alpha);
    for (ground, over) in pixel.iter_mut().zip([blue, green, red]) {
        let through = (u32::from(*ground) * rest + 127) / 255;
        *ground = u8::try_from(u32::from(over) + through).unwrap_or(u8::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Resolution = Resolution::new(4, 3);

    fn drawn(left: i32, top: i32, argb: &[u32]) -> Vec<u8> {
        let mut image = vec![100; 4 * 4 * 3];
        let pointer = Pointer {
            left,
            top,
            width: 2,
            argb,
        };
        pointer.draw(&mut image, 16, SIZE);
        image
    }

    #[test]
    fn coverage_is_premultiplied() {
        let image = drawn(1, 1, &[0xff01_0203, 0x8040_0000, 0, 0x00ff_0000]);
        assert_eq!(image[16 + 4..16 + 7], [3, 2, 1], "opaque: blue, green, red");
        assert_eq!(image[16 + 8..16 + 11], [50, 50, 114], "half");
        assert_eq!(image[32 + 4..32 + 7], [100, 100, 100], "clear");
        assert_eq!(image[32 + 8..32 + 11], [100, 100, 255], "saturates");
        assert_eq!(image[..20], [100; 20], "nothing else is touched");
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let white = [u32::MAX; 4];
        for (left, top, lit) in [
            (-1, -1, 1),
            (3, 2, 1),
            (-2, 0, 0),
            (0, 3, 0),
            (3, 0, 2),
            (i32::MIN, 0, 0),
        ] {
            let image = drawn(left, top, &white);
            let pixels = image.chunks(4).filter(|p| p[0] == 255).count();
            assert_eq!(pixels, lit, "at {left},{top}");
        }
        assert_eq!(drawn(0, 0, &[]), [100; 48]);
    }
}
