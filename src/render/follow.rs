//! When to tick: just after the newest picture of the source that matters most. A tick at any other phase lets each of its
//! pictures wait for up to an interval, and drops or repeats one now and then when the two clocks drift.
//!
//! In: what a tick draws, and when it came. Out: by how much to move the ticks. A source that has no steady phase against
//! the ticks (another rate, a still) moves nothing. Pure logic; render thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::SceneState;
use super::plan::Drawn;
use crate::media::SourceId;
use crate::media::time::duration_nanos;

/// A source counts as moving for so many ticks after its last new picture.
const MOVING: u32 = 15;
/// So many pictures are looked at: about a second.
const REMEMBERED: usize = 32;
/// The last of them to come is to wait so long: what a busy machine wakes a source late by.
const MARGIN: Duration = Duration::from_millis(2);
/// Share of the interval within which the phase of a steady source stays.
const STEADY: i64 = 3;
/// Most that one tick is moved by, as a share of the interval: nobody sees, hears or measures it.
const SLOWLY: i64 = 150;

/// The phase of the source that the ticks follow.
#[derive(Debug, Default)]
pub(super) struct Follow {
    leader: Option<SourceId>,
    /// How long each of its last pictures waited for its tick, in ns; below zero, how much too late it came.
    waits: VecDeque<i64>,
    /// Of each drawn source: its newest picture, and for how many ticks more it counts as moving.
    seen: Vec<(SourceId, u64, u32)>,
}

impl Follow {
    /// Takes note of what is drawn in a tick at `now`. Says by how many ns the following ticks should come later (below
    /// zero: earlier).
    pub(super) fn tick(
        &mut self,
        state: &SceneState,
        drawn: &[Drawn],
        now: Instant,
        interval: Duration,
    ) -> i64 {
        let news = self.look(drawn);
        let arrived = news
            .and_then(|source| state.sources.get(&source))
            .and_then(|slot| slot.arrived());
        let Some(arrived) = arrived else {
            return 0;
        };
        let interval = duration_nanos(interval);
        let wait = duration_nanos(now.saturating_duration_since(arrived)) % interval;
        // one that has waited for nearly an interval came just after a tick
        let wait = if wait > interval * 3 / 4 {
            wait - interval
        } else {
            wait
        };
        if self.waits.len() == REMEMBERED {
            self.waits.pop_front();
        }
        self.waits.push_back(wait);
        self.shift(interval)
    }

    /// Whose pictures are followed, if there is a new one.
    fn look(&mut self, drawn: &[Drawn]) -> Option<SourceId> {
        let seen = std::mem::take(&mut self.seen);
        self.seen.extend(drawn.iter().filter_map(|layer| {
            let frame = layer.frame.as_ref()?;
            let before = seen.iter().find(|(id, ..)| *id == layer.source);
            let left = match before {
                Some((_, seq, left)) if *seq == frame.seq => left.saturating_sub(1),
                Some(_) => MOVING,
                None => 0,
            };
            Some((layer.source, frame.seq, left))
        }));
        let lowest = self.seen.iter().find(|(.., left)| *left > 0);
        let leader = lowest.map(|(id, ..)| *id);
        if leader != self.leader {
            self.leader = leader;
            self.waits.clear();
        }
        lowest
            .filter(|(.., left)| *left == MOVING)
            .map(|(id, ..)| *id)
    }

