//! When the bits are too few for every picture: half the frame rate, then (if allowed) half the size each way, with
//! inertia. Pure.

use std::time::Duration;

/// Bits per pixel below which half the pictures look better than all of them. x264 veryfast at 0.02 still holds text and
/// faces together at 720p; at a glance that is 550 kbit/s for 720p30.
const FEW: f64 = 0.02;
/// Back to all pictures only well above that, as the change itself is seen.
const ENOUGH: f64 = FEW * 1.4;
/// A dip that pays a backlog back is over sooner.
const BEFORE_HALVING: Duration = Duration::from_secs(2);
const BEFORE_FULL: Duration = Duration::from_secs(3);
/// Another size is another encoder, a sequence header and, at many services, a transcoder that starts anew: it stays
/// at least this long, and goes back only after it would have been too small for as long.
const SIZE_STAYS: Duration = Duration::from_secs(30);
/// Pixels of half the size each way.
const QUARTER: f64 = 0.25;

/// Which frame rate and size suit a bitrate.
#[derive(Debug, Default)]
pub(super) struct PictureChoice {
    half_rate: bool,
    /// Since when the other rate would be the better one.
    other_rate_since: Option<Duration>,
    half_size: bool,
    other_size_since: Option<Duration>,
    size_changed: Option<Duration>,
}

impl PictureChoice {
    /// Another connection: what was waited for begins anew, what is in use stays.
    pub(super) const fn begin_connection(&mut self) {
        (self.other_rate_since, self.other_size_since) = (None, None);
        self.size_changed = None;
    }

    /// Whether every other picture shall be left out, and whether the pictures shall be half as wide and high, at `bps`
    /// for `pixel_rate` pixels per second of the full ones (0: unknown). `may_shrink`: the size may be changed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "pixels per second are far below 2^53"
    )]
    pub(super) fn update(
        &mut self,
        now: Duration,
        bps: f64,
        pixel_rate: u64,
        may_shrink: bool,
    ) -> (bool, bool) {
        let full = if pixel_rate == 0 {
            f64::INFINITY
        } else {
            bps / pixel_rate as f64
        };
        let (before, half_size) = (self.half_size, self.size(now, full, may_shrink));
        if before != half_size {
            self.other_rate_since = None; // so many more or fewer pixels: judged anew
        }
        let per_pixel = if half_size { full / QUARTER } else { full };
        (self.rate(now, per_pixel), half_size)
    }

    fn rate(&mut self, now: Duration, per_pixel: f64) -> bool {
        let (other, wait) = if self.half_rate {
            (per_pixel > ENOUGH, BEFORE_FULL)
        } else {
            (per_pixel < FEW, BEFORE_HALVING)
        };
        if lasts(&mut self.other_rate_since, other, now, wait) {
            self.half_rate = !self.half_rate;
        }
        self.half_rate
    }

    /// `full`: bits for each pixel if all pictures had their full size.
    fn size(&mut self, now: Duration, full: f64, may_shrink: bool) -> bool {
        let (other, wait) = if self.half_size {
            let wait = if may_shrink {
                SIZE_STAYS
            } else {
                Duration::ZERO
            };
            (full > ENOUGH || !may_shrink, wait)
        } else {
            // half the pictures alone do not help enough
            let poor = may_shrink && self.half_rate && full * 2.0 < FEW;
            (poor, BEFORE_HALVING)
        };
        let rested = self
            .size_changed
            .is_none_or(|at| now.saturating_sub(at) >= SIZE_STAYS);
        let due = lasts(&mut self.other_size_since, other, now, wait);
        if due && (rested || !may_shrink) {
            self.half_size = !self.half_size;
            self.size_changed = Some(now);
        }
        self.half_size
    }
}

/// Whether `what` has held for `wait`.
fn lasts(since: &mut Option<Duration>, what: bool, now: Duration, wait: Duration) -> bool {
    if !what {
        *since = None;
        return false;
    }
    let due = now.saturating_sub(*since.get_or_insert(now)) >= wait;
    if due {
        *since = None;
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD30: u64 = 1280 * 720 * 30;

    #[test]
    fn halves_after_two_poor_seconds_and_returns_after_three_rich_ones() {
        let mut choice = PictureChoice::default();
        let mut at = |s: f64, bps| {
            choice
                .update(Duration::from_secs_f64(s), bps, HD30, false)
                .0
        };
        assert!(!at(0.0, 300e3) && !at(1.9, 300e3));
        assert!(at(2.0, 300e3));
        assert!(at(3.0, 700e3) && at(9.0, 700e3), "between the two marks");
        assert!(at(10.0, 900e3) && at(12.9, 900e3) && !at(13.0, 900e3));
        assert!(
            !at(16.0, 300e3) && !at(17.0, 900e3) && !at(18.5, 300e3),
            "a dip"
        );
        let unknown = choice.update(Duration::from_secs(60), 1.0, 0, true);
        assert_eq!(unknown, (false, false), "size unknown");
    }

    #[test]
    fn the_size_follows_the_frame_rate_and_stays_for_half_a_minute() {
        let mut choice = PictureChoice::default();
        let mut at = |s: u64, bps| choice.update(Duration::from_secs(s), bps, HD30, true);
        assert_eq!(at(0, 250e3), (false, false));
        assert_eq!(at(2, 250e3), (true, false), "the frame rate first");
        assert_eq!(at(3, 250e3), (true, false));
        assert_eq!(at(5, 250e3), (true, true), "then the size");
        // at a quarter of the pixels there are bits enough for all pictures
        assert!(at(6, 250e3).0);
        assert_eq!(at(10, 250e3), (false, true));
        assert_eq!(at(11, 2e6), (false, true), "the link is back");
        assert_eq!(at(40, 2e6), (false, true), "not at once");
        assert_eq!(at(41, 2e6), (false, false), "all pixels, all pictures");
        // and not small again at once either
        assert_eq!(at(50, 250e3), (false, false));
        assert_eq!(at(52, 250e3), (true, false));
        assert_eq!(at(70, 250e3), (true, false));
        assert_eq!(at(72, 250e3), (true, true));
    }

    #[test]
    fn the_size_is_left_alone_unless_allowed_and_returns_at_once_when_forbidden() {
        let mut choice = PictureChoice::default();
        let mut at = |s: u64, allowed| choice.update(Duration::from_secs(s), 200e3, HD30, allowed);
        for s in 0..100 {
            assert!(!at(s, false).1);
        }
        assert!(!at(100, true).1 && at(102, true).1);
        assert!(!at(103, false).1);
    }
}
