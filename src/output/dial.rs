//! All connections it takes until a server has the stream: redirects are followed, logins answered. The stream key goes
//! to no other owner's server before the user has said so. Runs in the output's task.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::OutputError;
use super::link::{Ghost, Limits, Link, Plan, Refusal};
use super::net::connect::Route;
use super::net::resolver::Resolver;
use super::net::{NetworkSettings, ResolverKind};
use super::tuning::TuningHandle;
use crate::rtmp::auth::{self, AuthDemand};
use crate::rtmp::demand::{self, Demand};
use crate::rtmp::url::{Login, RtmpUrl};

/// Most redirects followed in a row.
const MOST_REDIRECTS: u32 = 3;
/// Most connections for one login: to learn of it, to get a challenge, to answer it.
const MOST_LOGINS: u32 = 3;

/// Hosts the user has allowed the stream key to be sent to; for the life of the output.
#[derive(Debug, Default)]
pub(super) struct Consent {
    hosts: Mutex<Vec<String>>,
    changed: Notify,
}

impl Consent {
    /// The key may go to `host` and to what lies under it.
    pub(super) fn allow(&self, host: &str) {
        self.hosts.lock().push(host.to_owned());
        self.changed.notify_waiters();
    }

    /// Completes when the key may go to `host`. Cancel safe.
    pub(super) async fn given(&self, host: &str, network: &NetworkSettings) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        loop {
            // listen first, then look: a word in between is not missed
            changed.as_mut().enable();
            if self.covers(host, network) {
                return;
            }
            changed.as_mut().await;
            changed.set(self.changed.notified());
        }
    }

    fn covers(&self, host: &str, network: &NetworkSettings) -> bool {
        let allowed = |list: &[String]| list.iter().any(|a| demand::is_under(host, a));
        allowed(&self.hosts.lock()) || allowed(&network.redirect_hosts)
    }
}

/// What is needed to get to the server of one address.
pub(super) struct Dialer<'a> {
    /// As the user gave it.
    pub(super) home: &'a RtmpUrl,
    pub(super) limits: &'a Limits,
    pub(super) tuning: &'a TuningHandle,
    pub(super) resolver: &'a Arc<Resolver>,
    pub(super) consent: &'a Consent,
}

/// Where to, and how far.
pub(super) struct Wish {
    /// The address of the user, or one a server has sent us to.
    pub(super) url: RtmpUrl,
    /// An address to be left, if the name has others.
    pub(super) avoid: Option<IpAddr>,
    /// Up to the application only: the old connection still has the name.
    pub(super) hold: bool,
}

impl Dialer<'_> {
    /// Makes the connection. For `ghost` see [`Link::open`].
    pub(super) async fn establish(
        &self,
        wish: &Wish,
        ghost: &mut Option<Ghost>,
    ) -> Result<Link, OutputError> {
        let network = self.tuning.network();
        let mut url = wish.url.clone();
        self.may_have_the_key(&url, &network)?;
        let (mut redirects, mut logins) = (0, 0);
        let mut auth = None;
        loop {
            let plan = Plan {
                route: Route {
                    network: Arc::clone(&network),
                    resolver: Arc::clone(self.resolver),
                    avoid: wish.avoid,
                },
                trust_any: self.tuning.get().trust_any_certificate,
                auth: auth.take(),
                hold: wish.hold,
                enhanced: network.enhanced.is_on_for(&url.host),
            };
            match Link::open(&url, self.limits, plan, ghost).await {
                Ok(link) => return Ok(link),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Demand(demand, error)) => match *demand {
                    Demand::Redirect(to) => {
                        redirects += 1;
                        if redirects > MOST_REDIRECTS {
                            return Err(OutputError::Redirects);
                        }
                        let next = demand::target(&url, &to).map_err(|e| {
                            tracing::debug!(error = %e, "redirect to nowhere");
                            error
                        })?;
                        self.may_have_the_key(&next, &network)?;
                        tracing::info!(to = %next, "redirected");
                        url = next;
                        logins = 0;
                    }
                    Demand::Auth(wanted) => {
                        logins += 1;
                        auth = Some(answer(&wanted, &url, logins)?);
                    }
                },
            }
        }
    }

    /// Only servers of the owner whose address the user gave, and those allowed.
    fn may_have_the_key(
        &self,
        url: &RtmpUrl,
        network: &NetworkSettings,
    ) -> Result<(), OutputError> {
        let private_enough = url.tls || !self.home.tls;
        if demand::same_owner(self.home, url)
            || private_enough && self.consent.covers(&url.host, network)
        {
            return Ok(());
        }
        Err(if private_enough {
            OutputError::RedirectAsked {
                host: url.host.clone(),
            }
        } else {
            OutputError::RedirectUnsafe {
                host: url.host.clone(),
            }
        })
    }

    /// The name may have other addresses that we could choose.
    pub(super) fn can_choose_address(network: &NetworkSettings) -> bool {
        network.move_when_slow
            && network.resolver != ResolverKind::System
            && network.proxy.is_empty()
    }
}

/// The query that answers a demand for a login.
fn answer(wanted: &AuthDemand, url: &RtmpUrl, logins: u32) -> Result<String, OutputError> {
    let login: &Login = url.login.as_ref().ok_or(OutputError::LoginWanted)?;
    match wanted {
        AuthDemand::Wrong => Err(OutputError::LoginWrong),
        _ if logins > MOST_LOGINS => Err(OutputError::LoginWrong),
        AuthDemand::Name(scheme) => Ok(auth::name_query(*scheme, login)),
        AuthDemand::Proof(scheme, challenge) => {
            let random = fastrand::u32(..);
            Ok(auth::proof_query(
                *scheme, challenge, login, &url.app, random,
            ))
        }
    }
}
