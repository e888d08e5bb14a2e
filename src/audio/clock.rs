//! Positions: sample frames at 48 kHz counted from the stage's start. All placing and mixing is done in positions, so
//! that nothing drifts against the media clock by rounding.

use crate::media::audio::ENGINE_RATE;
use crate::media::time::MediaTime;

/// One sample frame of the mix: left, right.
pub(super) type Frame = [f32; 2];

/// Sample frames per block: what AAC takes.
pub(super) const BLOCK_FRAMES: usize = 1024;
/// The same as a step of positions.
pub(super) const BLOCK_STEP: i64 = 1024;

/// Ties positions to the media clock: position 0 is at `origin`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleClock {
    origin: MediaTime,
}

impl SampleClock {
    pub(super) const fn new(origin: MediaTime) -> Self {
        Self { origin }
    }

    /// The position nearest to a time.
    pub(super) fn position(&self, t: MediaTime) -> i64 {
        let ns = i128::from(t.as_nanos()) - i128::from(self.origin.as_nanos());
        let frames = (ns * i128::from(ENGINE_RATE) + 500_000_000).div_euclid(1_000_000_000);
        i64::try_from(frames).expect("48,000 of 10^9 of a difference of two i64 fits in i64")
    }

    /// The time of a position, rounded down to the nanosecond.
    pub(super) fn time(&self, position: i64) -> MediaTime {
        let ns = i128::from(position) * 1_000_000_000;
        let ns = i64::try_from(ns.div_euclid(i128::from(ENGINE_RATE))).unwrap_or(i64::MAX);
        self.origin.offset_nanos(ns)
    }
}

/// Sample frames at 48 kHz in a signed number of nanoseconds, to the nearest.
pub(super) fn frames_in_nanos(ns: i64) -> i64 {
    SampleClock::new(MediaTime::ZERO).position(MediaTime::from_nanos(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_round_trip_for_ever() {
        let clock = SampleClock::new(MediaTime::from_nanos(12_345));
        for position in [0, 1, 2, 3, 47_999, 1024 * 47, 48_000 * 86_400 * 365] {
            assert_eq!(clock.position(clock.time(position)), position);
        }
        assert_eq!(
            clock.time(48_000 * 3600),
            MediaTime::from_nanos(12_345 + 3_600_000_000_000)
        );
        assert_eq!(
            clock.position(MediaTime::from_nanos(12_345 - 1_000_000_000)),
            -48_000
        );
        // stamps of nonsense do not overflow
        clock.position(MediaTime::from_nanos(i64::MIN));
        clock.position(MediaTime::from_nanos(i64::MAX));
    }
}
