//! One connection to a server: socket and protocol session together. Bytes of the session go out, bytes of the server go
//! in, and everything that can go wrong on the way to a running stream gets its own error. Runs in the output's task.

mod goodbye;

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::backoff::SETTLED;
use super::error::{OutputError, Phase, with_causes};
use super::net::connect::{self, Route};
use super::probe;
use super::transport::Transport;
use crate::flv::tag::FlvTag;
use crate::rtmp::demand::Demand;
use crate::rtmp::session::{self, PublishConfig, PublishSession, SessionError, SessionEvent};
use crate::rtmp::url::RtmpUrl;

/// Sent bytes kept at most before the buffer is moved up.
const COMPACT: usize = 64 * 1024;
/// Most bytes that may wait for the socket: a keyframe and what is topped up, with much room. Answers to a server that
/// asks without reading would grow without an end.
const MAX_PENDING: usize = 8 * 1024 * 1024;
/// Full reads in a row before others get their turn.
const READS: usize = 16;
/// Read at once. Servers say little.
const READ: usize = 8 << 10;

/// How long each step may take.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Name lookup, and again the TCP connection.
    pub tcp: Duration,
    /// RTMP handshake.
    pub handshake: Duration,
    /// Answer to `connect`, and again to `publish`.
    pub answer: Duration,
    /// While live, without a byte that gets through. A link that is back within 10 s keeps its connection.
    pub stall: Duration,
    /// A connection closed by the server within this time of its "publish start" counts as refused.
    pub settled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tcp: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(12),
            settled: SETTLED,
        }
    }
}

/// What establishing a connection showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// Address of the server.
    pub(super) peer: String,
    /// Name lookup and TCP connection.
    pub(super) tcp: Duration,
    /// RTMP handshake.
    pub(super) handshake: Duration,
    /// From `connect` to "publish start".
    pub(super) publish: Duration,
    /// What the server said.
    pub(super) answers: Vec<String>,
}

/// How a connection is made.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) route: Route,
    /// Also to a server whose certificate nobody vouches for.
    pub(super) trust_any: bool,
    /// Query that answers a demand for a login.
    pub(super) auth: Option<String>,
    /// Only up to the application; [`Link::go_on`] does the rest.
    pub(super) hold: bool,
    /// The server is told that we speak Enhanced RTMP.
    pub(super) enhanced: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Refusal {
    /// That is all.
    Final(OutputError),
    /// The server would have it otherwise; the error if that is not done.
    Demand(Box<Demand>, OutputError),
}

impl Refusal {
    pub(super) fn into_error(self) -> OutputError {
        match self {
            Self::Final(error) | Self::Demand(_, error) => error,
        }
    }
}

impl From<OutputError> for Refusal {
    fn from(error: OutputError) -> Self {
        Self::Final(error)
    }
}

/// An open connection on which the server has accepted the stream.
#[derive(Debug)]
pub(super) struct Link {
    transport: Transport,
    session: PublishSession,
    url: RtmpUrl,
    /// Bytes of the session; those before `sent` are with the system.
    out: Vec<u8>,
    sent: usize,
    /// Bytes given to the system since the connection was made.
    handed: u64,
    inbox: Vec<u8>,
    events: Vec<SessionEvent>,
    /// When the system last took bytes, or the first of `out` began to wait.
    progress: Instant,
    trace: Trace,
    /// Bytes that may be with the system and not confirmed; `None`: as many as it takes.
    window: Option<u64>,
}

impl Link {
    /// Connects, shakes hands, asks for application and stream, as far as the plan goes.
    ///
    /// `ghost` is the connection before this one, if the server may not know of its end yet: it is reset as soon as the
    /// server is reached, and thereby gives back the name.
    pub(super) async fn open(
        url: &RtmpUrl,
        limits: &Limits,
        plan: Plan,
        ghost: &mut Option<Ghost>,
    ) -> Result<Self, Refusal> {
        let started = Instant::now();
        let stream = plan.route.open(&url.host, url.port, limits.tcp).await?;
        drop(ghost.take());
        let peer = stream.peer_addr();
        let tcp = started.elapsed();
        let transport = Transport::over(stream, url, plan.trust_any, limits.handshake).await?;
        let config = PublishConfig {
            auth: plan.auth,
            hold: plan.hold,
            enhanced: plan.enhanced,
            ..PublishConfig::new(url.clone())
        };
        let mut link = Self {
            trace: Trace {
                peer: peer.map_or_else(|_| String::new(), |a| a.to_string()),
                tcp,
                ..Trace::default()
            },
            transport,
            session: PublishSession::new(config),
            url: url.clone(),
            out: Vec::new(),
            sent: 0,
            handed: 0,
            inbox: vec![0; READ],
            events: Vec::new(),
            progress: Instant::now(),
            window: None,
        };
        link.session.start(&mut link.out);
        link.negotiate(limits).await?;
        Ok(link)
    }

    /// Asks for the stream on a connection that was held back before that.
    pub(super) async fn go_on(&mut self, limits: &Limits) -> Result<(), OutputError> {
        self.mark_start();
        self.session.release(&mut self.out);
        self.negotiate(limits).await.map_err(Refusal::into_error)
    }

