//! `rtmp://host[:port]/app/key`, `rtmps://…` and their forms: text as people paste it in, the parts servers want out. The key is a
//! secret by type. Pure functions.

use std::fmt;
use std::net::Ipv6Addr;

/// A stream key: never printed, in `Debug` neither. Wiped? No: it is the user's own machine; it just never leaves by
/// a log, an error, a title or the settings file.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StreamKey(String);

impl StreamKey {
    /// Wraps a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Nothing was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

/// Name and password of a server that wants a login. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Login {
    /// Who.
    pub user: String,
    /// Never sent as it is.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("••••")
    }
}

/// A publish address, split as servers want it. `Display` and `Debug` mask the key and the application's query.
#[derive(Clone, PartialEq, Eq)]
pub struct RtmpUrl {
    /// Encrypted: `rtmps://`.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port; 1935 unless given, 443 for `rtmps://`.
    pub port: u16,
    /// Application, with its query if the user put one on it. The query may hold a secret.
    pub app: String,
    /// Publish name with its query.
    pub key: StreamKey,
    /// `user:password@` in front of the host, for servers that want a login ([`super::auth`]).
    pub login: Option<Login>,
}

/// The ports of RTMP, plain and encrypted.
const DEFAULT_PORT: u16 = 1935;
const DEFAULT_TLS_PORT: u16 = 443;

/// What nginx-rtmp has room for; it cuts longer strings without a word.
const SAFE_LENGTH: usize = 255;

/// Why a text is no publish address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `rtmp://` nor `rtmps://`.
    #[error(
        "the address must begin with rtmp:// or rtmps:// (for example rtmp://live.example.com/app/key)"
    )]
    Scheme,
    /// White space inside.
    #[error(
        "the address has a space or a line break inside: copy it again in one piece \
         (for example rtmp://live.example.com/app/key)"
    )]
    Space,
    /// Nothing between `rtmp://` and the path.
    #[error("the address names no server (for example rtmp://live.example.com/app/key)")]
    NoHost,
    /// Characters that no server name has.
    #[error(
        "the server name {host:?} has a character that does not belong there \
         (for example rtmp://live.example.com/app/key)"
    )]
    BadHost {
        /// As typed.
        host: String,
    },
    /// A colon inside the address, but not the brackets that go with it.
    #[error(
        "an IPv6 address must be whole and stand in brackets (for example rtmp://[2001:db8::1]/app/key)"
    )]
    Ipv6,
    /// No number, or not a port's.
    #[error(
        "the port behind the server name must be a number from 1 to 65535 \
         (for example rtmp://live.example.com:1935/app/key)"
    )]
    Port,
    /// No path.
    #[error(
        "the address names no application behind the server \
         (for example rtmp://live.example.com/app/key, where the application is \"app\")"
    )]
    NoApp,
    /// Neither in the address nor apart.
    #[error(
        "there is no stream key: put it behind the application \
         (for example rtmp://live.example.com/app/key) or into the field for the key"
    )]
    NoKey,
}

/// An address with the key in a place of its own: what settings may store, and what they must not. (A query on the
/// application stays in the address, as the server needs it there.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitAddress {
    /// The address without publish name and without user name and password. It ends in "/" where the application has
    /// more than one part, so that [`RtmpUrl::parse`] takes all of them for the application.
    pub address: String,
    /// The publish name, if the text had one.
    pub key: Option<StreamKey>,
    /// User name and password, if the text had them.
    pub login: Option<Login>,
}

/// Takes the key out of a pasted address. The text may lack the application and the key: only what is there is judged.
pub fn split_address(text: &str) -> Result<SplitAddress, UrlError> {
    let parts = Parts::of(text)?;
    let mut address = origin(parts.tls, &parts.host, parts.port);
    if !parts.app.is_empty() {
        address.push('/');
        address.push_str(&parts.app);
        if path_of(&parts.app).contains('/') {
            address.push('/');
        }
    }
    Ok(SplitAddress {
        address,
        key: Some(StreamKey::new(parts.name)).filter(|k| !k.is_empty()),
        login: parts.login,
    })
}

impl RtmpUrl {
    /// Splits an address.
    ///
    /// The application reaches up to the last `/` before the `?`, the key is the rest with its query:
    /// `rtmp://host/app/key?auth=1`, `rtmp://host/a/b/key`, `rtmp://host/app/?streamname=x&key=y`. A query right
    /// behind a one-part application and before the key belongs to the application: `rtmp://host/app?vhost=x/key`.
    ///
    /// A `key` given apart wins over one in `address`. An application of several parts then needs a "/" at its end
    /// (`rtmp://host/a/b/`), as the last part would be taken for a key.
    ///
    /// Full-width characters of Chinese and Japanese keyboards, quotes and spaces around are put right. User name and
    /// password (`rtmp://user:password@host/…`, with `%40` and the like for special characters) become the login.
    pub fn parse(address: &str, key: Option<&StreamKey>) -> Result<Self, UrlError> {
        let parts = Parts::of(address)?;
        if path_of(&parts.app).is_empty() {
            return Err(UrlError::NoApp);
        }
        let key = match key.map(|k| clean(k.expose())) {
            Some(key) if !key.is_empty() => key,
            _ => parts.name,
        };
        if key.is_empty() {
            return Err(UrlError::NoKey);
        }
        if key.contains(char::is_whitespace) {
            return Err(UrlError::Space);
        }
        Ok(Self {
            tls: parts.tls,
            host: parts.host,
            port: parts.port,
            app: parts.app,
            key: StreamKey::new(key),
            login: parts.login,
        })
    }

