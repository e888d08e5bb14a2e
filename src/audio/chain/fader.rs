//! Gain, pan, mute and push-to-talk of one input: one gain a channel, moved in a straight line over 10 ms. Frames in and
//! out, on the audio thread, without delay.

use super::smooth::from_db;
use crate::audio::clock::Frame;

/// A change takes 10 ms.
const RAMP_FRAMES: u16 = 480;
/// Gains outside this range (dB) are set to its ends.
const RANGE_DB: (f32, f32) = (-60.0, 20.0);

/// The last gain before the mix.
#[derive(Debug, Clone, Copy)]
pub(in crate::audio) struct Fader {
    current: Frame,
    target: Frame,
    step: Frame,
    left: u16,
}

impl Fader {
    /// Silent.
    pub(in crate::audio) const SILENT: Self = Self {
        current: [0.0; 2],
        target: [0.0; 2],
        step: [0.0; 2],
        left: 0,
    };

    pub(super) const fn new() -> Self {
        Self {
            current: [1.0; 2],
            target: [1.0; 2],
            step: [0.0; 2],
            left: 0,
        }
    }

    /// Begins to move. `heard` is false for what is muted or not being talked into.
    pub(in crate::audio) fn set(&mut self, gain_db: f32, pan: f32, heard: bool) {
        let target = target(gain_db, pan, heard);
        if target == self.target {
            return;
        }
        self.target = target;
        let frames = f32::from(RAMP_FRAMES);
        self.step = [0, 1].map(|c| (target[c] - self.current[c]) / frames);
        self.left = RAMP_FRAMES;
    }

    /// Ends a movement at once; for when nothing sounds.
    pub(super) const fn rest(&mut self) {
        self.current = self.target;
        self.left = 0;
    }

    pub(in crate::audio) fn process(&mut self, block: &mut [Frame]) {
        let moving = usize::from(self.left).min(block.len());
        let (ramp, level) = block.split_at_mut(moving);
        for frame in ramp {
            self.left -= 1;
            for (c, sample) in frame.iter_mut().enumerate() {
                self.current[c] = if self.left == 0 {
                    self.target[c]
                } else {
                    self.current[c] + self.step[c]
                };
                *sample *= self.current[c];
            }
        }
        if self.current != [1.0; 2] {
            let [l, r] = self.current;
            for frame in level {
                *frame = [frame[0] * l, frame[1] * r];
            }
        }
    }
}

/// Gain of the left and the right channel. The middle leaves both as they are; aside, the far channel falls along a
/// quarter of a cosine.
fn target(gain_db: f32, pan: f32, heard: bool) -> Frame {
    if !heard {
        return [0.0; 2];
    }
    let db = if gain_db.is_nan() { 0.0 } else { gain_db };
    let gain = if db == 0.0 {
        1.0
    } else {
        from_db(db.clamp(RANGE_DB.0, RANGE_DB.1))
    };
    let far = |aside: f32| (aside.clamp(0.0, 1.0) * std::f32::consts::FRAC_PI_2).cos();
    let far = |aside: f32| if aside >= 1.0 { 0.0 } else { far(aside) };
    [gain * far(pan), gain * far(-pan)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_and_their_limits() {
        let left = |db, heard| target(db, 0.0, heard)[0];
        assert_eq!(left(0.0, true), 1.0);
        assert!((left(6.0206, true) - 2.0).abs() < 1e-4);
        assert_eq!(left(12.0, false), 0.0);
        assert_eq!(left(f32::NAN, true), 1.0);
        assert!((left(f32::INFINITY, true) - 10.0).abs() < 1e-4);
        assert_eq!(left(-1000.0, true), left(-60.0, true));
    }

    #[test]
    fn pan_moves_without_touching_the_near_side() {
        assert_eq!(target(0.0, 0.0, true), [1.0, 1.0]);
        assert_eq!(target(0.0, 1.0, true), [0.0, 1.0]);
        assert_eq!(target(0.0, -1.0, true), [1.0, 0.0]);
        let half = target(0.0, 0.5, true);
        assert!((half[0] - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-6 && half[1] == 1.0);
    }

    #[test]
    fn a_change_takes_ten_milliseconds_and_lands_exactly() {
        let mut fader = Fader::new();
        let mut block = [[1.0, -1.0]; 600];
        fader.set(0.0, 0.0, false);
        fader.process(&mut block);
        assert!((block[239][0] - 0.5).abs() < 1e-3);
        assert_eq!(block[479], [0.0, 0.0]);
        assert_eq!(block[599], [0.0, -0.0]);
        let steps = block.windows(2).map(|w| (w[1][0] - w[0][0]).abs());
        assert!(steps.fold(0.0, f32::max) < 1.01 / 480.0);
    }
}
