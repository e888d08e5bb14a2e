//! Which channels of an input are heard, changed without clicks: frames in, frames out. On the audio thread.

use super::clock::Frame;
use crate::media::audio::ChannelPick;

/// A change takes 10 ms.
const RAMP_FRAMES: u16 = 480;

/// Shares of left and right (columns) in what is heard left and right (rows).
type Shares = [[f32; 2]; 2];

/// A pick that moves to the next one in a straight line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    current: Shares,
    target: ChannelPick,
    step: Shares,
    left: u16,
}

impl Pick {
    /// At rest.
    pub(super) const fn new(pick: ChannelPick) -> Self {
        Self {
            current: pick.shares(),
            target: pick,
            step: [[0.0; 2]; 2],
            left: 0,
        }
    }

    /// Begins to move.
    pub(super) fn set(&mut self, pick: ChannelPick) {
        if pick == self.target {
            return;
        }
        self.target = pick;
        self.left = RAMP_FRAMES;
        let step = |goal: f32, current: f32| (goal - current) / f32::from(RAMP_FRAMES);
        let rows = pick.shares().into_iter().zip(self.current);
        for (to, (goal, current)) in self.step.iter_mut().zip(rows) {
            *to = [step(goal[0], current[0]), step(goal[1], current[1])];
        }
    }

    /// Picks in place.
    pub(super) fn apply(&mut self, frames: &mut [Frame]) {
        if self.left == 0 && self.target == ChannelPick::Stereo {
            return;
        }
        for frame in frames {
            if self.left > 0 {
                self.left -= 1;
                self.advance();
            }
            let [left, right] = self.current;
            *frame = [
                left[0] * frame[0] + left[1] * frame[1],
                right[0] * frame[0] + right[1] * frame[1],
            ];
        }
    }

    fn advance(&mut self) {
        if self.left == 0 {
            self.current = self.target.shares();
            return;
        }
        for (row, step) in self.current.iter_mut().zip(&self.step) {
            row[0] += step[0];
            row[1] += step[1];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pick_does_what_it_says() {
        let pick = |pick| {
            let mut frames = [[0.5, -0.25]];
            Pick::new(pick).apply(&mut frames);
            frames[0]
        };
        assert_eq!(pick(ChannelPick::Stereo), [0.5, -0.25]);
        assert_eq!(pick(ChannelPick::Mono), [0.125; 2]);
        assert_eq!(pick(ChannelPick::Left), [0.5; 2]);
        assert_eq!(pick(ChannelPick::Right), [-0.25; 2]);
    }

    #[test]
    fn a_change_takes_ten_milliseconds_and_lands_exactly() {
        let mut pick = Pick::new(ChannelPick::Stereo);
        pick.set(ChannelPick::Right);
        let mut frames = [[1.0, -1.0]; 600];
        pick.apply(&mut frames);
        let steps = frames.windows(2).map(|w| (w[1][0] - w[0][0]).abs());
        assert!(steps.fold(0.0, f32::max) < 2.1 / 480.0);
        assert!((frames[239][0]).abs() < 0.01);
        assert_eq!(frames[479], [-1.0; 2]);
        assert_eq!(frames[599], [-1.0; 2]);
    }
}