    /// An address that has no publish name: all of its path is the application, which may be empty.
    pub(super) fn of_tc_url(text: &str) -> Result<Self, UrlError> {
        let parts = Parts::of(text)?;
        let text = clean(text);
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        Ok(Self {
            tls: parts.tls,
            host: parts.host,
            port: parts.port,
            app: path.trim_matches('/').to_owned(),
            key: StreamKey::default(),
            login: None,
        })
    }

    /// With this login, unless it has one of its own.
    #[must_use]
    pub fn with_login(mut self, login: Option<&Login>) -> Self {
        self.login = self.login.or_else(|| login.cloned());
        self
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> String {
        origin(self.tls, &self.host, self.port)
    }

    /// `tcUrl`: scheme, host, port, app with its query; never the publish name. For the wire, not for people: the
    /// query may hold a secret.
    pub fn tc_url(&self) -> String {
        format!("{}/{}", origin(self.tls, &self.host, self.port), self.app)
    }

    /// The part, in words, that is longer than 255 bytes: some servers cut it there and then do not know it.
    pub fn too_long(&self) -> Option<&'static str> {
        [
            ("stream key", self.key.expose().len()),
            ("application", self.app.len()),
            ("address", self.tc_url().len()),
        ]
        .into_iter()
        .find_map(|(what, len)| (len > SAFE_LENGTH).then_some(what))
    }
}

impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = path_of(&self.app);
        let query = if app.len() < self.app.len() {
            "?••••"
        } else {
            ""
        };
        let origin = origin(self.tls, &self.host, self.port);
        write!(f, "{origin}/{app}{query}/••••")
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address taken apart; `app` and `name` may be empty.
struct Parts {
    tls: bool,
    host: String,
    port: u16,
    app: String,
    name: String,
    login: Option<Login>,
}

impl Parts {
    fn of(text: &str) -> Result<Self, UrlError> {
        let text = clean(text);
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = scheme.eq_ignore_ascii_case("rtmps");
        if !tls && !scheme.eq_ignore_ascii_case("rtmp") {
            return Err(UrlError::Scheme);
        }
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(UrlError::Space);
        }
        let (authority, path) = rest
            .find(['/', '?'])
            .map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = host_and_port(authority, default_port(tls))?;
        let (app, name) = app_and_name(path.trim_start_matches('/'));
        Ok(Self {
            tls,
            host,
            port,
            app: app.to_owned(),
            name: name.to_owned(),
            login: login_of(authority),
        })
    }
}

/// `user:password@` in front of a host. Percent signs stand for what would not fit in there.
fn login_of(authority: &str) -> Option<Login> {
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    (!user.is_empty()).then(|| Login {
        user: percent_decoded(user),
        password: percent_decoded(password),
    })
}

/// `%40` becomes `@`; what is no such code stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn host_and_port(authority: &str, default_port: u16) -> Result<(String, u16), UrlError> {
    // the last @: passwords may hold one
    let server = authority.rsplit_once('@').map_or(authority, |(_, s)| s);
    let (host, port) = if let Some(rest) = server.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or(UrlError::Ipv6)?;
        let address = host.split('%').next().unwrap_or(host);
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(UrlError::Ipv6);
        }
        let port = match behind {
            "" => None,
            _ => Some(behind.strip_prefix(':').ok_or(UrlError::Port)?),
        };
        (host, port)
    } else {
        if server.matches(':').count() > 1 {
            return Err(UrlError::Ipv6);
        }
        match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        }
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let belongs = |c: char| c.is_alphanumeric() || "-._:%".contains(c);
    if !host.chars().all(belongs) {
        return Err(UrlError::BadHost {
            host: host.to_owned(),
        });
    }
    let port = match port {
        None => default_port,
        Some(text) => text
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or(UrlError::Port)?,
    };
    Ok((host.to_owned(), port))
}

/// Application and publish name of a path without its first slash.
fn app_and_name(path: &str) -> (&str, &str) {
    let before_query = path_of(path);
    let at = before_query.rfind('/').or_else(|| {
        // `app?k=v/stream`; with a slash before the "?" the query is the name's, and one inside it is data: keys
        // are signed in base64
        (before_query.len() < path.len())
            .then(|| path.rfind('/'))
            .flatten()
    });
    match at {
        Some(at) => (path[..at].trim_end_matches('/'), &path[at + 1..]),
        None => (path, ""),
    }
}

/// What stands before the query.
fn path_of(text: &str) -> &str {
    text.split('?').next().unwrap_or(text)
}

const fn default_port(tls: bool) -> u16 {
    if tls { DEFAULT_TLS_PORT } else { DEFAULT_PORT }
}

/// `rtmp[s]://host[:port]` as it stands in an address.
fn origin(tls: bool, host: &str, port: u16) -> String {
    let scheme = if tls { "rtmps" } else { "rtmp" };
    let brackets = if host.contains(':') {
        ("[", "]")
    } else {
        ("", "")
    };
    let (open, close) = brackets;
    if port == default_port(tls) {
        format!("{scheme}://{open}{host}{close}")
    } else {
        format!("{scheme}://{open}{host}{close}:{port}")
    }
}

/// Puts right what keyboards and copying do to an address: full-width forms become ASCII, invisible characters vanish,
/// spaces and quotes around go.
fn clean(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'))
        .map(|c| match c {
            // the block of full-width forms lies at a fixed distance from ASCII
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            '\u{3000}' | '\u{00A0}' => ' ',
            '\u{3002}' | '\u{FF61}' => '.',
            _ => c,
        })
        .collect();
    let around =
        |c: char| c.is_whitespace() || c.is_control() || "\"'`<>“”‘’「」『』《》".contains(c);
    text.trim_matches(around).to_owned()
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