    async fn negotiate(&mut self, limits: &Limits) -> Result<(), Refusal> {
        let mut phase = phase_of(self.session.phase());
        let mut began = Instant::now();
        loop {
            let now = phase_of(self.session.phase());
            if now != phase {
                if phase == Phase::Handshake {
                    self.trace.handshake = began.elapsed();
                } else {
                    self.trace.publish += began.elapsed();
                }
                (phase, began) = (now, Instant::now());
            }
            if matches!(
                self.session.phase(),
                session::Phase::Live | session::Phase::Held
            ) {
                self.trace.publish += began.elapsed();
                return Ok(());
            }
            let limit = match phase {
                Phase::Handshake => limits.handshake,
                _ => limits.answer,
            };
            self.write_some().map_err(|e| self.early_error(phase, e))?;
            let ready = timeout_at(began + limit, self.ready());
            ready
                .await
                .map_err(|_elapsed| OutputError::TimedOut {
                    phase,
                    seconds: limit.as_secs(),
                })?
                .map_err(|e| self.early_error(phase, e))?;
            let received = self.receive();
            self.hear_answers(phase)?;
            match received {
                Ok(()) => {}
                Err(ReceiveError::Io(e)) => return Err(self.early_error(phase, e).into()),
                Err(ReceiveError::Session(e)) => return Err(self.not_rtmp(e).into()),
            }
        }
    }

