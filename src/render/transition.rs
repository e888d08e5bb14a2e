//! From one scene to another: when the old one goes, and how far the new one has come. In: the time of a tick and whether
//! the new scene has its pictures. Out: what is drawn. Asked by the render thread; the engine asks when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::SceneState;
use super::plan::{Drawn, drawn_layers};
use crate::media::time::{MediaTime, duration_nanos};
use crate::media::video::Resolution;

/// The change from one scene to another.
#[derive(Debug)]
pub struct Transition {
    from: Arc<SceneState>,
    /// When it was asked for.
    asked: MediaTime,
    /// Zero for a cut.
    length: Duration,
    /// Media nanoseconds of the first tick with the new scene; [`NOT_YET`](Self::NOT_YET) before.
    begun_ns: AtomicI64,
}

/// What is drawn in a tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// The old scene: the new one has no pictures yet.
    Before,
    /// Both; the share of the new one, 0 to 1.
    Fading(f32),
    /// The new scene.
    Over,
}

impl Transition {
    const NOT_YET: i64 = i64::MIN;
    /// The old scene stays at most this long for the sources of the new one to open: most cameras take less, and what is
    /// broken must not keep a person from switching.
    pub const PATIENCE: Duration = Duration::from_millis(1000);

    /// Away from `from`, asked for at `asked`, in `length` (zero is a cut).
    pub const fn new(from: Arc<SceneState>, asked: MediaTime, length: Duration) -> Self {
        Self {
            from,
            asked,
            length,
            begun_ns: AtomicI64::new(Self::NOT_YET),
        }
    }

    /// The scene that leaves.
    pub const fn from(&self) -> &Arc<SceneState> {
        &self.from
    }

    /// The new scene has been drawn.
    pub fn has_begun(&self) -> bool {
        self.begun_ns.load(Ordering::Relaxed) != Self::NOT_YET
    }

    /// What is drawn in the tick at `at`; `ready` tells that the new scene has its pictures. Render thread.
    pub fn phase(&self, at: MediaTime, ready: bool) -> Phase {
        let waited = at.saturating_since(self.asked);
        if !self.has_begun() {
            if !ready && waited < Self::PATIENCE {
                return Phase::Before;
            }
            self.begun_ns.store(at.as_nanos(), Ordering::Relaxed);
        }
        let begun = MediaTime::from_nanos(self.begun_ns.load(Ordering::Relaxed));
        let gone = at.saturating_since(begun);
        if gone >= self.length {
            Phase::Over
        } else {
            Phase::Fading(gone.as_secs_f32() / self.length.as_secs_f32())
        }
    }

    /// Nothing of the old scene is drawn any more, whether somebody looked or not.
    pub fn is_over(&self, now: MediaTime) -> bool {
        let begun = match self.begun_ns.load(Ordering::Relaxed) {
            Self::NOT_YET => self.asked.offset_nanos(duration_nanos(Self::PATIENCE)),
            ns => MediaTime::from_nanos(ns),
        };
        now.saturating_since(begun) > self.length
    }
}

/// What is drawn of a state in a tick.
pub(super) struct OnShow {
    /// The one whose layers these are: that of the old scene as long as the new one waits.
    pub(super) state: Arc<SceneState>,
    pub(super) drawn: Vec<Drawn>,
    /// The scene that leaves, below, and the share of the other one.
    pub(super) leaving: Option<(Arc<SceneState>, Vec<Drawn>, f32)>,
}

impl OnShow {
    /// What `state` shows at `at`. `prepared` is asked when a fade could begin.
    pub(super) fn of(
        state: Arc<SceneState>,
        at: MediaTime,
        output: Resolution,
        prepared: impl FnOnce() -> bool,
    ) -> Self {
        let drawn = drawn_layers(&state, output);
        let alone = |state, drawn| Self {
            state,
            drawn,
            leaving: None,
        };
        let Some(transition) = &state.transition else {
            return alone(state, drawn);
        };
        let has_pictures = || drawn.iter().all(|d| d.frame.is_some());
        let ready = transition.has_begun()
            || (has_pictures() && (transition.length.is_zero() || prepared()));
        let from = Arc::clone(&transition.from);
        match transition.phase(at, ready) {
            Phase::Before => {
                let drawn = drawn_layers(&from, output);
                alone(from, drawn)
            }
            Phase::Fading(share) => {
                let below = drawn_layers(&from, output);
                Self {
                    state,
                    drawn,
                    leaving: Some((from, below, share)),
                }
            }
            Phase::Over => alone(state, drawn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    fn transition(ms: u64) -> Transition {
        Transition::new(Arc::default(), at(1000), Duration::from_millis(ms))
    }

    #[test]
    fn the_old_scene_stays_until_the_new_one_has_pictures_but_not_for_ever() {
        let cut = transition(0);
        assert_eq!(cut.phase(at(1000), false), Phase::Before);
        assert!(!cut.has_begun() && !cut.is_over(at(1900)));
        assert_eq!(cut.phase(at(1033), true), Phase::Over);
        assert!(cut.has_begun() && cut.is_over(at(1034)));
        let fade = transition(200);
        assert_eq!(fade.phase(at(1999), false), Phase::Before);
        assert_eq!(fade.phase(at(2000), false), Phase::Fading(0.0));
        assert_eq!(fade.phase(at(2100), false), Phase::Fading(0.5));
        assert!(!fade.is_over(at(2200)));
        assert_eq!(fade.phase(at(2200), false), Phase::Over);
        assert!(fade.is_over(at(2201)));
    }

    #[test]
    fn it_ends_though_nobody_looks() {
        let fade = transition(500);
        assert!(!fade.is_over(at(2500)));
        assert!(fade.is_over(at(2501)));
    }
}
