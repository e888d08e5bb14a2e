//! Looks at one connection about twenty times a second: measures the link, asks the controller, tells encoder and send
//! queue, and notices when nothing arrives any more. Runs in the output's task.

use std::time::Duration;

use tokio::time::Instant;

use super::adapt::{BitrateController, Decision, LinkSample};
use super::ledger::Ledger;
use super::link::Link;
use super::probe;
use super::send_queue::{Flow, QueueLevel};
use super::tuning::StreamTuning;
use super::window::Window;

/// How often the link is looked at.
const EVERY: Duration = Duration::from_millis(50);
/// How much media the kernel may hold unsent: enough to keep the link busy between two wake-ups.
const KERNEL_BACKLOG: Duration = Duration::from_millis(120);
/// ... but at least this many bytes.
const MIN_KERNEL_BACKLOG: u32 = 16 << 10;
/// Nothing confirmed for this long, or four round trips: the user is told.
const SILENCE: Duration = Duration::from_secs(3);

/// What the link of one connection shows.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    next: Instant,
    ledger: Ledger,
    delivered: u64,
    /// With what has arrived behind gaps.
    arrived: u64,
    /// When something was last confirmed, or nothing was waiting.
    progress: Instant,
    window_limited: Duration,
    rtt: Duration,
    /// Video bitrate the kernel's share was last set for.
    shared_for: u64,
    /// The silence was told.
    silent: bool,
    window: Window,
}

