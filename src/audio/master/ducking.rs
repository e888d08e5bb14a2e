//! Music steps back while somebody speaks: the sum of all speech in, a gain for each frame of the music out. On the audio
//! thread, without delay.

use super::settings::DuckingSettings;
use crate::audio::chain::smooth::{from_db, left_after, peak, to_db};
use crate::audio::clock::{BLOCK_FRAMES, Frame};

/// The level is looked at this often: 0.33 ms. The gain moves in a straight line between.
const GROUP: usize = 16;
const GROUP_FRAMES: f32 = 16.0;
/// Time constant of the level's fall: over a period of the lowest voice it must not drop.
const LEVEL_MS: f32 = 20.0;
/// A gain nearer than this to where it goes is there.
const THERE: f32 = 1e-3;

/// The ducking of all music.
#[derive(Debug)]
pub(in crate::audio) struct Ducking {
    settings: DuckingSettings,
    threshold: f32,
    amount: f32,
    level: f32,
    level_left: f32,
    attack_left: f32,
    release_left: f32,
    /// Frames it still stays down.
    hold: f32,
    gain: f32,
    gains: Vec<f32>,
}

impl Default for Ducking {
    fn default() -> Self {
        let mut ducking = Self {
            settings: DuckingSettings::default(),
            threshold: 1.0,
            amount: 1.0,
            level: 0.0,
            level_left: left_after(GROUP_FRAMES, LEVEL_MS),
            attack_left: 0.0,
            release_left: 0.0,
            hold: 0.0,
            gain: 1.0,
            gains: vec![1.0; BLOCK_FRAMES],
        };
        ducking.set(&DuckingSettings::default());
        ducking
    }
}

impl Ducking {
    pub(in crate::audio) fn set(&mut self, settings: &DuckingSettings) {
        self.settings = *settings;
        self.threshold = from_db(settings.threshold_db);
        self.amount = from_db(settings.amount_db);
        self.attack_left = left_after(GROUP_FRAMES, settings.attack_ms);
        self.release_left = left_after(GROUP_FRAMES, settings.release_ms);
    }

    /// The gain in dB that music has now; 0 when nobody speaks.
    pub(in crate::audio) fn gain_db(&self) -> f32 {
        if self.gain == 1.0 {
            0.0
        } else {
            to_db(self.gain)
        }
    }

    /// The gains for music that sounds together with `speech`; `None` when it stays as it is.
    pub(in crate::audio) fn listen(&mut self, speech: &[Frame]) -> Option<&[f32]> {
        if !self.settings.on && self.gain == 1.0 {
            self.level = 0.0;
            self.hold = 0.0;
            return None;
        }
        let begins_at = self.gain;
        for (frames, gains) in speech.chunks(GROUP).zip(self.gains.chunks_mut(GROUP)) {
            self.level = peak(frames).max(self.level * self.level_left);
            if self.level > self.threshold {
                self.hold = self.settings.hold_ms * 48.0 + GROUP_FRAMES;
            }
            let speaking = self.settings.on && self.hold > 0.0;
            self.hold = (self.hold - GROUP_FRAMES).max(0.0);
            let (target, left) = if speaking {
                (self.amount, self.attack_left)
            } else {
                (1.0, self.release_left)
            };
            let rest = (self.gain - target) * left;
            let next = if rest.abs() < THERE {
                target
            } else {
                target + rest
            };
            let step = (next - self.gain) / GROUP_FRAMES;
            for gain in gains {
                self.gain += step;
                *gain = self.gain;
            }
            self.gain = next;
        }
        (begins_at != 1.0 || self.gain != 1.0).then_some(&self.gains[..speech.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ducking: &mut Ducking, level: f32, blocks: usize) -> Vec<f32> {
        let speech = [[level, -level]; BLOCK_FRAMES];
        let mut out = Vec::new();
        for _ in 0..blocks {
            match ducking.listen(&speech) {
                Some(gains) => out.extend_from_slice(gains),
                None => out.extend([1.0; BLOCK_FRAMES]),
            }
        }
        out
    }

    #[test]
    fn music_steps_back_holds_and_returns() {
        let mut ducking = Ducking::default();
        assert!(ducking.listen(&[[0.5; 2]; 512]).is_none(), "off");
        ducking.set(&DuckingSettings {
            on: true,
            ..DuckingSettings::default()
        });
        assert!(ducking.listen(&[[0.001; 2]; 512]).is_none(), "too quiet");
        let down = run(&mut ducking, 0.1, 47);
        let after_one_constant = 1.0 - (1.0 - from_db(-12.0)) * (1.0 - 1.0 / std::f32::consts::E);
        assert!(
            (down[3840] - after_one_constant).abs() < 0.01,
            "{}",
            down[3840]
        );
        assert_eq!(down.last(), Some(&from_db(-12.0)));
        // 500 ms of a pause are held, and the level's own fall from -20 to -40 dB takes 46 ms
        let pause = run(&mut ducking, 0.0, 300);
        let rises = pause
            .iter()
            .position(|g| *g > from_db(-12.0) + 1e-3)
            .unwrap();
        assert!((26_000..26_800).contains(&rises), "{rises}");
        assert_eq!(pause.last(), Some(&1.0));
        assert!(ducking.listen(&[[0.0; 2]; 512]).is_none());
        let all: Vec<f32> = down.into_iter().chain(pause).collect();
        let step = all
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 3e-4, "{step}");
    }
}
