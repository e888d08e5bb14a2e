//! Notices that the encoder cannot keep up: more than a tenth of the pictures skipped, for five seconds.

use std::time::Duration;

use crate::media::time::MediaTime;

/// Pure logic, fed with the render stage's counters.
#[derive(Debug, Default)]
pub(super) struct OverloadWatch {
    window: Option<(MediaTime, u64, u64)>,
    told: bool,
}

impl OverloadWatch {
    const WINDOW: Duration = Duration::from_secs(5);

    /// Takes the counters of ticks rendered and lost (skipped or lagged) so far; true once when overload begins.
    pub(super) fn update(&mut self, now: MediaTime, rendered: u64, lost: u64) -> bool {
        let (since, rendered0, lost0) = *self.window.get_or_insert((now, rendered, lost));
        if now.saturating_since(since) < Self::WINDOW {
            return false;
        }
        self.window = Some((now, rendered, lost));
        let missing = lost.saturating_sub(lost0);
        let total = rendered.saturating_sub(rendered0) + missing;
        let overloaded = missing * 10 > total;
        let news = overloaded && !self.told;
        self.told = overloaded;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_once_per_overload() {
        let mut watch = OverloadWatch::default();
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        assert!(!watch.update(at(0), 0, 0));
        assert!(!watch.update(at(4), 60, 60), "not before five seconds");
        assert!(watch.update(at(5), 100, 50));
        assert!(!watch.update(at(10), 200, 100), "still the same overload");
        assert!(!watch.update(at(15), 350, 100), "over");
        assert!(watch.update(at(20), 400, 200), "a new one");
    }
}
