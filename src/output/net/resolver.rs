//! From a server's name to its addresses, best first: the system's resolver, DNS over HTTPS, or HTTPDNS; answers kept
//! as long as they say. What connections to the addresses showed is remembered and decides their order.
//! Runs in the output's task; one per output.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

use super::connect::Local;
use super::http_get;
use super::settings::{NetworkSettings, ResolverKind};
use crate::output::error::{OutputError, Phase};

/// Most addresses of one name that are tried.
const MOST: usize = 16;
/// Most names and addresses remembered.
const MOST_KEPT: usize = 64;
/// Answers are kept at least this long, whatever they say, and at most that long.
const TTL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3600));
/// HTTPDNS answers without a time to live.
const TTL_UNKNOWN: Duration = Duration::from_secs(60);
/// An address that failed or was slow comes last for so long.
const IN_DISGRACE: Duration = Duration::from_secs(300);
/// An HTTP name service gets this share of the time, the system's resolver the rest.
const SHARE: u32 = 2;

/// Addresses with the time they may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    addresses: Vec<IpAddr>,
    ttl: Duration,
}

/// Names looked up and addresses measured.
#[derive(Debug, Default)]
pub(in crate::output) struct Resolver {
    kept: Mutex<HashMap<(ResolverKind, String), (Answer, Instant)>>,
    seen: Mutex<HashMap<IpAddr, Seen>>,
}

/// What connections to an address showed.
#[derive(Debug, Clone, Copy)]
struct Seen {
    took: Option<Duration>,
    bad_until: Option<Instant>,
}

