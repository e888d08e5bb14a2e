//! RTMP chunks into messages (Adobe, "RTMP specification 1.0", section 5.3): bytes from a stranger in, whole messages
//! out. Pure; used by the task of one connection.
//!
//! rml_rtmp's reader keeps one payload buffer for all chunk streams and panics when messages interleave, so we have
//! our own. Everything a peer can make us keep is limited, and nothing is reserved on the word of a length field.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};

/// Largest message a publisher takes in: no server has more to say to it.
pub const MAX_MESSAGE: usize = 1024 * 1024;
/// Most chunk streams a peer may use; real servers use a handful.
const MAX_STREAMS: usize = 64;
/// Unfinished messages on all chunk streams together may hold so many times the largest message.
const UNFINISHED: usize = 4;
/// Chunk payload size before anybody says otherwise (5.4.1).
const INITIAL_CHUNK_SIZE: usize = 128;
/// A timestamp field of this value means that 32 bits follow behind the header (5.3.1.3).
const EXTENDED: u32 = 0xFF_FFFF;

const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;

/// One whole message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Message type: 20 is a command, 8 sound, 9 pictures and so on.
    pub kind: u8,
    /// Message stream: 0 is the connection, others come from `createStream`.
    pub stream_id: u32,
    /// Milliseconds, modulo 2^32.
    pub timestamp_ms: u32,
    /// What it carries.
    pub payload: Bytes,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("stream_id", &self.stream_id)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("len", &self.payload.len())
            .finish()
    }
}

/// Why bytes are no RTMP chunks, or none we are ready to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A header that leans on an earlier one that never came.
    #[error("a chunk refers to an earlier one that was never sent")]
    NoEarlierHeader,
    /// A message larger than anything real.
    #[error("a message of {0} bytes was announced")]
    MessageTooLarge(u32),
    /// More chunk streams, or more unfinished messages, than anything real.
    #[error("too many messages were begun at once")]
    TooMany,
    /// A chunk size of zero or above 2^31.
    #[error("a chunk size of {0} was announced")]
    BadChunkSize(u32),
}

/// Puts chunks together; keeps what is not whole yet.
#[derive(Debug)]
pub struct Dechunker {
    input: BytesMut,
    chunk_size: usize,
    streams: BTreeMap<u32, ChunkStream>,
    unfinished: usize,
    max_message: usize,
}

/// What headers of one chunk stream lean on, and its message so far.
#[derive(Debug, Default, Clone)]
struct ChunkStream {
    header: Header,
    partial: BytesMut,
    /// Between the first and the last chunk of a message.
    open: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// The field as sent, extended if it was: absolute in a header of type 0, else a difference.
    field: u32,
    extended: bool,
    timestamp: u32,
    length: u32,
    kind: u8,
    stream_id: u32,
}

impl Default for Dechunker {
    fn default() -> Self {
        Self::new()
    }
}

impl Dechunker {
    /// At the start of a connection, behind the handshake.
    pub fn new() -> Self {
        Self::with_limit(MAX_MESSAGE)
    }

    /// As [`new`](Self::new), for a peer that may send messages of up to `max_message` bytes (a server takes pictures).
    pub fn with_limit(max_message: usize) -> Self {
        Self {
            max_message,
            input: BytesMut::new(),
            chunk_size: INITIAL_CHUNK_SIZE,
            streams: BTreeMap::new(),
            unfinished: 0,
        }
    }

    /// Takes bytes as they come from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes come. "Set chunk size" and "abort" are obeyed here and not
    /// handed out. After an error the connection is of no more use.
    pub fn next_message(&mut self) -> Result<Option<Message>, ChunkError> {
        loop {
            match self.next_chunk()? {
                Chunk::Incomplete => return Ok(None),
                Chunk::Taken => {}
                Chunk::Finished(message) => match message.kind {
                    SET_CHUNK_SIZE => self.set_chunk_size(&message)?,
                    ABORT => self.abort(&message),
                    _ => return Ok(Some(message)),
                },
            }
        }
    }

