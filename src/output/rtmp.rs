//! RTMP output: a task that connects, sends, and connects again after a loss until it is stopped or the server's refusal
//! is final. Packets come in on encoder threads through the send queue; the task runs on the network runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::adapt::{BitrateController, Decision};
use super::backoff::{Backoff, Next};
use super::dial::{Consent, Dialer, Wish};
use super::latch::Latch;
/// Nobody says whether a redirect may be followed: after so long the server that sent us there is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

pub use super::link::Limits;
use super::link::{Ghost, Link};
use super::net::resolver::Resolver;
use super::pump::{Outcome, Pump};
use super::rate::RateMeter;
use super::send_queue::{QueueLimits, SharedQueue, Verdict};
use super::slow::SlowWatch;
use super::tuning::TuningHandle;
use super::watch::Look;
use super::{
    Output, OutputContext, OutputError, OutputEvent, OutputListener, OutputState, OutputStats,
};
use crate::media::packet::{EncodedPacket, PacketSink};
use crate::media::time::MediaClock;
use crate::rtmp::url::RtmpUrl;

/// What tests change; the default is for everybody else.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RtmpOptions {
    /// First timestamp of each connection, in ms.
    pub start_ms: u32,
    /// How long each step may take.
    pub limits: Limits,
}

/// Starts pushing to `url`. Never fails by itself: what goes wrong is told to the listener.
pub(super) fn start(url: RtmpUrl, cx: OutputContext) -> Arc<dyn Output> {
    start_with(url, cx, RtmpOptions::default())
}

/// [`start`] with options.
#[doc(hidden)]
pub fn start_with(url: RtmpUrl, cx: OutputContext, options: RtmpOptions) -> Arc<dyn Output> {
    if let Some(part) = url.too_long() {
        tracing::warn!(part, "longer than 255 bytes; some servers cut it off there");
    }
    let shared = Arc::new(Shared {
        url,
        options,
        queue: SharedQueue::new(QueueLimits::STREAM),
        tuning: cx.tuning,
        listener: cx.listener,
        retry_now: Notify::new(),
        resolver: Arc::default(),
        consent: Consent::default(),
        clock: cx.clock,
        born: Instant::now(),
        figures: Mutex::new(Figures::default()),
        ended: Latch::default(),
    });
    let (stop, stopped) = watch::channel(false);
    let guard = EndGuard(Arc::clone(&shared));
    let task = cx.runtime.spawn(async move {
        let guard = guard; // ends with the task, however that ends
        guard.0.run(stopped).await;
    });
    Arc::new(RtmpOutput {
        shared,
        stop,
        task: task.abort_handle(),
    })
}

/// What the task and the engine's hand share.
pub(super) struct Shared {
    url: RtmpUrl,
    pub(super) options: RtmpOptions,
    pub(super) queue: SharedQueue,
    pub(super) tuning: TuningHandle,
    listener: OutputListener,
    /// Ends the pause between two tries.
    retry_now: Notify,
    resolver: Arc<Resolver>,
    /// Who else may have the key.
    pub(super) consent: Consent,
    clock: MediaClock,
    /// When the output was started.
    pub(super) born: Instant,
    figures: Mutex<Figures>,
    ended: Latch,
}

struct Figures {
    state: OutputState,
    sent: u64,
    rate: RateMeter,
    connections: u32,
    connect_ms: Option<u32>,
    acked: u64,
    /// `acked` when the present connection began.
    acked_before: u64,
    /// What the encoder was last told.
    decision: Option<Decision>,
    rtt: Duration,
    /// Host that waits for the user's word.
    asks: Option<String>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            state: OutputState::Connecting,
            sent: 0,
            rate: RateMeter::default(),
            connections: 0,
            connect_ms: None,
            acked: 0,
            acked_before: 0,
            decision: None,
            rtt: Duration::ZERO,
            asks: None,
        }
    }
}

/// A connection made while the one before it was still on air.
struct Moved {
    link: Box<Link>,
    /// Sound of the pictures it begins with, which the one before it had already been given.
    held: Vec<EncodedPacket>,
}

