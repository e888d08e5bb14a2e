//! How loud the show is to an ear: the finished mix in, LUFS by EBU R128 out, through the crate `ebur128`. On the audio
//! thread.

use ebur128::{EbuR128, Mode};

use super::settings::LoudnessSettings;
use crate::audio::clock::Frame;
use crate::media::audio::ENGINE_RATE;

/// What the meter reads, in LUFS (units of loudness below full scale); `None` until there was enough sound.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Loudness {
    /// Of the last 400 ms.
    pub momentary: Option<f32>,
    /// Of the last 3 s.
    pub short_term: Option<f32>,
    /// Of everything since the show began, pauses left out.
    pub integrated: Option<f32>,
}

/// Blocks between two readings of the momentary value: 107 ms.
const MOMENTARY_EVERY: u32 = 5;
/// Readings of the momentary value between two of the others, which look at much more sound: 533 ms.
const OTHERS_EVERY: u32 = 5 * MOMENTARY_EVERY;

/// The loudness meter.
#[derive(Default)]
pub(in crate::audio) struct LoudnessMeter {
    /// There while it is on.
    meter: Option<EbuR128>,
    blocks: u32,
    reading: Loudness,
}

impl LoudnessMeter {
    pub(in crate::audio) fn set(&mut self, settings: &LoudnessSettings) {
        if settings.on == self.meter.is_some() {
            return;
        }
        // counted by level and not kept block by block: its memory does not grow with the show
        let mode = Mode::M | Mode::S | Mode::I | Mode::HISTOGRAM;
        self.meter = settings
            .on
            .then(|| EbuR128::new(2, ENGINE_RATE, mode))
            .and_then(Result::ok);
        self.reading = Loudness::default();
    }

    /// A new show begins.
    pub(in crate::audio) fn reset(&mut self) {
        if let Some(meter) = &mut self.meter {
            meter.reset();
        }
        self.reading = Loudness::default();
    }

    /// `None` while it is off.
    pub(in crate::audio) fn reading(&self) -> Option<Loudness> {
        self.meter.as_ref().map(|_| self.reading)
    }

    /// Takes one block.
    pub(in crate::audio) fn push(&mut self, block: &[Frame]) {
        let Some(meter) = &mut self.meter else {
            return;
        };
        if meter.add_frames_f32(block.as_flattened()).is_err() {
            return; // it says so of wrong channel counts only
        }
        self.blocks = self.blocks.wrapping_add(1);
        if self.blocks.is_multiple_of(MOMENTARY_EVERY) {
            self.reading.momentary = value(meter.loudness_momentary());
        }
        if self.blocks.is_multiple_of(OTHERS_EVERY) {
            self.reading.short_term = value(meter.loudness_shortterm());
            self.reading.integrated = value(meter.loudness_global());
        }
    }
}

/// Silence is minus infinity there.
fn value(lufs: Result<f64, ebur128::Error>) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "a level")]
    lufs.ok().filter(|l| *l > -70.0).map(|l| l as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_997_hz_reads_as_ebu_tech_3341_says() {
        // test case 1: stereo, −23 dBFS (of the sine's peak) on both channels reads −23 LUFS
        let mut meter = LoudnessMeter::default();
        assert_eq!(meter.reading(), None);
        meter.set(&LoudnessSettings::default());
        let amplitude = 10.0_f64.powf(-23.0 / 20.0);
        let sine = |n: u32| {
            let phase = f64::from(n) * 997.0 / 48_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "test tone")]
            let s = (amplitude * (phase.fract() * std::f64::consts::TAU).sin()) as f32;
            [s; 2]
        };
        let tone: Vec<Frame> = (0..48_000 * 5).map(sine).collect();
        tone.chunks(1024).for_each(|block| meter.push(block));
        let Loudness {
            momentary,
            short_term,
            integrated,
        } = meter.reading().unwrap();
        for reading in [momentary, short_term, integrated] {
            assert!((reading.unwrap() + 23.0).abs() < 0.1, "{reading:?}");
        }
        // silence is not counted into the whole
        (0..470).for_each(|_| meter.push(&[[0.0; 2]; 1024]));
        let reading = meter.reading().unwrap();
        assert_eq!((reading.momentary, reading.short_term), (None, None));
        // but for the last blocks, which overlap it
        assert!((reading.integrated.unwrap() + 23.0).abs() < 0.3);
        meter.reset();
        assert_eq!(meter.reading(), Some(Loudness::default()));
    }
}
