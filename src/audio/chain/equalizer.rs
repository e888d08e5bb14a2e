//! Three bands: a shelf for the low end, a bell in the middle, a shelf for the high end. Frames in and out, on the audio
//! thread, without delay. A band at 0 dB costs nothing.

use super::biquad::{Biquad, Coefficients};
use super::settings::EqualizerSettings;
use super::smooth::{Glide, STEP_FRAMES, Switch};
use crate::audio::clock::Frame;

#[derive(Debug, Clone, Copy)]
enum Shape {
    LowShelf,
    Bell,
    HighShelf,
}

#[derive(Debug)]
struct Band {
    shape: Shape,
    /// Logarithm of the frequency in hertz.
    octaves: Glide,
    db: Glide,
    q: Glide,
    /// `None` where the band does nothing.
    coefficients: Option<Coefficients>,
    filter: Biquad,
}

impl Band {
    const fn new(shape: Shape) -> Self {
        Self {
            shape,
            octaves: Glide::new(10.0),
            db: Glide::new(0.0),
            q: Glide::new(1.0),
            coefficients: None,
            filter: Biquad::SILENT,
        }
    }

    fn aim(&mut self, hertz: f32, db: f32, q: f32) {
        self.octaves.aim(hertz.log2());
        self.db.aim(db);
        self.q.aim(q);
    }

    fn begin(&mut self) {
        for glide in [&mut self.octaves, &mut self.db, &mut self.q] {
            glide.snap();
        }
        self.filter = Biquad::SILENT;
        self.tune();
    }

    fn step(&mut self) {
        let moving = [&self.octaves, &self.db, &self.q].map(Glide::is_moving);
        if moving.contains(&true) {
            for glide in [&mut self.octaves, &mut self.db, &mut self.q] {
                glide.step();
            }
            self.tune();
        }
    }

    fn process(&mut self, frames: &mut [Frame]) {
        let before = self.coefficients;
        self.step();
        if before.is_some() || self.coefficients.is_some() {
            let or_none = |c: Option<Coefficients>| c.unwrap_or(Coefficients::IDENTITY);
            let (from, to) = (or_none(before), or_none(self.coefficients));
            self.filter.run(&from, &to, frames);
        }
    }

    fn tune(&mut self) {
        let (hertz, db) = (self.octaves.value().exp2(), self.db.value());
        if db == 0.0 && !self.db.is_moving() {
            self.coefficients = None;
            return;
        }
        self.coefficients = Some(match self.shape {
            Shape::LowShelf => Coefficients::low_shelf(hertz, db),
            Shape::Bell => Coefficients::peaking(hertz, self.q.value(), db),
            Shape::HighShelf => Coefficients::high_shelf(hertz, db),
        });
    }
}

/// The equalizer of one input.
#[derive(Debug)]
pub(super) struct Equalizer {
    switch: Switch,
    bands: [Band; 3],
}

impl Equalizer {
    pub(super) const fn new() -> Self {
        Self {
            switch: Switch::OFF,
            bands: [
                Band::new(Shape::LowShelf),
                Band::new(Shape::Bell),
                Band::new(Shape::HighShelf),
            ],
        }
    }

    pub(super) fn set(&mut self, settings: &EqualizerSettings) {
        let s = settings;
        self.bands[0].aim(s.low_hz, s.low_db, 1.0);
        self.bands[1].aim(s.mid_hz, s.mid_db, s.mid_q);
        self.bands[2].aim(s.high_hz, s.high_db, 1.0);
        if self.switch.set(s.on) {
            self.bands.iter_mut().for_each(Band::begin);
        }
    }

    /// Nothing sounds: the next sound meets it at its target.
    pub(super) fn rest(&mut self) {
        self.switch.rest();
        self.bands.iter_mut().for_each(Band::begin);
    }

    pub(super) fn process(&mut self, block: &mut [Frame]) {
        if self.switch.is_off() {
            return;
        }
        for frames in block.chunks_mut(STEP_FRAMES) {
            let mut filtered = [[0.0; 2]; STEP_FRAMES];
            let filtered = &mut filtered[..frames.len()];
            filtered.copy_from_slice(frames);
            for band in &mut self.bands {
                band.process(filtered);
            }
            self.switch.blend(frames, filtered);
        }
    }
}
