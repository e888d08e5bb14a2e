//! The publisher's side of one RTMP connection, sans-I/O: bytes of the server in, bytes for the server and
//! [`SessionEvent`]s out. Owned by the task of one connection; knows no sockets, no clock, no retries.
//!
//! Order and content follow what servers were found to want: set chunk size and window before `connect`; then
//! `releaseStream`, `FCPublish` and `createStream` without waiting, as some servers never answer the first two and SRS
//! tells an encoder by them; `publish` on the stream given; at the end `FCUnpublish` and `deleteStream`.

use bytes::{Bytes, BytesMut};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};

use super::ack::AckCounter;
use super::chunk::{Dechunker, Message, first_u32};
use super::command::{Command, is_refusal, stream_number};
pub use super::event::{Phase, SessionError, SessionEvent, is_busy};
use super::outbox::{Outbox, kind};
use super::redact::Redactor;
use super::url::RtmpUrl;
use crate::flv::amf0::{Amf0Value, write_str};
use crate::flv::tag::{FlvTag, MAX_BODY, TagKind};

/// Transaction numbers; fixed, as each command is sent once.
mod txn {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE: f64 = 7.0;
}

/// User control events (7.1.7).
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// What a session is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishConfig {
    /// Where to.
    pub url: RtmpUrl,
    /// Payload bytes per chunk, 128 to 65536.
    pub chunk_size: u32,
    /// After how many bytes the server shall acknowledge; small, so that the link can be judged by it.
    pub ack_window: u32,
    /// What we say we are. Servers know encoders by it.
    pub flash_ver: String,
}

impl PublishConfig {
    /// With what most servers are used to.
    pub fn new(url: RtmpUrl) -> Self {
        Self {
            url,
            chunk_size: 4096,
            ack_window: 100_000,
            flash_ver: "FMLE/3.0 (compatible; FMSc/1.0)".to_owned(),
        }
    }

    /// Asks for an acknowledgement about every 150 ms at this rate of bits per second, within 16 kB and 100 kB.
    #[must_use]
    pub fn with_ack_window_for(mut self, bps: u32) -> Self {
        let bytes_in_150_ms = u64::from(bps) * 150 / 8000;
        self.ack_window = u32::try_from(bytes_in_150_ms.clamp(16_000, 100_000)).unwrap_or(100_000);
        self
    }
}

/// One connection's protocol state.
pub struct PublishSession {
    config: PublishConfig,
    redactor: Redactor,
    phase: Phase,
    handshake: Handshake,
    /// First bytes of the answer, to say what it was if it is not RTMP.
    greeting: Vec<u8>,
    dechunker: Dechunker,
    outbox: Outbox,
    acks: AckCounter,
    /// Bytes received behind the handshake, and how many of them we have acknowledged.
    received: u64,
    acknowledged: u64,
    /// After how many bytes the server wants to hear from us.
    peer_window: Option<u32>,
    /// `FCPublish` went out, so the name must be given back.
    announced: bool,
    stream_id: Option<u32>,
    failed: Option<SessionError>,
}

