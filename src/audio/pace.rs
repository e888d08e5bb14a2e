//! How long after its last sample's time a block is made: as short as the inputs allow, because the picture waits for
//! the sound before both are sent.
//!
//! Starts at 60 ms whenever an input joins: sources deliver in pieces of 20 ms (microphones) or ahead of time (files,
//! the test pattern), up to 11 ms late, the resampler holds back 5 ms, and the limiter looks 5 ms ahead. What all inputs had to spare over 5 s is then
//! taken off, down to a block made when its time begins; an input that comes late puts it back at once. Only when
//! blocks are made changes by this, never where sound is placed.

/// Where it starts, in frames: 60 ms.
const START: i64 = 2880;
/// The longest: 120 ms. An input that comes later still is moved (see `input`).
const MOST: i64 = 5760;
/// The shortest: a block is not made before its time begins.
const LEAST: i64 = -super::clock::BLOCK_STEP;
/// What is left to spare: 10 ms.
const SAFETY: i64 = 480;
/// Blocks looked at: 5 s.
const WINDOW: u32 = 234;

/// The alignment delay.
#[derive(Debug)]
pub(super) struct Pace {
    frames: i64,
    blocks: u32,
    least_spare: Option<i64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            frames: START,
            blocks: 0,
            least_spare: None,
        }
    }
}

impl Pace {
    /// The delay in frames; negative: before the last sample's time.
    pub(super) const fn frames(&self) -> i64 {
        self.frames
    }

    /// An input joined, or begins to need sound `ahead` of the block.
    pub(super) fn joined(&mut self, ahead: i64) {
        self.set(self.frames.max(START + ahead));
    }

    /// Sound came `by` frames after it was needed.
    pub(super) fn late(&mut self, by: i64) {
        if by <= MOST {
            self.set((self.frames + by + SAFETY).min(MOST));
        }
    }

    /// A block is made for which the scarcest input had this many frames more than needed; `None` without inputs.
    pub(super) fn block(&mut self, spare: Option<i64>) {
        if let Some(spare) = spare {
            self.least_spare = Some(self.least_spare.map_or(spare, |least| least.min(spare)));
        }
        self.blocks += 1;
        if self.blocks < WINDOW {
            return;
        }
        let saved = self.least_spare.map_or(i64::MAX, |least| least - SAFETY);
        self.set(self.frames.saturating_sub(saved.max(0)).max(LEAST));
    }

    const fn set(&mut self, frames: i64) {
        *self = Self {
            frames,
            blocks: 0,
            least_spare: None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(pace: &mut Pace, spare: Option<i64>) -> i64 {
        for k in 0..WINDOW {
            pace.block(spare.map(|s| s + i64::from(k % 16) * 60));
        }
        pace.frames()
    }

    #[test]
    fn what_is_spare_is_taken_off_and_lateness_put_back() {
        let mut pace = Pace::default();
        assert_eq!(window(&mut pace, Some(1700)), START - 1220);
        assert_eq!(window(&mut pace, Some(480)), START - 1220, "10 ms are left");
        assert_eq!(window(&mut pace, Some(-100)), START - 1220);
        pace.late(300);
        assert_eq!(pace.frames(), START - 1220 + 780);
        pace.late(5000);
        assert_eq!(pace.frames(), MOST);
        pace.late(50_000);
        assert_eq!(pace.frames(), MOST, "stamps of nonsense change nothing");
        assert_eq!(window(&mut pace, None), LEAST);
        pace.joined(0);
        assert_eq!(pace.frames(), START);
    }
}
