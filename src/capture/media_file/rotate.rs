//! Pictures turned as their file says (phones film upright and write how to turn it). On the source's thread.

use crate::media::pool::BufferPool;
use crate::media::video::{FrameData, Plane, Resolution};

/// How a picture is turned, clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Turn {
    #[default]
    None,
    Quarter,
    Half,
    ThreeQuarters,
}

impl Turn {
    /// The nearest of a display matrix as FFmpeg keeps it: nine 16.16 numbers in the machine's byte order, of which the
    /// first two are the cosine and sine of the turn (libavutil/display.h).
    pub(super) fn of_matrix(bytes: &[u8]) -> Self {
        let number = |n: usize| {
            let four = bytes.get(n * 4..n * 4 + 4)?;
            Some(f64::from(i32::from_ne_bytes(four.try_into().ok()?)))
        };
        let (Some(cosine), Some(sine)) = (number(0), number(1)) else {
            return Self::None;
        };
        match sine.atan2(cosine).to_degrees() {
            d if (45.0..135.0).contains(&d) => Self::Quarter,
            d if (-135.0..-45.0).contains(&d) => Self::ThreeQuarters,
            // mirrored, not turned, where only one axis is reversed
            d if d.abs() >= 135.0 && number(4).is_some_and(|down| down <= 0.0) => Self::Half,
            _ => Self::None,
        }
    }

    /// The size of a picture after it.
    pub(super) const fn of_size(self, size: Resolution) -> Resolution {
        match self {
            Self::None | Self::Half => size,
            Self::Quarter | Self::ThreeQuarters => Resolution::new(size.height, size.width),
        }
    }

    /// Turns a picture; `None` for a layout that cannot be (packed chroma), and where a plane is too short.
    pub(super) fn apply(
        self,
        data: &FrameData,
        size: Resolution,
        pool: &BufferPool,
    ) -> Option<FrameData> {
        let whole = (size.width as usize, size.height as usize);
        let half = (whole.0.div_ceil(2), whole.1.div_ceil(2));
        let one = |plane: &Plane, (w, h)| self.plane::<1>(plane, w, h, pool);
        let four = |plane: &Plane| self.plane::<4>(plane, whole.0, whole.1, pool);
        Some(match data {
            FrameData::I420 { y, u, v } => FrameData::I420 {
                y: one(y, whole)?,
                u: one(u, half)?,
                v: one(v, half)?,
            },
            FrameData::Nv12 { y, uv } => FrameData::Nv12 {
                y: one(y, whole)?,
                uv: self.plane::<2>(uv, half.0, half.1, pool)?,
            },
            FrameData::Bgra(plane) => FrameData::Bgra(four(plane)?),
            FrameData::Rgba(plane) => FrameData::Rgba(four(plane)?),
            FrameData::Yuyv422(_) => return None,
        })
    }