impl Shared {
    async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        let mut controller = BitrateController::new(&self.tuning.get().limits);
        let mut ghost = None;
        let mut ready: Option<Moved> = None;
        let mut slow = SlowWatch::default();
        loop {
            let started = Instant::now();
            let moved = ready.is_some();
            let (waiting, held) = ready
                .take()
                .map_or((None, Vec::new()), |m| (Some(m.link), m.held));
            let attempt = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                link = self.connect(waiting, &mut ghost) => link,
            };
            let error = match attempt {
                Ok(link) => {
                    backoff.connected(Instant::now());
                    self.go_live(started, &link, moved);
                    controller.reconnected(&self.tuning.get().limits);
                    let start_ms = self.options.start_ms;
                    let mut pump = Pump::new(self, link, start_ms, &mut controller, &mut slow);
                    pump.take_over(held);
                    match pump.run(&mut stop).await {
                        Ok(Outcome::Stopped) => return pump.finish().await,
                        Ok(Outcome::Moved(link)) => {
                            let held = pump.retire().await;
                            ready = Some(Moved { link, held });
                            continue;
                        }
                        Err(error) => {
                            ghost = Some(pump.into_ghost());
                            self.forget_link();
                            error
                        }
                    }
                }
                Err(error) => error,
            };
            self.queue.close();
            if let OutputError::RedirectAsked { host } = error {
                // only the user can say how it goes on
                self.ask_redirect(host.clone());
                let network = self.tuning.network();
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = self.consent.given(&host, &network) => {}
                    () = self.retry_now.notified() => {}
                    // the server that sent us there may take the stream again
                    () = sleep(ASK_AGAIN) => {}
                }
                self.figures.lock().asks = None;
                continue;
            }
            let next = backoff.failed(error.failure(), Instant::now(), fastrand::f64());
            let Next::Retry(delay) = next else {
                return self.fail(error);
            };
            // a try that waited for an answer in vain has waited already
            let delay = match &error {
                OutputError::TimedOut { .. } => delay.saturating_sub(started.elapsed()),
                _ => delay,
            };
            tracing::debug!(
                error = error.full_text(),
                attempt = backoff.attempt(),
                ?delay,
                "no connection"
            );
            self.figures.lock().state = OutputState::Reconnecting {
                attempt: backoff.attempt(),
                retry_at_ms: (self.clock.now() + delay).as_millis(),
            };
            (self.listener)(OutputEvent::Lost {
                error,
                attempt: backoff.attempt(),
                retry_in_ms: u32::try_from(delay.as_millis()).unwrap_or(u32::MAX),
            });
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(delay) => {}
                () = self.retry_now.notified() => tracing::debug!("trying at once, as asked"),
            }
        }
    }

    /// A connection on which the server takes the stream.
    async fn connect(
        &self,
        ready: Option<Box<Link>>,
        ghost: &mut Option<Ghost>,
    ) -> Result<Link, OutputError> {
        if let Some(mut link) = ready {
            return link.go_on(&self.options.limits).await.map(|()| *link);
        }
        let wish = Wish {
            url: self.url.clone(),
            avoid: None,
            hold: false,
        };
        self.dialer().establish(&wish, ghost).await
    }

    /// What gets to the server.
    pub(super) fn dialer(&self) -> Dialer<'_> {
        Dialer {
            home: &self.url,
            limits: &self.options.limits,
            tuning: &self.tuning,
            resolver: &self.resolver,
            consent: &self.consent,
        }
    }

    /// The server at this address is slow: others are better.
    pub(super) fn disgrace(&self, ip: std::net::IpAddr) {
        self.resolver.disgrace(ip);
    }

    /// The next picture should be a keyframe.
    pub(super) fn want_keyframe(&self) {
        (self.listener)(OutputEvent::NeedKeyframe);
    }

    /// The user shall say whether `host` may have the key.
    pub(super) fn ask_redirect(&self, host: String) {
        let before = self.figures.lock().asks.replace(host.clone());
        if before.as_ref() != Some(&host) {
            (self.listener)(OutputEvent::RedirectAsked { host });
        }
    }

    fn go_live(&self, started: Instant, link: &Link, moved: bool) {
        if !moved {
            self.queue.reset(self.clock.now());
        }
        {
            let mut figures = self.figures.lock();
            figures.state = OutputState::Live;
            figures.asks = None;
            figures.connections += 1;
            figures.acked_before = figures.acked;
            figures.connect_ms = u32::try_from(started.elapsed().as_millis()).ok();
        }
        tracing::debug!(url = %self.url, peer = link.trace().peer, "live");
        if moved {
            let peer = link.trace().peer.clone();
            (self.listener)(OutputEvent::Moved { peer });
            return;
        }
        (self.listener)(OutputEvent::Connected);
        (self.listener)(OutputEvent::NeedKeyframe);
    }

    /// What a look at the link showed: news go to the engine, the rest is for the figures.
    pub(super) fn looked(&self, look: &Look) {
        let news = {
            let mut figures = self.figures.lock();
            figures.rtt = look.rtt;
            let told = |d: Option<Decision>| d.map(|d| (d.bitrate, d.half_rate, d.half_size));
            let news = told(figures.decision) != told(look.decision);
            figures.decision = look.decision;
            news
        };
        if news {
            (self.listener)(OutputEvent::VideoRate(look.decision));
        }
        if let Some(silent_for) = look.fell_silent {
            (self.listener)(OutputEvent::Silent {
                seconds: silent_for.as_secs(),
            });
        }
        if look.returned {
            (self.listener)(OutputEvent::Returned);
        }
    }

    /// What the last connection showed says nothing while there is none, and binds nobody (a recording goes on).
    fn forget_link(&self) {
        {
            let mut figures = self.figures.lock();
            figures.decision = None;
            figures.rtt = Duration::ZERO;
        }
        (self.listener)(OutputEvent::VideoRate(None));
    }

    fn fail(&self, error: OutputError) {
        tracing::debug!(error = error.full_text(), "output gave up");
        self.figures.lock().state = OutputState::Failed {
            message: error.full_text(),
        };
        (self.listener)(OutputEvent::Failed { error });
    }

    /// `bytes` went to the system.
    pub(super) fn count(&self, bytes: usize) {
        if bytes > 0 {
            let mut figures = self.figures.lock();
            figures.sent += bytes as u64;
            figures.rate.add(Instant::now(), bytes as u64);
        }
    }

    /// The server has `total` bytes of this connection.
    pub(super) fn acknowledged(&self, total: u64) {
        let mut figures = self.figures.lock();
        figures.acked = figures.acked_before + total;
    }
}

