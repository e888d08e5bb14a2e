//! What a publish session tells its owner: phases, events, errors.

use super::chunk::ChunkError;
use super::demand::{Demand, Redirect};

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// [`start`](super::session::PublishSession::start) was not called yet.
    New,
    /// Both sides exchange random bytes.
    Handshake,
    /// The server is asked for the application.
    Connecting,
    /// It has accepted the application; nothing was said of a stream yet
    /// ([`PublishConfig::hold`](super::session::PublishConfig::hold)).
    Held,
    /// It is asked for a stream.
    CreatingStream,
    /// It is asked to take the stream under the key.
    Requesting,
    /// Media may be sent.
    Live,
    /// Goodbye was said, or the session failed or was refused.
    Ended,
}

impl Phase {
    /// For "the server closed the connection {}".
    pub const fn during(self) -> &'static str {
        match self {
            Self::New | Self::Handshake => "during the handshake",
            Self::Connecting | Self::Held => "while connecting to the application",
            Self::CreatingStream => "while creating the stream",
            Self::Requesting => "when asked to take the stream",
            Self::Live => "while live",
            Self::Ended => "after the end",
        }
    }
}

/// Something the server said or did. Texts have the stream key masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The peer speaks RTMP; `connect` goes out.
    HandshakeDone,
    /// The application was accepted.
    Connected {
        /// The server's words.
        description: String,
    },
    /// The stream was accepted: send media now.
    Publishing {
        /// The server's words.
        description: String,
    },
    /// The server said no; the session has ended.
    Rejected {
        /// `NetStream.Publish.BadName` and the like; `_error` if it gave none.
        code: String,
        /// The server's words.
        description: String,
        /// What was asked for.
        phase: Phase,
        /// Somebody else, or our own lost connection, still holds the name: worth another try.
        busy: bool,
        /// It would not be refused if we did this.
        demand: Option<Demand>,
    },
    /// The server is about to go and asks us to connect again, here or there (Enhanced RTMP, version 2). It goes on
    /// taking media for a while.
    ReconnectWanted {
        /// Where to; the same address when absent.
        redirect: Option<Redirect>,
        /// The server's words.
        description: String,
    },
    /// Anything else it said.
    Status {
        /// Code, or the name of the command.
        code: String,
        /// The server's words.
        description: String,
    },
    /// Bytes the server has acknowledged in all.
    Acked(u64),
    /// The server ended the stream; the connection is about to close.
    PeerClosed {
        /// `NetStream.Unpublish.Success` and the like.
        code: String,
        /// The server's words.
        description: String,
    },
}

/// Why a session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// What came is not RTMP.
    #[error("the answer is not RTMP: {reason}")]
    NotRtmp {
        /// What was wrong.
        reason: String,
    },
    /// RTMP, but not as agreed.
    #[error("the server broke the RTMP protocol")]
    Chunk(#[from] ChunkError),
    /// An answer without what was asked for.
    #[error("the server broke the RTMP protocol: {reason}")]
    Protocol {
        /// What was wrong.
        reason: &'static str,
    },
    /// Media before [`SessionEvent::Publishing`] or after the end.
    #[error("the server is not ready for media")]
    NotLive,
    /// A packet that no RTMP message can hold.
    #[error("a packet of {len} bytes is larger than RTMP allows (16 MiB): lower the bitrate")]
    TooLarge {
        /// Its size in bytes.
        len: usize,
    },
}

/// Whether a refusal means that the name is taken.
pub fn is_busy(code: &str, description: &str) -> bool {
    let description = description.to_ascii_lowercase();
    code.eq_ignore_ascii_case("NetStream.Publish.BadName")
        || [
            "already publish",
            "already exist",
            "already in use",
            "is busy",
            "stream busy",
        ]
        .iter()
        .any(|words| description.contains(words))
}