    fn plane<const N: usize>(
        self,
        plane: &Plane,
        width: usize,
        height: usize,
        pool: &BufferPool,
    ) -> Option<Plane> {
        /// Pixels in a square that is worked on at once, so that both pictures stay in the cache.
        const BLOCK: usize = 32;
        let from = plane.data.as_ref();
        if height == 0 || from.len() < plane.stride * (height - 1) + width * N {
            return None;
        }
        let (across, down) = match self {
            Self::None | Self::Half => (width, height),
            Self::Quarter | Self::ThreeQuarters => (height, width),
        };
        let stride = across * N;
        let mut buffer = pool.get(stride * down);
        let to = &mut buffer[..];
        for top in (0..down).step_by(BLOCK) {
            for left in (0..across).step_by(BLOCK) {
                for y in top..(top + BLOCK).min(down) {
                    for x in left..(left + BLOCK).min(across) {
                        let (sx, sy) = match self {
                            Self::None => (x, y),
                            Self::Quarter => (y, height - 1 - x),
                            Self::Half => (width - 1 - x, height - 1 - y),
                            Self::ThreeQuarters => (width - 1 - y, x),
                        };
                        let (s, d) = (sy * plane.stride + sx * N, y * stride + x * N);
                        to[d..d + N].copy_from_slice(&from[s..s + N]);
                    }
                }
            }
        }
        Some(Plane {
            data: buffer.freeze(),
            stride,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn picture(rows: &[&[u8]]) -> FrameData {
        let bytes: Vec<u8> = rows.concat().iter().flat_map(|v| [*v; 4]).collect();
        FrameData::Bgra(Plane {
            stride: rows[0].len() * 4,
            data: Bytes::from(bytes),
        })
    }

    #[test]
    fn pictures_are_turned_clockwise() {
        let pool = BufferPool::new(2);
        let size = Resolution::new(3, 2);
        let data = picture(&[&[1, 2, 3], &[4, 5, 6]]);
        for (turn, rows) in [
            (Turn::Quarter, vec![4, 1, 5, 2, 6, 3]),
            (Turn::Half, vec![6, 5, 4, 3, 2, 1]),
            (Turn::ThreeQuarters, vec![3, 6, 2, 5, 1, 4]),
        ] {
            let Some(FrameData::Bgra(plane)) = turn.apply(&data, size, &pool) else {
                panic!("{turn:?}");
            };
            let got: Vec<u8> = plane.data.iter().step_by(4).copied().collect();
            assert_eq!(got, rows, "{turn:?}");
            assert_eq!(plane.stride, turn.of_size(size).width as usize * 4);
        }
        let short = FrameData::Bgra(Plane {
            data: Bytes::from_static(&[0; 23]),
            stride: 12,
        });
        assert!(Turn::Half.apply(&short, size, &pool).is_none());
    }

    #[test]
    fn four_quarters_are_none_in_every_layout() {
        let pool = BufferPool::new(8);
        let mut rng = fastrand::Rng::with_seed(4);
        let size = Resolution::new(70, 38);
        let mut plane = |stride: usize, rows: usize| Plane {
            data: Bytes::from((0..stride * rows).map(|_| rng.u8(..)).collect::<Vec<u8>>()),
            stride,
        };
        let i420 = FrameData::I420 {
            y: plane(70, 38),
            u: plane(35, 19),
            v: plane(35, 19),
        };
        let nv12 = FrameData::Nv12 {
            y: plane(70, 38),
            uv: plane(70, 19),
        };
        for data in [i420, nv12] {
            let mut turned = data.clone();
            let mut at = size;
            for _ in 0..4 {
                turned = Turn::Quarter.apply(&turned, at, &pool).unwrap();
                at = Turn::Quarter.of_size(at);
            }
            let bytes = |data: &FrameData| match data {
                FrameData::I420 { y, u, v } => [&y.data[..], &u.data, &v.data].concat(),
                FrameData::Nv12 { y, uv } => [&y.data[..], &uv.data].concat(),
                other => panic!("{:?}", other.format()),
            };
            assert_eq!(bytes(&turned), bytes(&data));
        }
    }

    #[test]
    fn a_matrix_tells_the_turn() {
        let matrix = |a: i32, b: i32| {
            [a, b, 0, -b, a, 0, 0, 0, 1 << 30]
                .iter()
                .flat_map(|v| v.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        const ONE: i32 = 1 << 16;
        assert_eq!(Turn::of_matrix(&matrix(ONE, 0)), Turn::None);
        assert_eq!(Turn::of_matrix(&matrix(0, ONE)), Turn::Quarter);
        assert_eq!(Turn::of_matrix(&matrix(-ONE, 0)), Turn::Half);
        assert_eq!(Turn::of_matrix(&matrix(0, -ONE)), Turn::ThreeQuarters);
        assert_eq!(Turn::of_matrix(&[1, 2, 3]), Turn::None);
    }
}
