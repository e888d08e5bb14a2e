//! Levels of the mix or of one input: blocks in, peak and RMS in dBFS out. On the audio thread; it only reads.
//!
//! A sample value of 1.0 is 0 dBFS (AES17 calls a full-scale *sine* 0 dBFS for RMS; here RMS is relative to 1.0, so a
//! full-scale sine reads −3.01 dBFS, as in OBS).

use std::time::Duration;

use super::Levels;
use super::clock::{BLOCK_FRAMES, Frame};
use crate::media::audio::AudioFormat;

/// Samples summed side by side: left and right by turns.
const LANES: usize = 8;
/// What silence reads.
pub(super) const FLOOR_DBFS: f32 = -120.0;
/// Blocks in the RMS window: 14 · 1024 / 48000 s = 299 ms.
const RMS_BLOCKS: usize = 14;
/// How long a peak stands before it falls.
const HOLD: Duration = Duration::from_millis(1500);
/// How fast it falls then, in dB per second (IEC 60268-10 type I: 20 dB in 1.7 s; a little faster reads better).
const FALL_DB_PER_S: f32 = 20.0;

/// Meters a run of blocks of 1024 frames.
#[derive(Debug)]
pub(super) struct Meter {
    squares: [[f64; 2]; RMS_BLOCKS],
    next: usize,
    peaks: [Peak; 2],
    clipped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Peak {
    dbfs: f32,
    age: Duration,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            squares: [[0.0; 2]; RMS_BLOCKS],
            next: 0,
            peaks: [Peak {
                dbfs: FLOOR_DBFS,
                age: Duration::ZERO,
            }; 2],
            clipped: 0,
        }
    }
}

impl Meter {
    /// Frames so far in which a sample was at or above full scale.
    pub(super) const fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Nothing sounds.
    pub(super) fn push_silence(&mut self) {
        let silent = |p: &Peak| p.dbfs <= FLOOR_DBFS;
        if !(self.peaks.iter().all(silent) && self.squares == [[0.0; 2]; RMS_BLOCKS]) {
            self.push(&[[0.0; 2]; BLOCK_FRAMES]);
        }
    }

    /// Takes one block.
    pub(super) fn push(&mut self, block: &[Frame]) {
        self.push_with(block, None);
    }

    /// Takes one block, of which these frames were at full scale as they came in.
    pub(super) fn push_with(&mut self, block: &[Frame], came_full: Option<&[bool]>) {
        let (squares, highest) = sums(block);
        if came_full.is_some() || highest[0].max(highest[1]) >= 1.0 {
            let came = came_full.unwrap_or_default().iter().copied();
            let came = came.chain(std::iter::repeat(false));
            let full = block
                .iter()
                .zip(came)
                .filter(|(f, came)| *came || is_full(f));
            self.clipped += full.count() as u64;
        }
        self.squares[self.next] = squares;
        self.next = (self.next + 1) % RMS_BLOCKS;
        let length = AudioFormat::ENGINE.duration_of(block.len());
        for (peak, highest) in self.peaks.iter_mut().zip(highest) {
            peak.push(dbfs(highest), length);
        }
    }

    /// What it reads now.
    pub(super) fn levels(&self) -> Levels {
        let frames = f64::from(u32::try_from(RMS_BLOCKS * BLOCK_FRAMES).expect("14 · 1024"));
        let rms = |c: usize| {
            let mean = self.squares.iter().map(|s| s[c]).sum::<f64>() / frames;
            #[expect(clippy::cast_possible_truncation, reason = "a level fits f32")]
            dbfs(mean.sqrt() as f32)
        };
        Levels {
            peak_dbfs: [self.peaks[0].dbfs, self.peaks[1].dbfs],
            rms_dbfs: [rms(0), rms(1)],
        }
    }
}

