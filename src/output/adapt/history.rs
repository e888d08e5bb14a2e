//! The last seconds of a link: delay, what it carried while it was full, and what bursts show about its room. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::LinkSample;

/// How far back samples are kept.
const SPAN: Duration = Duration::from_secs(3);
/// Delay of an idle link that is not congestion: one picture, delayed acknowledgements (40 ms on Linux), our own ticks.
const SLACK: f64 = 0.060;
/// Over this the link is taken for full.
const FULL: f64 = 0.080;
/// ... if there is this much on its way, in seconds.
const ENOUGH: f64 = 0.050;
/// The link must have been full this long before what it carried counts.
const MEASURABLE: Duration = Duration::from_millis(150);
/// What is carried is averaged over this much.
const AVERAGE: Duration = Duration::from_secs(1);
/// A fall within the average shows in the last part of it.
const RECENT: Duration = Duration::from_millis(400);
/// A burst counts from this many bytes and this long on: acknowledgements come in steps of two segments.
const BURST_BYTES: u64 = 16_000;
const BURST: Duration = Duration::from_millis(100);
/// Best burst of each second, for this many seconds: three keyframes of the usual two-second interval.
const SECONDS: usize = 8;
/// Longest delay believed of a prediction.
const LONGEST: f64 = 10.0;

#[derive(Debug, Clone, Copy)]
struct Point {
    at: Duration,
    delay: f64,
    delivered: u64,
    produced: u64,
}

/// Samples of one connection, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct History {
    points: VecDeque<Point>,
    /// Since when the link is full.
    full_since: Option<Duration>,
    /// When the far end last confirmed something, or had nothing to confirm.
    progress: Duration,
    capacity: Option<f64>,
    /// Smallest media time seen, where the system tells no round trip; creeps up, as paths change.
    least_media: Option<f64>,
    /// Seconds that something else keeps standing on this path: other people's traffic, or a longer way than once.
    others: f64,
    /// Second of the clock, best burst in it (bit/s).
    bursts: VecDeque<(u64, f64)>,
}

impl History {
    pub(super) fn add(&mut self, s: &LinkSample) {
        let last = self.points.back().copied();
        let moved = last.is_none_or(|p| s.delivered_bytes > p.delivered);
        if moved || s.backlog_bytes == 0 {
            if s.now.saturating_sub(self.progress) > RECENT {
                self.full_since = None; // what came before a standstill says nothing about now
            }
            self.progress = s.now;
        }
        let elapsed = last.map_or(0.0, |p| s.now.saturating_sub(p.at).as_secs_f64());
        let base = self.base(s, elapsed);
        let over = (s.media.as_secs_f64() - base - SLACK).max(0.0);
        self.others = self.others.min(over);
        let mut delay = over - self.others;
        // with nothing much on its way a delay is a lost segment's, and what arrives is what was sent
        let much = self
            .capacity
            .is_none_or(|c| bits(s.backlog_bytes) / c > base + ENOUGH);
        if delay > FULL && much {
            let since = *self.full_since.get_or_insert(s.now);
            if s.now.saturating_sub(since) >= MEASURABLE
                && let Some(c) = self.capacity
            {
                delay = delay.max((bits(s.backlog_bytes) / c - base).min(LONGEST));
            }
        } else {
            self.full_since = None;
        }
        self.points.push_back(Point {
            at: s.now,
            delay,
            delivered: s.delivered_bytes,
            produced: s.produced_bytes,
        });
        while self
            .points
            .front()
            .is_some_and(|p| s.now.saturating_sub(p.at) > SPAN)
        {
            self.points.pop_front();
        }
        self.measure(s.now);
        self.note_burst(s.now);
    }

    /// Seconds that media takes on this link when nothing is in its way.
    fn base(&mut self, s: &LinkSample, elapsed: f64) -> f64 {
        if let Some(rtt) = s.min_rtt {
            return rtt.as_secs_f64();
        }
        /// Seconds the smallest value grows per second.
        const CREEP: f64 = 0.001;
        let media = s.media.as_secs_f64();
        let least = self
            .least_media
            .map_or(media, |least| media.min(least + CREEP * elapsed));
        self.least_media = Some(least);
        (least - SLACK).max(0.0)
    }