    fn shift(&mut self, interval: i64) -> i64 {
        let (Some(least), Some(most)) = (self.waits.iter().min(), self.waits.iter().max()) else {
            return 0;
        };
        if self.waits.len() < REMEMBERED / 2 || most - least > interval / STEADY {
            return 0;
        }
        let slowly = interval / SLOWLY;
        let wanted = duration_nanos(MARGIN) - least;
        let shift = (wanted / 4).clamp(-slowly, slowly);
        for wait in &mut self.waits {
            *wait += shift;
        }
        shift
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::plan::drawn_layers;
    use super::super::scene::Layer;
    use super::*;
    use crate::capture::SourceSpec;
    use crate::media::time::MediaTime;
    use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

    const SIZE: Resolution = Resolution::new(4, 4);
    const INTERVAL: Duration = Duration::from_nanos(33_333_333);

    fn frame(source: u32, seq: u64) -> VideoFrame {
        let plane = Plane {
            data: vec![0; 64].into(),
            stride: 16,
        };
        VideoFrame {
            pts: MediaTime::ZERO,
            source: SourceId(source),
            seq,
            resolution: SIZE,
            data: FrameData::Rgba(plane), // lets the lower layer show through
            color: ColorSpec::default(),
        }
    }

    fn scene(layers: u32) -> SceneState {
        let mut state = SceneState::default();
        for n in 1..=layers {
            state.scene.layers.push(Layer::new(SourceSpec::Test {}));
            state.layer_sources.push(SourceId(n));
            state.sources.insert(SourceId(n), Arc::default());
        }
        state
    }

    /// Ticks against a source whose picture `n` comes at `source(n)` ms; how long each waits at the end, in ms, and by how
    /// much the ticks were moved in all.
    fn run(ticks: u32, source: impl Fn(u64) -> f64) -> (Vec<f64>, f64) {
        let state = scene(1);
        let slot = Arc::clone(&state.sources[&SourceId(1)]);
        let began = Instant::now();
        let at = |ms: f64| began + Duration::from_secs_f64(ms / 1e3);
        let mut follow = Follow::default();
        let (mut next, mut moved, mut waits) = (0, 0, Vec::new());
        for n in 0..ticks {
            let now = 1e3 + f64::from(n) * 1e3 / 30.0 + moved as f64 / 1e6;
            while source(next) <= now {
                slot.store_at(frame(1, next), at(source(next)));
                next += 1;
            }
            waits.push(now - source(next - 1));
            moved += follow.tick(&state, &drawn_layers(&state, SIZE), at(now), INTERVAL);
        }
        (waits.split_off(waits.len() - 30), moved as f64 / 1e6)
    }

    #[test]
    fn ticks_come_just_after_the_pictures() {
        for phase in 0..33 {
            let (waits, _) = run(300, |n| f64::from(phase) + n as f64 * 1e3 / 30.0);
            assert!(
                waits.iter().all(|w| (1.9..2.5).contains(w)),
                "{phase}: {waits:?}"
            );
        }
    }

    #[test]
    fn late_pictures_still_come_in_time() {
        // up to 5 ms late, by no pattern
        let late = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 50;
        let (waits, _) = run(600, |n| {
            20.0 + n as f64 * 1e3 / 30.0 + late(n) as f64 / 10.0
        });
        assert!(waits.iter().all(|w| (1.0..8.0).contains(w)), "{waits:?}");
    }

    #[test]
    fn a_clock_a_little_off_is_followed() {
        // 29.97: every picture is shown once
        let (waits, moved) = run(1800, |n| n as f64 * 1001.0 / 30.0);
        assert!(waits.iter().all(|w| (1.5..3.0).contains(w)), "{waits:?}");
        assert!((55.0..80.0).contains(&moved), "{moved} ms in a minute");
    }

    #[test]
    fn other_rates_and_stills_move_nothing() {
        for rate in [10.0, 24.0, 25.0, 45.0, 50.0] {
            let (_, moved) = run(600, |n| n as f64 * 1e3 / rate);
            assert!(moved.abs() < 5.0, "{rate} fps: {moved} ms");
        }
        let (_, moved) = run(100, |n| if n == 0 { 0.0 } else { 1e9 });
        assert!(moved == 0.0);
    }

    #[test]
    fn the_lowest_source_that_moves_leads() {
        let state = scene(2);
        let [still, moving] = [1, 2].map(|n| Arc::clone(&state.sources[&SourceId(n)]));
        still.store(frame(1, 0));
        let mut follow = Follow::default();
        let mut tick = || {
            follow.tick(
                &state,
                &drawn_layers(&state, SIZE),
                Instant::now(),
                INTERVAL,
            );
            follow.leader
        };
        moving.store(frame(2, 0));
        assert_eq!(tick(), None, "nobody has moved yet");
        moving.store(frame(2, 1));
        assert_eq!(tick(), Some(SourceId(2)));
        still.store(frame(1, 1));
        assert_eq!(tick(), Some(SourceId(1)));
        for _ in 0..MOVING {
            tick();
        }
        assert_eq!(tick(), None, "all stand still");
    }
}
