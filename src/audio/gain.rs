//! Gain and mute of one input, changed without clicks.

use super::clock::Frame;

/// A change takes 10 ms.
const RAMP_FRAMES: u16 = 480;
/// Gains outside this range (dB) are set to its ends.
const RANGE_DB: (f32, f32) = (-60.0, 20.0);

/// A gain that moves to its target in a straight line.
#[derive(Debug, Clone, Copy)]
pub(super) struct GainRamp {
    current: f32,
    target: f32,
    step: f32,
    left: u16,
}

impl GainRamp {
    /// At rest.
    pub(super) fn new(gain_db: f32, muted: bool) -> Self {
        let gain = linear(gain_db, muted);
        Self {
            current: gain,
            target: gain,
            step: 0.0,
            left: 0,
        }
    }

    /// Begins to move.
    pub(super) fn set(&mut self, gain_db: f32, muted: bool) {
        let target = linear(gain_db, muted);
        if target == self.target {
            return;
        }
        self.target = target;
        self.step = (target - self.current) / f32::from(RAMP_FRAMES);
        self.left = RAMP_FRAMES;
    }

    /// Ends a movement at once; for when nothing sounds.
    pub(super) fn rest(&mut self) {
        self.current = self.target;
        self.left = 0;
    }

    /// Adds `frames` to `mix`, multiplied by the gain.
    pub(super) fn add(&mut self, frames: &[Frame], mix: &mut [Frame]) {
        for (frame, sum) in frames.iter().zip(mix) {
            if self.left > 0 {
                self.left -= 1;
                self.current = if self.left == 0 {
                    self.target
                } else {
                    self.current + self.step
                };
            }
            sum[0] += frame[0] * self.current;
            sum[1] += frame[1] * self.current;
        }
    }
}

fn linear(gain_db: f32, muted: bool) -> f32 {
    if muted {
        return 0.0;
    }
    let db = if gain_db.is_nan() { 0.0 } else { gain_db };
    10.0_f32.powf(db.clamp(RANGE_DB.0, RANGE_DB.1) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_and_their_limits() {
        assert_eq!(linear(0.0, false), 1.0);
        assert!((linear(6.0206, false) - 2.0).abs() < 1e-4);
        assert_eq!(linear(12.0, true), 0.0);
        assert_eq!(linear(f32::NAN, false), 1.0);
        assert_eq!(linear(f32::INFINITY, false), 10.0);
        assert_eq!(linear(-1000.0, false), linear(-60.0, false));
    }

    #[test]
    fn a_change_takes_ten_milliseconds_and_lands_exactly() {
        let mut gain = GainRamp::new(0.0, false);
        let ones = [[1.0, -1.0]; 600];
        let mut mix = [[0.0; 2]; 600];
        gain.set(0.0, true);
        gain.add(&ones, &mut mix);
        assert!((mix[239][0] - 0.5).abs() < 1e-3);
        assert_eq!(mix[479], [0.0, 0.0]);
        assert_eq!(mix[599], [0.0, 0.0]);
        let steps = mix.windows(2).map(|w| (w[1][0] - w[0][0]).abs());
        assert!(steps.fold(0.0, f32::max) < 1.01 / 480.0);
    }
}
