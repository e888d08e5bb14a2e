//! The built-in ingest and watch page: a loopback RTMP server that takes one publisher per name, and an HTTP page that
//! plays what is pushed in any current browser.
//!
//! RTMP bytes in (`ingest`, `dialogue`, `codec`, `timeline`), one [`StreamStats`] and two fan-outs per stream in the
//! middle (`stream`, `fanout`, `hub`), RTMP messages and fragmented MP4 out (`ingest`, `watch`). All of it runs as
//! tasks on the given tokio runtime; no task waits for another.
#![warn(clippy::cast_possible_truncation)]

mod codec;
mod dialogue;
mod fanout;
mod hub;
mod ingest;
mod meter;
mod page;
mod stream;
mod timeline;
mod watch;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use hub::Hub;
pub use stream::StreamStats;

/// Where to listen. Port 0 picks a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeConfig {
    /// RTMP; 127.0.0.1:1935 by default.
    pub rtmp: SocketAddr,
    /// HTTP; 127.0.0.1:8935 by default.
    pub http: SocketAddr,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            rtmp: SocketAddr::from((Ipv4Addr::LOCALHOST, 1935)),
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 8935)),
        }
    }
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
    hub: Hub,
    tasks: [AbortHandle; 2],
}

impl Server {
    /// Listens and serves on `runtime` until dropped. Binding errors come back from here.
    pub fn start(
        config: ServeConfig,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, ServeError> {
        let _runtime = runtime.enter();
        let (rtmp_listener, rtmp) = listen(config.rtmp, "RTMP")?;
        let (http_listener, http) = listen(config.http, "the watch page")?;
        let hub = Hub::default();
        let ingest = runtime.spawn(ingest::run(rtmp_listener, hub.clone()));
        let watch = runtime.spawn(watch::run(http_listener, http, hub.clone()));
        tracing::info!(%rtmp, %http, "serving");
        Ok(Self {
            rtmp,
            http,
            hub,
            tasks: [ingest.abort_handle(), watch.abort_handle()],
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

    /// Push address without the key, for this machine: "rtmp://127.0.0.1:1935/live".
    pub fn push_url(&self) -> String {
        format!("rtmp://{}/live", reachable(self.rtmp))
    }

    /// Watch page of a stream name, for this machine.
    pub fn watch_url(&self, name: &str) -> String {
        format!(
            "http://{}/watch/{}",
            reachable(self.http),
            page::percent_encode(name)
        )
    }

    /// Figures of all streams that are live now. Cheap.
    pub fn streams(&self) -> Vec<StreamStats> {
        self.hub.stats(Instant::now())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The accepting tasks own their connections' tasks, which end with them.
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Binds. Needs the runtime's context.
fn listen(addr: SocketAddr, what: &'static str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let open = || {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    open().map_err(|source| ServeError::Listen { what, addr, source })
}

/// "Any address" is listened on but cannot be connected to everywhere.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
