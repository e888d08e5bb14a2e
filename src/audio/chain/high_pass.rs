//! Takes away what lies below a voice: rumble, steps, wind. A Butterworth high-pass of 12 dB an octave. Frames in and
//! out, on the audio thread, without delay.

use std::f32::consts::FRAC_1_SQRT_2;

use super::biquad::{Biquad, Coefficients};
use super::settings::HighPassSettings;
use super::smooth::{Glide, STEP_FRAMES, Switch};
use crate::audio::clock::Frame;

/// The filter of one input.
#[derive(Debug)]
pub(super) struct HighPass {
    switch: Switch,
    /// Logarithm of the frequency in hertz: an octave takes the same time everywhere.
    octaves: Glide,
    coefficients: Coefficients,
    filter: Biquad,
}

impl HighPass {
    pub(super) fn new() -> Self {
        let hertz = HighPassSettings::default().frequency_hz;
        Self {
            switch: Switch::OFF,
            octaves: Glide::new(hertz.log2()),
            coefficients: Coefficients::high_pass(hertz, FRAC_1_SQRT_2),
            filter: Biquad::SILENT,
        }
    }

    pub(super) fn set(&mut self, settings: &HighPassSettings) {
        self.octaves.aim(settings.frequency_hz.log2());
        if self.switch.set(settings.on) {
            self.begin();
        }
    }

    /// Nothing sounds: the next sound meets it at its target.
    pub(super) fn rest(&mut self) {
        self.switch.rest();
        self.begin();
    }

    fn begin(&mut self) {
        self.octaves.snap();
        self.filter = Biquad::SILENT;
        self.tune();
    }

    fn tune(&mut self) {
        self.coefficients = Coefficients::high_pass(self.octaves.value().exp2(), FRAC_1_SQRT_2);
    }

    pub(super) fn process(&mut self, block: &mut [Frame]) {
        if self.switch.is_off() {
            return;
        }
        for frames in block.chunks_mut(STEP_FRAMES) {
            let before = self.coefficients;
            if self.octaves.is_moving() {
                self.octaves.step();
                self.tune();
            }
            let mut filtered = [[0.0; 2]; STEP_FRAMES];
            let filtered = &mut filtered[..frames.len()];
            filtered.copy_from_slice(frames);
            self.filter.run(&before, &self.coefficients, filtered);
            self.switch.blend(frames, filtered);
        }
    }
}
