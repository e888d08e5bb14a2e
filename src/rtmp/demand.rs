//! What a server asks for instead of taking the stream: another address (a redirect, a wish to reconnect) or a login.
//! Values of the server in, addresses and verdicts out. Pure.

use std::net::IpAddr;

use super::auth::{self, AuthDemand};
use super::url::{RtmpUrl, UrlError};
use crate::flv::amf0::Amf0Value;

/// Longest address taken from a server.
const MAX_ADDRESS: usize = 1024;

/// What a refusal demands.
#[derive(Clone, PartialEq, Eq)]
pub enum Demand {
    /// A login, or the next step of one.
    Auth(AuthDemand),
    /// To go to another address; see [`target`].
    Redirect(Redirect),
}

/// Where a server sends us. May hold secrets, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirect(String);

impl Redirect {
    /// An address as a server gave it: whole, or relative to the present one. `None` when it is none.
    pub(super) fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= MAX_ADDRESS;
        fits.then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Redirect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redirect(••••)")
    }
}

impl std::fmt::Debug for Demand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auth(a) => write!(f, "Auth({a:?})"),
            Self::Redirect(r) => r.fmt(f),
        }
    }
}

/// What the information object of a refusal, or its words, demand.
pub(super) fn of_refusal(info: Option<&Amf0Value>, description: &str) -> Option<Demand> {
    redirect(info)
        .map(Demand::Redirect)
        .or_else(|| auth::demand(description).map(Demand::Auth))
}

/// SRS, Wowza, Red5 and their like: `ex.code` 302 with the new `tcUrl` in `ex.redirect`; `ex.redirect2` is a whole address
/// for players.
fn redirect(info: Option<&Amf0Value>) -> Option<Redirect> {
    let ex = info?.get("ex")?;
    let code = ex.get("code")?;
    let is_302 = code.as_f64() == Some(302.0) || code.as_str() == Some("302");
    let text = ex.get("redirect").and_then(Amf0Value::as_str);
    is_302.then(|| Redirect::new(text?))?
}

/// The address a server sends us to: its host and application, with our own publish name. Relative forms
/// (`//host/app`, `/app`, `app`) are taken as those of a web page are.
pub fn target(from: &RtmpUrl, redirect: &Redirect) -> Result<RtmpUrl, UrlError> {
    let text = redirect.0.trim();
    let scheme = if from.tls { "rtmps" } else { "rtmp" };
    let whole = if text.contains("://") {
        text.to_owned()
    } else if let Some(rest) = text.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else {
        format!("{}/{}", from.origin(), text.trim_start_matches('/'))
    };
    let mut url = RtmpUrl::of_tc_url(&whole)?;
    if url.app.is_empty() {
        url.app.clone_from(&from.app);
    }
    url.key = from.key.clone();
    url.login.clone_from(&from.login);
    Ok(url)
}

/// Whether both addresses belong to the same owner as far as names tell, and the way is no less private: the same host,
/// or hosts under one name that somebody registered (`a.example.co.uk` and `b.example.co.uk`, by the Public Suffix
/// List). Two IP addresses are the same owner's only if they are the same.
pub fn same_owner(from: &RtmpUrl, to: &RtmpUrl) -> bool {
    if from.tls && !to.tls {
        return false;
    }
    let (a, b) = (bare(&from.host), bare(&to.host));
    if a == b {
        return true;
    }
    let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
    if is_ip(&a) || is_ip(&b) {
        return false;
    }
    match (psl::domain_str(&a), psl::domain_str(&b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Whether `host` is `allowed` or lies under it.
pub fn is_under(host: &str, allowed: &str) -> bool {
    let (host, allowed) = (bare(host), bare(allowed));
    let below = host
        .strip_suffix(&allowed)
        .is_some_and(|before| before.ends_with('.'));
    !allowed.is_empty() && (host == allowed || below)
}

fn bare(host: &str) -> String {
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RtmpUrl {
        RtmpUrl::parse(text, None).unwrap()
    }

    #[test]
    fn redirects_keep_our_name_and_login() {
        let from = url("rtmp://me:pw@live.example.com:1936/app?v=1/key?k=s");
        for (given, tc_url) in [
            (
                "rtmp://edge1.example.com/live",
                "rtmp://edge1.example.com/live",
            ),
            ("rtmp://edge:1940/a/b?x=y", "rtmp://edge:1940/a/b?x=y"),
            (
                "rtmp://edge1.example.com:443",
                "rtmp://edge1.example.com:443/app?v=1",
            ),
            ("//edge/x", "rtmp://edge/x"),
            ("/other", "rtmp://live.example.com:1936/other"),
            ("other/", "rtmp://live.example.com:1936/other"),
        ] {
            let to = target(&from, &Redirect::new(given).unwrap()).unwrap();
            assert_eq!(to.tc_url(), tc_url, "{given}");
            assert_eq!((&to.key, &to.login), (&from.key, &from.login));
        }
        for wrong in [
            "http://h/app",
            "rtmp://",
            "rtmp://h:0/app",
            "rtmp://a b/app",
        ] {
            assert!(
                target(&from, &Redirect::new(wrong).unwrap()).is_err(),
                "{wrong}"
            );
        }
        assert_eq!(Redirect::new(&"x".repeat(2000)), None);
    }

    #[test]
    fn owners_are_told_apart() {
        let same =
            |a: &str, b: &str| same_owner(&url(&format!("{a}/a/k")), &url(&format!("{b}/a/k")));
        for (a, b) in [
            ("rtmp://push.example.com", "rtmp://EDGE7.example.com.:1936"),
            ("rtmp://push.example.com", "rtmps://edge.example.com"),
            ("rtmp://a.example.co.uk", "rtmp://example.co.uk"),
            (
                "rtmp://a.livepush.myqcloud.com.cn",
                "rtmp://b.livepush.myqcloud.com.cn",
            ),
            ("rtmp://10.0.0.1", "rtmp://10.0.0.1:1940"),
            ("rtmp://localhost", "rtmp://localhost:1940"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("rtmp://push.example.com", "rtmp://push.example.org"),
            ("rtmp://one.co.uk", "rtmp://two.co.uk"),
            ("rtmp://one.com.cn", "rtmp://two.com.cn"),
            ("rtmp://me.github.io", "rtmp://you.github.io"),
            ("rtmp://example.com", "rtmp://evilexample.com"),
            ("rtmp://10.0.0.1", "rtmp://10.0.0.2"),
            ("rtmp://localhost", "rtmp://example.com"),
            ("rtmps://push.example.com", "rtmp://edge.example.com"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn allowed_hosts_hold_for_what_lies_under_them() {
        assert!(is_under("Edge1.cdn.net.", "cdn.net") && is_under("cdn.net", "CDN.net"));
        assert!(!is_under("evilcdn.net", "cdn.net") && !is_under("cdn.net", ""));
    }
}
