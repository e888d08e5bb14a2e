//! What to do after a source failed, and when a silent source counts as stalled. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::media::Recovery;

/// The supervisor's times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Longest wait for a frame, and so for noticing a stop.
    pub poll: Duration,
    /// Time between two questions to a sound source.
    pub check: Duration,
    /// With no frame for this long a picture source is stalled.
    pub stall: Duration,
    /// How long the last frame of a lost source stays.
    pub hold: Duration,
    /// Delays before the first, second ... attempt; the last one goes on.
    pub backoff: [Duration; 3],
    /// A source that delivered this long begins with a clean sheet.
    pub steady: Duration,
}

impl Timing {
    pub(super) const NORMAL: Self = Self {
        poll: Duration::from_millis(100),
        check: Duration::from_millis(250),
        stall: Duration::from_secs(2),
        hold: Duration::from_millis(500),
        backoff: [
            Duration::from_secs(1),
            Duration::from_secs(2),
            Duration::from_secs(5),
        ],
        steady: Duration::from_secs(5),
    };

    /// For sound, which is missed at once: asking a sound server costs little, and one that was restarted is to be
    /// heard again within 3 s.
    pub(super) const SOUND: Self = Self {
        backoff: [
            Duration::from_millis(300),
            Duration::from_millis(700),
            Duration::from_millis(1500),
        ],
        ..Self::NORMAL
    };
}

/// How a source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It said so.
    Error(Recovery),
    /// It panicked.
    Panic,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Open it again after this time (zero: at once).
    After(Duration),
    /// Leave it.
    GiveUp,
}

/// Counts failures of one source.
#[derive(Debug, Default)]
pub(super) struct RetryPlan {
    retries: usize,
    rebuilds: u32,
    panics: u32,
}

impl RetryPlan {
    /// Rebuilds at once that may follow each other; from then on they wait like retries.
    const MAX_REBUILDS: u32 = 2;
    /// A bug that shows twice will show again.
    const MAX_PANICS: u32 = 1;

    /// The source failed after having delivered for `delivered`.
    pub(super) fn failed(&mut self, cause: Cause, delivered: Duration, timing: &Timing) -> Next {
        if delivered >= timing.steady {
            self.retries = 0;
            self.rebuilds = 0;
        }
        match cause {
            Cause::Panic if self.panics < Self::MAX_PANICS => {
                self.panics += 1;
                Next::After(Duration::ZERO)
            }
            Cause::Panic | Cause::Error(Recovery::GiveUp) => Next::GiveUp,
            Cause::Error(Recovery::Rebuild) if self.rebuilds < Self::MAX_REBUILDS => {
                self.rebuilds += 1;
                Next::After(Duration::ZERO)
            }
            // a source has nothing to fall back on
            Cause::Error(Recovery::Retry | Recovery::Rebuild | Recovery::Fallback) => {
                let step = self.retries.min(timing.backoff.len() - 1);
                self.retries += 1;
                Next::After(timing.backoff[step])
            }
        }
    }
}

/// Watches for frames.
#[derive(Debug)]
pub(super) struct StallWatch {
    last: Instant,
    limit: Duration,
    fed: bool,
}

impl StallWatch {
    /// The source was opened now.
    pub(super) const fn new(now: Instant, limit: Duration) -> Self {
        Self {
            last: now,
            limit,
            fed: false,
        }
    }

    /// A frame came.
    pub(super) const fn fed(&mut self, now: Instant) {
        self.last = now;
        self.fed = true;
    }

    /// For how long nothing came, when that is too long. A source that `may_be_still` owes its first frame only.
    pub(super) fn stalled(&self, now: Instant, may_be_still: bool) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.last);
        let excused = may_be_still && self.fed;
        (silent >= self.limit && !excused).then_some(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timing = Timing::NORMAL;
    const RETRY: Cause = Cause::Error(Recovery::Retry);
    const REBUILD: Cause = Cause::Error(Recovery::Rebuild);

    fn after(seconds: u64) -> Next {
        Next::After(Duration::from_secs(seconds))
    }

    #[test]
    fn retries_back_off_and_begin_anew_after_a_steady_time() {
        let mut plan = RetryPlan::default();
        let mut failed = |delivered| plan.failed(RETRY, Duration::from_secs(delivered), &T);
        let got = [0, 0, 0, 0].map(&mut failed);
        assert_eq!(got, [after(1), after(2), after(5), after(5)]);
        assert_eq!(failed(4), after(5), "a source that flaps is not spun on");
        assert_eq!([5, 0].map(failed), [after(1), after(2)]);
    }

    #[test]
    fn rebuilds_are_immediate_but_limited() {
        let mut plan = RetryPlan::default();
        let mut failed = |delivered| plan.failed(REBUILD, Duration::from_secs(delivered), &T);
        let got = [0, 1, 0, 0, 60].map(&mut failed);
        assert_eq!(got, [after(0), after(0), after(1), after(2), after(0)]);
    }

    #[test]
    fn one_panic_is_forgiven_and_hopeless_errors_are_not_retried() {
        let mut plan = RetryPlan::default();
        let hour = Duration::from_secs(3600);
        assert_eq!(plan.failed(Cause::Panic, hour, &T), after(0));
        assert_eq!(plan.failed(Cause::Panic, hour, &T), Next::GiveUp);
        let mut plan = RetryPlan::default();
        let give_up = Cause::Error(Recovery::GiveUp);
        assert_eq!(plan.failed(give_up, hour, &T), Next::GiveUp);
    }

    #[test]
    fn silence_is_a_stall_unless_the_source_may_be_still() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut watch = StallWatch::new(t0, T.stall);
        assert_eq!(watch.stalled(at(1999), false), None);
        assert!(watch.stalled(at(2000), true).is_some(), "never delivered");
        watch.fed(at(1500));
        assert_eq!(watch.stalled(at(3499), false), None);
        let silent = Some(Duration::from_secs(2));
        assert_eq!(watch.stalled(at(3500), false), silent);
        assert_eq!(watch.stalled(at(60_000), true), None);
    }
}