    fn next_chunk(&mut self) -> Result<Chunk, ChunkError> {
        let Some((id, format, mut at)) = basic_header(&self.input) else {
            return Ok(Chunk::Incomplete);
        };
        let known = self.streams.get(&id);
        if known.is_none() {
            if format != 0 {
                return Err(ChunkError::NoEarlierHeader);
            }
            if self.streams.len() >= MAX_STREAMS {
                return Err(ChunkError::TooMany);
            }
        }
        let before = known.map(|s| s.header).unwrap_or_default();
        let open = known.is_some_and(|s| s.open);
        let have = known.map_or(0, |s| s.partial.len());
        let Some(header) = message_header(&self.input, format, before, open, &mut at) else {
            return Ok(Chunk::Incomplete);
        };
        if header.length as usize > self.max_message {
            return Err(ChunkError::MessageTooLarge(header.length));
        }
        // A full header inside a message should not be; rml_rtmp's forced headers do that. If it says the same it
        // continues the message, else a new one begins and what was there is lost.
        let continues = open
            && (header.length, header.kind, header.stream_id)
                == (before.length, before.kind, before.stream_id);
        let have = if continues { have } else { 0 };
        let wanted = (header.length as usize - have).min(self.chunk_size);
        if self.input.len() < at + wanted {
            return Ok(Chunk::Incomplete);
        }
        self.input.advance(at);
        self.take_payload(id, header, continues, wanted)
    }

    fn take_payload(
        &mut self,
        id: u32,
        header: Header,
        continues: bool,
        wanted: usize,
    ) -> Result<Chunk, ChunkError> {
        let stream = self.streams.entry(id).or_default();
        if !continues {
            self.unfinished -= stream.partial.len();
            stream.partial.clear();
        }
        stream.header = header;
        let payload = self.input.split_to(wanted);
        let whole = stream.partial.len() + wanted >= header.length as usize;
        stream.open = !whole;
        if !whole {
            self.unfinished += wanted;
            if self.unfinished > UNFINISHED * self.max_message {
                return Err(ChunkError::TooMany);
            }
            stream.partial.extend_from_slice(&payload);
            return Ok(Chunk::Taken);
        }
        self.unfinished -= stream.partial.len();
        let payload = if stream.partial.is_empty() {
            payload
        } else {
            let mut all = std::mem::take(&mut stream.partial);
            all.extend_from_slice(&payload);
            all
        };
        Ok(Chunk::Finished(Message {
            kind: header.kind,
            stream_id: header.stream_id,
            timestamp_ms: header.timestamp,
            payload: payload.freeze(),
        }))
    }

    fn set_chunk_size(&mut self, message: &Message) -> Result<(), ChunkError> {
        let Some(size) = first_u32(&message.payload) else {
            return Err(ChunkError::BadChunkSize(0));
        };
        if size == 0 || size > 0x7FFF_FFFF {
            return Err(ChunkError::BadChunkSize(size));
        }
        self.chunk_size = size as usize;
        Ok(())
    }

    fn abort(&mut self, message: &Message) {
        let stream = first_u32(&message.payload).and_then(|id| self.streams.get_mut(&id));
        if let Some(stream) = stream {
            self.unfinished -= stream.partial.len();
            stream.partial.clear();
            stream.open = false;
        }
    }
}

enum Chunk {
    Incomplete,
    Taken,
    Finished(Message),
}

/// Big-endian number at the start of `bytes`.
pub(super) fn first_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Chunk stream, header format, and length of this header (5.3.1.1).
fn basic_header(input: &[u8]) -> Option<(u32, u8, usize)> {
    let first = *input.first()?;
    let format = first >> 6;
    Some(match first & 0x3F {
        0 => (64 + u32::from(*input.get(1)?), format, 2),
        1 => {
            let low = u32::from(*input.get(1)?);
            let high = u32::from(*input.get(2)?);
            (64 + low + 256 * high, format, 3)
        }
        id => (u32::from(id), format, 1),
    })
}

/// The message header at `at`, which moves behind it and behind an extended timestamp; `None` if bytes are missing.
fn message_header(
    input: &[u8],
    format: u8,
    before: Header,
    open: bool,
    at: &mut usize,
) -> Option<Header> {
    let mut header = before;
    if format < 3 {
        header.field = u24(take(input, at)?);
    }
    if format < 2 {
        header.length = u24(take(input, at)?);
        [header.kind] = take(input, at)?;
    }
    if format == 0 {
        header.stream_id = u32::from_le_bytes(take(input, at)?);
    }
    if format < 3 {
        header.extended = header.field == EXTENDED;
        if header.extended {
            header.field = u32::from_be_bytes(take(input, at)?);
        }
    } else if header.extended {
        // Repeated in chunks of type 3, but not by every sender: inside a message it is there if it is the same.
        let mut behind = *at;
        let repeated = u32::from_be_bytes(take(input, &mut behind)?);
        if !open || repeated == before.field {
            header.field = repeated;
            *at = behind;
        }
    }
    header.timestamp = match format {
        0 => header.field,
        3 if open => before.timestamp,
        _ => before.timestamp.wrapping_add(header.field),
    };
    Some(header)
}

fn take<const N: usize>(input: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let bytes = *input.get(*at..)?.first_chunk()?;
    *at += N;
    Some(bytes)
}

const fn u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