impl Peak {
    fn push(&mut self, dbfs: f32, length: Duration) {
        if dbfs >= self.dbfs {
            *self = Self {
                dbfs,
                age: Duration::ZERO,
            };
            return;
        }
        self.age = self.age.saturating_add(length);
        if self.age > HOLD {
            let fallen = self.dbfs - FALL_DB_PER_S * length.as_secs_f32();
            self.dbfs = fallen.max(dbfs).max(FLOOR_DBFS);
        }
    }
}

/// Of each channel the sum of the squares, and the highest sample.
fn sums(block: &[Frame]) -> ([f64; 2], [f32; 2]) {
    // eight at a time: one sum alone would wait for each addition
    let mut squares = [0.0_f32; LANES];
    let mut highest = [0_i32; LANES];
    let mut take = |samples: &[f32]| {
        for ((square, high), s) in squares.iter_mut().zip(&mut highest).zip(samples) {
            *square += s * s;
            *high = (*high).max(s.abs().to_bits().cast_signed()); // in the order of their bits
        }
    };
    let (whole, rest) = block.as_flattened().as_chunks::<LANES>();
    whole.iter().for_each(|samples| take(samples));
    take(rest);
    let of = |c: usize| {
        let lanes = (c..LANES).step_by(2);
        let square = lanes.clone().map(|l| f64::from(squares[l])).sum();
        let high = lanes.map(|l| highest[l]).max().unwrap_or(0);
        (square, f32::from_bits(high.cast_unsigned()))
    };
    let ((left, high_left), (right, high_right)) = (of(0), of(1));
    ([left, right], [high_left, high_right])
}

/// One of its samples is at full scale or above.
pub(super) fn is_full(frame: &Frame) -> bool {
    frame[0].abs().max(frame[1].abs()) >= 1.0
}

/// An amplitude in dBFS, not below the floor.
fn dbfs(amplitude: f32) -> f32 {
    (20.0 * amplitude.log10()).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sine of whole periods per block, so that RMS is exact: 1024 / 16 = 64 frames a period (750 Hz).
    fn sine(amplitude: f32) -> Vec<Frame> {
        (0..1024_u16)
            .map(|i| {
                let s = amplitude * (f32::from(i) * std::f32::consts::TAU / 64.0).sin();
                [s, s / 2.0]
            })
            .collect()
    }

    fn near(a: f32, b: f32) {
        assert!((a - b).abs() < 0.01, "{a} is not {b}");
    }

    #[test]
    fn a_sine_reads_what_it_is() {
        let mut meter = Meter::default();
        assert_eq!(meter.levels(), Levels::default());
        let amplitude = 0.5;
        for _ in 0..14 {
            meter.push(&sine(amplitude));
        }
        let levels = meter.levels();
        near(levels.peak_dbfs[0], -6.0206);
        near(levels.rms_dbfs[0], -6.0206 - 3.0103);
        near(levels.peak_dbfs[1], -12.0412);
        near(levels.rms_dbfs[1], -12.0412 - 3.0103);
        // above full scale is shown
        meter.push(&sine(2.0));
        near(meter.levels().peak_dbfs[0], 6.0206);
    }

    #[test]
    fn peaks_hold_then_fall_and_rms_forgets_in_300_ms() {
        let mut meter = Meter::default();
        meter.push(&sine(1.0));
        let silence = [[0.0; 2]; 1024];
        for _ in 0..14 {
            meter.push(&silence);
        }
        near(meter.levels().rms_dbfs[0], FLOOR_DBFS);
        near(meter.levels().peak_dbfs[0], 0.0);
        // 1.5 s are 70.3 blocks: the 71st falls, and a second later it is 20 dB down
        for _ in 14..70 {
            meter.push(&silence);
        }
        near(meter.levels().peak_dbfs[0], 0.0);
        for _ in 0..47 {
            meter.push(&silence);
        }
        let one_second = 47.0 * 1024.0 / 48_000.0;
        near(meter.levels().peak_dbfs[0], -20.0 * one_second);
        for _ in 0..1000 {
            meter.push(&silence);
        }
        near(meter.levels().peak_dbfs[0], FLOOR_DBFS);
    }
}
