//! How high the curve through the samples goes: samples of one channel in, a peak for each out.
//!
//! Four points per sample, as ITU-R BS.1770-4, annex 2, asks for: the sample and three between it and the next one, by a
//! sinc of 24 samples in a Kaiser window. That is longer than the recommendation's example filter of 12, because what a
//! limiter lets through is measured by others, who see more of the highest octave.

use std::f64::consts::PI;

use crate::audio::chain::smooth::highest;

/// Samples to each side of a point between two samples.
pub(super) const HALF: usize = 12;
const TAPS: usize = 2 * HALF;
/// Points between two samples.
const POINTS: usize = 3;
/// Samples looked at together.
const GROUP: usize = 16;
/// Shape of the Kaiser window: side lobes 60 dB down.
const BETA: f64 = 5.65;

/// The filter.
#[derive(Debug)]
pub(super) struct Interpolator {
    /// For each point, what each of the samples around it contributes.
    taps: [[f32; TAPS]; POINTS],
    /// No point is higher than this many times the highest sample around it.
    pub(super) bound: f32,
}

impl Default for Interpolator {
    fn default() -> Self {
        let mut taps = [[0.0; TAPS]; POINTS];
        let mut bound = 1.0_f64;
        for (taps, point) in taps.iter_mut().zip([0.25, 0.5, 0.75]) {
            let exact: [f64; TAPS] = std::array::from_fn(|k| {
                let x = index(k) - index(HALF - 1) - point;
                let sinc = (PI * x).sin() / (PI * x);
                let edge = x / index(HALF);
                sinc * bessel(BETA * (1.0 - edge * edge).max(0.0).sqrt()) / bessel(BETA)
            });
            let sum: f64 = exact.iter().sum();
            bound = bound.max(exact.iter().map(|t| (t / sum).abs()).sum());
            #[expect(clippy::cast_possible_truncation, reason = "coefficients")]
            {
                *taps = exact.map(|t| (t / sum) as f32);
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "about 2.6")]
        let bound = bound as f32;
        Self { taps, bound }
    }
}

impl Interpolator {
    /// Raises `peaks[i]` to the highest of sample `at + i` and the points up to the next one, where it exceeds
    /// `interesting`; lower ones may be left as they are. `samples` must reach [`HALF`] further to both sides.
    pub(super) fn raise(&self, samples: &[f32], at: usize, peaks: &mut [f32], interesting: f32) {
        let unlikely = interesting / self.bound;
        for (n, peaks) in peaks.chunks_mut(GROUP).enumerate() {
            let first = at + n * GROUP + 1 - HALF;
            let around = &samples[first..first + peaks.len() + TAPS - 1];
            if highest(around) <= unlikely {
                continue;
            }
            for (peak, sample) in peaks.iter_mut().zip(&around[HALF - 1..]) {
                *peak = peak.max(sample.abs());
            }
            for taps in &self.taps {
                let mut sums = [0.0_f32; GROUP];
                let sums = &mut sums[..peaks.len()];
                for (k, tap) in taps.iter().enumerate() {
                    for (sum, sample) in sums.iter_mut().zip(&around[k..]) {
                        *sum += tap * sample;
                    }
                }
                for (peak, sum) in peaks.iter_mut().zip(sums) {
                    *peak = peak.max(sum.abs());
                }
            }
        }
    }
}

/// Modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..40 {
        let half = x / (2.0 * f64::from(n));
        term *= half * half;
        sum += term;
    }
    sum
}

fn index(n: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of taps")]
    {
        n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_between_samples_are_found() {
        // a sine of a quarter of the rate, sampled at 45°: its samples are 3 dB below its peaks
        let sine = |period: f64, phase: f64| -> Vec<f32> {
            (0..2000)
                .map(|n| {
                    #[expect(clippy::cast_possible_truncation, reason = "test tone")]
                    let s = (f64::from(n) * 2.0 * PI / period + phase).sin() as f32;
                    s
                })
                .collect()
        };
        let interpolator = Interpolator::default();
        assert!((2.0..3.0).contains(&interpolator.bound));
        let highest = |samples: &[f32]| {
            let mut peaks = vec![0.0; samples.len() - 2 * HALF];
            interpolator.raise(samples, HALF, &mut peaks, 0.1);
            peaks.into_iter().fold(0.0, f32::max)
        };
        let found = highest(&sine(4.0, PI / 4.0));
        assert!((found - 1.0).abs() < 0.01, "{found}");
        for period in [2.7, 3.1, 7.3, 48.0] {
            let found = highest(&sine(period, 0.3));
            // between the four points the curve may go higher by 1 - cos(π/(4·period)) at most
            assert!((0.95..1.01).contains(&found), "period {period}: {found}");
        }
    }
}
