//! The RTMP conversation of one connection: bytes from the peer in; bytes for the peer, requests and media out.
//!
//! rml_rtmp's `ServerSession` leads the dialogue of commands, but never sees the peer's bytes: it panics on commands of
//! fewer than three values and on interleaved chunk streams, overflows the stack on deeply nested values and
//! acknowledges wrongly (0.8.0). So messages are put together by our own [`Dechunker`], commands are checked and
//! handed on in chunks of our making, its replies go through our serializer, and media goes past it. Pure: no I/O.

use bytes::Bytes;
use rml_amf0::Amf0Value;
use rml_rtmp::chunk_io::{ChunkSerializationError, ChunkSerializer};
use rml_rtmp::messages::{MessagePayload, MessageSerializationError, RtmpMessage};
use rml_rtmp::sessions::{
    ServerSession, ServerSessionConfig, ServerSessionError, ServerSessionEvent, ServerSessionResult,
};
use rml_rtmp::time::RtmpTimestamp;

use crate::flv::amf0::Amf0Reader;
use crate::flv::tag::{FlvTag, TagKind};
use crate::rtmp::chunk::{ChunkError, Dechunker, Message};

/// Largest message a publisher may send: a keyframe of a second's bits at 100 Mbit/s, the most that settings allow.
const MAX_PICTURE: usize = 12 << 20;
/// Longest command taken; connect objects of real clients are under 1 KiB.
const COMMAND_BYTES: usize = 16 * 1024;
/// Commands a connection may send in all: each may make `ServerSession` remember something.
const COMMANDS: u32 = 200;
/// Longest metadata taken.
const METADATA_BYTES: usize = 64 * 1024;
/// Our chunks; the usual value of servers.
const CHUNK_SIZE: u32 = 4096;
/// We ask for acknowledgements, and acknowledge before we are asked, at this distance (as nginx-rtmp).
const WINDOW: u32 = 5_000_000;
/// A peer that wants to be answered more often than this is answered at this distance.
const SMALLEST_WINDOW: u32 = 4096;

