//! A camera's own time stamps on the session's clock. Pure: the moment of arrival is an argument.
//!
//! Drivers stamp a picture when its first or last byte arrives, mostly on `CLOCK_MONOTONIC`. Seen besides: stamps in the
//! future (`vivid`), none, others' clocks, jumps after a suspend.

use crate::media::time::{MediaClock, MediaTime};

/// When the driver says a picture was taken, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    /// On `CLOCK_MONOTONIC`.
    Monotonic(i64),
    /// On a clock the driver does not name.
    Other(i64),
    /// It does not say.
    Missing,
}

/// Maps the stamps of one stream.
#[derive(Debug)]
pub(super) struct StampClock {
    clock: MediaClock,
    /// Added to the device's time; `None` before the first stamp and after one that was not believed.
    offset_ns: Option<i64>,
    last_arrival: Option<MediaTime>,
    last: Option<MediaTime>,
}

impl StampClock {
    /// A picture is not older than this when it reaches us; a stamp that says so is of another time line.
    const TRUST_NS: i64 = 2_000_000_000;
    /// How fast an unknown clock may run away from ours, as a share: 1 in 1000. Crystals are some 20 times better.
    const DRIFT: i64 = 1000;

    /// For the stamps of one opening of a device.
    pub(super) const fn new(clock: MediaClock) -> Self {
        Self {
            clock,
            offset_ns: None,
            last_arrival: None,
            last: None,
        }
    }

    /// The moment of capture of a picture that reached us at `arrival`. Never after `arrival` (but for making room for
    /// the next point), at most 2 s before it, and always after the one before.
    pub(super) fn map(&mut self, stamp: Stamp, arrival: MediaTime) -> MediaTime {
        let at = match stamp {
            Stamp::Missing => arrival,
            Stamp::Monotonic(raw) => self.shift(raw, arrival, 0),
            Stamp::Other(raw) => self.shift(raw, arrival, self.drift(arrival)),
        };
        self.last_arrival = Some(arrival);
        let least = self
            .last
            .map(|last| MediaTime::from_nanos(last.as_nanos() + 1));
        let at = least.map_or(at, |least| at.max(least));
        self.last = Some(at);
        at
    }

    /// How far an unknown clock may have fallen behind since the last picture.
    fn drift(&self, arrival: MediaTime) -> i64 {
        let passed = self
            .last_arrival
            .map_or(0, |last| arrival.nanos_since(last));
        passed.max(0) / Self::DRIFT
    }