    /// Takes what the server said before the stream ran.
    fn hear_answers(&mut self, phase: Phase) -> Result<(), Refusal> {
        let mut refused: Option<Refusal> = None;
        for event in std::mem::take(&mut self.events) {
            let answer = match event {
                SessionEvent::Connected { description } => {
                    format!("NetConnection.Connect.Success: {description}")
                }
                SessionEvent::Publishing { description } => {
                    format!("NetStream.Publish.Start: {description}")
                }
                SessionEvent::Status { code, description } => format!("{code}: {description}"),
                SessionEvent::Rejected {
                    code,
                    description,
                    busy,
                    demand,
                    ..
                } => {
                    let error = rejection(code, description, busy);
                    let refusal = match demand {
                        Some(demand) => Refusal::Demand(Box::new(demand), error),
                        None => error.into(),
                    };
                    refused = refused.or(Some(refusal));
                    continue;
                }
                SessionEvent::PeerClosed { .. } => {
                    refused = refused.or(Some(self.closed_early(phase).into()));
                    continue;
                }
                SessionEvent::ReconnectWanted { description, .. } => {
                    format!("NetConnection.Connect.ReconnectRequest: {description}")
                }
                SessionEvent::HandshakeDone | SessionEvent::Acked(_) => continue,
            };
            tracing::debug!(answer, "server");
            self.trace.answers.push(answer);
        }
        match refused {
            Some(error) => {
                // The session has its goodbye ready; whether it arrives makes no difference to us.
                self.write_some().ok();
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn closed_early(&self, phase: Phase) -> OutputError {
        let app = self.url.app.split('?').next().unwrap_or_default();
        OutputError::ClosedEarly {
            phase,
            app: app.to_owned(),
        }
    }

    fn early_error(&self, phase: Phase, error: io::Error) -> OutputError {
        if is_close(&error) {
            self.closed_early(phase)
        } else {
            OutputError::Lost(error)
        }
    }

    /// What an error of the running stream means when it came within the first seconds.
    pub(super) fn soon_after_start(&self, error: OutputError) -> OutputError {
        match error {
            OutputError::Lost(e) => self.early_error(Phase::FirstMedia, e),
            other => other,
        }
    }

    fn not_rtmp(&self, error: SessionError) -> OutputError {
        OutputError::NotRtmp {
            host: connect::shown_host(&self.url.host),
            port: self.url.port,
            reason: match error {
                SessionError::NotRtmp { reason } => reason,
                other => with_causes(&other),
            },
        }
    }

    /// Gives the connection up, but lets the server know only when the ghost is dropped.
    pub(super) fn into_ghost(self) -> Ghost {
        Ghost(self.transport.into_socket())
    }

    /// The server's address, where it really is.
    pub(super) const fn url(&self) -> &RtmpUrl {
        &self.url
    }

    /// What establishing showed.
    pub(super) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The socket, for its options.
    pub(super) const fn socket(&self) -> &TcpStream {
        self.transport.socket()
    }

    /// Bytes not yet with the system.
    pub(super) const fn pending(&self) -> usize {
        self.out.len() - self.sent
    }

    /// When the system last took bytes; meaningful while something is pending.
    pub(super) const fn progress(&self) -> Instant {
        self.progress
    }

    /// Bytes given to the system since the connection was made.
    pub(super) const fn handed(&self) -> u64 {
        self.handed
    }

    /// Place of the last byte appended, counted from the beginning of the connection.
    pub(super) const fn appended(&self) -> u64 {
        self.handed + self.pending() as u64
    }

    /// Keeps the kernel from taking more than `bytes` beyond what is on the way.
    pub(super) fn limit_kernel_backlog(&self, bytes: u32) {
        connect::limit_kernel_backlog(self.transport.socket(), bytes);
    }

    /// From now on no more than `window` bytes are with the system and not confirmed.
    pub(super) const fn set_window(&mut self, window: Option<u64>) {
        self.window = window;
    }

    /// Bytes that may be given to the system now. One system call.
    pub(super) fn room(&self) -> usize {
        let unconfirmed = self.window.and_then(|_| probe::unconfirmed(self.socket()));
        let (Some(window), Some(unconfirmed)) = (self.window, unconfirmed) else {
            return usize::MAX;
        };
        usize::try_from(window.saturating_sub(unconfirmed)).unwrap_or(usize::MAX)
    }

    /// Appends a tag to what is to be sent.
    pub(super) fn publish(&mut self, tag: &FlvTag) -> Result<(), OutputError> {
        self.mark_start();
        self.session
            .publish(tag, &mut self.out)
            .map_err(|e| OutputError::Lost(io::Error::new(io::ErrorKind::InvalidData, e)))
    }

    fn mark_start(&mut self) {
        if self.pending() == 0 {
            self.progress = Instant::now();
        }
    }

    /// Gives the system what it takes at once; returns how many bytes.
    pub(super) fn write_some(&mut self) -> io::Result<usize> {
        self.write_up_to(usize::MAX)
    }

    /// [`Self::write_some`], but no more than `room` bytes.
    pub(super) fn write_up_to(&mut self, room: usize) -> io::Result<usize> {
        let mut sum = 0;
        self.transport.flush()?;
        let end = self.out.len().min(self.sent.saturating_add(room));
        while self.sent < end {
            match self.transport.try_write(&self.out[self.sent..end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    sum += n;
                    self.sent += n;
                    self.handed += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if sum > 0 {
            self.progress = Instant::now();
        }
        if self.pending() == 0 {
            self.out.clear();
            self.sent = 0;
        } else if self.sent >= COMPACT {
            // a link that never quite catches up must not keep all that was ever sent
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        Ok(sum)
    }

    /// Completes when there is something to read, or room for what is pending. Cancel safe.
    pub(super) async fn ready(&self) -> io::Result<()> {
        self.ready_for(self.pending() > 0).await
    }

    /// Completes when there is something to read, or the system takes something if that is wanted. Cancel safe.
    pub(super) async fn ready_for(&self, write: bool) -> io::Result<()> {
        // A closed direction counts as ready for ever: without this a loop around it would never yield to its time limit.
        tokio::task::coop::consume_budget().await;
        self.transport.ready(write).await
    }

    /// Reads what is there; the session's answers are then pending, its events are in [`Self::take_events`]. The end
    /// of the stream is an error of kind `UnexpectedEof`.
    pub(super) fn receive(&mut self) -> Result<(), ReceiveError> {
        if self.pending() > MAX_PENDING {
            let flood = "the server asks more than it reads";
            return Err(ReceiveError::Io(io::Error::other(flood)));
        }
        // a server that never stops talking gets its turn, not the whole thread
        for _ in 0..READS {
            let n = match self.transport.try_read(&mut self.inbox) {
                Ok(0) => {
                    return Err(ReceiveError::Io(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed the connection",
                    )));
                }
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(ReceiveError::Io(e)),
            };
            self.mark_start();
            self.session
                .on_bytes(&self.inbox[..n], &mut self.out, &mut self.events)
                .map_err(ReceiveError::Session)?;
            if n < self.inbox.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the server said since the last call.
    pub(super) fn take_events(&mut self) -> impl Iterator<Item = SessionEvent> + use<> {
        std::mem::take(&mut self.events).into_iter()
    }
}

/// A connection that was given up because nothing got through. Dropping it resets it, which tells the server at once, if
/// the link is back by then; closing it during the outage would tell nobody, and the server would hold the name.
#[derive(Debug)]
pub(super) struct Ghost(TcpStream);

impl Drop for Ghost {
    fn drop(&mut self) {
        // without it the system would go on sending what is left, in good order
        if let Err(e) = socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(error = %e, "the old connection cannot be reset");
        }
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(super) enum ReceiveError {
    /// The socket.
    Io(io::Error),
    /// What came over it.
    Session(SessionError),
}

impl From<ReceiveError> for io::Error {
    fn from(e: ReceiveError) -> Self {
        match e {
            ReceiveError::Io(e) => e,
            ReceiveError::Session(e) => Self::new(io::ErrorKind::InvalidData, e),
        }
    }
}

/// The peer closed, in whichever way.
fn is_close(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// The server's no.
pub(super) fn rejection(code: String, description: String, busy: bool) -> OutputError {
    if busy {
        OutputError::Busy { description }
    } else {
        OutputError::Rejected { code, description }
    }
}

const fn phase_of(phase: session::Phase) -> Phase {
    match phase {
        session::Phase::New | session::Phase::Handshake => Phase::Handshake,
        session::Phase::Connecting | session::Phase::Held => Phase::Connect,
        session::Phase::CreatingStream
        | session::Phase::Requesting
        | session::Phase::Live
        | session::Phase::Ended => Phase::Publish,
    }
}