/// Says how the task ended, also when it panicked or was cut.
struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        let shared = &self.0;
        shared.queue.close();
        if std::thread::panicking() {
            shared.fail(OutputError::Internal);
        } else {
            let mut figures = shared.figures.lock();
            if !matches!(figures.state, OutputState::Failed { .. }) {
                figures.state = OutputState::Stopped;
            }
        }
        shared.ended.close();
    }
}

/// The engine's hand on the task. Dropping it asks the task to say goodbye.
struct RtmpOutput {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: AbortHandle,
}

impl PacketSink for RtmpOutput {
    fn push(&self, packet: &EncodedPacket) {
        match self.shared.queue.push(packet) {
            Verdict::Fine | Verdict::Overflow => {} // the task sees an overflow by itself
            Verdict::NeedKeyframe => (self.shared.listener)(OutputEvent::NeedKeyframe),
        }
    }
}

impl Output for RtmpOutput {
    fn stats(&self) -> OutputStats {
        let level = self.shared.queue.level();
        let mut figures = self.shared.figures.lock();
        OutputStats {
            target: self.shared.url.to_string(),
            state: figures.state.clone(),
            sent_bytes: figures.sent,
            kbps: figures.rate.kbps(Instant::now()),
            queued_ms: u32::try_from(level.queued.as_millis()).unwrap_or(u32::MAX),
            queued_bytes: level.bytes as u64,
            dropped: level.counters.dropped,
            frozen_ms: level.counters.frozen_ms,
            reconnects: figures.connections.saturating_sub(1),
            connect_ms: figures.connect_ms,
            acked_bytes: figures.acked,
            rtt_ms: Some(figures.rtt)
                .filter(|rtt| !rtt.is_zero())
                .map(|rtt| u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX)),
            adapt: figures.decision,
            asks: figures.asks.clone(),
        }
    }

    fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    fn retry_now(&self) {
        // only a pause that is going on is ended
        self.shared.retry_now.notify_waiters();
    }

    fn allow_redirect(&self, host: &str) {
        self.shared.consent.allow(host);
    }

    fn has_ended(&self) -> bool {
        self.shared.ended.is_closed()
    }

    fn join_until(&self, deadline: Instant) -> bool {
        self.request_stop();
        let ended = self.shared.ended.wait_until(deadline);
        if !ended {
            tracing::warn!(url = %self.shared.url, "goodbye takes too long; connection cut");
            self.task.abort();
        }
        ended
    }
}
