//! Any input format to 48 kHz stereo: interleaved samples in, [`Frame`]s out. On the audio thread.
//!
//! Frame `j` that comes out belongs to the time `j / 48000` s after the first sample that went in: the filter's delay
//! is taken out here, so that callers place sound by counting. An input whose clock is off is stretched: sound of
//! 48 kHz passes untouched until that is needed.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable as _, Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::clock::Frame;
use crate::media::audio::{AudioFormat, ENGINE_RATE};

/// Steps of the resampler per second of input: what is left over waits for at most 5 ms.
const STEPS_PER_S: u32 = 200;
/// Taps of the filter. With the Blackman-Harris window aliases lie below −80 dB and 44.1 kHz sound passes up to
/// 19 kHz, for 1/5 of the work of the 256 taps that rubato proposes for mastering.
const SINC_LEN: usize = 128;
/// −3 dB: the share of a centre or surround channel in left and right (ITU-R BS.775).
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Why a format cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sound of {rate} Hz with {channels} channels cannot be used")]
pub(super) struct FormatError {
    rate: u32,
    channels: u16,
}

/// Converts one continuous run of sound after another.
pub(super) struct Converter {
    channels: usize,
    resampler: Option<Resampler>,
    stereo: Vec<Frame>,
    /// Frames of this run that passed without a resampler.
    passed: u64,
    /// The last of them, for a resampler that begins within the run.
    recent: VecDeque<Frame>,
}

impl Converter {
    pub(super) fn new(format: AudioFormat) -> Result<Self, FormatError> {
        let error = || FormatError {
            rate: format.rate,
            channels: format.channels,
        };
        if format.channels == 0 || !(4000..=768_000).contains(&format.rate) {
            return Err(error());
        }
        let resampler = if format.rate == ENGINE_RATE {
            None
        } else {
            let width = usize::from(format.channels.min(2));
            Some(Resampler::new(format.rate, ENGINE_RATE, width).ok_or_else(error)?)
        };
        Ok(Self {
            channels: usize::from(format.channels),
            resampler,
            stereo: Vec::new(),
            passed: 0,
            recent: VecDeque::with_capacity(SINC_LEN),
        })
    }

    /// Makes `1 + stretch` times as many frames of what comes from now on.
    pub(super) fn stretch(&mut self, stretch: f64) {
        if self.resampler.is_none() {
            let Some(mut resampler) = Resampler::new(ENGINE_RATE, ENGINE_RATE, 2) else {
                return;
            };
            resampler.prime(&self.recent);
            self.resampler = Some(resampler);
        }
        if let Some(resampler) = &mut self.resampler {
            resampler.stretch(stretch);
        }
    }

    /// Length, in frames at 48 kHz, of all that was pushed in this run.
    pub(super) fn length(&self) -> f64 {
        let resampled = self.resampler.as_ref().map_or(0.0, Resampler::length);
        exact(self.passed) + resampled
    }

    /// Converts samples that follow the ones before; the result is appended to `out`.
    pub(super) fn push(&mut self, interleaved: &[f32], out: &mut Vec<Frame>) {
        let Self {
            channels,
            resampler,
            stereo,
            passed,
            recent,
        } = self;
        let Some(resampler) = resampler else {
            let start = out.len();
            to_stereo(interleaved, *channels, out);
            let new = &out[start..];
            *passed += new.len() as u64;
            let kept = &new[new.len().saturating_sub(SINC_LEN)..];
            recent.drain(..(recent.len() + kept.len()).saturating_sub(SINC_LEN));
            recent.extend(kept);
            return;
        };
        if *channels == 1 && resampler.width == 1 {
            resampler.push(interleaved.iter().map(|s| clean(*s)), out);
        } else {
            stereo.clear();
            to_stereo(interleaved, *channels, stereo);
            resampler.push(stereo.as_flattened().iter().copied(), out);
        }
    }

