//! Outputs: encoded packets in, bytes on a socket or in a file out. Each output has its own bounded queue; none can
//! hold up an encoder or another output.

pub mod backoff;
pub mod file;
pub mod rtmp;
pub mod send_queue;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::media::Recovery;
use crate::media::packet::PacketSink;
use crate::media::time::MediaClock;
use crate::rtmp::url::RtmpUrl;

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputSpec {
    /// An RTMP server.
    Rtmp(RtmpUrl),
    /// An FLV file.
    File(PathBuf),
}

/// State of one output.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OutputState {
    /// Not there yet.
    Connecting,
    /// Media flows.
    Live,
    /// Lost; trying again.
    Reconnecting {
        /// Counts from 1.
        attempt: u32,
        /// Milliseconds on the session clock when the next try begins.
        retry_at_ms: i64,
    },
    /// Ended as asked.
    Stopped,
    /// Given up; the text is for the user.
    Failed {
        /// What happened and what to do.
        message: String,
    },
}

/// Figures of one output.
#[derive(Debug, Clone, serde::Serialize)]
pub struct OutputStats {
    /// Address with the key masked, or the file's path.
    pub target: String,
    /// Where it stands.
    pub state: OutputState,
    /// Bytes handed to the system since the start.
    pub sent_bytes: u64,
    /// kbit/s over the last second.
    pub kbps: u32,
    /// Media time waiting, in milliseconds.
    pub queued_ms: u32,
    /// Bytes waiting.
    pub queued_bytes: u64,
    /// Pictures dropped because the link was too slow.
    pub dropped: u64,
    /// Times the connection was made again.
    pub reconnects: u32,
    /// Time from the start of the connection attempt to the server's "publish start", in milliseconds.
    pub connect_ms: Option<u32>,
    /// Bytes the server has acknowledged.
    pub acked_bytes: u64,
}

/// What happened to an output.
#[derive(Debug)]
pub enum OutputEvent {
    /// The server accepted the stream.
    Connected,
    /// The next packet should be a keyframe (fresh connection, or pictures were dropped).
    NeedKeyframe,
    /// The connection was lost or not made; it will be tried again.
    Lost {
        /// Why.
        error: OutputError,
        /// Counts from 1.
        attempt: u32,
        /// Milliseconds until the next try.
        retry_in_ms: u32,
    },
    /// It will not be tried again.
    Failed {
        /// Why.
        error: OutputError,
    },
}

/// Tells the engine what happened to an output. Called from the network runtime or the writer's thread; must not block.
pub type OutputListener = Arc<dyn Fn(OutputEvent) + Send + Sync>;

/// Why an output does not deliver. Texts are for the user: what happened and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The name does not resolve.
    #[error("the server name {host:?} is unknown: check the address and your network")]
    UnknownHost {
        /// As typed.
        host: String,
    },
    /// Nobody listens there.
    #[error("{host}:{port} refuses the connection: is the server running, is the port right?")]
    Refused {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// No answer in time.
    #[error("{what} took longer than {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The server said no; its own words.
    #[error("the server refused the stream: {description} ({code})")]
    Rejected {
        /// `NetStream.Publish.BadName` and the like.
        code: String,
        /// The server's words.
        description: String,
    },
    /// The name is taken.
    #[error(
        "somebody is already streaming with this key: stop the other stream, or wait a minute if it was yours"
    )]
    Busy {
        /// The server's words.
        description: String,
    },
    /// The server closed the connection while we were connecting.
    #[error(
        "the server closed the connection {during}: usually a wrong application name ({app:?}) or key"
    )]
    ClosedEarly {
        /// "while connecting to the application", ...
        during: &'static str,
        /// Application as typed.
        app: String,
    },
    /// The connection broke while live.
    #[error("the connection was lost")]
    Lost(#[source] std::io::Error),
    /// What came back is not RTMP.
    #[error("what answers at {host}:{port} is not an RTMP server ({reason})")]
    NotRtmp {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What was wrong.
        reason: String,
    },
    /// The file cannot be written.
    #[error("cannot write the recording {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl OutputError {
    /// What the output does about it.
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::UnknownHost { .. }
            | Self::Refused { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::ClosedEarly { .. }
            | Self::Rejected { .. }
            | Self::NotRtmp { .. }
            | Self::Lost(_) => Recovery::Retry,
            Self::File { .. } => Recovery::GiveUp,
        }
    }
}

/// What an output gets when it is started.
pub struct OutputContext {
    /// The session's clock.
    pub clock: MediaClock,
    /// Where socket tasks run.
    pub runtime: tokio::runtime::Handle,
    /// Told what happens.
    pub listener: OutputListener,
}

/// A running output. It is a [`PacketSink`]; attach it to the bus, detach it before stopping.
pub trait Output: PacketSink {
    /// Figures so far.
    fn stats(&self) -> OutputStats;
    /// Asks it to say goodbye and end, without waiting.
    fn request_stop(&self);
    /// Waits for its end; false when it did not end in time and was cut.
    fn join_until(&self, deadline: Instant) -> bool;
}

/// Starts an output.
pub fn start(spec: &OutputSpec, cx: OutputContext) -> Result<Arc<dyn Output>, OutputError> {
    match spec {
        OutputSpec::Rtmp(url) => rtmp::start(url.clone(), cx),
        OutputSpec::File(path) => file::start(path, cx),
    }
}
