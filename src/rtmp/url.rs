//! `rtmp://host[:port]/app/key` and its forms. The key is a secret by type.

use std::fmt;

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

/// A publish address, split as servers want it. `Display` and `Debug` mask the key.
#[derive(Clone, PartialEq, Eq)]
pub struct RtmpUrl {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port; 1935 unless given.
    pub port: u16,
    /// Application, with its query if the user put one on it.
    pub app: String,
    /// Publish name with its query.
    pub key: StreamKey,
}

/// Why a text is no publish address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No `rtmp://`.
    #[error("the address must begin with rtmp:// (for example rtmp://live.example.com/app/key)")]
    Scheme,
}

impl RtmpUrl {
    /// Splits an address; `key` wins over a publish name in `address`.
    pub fn parse(_address: &str, _key: Option<&StreamKey>) -> Result<Self, UrlError> {
        Err(UrlError::Scheme)
    }

    /// `tcUrl`: scheme, host, port, app with its query; never the publish name.
    pub fn tc_url(&self) -> String {
        String::new()
    }
}

impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtmp://{}:{}/{}/••••", self.host, self.port, self.app)
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
