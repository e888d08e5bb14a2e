//! Messages to the server into bytes, through rml_rtmp's chunk serializer. Pure; used by the task of one connection.
//!
//! Every message begins with a full header and an absolute timestamp (`can_be_dropped`): the serializer's differences
//! are wrong by 2^32 when a time goes back, which sound and picture do across chunk streams at a wrap, and four bytes
//! more per message are nothing.

use bytes::Bytes;
use rml_rtmp::chunk_io::{ChunkSerializer, Packet};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

use crate::flv::tag::MAX_BODY;

/// Message types (RTMP specification 1.0, sections 5.4 and 7.1).
pub(super) mod kind {
    pub(in crate::rtmp) const ACKNOWLEDGEMENT: u8 = 3;
    pub(in crate::rtmp) const USER_CONTROL: u8 = 4;
    pub(in crate::rtmp) const WINDOW_ACK_SIZE: u8 = 5;
    pub(in crate::rtmp) const COMMAND_AMF3: u8 = 17;
    pub(in crate::rtmp) const COMMAND: u8 = 20;
}

/// Largest chunk size that servers take (SRS).
const MAX_CHUNK_SIZE: u32 = 65_536;
/// Smallest one.
const MIN_CHUNK_SIZE: u32 = 128;

/// Writes messages and counts bytes.
pub(super) struct Outbox {
    serializer: ChunkSerializer,
    sent: u64,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            serializer: ChunkSerializer::new(),
            sent: 0,
        }
    }

    /// Bytes of chunks written so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Tells the server, and from here on uses, another chunk size.
    pub(super) fn set_chunk_size(&mut self, size: u32, out: &mut Vec<u8>) {
        let size = size.clamp(MIN_CHUNK_SIZE, MAX_CHUNK_SIZE);
        let packet = self
            .serializer
            .set_max_chunk_size(size, RtmpTimestamp::new(0))
            .expect("four bytes and a size within limits are always serialised");
        self.append(&packet, out);
    }

    /// Appends one message. The payload must be at most [`MAX_BODY`] long; an empty one is not sent at all, as the
    /// serializer writes nothing for it.
    pub(super) fn message(
        &mut self,
        kind: u8,
        stream_id: u32,
        timestamp_ms: u32,
        payload: Bytes,
        out: &mut Vec<u8>,
    ) {
        let message = MessagePayload {
            timestamp: RtmpTimestamp::new(timestamp_ms),
            type_id: kind,
            message_stream_id: stream_id,
            data: payload,
        };
        self.serialize(&message, false, out);
    }

    /// A control message of the connection; it fits into one chunk.
    pub(super) fn control(&mut self, kind: u8, payload: &[u8], out: &mut Vec<u8>) {
        let message = MessagePayload {
            timestamp: RtmpTimestamp::new(0),
            type_id: kind,
            message_stream_id: 0,
            data: Bytes::copy_from_slice(payload),
        };
        // forced, because "set chunk size" is written without leave to drop it and would be leaned on
        self.serialize(&message, true, out);
    }

    /// `force` would put a full header in front of every chunk, not only of every message.
    fn serialize(&mut self, message: &MessagePayload, force: bool, out: &mut Vec<u8>) {
        debug_assert!(message.data.len() <= MAX_BODY, "checked by callers");
        let packet = self
            .serializer
            .serialize(message, force, true)
            .expect("writing to memory does not fail, and the length was checked");
        self.append(&packet, out);
    }

    fn append(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        self.sent += packet.bytes.len() as u64;
        out.extend_from_slice(&packet.bytes);
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("sent", &self.sent).finish()
    }
}
