//! When to grab a screen that tells what is drawn on it: just after something was, but no faster than the show's rate. Pure
//! logic; runs on the source's thread.
//!
//! A program that draws faster than the show is grabbed just after one of its pictures, too, not between two: else what
//! moves would be seen to move unevenly.

use std::time::Duration;

use crate::media::time::MediaTime;

/// From the first word of something drawn to the grab: a program draws a picture in several strokes.
const SETTLE: Duration = Duration::from_millis(1);
/// Share of the show's interval between two grabs, at least: programs that draw at the show's own rate do so with jitter.
const SOONEST: f32 = 0.8;
/// Share of the interval after which what has been drawn is grabbed, though nothing more was.
const LATEST: f32 = 1.08;

/// A program that draws no faster than this share of the interval sets the pace; others are held to the show's.
const STEADY: f32 = 0.92;

/// The moments of grabs.
#[derive(Debug)]
pub(super) struct Moment {
    interval: Duration,
    /// The grab that the next one is counted from.
    base: Option<MediaTime>,
    drawn: MediaTime,
    /// [`asks_again`](Self::asks_again) has been answered with yes.
    asked: bool,
}

impl Moment {
    pub(super) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            base: None,
            drawn: MediaTime::ZERO,
            asked: false,
        }
    }

    /// No grab before this.
    pub(super) fn earliest(&self) -> MediaTime {
        self.base.map_or(MediaTime::ZERO, |base| {
            base + self.interval.mul_f32(SOONEST)
        })
    }

    /// It is too early for a grab.
    pub(super) fn is_early(&self, now: MediaTime) -> bool {
        now < self.earliest()
    }

    /// Now that it is early no longer: what was drawn was so while it was early, and may be drawn again soon. True once
    /// after each grab.
    pub(super) fn asks_again(&mut self) -> bool {
        self.drawn < self.earliest() && !std::mem::replace(&mut self.asked, true)
    }

    /// The server told of something drawn.
    pub(super) const fn drawn(&mut self, now: MediaTime) {
        self.drawn = now;
    }

    /// When to grab what was drawn, being early no longer; `fresh`: something was since then.
    pub(super) fn due(&self, fresh: bool) -> MediaTime {
        let latest = self
            .base
            .map_or(MediaTime::ZERO, |base| base + self.interval.mul_f32(LATEST));
        if fresh {
            latest.min(self.drawn + SETTLE)
        } else {
            latest
        }
    }

    /// A grab was made, or was not possible. `fresh`: at once after something was drawn.
    pub(super) fn taken(&mut self, now: MediaTime, fresh: bool) {
        let next = self.base.map(|base| base + self.interval);
        let kept = next.filter(|&next| {
            let early = next.saturating_since(now) > self.interval.mul_f32(1.0 - STEADY);
            early || (!fresh && now.saturating_since(next) < self.interval / 2)
        });
        self.base = Some(kept.unwrap_or(now));
        self.asked = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_nanos(33_333_333);

    /// Grabs of what is drawn each `every` ms; when they are made and which drawing they show.
    fn grabs(every: f64, seconds: f64) -> Vec<(f64, u32)> {
        let ms = |t: MediaTime| t.as_nanos() as f64 / 1e6;
        let mut moment = Moment::new(INTERVAL);
        let (mut drawn, mut fresh) = (false, false);
        let (mut next, mut found) = (0, Vec::new());
        // the loop of the source, a tenth of a millisecond at a time
        for n in 0..(seconds * 1e4) as i64 {
            let now = MediaTime::from_nanos(n * 100_000);
            if ms(now) >= f64::from(next) * every {
                next += 1;
                if !fresh {
                    moment.drawn(now);
                }
                (drawn, fresh) = (true, true);
            }
            if !drawn || moment.is_early(now) {
                continue;
            }
            if moment.asks_again() {
                fresh = false;
            }
            if now >= moment.due(fresh) {
                moment.taken(now, fresh);
                found.push((ms(now), next - 1));
                (drawn, fresh) = (false, false);
            }
        }
        found
    }

    #[test]
    fn what_is_drawn_at_the_shows_rate_is_grabbed_at_once() {
        let grabs = grabs(1e3 / 30.0, 2.0);
        assert_eq!(grabs.len(), 60);
        for (at, shows) in &grabs[1..] {
            let age = at - f64::from(*shows) * 1e3 / 30.0;
            assert!((1.0..1.3).contains(&age), "{age} ms old");
        }
    }

    #[test]
    fn of_a_faster_program_every_second_picture_is_grabbed() {
        let grabs = grabs(1e3 / 60.0, 2.0);
        assert!(
            grabs[2..].windows(2).all(|w| w[1].1 == w[0].1 + 2),
            "{grabs:?}"
        );
        assert!((59..=61).contains(&grabs.len()));
    }

    #[test]
    fn no_rate_is_grabbed_faster_than_the_show_or_much_slower() {
        for rate in [31.0, 37.0, 45.0, 50.0, 75.0, 120.0, 1000.0] {
            let count = grabs(1e3 / rate, 10.0).len();
            assert!((270..=318).contains(&count), "{rate}: {count} in 10 s");
        }
        assert_eq!(grabs(1e3 / 12.0, 10.0).len(), 120);
    }

    #[test]
    fn a_change_soon_after_a_grab_is_seen_soon() {
        let mut moment = Moment::new(INTERVAL);
        moment.taken(MediaTime::from_millis(100), true);
        moment.drawn(MediaTime::from_millis(105));
        assert!(moment.is_early(MediaTime::from_millis(110)));
        assert!(moment.asks_again());
        let due = moment.due(false);
        assert!((133..=137).contains(&due.as_millis()), "{due:?}");
    }
}
