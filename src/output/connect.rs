//! From a host name to a TCP connection set up for live media: all addresses tried, with a time limit for each step.
//! Runs in the output's task.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout};

use super::error::{OutputError, Phase};
use super::probe;

/// Head start of an address before the next one is tried beside it (RFC 8305, "Connection Attempt Delay").
const STAGGER: Duration = Duration::from_millis(250);
/// Most attempts at a time.
const MOST_TRIES: usize = 64;
/// An address that is silent is asked afresh this often: the system itself would wait 1, 2, 4 s between its tries, and a
/// link that returns in between would not be noticed.
const AGAIN: Duration = Duration::from_secs(1);
/// The kernel gives up on data that nobody acknowledges after this time (Linux). The output itself gives up sooner; until
/// then a connection that comes back is worth keeping.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// Looks the name up and connects.
pub(super) async fn open(host: &str, port: u16, limit: Duration) -> Result<TcpStream, OutputError> {
    let addresses = resolve(host, port, limit).await?;
    let stream = timeout(limit, connect_any(&addresses))
        .await
        .map_err(|_elapsed| OutputError::TimedOut {
            phase: Phase::Tcp,
            seconds: limit.as_secs(),
        })?
        .map_err(|e| connect_error(host, port, e))?;
    tune(&stream);
    Ok(stream)
}

async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, OutputError> {
    let unknown = || OutputError::UnknownHost {
        host: host.to_owned(),
    };
    let found = timeout(limit, lookup_host((host, port)))
        .await
        .map_err(|_elapsed| OutputError::TimedOut {
            phase: Phase::Resolve,
            seconds: limit.as_secs(),
        })?
        .map_err(|e| {
            tracing::debug!(host, error = %e, "name lookup failed");
            unknown()
        })?;
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(unknown());
    }
    Ok(found)
}

/// The first address that answers. Each gets a short head start over the next, so one that swallows packets does not
/// hold up the others; when all fail, the most telling error is returned. While none answers all are asked again each
/// second, until the caller's patience ends.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut tries = JoinSet::new();
    let mut waiting = addresses.iter().copied();
    let mut next = waiting.next();
    let mut error: Option<io::Error> = None;
    let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
    loop {
        if let Some(address) = next.take() {
            tries.spawn(TcpStream::connect(address));
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
                    tries.spawn(TcpStream::connect(address));
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
pub(super) fn shown_host(host: &str) -> String {
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
pub(super) fn limit_kernel_backlog(stream: &TcpStream, bytes: u32) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(e) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(bytes) {
        tracing::debug!(error = %e, "no TCP_NOTSENT_LOWAT");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _unused = (stream, bytes);
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    async fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    }

    /// A listener whose queue is full: the kernel swallows further connection attempts.
    #[cfg(target_os = "linux")]
    async fn swallowing() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(STAGGER, TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (socket, waiting, address)
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn every_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let refused = SocketAddr::from(([127, 0, 0, 1], free_port().await));
        let (_socket, _waiting, swallowed) = swallowing().await;
        let addresses = [swallowed, refused, good];
        let stream = timeout(LIMIT, connect_any(&addresses)).await.unwrap();
        assert_eq!(stream.unwrap().peer_addr().unwrap(), good);

        let e = open("127.0.0.1", swallowed.port(), STAGGER).await;
        let e = e.unwrap_err();
        assert!(
            matches!(
                e,
                OutputError::TimedOut {
                    phase: Phase::Tcp,
                    ..
                }
            ),
            "{e:?}"
        );
    }

    #[tokio::test]
    async fn a_refusal_tells_more_than_no_route() {
        let refused = SocketAddr::from(([127, 0, 0, 1], free_port().await));
        let broadcast = SocketAddr::from(([255, 255, 255, 255], 1935));
        for order in [[refused, broadcast], [broadcast, refused]] {
            let e = connect_any(&order).await.unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
        }
        let e = connect_any(&[broadcast]).await.unwrap_err();
        let e = connect_error("h", 1, e);
        assert!(matches!(e, OutputError::Unreachable { .. }), "{e:?}");
    }

    #[tokio::test]
    async fn sockets_are_tuned() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = open("127.0.0.1", port, LIMIT).await.unwrap();
        assert!(stream.nodelay().unwrap());
        limit_kernel_backlog(&stream, 20_000);
        #[cfg(target_os = "linux")]
        {
            let socket = socket2::SockRef::from(&stream);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), 20_000);
        }
    }

    #[tokio::test]
    async fn unknown_names_and_refused_ports_are_told_apart() {
        let e = open("no-such-host.invalid", 1935, LIMIT).await.unwrap_err();
        assert!(matches!(e, OutputError::UnknownHost { .. }), "{e:?}");
        let port = free_port().await;
        let e = open("127.0.0.1", port, LIMIT).await.unwrap_err();
        assert!(matches!(e, OutputError::Refused { .. }), "{e:?}");
    }
}
