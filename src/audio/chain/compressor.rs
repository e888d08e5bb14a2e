//! Turns loud passages down by a ratio, so that all of it can be louder. Frames in and out, on the audio thread, without
//! delay; both channels get the same gain.
//!
//! Gain computer with a soft knee, and a smooth decoupled peak detector on its output: D. Giannoulis, M. Massberg, J. D.
//! Reiss, "Digital Dynamic Range Compressor Design: A Tutorial and Analysis", J. Audio Eng. Soc. 60(6), 2012, equations
//! 4 and 17.

use super::settings::CompressorSettings;
use super::smooth::{Glide, Switch, from_db, left_after, peak, to_db};
use crate::audio::clock::Frame;

/// The level is looked at this often: 0.33 ms. The gain moves in a straight line between.
const GROUP: usize = 16;
const GROUP_FRAMES: f32 = 16.0;

/// The compressor of one input.
#[derive(Debug)]
pub(super) struct Compressor {
    switch: Switch,
    threshold: Glide,
    /// 1 − 1 / ratio.
    slope: Glide,
    knee: Glide,
    makeup: Glide,
    attack_left: f32,
    release_left: f32,
    /// Reduction in dB, of which the fall is smoothed.
    held: f32,
    /// The same with the rise smoothed, too: what is applied.
    reduction: f32,
    gain: f32,
}

impl Compressor {
    pub(super) fn new() -> Self {
        let mut compressor = Self {
            switch: Switch::OFF,
            threshold: Glide::new(0.0),
            slope: Glide::new(0.0),
            knee: Glide::new(0.0),
            makeup: Glide::new(0.0),
            attack_left: 0.0,
            release_left: 0.0,
            held: 0.0,
            reduction: 0.0,
            gain: 1.0,
        };
        compressor.set(&CompressorSettings::default());
        compressor.begin();
        compressor
    }

    pub(super) fn set(&mut self, settings: &CompressorSettings) {
        let s = settings;
        self.threshold.aim(s.threshold_db);
        self.slope.aim(1.0 - 1.0 / s.ratio.max(1.0));
        self.knee.aim(s.knee_db);
        self.makeup.aim(s.makeup_db);
        self.attack_left = left_after(GROUP_FRAMES, s.attack_ms);
        self.release_left = left_after(GROUP_FRAMES, s.release_ms);
        if self.switch.set(s.on) {
            self.begin();
        }
    }

    /// Nothing sounds: the next sound meets it at its target.
    pub(super) fn rest(&mut self) {
        self.switch.rest();
        self.begin();
        if self.switch.is_full() {
            self.gain = from_db(self.makeup.value());
        }
    }

    fn begin(&mut self) {
        for glide in self.glides() {
            glide.snap();
        }
        (self.held, self.reduction, self.gain) = (0.0, 0.0, 1.0);
    }

    const fn glides(&mut self) -> [&mut Glide; 4] {
        [
            &mut self.threshold,
            &mut self.slope,
            &mut self.knee,
            &mut self.makeup,
        ]
    }

    /// By how much it turns down now, in dB; not above 0.
    pub(super) fn gain_db(&self) -> f32 {
        if self.switch.is_off() {
            0.0
        } else {
            -self.reduction
        }
    }

    pub(super) fn process(&mut self, block: &mut [Frame]) {
        if self.switch.is_off() {
            return;
        }
        for frames in block.chunks_mut(GROUP) {
            for glide in self.glides() {
                glide.step();
            }
            let wanted = self.wanted(to_db(peak(frames)));
            self.held = wanted.max(wanted + (self.held - wanted) * self.release_left);
            self.reduction = self.held + (self.reduction - self.held) * self.attack_left;
            let share = self.switch.steps(frames.len());
            let next = from_db(share * (self.makeup.value() - self.reduction));
            let step = (next - self.gain) / GROUP_FRAMES;
            let mut gain = self.gain;
            for frame in frames {
                gain += step;
                *frame = frame.map(|s| s * gain);
            }
            self.gain = next;
        }
    }

    /// The reduction in dB that a level asks for.
    fn wanted(&self, level_db: f32) -> f32 {
        let (slope, knee) = (self.slope.value(), self.knee.value());
        let over = level_db - self.threshold.value();
        if 2.0 * over <= -knee {
            0.0
        } else if 2.0 * over < knee {
            let into = over + knee / 2.0;
            slope * into * into / (2.0 * knee)
        } else {
            slope * over
        }
    }
}
