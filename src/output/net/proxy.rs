//! Through a proxy: an open connection to it in, the same connection, now leading to the server, out. SOCKS5 (RFC 1928,
//! 1929) and HTTP CONNECT (RFC 9110, 9.3.6).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_socks::Error as SocksError;
use tokio_socks::tcp::Socks5Stream;

use super::connect::shown_host;
use crate::rtmp::url::{Login, RtmpUrl};

/// Longest answer of an HTTP proxy.
const MAX_ANSWER: usize = 8 << 10;
/// Longest name and password (RFC 1929).
const MAX_LOGIN: usize = 255;

/// A proxy's address as it is written in the settings. May hold a password, so it prints masked.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// From text; judged when it is used.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with its password: for the field it is edited in.
    pub const fn text_mut(&mut self) -> &mut String {
        &mut self.0
    }

    /// None is used.
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// What it says; `None` when there is no proxy.
    pub(super) fn parse(&self) -> Result<Option<Proxy>, ProxyError> {
        if self.is_empty() {
            return Ok(None);
        }
        let text = self.0.trim();
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => Kind::Socks5,
            "http" => Kind::Http,
            _ => return Err(ProxyError::Scheme),
        };
        let rest = rest.trim_end_matches('/');
        let has_port = rest
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !has_port {
            return Err(ProxyError::Address);
        }
        // the same rules for hosts, ports, brackets and logins as in a push address
        let url = RtmpUrl::parse(&format!("rtmp://{rest}/proxy/name"), None)
            .map_err(|_odd| ProxyError::Address)?;
        let fits =
            |login: &Login| login.user.len() <= MAX_LOGIN && login.password.len() <= MAX_LOGIN;
        if !url.login.as_ref().is_none_or(fits) {
            return Err(ProxyError::Login);
        }
        Ok(Some(Proxy {
            kind,
            host: url.host,
            port: url.port,
            login: url.login,
        }))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = self.0.rsplit_once('@');
        let shown = login.map_or_else(|| self.0.clone(), |(_, host)| format!("••••@{host}"));
        f.write_str(&shown)
    }
}

/// Why a text is no proxy's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another kind of proxy.
    #[error(
        "a proxy's address begins with socks5:// or http:// (for example socks5://127.0.0.1:1080)"
    )]
    Scheme,
    /// No host, or no port.
    #[error("a proxy's address has a host and a port (for example socks5://127.0.0.1:1080)")]
    Address,
    /// RFC 1929 has one byte for each length.
    #[error("user name and password of a proxy have at most 255 bytes each")]
    Login,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    kind: Kind,
    pub(super) host: String,
    pub(super) port: u16,
    login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socks5,
    Http,
}

impl Proxy {
    /// Asks the proxy to connect to the server. On failure: what went wrong and what to do, in words.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, &'static str> {
        match self.kind {
            Kind::Socks5 => self.socks5(stream, host, port).await,
            Kind::Http => self.connect(stream, host, port).await,
        }
    }

    async fn socks5(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, &'static str> {
        let target = (host, port);
        let made = match &self.login {
            Some(Login { user, password }) => {
                Socks5Stream::connect_with_password_and_socket(stream, target, user, password).await
            }
            None => Socks5Stream::connect_with_socket(stream, target).await,
        };
        made.map(Socks5Stream::into_inner).map_err(|e| {
            tracing::debug!(error = %e, "SOCKS5");
            socks_words(&e)
        })
    }

    async fn connect(
        &self,
        mut stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, &'static str> {
        const BROKE: &str = "it closed the connection: is this an HTTP proxy, is the port right?";
        let server = format!("{}:{port}", shown_host(host));
        let mut request = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n");
        if let Some(Login { user, password }) = &self.login {
            let login = BASE64.encode(format!("{user}:{password}"));
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let write = stream.write_all(request.as_bytes()).await;
        write.map_err(|_io| BROKE)?;
        let mut answer = Vec::new();
        // byte by byte, so that nothing of what follows is taken; the answer has a few hundred
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER {
                return Err("it answers nonsense: is this an HTTP proxy, is the port right?");
            }
            answer.push(stream.read_u8().await.map_err(|_io| BROKE)?);
        }
        let answer = String::from_utf8_lossy(&answer);
        let mut line = answer.lines().next().unwrap_or("").split(' ');
        let (version, code) = (line.next().unwrap_or(""), line.next().unwrap_or(""));
        tracing::debug!(code, "HTTP CONNECT");
        match code {
            _ if !version.starts_with("HTTP/1.") => {
                Err("it answers nonsense: is this an HTTP proxy, is the port right?")
            }
            "407" => Err("it wants a user name and password, or others than these"),
            code if code.len() == 3 && code.starts_with('2') => Ok(stream),
            "403" | "405" => Err("it does not allow connections to this server and port"),
            _ => Err("it cannot reach the server: check the server's address"),
        }
    }
}

const fn socks_words(error: &SocksError) -> &'static str {
    match error {
        SocksError::PasswordAuthFailure(_) => "user name or password are wrong",
        SocksError::NoAcceptableAuthMethods => {
            "it wants a user name and password, or does not take these"
        }
        SocksError::ConnectionNotAllowedByRuleset => {
            "it does not allow connections to this server and port"
        }
        SocksError::GeneralSocksServerFailure
        | SocksError::NetworkUnreachable
        | SocksError::HostUnreachable
        | SocksError::ConnectionRefused
        | SocksError::TtlExpired => "it cannot reach the server: check the server's address",
        _ => "it answers nonsense: is this a SOCKS5 proxy, is the port right?",
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
