//! Pictures of half the width and height, for a link that has too few bits for all pixels: NV12 or I420 in, the same out, the mean
//! of four samples each. On the encoder's thread, and only while the pictures are small.

use bytes::{Bytes, BytesMut};

use crate::encode::VideoFormat;
use crate::media::video::{FrameData, Plane, Resolution, VideoFrame};

/// Smaller pictures show nothing any more, and encoders refuse them.
const LEAST: u32 = 64;

/// Half the size each way, in even numbers as chroma of half the size wants them; the same where that would be too small.
pub(super) fn halved(format: VideoFormat) -> VideoFormat {
    let half = |n: u32| (n / 2) & !1;
    let (width, height) = (
        half(format.resolution.width),
        half(format.resolution.height),
    );
    if width < LEAST || height < LEAST {
        return format;
    }
    VideoFormat {
        resolution: Resolution { width, height },
        ..format
    }
}

/// The frame in the size of [`halved`]; `None` when it has another layout or is smaller than it says.
pub(super) fn shrink(frame: &VideoFrame, to: Resolution) -> Option<VideoFrame> {
    let (width, height) = (
        usize::try_from(to.width).ok()?,
        usize::try_from(to.height).ok()?,
    );
    let chroma = (width / 2, height / 2);
    let data = match &frame.data {
        FrameData::Nv12 { y, uv } => FrameData::Nv12 {
            y: plane::<1>(y, width, height)?,
            uv: plane::<2>(uv, chroma.0, chroma.1)?,
        },
        FrameData::I420 { y, u, v } => FrameData::I420 {
            y: plane::<1>(y, width, height)?,
            u: plane::<1>(u, chroma.0, chroma.1)?,
            v: plane::<1>(v, chroma.0, chroma.1)?,
        },
        FrameData::Yuyv422(_) | FrameData::Bgra(_) | FrameData::Rgba(_) => return None,
    };
    Some(VideoFrame {
        resolution: to,
        data,
        ..frame.clone()
    })
}

/// Half a plane whose samples are `N` bytes side by side.
fn plane<const N: usize>(from: &Plane, width: usize, height: usize) -> Option<Plane> {
    let row = width * N;
    let mut out = BytesMut::zeroed(row * height);
    for (y, to) in out.chunks_exact_mut(row).enumerate() {
        let upper = from.data.get(2 * y * from.stride..)?.get(..2 * row)?;
        let lower = from.data.get((2 * y + 1) * from.stride..)?.get(..2 * row)?;
        let pairs = upper.chunks_exact(2 * N).zip(lower.chunks_exact(2 * N));
        for (to, (upper, lower)) in to.chunks_exact_mut(N).zip(pairs) {
            for (i, to) in to.iter_mut().enumerate() {
                let sum = [upper[i], upper[i + N], lower[i], lower[i + N]]
                    .map(u16::from)
                    .iter()
                    .sum::<u16>();
                *to = u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX);
            }
        }
    }
    Some(Plane {
        data: Bytes::from(out),
        stride: row,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SourceId;
    use crate::media::time::{FrameRate, MediaTime};
    use crate::media::video::ColorSpec;

    #[test]
    fn each_sample_is_the_mean_of_four() {
        let plane = |width: usize, height: usize, stride: usize, at: fn(usize, usize) -> u8| {
            let mut data = vec![0; stride * height];
            for y in 0..height {
                for x in 0..width {
                    data[y * stride + x] = at(x, y);
                }
            }
            Plane {
                data: Bytes::from(data),
                stride,
            }
        };
        let frame = VideoFrame {
            pts: MediaTime::from_millis(7),
            source: SourceId(0),
            seq: 3,
            resolution: Resolution {
                width: 8,
                height: 8,
            },
            data: FrameData::Nv12 {
                y: plane(8, 8, 10, |x, y| u8::try_from(10 * x + y).unwrap()),
                // blue and red alternate
                uv: plane(8, 4, 10, |x, _| if x % 2 == 0 { 40 } else { 200 }),
            },
            color: ColorSpec::BT709_LIMITED,
        };
        let to = Resolution {
            width: 4,
            height: 4,
        };
        let small = shrink(&frame, to).unwrap();
        assert_eq!((small.resolution, small.pts), (to, frame.pts));
        let FrameData::Nv12 { y, uv } = &small.data else {
            panic!("NV12");
        };
        // 10 * (2x + 0.5) + 2y + 0.5, rounded
        assert_eq!(y.data[..4], [6, 26, 46, 66]);
        assert_eq!(y.data[4 + 1], 28);
        assert_eq!(uv.data[..], [40, 200, 40, 200, 40, 200, 40, 200]);
        let too_large = Resolution {
            width: 6,
            height: 4,
        };
        assert!(shrink(&frame, too_large).is_none());
    }

    #[test]
    fn half_sizes_are_even_and_not_tiny() {
        let of = |width, height| {
            let half = halved(VideoFormat {
                resolution: Resolution { width, height },
                rate: FrameRate::FPS_30,
            })
            .resolution;
            (half.width, half.height)
        };
        assert_eq!(of(1280, 720), (640, 360));
        assert_eq!(of(1366, 770), (682, 384));
        assert_eq!(of(200, 120), (200, 120));
    }
}
