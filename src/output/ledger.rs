//! Which media is still on its way: the media time of each tag beside the place of its last byte in the connection.
//! Pure; used by the task of one connection.

use std::collections::VecDeque;
use std::time::Duration;

/// Most tags on their way that are told apart; older ones are merged, which only rounds.
const MOST: usize = 4096;

/// Tags handed over and not yet confirmed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Place behind the tag's last byte, its time in ms counted on beyond the wrap of timestamps; both grow.
    tags: VecDeque<(u64, u64)>,
    newest_ms: u64,
    /// The first tag has set where counting begins.
    begun: bool,
}

impl Ledger {
    /// A tag of `ms` ends at byte `end` of the connection.
    pub(super) fn sent(&mut self, end: u64, ms: u32) {
        let ms = self.unwrapped(ms);
        self.newest_ms = self.newest_ms.max(ms);
        let full = self.tags.len() == MOST;
        match self.tags.back_mut() {
            Some(last) if full => last.0 = end,
            _ => self.tags.push_back((end, ms)),
        }
    }

    /// The time nearest to the newest one that has this timestamp (they wrap after 49.7 days).
    fn unwrapped(&mut self, ms: u32) -> u64 {
        const WRAP: u64 = 1 << 32;
        if !std::mem::replace(&mut self.begun, true) {
            // one wrap up, so that a tag just before the first one has a place
            self.newest_ms = WRAP + u64::from(ms);
        }
        let newest = self.newest_ms;
        let ahead = (u64::from(ms) + WRAP - newest % WRAP) % WRAP;
        if ahead < WRAP / 2 {
            newest + ahead
        } else {
            (newest + ahead).saturating_sub(WRAP)
        }
    }

    /// The far end has the first `bytes` of the connection.
    pub(super) fn confirmed(&mut self, bytes: u64) {
        while self.tags.front().is_some_and(|(end, _)| *end <= bytes) {
            self.tags.pop_front();
        }
    }

    /// Media time from the oldest unconfirmed tag to the newest one.
    pub(super) fn on_the_way(&self) -> Duration {
        let oldest = self.tags.front().map(|(_, ms)| *ms);
        oldest.map_or(Duration::ZERO, |ms| {
            Duration::from_millis(self.newest_ms.saturating_sub(ms))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_age_of_what_is_not_confirmed() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.on_the_way(), Duration::ZERO);
        for i in 1..=10 {
            ledger.sent(i * 100, u32::try_from(i).unwrap() * 33);
        }
        assert_eq!(ledger.on_the_way().as_millis(), 297);
        ledger.confirmed(499);
        assert_eq!(
            ledger.on_the_way().as_millis(),
            165,
            "the fifth is not whole yet"
        );
        ledger.confirmed(1000);
        assert_eq!(ledger.on_the_way(), Duration::ZERO);
    }

    #[test]
    fn the_wrap_of_timestamps_is_no_delay() {
        let mut ledger = Ledger::default();
        for i in 0..200_u32 {
            let ms = (u32::MAX - 999).wrapping_add(i * 20);
            ledger.sent(u64::from(i), ms);
            // sound and picture are not in one order
            ledger.sent(u64::from(i), ms.wrapping_sub(30));
            ledger.confirmed(u64::from(i.saturating_sub(3)));
            assert!(ledger.on_the_way().as_millis() <= 90, "{i}");
        }
    }

    #[test]
    fn stays_bounded() {
        let mut ledger = Ledger::default();
        for i in 0..100_000 {
            ledger.sent(u64::from(i), i);
        }
        assert_eq!(ledger.tags.len(), MOST);
        ledger.confirmed(99_998);
        assert_eq!(ledger.tags.len(), 1);
    }
}
