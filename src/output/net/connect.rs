//! From a host name to a TCP connection set up for live media: all addresses tried, through a proxy or from an interface
//! if wanted, with a time limit for each step.
//! Runs in the output's task.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::proxy::Proxy;
use super::resolver::Resolver;
use super::settings::{NetworkSettings, ResolverKind};
use crate::output::error::{OutputError, Phase};
use crate::output::probe;

/// Head start of an address before the next one is tried beside it (RFC 8305, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);
/// Most attempts at a time.
const MOST_TRIES: usize = 64;
/// An address that is silent is asked afresh this often: the system itself would wait 1, 2, 4 s between its tries, and a
/// link that returns in between would not be noticed.
const AGAIN: Duration = Duration::from_secs(1);
/// Addresses of one name whose distance is measured, and for how long each.
const MOST_MEASURED: usize = 5;
const MEASURE_LIMIT: Duration = Duration::from_secs(2);
/// The kernel gives up on data that nobody acknowledges after this time (Linux). The output itself gives up sooner; until
/// then a connection that comes back is worth keeping.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Where connections start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Local {
    /// As the system routes.
    Any,
    /// This network interface.
    Device(String),
    /// This address of ours.
    Address(IpAddr),
}

impl Local {
    /// What the settings say. Interfaces can be named on Linux only; elsewhere their address must be.
    pub(super) fn of(network: &NetworkSettings) -> Result<Self, OutputError> {
        let name = network.bind.trim();
        if name.is_empty() {
            return Ok(Self::Any);
        }
        match name.parse() {
            Ok(address) => Ok(Self::Address(address)),
            Err(_) if cfg!(any(target_os = "linux", target_os = "android")) => {
                Ok(Self::Device(name.to_owned()))
            }
            Err(_) => Err(OutputError::Interface {
                name: name.to_owned(),
            }),
        }
    }

    /// Whether `peer` can be reached from there as far as the kind of address tells.
    const fn suits(&self, peer: SocketAddr) -> bool {
        match self {
            Self::Address(ip) => ip.is_ipv4() == peer.is_ipv4(),
            Self::Any | Self::Device(_) => true,
        }
    }

    async fn connect(self, peer: SocketAddr) -> io::Result<TcpStream> {
        let socket = if peer.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        match self {
            Self::Any => {}
            Self::Address(ip) => socket.bind(SocketAddr::new(ip, 0)).map_err(no_start)?,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Device(name) => socket
                .bind_device(Some(name.as_bytes()))
                .map_err(no_start)?,
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Self::Device(_) => return Err(no_start(io::ErrorKind::Unsupported.into())),
        }
        socket.connect(peer).await
    }
}

/// Marks that it is the wished start of the connection that is not there.
fn no_start(error: io::Error) -> io::Error {
    tracing::debug!(%error, "bind");
    io::Error::new(io::ErrorKind::AddrNotAvailable, error)
}

/// What is needed to reach servers.
#[derive(Debug, Clone)]
pub(in crate::output) struct Route {
    pub(in crate::output) network: Arc<NetworkSettings>,
    pub(in crate::output) resolver: Arc<Resolver>,
    /// An address to be left for another one, if there is one.
    pub(in crate::output) avoid: Option<IpAddr>,
}

