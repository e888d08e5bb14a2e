//! What keeps a turned knob from clicking: numbers that glide to their target, and switches that fade. Plain arithmetic
//! on the audio thread.

use crate::audio::clock::Frame;

/// Frames between two steps of a gliding number: 0.67 ms. A processor works on as many at a time.
pub(super) const STEP_FRAMES: usize = 32;
/// Share of the way that is left after a step: a time constant of 20 ms (32 frames of 48 kHz are 1/30 of it).
const LEFT: f32 = 0.967_2;
/// Nearer than this share of the way to go, it is there.
const THERE: f32 = 1e-4;
/// A switch fades over 10 ms.
const FADE_FRAMES: f32 = 480.0;

/// A number on its way to another, a step at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glide {
    current: f32,
    target: f32,
    /// The jump that is being smoothed.
    span: f32,
}

impl Glide {
    pub(super) const fn new(value: f32) -> Self {
        Self {
            current: value,
            target: value,
            span: 0.0,
        }
    }

    /// Where to go from now on.
    pub(super) fn aim(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.span = (target - self.current).abs();
        }
    }

    /// Goes there at once; for when nothing sounds.
    pub(super) const fn snap(&mut self) {
        self.current = self.target;
    }

    pub(super) const fn value(&self) -> f32 {
        self.current
    }

    pub(super) fn is_moving(&self) -> bool {
        self.current != self.target
    }

    /// Moves on by [`STEP_FRAMES`] frames.
    pub(super) fn step(&mut self) -> f32 {
        if self.is_moving() {
            let left = (self.current - self.target) * LEFT;
            self.current = if left.abs() <= self.span * THERE {
                self.target
            } else {
                self.target + left
            };
        }
        self.current
    }
}

/// On or off, with a fade between: how much of a processor's output is heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switch {
    on: bool,
    share: f32,
}

impl Switch {
    pub(super) const OFF: Self = Self {
        on: false,
        share: 0.0,
    };

    /// Returns true when it was wholly off and goes on: what it switches begins anew.
    pub(super) fn set(&mut self, on: bool) -> bool {
        let begins = on && !self.on && self.share == 0.0;
        self.on = on;
        begins
    }

    /// Ends a fade at once; for when nothing sounds.
    pub(super) const fn rest(&mut self) {
        self.share = if self.on { 1.0 } else { 0.0 };
    }

    /// Off, and nothing of it is heard any more.
    pub(super) fn is_off(&self) -> bool {
        !self.on && self.share == 0.0
    }

    /// Wholly on.
    pub(super) fn is_full(&self) -> bool {
        self.on && self.share == 1.0
    }

    /// The share of the next frame.
    pub(super) fn step(&mut self) -> f32 {
        let step = 1.0 / FADE_FRAMES;
        self.share = if self.on {
            (self.share + step).min(1.0)
        } else {
            (self.share - step).max(0.0)
        };
        self.share
    }

    /// The share of the last of the next `frames` frames.
    pub(super) fn steps(&mut self, frames: usize) -> f32 {
        if !self.is_full() {
            (0..frames).for_each(|_| self.share = self.step());
        }
        self.share
    }

    /// Puts what was processed in the place of `heard`, as far as it is on.
    pub(super) fn blend(&mut self, heard: &mut [Frame], processed: &[Frame]) {
        if self.is_full() {
            heard.copy_from_slice(processed);
            return;
        }
        for (dry, wet) in heard.iter_mut().zip(processed) {
            let share = self.step();
            for (dry, wet) in dry.iter_mut().zip(wet) {
                *dry += (*wet - *dry) * share;
            }
        }
    }
}

/// A ratio of amplitudes from decibels.
pub(in crate::audio) fn from_db(db: f32) -> f32 {
    (db * (std::f32::consts::LOG2_10 / 20.0)).exp2()
}

/// Decibels of a ratio of amplitudes; that of zero is −200.
pub(in crate::audio) fn to_db(ratio: f32) -> f32 {
    ratio.max(1e-10).log2() * (20.0 / std::f32::consts::LOG2_10)
}

/// What is left of a way after `frames` with a time constant of `ms`.
pub(in crate::audio) fn left_after(frames: f32, ms: f32) -> f32 {
    (-frames / (ms.max(0.01) * 48.0)).exp()
}

/// The highest sample of either channel.
pub(in crate::audio) fn peak(frames: &[Frame]) -> f32 {
    highest(frames.as_flattened())
}

/// The highest of some samples; one that is no number is higher than all others.
pub(in crate::audio) fn highest(samples: &[f32]) -> f32 {
    // numbers without a sign are in the order of their bits, and integers are compared many at a time, which the rules for
    // what is no number forbid with `f32::max`
    let bits = samples.iter().fold(0, |highest: i32, s| {
        highest.max(s.abs().to_bits().cast_signed())
    });
    f32::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glide_arrives_and_a_switch_fades() {
        let mut glide = Glide::new(0.0);
        glide.aim(10.0);
        let mut before = 0.0;
        for n in 0..300_u16 {
            let value = glide.step();
            assert!(
                value - before < 0.34 && value >= before,
                "step {n}: {value}"
            );
            before = value;
            if n == 29 {
                // after one time constant
                assert!((value - 6.32).abs() < 0.05, "{value}");
            }
        }
        assert_eq!(glide.value(), 10.0);
        assert!(!glide.is_moving());

        let mut switch = Switch::OFF;
        assert!(switch.is_off() && switch.set(true) && !switch.set(true));
        let shares: Vec<f32> = (0..500).map(|_| switch.step()).collect();
        assert!((shares[239] - 0.5).abs() < 1e-3 && shares[499] == 1.0);
        assert!(switch.is_full() && !switch.set(false));
        let lowest = (0..500).map(|_| switch.step()).fold(1.0, f32::min);
        assert_eq!(lowest, 0.0);
        assert!(switch.is_off());
    }

    #[test]
    fn the_highest_sample_is_found() {
        assert_eq!(highest(&[]), 0.0);
        assert_eq!(highest(&[0.25, -0.5, 0.0, 0.375, -0.0]), 0.5);
        assert_eq!(highest(&[1.0, f32::NEG_INFINITY]), f32::INFINITY);
        assert!(highest(&[f32::INFINITY, f32::NAN, 1.0]).is_nan());
    }

    #[test]
    fn decibels() {
        for db in [-120.0_f32, -6.0, 0.0, 12.0] {
            let exact = 10.0_f64.powf(f64::from(db) / 20.0);
            assert!((f64::from(from_db(db)) / exact - 1.0).abs() < 1e-5, "{db}");
            assert!((to_db(from_db(db)) - db).abs() < 1e-3, "{db}");
        }
        assert_eq!(to_db(0.0), to_db(1e-10));
    }
}
