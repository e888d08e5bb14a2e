//! FLV tags (Adobe Flash Video File Format Specification 10.1, Annex E): codec payloads in, tag bodies and the bytes
//! around them in a file out. Pure functions.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Largest body a tag or an RTMP message can have: its length has 24 bits.
pub const MAX_BODY: usize = 0xFF_FFFF;

/// First byte of AAC audio data: AAC, "44 kHz", 16 bits, stereo. The last three are fixed for AAC (E.4.2.1).
const AAC: u8 = 0xAF;
/// Low half of the first byte of video data.
const AVC: u8 = 7;

/// Kind of a tag; the RTMP message type is the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagKind {
    /// Type 8.
    Audio,
    /// Type 9.
    Video,
    /// Type 18.
    Script,
}

/// One FLV tag: the body also is the payload of the RTMP message of the same kind.
#[derive(Clone, PartialEq, Eq)]
pub struct FlvTag {
    /// What it carries.
    pub kind: TagKind,
    /// Milliseconds since the start of this output, modulo 2^32. Decode time.
    pub timestamp_ms: u32,
    /// Sequence header, metadata or keyframe: what a late joiner needs.
    pub header: bool,
    /// A keyframe.
    pub keyframe: bool,
    /// Body without the 11-byte tag header.
    pub body: Bytes,
}

impl TagKind {
    /// Type number in a file; the RTMP message type.
    pub const fn number(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
        }
    }
}

/// A body that does not fit into a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {len} bytes is larger than FLV allows (16 MiB): lower the bitrate")]
pub struct BodyTooLarge {
    /// Its size in bytes.
    pub len: usize,
}

/// What a file begins with: signature, version 1, which tracks follow, and the zero "previous tag size".
pub const fn file_header(audio: bool, video: bool) -> [u8; 13] {
    let flags = (audio as u8) << 2 | video as u8;
    [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
}

impl FlvTag {
    /// The 11 bytes in front of the body in a file.
    pub fn header_bytes(&self) -> Result<[u8; 11], BodyTooLarge> {
        let len = self.body.len();
        let len = u32::try_from(len)
            .ok()
            .filter(|_| len <= MAX_BODY)
            .ok_or(BodyTooLarge { len })?;
        let [_, l1, l2, l3] = len.to_be_bytes();
        let [high, t1, t2, t3] = self.timestamp_ms.to_be_bytes();
        Ok([self.kind.number(), l1, l2, l3, t1, t2, t3, high, 0, 0, 0])
    }

    /// The 4 bytes behind the body in a file: size of header and body.
    pub fn trailer_bytes(&self) -> [u8; 4] {
        u32::try_from(self.body.len() + 11)
            .unwrap_or(u32::MAX)
            .to_be_bytes()
    }

    /// Appends the whole tag as it stands in a file; nothing on error.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), BodyTooLarge> {
        let header = self.header_bytes()?;
        out.reserve(header.len() + self.body.len() + 4);
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.body);
        out.extend_from_slice(&self.trailer_bytes());
        Ok(())
    }
}

/// Body with the `AVCDecoderConfigurationRecord`.
pub fn avc_sequence_header(avcc: &[u8]) -> Bytes {
    video_body(true, 0, 0, avcc)
}

/// Body with one access unit (4-byte NAL lengths). `composition_ms` is presentation minus decode time.
pub fn avc_access_unit(keyframe: bool, composition_ms: u32, nals: &[u8]) -> Bytes {
    video_body(keyframe, 1, composition_ms, nals)
}

fn video_body(keyframe: bool, packet_type: u8, composition_ms: u32, data: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(data.len() + 5);
    body.put_u8(if keyframe { 1 } else { 2 } << 4 | AVC);
    body.put_u8(packet_type);
    // signed 24 bits; decode times never lie after presentation, so only the upper end needs care
    body.put_uint(u64::from(composition_ms.min(0x7F_FFFF)), 3);
    body.put_slice(data);
    body.freeze()
}

/// Body with the `AudioSpecificConfig`.
pub fn aac_sequence_header(asc: &[u8]) -> Bytes {
    audio_body(0, asc)
}

/// Body with one AAC frame without ADTS.
pub fn aac_frame(frame: &[u8]) -> Bytes {
    audio_body(1, frame)
}

fn audio_body(packet_type: u8, data: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(data.len() + 2);
    body.put_slice(&[AAC, packet_type]);
    body.put_slice(data);
    body.freeze()
}

impl std::fmt::Debug for FlvTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlvTag")
            .field("kind", &self.kind)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("len", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: TagKind, timestamp_ms: u32, body: Bytes) -> FlvTag {
        FlvTag {
            kind,
            timestamp_ms,
            header: false,
            keyframe: false,
            body,
        }
    }

    #[test]
    fn file_bytes_are_those_of_the_specification() {
        assert_eq!(
            file_header(true, true),
            *b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
        );
        assert_eq!(file_header(false, true)[4], 1);
        let mut out = Vec::new();
        // the upper eight bits of the time stand behind the lower 24
        tag(TagKind::Video, 0x0102_0304, Bytes::from_static(b"ab"))
            .write(&mut out)
            .unwrap();
        assert_eq!(
            out,
            [9, 0, 0, 2, 2, 3, 4, 1, 0, 0, 0, b'a', b'b', 0, 0, 0, 13]
        );
    }

    #[test]
    fn bodies_carry_codec_packet_type_and_composition_time() {
        assert_eq!(avc_sequence_header(&[1, 2])[..], [0x17, 0, 0, 0, 0, 1, 2]);
        assert_eq!(
            avc_access_unit(true, 66, &[9])[..],
            [0x17, 1, 0, 0, 66, 9],
            "keyframe"
        );
        assert_eq!(
            avc_access_unit(false, 0x1_0203, &[9])[..],
            [0x27, 1, 1, 2, 3, 9]
        );
        assert_eq!(
            aac_sequence_header(&[0x11, 0x90])[..],
            [0xAF, 0, 0x11, 0x90]
        );
        assert_eq!(aac_frame(&[5])[..], [0xAF, 1, 5]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fits = tag(TagKind::Video, 0, Bytes::from(vec![0; MAX_BODY]));
        assert_eq!(fits.header_bytes().unwrap()[1..4], [0xFF, 0xFF, 0xFF]);
        let large = tag(TagKind::Video, 0, Bytes::from(vec![0; MAX_BODY + 1]));
        let mut out = Vec::new();
        assert_eq!(
            large.write(&mut out),
            Err(BodyTooLarge { len: MAX_BODY + 1 })
        );
        assert!(out.is_empty());
    }
}
