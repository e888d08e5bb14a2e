//! What the chain of one input can be told. Plain serde data; each number with its range.

use serde::{Deserialize, Serialize};

use crate::audio::params::{Stage, Unit, clamp, param};

/// Everything between an input and the mix but gain and mute, which every input has.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainSettings {
    /// Takes steady noise out of a voice.
    pub noise: NoiseSettings,
    /// Takes rumble away.
    pub high_pass: HighPassSettings,
    /// Silences pauses.
    pub gate: GateSettings,
    /// Evens out loud and quiet.
    pub compressor: CompressorSettings,
    /// Low, middle, high.
    pub equalizer: EqualizerSettings,
    /// From −1 (left) to 1 (right).
    pub pan: f32,
    /// Silent unless the talk key is held.
    pub push_to_talk: bool,
    /// What it is to ducking.
    pub role: Role,
}

/// What an input is to ducking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A microphone is speech, everything else is music.
    #[default]
    Auto,
    /// Music steps back when it speaks.
    Speech,
    /// Steps back when somebody speaks.
    Music,
    /// Neither.
    Apart,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Speech, Self::Music, Self::Apart];

    /// What it comes to for an input that is a microphone or not.
    #[must_use]
    pub const fn resolved(self, microphone: bool) -> Self {
        match self {
            Self::Auto if microphone => Self::Speech,
            Self::Auto => Self::Music,
            role => role,
        }
    }
}

/// RNNoise, by the crate `nnnoiseless`: a small neural network trained on speech.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseSettings {
    /// On.
    pub on: bool,
    /// How much of the cleaned sound is heard, 0 to 100 %.
    pub strength: f32,
}

/// Butterworth, 12 dB an octave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HighPassSettings {
    /// On.
    pub on: bool,
    /// Where it has taken away 3 dB, in hertz, 20 to 400.
    pub frequency_hz: f32,
}

/// A noise gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateSettings {
    /// On.
    pub on: bool,
    /// Opens above this, dBFS, −80 to −10.
    pub threshold_db: f32,
    /// Closes this far below it, 0 to 20 dB.
    pub hysteresis_db: f32,
    /// Time to open, 1 to 100 ms.
    pub attack_ms: f32,
    /// Stays open at least this long, 10 to 2000 ms.
    pub hold_ms: f32,
    /// Time to close, 10 to 2000 ms.
    pub release_ms: f32,
    /// What is left while closed, −80 to −6 dB.
    pub floor_db: f32,
}

/// A compressor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressorSettings {
    /// On.
    pub on: bool,
    /// Works above this, dBFS, −60 to 0.
    pub threshold_db: f32,
    /// So many dB in become one dB out, 1 to 20.
    pub ratio: f32,
    /// Width of the bend around the threshold, 0 to 24 dB.
    pub knee_db: f32,
    /// Time constant of turning down, 0.5 to 100 ms.
    pub attack_ms: f32,
    /// Time constant of turning up, 10 to 2000 ms.
    pub release_ms: f32,
    /// Gain after it, 0 to 24 dB.
    pub makeup_db: f32,
}

/// Low shelf, bell, high shelf.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EqualizerSettings {
    /// On.
    pub on: bool,
    /// Gain below, −15 to 15 dB.
    pub low_db: f32,
    /// Half of it is reached here, in hertz, 40 to 600.
    pub low_hz: f32,
    /// Gain in the middle, −15 to 15 dB.
    pub mid_db: f32,
    /// Middle of the bell, in hertz, 200 to 8000.
    pub mid_hz: f32,
    /// How narrow the bell is, 0.3 to 6.
    pub mid_q: f32,
    /// Gain above, −15 to 15 dB.
    pub high_db: f32,
    /// Half of it is reached here, in hertz, 1500 to 16000.
    pub high_hz: f32,
}

impl Default for NoiseSettings {
    fn default() -> Self {
        Self {
            on: false,
            strength: 100.0,
        }
    }
}

impl Default for HighPassSettings {
    fn default() -> Self {
        Self {
            on: false,
            frequency_hz: 80.0,
        }
    }
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            on: false,
            threshold_db: -45.0,
            hysteresis_db: 6.0,
            attack_ms: 3.0,
            hold_ms: 200.0,
            release_ms: 150.0,
            floor_db: -60.0,
        }
    }
}

impl Default for CompressorSettings {
    fn default() -> Self {
        Self {
            on: false,
            threshold_db: -24.0,
            ratio: 3.0,
            knee_db: 6.0,
            attack_ms: 6.0,
            release_ms: 120.0,
            makeup_db: 6.0,
        }
    }
}

impl Default for EqualizerSettings {
    fn default() -> Self {
        Self {
            on: false,
            low_db: 0.0,
            low_hz: 150.0,
            mid_db: 0.0,
            mid_hz: 2500.0,
            mid_q: 1.0,
            high_db: 0.0,
            high_hz: 7000.0,
        }
    }
}

/// Makes a ready chain.
pub type Preset = fn() -> ChainSettings;

impl ChainSettings {
    /// A voice at a desk: rumble and noise away, evened out.
    pub fn voice() -> Self {
        let mut chain = Self::default();
        chain.high_pass.on = true;
        chain.noise.on = true;
        chain.compressor.on = true;
        chain
    }

    /// The same in a loud room: pauses are silent, too.
    pub fn noisy_room() -> Self {
        let mut chain = Self::voice();
        chain.high_pass.frequency_hz = 100.0;
        chain.gate.on = true;
        chain.gate.threshold_db = -50.0;
        chain
    }