impl Resolver {
    /// Addresses of `host`, in the order they are to be tried. A name service that does not answer is replaced by its
    /// last answer, then by the system's resolver: the show goes on.
    pub(in crate::output) async fn lookup(
        &self,
        host: &str,
        port: u16,
        network: &NetworkSettings,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, OutputError> {
        let plain = host.parse::<IpAddr>().is_ok() || host.contains(['%', ':']);
        let now = Instant::now();
        let mut addresses = Vec::new();
        if network.resolver != ResolverKind::System && !plain {
            addresses = self.ask_service(host, network, limit / SHARE).await;
        }
        if addresses.is_empty() {
            return by_system(host, port, limit.saturating_sub(now.elapsed())).await;
        }
        self.sort(&mut addresses, Instant::now());
        addresses.truncate(MOST);
        Ok(addresses
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect())
    }

    async fn ask_service(
        &self,
        host: &str,
        network: &NetworkSettings,
        limit: Duration,
    ) -> Vec<IpAddr> {
        let key = (network.resolver, host.to_ascii_lowercase());
        let kept = self.kept.lock().get(&key).cloned();
        if let Some((answer, until)) = &kept
            && Instant::now() < *until
        {
            return answer.addresses.clone();
        }
        let asked = timeout(limit, ask(host, network)).await;
        match asked {
            Ok(Some(answer)) => {
                let until = Instant::now() + answer.ttl.clamp(TTL.0, TTL.1);
                let addresses = answer.addresses.clone();
                let mut kept = self.kept.lock();
                if kept.len() >= MOST_KEPT {
                    kept.clear();
                }
                kept.insert(key, (answer, until));
                addresses
            }
            _ => {
                tracing::warn!(
                    host,
                    "the name service does not answer: its last answer or the system's resolver is used"
                );
                kept.map(|(answer, _)| answer.addresses).unwrap_or_default()
            }
        }
    }

    /// None of a host's addresses answers: the service is asked again.
    pub(in crate::output) fn forget(&self, host: &str) {
        let host = host.to_ascii_lowercase();
        self.kept.lock().retain(|(_, kept), _| *kept != host);
    }

    /// A connection to `ip` was made in this time.
    pub(in crate::output) fn measured(&self, ip: IpAddr, took: Duration) {
        self.note(ip, |seen| {
            seen.took = Some(took);
        });
    }

    /// `ip` failed, or was slow while others may not be.
    pub(in crate::output) fn disgrace(&self, ip: IpAddr) {
        let until = Instant::now() + IN_DISGRACE;
        self.note(ip, |seen| seen.bad_until = Some(until));
    }

    fn note(&self, ip: IpAddr, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock();
        if seen.len() >= MOST_KEPT && !seen.contains_key(&ip) {
            seen.clear();
        }
        change(seen.entry(ip).or_insert(Seen {
            took: None,
            bad_until: None,
        }));
    }

    /// Fastest first, then those never measured in the order given; those in disgrace last.
    fn sort(&self, addresses: &mut [IpAddr], now: Instant) {
        let seen = self.seen.lock();
        addresses.sort_by_key(|ip| {
            let seen = seen.get(ip);
            let bad = seen.is_some_and(|s| s.bad_until.is_some_and(|until| now < until));
            (bad, seen.and_then(|s| s.took).unwrap_or(Duration::MAX))
        });
    }
}

async fn by_system(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, OutputError> {
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
    let found: Vec<_> = found.take(MOST).collect();
    if found.is_empty() {
        return Err(unknown());
    }
    Ok(found)
}

async fn ask(host: &str, network: &NetworkSettings) -> Option<Answer> {
    let local = Local::of(network).ok()?;
    let get = async |url: String, accept| {
        let body = http_get::get(&url, accept, &local).await;
        body.inspect_err(
            |e| tracing::debug!(error = %super::super::error::with_causes(e), "name service"),
        )
        .ok()
    };
    match network.resolver {
        ResolverKind::System => None,
        ResolverKind::Doh => {
            let ask = |kind| {
                let url = with_query(&network.doh_url, &format!("name={host}&type={kind}"));
                get(url, "application/dns-json")
            };
            let (four, six) = tokio::join!(ask("A"), ask("AAAA"));
            let answers = [six, four].into_iter().flatten();
            merge(answers.filter_map(|body| read_doh(&body)))
        }
        ResolverKind::Httpdns => {
            let url = if network.httpdns_url.contains("{host}") {
                network.httpdns_url.replace("{host}", host)
            } else {
                with_query(&network.httpdns_url, &format!("host={host}"))
            };
            read_httpdns(&get(url, "application/json").await?)
        }
    }
}

fn with_query(url: &str, query: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{query}")
}

fn merge(answers: impl Iterator<Item = Answer>) -> Option<Answer> {
    answers.reduce(|mut a, b| {
        a.addresses.extend(b.addresses);
        a.ttl = a.ttl.min(b.ttl);
        a
    })
}

/// The JSON of DNS over HTTPS as Google, Cloudflare, Alibaba and Tencent give it: `Answer` with `type` (1: A, 28: AAAA),
/// `data` and `TTL` in seconds. Aliases (type 5) are followed by the service.
fn read_doh(body: &[u8]) -> Option<Answer> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let records = json.get("Answer")?.as_array()?;
    let found = records.iter().filter_map(|r| {
        let kind = r.get("type")?.as_u64()?;
        let ip = r.get("data")?.as_str()?.parse::<IpAddr>().ok()?;
        let ttl = r.get("TTL").and_then(Value::as_u64).unwrap_or(0);
        matches!((kind, ip), (1, IpAddr::V4(_)) | (28, IpAddr::V6(_))).then_some((ip, ttl))
    });
    let found: Vec<_> = found.take(MOST).collect();
    let ttl = found.iter().map(|(_, ttl)| *ttl).min()?;
    Some(Answer {
        addresses: found.into_iter().map(|(ip, _)| ip).collect(),
        ttl: Duration::from_secs(ttl),
    })
}

/// HTTPDNS in its three forms: Alibaba's `{"ips":[…],"ipsv6":[…],"ttl":60}`, the same in the first object of `dns` (NetEase,
/// Volcano), and Tencent's plain `1.2.3.4;5.6.7.8,60`.
fn read_httpdns(body: &[u8]) -> Option<Answer> {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        let text = std::str::from_utf8(body).ok()?.trim();
        let (list, ttl) = text.split_once(',').unwrap_or((text, ""));
        return answer(list.split(';').map(str::to_owned), ttl.trim().parse().ok());
    };
    let object = match json.get("dns").and_then(|dns| dns.get(0)) {
        Some(first) => first,
        None => &json,
    };
    let list = |name: &str| {
        let list = object.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|ip| {
            let text = ip.as_str().or_else(|| ip.get("ip")?.as_str())?;
            Some(text.to_owned())
        })
    };
    let ttl = object.get("ttl").and_then(Value::as_u64);
    answer(list("ipsv6").chain(list("ips")), ttl)
}

fn answer(texts: impl Iterator<Item = String>, ttl: Option<u64>) -> Option<Answer> {
    let found: Vec<_> = texts
        .filter_map(|t| t.trim().parse().ok())
        .take(MOST)
        .collect();
    (!found.is_empty()).then(|| Answer {
        addresses: found,
        ttl: ttl.map_or(TTL_UNKNOWN, Duration::from_secs),
    })
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
