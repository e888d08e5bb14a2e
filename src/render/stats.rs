//! Sliding windows behind the render stage's figures. Render thread.

use std::collections::VecDeque;
use std::time::Duration;

use crate::media::time::MediaTime;

/// The last values, for percentiles. Bound: `KEEP`; the oldest goes.
#[derive(Debug, Default)]
pub(super) struct Window {
    values: VecDeque<i64>,
}

impl Window {
    /// Five seconds at 30 a second.
    const KEEP: usize = 150;

    pub(super) fn push(&mut self, value: i64) {
        if self.values.len() == Self::KEEP {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// Values below which a `part` per hundred lie; 0 without values.
    pub(super) fn percentiles<const N: usize>(&self, parts: [usize; N]) -> [i64; N] {
        let mut sorted: Vec<i64> = self.values.iter().copied().collect();
        sorted.sort_unstable();
        parts.map(|part| {
            let last = sorted.len().saturating_sub(1);
            sorted
                .get((last * part).div_ceil(100))
                .copied()
                .unwrap_or(0)
        })
    }
}

/// Pictures in the last second.
#[derive(Debug, Default)]
pub(super) struct Rate {
    times: VecDeque<MediaTime>,
}

impl Rate {
    /// A picture was made at `at`.
    pub(super) fn tick(&mut self, at: MediaTime) {
        self.times.push_back(at);
        self.forget(at);
    }

    /// Pictures a second as of `now`.
    #[expect(clippy::cast_precision_loss, reason = "at most 240")]
    pub(super) fn per_second(&mut self, now: MediaTime) -> f32 {
        self.forget(now);
        self.times.len() as f32
    }

    fn forget(&mut self, now: MediaTime) {
        while self
            .times
            .front()
            .is_some_and(|t| *t + Duration::from_secs(1) <= now)
        {
            self.times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_newest_values() {
        let mut w = Window::default();
        assert_eq!(w.percentiles([50, 99]), [0, 0]);
        (1..=1000).for_each(|v| w.push(v));
        assert_eq!(w.percentiles([0, 50, 100]), [851, 926, 1000]);
    }

    #[test]
    fn rate_counts_one_second() {
        let mut r = Rate::default();
        (0..100).for_each(|n| r.tick(MediaTime::from_millis(n * 20)));
        assert!((r.per_second(MediaTime::from_millis(1980)) - 50.0).abs() < f32::EPSILON);
        assert!((r.per_second(MediaTime::from_millis(9000))).abs() < f32::EPSILON);
    }
}
