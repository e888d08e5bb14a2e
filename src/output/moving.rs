//! From one connection to another without a break: the new one is made ready up to the application while the old one is
//! still on air, and the stream goes over at a keyframe. Because the server asks for it, or because the address in use
//! has become slow and the name has others. Part of the pump, in the output's task.

use std::net::IpAddr;
use std::pin::Pin;

use tokio::time::Instant;

use super::adapt::Decision;
use super::dial::{Dialer, Wish};
use super::error::OutputError;
use super::link::Link;
use super::rtmp::Shared;
use super::slow::SlowWatch;
use super::tuning::StreamTuning;
use crate::rtmp::demand::{self, Redirect};
use crate::rtmp::url::RtmpUrl;

type Making<'a> = Pin<Box<dyn Future<Output = Result<Link, OutputError>> + Send + 'a>>;

/// A move that is wished for, being made, or ready.
pub(super) struct Move<'a> {
    shared: &'a Shared,
    /// Of the output, not of one connection: a move begins a connection, and must not be followed by the next move.
    slow: &'a mut SlowWatch,
    /// The server's address that is to be left, if the move is for that.
    avoid: Option<IpAddr>,
    state: State<'a>,
}

enum State<'a> {
    None,
    Making(Making<'a>, RtmpUrl),
    Ready(Box<Link>),
    /// The user has not said yet whether the key may go to this host.
    Asking(RtmpUrl, String),
}

/// What a step of a move came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The new connection is ready for the next keyframe.
    Ready,
    /// The user has to say whether this host may have the key.
    Asks(String),
    /// It did not come off, or goes on.
    Nothing,
}

impl<'a> Move<'a> {
    pub(super) fn new(shared: &'a Shared, slow: &'a mut SlowWatch) -> Self {
        slow.begin_connection();
        Self {
            shared,
            slow,
            avoid: None,
            state: State::None,
        }
    }

    /// The server wants us to connect again, there or here.
    pub(super) fn server_asks(&mut self, here: &RtmpUrl, redirect: Option<&Redirect>) {
        let url = match redirect.map(|to| demand::target(here, to)) {
            None => here.clone(),
            Some(Ok(url)) => url,
            Some(Err(error)) => {
                tracing::debug!(%error, "the server names no address");
                here.clone()
            }
        };
        // a second word while the first is being followed changes nothing
        if matches!(self.state, State::None) {
            self.avoid = None;
            self.start(url);
        }
    }

    /// A look at the link: has it been too slow for too long?
    pub(super) fn look(
        &mut self,
        now: Instant,
        decision: Option<&Decision>,
        tuning: &StreamTuning,
        link: &Link,
    ) {
        let now = now.into_std().saturating_duration_since(self.shared.born);
        if !self.slow.look(now, decision, tuning.limits.ceiling)
            || !matches!(self.state, State::None)
            || !Dialer::can_choose_address(&self.shared.tuning.network())
        {
            return;
        }
        if let Ok(peer) = link.socket().peer_addr() {
            tracing::info!(%peer, "slow for a while: another address of the server is tried");
            self.shared.disgrace(peer.ip());
            self.avoid = Some(peer.ip());
            self.start(link.url().clone());
        }
    }

    fn start(&mut self, url: RtmpUrl) {
        let (shared, avoid) = (self.shared, self.avoid);
        let wish = Wish {
            url: url.clone(),
            avoid,
            hold: true,
        };
        let making = async move { shared.dialer().establish(&wish, &mut None).await };
        self.state = State::Making(Box::pin(making), url);
    }

    /// Completes when there is news; never while there is no move. Cancel safe.
    pub(super) async fn step(&mut self) -> Step {
        let made = match &mut self.state {
            State::None | State::Ready(_) => std::future::pending().await,
            State::Making(making, _) => Some(making.await),
            State::Asking(_, host) => {
                let network = self.shared.tuning.network();
                self.shared.consent.given(host, &network).await;
                None
            }
        };
        match (std::mem::replace(&mut self.state, State::None), made) {
            (State::Asking(url, _), _) => self.start(url),
            (_, Some(Ok(link))) if !self.is_to_be_left(&link) => {
                self.state = State::Ready(Box::new(link));
                return Step::Ready;
            }
            (State::Making(_, url), Some(Err(OutputError::RedirectAsked { host }))) => {
                self.state = State::Asking(url, host.clone());
                return Step::Asks(host);
            }
            (_, Some(Err(error))) => {
                // the old connection still is on air; if the server ends it, the usual way back is taken
                tracing::warn!(error = error.full_text(), "no move to another server");
            }
            _ => {}
        }
        Step::Nothing
    }

    /// It leads to the very address that was to be left.
    fn is_to_be_left(&self, link: &Link) -> bool {
        let peer = link.socket().peer_addr();
        self.avoid.is_some() && peer.is_ok_and(|p| Some(p.ip()) == self.avoid)
    }

    /// The new connection waits for a keyframe.
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// The new connection.
    pub(super) fn take_ready(&mut self) -> Option<Box<Link>> {
        match std::mem::replace(&mut self.state, State::None) {
            State::Ready(link) => Some(link),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The stream ends: no move any more.
    pub(super) fn give_up(&mut self) {
        self.state = State::None;
    }
}
