//! When the bits are too few for every picture: half the frame rate, with inertia. Pure.

use std::time::Duration;

/// Bits per pixel below which half the pictures look better than all of them. x264 veryfast at 0.02 still holds text and
/// faces together at 720p; at a glance that is 550 kbit/s for 720p30.
const FEW: f64 = 0.02;
/// Back to all pictures only well above that, as the change itself is seen.
const ENOUGH: f64 = FEW * 1.4;
/// A dip that pays a backlog back is over sooner.
const BEFORE_HALVING: Duration = Duration::from_secs(2);
const BEFORE_FULL: Duration = Duration::from_secs(5);

/// Which frame rate suits a bitrate.
#[derive(Debug, Default)]
pub(super) struct FrameRateChoice {
    half: bool,
    /// Since when the other choice would be the better one.
    other_since: Option<Duration>,
}

impl FrameRateChoice {
    /// Whether every other picture shall be left out at `bps` for `pixel_rate` pixels per second (0: unknown).
    #[expect(
        clippy::cast_precision_loss,
        reason = "pixels per second are far below 2^53"
    )]
    pub(super) fn update(&mut self, now: Duration, bps: f64, pixel_rate: u64) -> bool {
        let per_pixel = if pixel_rate == 0 {
            f64::INFINITY
        } else {
            bps / pixel_rate as f64
        };
        let (other, wait) = if self.half {
            (per_pixel > ENOUGH, BEFORE_FULL)
        } else {
            (per_pixel < FEW, BEFORE_HALVING)
        };
        if !other {
            self.other_since = None;
        } else if now.saturating_sub(*self.other_since.get_or_insert(now)) >= wait {
            self.half = !self.half;
            self.other_since = None;
        }
        self.half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_after_two_poor_seconds_and_returns_after_five_rich_ones() {
        const HD30: u64 = 1280 * 720 * 30;
        let mut choice = FrameRateChoice::default();
        let mut at = |s: f64, bps| choice.update(Duration::from_secs_f64(s), bps, HD30);
        assert!(!at(0.0, 300e3) && !at(1.9, 300e3));
        assert!(at(2.0, 300e3));
        assert!(at(3.0, 700e3) && at(9.0, 700e3), "between the two marks");
        assert!(at(10.0, 900e3) && at(14.9, 900e3) && !at(15.0, 900e3));
        assert!(
            !at(16.0, 300e3) && !at(17.0, 900e3) && !at(18.5, 300e3),
            "a dip"
        );
        assert!(
            !choice.update(Duration::from_secs(60), 1.0, 0),
            "size unknown"
        );
    }
}
