//! The pace of sources that make or grab their pictures by our own clock (test pattern, screens).
//!
//! In: the session's clock and rate. Out: ticks. Runs on the source's thread, which sleeps here.

use std::time::Duration;

use crate::media::time::{FrameRate, MediaClock, MediaTime, Tick, Ticker};

/// How long before the renderer's tick a picture is captured. The renderer ticks at whole multiples of the frame
/// interval; a picture needs under 1 ms to be drawn or grabbed, the rest covers a late wake-up. Captured at any other
/// phase it would wait up to a whole interval to be shown.
pub(super) const LEAD: Duration = Duration::from_millis(3);

/// Absolute deadlines, [`LEAD`] ahead of the renderer's.
#[derive(Debug)]
pub(super) struct Pacer {
    clock: MediaClock,
    ticker: Ticker,
}

impl Pacer {
    /// Starts with the next tick after now; ticks are numbered from the clock's zero.
    pub(super) fn new(clock: MediaClock, rate: FrameRate) -> Self {
        let mut ticker = Ticker::new(MediaTime::ZERO - LEAD, rate);
        ticker.advance(clock.now()); // gone by
        Self { clock, ticker }
    }

    /// When the next tick is due.
    #[cfg(all(target_os = "linux", feature = "screen-x11"))]
    pub(super) fn next_due(&self) -> MediaTime {
        self.ticker.next_due()
    }

    /// Takes the tick if it is due.
    #[cfg(all(target_os = "linux", feature = "screen-x11"))]
    pub(super) fn take(&mut self) -> Option<Tick> {
        let now = self.clock.now();
        (now >= self.ticker.next_due()).then(|| self.ticker.advance(now))
    }

    /// Sleeps until the next tick is due, at most `timeout`; `None` when it is not due by then.
    pub(super) fn wait(&mut self, timeout: Duration) -> Option<Tick> {
        let left = self.clock.until(self.ticker.next_due());
        std::thread::sleep(left.min(timeout));
        (left <= timeout).then(|| self.ticker.advance(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_lie_just_before_multiples_of_the_interval() {
        let clock = MediaClock::start();
        let rate = FrameRate::new(200, 1).unwrap();
        let mut pacer = Pacer::new(clock, rate);
        assert_eq!(
            pacer.wait(Duration::ZERO),
            None,
            "the first tick is in the future"
        );
        for _ in 0..3 {
            let tick = pacer.wait(Duration::from_millis(100)).unwrap();
            assert!(clock.now() >= tick.at, "not before it is due");
            assert_eq!(
                tick.at + LEAD,
                MediaTime::ZERO + rate.frame_offset(tick.index)
            );
        }
    }
}