/// What a look showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// For the encoder; `None` while the bitrate is not to follow the link.
    pub(super) decision: Option<Decision>,
    /// What lies below the send queue.
    pub(super) flow: Flow,
    /// Smoothed round trip time; zero when unknown.
    pub(super) rtt: Duration,
    /// Nothing arrives: news only, with how long it has been.
    pub(super) fell_silent: Option<Duration>,
    /// It does again: news only.
    pub(super) returned: bool,
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            next: now,
            ledger: Ledger::default(),
            delivered: 0,
            arrived: 0,
            progress: now,
            window_limited: Duration::ZERO,
            rtt: Duration::ZERO,
            shared_for: 0,
            silent: false,
            window: Window::default(),
        }
    }

    /// When to look next.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Since when nothing was confirmed although something was on its way.
    pub(super) const fn progress(&self) -> Instant {
        self.progress
    }

    /// A tag of `ms` was handed to the link.
    pub(super) fn sent(&mut self, link: &Link, ms: u32) {
        self.ledger.sent(link.appended(), ms);
    }

    /// Looks at the link.
    pub(super) fn look(
        &mut self,
        now: Instant,
        link: &mut Link,
        queue: &QueueLevel,
        tuning: &StreamTuning,
        controller: &mut BitrateController,
    ) -> Look {
        self.next = now + EVERY;
        let sample = self.measure(now, link, queue);
        let beyond_gaps = self.arrived.saturating_sub(self.delivered);
        let decision = tuning
            .adapt
            .then(|| controller.tick(&sample, &tuning.limits));
        let video = decision.map_or(tuning.limits.ceiling, |d| d.bitrate);
        let bps = u64::from(video.bps()) + u64::from(tuning.limits.audio.bps());
        self.set_kernel_share(link, bps);
        let window = self
            .window
            .look(sample.now, bps, sample.rtt, sample.min_rtt);
        // what has arrived behind a gap is not on its way
        link.set_window(window.map(|window| window + beyond_gaps));
        let patience = SILENCE.max(self.rtt * 4);
        let silent_for = now.saturating_duration_since(self.progress);
        let silent = silent_for >= patience;
        let news = silent != self.silent;
        self.silent = silent;
        Look {
            decision,
            flow: self.flow(link, decision),
            rtt: self.rtt,
            fell_silent: (news && silent).then_some(silent_for),
            returned: news && !silent,
        }
    }

    fn flow(&self, link: &Link, decision: Option<Decision>) -> Flow {
        let waited = self.ledger.on_the_way();
        // of a link that is not full nobody knows what it carries
        let full = decision.filter(|d| d.delay_ms > 0).and_then(|d| d.capacity);
        let rate = full.map(|c| u64::from(c.bps() / 8).max(1));
        let below = link.appended().saturating_sub(self.delivered);
        let ahead = rate.map_or(Duration::ZERO, |rate| {
            Duration::from_micros(below * 1_000_000 / rate)
        });
        Flow {
            behind: waited.max(ahead),
            bytes_per_second: rate,
        }
    }

    fn measure(&mut self, now: Instant, link: &Link, queue: &QueueLevel) -> LinkSample {
        let kernel = probe::look(link.socket());
        let handed = link.handed();
        // Where the system does not tell, what it took counts: the server's acknowledgements come by the byte, seconds
        // apart at low rates, and their absence says nothing.
        let confirmed = kernel.map_or(handed, |k| handed.saturating_sub(k.unconfirmed));
        let arrived = confirmed + kernel.map_or(0, |k| k.beyond_gaps);
        if arrived > self.arrived || confirmed == link.appended() {
            self.progress = now;
        }
        self.arrived = self.arrived.max(arrived).min(link.appended());
        self.delivered = self.delivered.max(confirmed);
        self.ledger.confirmed(self.delivered);
        let limited = kernel.map_or(Duration::ZERO, |k| k.window_limited);
        let held = limited.saturating_sub(self.window_limited);
        self.window_limited = limited;
        let rtt = kernel.and_then(|k| k.rtt);
        self.rtt = rtt.unwrap_or_default();
        LinkSample {
            now: now.saturating_duration_since(self.began),
            media: queue.queued + self.ledger.on_the_way(),
            backlog_bytes: queue.bytes as u64 + link.appended().saturating_sub(self.arrived),
            delivered_bytes: self.arrived,
            produced_bytes: queue.video_bytes,
            keyframe_age: queue.keyframe_age,
            rtt,
            min_rtt: kernel.and_then(|k| k.min_rtt),
            server_slow: held > EVERY / 2,
        }
    }

    fn set_kernel_share(&mut self, link: &Link, bps: u64) {
        if bps.abs_diff(self.shared_for) * 8 > self.shared_for {
            self.shared_for = bps;
            link.limit_kernel_backlog(kernel_share(bps));
            probe::pace(link.socket(), pacing(bps));
        }
    }
}

/// Bytes a second that TCP may send. A keyframe is several times as large as the pictures between: at twice the rate it
/// would come 0.1 s late on every link (seen: p95 of the delay 70 ms, not 21), at eight times within a picture's time, and
/// still is no burst at the speed of a wire.
fn pacing(bps: u64) -> u32 {
    /// At low rates a keyframe must not take seconds; bit/s.
    const LEAST: u64 = 8_000_000;
    u32::try_from(bps.saturating_mul(8).max(LEAST) / 8).unwrap_or(u32::MAX)
}

fn kernel_share(bps: u64) -> u32 {
    let bytes = u128::from(bps) * KERNEL_BACKLOG.as_millis() / 8000;
    u32::try_from(bytes)
        .unwrap_or(u32::MAX)
        .max(MIN_KERNEL_BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_of_eight_times_the_rate_are_sent() {
        assert_eq!(pacing(6_000_000), 6_000_000);
        assert_eq!(pacing(300_000), 1_000_000);
        assert_eq!(pacing(u64::MAX), u32::MAX);
    }

    #[test]
    fn the_kernel_holds_an_eighth_of_a_second_but_never_too_little() {
        assert_eq!(kernel_share(6_000_000), 90_000);
        assert_eq!(kernel_share(500_000), MIN_KERNEL_BACKLOG);
        assert_eq!(kernel_share(u64::MAX), u32::MAX);
    }
}
