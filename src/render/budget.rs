//! The time budget of a picture: when drawing takes too large a part of the frame interval, filters work more coarsely,
//! before a picture is lost; and finely again when there is room for long. Pure logic.

use std::time::Duration;

use crate::gpu::pass::Quality;
use crate::media::time::MediaTime;

/// Watches what pictures cost.
#[derive(Debug)]
pub(super) struct Budget {
    interval: Duration,
    quality: Quality,
    over_since: Option<MediaTime>,
    under_since: Option<MediaTime>,
}

impl Budget {
    /// Of the frame interval: above this it is too much, below the other there is room for the next step up, which may
    /// cost half as much again.
    const TOO_MUCH: f64 = 0.8;
    const ROOM: f64 = 0.4;
    /// A busy moment is no reason.
    const OVER: Duration = Duration::from_secs(1);
    const UNDER: Duration = Duration::from_secs(10);

    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            quality: Quality::Full,
            over_since: None,
            under_since: None,
        }
    }

    /// A picture took `cost` on the GPU; returns how fine filters may work from now on.
    pub(super) fn update(&mut self, at: MediaTime, cost: Duration) -> Quality {
        let share = cost.as_secs_f64() / self.interval.as_secs_f64().max(1e-6);
        let since = |held: &mut Option<MediaTime>, holds: bool| {
            *held = holds.then(|| held.unwrap_or(at));
            held.map_or(Duration::ZERO, |since| at.saturating_since(since))
        };
        let over = since(&mut self.over_since, share > Self::TOO_MUCH);
        let under = since(&mut self.under_since, share < Self::ROOM);
        let next = match self.quality {
            Quality::Full if over >= Self::OVER => Quality::Medium,
            Quality::Medium if over >= Self::OVER => Quality::Low,
            Quality::Low if under >= Self::UNDER => Quality::Medium,
            Quality::Medium if under >= Self::UNDER => Quality::Full,
            same => same,
        };
        if next != self.quality {
            tracing::info!(from = ?self.quality, to = ?next, ?cost, "filters work at another quality");
            self.quality = next;
            (self.over_since, self.under_since) = (None, None);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_falls_soon_and_rises_late() {
        let mut budget = Budget::new(Duration::from_millis(33));
        let mut at = 0;
        let mut run = |budget: &mut Budget, ms: u64, seconds: i64| {
            let mut quality = Quality::Full;
            for _ in 0..seconds * 10 {
                at += 100;
                quality = budget.update(MediaTime::from_millis(at), Duration::from_millis(ms));
            }
            quality
        };
        assert_eq!(run(&mut budget, 20, 60), Quality::Full);
        assert_eq!(run(&mut budget, 31, 2), Quality::Medium);
        assert_eq!(run(&mut budget, 31, 2), Quality::Low);
        assert_eq!(
            run(&mut budget, 31, 60),
            Quality::Low,
            "there is no lower one"
        );
        assert_eq!(
            run(&mut budget, 20, 60),
            Quality::Low,
            "neither too much nor room"
        );
        assert_eq!(run(&mut budget, 8, 9), Quality::Low);
        assert_eq!(run(&mut budget, 8, 3), Quality::Medium);
        assert_eq!(run(&mut budget, 8, 12), Quality::Full);
    }
}
