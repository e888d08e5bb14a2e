//! Pictures to probe with: a drifting texture with a little noise on it, about as hard to encode as a game.

use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

/// Picture `index` of a show of this size and rate, NV12.
pub(super) fn picture(index: u64, size: Resolution, rate: FrameRate) -> VideoFrame {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut noise = 0x9E37_79B9_7F4A_7C15u64 ^ (index + 1).wrapping_mul(0xD134_2543_DE82_EF95);
    let t = usize::try_from(index).unwrap_or_default();
    let mut y = vec![0; width * height];
    for (row, line) in y.chunks_exact_mut(width).enumerate() {
        for (x, out) in line.iter_mut().enumerate() {
            if x % 8 == 0 {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
            }
            let wave = ((x + 3 * t) / 8 * 37 + (row + t) / 8 * 53) % 97;
            let grain = (noise >> (x % 8 * 8)) & 3;
            *out = 60 + u8::try_from(wave).unwrap_or(0) + u8::try_from(grain).unwrap_or(0);
        }
    }
    let plane = |data: Vec<u8>| Plane {
        data: data.into(),
        stride: width,
    };
    VideoFrame {
        pts: MediaTime::ZERO + rate.frame_offset(index),
        source: SourceId(0),
        seq: index,
        resolution: size,
        data: FrameData::Nv12 {
            y: plane(y),
            uv: plane(vec![0x78; width * (height / 2)]),
        },
        color: ColorSpec::BT709_LIMITED,
    }
}
