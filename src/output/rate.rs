//! How fast bytes left over the last second. Pure; the time is an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Length of the window.
const WINDOW: Duration = Duration::from_secs(1);
/// Bytes handed over within this time count as one entry, so that the window stays short at any packet rate.
const GRAIN: Duration = Duration::from_millis(20);

/// Bytes over the last second.
#[derive(Debug, Default)]
pub(super) struct RateMeter {
    entries: VecDeque<(Instant, u64)>,
}

impl RateMeter {
    /// `bytes` left at `now`.
    pub(super) fn add(&mut self, now: Instant, bytes: u64) {
        self.expire(now);
        match self.entries.back_mut() {
            Some((at, sum)) if now.saturating_duration_since(*at) < GRAIN => *sum += bytes,
            _ => self.entries.push_back((now, bytes)),
        }
    }

    /// kbit/s over the second before `now`.
    pub(super) fn kbps(&mut self, now: Instant) -> u32 {
        self.expire(now);
        let bytes: u64 = self.entries.iter().map(|(_, b)| b).sum();
        u32::try_from(bytes * 8 / 1000).unwrap_or(u32::MAX)
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.entries.front()
            && now.saturating_duration_since(*at) >= WINDOW
        {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_the_last_second() {
        let mut m = RateMeter::default();
        let t = Instant::now();
        for ms in 0..3000 {
            m.add(t + Duration::from_millis(ms), 125); // 1 Mbit/s
        }
        let rate = m.kbps(t + Duration::from_millis(2999));
        assert!((980..=1000).contains(&rate), "{rate}");
        assert!(m.entries.len() <= 51);
        assert_eq!(m.kbps(t + Duration::from_secs(4)), 0);
    }
}
