//! Takes steady noise out of a voice: a time line in, the block's frames out, on the audio thread. First of the chain,
//! since it was trained on what microphones deliver, and since it alone must look ahead.
//!
//! RNNoise (J.-M. Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", MMSP 2018) by the
//! crate `nnnoiseless`: pieces of 480 frames at 48 kHz, and what comes out is the piece before the one that went in. So
//! it reads up to 960 frames ahead of the block; the mixer makes blocks that much later, and the sound stays where its
//! time stamps put it. Nothing has to be delayed to meet it.
//!
//! **Mono**: the middle of both channels goes in, and what comes out is on both sides. It is made for one voice, and
//! two networks that decide each for itself would make that voice wander between the ears, at twice the cost.
//!
//! **Phase**: it begins with a high-pass at 24 Hz, which turns a voice's lowest tones by up to 30°. What is a copy of the
//! voice would then be one no more: mixed with the dry sound it is hollow, and its distance from the voice is 20 dB without
//! any noise. [`Straighten`] takes that back before.

use nnnoiseless::DenoiseState;

use super::settings::NoiseSettings;
use super::smooth::Switch;
use crate::audio::clock::Frame;
use crate::audio::timeline::{Timeline, offset};

/// Frames it takes at a time.
const PIECE: usize = DenoiseState::FRAME_SIZE;
const PIECE_STEP: i64 = 480;
/// It works on samples as large as 16-bit integers.
const SCALE: f32 = 32_768.0;
/// Pieces it hears before the first one that counts: 200 ms, for the network to find its feet.
const WARM_UP: i64 = 20;
/// The same when the reading place jumps: what its windows still hold of the old place.
const FLUSH: i64 = 4;
/// Frames over which the strength moves to another value: a share of 1 in 20 ms.
const STRENGTH_STEP: f32 = 1.0 / 960.0;

/// The noise suppression of one input.
pub(super) struct Noise {
    switch: Switch,
    strength: f32,
    strength_target: f32,
    /// There while it is heard.
    wet: Option<Wet>,
}

/// The network with its place.
struct Wet {
    straighten: Straighten,
    state: Box<DenoiseState<'static>>,
    /// Frames before this position have gone in; `None` before the first.
    fed: Option<i64>,
    /// What came out and was not taken yet, up to a piece before `fed`.
    out: Vec<f32>,
}

impl Noise {
    pub(super) const fn new() -> Self {
        Self {
            switch: Switch::OFF,
            strength: 1.0,
            strength_target: 1.0,
            wet: None,
        }
    }

    pub(super) fn set(&mut self, settings: &NoiseSettings) {
        self.strength_target = settings.strength / 100.0;
        if self.switch.set(settings.on) {
            self.strength = self.strength_target;
        }
        if settings.on && self.wet.is_none() {
            self.wet = Some(Wet {
                straighten: Straighten::default(),
                state: DenoiseState::new(),
                fed: None,
                out: Vec::with_capacity(4 * PIECE),
            });
        }
    }

    /// Nothing sounds: the next sound meets it at its target.
    pub(super) fn rest(&mut self) {
        self.switch.rest();
        self.strength = self.strength_target;
        if self.switch.is_off() {
            self.wet = None;
        }
        if let Some(wet) = &mut self.wet {
            wet.fed = None;
            wet.out.clear();
        }
    }

    /// Up to where the input has been read when nothing before `position` will be wanted any more.
    pub(super) fn read_to(&self, position: i64) -> i64 {
        let fed = self.wet.as_ref().and_then(|w| w.fed);
        fed.map_or(position, |fed| fed.max(position))
    }

    /// Up to where the input must have sound for a block that ends at `end`.
    pub(super) fn needs(&self, end: i64) -> i64 {
        match &self.wet {
            None => end,
            Some(Wet { fed: None, .. }) => end + self.most_ahead(),
            Some(Wet { fed: Some(fed), .. }) => {
                let missing = (end + PIECE_STEP - fed).max(0);
                fed + (missing + PIECE_STEP - 1) / PIECE_STEP * PIECE_STEP
            }
        }
    }

