//! When the window is painted: at most 30 times a second while the picture moves (15 on a software adapter), at most
//! 10 for figures, never while nobody can see it. Called from the render thread and the engine; only sets a few fields
//! and posts to the event loop.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Shortest time between two paints for a moving picture: 30 a second.
pub const PICTURE: Duration = Duration::from_micros(33_333);
/// The same where the processor draws: 15 a second, for each paint is taken from the encoder (some 20 ms of one core at
/// 1100x650, and about as much for the picture in it).
pub const PICTURE_SOFTWARE: Duration = Duration::from_micros(66_667);
/// Shortest time between two paints for new figures.
pub const FIGURES: Duration = Duration::from_millis(100);

/// Decides when the next paint is due.
#[derive(Debug)]
pub struct Pacer {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    visible: bool,
    /// The last paint that was granted and is due by now.
    painted: Option<Instant>,
    /// A granted paint that lies ahead.
    ahead: Option<Instant>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                visible: true,
                painted: None,
                ahead: None,
            }),
        }
    }
}

impl Pacer {
    /// Whether anybody can see the window; while not, nothing is granted.
    pub fn set_visible(&self, visible: bool) {
        let mut state = self.state.lock();
        if visible != state.visible {
            state.visible = visible;
            state.ahead = None; // whatever was granted before may never have been painted
        }
    }

    /// Something changed that is worth a paint `interval` after the one before. Returns how long from `now` that paint
    /// is due, or `None` when one granted earlier will show it, or the window is hidden.
    pub fn grant(&self, now: Instant, interval: Duration) -> Option<Duration> {
        let mut state = self.state.lock();
        if !state.visible {
            return None;
        }
        if let Some(passed) = state.ahead.take_if(|at| *at <= now) {
            state.painted = Some(passed);
        }
        let due = state.painted.map_or(now, |at| now.max(at + interval));
        if state.ahead.is_some_and(|at| at <= due) {
            return None;
        }
        state.ahead = Some(due);
        Some(due - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paints granted when `wakes` (milliseconds, interval) come.
    fn paints(wakes: impl IntoIterator<Item = (u64, Duration)>) -> Vec<u64> {
        let start = Instant::now();
        let pacer = Pacer::default();
        let grants = wakes.into_iter().filter_map(|(ms, interval)| {
            let wait = pacer.grant(start + Duration::from_millis(ms), interval)?;
            Some(ms + u64::try_from(wait.as_millis()).unwrap())
        });
        grants.collect()
    }

    #[test]
    fn sixty_pictures_a_second_are_painted_thirty_times() {
        let second = paints((0..60).map(|n| (n * 1000 / 60, PICTURE)));
        assert!((29..=31).contains(&second.len()), "{second:?}");
        assert!(second.windows(2).all(|w| w[1] - w[0] >= 33), "{second:?}");
    }

    #[test]
    fn pictures_that_come_slower_are_painted_at_once() {
        assert_eq!(
            paints([(0, PICTURE), (40, PICTURE), (80, PICTURE)]),
            [0, 40, 80]
        );
    }

    #[test]
    fn figures_alone_are_painted_ten_times_and_never_hold_up_the_picture() {
        let figures = paints((0..100).map(|n| (n * 10, FIGURES)));
        assert!((10..=11).contains(&figures.len()), "{figures:?}");
        let both = (0..30).flat_map(|n| [(n * 34, FIGURES), (n * 34 + 1, PICTURE)]);
        assert!(paints(both).len() >= 30);
    }

    #[test]
    fn nothing_is_painted_while_hidden_and_the_first_change_after_is() {
        let now = Instant::now();
        let pacer = Pacer::default();
        pacer.set_visible(false);
        assert_eq!(pacer.grant(now, PICTURE), None);
        pacer.set_visible(true);
        assert_eq!(pacer.grant(now, PICTURE), Some(Duration::ZERO));
    }
}