/// RTMP message types (Adobe's Real Time Messaging Protocol 1.0, 5.4 and 7.1).
mod kind {
    pub(super) const USER_CONTROL: u8 = 4;
    pub(super) const WINDOW: u8 = 5;
    pub(super) const AUDIO: u8 = 8;
    pub(super) const VIDEO: u8 = 9;
    pub(super) const DATA_AMF3: u8 = 15;
    pub(super) const COMMAND_AMF3: u8 = 17;
    pub(super) const DATA: u8 = 18;
    pub(super) const COMMAND: u8 = 20;
}

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialogueError {
    /// Not RTMP.
    #[error("broken chunks")]
    Chunk(#[from] ChunkError),
    /// A command that no client sends.
    #[error("{0}")]
    Command(&'static str),
    /// `ServerSession` gave up.
    #[error("the session refused a message")]
    Session(#[from] ServerSessionError),
    /// A message could not be written.
    #[error("a reply could not be written")]
    Reply(#[from] ChunkSerializationError),
    /// A message could not be written.
    #[error("a reply could not be composed")]
    Compose(#[from] MessageSerializationError),
}

/// What the peer wants or brings.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// Asks to publish; answer with [`Dialogue::accept`] or [`Dialogue::refuse`].
    Publish(Request),
    /// Asks to play; answered in the same way.
    Play(Request),
    /// Sound or picture of what is being published.
    Media(Message),
    /// `onMetaData` of what is being published, from that name on.
    Metadata(Bytes),
    /// The peer has ended publishing or playing.
    Finished,
}

/// A request that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The name as sent, with its query.
    pub(super) name: String,
    /// The message stream it is about.
    pub(super) stream_id: u32,
    id: u32,
    play: bool,
}

/// The state of one conversation after its handshake.
pub(super) struct Dialogue {
    inbound: Dechunker,
    session: ServerSession,
    to_session: ChunkSerializer,
    from_session: Dechunker,
    outbound: ChunkSerializer,
    /// Bytes for the peer, taken by [`take_output`](Self::take_output).
    output: Vec<u8>,
    /// Message stream of the accepted publication.
    publishing: Option<u32>,
    commands: u32,
    window: u32,
    received: u64,
    acknowledged: u64,
}

impl Dialogue {
    /// Opens the conversation; the server's first messages are in the output.
    pub(super) fn new() -> Result<Self, DialogueError> {
        let mut config = ServerSessionConfig::new();
        config.chunk_size = CHUNK_SIZE;
        config.window_ack_size = WINDOW;
        config.peer_bandwidth = WINDOW;
        config.send_on_bw_done_message_on_start = false;
        let (session, first) = ServerSession::new(config)?;
        let mut dialogue = Self {
            inbound: Dechunker::with_limit(MAX_PICTURE),
            session,
            to_session: ChunkSerializer::new(),
            from_session: Dechunker::new(),
            outbound: ChunkSerializer::new(),
            output: Vec::new(),
            publishing: None,
            commands: 0,
            window: WINDOW,
            received: 0,
            acknowledged: 0,
        };
        let packet = dialogue
            .outbound
            .set_max_chunk_size(CHUNK_SIZE, RtmpTimestamp::new(0))?;
        dialogue.output.extend_from_slice(&packet.bytes);
        dialogue.take_results(first, 0, &mut Vec::new())?;
        Ok(dialogue)
    }

    /// Bytes for the peer since the last call.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes bytes from the peer. Events are in order; answers go into the output.
    pub(super) fn input(&mut self, bytes: &[u8]) -> Result<Vec<Event>, DialogueError> {
        self.received += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.inbound.push(bytes);
        let mut events = Vec::new();
        while let Some(message) = self.inbound.next_message()? {
            self.message(message, &mut events)?;
        }
        self.acknowledge()?;
        Ok(events)
    }

    fn message(&mut self, message: Message, events: &mut Vec<Event>) -> Result<(), DialogueError> {
        match message.kind {
            kind::AUDIO | kind::VIDEO if self.publishing == Some(message.stream_id) => {
                events.push(Event::Media(message));
            }
            kind::DATA | kind::DATA_AMF3 if self.publishing == Some(message.stream_id) => {
                events.extend(metadata(&amf0_payload(&message)).map(Event::Metadata));
            }
            kind::COMMAND | kind::COMMAND_AMF3 => {
                self.commands += 1;
                if self.commands > COMMANDS {
                    return Err(DialogueError::Command("too many commands"));
                }
                let payload = amf0_payload(&message);
                check_command(&payload)?;
                self.hand_on(kind::COMMAND, message.stream_id, payload, events)?;
            }
            kind::WINDOW => {
                if let Some(size) = message.payload.first_chunk::<4>() {
                    self.window = u32::from_be_bytes(*size).max(SMALLEST_WINDOW);
                }
            }
            // Ping request; the other user control messages ask for nothing, and some are unknown to rml_rtmp.
            kind::USER_CONTROL if matches!(message.payload.as_ref(), [0, 6, _, _, _, _]) => {
                self.hand_on(kind::USER_CONTROL, 0, message.payload, events)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives a checked message to `ServerSession`.
    fn hand_on(
        &mut self,
        type_id: u8,
        stream_id: u32,
        data: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), DialogueError> {
        let packet = self.to_session.serialize(
            &MessagePayload {
                timestamp: RtmpTimestamp::new(0),
                type_id,
                message_stream_id: stream_id,
                data,
            },
            false,
            false,
        )?;
        let results = self.session.handle_input(&packet.bytes)?;
        self.take_results(results, stream_id, events)
    }

    fn take_results(
        &mut self,
        results: Vec<ServerSessionResult>,
        stream_id: u32,
        events: &mut Vec<Event>,
    ) -> Result<(), DialogueError> {
        for result in results {
            match result {
                ServerSessionResult::OutboundResponse(packet) => {
                    self.from_session.push(&packet.bytes);
                    while let Some(reply) = self.from_session.next_message()? {
                        self.send(reply.kind, reply.stream_id, reply.payload)?;
                    }
                }
                ServerSessionResult::RaisedEvent(event) => {
                    self.session_event(event, stream_id, events)?;
                }
                ServerSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        Ok(())
    }

    fn session_event(
        &mut self,
        event: ServerSessionEvent,
        on_stream: u32,
        events: &mut Vec<Event>,
    ) -> Result<(), DialogueError> {
        match event {
            ServerSessionEvent::ConnectionRequested { request_id, .. } => {
                let results = self.session.accept_request(request_id)?;
                self.take_results(results, 0, events)?;
            }
            ServerSessionEvent::PublishStreamRequested {
                request_id,
                stream_key,
                ..
            } => events.push(Event::Publish(Request {
                name: stream_key,
                stream_id: on_stream,
                id: request_id,
                play: false,
            })),
            ServerSessionEvent::PlayStreamRequested {
                request_id,
                stream_key,
                stream_id,
                ..
            } => events.push(Event::Play(Request {
                name: stream_key,
                stream_id,
                id: request_id,
                play: true,
            })),
            ServerSessionEvent::PublishStreamFinished { .. } => {
                if let Some(stream_id) = self.publishing.take() {
                    self.status(stream_id, "status", "NetStream.Unpublish.Success", "ended")?;
                }
                events.push(Event::Finished);
            }
            ServerSessionEvent::PlayStreamFinished { .. } => events.push(Event::Finished),
            _ => {}
        }
        Ok(())
    }

    /// Grants a request.
    pub(super) fn accept(&mut self, request: &Request) -> Result<(), DialogueError> {
        let results = self.session.accept_request(request.id)?;
        if !request.play {
            self.publishing = Some(request.stream_id);
        }
        self.take_results(results, request.stream_id, &mut Vec::new())
    }

    /// Turns a request down with a status code that clients know and a sentence for people. Our own message:
    /// `ServerSession` would send `_error`, which clients that wait for `onStatus` do not see.
    pub(super) fn refuse(
        &mut self,
        request: &Request,
        code: &str,
        why: &str,
    ) -> Result<(), DialogueError> {
        self.status(request.stream_id, "error", code, why)
    }

    /// Tells a player that its stream has ended.
    pub(super) fn play_ended(&mut self, stream_id: u32) -> Result<(), DialogueError> {
        self.send(
            kind::USER_CONTROL,
            0,
            Bytes::from([&[0, 1], stream_id.to_be_bytes().as_slice()].concat()), // StreamEOF
        )?;
        self.status(
            stream_id,
            "status",
            "NetStream.Play.UnpublishNotify",
            "the publisher has ended",
        )
    }

    fn status(
        &mut self,
        stream_id: u32,
        level: &str,
        code: &str,
        description: &str,
    ) -> Result<(), DialogueError> {
        let text = |s: &str| Amf0Value::Utf8String(s.to_owned());
        let information = [
            ("level", level),
            ("code", code),
            ("description", description),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), text(value)))
        .collect();
        let message = RtmpMessage::Amf0Command {
            command_name: "onStatus".to_owned(),
            transaction_id: 0.0,
            command_object: Amf0Value::Null,
            additional_arguments: vec![Amf0Value::Object(information)],
        };
        let payload = message.into_message_payload(RtmpTimestamp::new(0), stream_id)?;
        self.send(payload.type_id, stream_id, payload.data)
    }

    /// Sends sound, picture or metadata to a player. Headers carry absolute times (`can_be_dropped`), because the
    /// serializer turns a step back in time into one of 49 days forward.
    pub(super) fn send_tag(&mut self, stream_id: u32, tag: &FlvTag) -> Result<(), DialogueError> {
        let type_id = match tag.kind {
            TagKind::Audio => kind::AUDIO,
            TagKind::Video => kind::VIDEO,
            TagKind::Script => kind::DATA,
        };
        let packet = self.outbound.serialize(
            &MessagePayload {
                timestamp: RtmpTimestamp::new(tag.timestamp_ms),
                type_id,
                message_stream_id: stream_id,
                data: tag.body.clone(),
            },
            false,
            true,
        )?;
        self.output.extend_from_slice(&packet.bytes);
        Ok(())
    }

    /// Sends a message that fits one chunk, with a full header: some clients want that for the first ones.
    fn send(&mut self, type_id: u8, stream_id: u32, data: Bytes) -> Result<(), DialogueError> {
        let one_chunk = u32::try_from(data.len()).is_ok_and(|len| len <= CHUNK_SIZE);
        let packet = self.outbound.serialize(
            &MessagePayload {
                timestamp: RtmpTimestamp::new(0),
                type_id,
                message_stream_id: stream_id,
                data,
            },
            one_chunk,
            !one_chunk,
        )?;
        self.output.extend_from_slice(&packet.bytes);
        Ok(())
    }

    /// Tells the peer how many bytes have arrived in all (5.4.3), once per window.
    fn acknowledge(&mut self) -> Result<(), DialogueError> {
        if self.received - self.acknowledged < u64::from(self.window) {
            return Ok(());
        }
        self.acknowledged = self.received;
        let [_, _, _, _, low @ ..] = self.received.to_be_bytes(); // the count wraps at 2^32
        let message = RtmpMessage::Acknowledgement {
            sequence_number: u32::from_be_bytes(low),
        };
        let payload = message.into_message_payload(RtmpTimestamp::new(0), 0)?;
        self.send(payload.type_id, 0, payload.data)
    }
}

/// The AMF0 in a command or data message. Messages marked AMF3 begin with a zero byte and hold AMF0.
fn amf0_payload(message: &Message) -> Bytes {
    match (message.kind, message.payload.first()) {
        (kind::COMMAND_AMF3 | kind::DATA_AMF3, Some(0)) => message.payload.slice(1..),
        _ => message.payload.clone(),
    }
}

/// Lets through what rml_rtmp survives: three values or more, a name and a number first, not nested deeply (our
/// reader's limit).
fn check_command(payload: &[u8]) -> Result<(), DialogueError> {
    if payload.len() > COMMAND_BYTES {
        return Err(DialogueError::Command("a command of more than 16 KiB"));
    }
    let mut reader = Amf0Reader::new(payload);
    let mut read = || {
        reader
            .read()
            .map_err(|_broken| DialogueError::Command("a command that is not AMF0"))
    };
    let name = read()?;
    let transaction = read()?;
    let object = read()?;
    let named = name.as_ref().is_some_and(|n| n.as_str().is_some());
    let numbered = transaction.as_ref().is_some_and(|n| n.as_f64().is_some());
    if !named || !numbered || object.is_none() {
        return Err(DialogueError::Command(
            "a command without name, number and object",
        ));
    }
    while read()?.is_some() {}
    Ok(())
}

/// The part from "onMetaData" on of a data message, when it is one.
fn metadata(payload: &Bytes) -> Option<Bytes> {
    if payload.len() > METADATA_BYTES {
        return None;
    }
    let mut reader = Amf0Reader::new(payload);
    let first = reader.read().ok()??;
    if first.as_str()? != "@setDataFrame" {
        return (first.as_str()? == "onMetaData").then(|| payload.clone());
    }
    let rest = payload.slice_ref(reader.rest());
    let second = reader.read().ok()??;
    (second.as_str()? == "onMetaData").then_some(rest)
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
