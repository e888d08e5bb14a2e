//! What the user sets about the way to servers. Plain data, saved in the settings file.

use serde::{Deserialize, Serialize};

use super::proxy::ProxyUrl;

/// The way to servers. Everything in it holds from the next connection on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// `socks5://[user:password@]host:port` or `http://[user:password@]host:port`; none when empty. The proxy looks up the
    /// server's name, too.
    pub proxy: ProxyUrl,
    /// Name of a network interface (Linux) or an address of this computer that connections start from; any when empty.
    pub bind: String,
    /// Who looks up names.
    pub resolver: ResolverKind,
    /// DNS over HTTPS: address that answers `?name=HOST&type=A` in JSON (`application/dns-json`).
    pub doh_url: String,
    /// HTTPDNS: address that answers `?host=HOST` with addresses; `{host}` in it stands for the name.
    pub httpdns_url: String,
    /// With DNS over HTTPS or HTTPDNS: a stream whose address has become slow moves to another one of the same name, at a
    /// keyframe.
    pub move_when_slow: bool,
    /// Hosts (and what lies under them) that a server may send the stream key to without a question.
    pub redirect_hosts: Vec<String>,
    /// Whether servers are told that we speak Enhanced RTMP.
    pub enhanced: EnhancedRtmp,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            proxy: ProxyUrl::default(),
            bind: String::new(),
            resolver: ResolverKind::System,
            doh_url: "https://dns.alidns.com/resolve".to_owned(),
            httpdns_url: String::new(),
            move_when_slow: true,
            redirect_hosts: Vec::new(),
            enhanced: EnhancedRtmp::Auto,
        }
    }
}

/// Who looks up the names of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolverKind {
    /// The operating system.
    #[default]
    System,
    /// DNS over HTTPS, JSON form.
    Doh,
    /// An HTTP service that returns addresses, as CDNs in China offer.
    Httpdns,
}

impl ResolverKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::System, Self::Doh, Self::Httpdns];
}

/// Whether servers are told that we speak Enhanced RTMP (HEVC and AV1, a wish to reconnect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnhancedRtmp {
    /// Services that are known to take it.
    #[default]
    Auto,
    /// All.
    On,
    /// None.
    Off,
}

/// Hosts of services that document Enhanced RTMP at their ingest: YouTube's help pages ("HEVC and AV1 over RTMP"), and
/// Twitch's for enhanced broadcasting.
const KNOWN: [&str; 3] = ["rtmp.youtube.com", "rtmps.youtube.com", "live-video.net"];

impl EnhancedRtmp {
    /// For a server of this name.
    pub fn is_on_for(self, host: &str) -> bool {
        match self {
            Self::On => true,
            Self::Off => false,
            Self::Auto => KNOWN
                .iter()
                .any(|known| crate::rtmp::demand::is_under(host, known)),
        }
    }
}

impl NetworkSettings {
    /// What is wrong with it: field and reason.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        if let Err(e) = self.proxy.parse() {
            out.push(("network.proxy", e.to_string()));
        }
        let is_http = |url: &str, may_be_plain: bool| {
            let plain = may_be_plain && url.starts_with("http://");
            (plain || url.starts_with("https://")) && url.parse::<hyper::Uri>().is_ok()
        };
        match self.resolver {
            ResolverKind::Doh if !is_http(&self.doh_url, false) => out.push((
                "network.doh_url",
                "it must begin with https:// (for example https://dns.alidns.com/resolve)"
                    .to_owned(),
            )),
            ResolverKind::Httpdns if !is_http(&self.httpdns_url.replace("{host}", "h"), true) => {
                out.push((
                    "network.httpdns_url",
                    "it must begin with http:// or https:// (for example http://203.107.1.33/100000/d)"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_rtmp_is_for_those_who_take_it() {
        assert!(EnhancedRtmp::Auto.is_on_for("a.rtmp.youtube.com"));
        assert!(EnhancedRtmp::Auto.is_on_for("fra05.contribute.live-video.net"));
        assert!(!EnhancedRtmp::Auto.is_on_for("live.example.com"));
        assert!(!EnhancedRtmp::Auto.is_on_for("notrtmp.youtube.com"));
        assert!(
            EnhancedRtmp::On.is_on_for("h") && !EnhancedRtmp::Off.is_on_for("a.rtmp.youtube.com")
        );
    }

    #[test]
    fn only_what_is_used_must_be_right() {
        let mut network = NetworkSettings::default();
        assert_eq!(network.problems(), []);
        network.httpdns_url = "nonsense".to_owned();
        assert_eq!(network.problems(), []);
        network.resolver = ResolverKind::Httpdns;
        assert_eq!(network.problems()[0].0, "network.httpdns_url");
        network.httpdns_url = "http://1.2.3.4/x/d?host={host}".to_owned();
        assert_eq!(network.problems(), []);
        network.resolver = ResolverKind::Doh;
        network.doh_url = "http://dns.example/resolve".to_owned();
        assert_eq!(network.problems()[0].0, "network.doh_url");
    }
}
