//! Why an output does not deliver, in words for the user. No text carries the stream key.

use std::path::PathBuf;
use std::{fmt, io};

use super::backoff::Failure;
use crate::media::Recovery;

/// A step on the way to a running stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking up the name.
    Resolve,
    /// Making the TCP connection.
    Tcp,
    /// Encryption.
    Tls,
    /// RTMP handshake.
    Handshake,
    /// `connect`: the application.
    Connect,
    /// `createStream` and `publish`: the stream key.
    Publish,
    /// The first seconds after the server accepted the stream. nginx-rtmp with `deny publish`, and others, accept
    /// first and close then.
    FirstMedia,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name lookup",
            Self::Tcp => "connection",
            Self::Tls => "encryption",
            Self::Handshake => "handshake",
            Self::Connect => "application",
            Self::Publish => "publishing",
            Self::FirstMedia => "first media",
        })
    }
}

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
    /// No way to that address.
    #[error("{host}:{port} cannot be reached: check your network, VPN and firewall")]
    Unreachable {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The proxy does not let us through.
    #[error("the proxy {proxy} cannot be used: {reason}")]
    Proxy {
        /// Host and port.
        proxy: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Connections cannot start where they shall.
    #[error(
        "there is no network interface or address {name:?} on this computer that leads to the server: choose another one, or \
         none, in the network settings"
    )]
    Interface {
        /// As set.
        name: String,
    },
    /// The server sends us to somebody else's.
    #[error(
        "the server sends the stream to {host}, which belongs to somebody else: the stream key is not sent there before you \
         allow it"
    )]
    RedirectAsked {
        /// Where to.
        host: String,
    },
    /// The server sends us from an encrypted address to an open one.
    #[error(
        "the server sends the stream to {host} without encryption: this is not followed; ask whoever runs the server for \
         another address"
    )]
    RedirectUnsafe {
        /// Where to.
        host: String,
    },
    /// One redirect after the other.
    #[error("the servers send the stream in circles: ask whoever runs them for another address")]
    Redirects,
    /// A login is wanted, and the address has none.
    #[error(
        "the server wants a user name and password: put them into the address, as in \
         rtmp://user:password@live.example.com/app/key"
    )]
    LoginWanted,
    /// It is not the right one.
    #[error("the server does not accept this user name and password: check them in the address")]
    LoginWrong,
    /// The connection cannot be made private, or the server cannot be trusted.
    #[error("{host}:{port} cannot be reached safely: {reason}")]
    Tls {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// No answer in time.
    #[error("{}", timed_out(*phase, *seconds))]
    TimedOut {
        /// What was waited for.
        phase: Phase,
        /// The limit.
        seconds: u64,
    },
    /// The server said no; its own words.
    #[error(
        "the server refused the stream: {description} ({code}); check the address and the stream key"
    )]
    Rejected {
        /// `NetStream.Publish.Denied` and the like.
        code: String,
        /// The server's words.
        description: String,
    },
    /// The name is taken.
    #[error(
        "somebody is already streaming with this key: stop the other stream, or wait a minute if it was yours (the server says: {description})"
    )]
    Busy {
        /// The server's words.
        description: String,
    },
    /// The server closed the connection while we were connecting.
    #[error("{}", closed_early(*phase, app))]
    ClosedEarly {
        /// What had been asked for.
        phase: Phase,
        /// Application as typed.
        app: String,
    },
    /// What came back is not RTMP.
    #[error(
        "what answers at {host}:{port} is not an RTMP server ({reason}): check the address and the port"
    )]
    NotRtmp {
        /// Host.
        host: String,
        /// Port.
        port: u16,
        /// What was wrong.
        reason: String,
    },
    /// The connection broke while live.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
    /// The server ended a running stream and said why.
    #[error("the server ended the stream: {description} ({code})")]
    Ended {
        /// `NetStream.Unpublish.Success` and the like.
        code: String,
        /// The server's words.
        description: String,
    },
    /// Nothing gets through any more.
    #[error(
        "the connection is stuck, nothing got through for {seconds} s: check your network, or use a lower bitrate"
    )]
    Stalled {
        /// How long was waited.
        seconds: u64,
    },
    /// The file cannot be written.
    #[error("cannot write the recording {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is written, with gaps.
    #[error(
        "the disk is too slow for the recording: pictures are missing in {}; record to another disk or use a lower bitrate",
        path.display()
    )]
    SlowDisk {
        /// The file.
        path: PathBuf,
    },
    /// No room is left.
    #[error(
        "the disk is full: the recording has ended, what was recorded until now is in {} and plays; make room, or record to another disk",
        path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Little room is left.
    #[error(
        "only {free_mb} MB are free on the disk: the recording was ended before it is full, {} is complete; make room, or record to another disk",
        path.display()
    )]
    LowSpace {
        /// The file.
        path: PathBuf,
        /// Millions of bytes free.
        free_mb: u64,
    },
    /// What shall be recorded is nothing for this kind of file.
    #[error("this cannot be recorded: {reason}")]
    Unfit {
        /// Why, and what can be done instead.
        reason: &'static str,
    },
    /// A bug of ours.
    #[error("the output failed by a fault in the program: please report it with the log")]
    Internal,
}

