//! The RTMP server: connections in, publications and players out. One task per connection on the server's runtime; a
//! panic in one (there should be none: see [`dialogue`](super::dialogue)) ends that connection only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rml_rtmp::handshake::{Handshake, HandshakeError, HandshakeProcessResult, PeerType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::dialogue::{Dialogue, DialogueError, Event, Request};
use super::fanout::Subscription;
use super::hub::{Hub, Refused, Registration, stream_name};
use super::stream::Message;
use crate::rtmp::chunk;

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS: usize = 32;
/// From the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that sends nothing for this long is gone. Players have nothing to send and are not meant.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer that was turned away may take to close.
const PARTING_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes read at a time.
const READ_BUFFER: usize = 64 * 1024;

/// Why a connection ended, for the log.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    #[error("no RTMP handshake")]
    Handshake(#[from] HandshakeError),
    #[error("not RTMP as it should be")]
    Dialogue(#[from] DialogueError),
    #[error("{0}")]
    Silent(&'static str),
}

/// Serves until its task is aborted.
pub(super) async fn run(listener: TcpListener, hub: Hub) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the RTMP server cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await; // out of file descriptors: do not spin
                continue;
            }
        };
        let hub = hub.clone();
        connections.spawn(async move {
            let _slot = slot;
            Box::pin(connection(stream, hub)).await
        });
    }
}

fn report(ended: Result<Result<(), ConnectionError>, JoinError>) {
    match ended {
        Ok(Ok(())) => tracing::debug!("RTMP connection closed"),
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::info!(%error, cause, "RTMP connection ended");
        }
        Err(error) => tracing::error!(%error, "a bug ended an RTMP connection"),
    }
}

/// What the peer does after its handshake.
enum Role {
    Undecided,
    Publisher(Box<Registration>),
    Player {
        messages: Subscription<Message>,
        stream_id: u32,
    },
}

async fn connection(mut stream: TcpStream, hub: Hub) -> Result<(), ConnectionError> {
    stream.set_nodelay(true).ok(); // only delay suffers
    let mut buffer = vec![0_u8; READ_BUFFER];
    let early = timeout(HANDSHAKE_TIMEOUT, handshake(&mut stream, &mut buffer))
        .await
        .map_err(|_elapsed| ConnectionError::Silent("no handshake in time"))??;
    let mut peer = Peer {
        stream,
        dialogue: Dialogue::new()?,
        hub,
        role: Role::Undecided,
    };
    if !peer.input(&early)? {
        return peer.part(&mut buffer).await;
    }
    peer.flush().await?;
    peer.run(&mut buffer).await
}

/// Shakes hands; returns what the peer sent beyond.
async fn handshake(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<Vec<u8>, ConnectionError> {
    let mut handshake = Handshake::new(PeerType::Server);
    loop {
        let read = stream.read(buffer).await?;
        if read == 0 {
            return Err(ConnectionError::Silent("closed in its handshake"));
        }
        match handshake.process_bytes(&buffer[..read])? {
            HandshakeProcessResult::InProgress { response_bytes } => {
                stream.write_all(&response_bytes).await?;
            }
            HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            } => {
                stream.write_all(&response_bytes).await?;
                return Ok(remaining_bytes);
            }
        }
    }
}

/// What woke a connection's task.
enum Wake {
    Read(usize),
    Unit(Option<Message>),
    Idle,
}

struct Peer {
    stream: TcpStream,
    dialogue: Dialogue,
    hub: Hub,
    role: Role,
}

impl Peer {
    async fn run(mut self, buffer: &mut [u8]) -> Result<(), ConnectionError> {
        let mut idle_at = tokio::time::Instant::now() + IDLE_TIMEOUT;
        loop {
            let wake = match &self.role {
                Role::Player { messages, .. } => tokio::select! {
                    read = self.stream.read(buffer) => Wake::Read(read?),
                    unit = messages.next() => Wake::Unit(unit),
                },
                Role::Undecided | Role::Publisher(_) => tokio::select! {
                    read = self.stream.read(buffer) => Wake::Read(read?),
                    () = tokio::time::sleep_until(idle_at) => Wake::Idle,
                },
            };
            match wake {
                Wake::Read(0) => return Ok(()),
                Wake::Read(read) => {
                    idle_at = tokio::time::Instant::now() + IDLE_TIMEOUT;
                    if !self.input(&buffer[..read])? {
                        return self.part(buffer).await;
                    }
                }
                Wake::Unit(unit) => {
                    if !self.play(unit)? {
                        return self.part(buffer).await;
                    }
                }
                Wake::Idle => {
                    return Err(ConnectionError::Silent("the peer sent nothing for 30 s"));
                }
            }
            self.flush().await?;
        }
    }