    /// How far ahead it reads at most.
    pub(super) const fn most_ahead(&self) -> i64 {
        if self.wet.is_some() {
            2 * PIECE_STEP
        } else {
            0
        }
    }

    /// Puts cleaned sound in the place of `block`, which holds the input's own sound from `from` on.
    pub(super) fn process(&mut self, timeline: &Timeline, from: i64, block: &mut [Frame]) {
        let Some(wet) = &mut self.wet else {
            return;
        };
        wet.reach(timeline, from, from + offset(block.len()));
        if self.switch.is_full() && self.strength == 1.0 && self.strength_target == 1.0 {
            for (frame, clean) in block.iter_mut().zip(&wet.out) {
                *frame = [*clean; 2];
            }
            wet.out.drain(..block.len().min(wet.out.len()));
            return;
        }
        for (frame, clean) in block.iter_mut().zip(&wet.out) {
            let way = self.strength_target - self.strength;
            self.strength += way.clamp(-STRENGTH_STEP, STRENGTH_STEP);
            let share = self.switch.step() * self.strength;
            *frame = frame.map(|dry| dry + (clean - dry) * share);
        }
        wet.out.drain(..block.len().min(wet.out.len()));
        if self.switch.is_off() {
            self.wet = None;
        }
    }
}

impl Wet {
    /// Makes `out` begin at `from` and hold what comes up to `end`.
    fn reach(&mut self, timeline: &Timeline, from: i64, end: i64) {
        let begins = self
            .fed
            .map(|fed| fed - PIECE_STEP - offset(self.out.len()));
        if begins != Some(from) {
            let before = if self.fed.is_some() { FLUSH } else { WARM_UP };
            self.out.clear();
            self.fed = Some(from - before * PIECE_STEP);
            while self.fed < Some(from + 2 * PIECE_STEP) {
                self.out.clear(); // only the last piece that comes out begins at `from`
                self.feed(timeline);
            }
        }
        while self.fed < Some(end + PIECE_STEP) {
            self.feed(timeline);
        }
    }

    /// One piece in, the one before it out.
    fn feed(&mut self, timeline: &Timeline) {
        let Some(fed) = &mut self.fed else {
            return;
        };
        let mut piece = [0.0; PIECE];
        timeline.read(*fed, PIECE, |i, [l, r]| {
            let middle = f32::midpoint(l, r) * SCALE;
            // one sample that is no number would silence the network for ever
            piece[i] = if middle.is_finite() {
                middle.clamp(-4.0 * SCALE, 4.0 * SCALE)
            } else {
                0.0
            };
        });
        *fed += PIECE_STEP;
        self.straighten.process(&mut piece);
        let mut cleaned = [0.0; PIECE];
        self.state.process_frame(&mut cleaned, &piece);
        self.out.extend(cleaned.iter().map(|s| s / SCALE));
    }
}

/// A filter whose zeros are the poles of RNNoise's high-pass, and whose own poles lie at 1 Hz: both together are a
/// high-pass at 1 Hz, which turns 100 Hz by 1° and still takes away what is constant.
#[derive(Default)]
struct Straighten {
    memory: [f64; 2],
}

impl Straighten {
    /// The poles of RNNoise's high-pass, as its denominator (`BIQUAD_HP` of nnnoiseless, `a_hp` of RNNoise's `denoise.c`).
    const ZEROS: [f64; 2] = [-1.995_99, 0.996];
    /// e^(−2π · 1 Hz / 48 kHz), twice.
    const POLE: f64 = 0.999_869_1;

    /// Direct form II, transposed, in double precision: at 1 Hz its gain is 300.
    fn process(&mut self, piece: &mut [f32; PIECE]) {
        let [mut first, mut second] = self.memory;
        for sample in piece {
            let x = f64::from(*sample);
            let y = x + first;
            first = second + Self::ZEROS[0] * x + 2.0 * Self::POLE * y;
            second = Self::ZEROS[1] * x - Self::POLE * Self::POLE * y;
            #[expect(clippy::cast_possible_truncation, reason = "a sample")]
            {
                *sample = y as f32;
            }
        }
        self.memory = [first, second];
    }
}