    /// Ends the run: what the filter still holds is appended to `out`. The next samples begin a new run.
    pub(super) fn finish(&mut self, out: &mut Vec<Frame>) {
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(out);
        }
        self.passed = 0;
        self.recent.clear();
    }
}

/// A count as it is used in products with a ratio.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact for six thousand years of sound"
)]
const fn exact(frames: u64) -> f64 {
    frames as f64
}

/// The whole number of frames nearest to a length.
#[expect(
    clippy::cast_possible_truncation,
    reason = "lengths are far below 2^63, and a cast of floats saturates"
)]
pub(super) fn whole(length: f64) -> i64 {
    length.round() as i64
}

/// A broken driver's infinities would sound for ever in filters and meters.
fn clean(s: f32) -> f32 {
    if s.is_finite() {
        s.clamp(-16.0, 16.0)
    } else {
        0.0
    }
}

/// Interleaved samples of any channel count as left and right. Three, four, six and eight channels are taken as the
/// usual layouts (L R C, quad, 5.1, 7.1; the low-frequency channel is left out); of others the first two count.
fn to_stereo(interleaved: &[f32], channels: usize, out: &mut Vec<Frame>) {
    let frames = interleaved.chunks_exact(channels);
    match channels {
        1 => out.extend(frames.map(|f| [clean(f[0]); 2])),
        2 => out.extend(frames.map(|f| [clean(f[0]), clean(f[1])])),
        3 | 4 | 6 | 8 => out.extend(frames.map(|f| downmix(f).map(clean))),
        _ => out.extend(frames.map(|f| [clean(f[0]), clean(f[1])])),
    }
}

fn downmix(f: &[f32]) -> Frame {
    let (center, surround) = match f.len() {
        3 => (f[2], [0.0; 2]),
        4 => (0.0, [f[2], f[3]]),
        6 => (f[2], [f[4], f[5]]),
        _ => (f[2], [f[4] + f[6], f[5] + f[7]]),
    };
    [
        f[0] + HALF_POWER * (center + surround[0]),
        f[1] + HALF_POWER * (center + surround[1]),
    ]
}

/// Interleaved samples of one rate into frames of another, with the filter's delay taken out.
pub(super) struct Resampler {
    inner: Async<f32>,
    /// From and to: Hz.
    rates: (u32, u32),
    /// Nominal output frames per input frame, and what is made of it.
    nominal: f64,
    ratio: f64,
    width: usize,
    /// Input frames per step.
    chunk: usize,
    /// Samples that wait for a whole chunk.
    pending: Vec<f32>,
    produced: Vec<f32>,
    /// Frames of the filter's delay still to be left out.
    skip: usize,
    /// Length in output frames of what went through the filter.
    through: f64,
    given: u64,
}

impl Resampler {
    /// For one or two channels.
    pub(super) fn new(rate: u32, to: u32, width: usize) -> Option<Self> {
        let parameters =
            SincInterpolationParameters::new(SINC_LEN, WindowFunction::BlackmanHarris2)
                .oversampling_factor(256)
                .interpolation(SincInterpolationType::Linear);
        let ratio = f64::from(to) / f64::from(rate);
        let chunk = usize::try_from(rate / STEPS_PER_S).ok()?.max(32);
        let inner =
            Async::new_sinc(ratio, 1.1, &parameters, chunk, width, FixedAsync::Input).ok()?;
        let produced = vec![0.0; inner.output_frames_max() * width];
        Some(Self {
            skip: delay((rate, to)),
            inner,
            rates: (rate, to),
            nominal: ratio,
            ratio,
            width,
            chunk,
            pending: Vec::new(),
            produced,
            through: 0.0,
            given: 0,
        })
    }

    /// Puts stereo sound into the filter that has been heard already.
    fn prime(&mut self, heard: &VecDeque<Frame>) {
        self.skip += heard.len();
        self.through -= exact(heard.len() as u64);
        self.pending.extend(heard.iter().flatten());
    }

