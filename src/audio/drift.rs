//! The rate of one input against the engine's clock: how far its blocks' stamps lie from where its sound was laid goes
//! in, the factor by which it must be stretched comes out. Plain arithmetic, on the audio thread.
//!
//! No two clocks agree: a microphone at −50 ppm is 180 ms late after an hour. The median of half a second of stamps is
//! free of their jitter; a proportional-integral loop turns it into a stretch, so slowly that no ear hears the pitch
//! move (100 ppm are 0.17 cent). An input whose stamps fit is left alone and costs nothing.

/// Stamps per median, in seconds.
const PERIOD_S: f64 = 0.5;
/// Weight of a new median in the smoothed offset: about 2 s.
const SMOOTHING: f64 = 0.25;
/// Smoothed offsets below this (2 ms) are nobody's drift.
const ENGAGE_S: f64 = 0.002;
/// Proportional gain in 1/s: an offset is taken out within about 10 s.
const KP: f64 = 0.1;
/// Integral gain in 1/s²; a quarter of the square of the former damps the loop critically.
const KI: f64 = KP * KP / 4.0;
/// Largest stretch: 2000 ppm. Sound cards are specified at 100; what is further off is no clock.
const MOST: f64 = 2e-3;
/// Largest rate that is guessed from the first seconds.
const GUESS: f64 = 5e-4;
/// Medians before the slope is measured.
const SETTLED: u32 = 4;

/// The control loop.
#[derive(Debug, Default)]
pub(super) struct Drift {
    offsets: Vec<f64>,
    seconds: f64,
    smooth: f64,
    periods: u32,
    /// The smoothed offset at [`SETTLED`].
    first: f64,
    integral: f64,
    stretch: f64,
    engaged: bool,
}

impl Drift {
    /// Takes a block of `seconds` whose stamp lies `offset` seconds behind the end of what was laid (it should be
    /// heard later: the input is slow). Returns the stretch (output per input, less one) when it changes.
    pub(super) fn add(&mut self, offset: f64, seconds: f64) -> Option<f64> {
        self.offsets.push(offset);
        self.seconds += seconds;
        if self.seconds < PERIOD_S {
            return None;
        }
        let period = std::mem::take(&mut self.seconds);
        let middle = self.offsets.len() / 2;
        let (_, median, _) = self.offsets.select_nth_unstable_by(middle, f64::total_cmp);
        let median = *median;
        self.offsets.clear();
        self.update(median, period)
    }

    fn update(&mut self, median: f64, period: f64) -> Option<f64> {
        self.smooth = if self.periods == 0 {
            median
        } else {
            self.smooth + SMOOTHING * (median - self.smooth)
        };
        self.periods += 1;
        if self.periods == SETTLED {
            self.first = self.smooth;
        }
        if !self.engaged {
            if self.periods < SETTLED || self.smooth.abs() < ENGAGE_S {
                return None;
            }
            self.engaged = true;
            let elapsed = f64::from(self.periods - SETTLED) * PERIOD_S;
            if elapsed > 0.0 {
                let slope = (self.smooth - self.first) / elapsed;
                self.integral = slope.clamp(-GUESS, GUESS);
            }
        }
        let wanted = self.integral + KI * self.smooth * period;
        self.integral = wanted.clamp(-MOST, MOST);
        self.stretch = (self.integral + KP * self.smooth).clamp(-MOST, MOST);
        Some(self.stretch)
    }

    /// The sound begins anew at a stamp: what was measured of the offset is void, the rate is not.
    pub(super) fn restart(&mut self) {
        self.offsets.clear();
        (self.seconds, self.smooth, self.periods) = (0.0, 0.0, 0);
    }

    /// The rate found, in ppm; positive: the input's clock is slow. `None` while nothing had to be corrected.
    #[expect(clippy::cast_possible_truncation, reason = "a display figure")]
    pub(super) fn ppm(&self) -> Option<f32> {
        self.engaged.then_some((self.integral * 1e6) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of 20 ms from a device that is `ppm` slow, stamped with jitter, for `hours`; returns the largest true
    /// offset in ms after the first second, and the rate found.
    fn simulate(ppm: f64, jitter_ms: f64, hours: f64) -> (f64, Option<f32>) {
        let mut drift = Drift::default();
        let mut random = fastrand::Rng::with_seed(1);
        let (mut offset, mut stretch, mut worst) = (0.0_f64, 0.0, 0.0_f64);
        let blocks = hours * 3600.0 / 0.02;
        let mut at = 0.0;
        while at < blocks {
            at += 1.0;
            offset += 0.02 * (ppm * 1e-6 - stretch);
            let jitter = (random.f64() * 2.0 - 1.0) * jitter_ms / 1000.0;
            if let Some(new) = drift.add(offset + jitter, 0.02) {
                stretch = new;
            }
            if at > 50.0 {
                worst = worst.max(offset.abs());
            }
        }
        (worst * 1000.0, drift.ppm())
    }

    #[test]
    fn six_hours_of_any_usual_clock_stay_within_10_ms() {
        for ppm in [-300.0, -40.0, 7.0, 100.0, 300.0] {
            for jitter_ms in [0.0, 10.0] {
                let (worst, found) = simulate(ppm, jitter_ms, 6.0);
                let found = f64::from(found.unwrap());
                assert!(worst < 10.0, "{ppm} ppm, {jitter_ms} ms: {worst} ms");
                assert!((found - ppm).abs() < 40.0, "{ppm} ppm: {found}");
            }
        }
    }

    #[test]
    fn a_clock_that_agrees_is_left_alone() {
        assert_eq!(simulate(0.0, 0.0, 1.0), (0.0, None));
        let (worst, _) = simulate(0.0, 10.0, 1.0);
        assert!(worst < 3.0, "{worst}");
    }

    #[test]
    fn an_offset_of_the_beginning_is_taken_out_without_a_rate() {
        let mut drift = Drift::default();
        let (mut offset, mut stretch) = (0.009, 0.0);
        for _ in 0..5_000 {
            offset -= 0.02 * stretch;
            stretch = drift.add(offset, 0.02).unwrap_or(stretch);
        }
        assert!(offset.abs() < 0.001, "{offset}");
        assert!(drift.ppm().unwrap().abs() < 30.0, "{:?}", drift.ppm());
        drift.restart();
        assert!(drift.ppm().is_some(), "the rate outlives a gap");
    }
}
