//! When to try a connection again. Pure: failures, the time and a random number in, a delay or "give up" out.

use std::time::{Duration, Instant};

/// First delay.
const FIRST: Duration = Duration::from_secs(1);
/// No delay is longer, jitter aside.
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted this long was good: the next loss starts from the first delay again.
const STABLE: Duration = Duration::from_secs(10);
/// A connection that lasted this long shows that the server wants the stream; some accept first and refuse then.
pub(super) const SETTLED: Duration = Duration::from_secs(3);
/// Delay while the server still holds our own name. Short: it lets go at any moment.
const BUSY_RETRY: Duration = Duration::from_secs(3);
/// How long after our own loss a busy name is taken for our own ghost. nginx-rtmp needs up to 90 s (60 s idle, then a
/// ping unanswered for 30 s).
const GHOST: Duration = Duration::from_secs(90);
/// A server that refuses is asked this often.
const REFUSALS: u32 = 3;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke: keeps trying until stopped.
    Passing,
    /// The server answered and does not want this stream.
    Refused,
    /// The server closed or talked nonsense before the stream began: most likely a wrong address, but what a server
    /// does while it restarts, too. Counts as a refusal until the address has worked once.
    Doubtful,
    /// The name is taken.
    Busy,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this delay.
    Retry(Duration),
    /// Trying again makes no sense.
    GiveUp,
}

/// Delays between tries of one output: 1 s, doubling, at most 30 s, ±20 %.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    doublings: u32,
    refusals: u32,
    attempt: u32,
    live_since: Option<Instant>,
    worked: bool,
    lost_at: Option<Instant>,
}

impl Backoff {
    /// For an address that was never tried.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server accepted the stream at `now`.
    pub const fn connected(&mut self, now: Instant) {
        self.live_since = Some(now);
    }

    /// A try failed, or a live connection broke, at `now`. `random` from 0 to 1 spreads the delay, so that a thousand
    /// publishers do not return in step to a server that comes back.
    pub fn failed(&mut self, failure: Failure, now: Instant, random: f64) -> Next {
        if let Some(since) = self.live_since.take() {
            self.lost_at = Some(now);
            let lasted = now.saturating_duration_since(since);
            if lasted >= SETTLED {
                self.worked = true;
                self.refusals = 0;
            }
            if lasted >= STABLE {
                self.doublings = 0;
                self.attempt = 0;
            }
        }
        let ghost = self
            .lost_at
            .is_some_and(|at| now.saturating_duration_since(at) <= GHOST);
        let refused = match failure {
            Failure::Passing => false,
            Failure::Refused => true,
            Failure::Doubtful => !self.worked,
            Failure::Busy => !ghost,
        };
        if refused {
            self.refusals += 1;
            if self.refusals >= REFUSALS {
                return Next::GiveUp;
            }
        }
        self.attempt = self.attempt.saturating_add(1);
        let delay = if failure == Failure::Busy && ghost {
            BUSY_RETRY
        } else {
            let delay = FIRST
                .saturating_mul(1 << self.doublings.min(16))
                .min(LONGEST);
            self.doublings = self.doublings.saturating_add(1);
            delay
        };
        Next::Retry(delay.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0)))
    }

    /// Number of the try that follows the last failure; counts from 1 since the last stable connection.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(next: Next) -> f64 {
        match next {
            Next::Retry(d) => d.as_secs_f64(),
            Next::GiveUp => f64::NAN,
        }
    }

    #[test]
    fn doubles_to_thirty_seconds_and_never_gives_up() {
        let (mut b, now) = (Backoff::new(), Instant::now());
        let delays: Vec<_> = (0..8)
            .map(|_| secs(b.failed(Failure::Passing, now, 0.5)))
            .collect();
        assert_eq!(delays, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(b.attempt(), 8);
        for _ in 0..1000 {
            assert_eq!(secs(b.failed(Failure::Passing, now, 0.5)), 30.0);
        }
    }

    #[test]
    fn jitter_is_a_fifth_each_way() {
        let now = Instant::now();
        let first = |random| secs(Backoff::new().failed(Failure::Passing, now, random));
        assert_eq!((first(0.0), first(1.0)), (0.8, 1.2));
        assert_eq!(first(7.0), 1.2);
    }

    #[test]
    fn a_stable_connection_starts_over_a_flapping_one_does_not() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        for _ in 0..4 {
            b.failed(Failure::Passing, t, 0.5);
        }
        b.connected(t);
        assert_eq!(
            secs(b.failed(Failure::Passing, t + Duration::from_secs(9), 0.5)),
            16.0
        );
        b.connected(t);
        assert_eq!(secs(b.failed(Failure::Passing, t + STABLE, 0.5)), 1.0);
        assert_eq!(b.attempt(), 1);
    }

    #[test]
    fn a_refusal_is_asked_three_times() {
        for failure in [Failure::Refused, Failure::Doubtful, Failure::Busy] {
            let (mut b, t) = (Backoff::new(), Instant::now());
            assert_eq!(secs(b.failed(failure, t, 0.5)), 1.0);
            assert_eq!(secs(b.failed(failure, t, 0.5)), 2.0);
            assert_eq!(b.failed(failure, t, 0.5), Next::GiveUp);
        }
    }

    #[test]
    fn our_own_ghost_is_waited_for() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        b.connected(t);
        let lost = t + Duration::from_secs(60);
        assert_eq!(secs(b.failed(Failure::Passing, lost, 0.5)), 1.0);
        for s in [1, 4, 30, 60, 90] {
            let now = lost + Duration::from_secs(s);
            assert_eq!(secs(b.failed(Failure::Busy, now, 0.5)), 3.0);
        }
        // longer than any server holds a ghost: it is somebody else
        let late = lost + Duration::from_secs(91);
        assert_eq!(secs(b.failed(Failure::Busy, late, 0.5)), 2.0);
        assert_eq!(secs(b.failed(Failure::Busy, late, 0.5)), 4.0);
        assert_eq!(b.failed(Failure::Busy, late, 0.5), Next::GiveUp);
    }

    #[test]
    fn a_server_that_accepts_and_closes_at_once_is_asked_three_times() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        for expected in [1.0, 2.0] {
            b.connected(t);
            assert_eq!(secs(b.failed(Failure::Doubtful, t, 0.5)), expected);
        }
        b.connected(t);
        assert_eq!(b.failed(Failure::Doubtful, t, 0.5), Next::GiveUp);
    }

    #[test]
    fn an_address_that_worked_is_not_given_up_for_a_closing_server() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        b.connected(t);
        let t = t + SETTLED;
        for _ in 0..20 {
            assert!(matches!(
                b.failed(Failure::Doubtful, t, 0.5),
                Next::Retry(_)
            ));
        }
        b.failed(Failure::Refused, t, 0.5);
        b.failed(Failure::Refused, t, 0.5);
        assert_eq!(b.failed(Failure::Refused, t, 0.5), Next::GiveUp);
    }
}
