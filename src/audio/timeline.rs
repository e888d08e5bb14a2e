//! Sound of one input by position: written where it belongs, read anywhere, silence where nothing was written.

use std::collections::VecDeque;

use super::clock::Frame;

const SILENCE: Frame = [0.0; 2];

/// A window of sample frames. The owner bounds it: it writes no further ahead than it means to keep, and trims behind.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    frames: VecDeque<Frame>,
    start: i64,
}

impl Timeline {
    /// The position after the last frame written.
    pub(super) fn end(&self) -> i64 {
        self.start + offset(self.frames.len())
    }

    /// Frames held.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Writes `frames` from `position` on: over what is there, after silence where that leaves a hole. What lies
    /// before the window's start is left out.
    pub(super) fn write(&mut self, position: i64, frames: &[Frame]) {
        let before = index(self.start - position).min(frames.len());
        let frames = &frames[before..];
        let at = index(position - self.start);
        if at > self.frames.len() {
            self.frames.resize(at, SILENCE);
        }
        let over = frames.len().min(self.frames.len() - at);
        for (old, new) in self.frames.range_mut(at..at + over).zip(frames) {
            *old = *new;
        }
        self.frames.extend(&frames[over..]);
    }

    /// Fills `out` with what is there from `position` on, and silence where nothing is.
    pub(super) fn copy(&self, position: i64, out: &mut [Frame]) {
        let skipped = index(self.start - position).min(out.len());
        let (before, rest) = out.split_at_mut(skipped);
        let from = index(position - self.start).min(self.frames.len());
        let count = rest.len().min(self.frames.len() - from);
        let (there, behind) = rest.split_at_mut(count);
        before.fill(SILENCE);
        behind.fill(SILENCE);
        let (a, b) = self.frames.as_slices();
        let of_a = &a[from.min(a.len())..(from + count).min(a.len())];
        let of_b = &b[from.saturating_sub(a.len())..][..count - of_a.len()];
        there[..of_a.len()].copy_from_slice(of_a);
        there[of_a.len()..].copy_from_slice(of_b);
    }

    /// Calls `take(i, frame)` for each frame that is there from `position` on, `i` counting from 0 to `count`.
    pub(super) fn read(&self, position: i64, count: usize, mut take: impl FnMut(usize, Frame)) {
        let skipped = index(self.start - position).min(count);
        let from = index(position - self.start).min(self.frames.len());
        let to = (from + count - skipped).min(self.frames.len());
        for (i, frame) in self.frames.range(from..to).enumerate() {
            take(skipped + i, *frame);
        }
    }

    /// Multiplies the last frames before `end`, down to `from`, by a ramp to zero, so that an end does not click.
    pub(super) fn fade_out(&mut self, from: i64, end: i64) {
        let (from, end) = (
            index(from - self.start),
            index(end - self.start).min(self.frames.len()),
        );
        if from >= end {
            return;
        }
        let n = end - from;
        for (i, frame) in self.frames.range_mut(from..end).enumerate() {
            let g = ratio(n - i, n + 1);
            *frame = frame.map(|s| s * g);
        }
    }

    /// Forgets what lies from `position` on.
    pub(super) fn cut(&mut self, position: i64) {
        self.frames.truncate(index(position - self.start));
    }

    /// Forgets what lies before `position`; the window starts there from now on.
    pub(super) fn trim_before(&mut self, position: i64) {
        let n = index(position - self.start);
        if n >= self.frames.len() {
            self.frames.clear();
        } else {
            self.frames.drain(..n);
        }
        self.start = self.start.max(position);
    }
}

/// Fades the beginning in over at most `n` frames.
pub(super) fn fade_in(frames: &mut [Frame], n: usize) {
    for (i, frame) in frames.iter_mut().take(n).enumerate() {
        let g = ratio(i + 1, n + 1);
        *frame = frame.map(|s| s * g);
    }
}

/// `a / b` of small counts.
pub(super) fn ratio(a: usize, b: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "counts of frames in a block")]
    {
        a as f32 / b as f32
    }
}

/// A difference of positions as an index; 0 when negative.
fn index(difference: i64) -> usize {
    usize::try_from(difference).unwrap_or(0)
}

/// A count of frames as a difference of positions.
pub(super) fn offset(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(from: u8, n: u8) -> Vec<Frame> {
        (from..from + n)
            .map(|i| [f32::from(i), -f32::from(i)])
            .collect()
    }

    fn read(t: &Timeline, position: i64, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; n];
        t.read(position, n, |i, f| out[i] = f[0]);
        let mut copied = vec![[9.0; 2]; n];
        t.copy(position, &mut copied);
        assert!(copied.iter().map(|f| f[0]).eq(out.iter().copied()));
        out
    }

    #[test]
    fn holes_are_silent_and_overlaps_are_replaced() {
        let mut t = Timeline::default();
        t.trim_before(100);
        t.write(102, &run(1, 3));
        assert_eq!(read(&t, 99, 8), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        t.write(104, &run(7, 3));
        t.write(109, &run(20, 1));
        assert_eq!(read(&t, 102, 8), [1.0, 2.0, 7.0, 8.0, 9.0, 0.0, 0.0, 20.0]);
        assert_eq!(t.end(), 110);
        // before the window: left out
        t.trim_before(104);
        t.write(102, &run(30, 4));
        assert_eq!(read(&t, 102, 5), [0.0, 0.0, 32.0, 33.0, 9.0]);
        t.write(50, &run(40, 4));
        assert_eq!((t.len(), t.end()), (6, 110));
        t.trim_before(200);
        assert_eq!((t.len(), t.end()), (0, 200));
    }

    #[test]
    fn fades_reach_zero_at_the_edge() {
        let mut t = Timeline::default();
        t.write(0, &[[1.0; 2]; 8]);
        t.fade_out(5, 8);
        assert_eq!(read(&t, 4, 4), [1.0, 0.75, 0.5, 0.25]);
        let mut frames = [[1.0; 2]; 4];
        fade_in(&mut frames, 3);
        assert_eq!(frames.map(|f| f[1]), [0.25, 0.5, 0.75, 1.0]);
    }
}
