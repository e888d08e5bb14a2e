//! A server that misbehaves at a chosen step: says nothing, closes, or talks nonsense.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ServerSession, ServerSessionConfig, ServerSessionEvent, ServerSessionResult,
};

/// How far it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Misbehaves from the first byte.
    Accept,
    /// After the handshake, when asked for the application.
    Connect,
    /// When asked to take the stream.
    Publish,
    /// Once live, when the first media comes.
    Live,
    /// Never: it takes everything.
    Forever,
}

/// What it does then.
#[derive(Debug, Clone)]
pub enum Then {
    /// Reads and says nothing.
    Silence,
    /// Does not even read.
    Deaf,
    /// Does not read until [`FakeServer::wake`], then behaves again.
    Doze,
    /// Closes.
    Close,
    /// Says this, and nothing more.
    Say(Vec<u8>),
}

/// Something that came.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// A picture rather than sound.
    pub video: bool,
    /// Its timestamp.
    pub ms: u32,
}

/// The server; stops when dropped.
pub struct FakeServer {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<AtomicBool>,
    awake: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Listens on a free port.
    pub fn start(until: Until, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let (ended, awake) = (Arc::default(), Arc::default());
        let flags = (Arc::clone(&ended), Arc::clone(&awake));
        let body = move || {
            let mut peers: Vec<Peer> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((stream, _)) = listener.accept() {
                    let (hear, flags) = (Arc::clone(&hear), flags.clone());
                    peers.push(Peer::new(stream, until, then.clone(), hear, flags));
                }
                peers.retain_mut(Peer::poll);
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        #[expect(clippy::disallowed_methods, reason = "a test's peer is no stage")]
        let thread = std::thread::spawn(body);
        Self {
            port,
            heard,
            ended,
            awake,
            stop,
            thread: Some(thread),
        }
    }

    /// An address on it.
    pub fn address(&self, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/live/{key}", self.port)
    }

    /// Ends a [`Then::Doze`].
    pub fn wake(&self) {
        self.awake.store(true, Ordering::Relaxed);
    }

    /// A stream was ended in order: its "unpublish" or "delete stream" came.
    pub fn was_ended_in_order(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Media that came so far, headers too.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(
            ended.is_ok() || std::thread::panicking(),
            "the fake server failed"
        );
    }
}

struct Peer {
    stream: TcpStream,
    until: Until,
    then: Then,
    handshake: Option<Handshake>,
    session: Option<ServerSession>,
    misbehaving: bool,
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<AtomicBool>,
    awake: Arc<AtomicBool>,
}

impl Peer {
    fn new(
        stream: TcpStream,
        until: Until,
        then: Then,
        heard: Arc<Mutex<Vec<Heard>>>,
        (ended, awake): (Arc<AtomicBool>, Arc<AtomicBool>),
    ) -> Self {
        stream.set_nonblocking(true).unwrap();
        let mut peer = Self {
            stream,
            until,
            then,
            handshake: Some(Handshake::new(PeerType::Server)),
            session: None,
            misbehaving: false,
            heard,
            ended,
            awake,
        };
        if until == Until::Accept {
            peer.misbehave();
        }
        peer
    }

    fn misbehave(&mut self) {
        self.misbehaving = true;
        if let Then::Say(bytes) = &self.then {
            let bytes = bytes.clone();
            self.write(&bytes);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).ok(); // the peer may be gone
    }

    /// Reads what is there; false when the connection is over.
    fn poll(&mut self) -> bool {
        if self.misbehaving && matches!(self.then, Then::Close) {
            return false;
        }
        if self.misbehaving && matches!(self.then, Then::Deaf) {
            return true;
        }
        if self.misbehaving && matches!(self.then, Then::Doze) {
            if !self.awake.load(Ordering::Relaxed) {
                return true;
            }
            (self.misbehaving, self.until) = (false, Until::Forever);
        }
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(_) if self.misbehaving => true,
            Ok(n) => {
                self.take(&buffer[..n]);
                true
            }
            Err(e) => e.kind() == ErrorKind::WouldBlock,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(handshake) = &mut self.handshake else {
            let session = self.session.as_mut().unwrap();
            let results = session.handle_input(bytes).unwrap();
            return self.answer(results);
        };
        match handshake.process_bytes(bytes).unwrap() {
            HandshakeProcessResult::InProgress { response_bytes } => self.write(&response_bytes),
            HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            } => {
                self.handshake = None;
                let (session, results) = ServerSession::new(ServerSessionConfig::new()).unwrap();
                self.session = Some(session);
                self.write(&response_bytes);
                if self.until == Until::Connect {
                    return self.misbehave();
                }
                self.answer(results);
                self.take(&remaining_bytes);
            }
        }
    }

    fn answer(&mut self, results: Vec<ServerSessionResult>) {
        for result in results {
            if self.misbehaving {
                return;
            }
            let request = match result {
                ServerSessionResult::OutboundResponse(packet) => {
                    self.write(&packet.bytes);
                    continue;
                }
                ServerSessionResult::RaisedEvent(
                    ServerSessionEvent::ConnectionRequested { request_id, .. }
                    | ServerSessionEvent::ReleaseStreamRequested { request_id, .. },
                ) => request_id,
                ServerSessionResult::RaisedEvent(ServerSessionEvent::PublishStreamRequested {
                    request_id,
                    ..
                }) => {
                    if self.until == Until::Publish {
                        return self.misbehave();
                    }
                    request_id
                }
                ServerSessionResult::RaisedEvent(
                    ServerSessionEvent::AudioDataReceived { .. }
                    | ServerSessionEvent::VideoDataReceived { .. },
                ) if self.until == Until::Live => return self.misbehave(),
                ServerSessionResult::RaisedEvent(ServerSessionEvent::PublishStreamFinished {
                    ..
                }) => {
                    self.ended.store(true, Ordering::Relaxed);
                    continue;
                }
                ServerSessionResult::RaisedEvent(event) => {
                    self.hear(event);
                    continue;
                }
                _ => continue,
            };
            self.accept(request);
        }
    }

    fn hear(&self, event: ServerSessionEvent) {
        let (video, timestamp) = match event {
            ServerSessionEvent::AudioDataReceived { timestamp, .. } => (false, timestamp),
            ServerSessionEvent::VideoDataReceived { timestamp, .. } => (true, timestamp),
            _ => return,
        };
        self.heard.lock().push(Heard {
            at: Instant::now(),
            video,
            ms: timestamp.value,
        });
    }

    fn accept(&mut self, request: u32) {
        let results = self.session.as_mut().unwrap().accept_request(request);
        self.answer(results.unwrap());
    }
}
