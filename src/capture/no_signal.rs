//! The picture that stands in for a source that is gone: dark grey, "No signal" and the source's name. Drawn once, on the
//! source's thread, in the encoder's own layout, so that a source that fills the picture costs no pass while it is away.

use super::test_pattern::canvas::{Area, Canvas, Yuv, plane_lengths};
use super::test_pattern::text::Typeface;
use crate::media::video::{FrameData, Plane, Resolution};

const GROUND: u8 = 36;
const HEADING: u8 = 200;
const NAME: u8 = 140;

/// BT.709, limited range.
pub(super) fn picture(name: &str, size: Resolution) -> FrameData {
    let (luma, total) = plane_lengths(size);
    let mut data = vec![128; total];
    let (width, height) = (size.width as usize, size.height as usize);
    let mut canvas = Canvas::new(size, &mut data);
    let side = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let all = Area::between(0, 0, side(width), side(height));
    canvas.fill(all, Yuv::grey(GROUND));
    let face = Typeface::load();
    // what the font lacks is left out rather than shown as boxes
    let name: String = name.chars().filter(|c| face.has(*c)).collect();
    let unit = height.min(width) as f32;
    let (middle, gap) = (side(height / 2), side(height / 24));
    for (text, scale, below, shade) in [
        ("No signal", 0.07, false, HEADING),
        (name.trim(), 0.04, true, NAME),
    ] {
        let mut line = face.line(text, unit * scale);
        if line.width > width * 9 / 10 {
            let smaller = width as f32 * 0.9 / line.width as f32;
            line = face.line(text, unit * scale * smaller);
        }
        let left = side(width.saturating_sub(line.width) / 2);
        let baseline = if below {
            middle + gap + side(line.height)
        } else {
            middle
        };
        canvas.blend_luma(left, baseline - line.rise, &line, shade);
    }
    let chroma_stride = 2 * width.div_ceil(2);
    let bytes = bytes::Bytes::from(data);
    FrameData::Nv12 {
        y: Plane {
            data: bytes.slice(..luma),
            stride: width,
        },
        uv: Plane {
            data: bytes.slice(luma..),
            stride: chroma_stride,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ink(name: &str, size: Resolution) -> usize {
        let FrameData::Nv12 { y, uv } = picture(name, size) else {
            panic!("not NV12")
        };
        assert_eq!(y.data.len() as u64, size.pixels());
        assert!(uv.data.iter().all(|&c| c == 128), "grey");
        y.data.iter().filter(|&&v| v > 80).count()
    }

    #[test]
    fn it_says_what_is_missing_at_every_size() {
        let nameless = ink("", Resolution::HD);
        assert!(nameless > 2000, "{nameless}");
        assert!(ink("camera HD Pro Webcam C920", Resolution::HD) > nameless + 1000);
        // too long for a line, unknown letters, odd and tiny sizes
        assert!(ink(&"camera ".repeat(60), Resolution::HD) > nameless);
        assert_eq!(ink("\u{4e00}\u{4e01}", Resolution::HD), nameless);
        for size in [
            Resolution::new(161, 91),
            Resolution::new(16, 16),
            Resolution::new(1, 1),
        ] {
            ink("camera", size);
        }
    }
}
