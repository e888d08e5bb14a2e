//! What the mix can be told. Plain serde data; each number with its range.

use serde::{Deserialize, Serialize};

use crate::audio::params::{Stage, Unit, clamp, param};

/// What happens to the sum of all inputs, and between them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MasterSettings {
    /// Music steps back while somebody speaks.
    pub ducking: DuckingSettings,
    /// Keeps the mix below its ceiling.
    pub limiter: LimiterSettings,
    /// Measures loudness.
    pub loudness: LoudnessSettings,
}

/// Lowers inputs that are music while those that are speech sound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuckingSettings {
    /// On.
    pub on: bool,
    /// By how much, −30 to −1 dB.
    pub amount_db: f32,
    /// Speech is louder than this, dBFS, −70 to −10.
    pub threshold_db: f32,
    /// Time constant of going down, 10 to 1000 ms.
    pub attack_ms: f32,
    /// Stays down through pauses as long as this, 0 to 3000 ms.
    pub hold_ms: f32,
    /// Time constant of coming back, 50 to 5000 ms.
    pub release_ms: f32,
}

/// A true-peak limiter with look-ahead.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimiterSettings {
    /// On.
    pub on: bool,
    /// No true peak lies above this, dBTP, −12 to −1.
    pub ceiling_db: f32,
    /// Time constant of recovering, 20 to 1000 ms.
    pub release_ms: f32,
}

/// Loudness by EBU R128.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoudnessSettings {
    /// On.
    pub on: bool,
    /// What the show should have, LUFS, −30 to −8.
    pub target_lufs: f32,
}

impl Default for DuckingSettings {
    fn default() -> Self {
        Self {
            on: false,
            amount_db: -12.0,
            threshold_db: -40.0,
            attack_ms: 80.0,
            hold_ms: 500.0,
            release_ms: 600.0,
        }
    }
}

impl Default for LimiterSettings {
    fn default() -> Self {
        Self {
            on: true,
            ceiling_db: -1.0,
            release_ms: 100.0,
        }
    }
}

impl Default for LoudnessSettings {
    fn default() -> Self {
        Self {
            on: true,
            // what YouTube, Twitch and Bilibili play speech and music at, within a decibel or two
            target_lufs: -14.0,
        }
    }
}

impl MasterSettings {
    /// All processors, in the order sound passes them.
    pub fn stages(&mut self) -> Vec<Stage<'_>> {
        use Unit::{Decibels, Lufs, Milliseconds};
        let Self {
            ducking,
            limiter,
            loudness,
        } = self;
        let d = ducking;
        let ducking = [
            param("amount_db", &mut d.amount_db, -30.0..=-1.0, Decibels),
            param("threshold_db", &mut d.threshold_db, -70.0..=-10.0, Decibels),
            param("attack_ms", &mut d.attack_ms, 10.0..=1000.0, Milliseconds),
            param("hold_ms", &mut d.hold_ms, 0.0..=3000.0, Milliseconds),
            param("release_ms", &mut d.release_ms, 50.0..=5000.0, Milliseconds),
        ];
        let l = limiter;
        let limiter = [
            param("ceiling_db", &mut l.ceiling_db, -12.0..=-1.0, Decibels),
            param("release_ms", &mut l.release_ms, 20.0..=1000.0, Milliseconds),
        ];
        let target = &mut loudness.target_lufs;
        let target = [param("target_lufs", target, -30.0..=-8.0, Lufs)];
        vec![
            Stage::new("ducking", &mut d.on, ducking),
            Stage::new("limiter", &mut l.on, limiter),
            Stage::new("loudness", &mut loudness.on, target),
        ]
    }

    /// With every number in its range.
    pub(in crate::audio) fn clamped(mut self) -> Self {
        clamp(self.stages());
        self
    }
}
