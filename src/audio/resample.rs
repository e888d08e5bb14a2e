//! Any input format to 48 kHz stereo: interleaved samples in, [`Frame`]s out. On the audio thread.
//!
//! Frame `j` that comes out belongs to the time `j / 48000` s after the first sample that went in: the filter's delay
//! is taken out here, so that callers place sound by counting.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
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
            Some(Resampler::new(format.rate, width).ok_or_else(error)?)
        };
        Ok(Self {
            channels: usize::from(format.channels),
            resampler,
            stereo: Vec::new(),
        })
    }

    /// Converts samples that follow the ones before; the result is appended to `out`.
    pub(super) fn push(&mut self, interleaved: &[f32], out: &mut Vec<Frame>) {
        let Self {
            channels,
            resampler,
            stereo,
        } = self;
        let Some(resampler) = resampler else {
            to_stereo(interleaved, *channels, out);
            return;
        };
        if *channels == 1 {
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
    }
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

struct Resampler {
    inner: Async<f32>,
    rate: u32,
    width: usize,
    /// Input frames per step.
    chunk: usize,
    /// Samples that wait for a whole chunk.
    pending: Vec<f32>,
    produced: Vec<f32>,
    /// Frames of the filter's delay still to be left out.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    fn new(rate: u32, width: usize) -> Option<Self> {
        let parameters =
            SincInterpolationParameters::new(SINC_LEN, WindowFunction::BlackmanHarris2)
                .oversampling_factor(256)
                .interpolation(SincInterpolationType::Linear);
        let ratio = f64::from(ENGINE_RATE) / f64::from(rate);
        let chunk = usize::try_from(rate / STEPS_PER_S).ok()?.max(32);
        let inner =
            Async::new_sinc(ratio, 1.1, &parameters, chunk, width, FixedAsync::Input).ok()?;
        let produced = vec![0.0; inner.output_frames_max() * width];
        Some(Self {
            skip: delay(rate),
            inner,
            rate,
            width,
            chunk,
            pending: Vec::new(),
            produced,
            taken: 0,
            given: 0,
        })
    }

    fn push(&mut self, samples: impl ExactSizeIterator<Item = f32>, out: &mut Vec<Frame>) {
        self.taken += samples.len() as u64 / self.width as u64;
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
        let due = frames_at_engine_rate(self.taken, self.rate);
        let start = out.len();
        let before = self.given;
        let left = self.pending.len() / self.width;
        if self.taken > 0 {
            self.step(0, left, out);
            self.pending.clear();
            while self.given < due && self.step(0, 0, out) > 0 {}
            let keep = usize::try_from(due.saturating_sub(before)).unwrap_or(usize::MAX);
            out.truncate(start.saturating_add(keep));
        }
        self.inner.reset();
        self.skip = delay(self.rate);
        self.taken = 0;
        self.given = 0;
    }
}

/// The filter's delay in output frames, to the nearest: half its length, which counts input frames, less one output
/// frame, because rubato (5.0.1) steps before it takes the first; its own `output_delay` leaves that out.
fn delay(rate: u32) -> usize {
    let frames = frames_at_engine_rate(SINC_LEN as u64 / 2, rate);
    usize::try_from(frames.saturating_sub(1)).unwrap_or(0)
}

/// Length at 48 kHz of `frames` at `rate`, to the nearest.
pub(super) fn frames_at_engine_rate(frames: u64, rate: u32) -> u64 {
    let rate = u128::from(rate);
    let frames = (u128::from(frames) * u128::from(ENGINE_RATE) + rate / 2) / rate;
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
                    frames_at_engine_rate(5000, rate),
                    "{rate}"
                );
                let peak = (0..out.len())
                    .max_by(|a, b| out[*a][0].total_cmp(&out[*b][0]))
                    .unwrap();
                let expected = frames_at_engine_rate(at as u64, rate);
                assert!(
                    (peak as u64).abs_diff(expected) <= 1,
                    "{rate} Hz: at {peak} instead of {expected}"
                );
            }
        }
    }
}