    /// Ready chains, with the names of their texts; the first is none.
    pub const PRESETS: [(&'static str, Preset); 3] = [
        ("plain", Self::default),
        ("voice", Self::voice),
        ("noisy_room", Self::noisy_room),
    ];

    /// The processors of the preset of this name; `None` where there is none of it.
    pub fn preset(self, name: &str) -> Option<Self> {
        let (_, preset) = Self::PRESETS.iter().find(|(n, _)| *n == name)?;
        Some(self.with_processors_of(preset()))
    }

    /// The processors of `preset`; pan, push-to-talk and role stay as they are.
    #[must_use]
    pub const fn with_processors_of(self, preset: Self) -> Self {
        Self {
            pan: self.pan,
            push_to_talk: self.push_to_talk,
            role: self.role,
            ..preset
        }
    }

    /// All processors, in the order sound passes them.
    pub fn stages(&mut self) -> Vec<Stage<'_>> {
        let Self {
            noise,
            high_pass,
            gate,
            compressor,
            equalizer,
            pan: _,
            push_to_talk: _,
            role: _,
        } = self;
        vec![
            noise.stage(),
            high_pass.stage(),
            gate.stage(),
            equalizer.stage(),
            compressor.stage(),
        ]
    }

    /// With every number in its range.
    pub(in crate::audio) fn clamped(mut self) -> Self {
        clamp(self.stages());
        self.pan = if self.pan.is_nan() {
            0.0
        } else {
            self.pan.clamp(-1.0, 1.0)
        };
        self
    }
}

impl NoiseSettings {
    fn stage(&mut self) -> Stage<'_> {
        let params = [param(
            "strength",
            &mut self.strength,
            0.0..=100.0,
            Unit::Percent,
        )];
        Stage::new("noise", &mut self.on, params)
    }
}

impl HighPassSettings {
    fn stage(&mut self) -> Stage<'_> {
        let params = [param(
            "frequency_hz",
            &mut self.frequency_hz,
            20.0..=400.0,
            Unit::Hertz,
        )];
        Stage::new("high_pass", &mut self.on, params)
    }
}

impl GateSettings {
    fn stage(&mut self) -> Stage<'_> {
        use Unit::{Decibels, Milliseconds};
        let params = [
            param(
                "threshold_db",
                &mut self.threshold_db,
                -80.0..=-10.0,
                Decibels,
            ),
            param(
                "hysteresis_db",
                &mut self.hysteresis_db,
                0.0..=20.0,
                Decibels,
            ),
            param("attack_ms", &mut self.attack_ms, 1.0..=100.0, Milliseconds),
            param("hold_ms", &mut self.hold_ms, 10.0..=2000.0, Milliseconds),
            param(
                "release_ms",
                &mut self.release_ms,
                10.0..=2000.0,
                Milliseconds,
            ),
            param("floor_db", &mut self.floor_db, -80.0..=-6.0, Decibels),
        ];
        Stage::new("gate", &mut self.on, params)
    }
}

impl CompressorSettings {
    fn stage(&mut self) -> Stage<'_> {
        use Unit::{Decibels, Milliseconds, Ratio};
        let params = [
            param(
                "threshold_db",
                &mut self.threshold_db,
                -60.0..=0.0,
                Decibels,
            ),
            param("ratio", &mut self.ratio, 1.0..=20.0, Ratio),
            param("knee_db", &mut self.knee_db, 0.0..=24.0, Decibels),
            param("attack_ms", &mut self.attack_ms, 0.5..=100.0, Milliseconds),
            param(
                "release_ms",
                &mut self.release_ms,
                10.0..=2000.0,
                Milliseconds,
            ),
            param("makeup_db", &mut self.makeup_db, 0.0..=24.0, Decibels),
        ];
        Stage::new("compressor", &mut self.on, params)
    }
}

impl EqualizerSettings {
    fn stage(&mut self) -> Stage<'_> {
        use Unit::{Decibels, Hertz, Quality};
        let params = [
            param("low_db", &mut self.low_db, -15.0..=15.0, Decibels),
            param("low_hz", &mut self.low_hz, 40.0..=600.0, Hertz),
            param("mid_db", &mut self.mid_db, -15.0..=15.0, Decibels),
            param("mid_hz", &mut self.mid_hz, 200.0..=8000.0, Hertz),
            param("mid_q", &mut self.mid_q, 0.3..=6.0, Quality),
            param("high_db", &mut self.high_db, -15.0..=15.0, Decibels),
            param("high_hz", &mut self.high_hz, 1500.0..=16_000.0, Hertz),
        ];
        Stage::new("equalizer", &mut self.on, params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_brought_into_range_and_presets_are_in_it() {
        let mut odd = ChainSettings {
            pan: f32::NAN,
            ..ChainSettings::default()
        };
        odd.compressor.ratio = 0.0;
        odd.gate.hold_ms = f32::INFINITY;
        let good = odd.clamped();
        assert_eq!(
            (good.pan, good.compressor.ratio, good.gate.hold_ms),
            (0.0, 1.0, 2000.0)
        );
        for (name, preset) in ChainSettings::PRESETS {
            assert_eq!(preset().clamped(), preset(), "{name}");
        }
    }

    #[test]
    fn a_preset_leaves_what_is_no_processor() {
        let mine = ChainSettings {
            pan: 0.5,
            push_to_talk: true,
            role: Role::Apart,
            ..ChainSettings::default()
        };
        let voice = mine.with_processors_of(ChainSettings::voice());
        assert!(voice.noise.on && voice.high_pass.on && voice.compressor.on && !voice.gate.on);
        assert_eq!(
            (voice.pan, voice.push_to_talk, voice.role),
            (0.5, true, Role::Apart)
        );
    }
}
