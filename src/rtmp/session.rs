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
use super::demand::{self, Demand, Redirect};
pub use super::event::{Phase, SessionError, SessionEvent, is_busy};
use super::greeting::describe_greeting;
use super::outbox::{Outbox, kind};
use super::redact::Redactor;
use super::url::RtmpUrl;
use crate::flv::amf0::{Amf0Value, Properties, write_str};
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
    /// Query that answers a demand for a login ([`super::auth`]), without its "?".
    pub auth: Option<String>,
    /// Stop at [`Phase::Held`] and go on by [`PublishSession::release`]: for a connection that is made ready while
    /// another one still has the name.
    pub hold: bool,
    /// Say that we speak Enhanced RTMP. A few old servers are strict about what they are told.
    pub enhanced: bool,
}

/// FourCCs of the pictures we can send besides H.264.
const FOUR_CCS: [&str; 2] = ["hvc1", "av01"];
/// `capsEx`: we follow a wish to reconnect.
const CAPS_RECONNECT: f64 = 1.0;
/// `FourCcInfoMask`: we can encode it.
const CAN_ENCODE: f64 = 2.0;

impl PublishConfig {
    /// With what most servers are used to.
    pub fn new(url: RtmpUrl) -> Self {
        Self {
            url,
            chunk_size: 4096,
            ack_window: 100_000,
            flash_ver: "FMLE/3.0 (compatible; FMSc/1.0)".to_owned(),
            auth: None,
            hold: false,
            enhanced: false,
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
    /// What the server said it takes.
    server_four_ccs: Vec<String>,
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
            server_four_ccs: Vec::new(),
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
        let PublishConfig {
            url,
            auth,
            flash_ver,
            enhanced,
            ..
        } = &self.config;
        let with_login = |text: &str| match auth {
            Some(query) if text.contains('?') => format!("{text}&{query}"),
            Some(query) => format!("{text}?{query}"),
            None => text.to_owned(),
        };
        let tc_url = with_login(&url.tc_url());
        let mut object: Properties = [
            ("app", with_login(&url.app).as_str()),
            ("type", "nonprivate"),
            ("flashVer", flash_ver),
            ("swfUrl", &tc_url),
            ("tcUrl", &tc_url),
        ]
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
        if *enhanced {
            let list = FOUR_CCS.map(Amf0Value::from);
            let map = FOUR_CCS.map(|cc| (cc.to_owned(), CAN_ENCODE.into()));
            object.push(("fourCcList".to_owned(), Amf0Value::StrictArray(list.into())));
            let map = Amf0Value::Object(map.into());
            object.push(("videoFourCcInfoMap".to_owned(), map));
            object.push(("capsEx".to_owned(), CAPS_RECONNECT.into()));
        }
        let object = Amf0Value::Object(object);
        self.command("connect", txn::CONNECT, 0, &[object], out);
    }

    /// Goes on from [`Phase::Held`]: asks for the stream. Does nothing in other phases.
    pub fn release(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Held {
            self.create_stream(out);
        }
    }

    /// The server says that it takes pictures of this FourCC. Most servers that do, do not say so.
    pub fn server_takes(&self, four_cc: &str) -> bool {
        self.server_four_ccs
            .iter()
            .any(|cc| cc == four_cc || cc == "*")
    }

    /// Keeps what the answer to `connect` says about codecs.
    fn note_codecs(&mut self, command: &Command) {
        /// More kinds of pictures than anybody has.
        const MOST: usize = 32;
        for object in &command.arguments {
            if let Some(Amf0Value::StrictArray(list)) = object.get("fourCcList") {
                let names = list.iter().filter_map(Amf0Value::as_str);
                self.server_four_ccs
                    .extend(names.take(MOST).map(str::to_owned));
            }
            if let Some(Amf0Value::Object(map) | Amf0Value::EcmaArray(map)) =
                object.get("videoFourCcInfoMap")
            {
                let names = map.iter().map(|(name, _)| name.clone());
                self.server_four_ccs.extend(names.take(MOST));
            }
        }
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
                let demand = demand_of(command);
                self.reject(code, description, demand, events);
            } else {
                self.note_codecs(command);
                events.push(SessionEvent::Connected { description });
                if self.config.hold {
                    self.phase = Phase::Held;
                } else {
                    self.create_stream(out);
                }
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
            self.reject(code, description, demand_of(command), events);
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
            (_, "NetConnection.Connect.ReconnectRequest") => {
                let wanted = command.info().and_then(|info| info.get("tcUrl")?.as_str());
                events.push(SessionEvent::ReconnectWanted {
                    redirect: wanted.and_then(Redirect::new),
                    description,
                });
            }
            _ if refused => self.reject(code, description, demand_of(command), events),
            _ => events.push(SessionEvent::Status { code, description }),
        }
    }

    fn reject(
        &mut self,
        code: String,
        description: String,
        demand: Option<Demand>,
        events: &mut Vec<SessionEvent>,
    ) {
        // no goodbye: the name may be somebody else's
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        events.push(SessionEvent::Rejected {
            busy: is_busy(&code, &description),
            code,
            description,
            phase,
            demand: demand.filter(|_| phase == Phase::Connecting),
        });
    }

    /// Code and words of a command, with the key masked. `otherwise` is the code if it gives none.
    fn said(&self, command: &Command, otherwise: &str) -> (String, String) {
        let code = command.info().and_then(|info| info.get("code")?.as_str());
        let code = code.unwrap_or(otherwise);
        (
            self.redactor.clean(code),
            self.redactor.clean(command.words()),
        )
    }
}

/// What a refusal demands. From the server's own words: those for people have secrets masked, and a challenge could
/// look like one.
fn demand_of(command: &Command) -> Option<Demand> {
    demand::of_refusal(command.info(), command.words())
}