    /// Makes `1 + stretch` times as much of what comes from now on.
    pub(super) fn stretch(&mut self, stretch: f64) {
        let ratio = self.nominal * (1.0 + stretch);
        if self.inner.set_resample_ratio(ratio, false).is_ok() {
            self.ratio = ratio;
        }
    }

    /// Length in output frames of all that was pushed.
    fn length(&self) -> f64 {
        self.through + exact(self.waiting() as u64) * self.ratio
    }

    /// Input frames that wait for a whole chunk.
    fn waiting(&self) -> usize {
        self.pending.len() / self.width
    }

    /// Takes samples that follow the ones before; what they make is appended to `out`.
    pub(super) fn push(
        &mut self,
        samples: impl ExactSizeIterator<Item = f32>,
        out: &mut Vec<Frame>,
    ) {
        self.pending.extend(samples);
        let samples = self.chunk * self.width;
        let mut from = 0;
        while self.pending.len() - from >= samples {
            self.step(from, self.chunk, out);
            from += samples;
        }
        self.pending.drain(..from);
    }

    /// Puts `frames` pending frames from index `from` (and silence up to a chunk) through the filter. Returns how many
    /// frames it made.
    fn step(&mut self, from: usize, frames: usize, out: &mut Vec<Frame>) -> usize {
        let width = self.width;
        let input = InterleavedSlice::new(&self.pending[from..], width, frames);
        let room = self.produced.len() / width;
        let output = InterleavedSlice::new_mut(&mut self.produced, width, room);
        let (Ok(input), Ok(mut output)) = (input, output) else {
            return 0;
        };
        let indexing = Indexing::new().partial_len(frames);
        let Ok((_, made)) = self
            .inner
            .process_into_buffer(&input, &mut output, Some(&indexing))
        else {
            return 0;
        };
        self.through += exact(frames as u64) * self.ratio;
        let skipped = self.skip.min(made);
        self.skip -= skipped;
        self.given += (made - skipped) as u64;
        let samples = &self.produced[skipped * width..made * width];
        if width == 1 {
            out.extend(samples.iter().map(|s| [*s; 2]));
        } else {
            out.extend_from_slice(samples.as_chunks().0);
        }
        made
    }

    fn finish(&mut self, out: &mut Vec<Frame>) {
        let due = u64::try_from(whole(self.length())).unwrap_or(0);
        let start = out.len();
        let before = self.given;
        if due > 0 {
            self.step(0, self.waiting(), out);
            while self.given < due && self.step(0, 0, out) > 0 {}
            let keep = usize::try_from(due.saturating_sub(before)).unwrap_or(usize::MAX);
            out.truncate(start.saturating_add(keep));
        }
        self.restart();
    }

    /// What comes next is a new run.
    pub(super) fn restart(&mut self) {
        self.pending.clear();
        self.inner.reset();
        // the clock behind the next run is the same one
        self.inner.set_resample_ratio(self.ratio, false).ok(); // it was in bounds before
        self.skip = delay(self.rates);
        self.through = 0.0;
        self.given = 0;
    }
}

/// The filter's delay in output frames, to the nearest: half its length, which counts input frames, less one output
/// frame, because rubato (5.0.1) steps before it takes the first; its own `output_delay` leaves that out.
fn delay((rate, to): (u32, u32)) -> usize {
    let frames = frames_at(SINC_LEN as u64 / 2, rate, to);
    usize::try_from(frames.saturating_sub(1)).unwrap_or(0)
}

