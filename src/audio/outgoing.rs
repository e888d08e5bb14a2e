//! The mix as the encoder takes it: blocks of 48 kHz stereo in, blocks of its rate and channels out. On the audio thread.
//! What needs no conversion is handed on untouched.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clock::{BLOCK_FRAMES, Frame};
use super::resample::Resampler;
use crate::media::audio::{AudioBlock, AudioFormat, ENGINE_RATE};
use crate::media::time::MediaTime;

/// Blocks whose times are further than this from where the last one ended begin anew: the program was stopped.
const JUMP_NS: i64 = 1_000_000;

/// Converts block after block.
pub(super) struct Outgoing {
    format: AudioFormat,
    resampler: Option<Resampler>,
    /// Where the run began, and frames taken and given since.
    start: MediaTime,
    taken: usize,
    given: usize,
    frames: Vec<Frame>,
    waiting: VecDeque<Frame>,
    block: Option<AudioBlock>,
}

impl Outgoing {
    /// For an encoder that takes `format`: one or two channels, 44.1 or 48 kHz. `None` when it takes what the mixer makes.
    pub(super) fn new(format: AudioFormat) -> Option<Self> {
        if format == AudioFormat::ENGINE {
            return None;
        }
        let resampler = (format.rate != ENGINE_RATE)
            .then(|| Resampler::new(ENGINE_RATE, format.rate, 2))
            .flatten();
        Some(Self {
            format,
            resampler,
            start: MediaTime::ZERO,
            taken: 0,
            given: 0,
            frames: Vec::new(),
            waiting: VecDeque::new(),
            block: None,
        })
    }

    /// Takes a block of the mix.
    pub(super) fn push(&mut self, block: &AudioBlock) {
        let due = self.start + AudioFormat::ENGINE.duration_of(self.taken);
        if self.taken == 0 || block.pts.nanos_since(due).abs() > JUMP_NS {
            if let Some(resampler) = &mut self.resampler {
                resampler.restart();
            }
            self.waiting.clear();
            (self.start, self.taken, self.given) = (block.pts, 0, 0);
        }
        self.taken += block.frames();
        let frames = block.samples.as_chunks::<2>().0;
        match &mut self.resampler {
            None => self.waiting.extend(frames),
            Some(resampler) => {
                self.frames.clear();
                resampler.push(block.samples.iter().copied(), &mut self.frames);
                self.waiting.extend(&self.frames);
            }
        }
    }

    /// The next whole block in the encoder's format.
    pub(super) fn pop(&mut self) -> Option<&AudioBlock> {
        if self.waiting.len() < BLOCK_FRAMES {
            return None;
        }
        let samples = BLOCK_FRAMES * usize::from(self.format.channels);
        let pts = self.start + self.format.duration_of(self.given);
        self.given += BLOCK_FRAMES;
        let block = self.block.get_or_insert_with(|| AudioBlock {
            pts,
            samples: Arc::from([]),
            format: self.format,
        });
        block.pts = pts;
        if Arc::get_mut(&mut block.samples).is_none_or(|s| s.len() != samples) {
            // the first, or somebody still reads the last one
            block.samples = std::iter::repeat_n(0.0, samples).collect();
        }
        let out = Arc::get_mut(&mut block.samples)?;
        let frames = self.waiting.drain(..BLOCK_FRAMES);
        if self.format.channels == 1 {
            for (sample, [left, right]) in out.iter_mut().zip(frames) {
                *sample = f32::midpoint(left, right);
            }
        } else {
            for (pair, frame) in out.as_chunks_mut().0.iter_mut().zip(frames) {
                *pair = frame;
            }
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Blocks of a tone of 441 Hz whose first sample is at `start`.
    fn mix(start: MediaTime, block: usize, left: f32, right: f32) -> AudioBlock {
        let samples = (block * 1024..(block + 1) * 1024).flat_map(|i| {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "test tone"
            )]
            let s = (i as f64 * 441.0 * std::f64::consts::TAU / 48_000.0).sin() as f32;
            [left * s, right * s]
        });
        AudioBlock {
            pts: start + AudioFormat::ENGINE.duration_of(block * 1024),
            samples: samples.collect(),
            format: AudioFormat::ENGINE,
        }
    }

    #[test]
    fn what_needs_no_conversion_gets_none() {
        assert!(Outgoing::new(AudioFormat::ENGINE).is_none());
    }

    #[test]
    fn mono_is_the_mean_of_both_at_the_same_time() {
        let format = AudioFormat {
            rate: 48_000,
            channels: 1,
        };
        let mut outgoing = Outgoing::new(format).unwrap();
        let start = MediaTime::from_millis(5);
        for k in 0..3 {
            let block = mix(start, k, 0.8, 0.4);
            outgoing.push(&block);
            let mono = outgoing.pop().unwrap();
            assert_eq!(
                (mono.pts, mono.format, mono.frames()),
                (block.pts, format, 1024)
            );
            let wrong = mono.samples.iter().zip(block.samples.as_chunks::<2>().0);
            assert!(
                wrong
                    .clone()
                    .all(|(m, [l, r])| (m - (l + r) / 2.0).abs() < 1e-6)
            );
            assert!(outgoing.pop().is_none());
        }
    }

    #[test]
    fn at_44100_every_sample_keeps_its_time_and_after_a_jump() {
        let format = AudioFormat {
            rate: 44_100,
            channels: 2,
        };
        let mut outgoing = Outgoing::new(format).unwrap();
        let start = MediaTime::from_millis(777);
        let (mut given, mut worst) = (0, 0.0_f64);
        let blocks = 30 * 48_000 / 1024;
        for k in 0..blocks {
            outgoing.push(&mix(start, k, 0.5, 0.5));
            while let Some(block) = outgoing.pop() {
                assert_eq!(block.pts, start + format.duration_of(given));
                if given > 0 {
                    for (i, [left, right]) in block.samples.as_chunks::<2>().0.iter().enumerate() {
                        assert_eq!(left, right);
                        // 441 Hz at 44,100 Hz: a period of 100 samples
                        let phase = u32::try_from((given + i) % 100).unwrap();
                        let tone = 0.5 * (f64::from(phase) * std::f64::consts::TAU / 100.0).sin();
                        worst = worst.max((f64::from(*left) - tone).abs());
                    }
                }
                given += 1024;
            }
        }
        // the filter's delay is taken out in whole frames, which leaves 0.2 of one: 4 µs, or 0.0064 of this tone
        assert!(worst < 0.008, "{worst}");
        assert!(given + 2048 > 30 * 44_100, "{given}");
        let later = start + Duration::from_secs(4000);
        let first = (0..4).find_map(|k| {
            outgoing.push(&mix(later, k, 0.5, 0.5));
            outgoing.pop().map(|b| b.pts)
        });
        assert_eq!(first, Some(later));
    }
}
