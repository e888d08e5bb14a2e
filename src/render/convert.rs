//! RGB to NV12 (BT.709, limited range) on the processor, for adapters that are software anyway: a tenth of what the
//! conversion pass costs there. Same result to within 1 of 255. Written so that the compiler makes vector code of it.

use bytes::Bytes;

use crate::gpu::pass::align_row;
use crate::media::pool::{BufferPool, PooledBuffer};
use crate::media::video::{FrameData, Plane, Resolution, VideoFrame};

/// Weights of a pixel's first three bytes, in 256ths.
struct Weights {
    /// BT.709-6 luma weights times 219/255; they add up to 220, so white is 235.
    y: [u16; 3],
    /// Cb and Cr weights times 224/255; each row adds up to 0, so greys are 128.
    cb: [i32; 3],
    cr: [i32; 3],
}

const BGRA: Weights = Weights {
    y: [16, 157, 47],
    cb: [112, -87, -25],
    cr: [-10, -102, 112],
};

const RGBA: Weights = Weights {
    y: [47, 157, 16],
    cb: [-25, -87, 112],
    cr: [112, -102, -10],
};

/// What a picture that comes back from the GPU is; rows are at [`align_row`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// NV12, four bytes to a texel.
    Nv12,
    /// RGBA, still to be turned into NV12 here.
    Rgba,
}

/// The encoder's picture out of `bytes` that came back.
pub(super) fn delivered(
    bytes: &[u8],
    kind: Delivered,
    size: Resolution,
    pool: &BufferPool,
) -> FrameData {
    if kind == Delivered::Nv12 {
        let stride = align_row(size.width.div_ceil(4) * 4) as usize;
        let len = (stride * size.height as usize * 3 / 2).min(bytes.len());
        let mut out = pool.get(len);
        out.copy_from_slice(&bytes[..len]);
        return nv12_planes(&out.freeze(), stride, size);
    }
    let mut out = pool.get(nv12_len(size));
    let stride = align_row(size.width * 4) as usize;
    // the buffer was made for a whole picture
    let _whole = rgb_to_nv12(bytes, stride, size, &RGBA, &mut out);
    packed_nv12(out, size)
}

/// A BGRA frame as NV12 without padding in a buffer of `pool`; `None` for other formats and incomplete frames.
pub(super) fn to_nv12(pool: &BufferPool, frame: &VideoFrame) -> Option<PooledBuffer> {
    let FrameData::Bgra(plane) = &frame.data else {
        return None;
    };
    let mut out = pool.get(nv12_len(frame.resolution));
    let (size, Plane { data, stride }) = (frame.resolution, plane);
    rgb_to_nv12(data, *stride, size, &BGRA, &mut out).then_some(out)
}

/// The planes of a whole NV12 picture without padding.
pub(super) fn packed_nv12(buffer: PooledBuffer, size: Resolution) -> FrameData {
    nv12_planes(&buffer.freeze(), size.width as usize, size)
}

/// Luma and chroma of one buffer: `height` rows, then half as many, all `stride` bytes apart.
pub(super) fn nv12_planes(bytes: &Bytes, stride: usize, size: Resolution) -> FrameData {
    let luma = stride * size.height as usize;
    FrameData::Nv12 {
        y: Plane {
            data: bytes.slice(..luma),
            stride,
        },
        uv: Plane {
            data: bytes.slice(luma..),
            stride,
        },
    }
}

/// Bytes of an NV12 picture without padding.
fn nv12_len(size: Resolution) -> usize {
    size.width as usize * size.height as usize * 3 / 2
}

/// Converts `source`, whose rows are `stride` bytes apart, into `out` ([`nv12_len`] bytes, luma then chroma, no padding).
/// Sides must be even. False when the source is too short.
fn rgb_to_nv12(
    source: &[u8],
    stride: usize,
    size: Resolution,
    weights: &Weights,
    out: &mut [u8],
) -> bool {
    let (width, height) = (size.width as usize, size.height as usize);
    let row = width * 4;
    let needed = stride * height.saturating_sub(1) + row;
    if stride < row || source.len() < needed || out.len() < nv12_len(size) {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "the processor has just been asked for it")]
        // SAFETY: the function needs nothing but AVX2, which this processor has.
        unsafe {
            convert_avx2(source, stride, size, weights, out);
        }
        return true;
    }
    convert(source, stride, size, weights, out);
    true
}

/// [`convert`] in vectors twice as long as those that every x86-64 has.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn convert_avx2(source: &[u8], stride: usize, size: Resolution, weights: &Weights, out: &mut [u8]) {
    convert(source, stride, size, weights, out);
}

