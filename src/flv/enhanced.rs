//! Video tag bodies of Enhanced RTMP (Veovera, "Enhancing RTMP, FLV", versions 1 and 2) for HEVC and AV1: codec payloads
//! in, bodies out. H.264 keeps the old form, which every server takes. Pure functions.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Bit 7 of the first byte: the new header follows.
const EX_HEADER: u8 = 0x80;
/// `VideoPacketType`.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const CODED_FRAMES_X: u8 = 3;

/// A codec by its four letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FourCc {
    /// HEVC with 4-byte NAL lengths and parameter sets in the header.
    Hvc1,
    /// AV1: OBUs in the low-overhead format, without temporal delimiters (AV1 in ISOBMFF, 2.4).
    Av01,
}

impl FourCc {
    /// The letters.
    pub const fn bytes(self) -> [u8; 4] {
        match self {
            Self::Hvc1 => *b"hvc1",
            Self::Av01 => *b"av01",
        }
    }

    /// `videocodecid` in `onMetaData`.
    pub const fn number(self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }
}

/// Body with the `HEVCDecoderConfigurationRecord` or `AV1CodecConfigurationRecord`.
pub fn sequence_start(codec: FourCc, config: &[u8]) -> Bytes {
    body(codec, true, SEQUENCE_START, None, config)
}

/// Body that says that no more pictures of this codec come.
pub fn sequence_end(codec: FourCc) -> Bytes {
    body(codec, true, SEQUENCE_END, None, &[])
}

/// Body with one picture. `composition_ms` is presentation minus decode time; AV1 has none, and HEVC pictures without one
/// take the shorter form.
pub fn picture(codec: FourCc, keyframe: bool, composition_ms: u32, data: &[u8]) -> Bytes {
    match (codec, composition_ms) {
        (FourCc::Av01, _) => body(codec, keyframe, CODED_FRAMES, None, data),
        (FourCc::Hvc1, 0) => body(codec, keyframe, CODED_FRAMES_X, None, data),
        (FourCc::Hvc1, ms) => body(codec, keyframe, CODED_FRAMES, Some(ms), data),
    }
}

fn body(
    codec: FourCc,
    keyframe: bool,
    packet_type: u8,
    composition_ms: Option<u32>,
    data: &[u8],
) -> Bytes {
    let mut body = BytesMut::with_capacity(data.len() + 8);
    let frame_type = if keyframe { 1 } else { 2 };
    body.put_u8(EX_HEADER | frame_type << 4 | packet_type);
    body.put_slice(&codec.bytes());
    if let Some(ms) = composition_ms {
        // signed 24 bits; decode times never lie after presentation, so only the upper end needs care
        body.put_uint(u64::from(ms.min(0x7F_FFFF)), 3);
    }
    body.put_slice(data);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_the_specification() {
        assert_eq!(
            sequence_start(FourCc::Hvc1, &[1, 2])[..],
            *b"\x90hvc1\x01\x02"
        );
        assert_eq!(sequence_start(FourCc::Av01, &[0x81])[..], *b"\x90av01\x81");
        assert_eq!(picture(FourCc::Hvc1, true, 0, &[9])[..], *b"\x93hvc1\x09");
        assert_eq!(
            picture(FourCc::Hvc1, false, 66, &[9])[..],
            *b"\xA1hvc1\x00\x00\x42\x09"
        );
        assert_eq!(
            picture(FourCc::Av01, false, 66, &[9])[..],
            *b"\xA1av01\x09",
            "no composition time"
        );
        assert_eq!(sequence_end(FourCc::Hvc1)[..], *b"\x92hvc1");
        assert_eq!(FourCc::Hvc1.number(), 1_752_589_105);
        assert_eq!(FourCc::Av01.number(), 1_635_135_537);
    }
}
