//! Second-order filters: coefficients out of a frequency, a gain and a width; stereo frames in, filtered ones out.
//!
//! Formulas: Robert Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients" (W3C Audio EQ Cookbook).
//! Direct form I in double precision: quiet at low frequencies, and since it remembers sound and no inner state, it takes
//! coefficients that move.

use std::f64::consts::TAU;

use crate::audio::clock::Frame;
use crate::media::audio::ENGINE_RATE;

/// Normalised so that a0 is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Coefficients {
    pub(super) b: [f64; 3],
    pub(super) a: [f64; 2],
}

/// The cookbook's intermediate values.
struct Angle {
    cos: f64,
    alpha: f64,
}

impl Angle {
    fn new(hertz: f32, q: f32) -> Self {
        let w = TAU * f64::from(hertz) / f64::from(ENGINE_RATE);
        Self {
            cos: w.cos(),
            alpha: w.sin() / (2.0 * f64::from(q)),
        }
    }
}

impl Coefficients {
    /// Leaves everything as it is.
    pub(super) const IDENTITY: Self = Self {
        b: [1.0, 0.0, 0.0],
        a: [0.0; 2],
    };

    fn normalised(b: [f64; 3], a: [f64; 3]) -> Self {
        Self {
            b: b.map(|b| b / a[0]),
            a: [a[1] / a[0], a[2] / a[0]],
        }
    }

    /// 12 dB an octave below `hertz`.
    pub(super) fn high_pass(hertz: f32, q: f32) -> Self {
        let Angle { cos, alpha } = Angle::new(hertz, q);
        let edge = f64::midpoint(1.0, cos);
        Self::normalised(
            [edge, -(1.0 + cos), edge],
            [1.0 + alpha, -2.0 * cos, 1.0 - alpha],
        )
    }

    /// A bell of `db` around `hertz`.
    pub(super) fn peaking(hertz: f32, q: f32, db: f32) -> Self {
        let Angle { cos, alpha } = Angle::new(hertz, q);
        let a = 10.0_f64.powf(f64::from(db) / 40.0);
        Self::normalised(
            [1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a],
            [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a],
        )
    }

    /// `db` below `hertz`, slope 1.
    pub(super) fn low_shelf(hertz: f32, db: f32) -> Self {
        Self::shelf(hertz, db, 1.0)
    }

    /// `db` above `hertz`, slope 1.
    pub(super) fn high_shelf(hertz: f32, db: f32) -> Self {
        Self::shelf(hertz, db, -1.0)
    }

    /// The two shelves differ in the sign of the cosine only (and of b1 and a1).
    fn shelf(hertz: f32, db: f32, side: f64) -> Self {
        // slope S = 1: alpha = sin / 2 · sqrt(2), that is Q = 1/√2
        let Angle { cos, alpha } = Angle::new(hertz, std::f32::consts::FRAC_1_SQRT_2);
        let a = 10.0_f64.powf(f64::from(db) / 40.0);
        let cos = cos * side;
        let beta = 2.0 * a.sqrt() * alpha;
        Self::normalised(
            [
                a * ((a + 1.0) - (a - 1.0) * cos + beta),
                2.0 * a * side * ((a - 1.0) - (a + 1.0) * cos),
                a * ((a + 1.0) - (a - 1.0) * cos - beta),
            ],
            [
                (a + 1.0) + (a - 1.0) * cos + beta,
                -2.0 * side * ((a - 1.0) + (a + 1.0) * cos),
                (a + 1.0) + (a - 1.0) * cos - beta,
            ],
        )
    }
}

/// What a filter remembers, for both channels: its last two inputs and outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Biquad {
    x: [[f64; 2]; 2],
    y: [[f64; 2]; 2],
}

impl Biquad {
    /// After silence.
    pub(super) const SILENT: Self = Self {
        x: [[0.0; 2]; 2],
        y: [[0.0; 2]; 2],
    };