    async fn flush(&mut self) -> Result<(), ConnectionError> {
        let output = self.dialogue.take_output();
        if output.is_empty() {
            return Ok(());
        }
        timeout(WRITE_TIMEOUT, self.stream.write_all(&output))
            .await
            .map_err(|_elapsed| ConnectionError::Silent("the peer took nothing for 10 s"))??;
        Ok(())
    }

    /// Sends what is left and waits for the peer to close: closing first, with bytes of the peer unread, would make
    /// the kernel throw away the answer that says why.
    async fn part(mut self, buffer: &mut [u8]) -> Result<(), ConnectionError> {
        self.flush().await?;
        self.stream.shutdown().await?;
        let drained = async {
            while self.stream.read(buffer).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        timeout(PARTING_TIMEOUT, drained).await.ok(); // gone or not, it is over
        Ok(())
    }

    /// Sends a message to a player. False: the connection is over.
    fn play(&mut self, unit: Option<Message>) -> Result<bool, ConnectionError> {
        let Role::Player { stream_id, .. } = self.role else {
            return Ok(true);
        };
        match unit {
            Some(message) => self.dialogue.send_tag(stream_id, &message.tag)?,
            None => {
                self.dialogue.play_ended(stream_id)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes bytes. False: the connection is over after its output is sent.
    fn input(&mut self, bytes: &[u8]) -> Result<bool, ConnectionError> {
        let events = self.dialogue.input(bytes)?;
        let now = Instant::now();
        for event in events {
            match event {
                Event::Media(message) => self.media(message, now),
                Event::Metadata(body) => {
                    if let Role::Publisher(registration) = &mut self.role {
                        registration.publication.metadata(body, now);
                    }
                }
                Event::Publish(request) => {
                    if !self.publish_request(&request, now)? {
                        return Ok(false);
                    }
                }
                Event::Play(request) => {
                    if !self.play_request(&request, now)? {
                        return Ok(false);
                    }
                }
                Event::Finished => self.role = Role::Undecided,
            }
        }
        Ok(true)
    }

    fn media(&mut self, message: chunk::Message, now: Instant) {
        let Role::Publisher(registration) = &mut self.role else {
            return;
        };
        let publication = &mut registration.publication;
        match message.kind {
            8 => publication.audio(message.timestamp_ms, message.payload, now),
            _ => publication.video(message.timestamp_ms, message.payload, now),
        }
    }

    fn publish_request(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<bool, ConnectionError> {
        if !matches!(self.role, Role::Undecided) {
            let why = "one stream per connection";
            self.dialogue
                .refuse(request, "NetStream.Publish.Denied", why)?;
            return Ok(false);
        }
        match self.hub.publish(stream_name(&request.name), now) {
            Ok(registration) => {
                self.dialogue.accept(request)?;
                self.role = Role::Publisher(Box::new(registration));
                tracing::info!("a publisher is live");
                Ok(true)
            }
            Err(refused) => {
                let code = match refused {
                    Refused::Busy => "NetStream.Publish.BadName",
                    // the usual code for a bad name is taken for a busy one by every client, and by us
                    Refused::BadName => "NetStream.Publish.Denied",
                };
                self.dialogue.refuse(request, code, &refused.to_string())?;
                Ok(false)
            }
        }
    }

    fn play_request(&mut self, request: &Request, now: Instant) -> Result<bool, ConnectionError> {
        let stream = self.hub.get(stream_name(&request.name));
        match (stream, &self.role) {
            (Some(stream), Role::Undecided) => {
                self.dialogue.accept(request)?;
                self.role = Role::Player {
                    messages: stream.play(now),
                    stream_id: request.stream_id,
                };
                Ok(true)
            }
            _ => {
                let why = "no such stream is live";
                self.dialogue
                    .refuse(request, "NetStream.Play.StreamNotFound", why)?;
                Ok(false)
            }
        }
    }
}
