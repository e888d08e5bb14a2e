//! How many bytes may be on their way at once: what the rate needs for one round trip, and a little more. What a network
//! has taken nobody can take back; when a mobile link falls to a tenth, all of that arrives seconds late, whatever is
//! decided then. So the rest waits in our queue, where it can still be dropped. Pure; used by one connection's task.

use std::time::Duration;

/// Time that a queue in the network may take at the present rate: a keyframe passes at several times that rate.
const ALLOWANCE: Duration = Duration::from_millis(100);
/// Not less than this, bytes: eleven segments, so that TCP still sees its losses by acknowledgements.
const LEAST: u64 = 16 << 10;
/// A path becomes longer when a phone changes its cell: the smallest round trip of this long counts.
const SPAN: Duration = Duration::from_secs(8);

/// The limit of one connection.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Smallest of the connection, for systems that do not tell it.
    lowest: Option<Duration>,
    /// Smallest round trips of the span under way and of the one before.
    least: (Option<Duration>, Option<Duration>),
    began: Duration,
}

impl Window {
    /// Bytes that may be on their way at `bps`, with the smoothed round trip time of now and the smallest one the system
    /// has seen. `None` where it tells neither: there is no limit then.
    pub(super) fn look(
        &mut self,
        now: Duration,
        bps: u64,
        rtt: Option<Duration>,
        min_rtt: Option<Duration>,
    ) -> Option<u64> {
        let rtt = rtt?;
        self.lowest = Some(self.lowest.map_or(rtt, |lowest| lowest.min(rtt)));
        if now.saturating_sub(self.began) >= SPAN / 2 {
            self.began = now;
            self.least = (None, self.least.0);
        }
        self.least.0 = Some(self.least.0.map_or(rtt, |least| least.min(rtt)));
        let recent = self.least.1.map_or(rtt, |before| before.min(rtt));
        let recent = self.least.0.map_or(recent, |least| least.min(recent));
        // a queue of our own that stands for long must not allow for more of it
        let base = min_rtt
            .or(self.lowest)
            .map_or(recent, |min| recent.min(min * 2 + ALLOWANCE).max(min));
        let bits = u128::from(bps) * (base + ALLOWANCE).as_micros() / 1_000_000;
        Some(u64::try_from(bits / 8).unwrap_or(u64::MAX).max(LEAST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Option<Duration> {
        Some(Duration::from_millis(n))
    }

    #[test]
    fn a_round_trip_and_a_tenth_of_a_second_may_be_on_their_way() {
        let mut window = Window::default();
        let mut at = |s, bps, rtt, min| window.look(Duration::from_secs(s), bps, rtt, min);
        assert_eq!(at(0, 4_000_000, ms(50), ms(50)), Some(75_000));
        assert_eq!(at(1, 4_000_000, ms(400), ms(50)), Some(75_000), "a queue");
        assert_eq!(at(1, 200_000, ms(50), ms(50)), Some(LEAST));
        assert_eq!(at(1, 200_000, None, None), None);
    }

    #[test]
    fn a_longer_path_is_allowed_for_after_a_while_but_only_so_far() {
        let mut window = Window::default();
        let mut last = 0;
        for s in 0..20 {
            let now = Duration::from_secs(s);
            last = window.look(now, 4_000_000, ms(150), ms(50)).unwrap();
        }
        assert_eq!(last, 125_000);
        for s in 20..40 {
            let now = Duration::from_secs(s);
            last = window.look(now, 4_000_000, ms(900), ms(50)).unwrap();
        }
        assert_eq!(last, 150_000);
    }
}
