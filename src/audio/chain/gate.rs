//! Silences what is quieter than speech: opens above a threshold, closes a while after the level has fallen below a
//! second one. Frames in and out, on the audio thread, without delay.

use super::settings::GateSettings;
use super::smooth::{from_db, left_after, peak};
use crate::audio::clock::Frame;

/// The level is looked at this often: 0.33 ms. The gain moves in a straight line between.
const GROUP: usize = 16;
const GROUP_FRAMES: f32 = 16.0;
/// Time constant of the level's fall: over a period of the lowest voice it must not drop.
const LEVEL_MS: f32 = 20.0;
/// Turned on or off, it takes this long at least.
const SWITCH_MS: f32 = 10.0;

/// The gate of one input.
#[derive(Debug)]
pub(super) struct Gate {
    settings: GateSettings,
    opens: f32,
    closes: f32,
    floor: f32,
    level: f32,
    level_left: f32,
    open: bool,
    /// Frames it still stays open.
    hold: f32,
    gain: f32,
}

impl Gate {
    pub(super) fn new() -> Self {
        let mut gate = Self {
            settings: GateSettings::default(),
            opens: 0.0,
            closes: 0.0,
            floor: 0.0,
            level: 0.0,
            level_left: left_after(GROUP_FRAMES, LEVEL_MS),
            open: true,
            hold: 0.0,
            gain: 1.0,
        };
        gate.set(&GateSettings::default());
        gate
    }

    pub(super) fn set(&mut self, settings: &GateSettings) {
        self.settings = *settings;
        self.opens = from_db(settings.threshold_db);
        self.closes = from_db(settings.threshold_db - settings.hysteresis_db);
        self.floor = from_db(settings.floor_db);
    }

    /// Nothing sounds: the next sound meets it closed, or wide open when it is off.
    pub(super) const fn rest(&mut self) {
        self.level = 0.0;
        self.hold = 0.0;
        self.open = !self.settings.on;
        self.gain = if self.settings.on { self.floor } else { 1.0 };
    }

    fn is_off(&self) -> bool {
        !self.settings.on && self.gain == 1.0
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open || !self.settings.on
    }

    pub(super) fn process(&mut self, block: &mut [Frame]) {
        if self.is_off() {
            self.level = 0.0;
            return;
        }
        for frames in block.chunks_mut(GROUP) {
            self.listen(peak(frames));
            let next = self.next_gain();
            if next == 1.0 && self.gain == 1.0 {
                continue;
            }
            let step = (next - self.gain) / GROUP_FRAMES;
            let mut gain = self.gain;
            for frame in frames {
                gain += step;
                *frame = frame.map(|s| s * gain);
            }
            self.gain = next;
        }
    }

    fn listen(&mut self, peak: f32) {
        self.level = peak.max(self.level * self.level_left);
        if self.level > self.opens {
            self.open = true;
        }
        if self.open && self.level >= self.closes {
            self.hold = self.settings.hold_ms * 48.0;
        } else if self.hold > 0.0 {
            self.hold -= GROUP_FRAMES;
        } else {
            self.open = false;
        }
    }

    fn next_gain(&self) -> f32 {
        let s = &self.settings;
        let span = 1.0 - self.floor;
        let in_ms = |ms: f32| span * GROUP_FRAMES / (ms * 48.0);
        if self.is_open() {
            let ms = if s.on {
                s.attack_ms
            } else {
                s.attack_ms.max(SWITCH_MS)
            };
            (self.gain + in_ms(ms)).min(1.0)
        } else if self.gain > self.floor {
            (self.gain - in_ms(s.release_ms)).max(self.floor)
        } else {
            // the floor was raised
            (self.gain + in_ms(SWITCH_MS)).min(self.floor)
        }
    }
}
