//! Outputs: encoded packets in, bytes on a socket or in a file out. Each output has its own bounded queue; none can
//! hold up an encoder or another output.

pub mod adapt;
pub mod backoff;
pub mod check;
mod dial;
mod error;
mod latch;
mod ledger;
mod link;
mod moving;
pub mod net;
mod probe;
mod pump;
mod rate;
pub mod record;
pub mod rtmp;
pub mod send_queue;
mod slow;
mod tagger;
mod transport;
pub mod tuning;
mod watch;
mod window;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use self::adapt::Decision;
use self::tuning::TuningHandle;
use crate::media::packet::PacketSink;
use crate::media::time::MediaClock;
use crate::rtmp::url::RtmpUrl;
pub use error::{OutputError, Phase};

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputSpec {
    /// An RTMP server.
    Rtmp(RtmpUrl),
    /// A file: MP4, Matroska or FLV, as its name says.
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
    /// How long, in all, the picture stood still for that, in milliseconds.
    pub frozen_ms: u64,
    /// Times the connection was made again.
    pub reconnects: u32,
    /// Time from the start of the connection attempt to the server's "publish start", in milliseconds.
    pub connect_ms: Option<u32>,
    /// Bytes the server has acknowledged.
    pub acked_bytes: u64,
    /// Smoothed round trip time in milliseconds, where the system tells it.
    pub rtt_ms: Option<u32>,
    /// What the bitrate is, and why; while it follows the link.
    pub adapt: Option<Decision>,
    /// The server sends the stream to this host, and the user has not said yet whether the key may go there.
    pub asks: Option<String>,
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
    /// It goes on, with losses; told once.
    Degraded {
        /// What is wrong.
        error: OutputError,
    },
    /// The video encoder shall take this bitrate and frame rate; `None`: what was set.
    VideoRate(Option<Decision>),
    /// Nothing has arrived for this long; the connection is kept for now.
    Silent {
        /// How long.
        seconds: u64,
    },
    /// What was silent takes data again.
    Returned,
    /// The server sends the stream to this host: may it have the key? [`Output::allow_redirect`] says yes.
    RedirectAsked {
        /// Somebody else's, as far as names tell.
        host: String,
    },
    /// The stream went over to another connection at a keyframe.
    Moved {
        /// Address of the server, with the port.
        peer: String,
    },
    /// A recording tells something.
    Record(record::RecordNews),
    /// It will not be tried again.
    Failed {
        /// Why.
        error: OutputError,
    },
}

/// Tells the engine what happened to an output. Called from the network runtime or the writer's thread; must not block.
pub type OutputListener = Arc<dyn Fn(OutputEvent) + Send + Sync>;

/// What an output gets when it is started.
pub struct OutputContext {
    /// The session's clock.
    pub clock: MediaClock,
    /// Where socket tasks run.
    pub runtime: tokio::runtime::Handle,
    /// Told what happens.
    pub listener: OutputListener,
    /// How the link is treated; may change while live.
    pub tuning: TuningHandle,
}

/// A running output. It is a [`PacketSink`]; attach it to the bus, detach it before stopping.
pub trait Output: PacketSink {
    /// Figures so far.
    fn stats(&self) -> OutputStats;
    /// Asks it to say goodbye and end, without waiting.
    fn request_stop(&self);
    /// Tries at once if it is waiting before another try.
    fn retry_now(&self) {}
    /// The stream key may be sent to `host`.
    fn allow_redirect(&self, _host: &str) {}
    /// Its end has come; never waits.
    fn has_ended(&self) -> bool;
    /// Waits for its end; false when it did not end in time and was cut.
    fn join_until(&self, deadline: Instant) -> bool;
}

/// Starts an output.
pub fn start(spec: &OutputSpec, cx: OutputContext) -> Result<Arc<dyn Output>, OutputError> {
    match spec {
        OutputSpec::Rtmp(url) => Ok(rtmp::start(url.clone(), cx)),
        OutputSpec::File(path) => {
            let config = record::RecordConfig::file(path.clone());
            Ok(record::Recorder::start(config, cx)?)
        }
    }
}