/// Sizes have been checked.
#[inline(always)]
fn convert(source: &[u8], stride: usize, size: Resolution, weights: &Weights, out: &mut [u8]) {
    let (width, height) = (size.width as usize, size.height as usize);
    let row = width * 4;
    let (luma, chroma) = out.split_at_mut(width * height);
    let pairs = luma
        .chunks_exact_mut(width * 2)
        .zip(chroma.chunks_exact_mut(width));
    for (n, (luma, chroma)) in pairs.enumerate() {
        let at = n * 2 * stride;
        let upper = &source[at..at + row];
        let lower = &source[at + stride..at + stride + row];
        let (luma_upper, luma_lower) = luma.split_at_mut(width);
        luma_row(upper, weights.y, luma_upper);
        luma_row(lower, weights.y, luma_lower);
        chroma_row(upper, lower, weights, chroma);
    }
}

#[inline(always)]
fn luma_row(source: &[u8], [first, second, third]: [u16; 3], out: &mut [u8]) {
    for (pixel, y) in source.as_chunks::<4>().0.iter().zip(out) {
        let [a, b, c] = [pixel[0] as u16, pixel[1] as u16, pixel[2] as u16];
        // at most 56,100 + 4,224: fits
        *y = ((a * first + b * second + c * third + (16 * 256 + 128)) >> 8) as u8;
    }
}

#[inline(always)]
fn chroma_row(upper: &[u8], lower: &[u8], weights: &Weights, out: &mut [u8]) {
    const EVERY_SECOND: u64 = 0x00ff_00ff_00ff_00ff;
    let blocks = upper
        .as_chunks::<8>()
        .0
        .iter()
        .zip(lower.as_chunks::<8>().0);
    for ((a, b), uv) in blocks.zip(out.as_chunks_mut::<2>().0) {
        let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        // two pixels in 16-bit lanes: first and third colour in turns; then the second in place of the first
        let outer = fold((a & EVERY_SECOND) + (b & EVERY_SECOND));
        let second = fold(((a >> 8) & EVERY_SECOND) + ((b >> 8) & EVERY_SECOND)) & 0xffff;
        let means = [mean(outer & 0xffff), mean(second), mean(outer >> 16)];
        uv[0] = weigh(means, weights.cb);
        uv[1] = weigh(means, weights.cr);
    }
}

/// Adds the upper half to the lower one; the lanes hold at most 4 times 255.
#[inline]
const fn fold(lanes: u64) -> u32 {
    (lanes as u32).wrapping_add((lanes >> 32) as u32)
}

#[inline]
const fn mean(sum_of_four: u32) -> i32 {
    (sum_of_four.wrapping_add(2) >> 2).cast_signed()
}

/// Between 4,336 and 61,456 before the shift.
#[inline]
const fn weigh(means: [i32; 3], [a, b, c]: [i32; 3]) -> u8 {
    ((means[0] * a + means[1] * b + means[2] * c + (128 * 256 + 128)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reference(b: f64, g: f64, r: f64) -> [f64; 3] {
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        [
            16.0 + 219.0 / 255.0 * y,
            128.0 + 224.0 / 255.0 * (b - y) / 1.8556,
            128.0 + 224.0 / 255.0 * (r - y) / 1.5748,
        ]
    }

    #[test]
    fn every_corner_and_many_colours_are_within_one() {
        let size = Resolution::new(2, 2);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut colours: Vec<[u8; 3]> = (0..8_u8)
            .map(|c| [0, 1, 2].map(|bit| (c >> bit & 1) * 255))
            .collect();
        colours.extend((0..=255).map(|v| [v; 3]));
        colours.extend((0..5000).map(|_| [rng.u8(..), rng.u8(..), rng.u8(..)]));
        for [b, g, r] in colours {
            let data = Bytes::from([b, g, r, 77].repeat(4));
            let mut out = [0; 6];
            assert!(rgb_to_nv12(&data, 8, size, &BGRA, &mut out));
            let mut turned = [0; 6];
            let data = [r, g, b, 77].repeat(4);
            assert!(rgb_to_nv12(&data, 8, size, &RGBA, &mut turned));
            assert_eq!(turned, out);
            let want = reference(b.into(), g.into(), r.into());
            for (got, want) in [out[0], out[4], out[5]].into_iter().zip(want) {
                assert!(
                    (f64::from(got) - want).abs() <= 1.3,
                    "{b},{g},{r}: {out:?}, not {want}"
                );
            }
        }
    }

    #[test]
    fn rows_end_where_the_stride_says() {
        let size = Resolution::new(4, 2);
        let mut data = vec![255; 20 * 2];
        data[..16].fill(0); // black upper row, white lower row and padding
        let mut out = [1; 12];
        let plane = Plane {
            data: data.into(),
            stride: 20,
        };
        assert!(rgb_to_nv12(&plane.data, 20, size, &BGRA, &mut out));
        assert_eq!(
            out,
            [16, 16, 16, 16, 235, 235, 235, 235, 128, 128, 128, 128]
        );
        assert!(
            !rgb_to_nv12(&plane.data, 20, Resolution::new(4, 4), &BGRA, &mut [0; 24]),
            "too short"
        );
    }
}