fn timed_out(phase: Phase, seconds: u64) -> String {
    match phase {
        Phase::Resolve => {
            format!("looking up the server name took longer than {seconds} s: check your network")
        }
        Phase::Tcp => format!(
            "no connection within {seconds} s: the server is off, the address is wrong, or a firewall is in between"
        ),
        Phase::Tls => format!(
            "the server takes connections but does not agree on encryption within {seconds} s: is this the port for rtmps?"
        ),
        Phase::Handshake => format!(
            "the server takes connections but does not greet within {seconds} s: is it an RTMP server, is the port right?"
        ),
        Phase::Connect => format!(
            "the server greets but does not answer the request for the application within {seconds} s: check the application name, or try later"
        ),
        Phase::Publish | Phase::FirstMedia => format!(
            "the server does not answer the request to publish within {seconds} s: check the stream key, or try later"
        ),
    }
}

fn closed_early(phase: Phase, app: &str) -> String {
    match phase {
        Phase::Resolve | Phase::Tcp | Phase::Handshake => {
            "the server closed the connection instead of greeting: is it an RTMP server, is the port right?".to_owned()
        }
        Phase::Tls => {
            "the server closed the connection instead of agreeing on encryption: is this the port for rtmps?".to_owned()
        }
        Phase::Connect => format!(
            "the server closed the connection when asked for the application {app:?}: check the application name in the address"
        ),
        Phase::Publish => {
            "the server closed the connection when asked to publish: check the stream key".to_owned()
        }
        Phase::FirstMedia => {
            "the server accepted the stream and closed the connection at once: the stream key may be wrong, or this computer is not allowed to publish there".to_owned()
        }
    }
}

/// An error's text with its causes, joined by colons.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        text.push_str(": ");
        text.push_str(&c.to_string());
        cause = c.source();
    }
    text
}

impl OutputError {
    /// What the output does about it.
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::UnknownHost { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Tls { .. }
            | Self::Busy { .. }
            | Self::ClosedEarly { .. }
            | Self::Rejected { .. }
            | Self::NotRtmp { .. }
            | Self::Ended { .. }
            | Self::Stalled { .. }
            | Self::SlowDisk { .. }
            | Self::Proxy { .. }
            | Self::Interface { .. }
            | Self::RedirectAsked { .. }
            | Self::RedirectUnsafe { .. }
            | Self::Redirects
            | Self::LoginWanted
            | Self::LoginWrong
            | Self::Lost(_) => Recovery::Retry,
            Self::File { .. }
            | Self::DiskFull { .. }
            | Self::LowSpace { .. }
            | Self::Unfit { .. }
            | Self::Internal => Recovery::GiveUp,
        }
    }

    /// How the reconnection policy sees it.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::UnknownHost { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Ended { .. }
            | Self::Stalled { .. }
            | Self::SlowDisk { .. }
            | Self::Proxy { .. }
            | Self::Interface { .. }
            | Self::Lost(_) => Failure::Passing,
            Self::ClosedEarly { .. } | Self::NotRtmp { .. } => Failure::Doubtful,
            Self::Busy { .. } => Failure::Busy,
            Self::Rejected { .. }
            | Self::RedirectAsked { .. }
            | Self::RedirectUnsafe { .. }
            | Self::Redirects
            | Self::LoginWanted
            | Self::LoginWrong
            | Self::Tls { .. }
            | Self::File { .. }
            | Self::DiskFull { .. }
            | Self::LowSpace { .. }
            | Self::Unfit { .. }
            | Self::Internal => Failure::Refused,
        }
    }

    /// The server was reached and does not want this stream (rather than: it could not be reached).
    pub const fn is_rejection(&self) -> bool {
        matches!(
            self,
            Self::Rejected { .. }
                | Self::Busy { .. }
                | Self::ClosedEarly { .. }
                | Self::RedirectAsked { .. }
                | Self::RedirectUnsafe { .. }
                | Self::Redirects
                | Self::LoginWanted
                | Self::LoginWrong
        )
    }

    /// The text with its causes, joined by colons: for places that show one line.
    pub fn full_text(&self) -> String {
        with_causes(self)
    }
}