    /// Filters in place, while the coefficients go from `from` to `to` in straight lines. (Between two stable filters all
    /// are stable: the region of stable a1, a2 is a triangle.)
    pub(super) fn run(&mut self, from: &Coefficients, to: &Coefficients, frames: &mut [Frame]) {
        if from == to {
            self.run_still(to, frames);
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a step of 32 frames")]
        let count = frames.len() as f64;
        for (n, frame) in (1_u32..).zip(frames.chunks_mut(1)) {
            let share = f64::from(n) / count;
            let between = |a: f64, b: f64| a + (b - a) * share;
            let now = Coefficients {
                b: [0, 1, 2].map(|i| between(from.b[i], to.b[i])),
                a: [0, 1].map(|i| between(from.a[i], to.a[i])),
            };
            self.run_still(&now, frame);
        }
    }

    fn run_still(&mut self, coefficients: &Coefficients, frames: &mut [Frame]) {
        let Coefficients { b, a } = *coefficients;
        let Self { mut x, mut y } = *self;
        for frame in frames {
            for c in 0..2 {
                let new = f64::from(frame[c]);
                let out =
                    b[0] * new + b[1] * x[0][c] + b[2] * x[1][c] - a[0] * y[0][c] - a[1] * y[1][c];
                (x[1][c], x[0][c]) = (x[0][c], new);
                (y[1][c], y[0][c]) = (y[0][c], out);
                #[expect(clippy::cast_possible_truncation, reason = "a sample")]
                {
                    frame[c] = out as f32;
                }
            }
        }
        // below this it is silence, and denormal numbers are slow
        let settle = |s: f64| if s.abs() < 1e-20 { 0.0 } else { s };
        *self = Self {
            x,
            y: y.map(|y| y.map(settle)),
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The gain in dB at a frequency, from the transfer function: an independent way to the same figure.
    pub(in crate::audio::chain) fn response_db(c: &Coefficients, hertz: f64) -> f64 {
        let w = TAU * hertz / 48_000.0;
        let at = |k: &[f64]| {
            let sum = |f: fn(f64) -> f64| -> f64 {
                (0_i32..).zip(k).map(|(n, k)| k * f(w * f64::from(n))).sum()
            };
            sum(f64::cos).hypot(sum(f64::sin))
        };
        20.0 * (at(&c.b) / at(&[1.0, c.a[0], c.a[1]])).log10()
    }

    fn near(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() < by, "{a} is not {b}");
    }

    #[test]
    fn responses_are_those_the_cookbook_promises() {
        let hp = Coefficients::high_pass(80.0, std::f32::consts::FRAC_1_SQRT_2);
        near(response_db(&hp, 80.0), -3.0103, 0.01);
        // an analogue Butterworth: -10 log10(1 + (80/f)^4)
        for f in [20.0, 40.0, 160.0, 1000.0] {
            let analogue = -10.0 * (1.0 + (80.0_f64 / f).powi(4)).log10();
            near(response_db(&hp, f), analogue, 0.05);
        }
        for db in [-12.0_f32, 6.0, 15.0] {
            let bell = Coefficients::peaking(1000.0, 1.0, db);
            near(response_db(&bell, 1000.0), db.into(), 1e-6);
            near(response_db(&bell, 20.0), 0.0, 0.02);
            near(response_db(&bell, 20_000.0), 0.0, 0.02);
            let low = Coefficients::low_shelf(120.0, db);
            near(response_db(&low, 1.0), db.into(), 0.01);
            near(response_db(&low, 120.0), f64::from(db) / 2.0, 0.01);
            near(response_db(&low, 5000.0), 0.0, 0.02);
            let high = Coefficients::high_shelf(6000.0, db);
            near(response_db(&high, 20.0), 0.0, 0.01);
            near(response_db(&high, 6000.0), f64::from(db) / 2.0, 0.01);
            near(response_db(&high, 23_999.0), db.into(), 0.01);
        }
    }

    #[test]
    fn a_sine_through_the_filter_has_the_gain_of_the_formula() {
        for (hertz, period) in [(100.0, 480.0), (1000.0, 48.0), (8000.0, 6.0)] {
            let c = Coefficients::peaking(1000.0, 0.7, 9.0);
            let mut frames: Vec<Frame> = (0..48_000)
                .map(|n| {
                    #[expect(clippy::cast_possible_truncation, reason = "test tone")]
                    let s = (f64::from(n) % period * TAU / period).sin() as f32;
                    [s * 0.1, -s * 0.2]
                })
                .collect();
            let mut filter = Biquad::SILENT;
            filter.run(&c, &c, &mut frames);
            let power = |c: usize| -> f64 {
                let tail = &frames[24_000..];
                tail.iter().map(|f| f64::from(f[c]).powi(2)).sum::<f64>() / 24_000.0
            };
            let db = |c: usize, amplitude: f64| 10.0 * (2.0 * power(c) / amplitude.powi(2)).log10();
            near(db(0, 0.1), response_db(&c, hertz), 0.01);
            near(db(1, 0.2), response_db(&c, hertz), 0.01);
        }
    }
}