    fn measure(&mut self, now: Duration) {
        let Some(since) = self.full_since else { return };
        let full = now.saturating_sub(since);
        if full < MEASURABLE {
            return;
        }
        let Some(average) = self.carried(full.min(AVERAGE)) else {
            return;
        };
        let recent = self.carried(full.min(RECENT)).unwrap_or(average);
        let rate = if recent < 0.7 * average {
            recent
        } else {
            average
        };
        // a standstill is no rate: it has a rule of its own
        if rate > 0.0 {
            self.capacity = Some(rate);
        }
    }

    fn note_burst(&mut self, now: Duration) {
        let Some(last) = self.points.back() else {
            return;
        };
        let first = self.points.iter().rev().find(|p| {
            last.at.saturating_sub(p.at) >= BURST
                && last.delivered.saturating_sub(p.delivered) >= BURST_BYTES
        });
        let Some(first) = first else { return };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        let rate = bits(last.delivered - first.delivered) / seconds;
        match self.bursts.back_mut() {
            Some((second, best)) if *second == now.as_secs() => *best = best.max(rate),
            _ => self.bursts.push_back((now.as_secs(), rate)),
        }
        while self.bursts.len() > SECONDS
            || self
                .bursts
                .front()
                .is_some_and(|(s, _)| s + SECONDS as u64 <= now.as_secs())
        {
            self.bursts.pop_front();
        }
    }

    /// Bits per second confirmed over the last `span`.
    fn carried(&self, span: Duration) -> Option<f64> {
        self.slope(span, |p| p.delivered)
    }

    /// Bits per second of video made over the last two seconds.
    pub(super) fn produced(&self) -> Option<f64> {
        self.slope(Duration::from_secs(2), |p| p.produced)
    }

    fn slope(&self, span: Duration, of: impl Fn(&Point) -> u64) -> Option<f64> {
        let last = self.points.back()?;
        let first = self.before(span)?;
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        (seconds > 0.0).then(|| bits(of(last).saturating_sub(of(first))) / seconds)
    }

    /// The newest sample that is at least `span` old.
    fn before(&self, span: Duration) -> Option<&Point> {
        let last = self.points.back()?;
        self.points
            .iter()
            .rev()
            .find(|p| last.at.saturating_sub(p.at) >= span)
    }

    /// Delay now, in seconds.
    pub(super) fn delay(&self) -> f64 {
        self.points.back().map_or(0.0, |p| p.delay)
    }

    /// Delay `ago`.
    pub(super) fn delay_before(&self, ago: Duration) -> Option<f64> {
        self.before(ago).map(|p| p.delay)
    }

    /// The part of the delay that never went away within the last `span`. `None` when that much was not seen yet.
    pub(super) fn standing(&self, span: Duration) -> Option<f64> {
        let last = self.points.back()?;
        self.before(span)?;
        let recent = self
            .points
            .iter()
            .rev()
            .take_while(|p| last.at.saturating_sub(p.at) <= span);
        recent.map(|p| p.delay).reduce(f64::min)
    }

    /// Takes the standing delay for the path's own from now on, until it is seen to be shorter.
    pub(super) fn adopt_standing(&mut self) {
        let standing = self.standing(Duration::from_secs(1)).unwrap_or(0.0);
        self.others += standing;
        for p in &mut self.points {
            p.delay = (p.delay - standing).max(0.0);
        }
        self.full_since = None;
    }

    /// What the link carried when it was last full, bit/s.
    pub(super) const fn capacity(&self) -> Option<f64> {
        self.capacity
    }

    /// What the link carries at least, bit/s, by the second best second of the last eight (by the best one if `eager`).
    pub(super) fn room(&self, eager: bool) -> Option<f64> {
        let mut best: Vec<f64> = self.bursts.iter().map(|(_, rate)| *rate).collect();
        best.sort_by(|a, b| b.total_cmp(a));
        best.get(usize::from(!eager)).copied()
    }

    /// From here on only new bursts count.
    pub(super) fn forget_bursts(&mut self) {
        self.bursts.clear();
    }

    /// How long nothing was confirmed although something waited.
    pub(super) const fn silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.progress)
    }
}

/// Bytes in bits.
#[expect(
    clippy::cast_precision_loss,
    reason = "sums of one connection are far below 2^53"
)]
pub(super) fn bits(bytes: u64) -> f64 {
    bytes as f64 * 8.0
}
