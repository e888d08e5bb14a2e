//! Encoded packets into FLV tags: metadata and sequence headers first and whenever parameters change, millisecond
//! timestamps from zero per connection.

use crate::flv::tag::FlvTag;
use crate::media::packet::EncodedPacket;

/// Turns packets, already in one monotonic order (see [`super::interleave`]), into tags.
#[derive(Debug, Default)]
pub struct FlvMuxer {}

impl FlvMuxer {
    /// A muxer for one connection or file. `start_ms` is the first tag's timestamp (0 but in tests of wrap-around).
    pub fn new(_start_ms: u32) -> Self {
        Self {}
    }

    /// Appends the tags for `packet`: before the first media, and again after a change of parameters, `onMetaData`
    /// and the sequence headers. Pictures before the first keyframe are left out.
    pub fn push(&mut self, _packet: &EncodedPacket, _out: &mut Vec<FlvTag>) {}
}
