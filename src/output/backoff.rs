//! When to try a connection again. Pure: failures, the time and a random number in, a delay or "give up" out.

use std::time::{Duration, Instant};

/// Delays of an address that has not worked yet, and of one that has not for a while; the last one goes on.
const DELAYS_MS: [u64; 4] = [500, 1000, 2000, 3000];
/// A stream that was on air a moment ago is missed by its viewers: asked for once a second.
const FRESH_LOSS: Duration = Duration::from_secs(60);
const FRESH_DELAYS_MS: [u64; 2] = [500, 1000];
/// A connection that lasted this long was good: the next loss starts from the first delay again.
const STABLE: Duration = Duration::from_secs(10);
/// A connection that lasted this long shows that the server wants the stream; some accept first and refuse then.
pub(super) const SETTLED: Duration = Duration::from_secs(3);
/// Delays while the server still holds our own name. The first is what a server takes to notice the reset of our old
/// connection; then it lets go at any moment.
const BUSY_DELAYS_MS: [u64; 2] = [300, 1000];
/// How long after our own loss a busy name is taken for our own ghost. nginx-rtmp needs up to 90 s (60 s idle, then a
/// ping unanswered for 30 s).
const GHOST: Duration = Duration::from_secs(90);
/// For so long after the loss of a good connection a refusal is taken for a restart.
const RESTART: Duration = Duration::from_secs(20);
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

/// Delays between tries of one output: 0.5, 1, 2, 3, 3 … s, ±20 %; not more than a second within a minute of a loss.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    /// Failures since the last stable connection, and those of them that met our own name.
    failures: usize,
    busy: usize,
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
            self.busy = 0;
            if lasted >= STABLE {
                self.failures = 0;
                self.attempt = 0;
            }
        }
        let lost_at = self.lost_at;
        let lost_within =
            |span| lost_at.is_some_and(|at| now.saturating_duration_since(at) <= span);
        let ghost = lost_within(GHOST);
        let refused = match failure {
            Failure::Passing => false,
            // servers that restart refuse, with errors of all kinds, what they took a moment ago
            Failure::Refused => !(self.worked && lost_within(RESTART)),
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
        let fresh = self.worked && lost_within(FRESH_LOSS);
        let (delays, count): (&[u64], _) = match failure {
            Failure::Busy if ghost => (&BUSY_DELAYS_MS, &mut self.busy),
            _ if fresh => (&FRESH_DELAYS_MS, &mut self.failures),
            _ => (&DELAYS_MS, &mut self.failures),
        };
        let delay = Duration::from_millis(delays[(*count).min(delays.len() - 1)]);
        *count = count.saturating_add(1);
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
    fn grows_to_three_seconds_and_never_gives_up() {
        let (mut b, now) = (Backoff::new(), Instant::now());
        let delays: Vec<_> = (0..6)
            .map(|_| secs(b.failed(Failure::Passing, now, 0.5)))
            .collect();
        assert_eq!(delays, [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]);
        assert_eq!(b.attempt(), 6);
        for _ in 0..1000 {
            assert_eq!(secs(b.failed(Failure::Passing, now, 0.5)), 3.0);
        }
    }

    #[test]
    fn jitter_is_a_fifth_each_way() {
        let now = Instant::now();
        let first = |random| secs(Backoff::new().failed(Failure::Passing, now, random));
        assert_eq!((first(0.0), first(1.0)), (0.4, 0.6));
        assert_eq!(first(7.0), 0.6);
    }

    #[test]
    fn a_stable_connection_starts_over_a_flapping_one_does_not() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        for _ in 0..4 {
            b.failed(Failure::Passing, t, 0.5);
        }
        b.connected(t);
        let soon = t + Duration::from_secs(2);
        assert_eq!(secs(b.failed(Failure::Passing, soon, 0.5)), 3.0);
        b.connected(soon);
        assert_eq!(secs(b.failed(Failure::Passing, soon + STABLE, 0.5)), 0.5);
        assert_eq!(b.attempt(), 1);
    }

    #[test]
    fn viewers_of_a_stream_just_lost_wait_a_second_at_most() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        b.connected(t);
        let lost = t + STABLE;
        let at = |s| lost + Duration::from_secs(s);
        let delays: Vec<_> = [0, 1, 5, 30, 60, 61, 70]
            .map(|s| secs(b.failed(Failure::Passing, at(s), 0.5)))
            .into();
        assert_eq!(delays, [0.5, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0]);
    }

    #[test]
    fn a_refusal_is_asked_three_times() {
        for failure in [Failure::Refused, Failure::Doubtful, Failure::Busy] {
            let (mut b, t) = (Backoff::new(), Instant::now());
            assert_eq!(secs(b.failed(failure, t, 0.5)), 0.5);
            assert_eq!(secs(b.failed(failure, t, 0.5)), 1.0);
            assert_eq!(b.failed(failure, t, 0.5), Next::GiveUp);
        }
    }

    #[test]
    fn our_own_ghost_is_waited_for() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        b.connected(t);
        let lost = t + Duration::from_secs(60);
        assert_eq!(secs(b.failed(Failure::Passing, lost, 0.5)), 0.5);
        for (s, delay) in [(1, 0.3), (2, 1.0), (30, 1.0), (60, 1.0), (90, 1.0)] {
            let now = lost + Duration::from_secs(s);
            assert_eq!(secs(b.failed(Failure::Busy, now, 0.5)), delay);
        }
        // longer than any server holds a ghost: it is somebody else
        let late = lost + Duration::from_secs(91);
        assert_eq!(secs(b.failed(Failure::Busy, late, 0.5)), 1.0);
        assert_eq!(secs(b.failed(Failure::Busy, late, 0.5)), 2.0);
        assert_eq!(b.failed(Failure::Busy, late, 0.5), Next::GiveUp);
    }

    #[test]
    fn a_server_that_accepts_and_closes_at_once_is_asked_three_times() {
        let (mut b, t) = (Backoff::new(), Instant::now());
        for expected in [0.5, 1.0] {
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
        let still = b.failed(Failure::Refused, t, 0.5);
        assert!(matches!(still, Next::Retry(_)), "it may be starting");
        let t = t + RESTART + Duration::from_secs(1);
        b.failed(Failure::Refused, t, 0.5);
        b.failed(Failure::Refused, t, 0.5);
        assert_eq!(b.failed(Failure::Refused, t, 0.5), Next::GiveUp);
    }
}
