//! The watch page's HTTP server: requests in; the list of streams, the page, live fragmented MP4 and figures out.
//!
//! One task per connection on the server's runtime. Nothing here may be read by other web sites: no CORS headers,
//! foreign origins and, on loopback, foreign host names are refused (DNS rebinding).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Either;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::fanout::Subscription;
use super::hub::{Hub, NAME_LIMIT};
use super::page;
use super::stream::Fragment;

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS: usize = 64;
/// A request's head must be complete within this, also on a kept connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The kernel holds about this much for a viewer: the rest waits where it is measured and dropped by whole groups.
const SEND_BUFFER: usize = 256 * 1024;
/// Bytes of response that hyper may hold for a viewer.
const RESPONSE_BUFFER: usize = 64 * 1024;

type Answer = Response<Either<Full<Bytes>, Live>>;

/// Serves until its task is aborted.
pub(super) async fn run(listener: TcpListener, local: SocketAddr, hub: Hub) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the watch page's server cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await; // out of file descriptors: do not spin
                continue;
            }
        };
        let hub = hub.clone();
        connections.spawn(async move {
            let _slot = slot;
            if let Err(error) = connection(stream, local, hub).await {
                tracing::debug!(%error, "viewer's connection ended");
            }
        });
    }
}

async fn connection(stream: TcpStream, local: SocketAddr, hub: Hub) -> Result<(), hyper::Error> {
    // Both only improve the delay; the page works without.
    stream.set_nodelay(true).ok();
    socket2::SockRef::from(&stream)
        .set_send_buffer_size(SEND_BUFFER)
        .ok();
    // What streams are called may be somebody's key: only this computer is told.
    let listed = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
    let service = service_fn(move |request| {
        let answer = answer(&request, local, &hub, listed);
        async move { Ok::<_, Infallible>(answer) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(RESPONSE_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(request: &Request<Incoming>, local: SocketAddr, hub: &Hub, listed: bool) -> Answer {
    let mut answer = if request.method() != Method::GET {
        text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here")
    } else if let Err(reason) = check_origin(request.uri(), request.headers(), local.ip()) {
        text(StatusCode::FORBIDDEN, reason)
    } else {
        route(request.uri().path(), hub, listed)
    };
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address names the stream, which may be somebody's key.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in fixed {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn route(path: &str, hub: &Hub, listed: bool) -> Answer {
    let now = Instant::now();
    match path {
        "/" => {
            let streams = listed.then(|| hub.stats(now));
            return whole(
                "text/html; charset=utf-8",
                page::listing(streams.as_deref()),
            );
        }
        "/assets/watch.js" => return whole("text/javascript; charset=utf-8", page::SCRIPT),
        "/assets/watch.css" => return whole("text/css; charset=utf-8", page::STYLE),
        _ => {}
    }
    let Some((area, name)) = path.strip_prefix('/').and_then(|p| p.split_once('/')) else {
        return not_found();
    };
    let decoded = |name: &str| page::percent_decode(name).filter(|n| n.len() <= NAME_LIMIT);
    match area {
        "watch" => match decoded(name) {
            Some(name) if !name.is_empty() => whole("text/html; charset=utf-8", page::watch(&name)),
            _ => not_found(),
        },
        "stats" => match decoded(name) {
            Some(name) => whole(
                "application/json",
                page::stats(hub.get(&name).map(|s| s.stats(now)).as_ref()),
            ),
            None => not_found(),
        },
        "stream" => match name.strip_suffix(".mp4").and_then(decoded) {
            Some(name) => live(&name, hub, now),
            None => not_found(),
        },
        _ => not_found(),
    }
}

fn live(name: &str, hub: &Hub, now: Instant) -> Answer {
    let Some((content_type, fragments)) = hub.get(name).and_then(|s| s.watch(now)) else {
        return text(
            StatusCode::NOT_FOUND,
            "this stream is not live (yet), or browsers cannot play it",
        );
    };
    let mut response = Response::new(Either::Right(Live { fragments }));
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// The body of a live stream: ends when the stream does.
#[derive(Debug)]
struct Live {
    fragments: Subscription<Fragment>,
}

impl Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.fragments
            .poll_next(cx)
            .map(|unit| unit.map(|fragment| Ok(Frame::data(fragment.data))))
    }
}

fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text(status: StatusCode, message: &'static str) -> Answer {
    let mut response = whole("text/plain; charset=utf-8", message);
    *response.status_mut() = status;
    response
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "nothing here")
}

/// Refuses what another web site makes a browser ask for. `Err` is what to answer.
fn check_origin(uri: &Uri, headers: &HeaderMap, local: IpAddr) -> Result<(), &'static str> {
    let value = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let authority = uri.authority().map(hyper::http::uri::Authority::as_str);
    let Some(host) = authority.or_else(|| value(header::HOST)) else {
        return Err("the request names no host");
    };
    // A name that an attacker's DNS server points at 127.0.0.1 arrives here under that name.
    // On other addresses only numbers are answered to, which no DNS server can point elsewhere.
    match host_address(host) {
        Some(ip) if ip.is_loopback() || !local.is_loopback() => {}
        Some(_) => return Err("this server answers to 127.0.0.1 and localhost only"),
        None => return Err("this server answers to its IP address and to localhost only"),
    }
    if let Some(origin) = headers.get(header::ORIGIN)
        && origin.as_bytes() != format!("http://{host}").as_bytes()
    {
        return Err("other web sites may not read this");
    }
    let site = value(HeaderName::from_static("sec-fetch-site"));
    let mode = value(HeaderName::from_static("sec-fetch-mode"));
    match site {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if mode == Some("navigate") => Ok(()), // a link somewhere, followed by a person
        Some(_) => Err("other web sites may not read this"),
    }
}

/// The address a Host field gives as a number, with "localhost" as 127.0.0.1; `None` for other names.
fn host_address(host: &str) -> Option<IpAddr> {
    let name = match host.rsplit_once(':') {
        // "[::1]" without a port has colons too.
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    name.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(local: Ipv4Addr, fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        check_origin(&Uri::from_static("/"), &headers, IpAddr::V4(local)).is_ok()
    }

    #[test]
    fn names_of_streams_are_not_listed_to_the_network() {
        let hub = Hub::default();
        let shown = |listed| route("/", &hub, listed).into_body();
        let text = |listed| {
            let Either::Left(body) = shown(listed) else {
                panic!("a live body");
            };
            format!("{body:?}")
        };
        assert!(text(true).contains("Nothing is live yet"));
        assert!(text(false).contains("whole address"), "{}", text(false));
    }

    #[test]
    fn foreign_names_and_origins_are_refused() {
        let here = Ipv4Addr::LOCALHOST;
        assert!(verdict(here, &[("host", "127.0.0.1:8935")]));
        assert!(verdict(here, &[("host", "localhost:8935")]));
        assert!(verdict(here, &[("host", "[::1]:8935")]));
        assert!(verdict(here, &[("host", "[::1]")]));
        assert!(!verdict(here, &[]));
        assert!(!verdict(here, &[("host", "evil.example:8935")]));
        assert!(!verdict(here, &[("host", "127.0.0.1.evil.example")]));
        assert!(!verdict(here, &[("host", "192.168.1.5")]));
        let host = ("host", "127.0.0.1:8935");
        assert!(verdict(here, &[host, ("origin", "http://127.0.0.1:8935")]));
        assert!(!verdict(here, &[host, ("origin", "http://127.0.0.1:3000")]));
        assert!(!verdict(here, &[host, ("origin", "null")]));
        assert!(!verdict(
            here,
            &[
                host,
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "no-cors")
            ]
        ));
        assert!(verdict(
            here,
            &[
                host,
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate")
            ]
        ));
        let everywhere = Ipv4Addr::UNSPECIFIED;
        assert!(verdict(everywhere, &[("host", "192.168.1.7:8935")]));
        assert!(
            !verdict(everywhere, &[("host", "evil.example:8935")]),
            "a name may be pointed anywhere"
        );
        assert!(!verdict(
            everywhere,
            &[
                ("host", "studio.local:8935"),
                ("origin", "http://evil.example")
            ]
        ));
    }
}
