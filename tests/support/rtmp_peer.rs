//! Servers in memory for the publish session: one of bytes by hand, one of rml_rtmp.

use bytes::Bytes;
use kaibo::flv::amf0::{Amf0Reader, Amf0Value};
use kaibo::rtmp::chunk::{Dechunker, Message};
use kaibo::rtmp::session::{PublishSession, SessionEvent};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ServerSession, ServerSessionConfig, ServerSessionEvent, ServerSessionResult,
};

/// One message of a server as bytes, in chunks of 128.
pub(crate) fn message(kind: u8, stream_id: u32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![3, 0, 0, 0];
    out.extend(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
    out.push(kind);
    out.extend(stream_id.to_le_bytes());
    for (k, chunk) in body.chunks(128).enumerate() {
        if k > 0 {
            out.push(0xC3);
        }
        out.extend(chunk);
    }
    out
}

/// AMF0 values in a row.
pub(crate) fn amf(values: &[Amf0Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        value.write(&mut out);
    }
    out
}

/// An information object.
pub(crate) fn info(properties: &[(&str, &str)]) -> Amf0Value {
    Amf0Value::Object(
        properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect(),
    )
}

/// Messages the client sent behind its "set chunk size 4096".
pub(crate) fn client_messages(bytes: &[u8]) -> Vec<Message> {
    let mut d = Dechunker::new();
    d.push(b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x10\x00");
    d.push(bytes);
    std::iter::from_fn(|| d.next_message().unwrap()).collect()
}

/// Message stream and values of a command.
pub(crate) fn command_of(message: &Message) -> (u32, Vec<Amf0Value>) {
    assert_eq!(message.kind, 20);
    let mut reader = Amf0Reader::new(&message.payload);
    let values = std::iter::from_fn(|| reader.read().unwrap()).collect();
    (message.stream_id, values)
}

/// A server without a will of its own.
pub(crate) struct Script;

impl Script {
    /// S0, S1 and S2 of the simple handshake for a client's C0 and C1.
    pub(crate) fn handshake_answer(hello: &[u8]) -> Vec<u8> {
        assert_eq!((hello.len(), hello[0]), (1537, 3));
        let mut answer = vec![3];
        answer.extend([0; 1536]);
        answer.extend(&hello[1..]);
        answer
    }

    /// Starts a session and takes it through the handshake; returns what it sent behind C2.
    pub(crate) fn shake_hands(client: &mut PublishSession) -> Vec<u8> {
        let (mut hello, mut out, mut events) = (Vec::new(), Vec::new(), Vec::new());
        client.start(&mut hello);
        let answer = Self::handshake_answer(&hello);
        client.on_bytes(&answer, &mut out, &mut events).unwrap();
        assert_eq!(events, [SessionEvent::HandshakeDone]);
        assert_eq!(out[..1536], [0; 1536], "C2 is S1 sent back");
        out.split_off(1536)
    }
}

/// rml_rtmp's server session, accepting everything it is not told to refuse.
pub(crate) struct RmlServer {
    session: ServerSession,
    greeting: Vec<u8>,
    /// Code and description to refuse a publish with.
    pub(crate) refuse_publish: Option<(&'static str, &'static str)>,
    /// What it noticed.
    pub(crate) events: Vec<ServerSessionEvent>,
}

impl RmlServer {
    /// A server that asks for acknowledgements every `window` bytes.
    pub(crate) fn new(window: u32) -> Self {
        let mut config = ServerSessionConfig::new();
        config.window_ack_size = window;
        let (session, first) = ServerSession::new(config).unwrap();
        let greeting = first
            .into_iter()
            .flat_map(|r| match r {
                ServerSessionResult::OutboundResponse(packet) => packet.bytes,
                _ => Vec::new(),
            })
            .collect();
        Self {
            session,
            greeting,
            refuse_publish: None,
            events: Vec::new(),
        }
    }

    /// Handshake (with digests) and everything up to "publish start" or a refusal.
    pub(crate) fn connect(&mut self, client: &mut PublishSession) -> Vec<SessionEvent> {
        let mut shake = Handshake::new(PeerType::Server);
        let (mut out, mut events) = (Vec::new(), Vec::new());
        client.start(&mut out);
        loop {
            let result = shake.process_bytes(&out).unwrap();
            out.clear();
            match result {
                HandshakeProcessResult::InProgress { response_bytes } => {
                    client
                        .on_bytes(&response_bytes, &mut out, &mut events)
                        .unwrap();
                }
                HandshakeProcessResult::Completed {
                    response_bytes,
                    remaining_bytes,
                } => {
                    let mut answer = response_bytes;
                    answer.append(&mut self.greeting);
                    client.on_bytes(&answer, &mut out, &mut events).unwrap();
                    let mut input = remaining_bytes;
                    input.append(&mut out);
                    events.extend(self.exchange(client, &input));
                    return events;
                }
            }
        }
    }

    /// Takes bytes of the client, and lets both talk until neither has anything to say.
    pub(crate) fn exchange(
        &mut self,
        client: &mut PublishSession,
        input: &[u8],
    ) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        let mut input = Bytes::copy_from_slice(input);
        while !input.is_empty() {
            let mut answer = Vec::new();
            let results = self.session.handle_input(&input).unwrap();
            self.handle(results, &mut answer);
            let mut out = Vec::new();
            if !answer.is_empty() {
                client.on_bytes(&answer, &mut out, &mut events).unwrap();
            }
            input = out.into();
        }
        events
    }

    fn handle(&mut self, results: Vec<ServerSessionResult>, answer: &mut Vec<u8>) {
        for result in results {
            let event = match result {
                ServerSessionResult::OutboundResponse(packet) => {
                    answer.extend(packet.bytes);
                    continue;
                }
                ServerSessionResult::RaisedEvent(event) => event,
                ServerSessionResult::UnhandleableMessageReceived(m) => panic!("{m:?}"),
            };
            let more = match &event {
                ServerSessionEvent::ConnectionRequested { request_id, .. } => {
                    self.session.accept_request(*request_id).unwrap()
                }
                ServerSessionEvent::PublishStreamRequested { request_id, .. } => {
                    match self.refuse_publish {
                        Some((code, words)) => self
                            .session
                            .reject_request(*request_id, code, words)
                            .unwrap(),
                        None => self.session.accept_request(*request_id).unwrap(),
                    }
                }
                _ => Vec::new(),
            };
            self.events.push(event);
            self.handle(more, answer);
        }
    }
}
