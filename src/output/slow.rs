//! Whether a link has been too slow for too long, so that another address of the same server is worth a try. Pure.

use std::time::Duration;

use super::adapt::{Decision, Reason};
use crate::media::packet::Bitrate;

/// Under half of the wished bitrate for so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// From one move to the next: a bad uplink is no reason to try all servers.
const PAUSE: Duration = Duration::from_secs(180);

/// The memory of one output.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlowWatch {
    since: Option<Duration>,
    last: Option<Duration>,
}

impl SlowWatch {
    /// Another connection: how the one before it was says nothing about it, but the pause goes on.
    pub(super) const fn begin_connection(&mut self) {
        self.since = None;
    }

    /// A look at the link at `now` on any steady clock; true when it is time to go elsewhere.
    pub(super) fn look(
        &mut self,
        now: Duration,
        decision: Option<&Decision>,
        ceiling: Bitrate,
    ) -> bool {
        let slow = decision.is_some_and(|d| {
            let low = d.bitrate.bps() < ceiling.bps() / 2;
            low && !matches!(
                d.reason,
                Reason::QuietScene | Reason::Start | Reason::Silent
            )
        });
        if !slow {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let rested = self.last.is_none_or(|at| now.saturating_sub(at) >= PAUSE);
        let due = now.saturating_sub(since) >= PATIENCE && rested;
        if due {
            self.last = Some(now);
            self.since = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(kbps: u32, reason: Reason) -> Decision {
        Decision {
            bitrate: Bitrate::from_kbps(kbps),
            half_rate: false,
            half_size: false,
            reason,
            capacity: None,
            delay_ms: 0,
        }
    }

    #[test]
    fn a_link_is_left_after_a_while_and_not_again_soon() {
        let mut watch = SlowWatch::default();
        let ceiling = Bitrate::from_kbps(2500);
        let slow = decision(1000, Reason::Holding);
        let moves: Vec<u64> = (0..500)
            .filter(|&s| watch.look(Duration::from_secs(s), Some(&slow), ceiling))
            .collect();
        assert_eq!(moves, [20, 200, 380]);
        // the address that was moved to is as slow: it is kept for the same pause
        let mut watch = SlowWatch::default();
        let moves: Vec<u64> = (0..500)
            .filter(|&s| {
                let due = watch.look(Duration::from_secs(s), Some(&slow), ceiling);
                if due {
                    watch.begin_connection();
                }
                due
            })
            .collect();
        assert_eq!(moves, [20, 200, 380]);
    }

    #[test]
    fn what_is_good_or_has_other_reasons_stays() {
        for d in [
            decision(1300, Reason::Congested),
            decision(300, Reason::QuietScene),
            decision(900, Reason::Start),
        ] {
            let mut watch = SlowWatch::default();
            let at = |s| Duration::from_secs(s);
            assert!(!(0..100).any(|s| watch.look(at(s), Some(&d), Bitrate::from_kbps(2500))));
        }
        let mut watch = SlowWatch::default();
        let bad = decision(500, Reason::Congested);
        for s in 0..300 {
            // a good second every ten starts the count anew
            let d = (s % 10 != 0).then_some(&bad);
            assert!(!watch.look(Duration::from_secs(s), d, Bitrate::from_kbps(2500)));
        }
    }
}
