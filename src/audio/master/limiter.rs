//! Keeps the mix below a ceiling, between samples too: blocks in, the same blocks out, later by [`LOOKAHEAD`] and bit by
//! bit the same as long as nothing exceeds the ceiling. On the audio thread.
//!
//! The gain that the highest true peak of the coming 5 ms allows, averaged over 5 ms: it comes down in a straight line
//! that ends where the peak begins, and recovers along an exponential. Both channels get the same gain.

use std::collections::VecDeque;

use super::settings::LimiterSettings;
use super::true_peak::{HALF, Interpolator};
use crate::audio::chain::smooth::{from_db, left_after, to_db};
use crate::audio::clock::{BLOCK_FRAMES, Frame};

/// By how much it delays, in frames: 5 ms.
pub(in crate::audio) const LOOKAHEAD: usize = 240;
/// Frames over which the gain comes down: the look-ahead but what finding a peak takes.
const WINDOW: usize = LOOKAHEAD - HALF + 1;
/// The ceiling is kept by this much more (dB), because meters differ in what they find between samples, and because a
/// gain that moves bends the curve a little.
const MARGIN_DB: f32 = 0.3;
/// A gain nearer to 1 than this is 1: what comes out is exact again.
const UNITY: f32 = 1e-4;

/// The limiter of the mix.
#[derive(Debug)]
pub(in crate::audio) struct Limiter {
    on: bool,
    ceiling: f32,
    release_left: f32,
    interpolator: Interpolator,
    /// What has come in and not gone out, one channel each, then room for a block.
    samples: [Vec<f32>; 2],
    peaks: Vec<f32>,
    /// Allowed gains of the window with their places, rising: the first is the lowest.
    lowest: VecDeque<(u64, f32)>,
    place: u64,
    /// Allowed gain of the frame before: a peak between two frames lowers both.
    before: f32,
    /// By how much the window's lowest gain, with the recovery, is below 1.
    missing: f32,
    /// 1 less that, for all frames of the window.
    recent: VecDeque<f32>,
    sum: f64,
    /// Frames until all in `recent` are 1.
    busy: usize,
    /// Blocks in which the gain was lowered.
    pub(in crate::audio) active_blocks: u64,
    reduction: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        let settings = LimiterSettings::default();
        Self {
            on: settings.on,
            ceiling: from_db(settings.ceiling_db - MARGIN_DB),
            release_left: left_after(1.0, settings.release_ms),
            interpolator: Interpolator::default(),
            samples: [(); 2].map(|()| vec![0.0; LOOKAHEAD + BLOCK_FRAMES]),
            peaks: vec![0.0; BLOCK_FRAMES],
            lowest: VecDeque::with_capacity(WINDOW + 1),
            place: 0,
            before: 1.0,
            missing: 0.0,
            recent: std::iter::repeat_n(1.0, WINDOW).collect(),
            sum: WINDOW as f64,
            busy: 0,
            active_blocks: 0,
            reduction: 1.0,
        }
    }
}

impl Limiter {
    pub(in crate::audio) fn set(&mut self, settings: &LimiterSettings) {
        self.on = settings.on;
        self.ceiling = from_db(settings.ceiling_db - MARGIN_DB);
        self.release_left = left_after(1.0, settings.release_ms);
    }

    /// By how much the last block was turned down at most, in dB; not above 0.
    pub(in crate::audio) fn gain_db(&self) -> f32 {
        if self.reduction >= 1.0 {
            0.0
        } else {
            to_db(self.reduction)
        }
    }

    /// Limits a block of at most 1024 frames in place.
    pub(in crate::audio) fn process(&mut self, block: &mut [Frame]) {
        let frames = block.len();
        for (c, samples) in self.samples.iter_mut().enumerate() {
            for (sample, frame) in samples[LOOKAHEAD..].iter_mut().zip(&*block) {
                *sample = frame[c];
            }
        }
        self.find_peaks(frames);
        let over = self.peaks[..frames].iter().any(|p| *p > self.ceiling);
        let [left, right] = &self.samples;
        for ((frame, l), r) in block.iter_mut().zip(left).zip(right) {
            *frame = [*l, *r];
        }
        self.reduction = 1.0;
        if over || self.busy > 0 || self.before < 1.0 {
            self.turn_down(block);
            self.active_blocks += u64::from(frames == BLOCK_FRAMES);
        }
        for samples in &mut self.samples {
            samples.copy_within(frames..frames + LOOKAHEAD, 0);
        }
    }

    /// True peaks as far as the samples that have come in reach.
    fn find_peaks(&mut self, frames: usize) {
        let peaks = &mut self.peaks[..frames];
        peaks.fill(0.0);
        if self.on {
            for samples in &self.samples {
                let at = LOOKAHEAD - HALF;
                self.interpolator.raise(samples, at, peaks, self.ceiling);
            }
        }
    }

    fn turn_down(&mut self, block: &mut [Frame]) {
        for (frame, peak) in block.iter_mut().zip(&self.peaks) {
            let allowed = if *peak > self.ceiling {
                self.ceiling / peak
            } else {
                1.0
            };
            let both = allowed.min(self.before);
            self.before = allowed;
            self.place += 1;
            let window = window_minimum(&mut self.lowest, self.place, both);
            let released = self.missing * self.release_left;
            let released = if released < UNITY { 0.0 } else { released };
            self.missing = released.max(1.0 - window);
            self.recent.push_back(1.0 - self.missing);
            let oldest = self.recent.pop_front().unwrap_or(1.0);
            self.sum += f64::from(1.0 - self.missing) - f64::from(oldest);
            if self.missing > 0.0 {
                self.busy = WINDOW;
            } else if self.busy > 0 {
                self.busy -= 1;
            }
            if self.busy == 0 {
                self.sum = WINDOW as f64; // what rounding left
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "a gain")]
            let gain = (self.sum / WINDOW as f64) as f32;
            self.reduction = self.reduction.min(gain);
            *frame = frame.map(|s| s * gain);
        }
    }
}

/// Takes the gain at `place`; returns the lowest of the last [`WINDOW`].
fn window_minimum(lowest: &mut VecDeque<(u64, f32)>, place: u64, gain: f32) -> f32 {
    while lowest.back().is_some_and(|(_, g)| *g >= gain) {
        lowest.pop_back();
    }
    lowest.push_back((place, gain));
    while lowest
        .front()
        .is_some_and(|(p, _)| p + WINDOW as u64 <= place)
    {
        lowest.pop_front();
    }
    lowest.front().map_or(1.0, |(_, g)| *g)
}

#[cfg(test)]
mod tests;
