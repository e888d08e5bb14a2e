//! FLV tags (Adobe Flash Video File Format Specification 10.1, Annex E).

use bytes::Bytes;

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

impl std::fmt::Debug for FlvTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlvTag")
            .field("kind", &self.kind)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("len", &self.body.len())
            .finish_non_exhaustive()
    }
}
