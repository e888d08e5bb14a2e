//! The chain of one input: noise suppression, high-pass, gate, equalizer, compressor, then gain, pan, mute and
//! push-to-talk. The input's time line and a place go in, the block as it is mixed comes out, with its levels. On the
//! audio thread.
//!
//! All of it is turned live without clicks: numbers glide, switches fade over 10 ms. What is off costs nothing and leaves
//! every bit as it is.

mod biquad;
mod compressor;
mod equalizer;
pub(super) mod fader;
mod gate;
mod high_pass;
mod noise;
mod settings;
pub(in crate::audio) mod smooth;

pub use self::settings::{
    ChainSettings, CompressorSettings, EqualizerSettings, GateSettings, HighPassSettings,
    NoiseSettings, Preset, Role,
};

use self::compressor::Compressor;
use self::equalizer::Equalizer;
use self::fader::Fader;
use self::gate::Gate;
use self::high_pass::HighPass;
use self::noise::Noise;
use self::smooth::peak;
use super::InputMix;
use super::clock::{BLOCK_FRAMES, Frame};
use super::meter::{Meter, is_full};
use super::timeline::{Timeline, ratio};

/// The cross-fade between two reading places: 10 ms.
const CROSSFADE_FRAMES: usize = 480;
/// Louder samples than this are no sound, and filters would remember them: +36 dBFS.
const LOUDEST: f32 = 64.0;

/// The chain of one input with its state.
pub(super) struct Strip {
    role: Role,
    /// Nothing has sounded since all changes came to their end.
    resting: bool,
    noise: Noise,
    high_pass: HighPass,
    gate: Gate,
    equalizer: Equalizer,
    compressor: Compressor,
    fader: Fader,
    pub(super) meter: Meter,
    /// Frames of the last block that were at full scale as they came in, where there were any.
    came_full: [bool; BLOCK_FRAMES],
    any_came_full: bool,
    /// Of a block at the place read before, while fading away from it.
    old: [Frame; CROSSFADE_FRAMES],
}

impl Strip {
    /// At its targets; `talking`: the talk key is held.
    pub(super) fn new(mix: &InputMix, talking: bool) -> Self {
        let mut strip = Self {
            role: Role::Auto,
            resting: false,
            noise: Noise::new(),
            high_pass: HighPass::new(),
            gate: Gate::new(),
            equalizer: Equalizer::new(),
            compressor: Compressor::new(),
            fader: Fader::new(),
            meter: Meter::default(),
            came_full: [false; BLOCK_FRAMES],
            any_came_full: false,
            old: [[0.0; 2]; CROSSFADE_FRAMES],
        };
        strip.set(mix, talking);
        strip.rest();
        strip
    }

    /// Begins to move to other values.
    pub(super) fn set(&mut self, mix: &InputMix, talking: bool) {
        let chain = mix.chain.clamped();
        self.role = chain.role.resolved(false);
        self.resting = false;
        self.noise.set(&chain.noise);
        self.high_pass.set(&chain.high_pass);
        self.gate.set(&chain.gate);
        self.equalizer.set(&chain.equalizer);
        self.compressor.set(&chain.compressor);
        let heard = !mix.muted && (talking || !chain.push_to_talk);
        self.fader.set(mix.gain_db, chain.pan, heard);
    }

    /// Nothing sounds: changes come to their end at once.
    pub(super) fn rest(&mut self) {
        if std::mem::replace(&mut self.resting, true) {
            return;
        }
        self.noise.rest();
        self.high_pass.rest();
        self.gate.rest();
        self.equalizer.rest();
        self.compressor.rest();
        self.fader.rest();
    }

    pub(super) const fn role(&self) -> Role {
        self.role
    }

    /// Up to where the input has been read when nothing before `position` will be wanted any more.
    pub(super) fn read_to(&self, position: i64) -> i64 {
        self.noise.read_to(position)
    }

    /// Up to where the input must have sound for a block that ends at `end`.
    pub(super) fn needs(&self, end: i64) -> i64 {
        self.noise.needs(end)
    }

    /// How many frames ahead of a block it reads at most.
    pub(super) const fn most_ahead(&self) -> i64 {
        self.noise.most_ahead()
    }

    /// By how much the compressor turns down, in dB; not above 0.
    pub(super) fn compression_db(&self) -> f32 {
        self.compressor.gain_db()
    }

    /// The gate lets sound through, or is off.
    pub(super) const fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Fills `block` with what is heard from `from` on, fading over from what is at `old`, when that is given; and `tap`
    /// with the same before gain, pan, mute and push-to-talk.
    pub(super) fn render(
        &mut self,
        timeline: &Timeline,
        from: i64,
        old: Option<i64>,
        block: &mut [Frame],
        tap: Option<&mut [Frame]>,
    ) {
        self.resting = false;
        let fade = CROSSFADE_FRAMES.min(block.len());
        if let Some(old) = old {
            read(timeline, old, &mut self.old[..fade]);
            self.noise.process(timeline, old, &mut self.old[..fade]);
        }
        self.any_came_full = read(timeline, from, block);
        if self.any_came_full {
            for (full, frame) in self.came_full.iter_mut().zip(&*block) {
                *full = is_full(frame);
            }
        }
        self.noise.process(timeline, from, block);
        if old.is_some() {
            for (i, (new, old)) in block.iter_mut().zip(&self.old[..fade]).enumerate() {
                let g = ratio(i + 1, CROSSFADE_FRAMES + 1);
                *new = [0, 1].map(|c| new[c] * g + old[c] * (1.0 - g));
            }
        }
        self.high_pass.process(block);
        self.gate.process(block);
        self.equalizer.process(block);
        self.compressor.process(block);
        if let Some(tap) = tap {
            tap.copy_from_slice(block);
        }
        self.fader.process(block);
    }

    /// Tells the meter of a block that was rendered.
    pub(super) fn measure(&mut self, block: &[Frame]) {
        let came_full = self.any_came_full.then_some(&self.came_full[..]);
        self.meter.push_with(block, came_full);
    }
}

/// Reads the input's own sound; tells whether any of it is at full scale or above.
fn read(timeline: &Timeline, from: i64, block: &mut [Frame]) -> bool {
    timeline.copy(from, block);
    let peak = peak(block);
    let strange = peak.is_nan();
    if strange || peak > LOUDEST {
        for sample in block.as_flattened_mut() {
            *sample = if sample.is_nan() {
                0.0
            } else {
                sample.clamp(-LOUDEST, LOUDEST)
            };
        }
    }
    (strange || peak >= 1.0) && block.iter().any(is_full)
}

#[cfg(test)]
pub(super) mod tests;