    /// The device's time on our clock. The offset is the least delay seen: a picture cannot have been taken after it came.
    fn shift(&mut self, raw: i64, arrival: MediaTime, drift: i64) -> MediaTime {
        let age = self.clock.to_monotonic(arrival).saturating_sub(raw);
        let believable = |offset: i64| (0..=Self::TRUST_NS).contains(&age.saturating_sub(offset));
        // zero: a clock that is ours needs no moving, said or not
        let start = if believable(0) { 0 } else { age };
        let offset = match self.offset_ns {
            None => start,
            Some(offset) => {
                let offset = offset.saturating_add(drift);
                if age < offset && offset.saturating_sub(age) <= Self::TRUST_NS {
                    age
                } else if believable(offset) {
                    offset
                } else {
                    start
                }
            }
        };
        self.offset_ns = Some(offset);
        let delay = age.saturating_sub(offset).clamp(0, Self::TRUST_NS);
        MediaTime::from_nanos(arrival.as_nanos() - delay)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const EPOCH: i64 = 5_000_000_000_000;
    const MS: i64 = 1_000_000;

    fn clock() -> StampClock {
        StampClock::new(MediaClock::with_epoch(EPOCH))
    }

    fn ms(ms: i64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    #[test]
    fn good_stamps_are_taken_as_they_are() {
        let mut c = clock();
        for k in 0..100 {
            let at = EPOCH + k * 33 * MS;
            assert_eq!(
                c.map(Stamp::Monotonic(at), ms(k * 33 + 20 + k % 7)),
                ms(k * 33)
            );
        }
    }

    #[test]
    fn stamps_in_the_future_are_moved_back_together() {
        let mut c = clock();
        // 16 ms ahead, arriving with 0 to 4 ms of delay: the least delay is taken for none
        let at = |k: i64| EPOCH + (k * 33 + 16) * MS;
        assert_eq!(c.map(Stamp::Monotonic(at(0)), ms(0)), ms(0));
        assert_eq!(c.map(Stamp::Monotonic(at(1)), ms(37)), ms(33));
        assert_eq!(c.map(Stamp::Monotonic(at(2)), ms(68)), ms(66));
    }

    #[test]
    fn an_unknown_clock_is_tied_to_ours_and_a_jump_ties_it_anew() {
        let mut c = clock();
        assert_eq!(c.map(Stamp::Other(777), ms(100)), ms(100));
        let next = c.map(Stamp::Other(777 + 33 * MS), ms(140)).as_nanos();
        assert!((133 * MS..=134 * MS).contains(&next), "{next}");
        assert_eq!(c.map(Stamp::Other(9_000_000 * MS), ms(170)), ms(170));
        assert_eq!(c.map(Stamp::Missing, ms(200)), ms(200));
    }

    /// Stamps of any kind, any value, and how long after the one before they arrive.
    fn any_stamp() -> impl Strategy<Value = (Stamp, i64)> {
        let near = EPOCH - 5_000_000_000..EPOCH + 40_000_000_000;
        let stamp = proptest::prop_oneof![
            near.clone().prop_map(Stamp::Monotonic),
            any::<i64>().prop_map(Stamp::Monotonic),
            near.prop_map(Stamp::Other),
            any::<i64>().prop_map(Stamp::Other),
            proptest::prelude::Just(Stamp::Missing),
        ];
        (stamp, 0_i64..1_000_000_000)
    }

    proptest! {
        #[test]
        fn time_runs_forward_and_never_ahead_whatever_a_driver_says(stamps in prop::collection::vec(any_stamp(), 1..60)) {
            let mut c = clock();
            let mut arrival = ms(0);
            let mut last: Option<MediaTime> = None;
            for (n, (stamp, wait)) in stamps.into_iter().enumerate() {
                arrival = MediaTime::from_nanos(arrival.as_nanos() + wait);
                let at = c.map(stamp, arrival);
                let ahead = at.nanos_since(arrival);
                prop_assert!(ahead <= n as i64, "{ahead} ns ahead");
                prop_assert!(last.is_none_or(|last| at > last));
                prop_assert!(ahead >= -StampClock::TRUST_NS);
                last = Some(at);
            }
        }

        /// A clock that drifts and a delay that jitters: the picture is never placed further off than both together.
        #[test]
        fn a_strange_clock_is_followed(origin_s in 20_000_i64..2_000_000, drift_ppm in -200_i64..200, delays in prop::collection::vec(0_i64..20, 300)) {
            let mut c = clock();
            for (k, delay) in (0_i64..).zip(&delays) {
                let taken = k * 33 * MS;
                let raw = origin_s * 1000 * MS + taken + taken / 1_000_000 * drift_ppm;
                let at = c.map(Stamp::Other(raw), MediaTime::from_nanos(taken + delay * MS)).as_nanos();
                // 10 s at 1 in 1000 and 200 ppm: 12 ms on top of the jitter
                prop_assert!((taken - 12 * MS..=taken + 20 * MS).contains(&at), "{} ms off at {k}", (at - taken) / MS);
            }
        }

        #[test]
        fn monotonic_stamps_pass_unchanged(delays in prop::collection::vec(0_i64..200, 1..100)) {
            let mut c = clock();
            for (k, delay) in (0_i64..).zip(&delays) {
                let at = c.map(Stamp::Monotonic(EPOCH + k * 33 * MS), ms(k * 33 + delay));
                prop_assert_eq!(at, ms(k * 33));
            }
        }
    }
}
