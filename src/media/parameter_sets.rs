//! Parameter sets in the stream itself: a keyframe with its decoder configuration in, the same keyframe with the sets
//! before its slices out. Decoders and parsers that read the header only once then follow a change of encoder.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::packet::{CodecParameters, EncodedPacket};

/// NAL unit types of sequence parameter sets: ITU-T H.264, table 7-1; H.265, table 7-1.
const H264_SPS: u8 = 7;
const HEVC_VPS: u8 = 32;

/// The payload of a keyframe with its parameter sets before it; `None` where they are in it already, or nothing can be
/// put there (no keyframe, AV1, whose keyframes always have them, a record that is none).
pub fn in_band(packet: &EncodedPacket) -> Option<Bytes> {
    if !packet.keyframe {
        return None;
    }
    let first = *packet.data.get(4)?;
    let sets = match &*packet.parameters {
        CodecParameters::H264 { avcc, .. } if first & 0x1F != H264_SPS => avcc_sets(avcc)?,
        CodecParameters::Hevc { hvcc, .. } if first >> 1 & 0x3F != HEVC_VPS => hvcc_sets(hvcc)?,
        _ => return None,
    };
    let more: usize = sets.iter().map(|s| 4 + s.len()).sum();
    let mut out = BytesMut::with_capacity(more + packet.data.len());
    for set in sets {
        out.put_u32(u32::try_from(set.len()).ok()?);
        out.put_slice(set);
    }
    out.put_slice(&packet.data);
    Some(out.freeze())
}

/// Takes a length and that many bytes off the front.
fn set<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first_chunk::<2>()?;
    let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    *rest = after;
    Some(set)
}

/// The sets of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 5.3.3.1) with lengths of four bytes.
fn avcc_sets(avcc: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = avcc.split_at_checked(5)?;
    if head[0] != 1 || head[4] & 3 != 3 {
        return None;
    }
    let mut sets = Vec::new();
    for mask in [0x1F, 0xFF] {
        let (count, after) = rest.split_first()?;
        rest = after;
        for _ in 0..count & mask {
            sets.push(set(&mut rest)?);
        }
    }
    Some(sets)
}

/// The sets of an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15, 8.3.3.1) with lengths of four bytes.
fn hvcc_sets(hvcc: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = hvcc.split_at_checked(23)?;
    if head[0] != 1 || head[21] & 3 != 3 {
        return None;
    }
    let mut sets = Vec::new();
    for _ in 0..head[22] {
        let (array, after) = rest.split_at_checked(3)?;
        rest = after;
        for _ in 0..u16::from_be_bytes([array[1], array[2]]) {
            sets.push(set(&mut rest)?);
        }
    }
    Some(sets)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::media::packet::{Bitrate, DropClass, Track};
    use crate::media::time::{FrameRate, MediaTime};
    use crate::media::video::Resolution;

    fn keyframe(parameters: CodecParameters, data: &'static [u8]) -> EncodedPacket {
        EncodedPacket {
            track: Track::Video,
            pts: MediaTime::ZERO,
            dts: MediaTime::ZERO,
            duration: Duration::ZERO,
            keyframe: true,
            drop: DropClass::Never,
            data: Bytes::from_static(data),
            parameters: Arc::new(parameters),
            generation: 1,
        }
    }

    fn h264(avcc: &'static [u8]) -> CodecParameters {
        CodecParameters::H264 {
            avcc: Bytes::from_static(avcc),
            resolution: Resolution::HD,
            rate: FrameRate::FPS_30,
            bitrate: Bitrate::from_kbps(1000),
        }
    }

    const AVCC: &[u8] = &[
        1, 100, 0, 31, 0xFF, 0xE1, 0, 2, 0x67, 9, 1, 0, 1, 0x68, 0xFD,
    ];

    #[test]
    fn sets_come_before_the_slices_once_and_only_in_keyframes() {
        let mut packet = keyframe(h264(AVCC), &[0, 0, 0, 2, 0x65, 7]);
        let data = in_band(&packet).unwrap();
        assert_eq!(
            data[..],
            [0, 0, 0, 2, 0x67, 9, 0, 0, 0, 1, 0x68, 0, 0, 0, 2, 0x65, 7]
        );
        packet.data = data;
        assert_eq!(in_band(&packet), None, "they are there");
        let mut other = keyframe(h264(AVCC), &[0, 0, 0, 2, 0x41, 7]);
        other.keyframe = false;
        assert_eq!(in_band(&other), None);
    }

    #[test]
    fn a_record_that_ends_early_gives_nothing() {
        for end in 0..13 {
            let packet = keyframe(h264(&AVCC[..end]), &[0, 0, 0, 1, 0x65]);
            assert_eq!(in_band(&packet), None, "{end}");
        }
        assert_eq!(hvcc_sets(&[1; 23]), None);
        let mut hvcc = vec![0; 23];
        (hvcc[0], hvcc[21], hvcc[22]) = (1, 0x0F, 1);
        hvcc.extend([0x20, 0, 1, 0, 2, 0x40, 1]);
        assert_eq!(hvcc_sets(&hvcc), Some(vec![&[0x40, 1][..]]));
    }
}
