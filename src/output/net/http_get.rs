//! One HTTP GET for a small answer: address in, body out. For name services; not for anything large.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::connect::{self, Local};
use crate::output::transport;

/// Largest answer taken.
const MAX_BODY: usize = 64 << 10;

/// Why there is no answer, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum GetError {
    #[error("the address is none: {0}")]
    Address(&'static str),
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    #[error("no encryption")]
    Tls(#[source] rustls::Error),
    #[error("no answer")]
    Http(#[from] hyper::Error),
    #[error("the answer is too long or broken")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer is {0}")]
    Status(u16),
}

/// Gets `url`; the caller limits the time.
pub(super) async fn get(url: &str, accept: &'static str, local: &Local) -> Result<Bytes, GetError> {
    let uri: Uri = url
        .parse()
        .map_err(|_odd| GetError::Address("not an URL"))?;
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().ok_or(GetError::Address("no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let addresses: Vec<_> = tokio::net::lookup_host((host, port))
        .await
        .map_err(GetError::Connect)?
        .collect();
    let stream = connect::race(&addresses, local)
        .await
        .map_err(GetError::Connect)?;
    if !tls {
        return exchange(stream, &uri, accept).await;
    }
    let config = transport::config(false).map_err(GetError::Tls)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_odd| GetError::Address("no name for a certificate"))?;
    let stream = TlsConnector::from(Arc::clone(&config))
        .connect(name, stream)
        .await
        .map_err(GetError::Connect)?;
    exchange(stream, &uri, accept).await
}

async fn exchange<S>(stream: S, uri: &Uri, accept: &'static str) -> Result<Bytes, GetError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let host = uri.authority().map_or("", |a| a.as_str());
    let request = Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, accept)
        .header(USER_AGENT, concat!("Kaibo/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_odd| GetError::Address("not an URL"))?;
    let ask = async {
        let answer = sender.send_request(request).await?;
        if !answer.status().is_success() {
            return Err(GetError::Status(answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
        Ok(body.map_err(GetError::Body)?.to_bytes())
    };
    tokio::pin!(connection, ask);
    tokio::select! {
        answer = &mut ask => answer,
        ended = &mut connection => {
            // the answer may have been read whole before the end
            ended?;
            ask.await
        }
    }
}