impl Route {
    /// Looks the name up and connects, through the proxy if one is set. The proxy looks up the server's name itself.
    pub(in crate::output) async fn open(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<TcpStream, OutputError> {
        let local = Local::of(&self.network)?;
        let bad = |e: super::ProxyError| OutputError::Proxy {
            proxy: format!("{:?}", self.network.proxy),
            reason: e.to_string(),
        };
        let stream = match self.network.proxy.parse().map_err(bad)? {
            None => self.direct(host, port, &local, limit).await?,
            Some(proxy) => through(&proxy, host, port, &local, limit).await?,
        };
        tune(&stream);
        Ok(stream)
    }

    async fn direct(
        &self,
        host: &str,
        port: u16,
        local: &Local,
        limit: Duration,
    ) -> Result<TcpStream, OutputError> {
        let Self {
            network,
            resolver,
            avoid,
        } = self;
        let mut addresses = resolver.lookup(host, port, network, limit).await?;
        addresses.sort_by_key(|a| Some(a.ip()) == *avoid);
        let reached = reach(&addresses, host, port, local, limit).await;
        if reached.is_err() {
            resolver.forget(host);
        }
        let stream = reached?;
        if network.resolver != ResolverKind::System
            && let Ok(peer) = stream.peer_addr()
        {
            addresses.retain(|a| *a != peer);
            addresses.insert(0, peer);
            addresses.truncate(MOST_MEASURED);
            tokio::spawn(measure(Arc::clone(resolver), addresses, local.clone()));
        }
        Ok(stream)
    }
}

async fn through(
    proxy: &Proxy,
    host: &str,
    port: u16,
    local: &Local,
    limit: Duration,
) -> Result<TcpStream, OutputError> {
    let system = NetworkSettings::default();
    let proxies = Resolver::default();
    let addresses = proxies.lookup(&proxy.host, proxy.port, &system, limit);
    let wrong = |reason: &str| OutputError::Proxy {
        proxy: format!("{}:{}", shown_host(&proxy.host), proxy.port),
        reason: reason.to_owned(),
    };
    let unknown = "its name is unknown or it does not answer: check its address";
    let addresses = addresses.await.map_err(|_lookup| wrong(unknown))?;
    let stream = reach(&addresses, &proxy.host, proxy.port, local, limit);
    let stream = stream.await.map_err(|e| match e {
        OutputError::Interface { .. } => e,
        _ => wrong(unknown),
    })?;
    timeout(limit, proxy.tunnel(stream, host, port))
        .await
        .map_err(|_elapsed| wrong("it takes the connection and does not answer in time"))?
        .map_err(wrong)
}

async fn reach(
    addresses: &[SocketAddr],
    host: &str,
    port: u16,
    local: &Local,
    limit: Duration,
) -> Result<TcpStream, OutputError> {
    timeout(limit, race(addresses, local))
        .await
        .map_err(|_elapsed| OutputError::TimedOut {
            phase: Phase::Tcp,
            seconds: limit.as_secs(),
        })?
        .map_err(|e| match (e.kind(), local) {
            (io::ErrorKind::AddrNotAvailable, Local::Device(name)) => {
                OutputError::Interface { name: name.clone() }
            }
            (io::ErrorKind::AddrNotAvailable, Local::Address(ip)) => OutputError::Interface {
                name: ip.to_string(),
            },
            _ => connect_error(host, port, e),
        })
}

/// Finds out how far each address is, one after the other. Only for services whose addresses the user asked to be
/// chosen from: each costs the server a connection.
async fn measure(resolver: Arc<Resolver>, addresses: Vec<SocketAddr>, local: Local) {
    for address in addresses {
        let began = Instant::now();
        match timeout(MEASURE_LIMIT, local.clone().connect(address)).await {
            Ok(Ok(_)) => resolver.measured(address.ip(), began.elapsed()),
            _ => resolver.disgrace(address.ip()),
        }
    }
}

/// The first address that answers (RFC 8305): the families take turns, and each address gets a short head start over the
/// next, so one that swallows packets does not hold up the others; when all fail, the most telling error is returned.
/// While none answers all are asked again each second, until the caller's patience ends.
pub(super) async fn race(addresses: &[SocketAddr], local: &Local) -> io::Result<TcpStream> {
    let usable: Vec<_> = (addresses.iter().copied())
        .filter(|a| local.suits(*a))
        .collect();
    race_with(&in_turns(&usable), |address| local.clone().connect(address)).await
}

/// Both families by turns, beginning with that of the first address (RFC 8305, section 4).
fn in_turns(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (mut ours, mut others): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|a| a.is_ipv4() == first.is_ipv4());
    let longest = ours.len().max(others.len());
    let (mut ours, mut others) = (ours.drain(..), others.drain(..));
    (0..longest)
        .flat_map(|_| [ours.next(), others.next()])
        .flatten()
        .collect()
}

async fn race_with<T, F>(
    addresses: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut tries = JoinSet::new();
    let mut waiting = addresses.iter().copied();
    let mut next = waiting.next();
    let mut error: Option<io::Error> = None;
    let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
    loop {
        if let Some(address) = next.take() {
            tries.spawn(connect(address));
        }
        tokio::select! {
            Some(done) = tries.join_next() => match done {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => {
                    let telling = e.kind() == io::ErrorKind::ConnectionRefused;
                    if telling || error.is_none() {
                        error = Some(e);
                    }
                    next = waiting.next();
                }
                Err(e) => error = error.or(Some(io::Error::other(e))),
            },
            () = sleep(STAGGER), if waiting.len() > 0 => next = waiting.next(),
            _ = again.tick(), if waiting.len() == 0 && tries.len() < MOST_TRIES => {
                for &address in addresses {
                    tries.spawn(connect(address));
                }
            }
            else => break,
        }
        if tries.is_empty() && next.is_none() {
            break;
        }
    }
    Err(error.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

/// The host as it stands in an address: IPv6 in brackets.
pub(in crate::output) fn shown_host(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn connect_error(host: &str, port: u16, source: io::Error) -> OutputError {
    let host = shown_host(host);
    match source.kind() {
        io::ErrorKind::ConnectionRefused => OutputError::Refused { host, port },
        _ => OutputError::Unreachable { host, port, source },
    }
}

/// Whole messages are written at once, so Nagle's delay gains nothing; a peer that vanished is noticed. Failures only
/// cost latency, so they are no errors.
fn tune(stream: &TcpStream) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(error = %e, "no TCP_NODELAY");
    }
    #[cfg(target_os = "linux")]
    if let Err(e) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT)) {
        tracing::debug!(error = %e, "no TCP_USER_TIMEOUT");
    }
    probe::quicken(stream);
}

/// Keeps the kernel from taking more than `bytes` beyond what is on the way, so that a backlog stays in the send queue
/// where pictures can still be dropped. Without effect where the system has no such option.
pub(in crate::output) fn limit_kernel_backlog(stream: &TcpStream, bytes: u32) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(e) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(bytes) {
        tracing::debug!(error = %e, "no TCP_NOTSENT_LOWAT");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _unused = (stream, bytes);
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