impl std::fmt::Debug for PublishSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishSession")
            .field("url", &self.config.url)
            .field("phase", &self.phase)
            .field("stream_id", &self.stream_id)
            .field("sent", &self.outbox.sent())
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl PublishSession {
    /// A session that has not begun.
    pub fn new(config: PublishConfig) -> Self {
        Self {
            redactor: Redactor::new(&config.url),
            config,
            phase: Phase::New,
            handshake: Handshake::new(PeerType::Client),
            greeting: Vec::new(),
            dechunker: Dechunker::new(),
            outbox: Outbox::new(),
            acks: AckCounter::default(),
            received: 0,
            acknowledged: 0,
            peer_window: None,
            announced: false,
            stream_id: None,
            failed: None,
        }
    }

    /// Where it stands.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Bytes of chunks written so far, handshake not counted; what [`SessionEvent::Acked`] compares with.
    pub const fn sent_bytes(&self) -> u64 {
        self.outbox.sent()
    }

    /// Appends the first bytes for the server. Does nothing the second time.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        if self.phase != Phase::New {
            return;
        }
        let hello = self
            .handshake
            .generate_outbound_p0_and_p1()
            .expect("the opening packets are made of random bytes and a digest in memory");
        out.extend_from_slice(&hello);
        self.phase = Phase::Handshake;
    }

    /// Takes bytes of the server, in pieces of any size. `out` is to be sent, whatever is returned. After an error the
    /// session has ended; every later call gives the same error.
    pub fn on_bytes(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take_bytes(bytes, out, events);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.phase = Phase::Ended;
        }
        result
    }

    /// Appends the message for one tag. `onMetaData` gets the `@setDataFrame` that servers store it by.
    pub fn publish(&mut self, tag: &FlvTag, out: &mut Vec<u8>) -> Result<(), SessionError> {
        let (Phase::Live, Some(stream_id)) = (self.phase, self.stream_id) else {
            return Err(SessionError::NotLive);
        };
        let body = match tag.kind {
            TagKind::Audio | TagKind::Video => Bytes::clone(&tag.body),
            TagKind::Script => {
                let mut body = Vec::with_capacity(tag.body.len() + 16);
                write_str("@setDataFrame", &mut body);
                body.extend_from_slice(&tag.body);
                body.into()
            }
        };
        if body.len() > MAX_BODY {
            return Err(SessionError::TooLarge { len: body.len() });
        }
        self.outbox
            .message(tag.kind.number(), stream_id, tag.timestamp_ms, body, out);
        Ok(())
    }

    /// Appends the goodbye, as far as there is something to say goodbye to; then flush and close the socket. Without
    /// it some servers hold the name for a minute.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Ended {
            return;
        }
        self.phase = Phase::Ended;
        if std::mem::take(&mut self.announced) {
            self.command_with_name("FCUnpublish", txn::FC_UNPUBLISH, out);
        }
        if let Some(id) = self.stream_id.take() {
            let arguments = [Amf0Value::Null, f64::from(id).into()];
            self.command("deleteStream", txn::DELETE, 0, &arguments, out);
        }
    }

    fn take_bytes(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        match self.phase {
            Phase::New => {
                return Err(SessionError::Protocol {
                    reason: "bytes came before we said anything",
                });
            }
            Phase::Handshake => {
                let Some(behind) = self.shake_hands(bytes, out)? else {
                    return Ok(());
                };
                events.push(SessionEvent::HandshakeDone);
                self.connect(out);
                self.received += behind.len() as u64;
                self.dechunker.push(&behind);
            }
            _ => {
                self.received += bytes.len() as u64;
                self.dechunker.push(bytes);
            }
        }
        while let Some(message) = self.dechunker.next_message()? {
            self.on_message(&message, out, events)?;
        }
        self.acknowledge(out);
        Ok(())
    }

    /// Bytes behind the handshake once it is done.
    fn shake_hands(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, SessionError> {
        let room = 40_usize.saturating_sub(self.greeting.len());
        self.greeting.extend(bytes.iter().take(room));
        match self.handshake.process_bytes(bytes) {
            Ok(HandshakeProcessResult::InProgress { response_bytes }) => {
                out.extend_from_slice(&response_bytes);
                Ok(None)
            }
            Ok(HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            }) => {
                out.extend_from_slice(&response_bytes);
                Ok(Some(remaining_bytes))
            }
            Err(_) => Err(SessionError::NotRtmp {
                reason: describe_greeting(&self.greeting),
            }),
        }
    }

    fn connect(&mut self, out: &mut Vec<u8>) {
        self.phase = Phase::Connecting;
        self.outbox.set_chunk_size(self.config.chunk_size, out);
        let window = self.config.ack_window.to_be_bytes();
        self.outbox.control(kind::WINDOW_ACK_SIZE, &window, out);
        let url = &self.config.url;
        let tc_url = url.tc_url();
        let object = [
            ("app", url.app.as_str()),
            ("type", "nonprivate"),
            ("flashVer", &self.config.flash_ver),
            ("swfUrl", &tc_url),
            ("tcUrl", &tc_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()));
        let object = Amf0Value::Object(object.into());
        self.command("connect", txn::CONNECT, 0, &[object], out);
    }

    fn create_stream(&mut self, out: &mut Vec<u8>) {
        self.phase = Phase::CreatingStream;
        self.announced = true;
        self.command_with_name("releaseStream", txn::RELEASE, out);
        self.command_with_name("FCPublish", txn::FC_PUBLISH, out);
        self.command("createStream", txn::CREATE, 0, &[Amf0Value::Null], out);
    }

    fn request_publishing(&mut self, stream_id: u32, out: &mut Vec<u8>) {
        self.phase = Phase::Requesting;
        self.stream_id = Some(stream_id);
        let arguments = [
            Amf0Value::Null,
            self.config.url.key.expose().into(),
            "live".into(),
        ];
        self.command("publish", txn::PUBLISH, stream_id, &arguments, out);
    }

    fn command_with_name(&mut self, name: &str, transaction: f64, out: &mut Vec<u8>) {
        let arguments = [Amf0Value::Null, self.config.url.key.expose().into()];
        self.command(name, transaction, 0, &arguments, out);
    }

    fn command(
        &mut self,
        name: &str,
        transaction: f64,
        stream_id: u32,
        arguments: &[Amf0Value],
        out: &mut Vec<u8>,
    ) {
        let mut body = Vec::with_capacity(256);
        write_str(name, &mut body);
        Amf0Value::Number(transaction).write(&mut body);
        for argument in arguments {
            argument.write(&mut body);
        }
        self.outbox
            .message(kind::COMMAND, stream_id, 0, body.into(), out);
    }

    /// Tells the server how much has arrived in all, when it wants to know.
    fn acknowledge(&mut self, out: &mut Vec<u8>) {
        let Some(window) = self.peer_window else {
            return;
        };
        if self.received - self.acknowledged >= u64::from(window) {
            self.acknowledged = self.received;
            // a running total modulo 2^32: the last four of the eight bytes
            let total = self.received.to_be_bytes();
            self.outbox.control(kind::ACKNOWLEDGEMENT, &total[4..], out);
        }
    }

    fn on_message(
        &mut self,
        message: &Message,
        out: &mut Vec<u8>,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        let body = &message.payload[..];
        match message.kind {
            kind::ACKNOWLEDGEMENT => {
                if let Some(value) = first_u32(body) {
                    let total = self.acks.update(value, self.outbox.sent());
                    events.push(SessionEvent::Acked(total));
                }
            }
            kind::WINDOW_ACK_SIZE => self.peer_window = first_u32(body).filter(|&w| w > 0),
            kind::USER_CONTROL => self.on_user_control(body, out),
            kind::COMMAND => return self.on_command(body, out, events),
            // AMF3 commands are AMF0 behind one byte; Flash-era servers send them
            kind::COMMAND_AMF3 => {
                let body = body.strip_prefix(&[0]).unwrap_or(body);
                return self.on_command(body, out, events);
            }
            // set peer bandwidth, media, metadata, aggregates: nothing a publisher has to do
            _ => {}
        }
        Ok(())
    }

    fn on_user_control(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let Some((event, rest)) = body.split_first_chunk::<2>() else {
            return;
        };
        if let (PING_REQUEST, Some(stamp)) = (u16::from_be_bytes(*event), rest.first_chunk::<4>()) {
            let mut answer = BytesMut::with_capacity(6);
            answer.extend_from_slice(&PING_RESPONSE.to_be_bytes());
            answer.extend_from_slice(stamp);
            self.outbox.control(kind::USER_CONTROL, &answer, out);
        }
    }

    fn on_command(
        &mut self,
        body: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        let mut command = Command::read(body);
        match command.name.as_str() {
            "_result" => self.on_result(&command, out, events)?,
            "_error" => self.on_error(&command, events),
            "onStatus" => self.on_status(&command, events),
            "close" => {
                let (_, description) = self.said(&command, "");
                self.phase = Phase::Ended;
                events.push(SessionEvent::PeerClosed {
                    code: "close".to_owned(),
                    description,
                });
            }
            // sent by rml_rtmp, FMS and others to say that nothing is the matter
            "onBWDone" | "" => {}
            _ => {
                let name = std::mem::take(&mut command.name);
                let (code, description) = self.said(&command, &name);
                events.push(SessionEvent::Status { code, description });
            }
        }
        Ok(())
    }

    fn on_result(
        &mut self,
        command: &Command,
        out: &mut Vec<u8>,
        events: &mut Vec<SessionEvent>,
    ) -> Result<(), SessionError> {
        if self.phase == Phase::Connecting && command.transaction == txn::CONNECT {
            let (code, description) = self.said(command, "NetConnection.Connect.Success");
            if is_refusal(&code) {
                self.reject(code, description, events);
            } else {
                events.push(SessionEvent::Connected { description });
                self.create_stream(out);
            }
        } else if self.phase == Phase::CreatingStream && command.transaction == txn::CREATE {
            let id = command.arguments.iter().find_map(Amf0Value::as_f64);
            let id = id.and_then(stream_number).ok_or(SessionError::Protocol {
                reason: "it created a stream without a number",
            })?;
            self.request_publishing(id, out);
        }
        // answers to releaseStream, FCPublish and the goodbye say nothing we need
        Ok(())
    }

    fn on_error(&mut self, command: &Command, events: &mut Vec<SessionEvent>) {
        let awaited = match self.phase {
            Phase::Connecting => txn::CONNECT,
            Phase::CreatingStream => txn::CREATE,
            Phase::Requesting => txn::PUBLISH,
            // servers without releaseStream and FCPublish say so at any time
            _ => return,
        };
        // rml_rtmp's sessions refuse a publish under number 0; earlier it could be about releaseStream
        let unnumbered = self.phase == Phase::Requesting && command.transaction == 0.0;
        if command.transaction == awaited || unnumbered {
            let (code, description) = self.said(command, "_error");
            self.reject(code, description, events);
        }
    }

    fn on_status(&mut self, command: &Command, events: &mut Vec<SessionEvent>) {
        let (code, description) = self.said(command, "onStatus");
        let refused = command.level().is_some_and(|level| level == "error") || is_refusal(&code);
        match (self.phase, code.as_str()) {
            (_, "NetStream.Unpublish.Success" | "NetConnection.Connect.Closed") => {
                self.phase = Phase::Ended;
                events.push(SessionEvent::PeerClosed { code, description });
            }
            (Phase::Requesting, "NetStream.Publish.Start") if !refused => {
                self.phase = Phase::Live;
                events.push(SessionEvent::Publishing { description });
            }
            (Phase::New | Phase::Handshake | Phase::Ended, _) => {
                events.push(SessionEvent::Status { code, description });
            }
            _ if refused => self.reject(code, description, events),
            _ => events.push(SessionEvent::Status { code, description }),
        }
    }

    fn reject(&mut self, code: String, description: String, events: &mut Vec<SessionEvent>) {
        // no goodbye: the name may be somebody else's
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        events.push(SessionEvent::Rejected {
            busy: is_busy(&code, &description),
            code,
            description,
            phase,
        });
    }

    /// Code and words of a command, with the key masked. `otherwise` is the code if it gives none.
    fn said(&self, command: &Command, otherwise: &str) -> (String, String) {
        let text = |name| command.info().and_then(|info| info.get(name)?.as_str());
        let code = text("code").unwrap_or(otherwise);
        let description = text("description")
            .or_else(|| text("details"))
            .or_else(|| command.arguments.iter().find_map(Amf0Value::as_str))
            .unwrap_or("");
        (self.redactor.clean(code), self.redactor.clean(description))
    }
}

/// What a peer that speaks no RTMP said first, in words.
fn describe_greeting(bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/") {
        return "it is a web server".to_owned();
    }
    if bytes.starts_with(&[0x15, 3]) || bytes.starts_with(&[0x16, 3]) {
        return "it wants an encrypted connection (rtmps)".to_owned();
    }
    let line = bytes.split(|b| *b == b'\r' || *b == b'\n').next();
    let printable = |b: &u8| b.is_ascii_graphic() || *b == b' ';
    match line {
        Some(line) if line.len() > 3 && line.iter().all(printable) => {
            format!("it began with {:?}", String::from_utf8_lossy(line))
        }
        _ => format!("it began with byte {}", bytes.first().copied().unwrap_or(0)),
    }
}