/// Length at rate `to` of `frames` at `rate`, to the nearest.
fn frames_at(frames: u64, rate: u32, to: u32) -> u64 {
    let rate = u128::from(rate);
    let frames = (u128::from(frames) * u128::from(to) + rate / 2) / rate;
    u64::try_from(frames).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(rate: u32, channels: u16) -> AudioFormat {
        AudioFormat { rate, channels }
    }

    #[test]
    fn formats_nobody_can_use_are_refused() {
        assert!(Converter::new(format(48_000, 0)).is_err());
        assert!(Converter::new(format(0, 2)).is_err());
        let error = Converter::new(format(1, 2)).err().unwrap();
        assert_eq!(
            error.to_string(),
            "sound of 1 Hz with 2 channels cannot be used"
        );
    }

    #[test]
    fn channels_are_folded_to_two() {
        let fold = |channels, samples: &[f32]| {
            let mut out = Vec::new();
            to_stereo(samples, channels, &mut out);
            out
        };
        assert_eq!(fold(1, &[0.25, -0.5]), [[0.25; 2], [-0.5; 2]]);
        assert_eq!(fold(2, &[0.25, -0.5]), [[0.25, -0.5]]);
        let h = HALF_POWER;
        assert_eq!(
            fold(6, &[0.1, 0.2, 0.4, 0.9, 0.0, 0.2]),
            [[0.1 + h * 0.4, 0.2 + h * (0.4 + 0.2)]]
        );
        assert_eq!(fold(5, &[0.1, 0.2, 0.3, 0.4, 0.5]), [[0.1, 0.2]]);
        assert_eq!(fold(2, &[f32::NAN, f32::INFINITY]), [[0.0; 2]]);
    }

    /// A tone of 48 kHz sound goes on without a step when stretching begins, and is longer by as much as was asked.
    #[test]
    fn stretching_begins_without_a_seam() {
        let period = 48.0;
        let tone = |i: f64| (i * std::f64::consts::TAU / period).sin();
        for channels in [1_u16, 2] {
            let mut converter = Converter::new(format(48_000, channels)).unwrap();
            let mut out = Vec::new();
            for k in 0..2_000_u32 {
                if k == 500 {
                    converter.stretch(3e-4);
                }
                #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
                let block: Vec<f32> = (k * 480..(k + 1) * 480)
                    .flat_map(|i| vec![0.5 * tone(f64::from(i)) as f32; channels.into()])
                    .collect();
                converter.push(&block, &mut out);
            }
            let length = converter.length();
            converter.finish(&mut out);
            let expected = 960_000.0 + 720_000.0 * 3e-4;
            assert!((length - expected).abs() < 1.0, "{length}");
            assert_eq!(whole(length), i64::try_from(out.len()).unwrap());
            assert_eq!(converter.length(), 0.0);
            let worst = (0..out.len() - 64).map(|j| {
                let j64 = f64::from(u32::try_from(j).unwrap());
                let input = if j < 240_000 {
                    j64
                } else {
                    240_000.0 + (j64 - 240_000.0) / (1.0 + 3e-4)
                };
                (f64::from(out[j][0]) - 0.5 * tone(input)).abs()
            });
            let worst = worst.fold(0.0, f64::max);
            // a displacement of a tenth of a sample would show as 0.5 · τ / 48 / 10 = 0.0065
            assert!(worst < 0.005, "{channels}: {worst}");
        }
    }

    /// An impulse keeps its time, whatever the rate, and in the second run as in the first.
    #[test]
    fn the_filters_delay_is_taken_out() {
        for (rate, channels) in [(44_100, 1_u16), (16_000, 2), (96_000, 2), (8_000, 1)] {
            let mut converter = Converter::new(format(rate, channels)).unwrap();
            for _run in 0..2 {
                let mut samples = vec![0.0; usize::from(channels) * 5000];
                let at = 3000;
                samples[at * usize::from(channels)] = 1.0;
                let mut out = Vec::new();
                for part in samples.chunks(usize::from(channels) * 441) {
                    converter.push(part, &mut out);
                }
                converter.finish(&mut out);
                assert_eq!(
                    out.len() as u64,
                    frames_at(5000, rate, ENGINE_RATE),
                    "{rate}"
                );
                let peak = (0..out.len())
                    .max_by(|a, b| out[*a][0].total_cmp(&out[*b][0]))
                    .unwrap();
                let expected = frames_at(at as u64, rate, ENGINE_RATE);
                assert!(
                    (peak as u64).abs_diff(expected) <= 1,
                    "{rate} Hz: at {peak} instead of {expected}"
                );
            }
        }
    }
}
