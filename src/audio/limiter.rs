//! Keeps the mix within full scale: blocks in, the same blocks out, untouched as long as nothing exceeds 0 dBFS.
//!
//! A gain common to both channels is lowered just as far as the highest sample needs, up to 5 ms ahead of it where the
//! block reaches that far back (a bend instead of a corner), and recovers within some 100 ms. Louder than hard clipping
//! it is never; distortion stays inaudible for the few dB that mixing adds.

use super::clock::Frame;

/// Frames over which the gain bends down before a peak: 5 ms.
const ATTACK_FRAMES: f32 = 240.0;
/// Time constant of the recovery, in frames: 100 ms.
const RELEASE_FRAMES: f32 = 4800.0;
/// A gain nearer to 1 than this is 1: passthrough is exact again.
const UNITY: f32 = 0.9995;

/// A peak limiter without delay.
#[derive(Debug)]
pub(super) struct Limiter {
    gain: f32,
    gains: Vec<f32>,
    /// Blocks in which the gain was lowered.
    pub(super) active_blocks: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            gain: 1.0,
            gains: Vec::new(),
            active_blocks: 0,
        }
    }
}

impl Limiter {
    /// Limits a block in place.
    pub(super) fn process(&mut self, block: &mut [Frame]) {
        let over = block.iter().flatten().any(|s| s.abs() > 1.0);
        if !over && self.gain >= 1.0 {
            return;
        }
        self.active_blocks += 1;
        self.gains.clear();
        self.gains.extend(block.iter().map(|frame| {
            let highest = frame[0].abs().max(frame[1].abs());
            if highest > 1.0 { 1.0 / highest } else { 1.0 }
        }));
        // bend down ahead of peaks
        let mut bound = 1.0_f32;
        for gain in self.gains.iter_mut().rev() {
            bound = (bound + 1.0 / ATTACK_FRAMES).min(*gain);
            *gain = bound;
        }
        let mut current = self.gain;
        for (frame, allowed) in block.iter_mut().zip(&self.gains) {
            current += (1.0 - current) / RELEASE_FRAMES;
            current = current.min(*allowed);
            *frame = frame.map(|s| (s * current).clamp(-1.0, 1.0));
        }
        self.gain = if current > UNITY { 1.0 } else { current };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f32, from: u16) -> Vec<Frame> {
        (from..from + 1024)
            .map(|i| [amplitude * (f32::from(i) * std::f32::consts::TAU / 96.0).sin(); 2])
            .collect()
    }

    #[test]
    fn full_scale_passes_bit_for_bit() {
        let mut limiter = Limiter::default();
        let original = sine(1.0, 0);
        let mut block = original.clone();
        limiter.process(&mut block);
        assert_eq!(block, original);
        assert_eq!(limiter.active_blocks, 0);
    }

    #[test]
    fn what_exceeds_full_scale_is_lowered_without_steps_and_recovers() {
        let mut limiter = Limiter::default();
        let mut out = Vec::new();
        for i in 0..4 {
            let mut block = sine(1.5, i * 1024);
            limiter.process(&mut block);
            out.extend(block);
        }
        assert!(out.iter().flatten().all(|s| s.abs() <= 1.0));
        // settled: a clean sine of nearly full scale, not a clipped one
        let late = &out[2048..];
        let highest = late.iter().map(|f| f[0]).fold(0.0, f32::max);
        assert!(highest > 0.95, "{highest}");
        let flat = late.windows(2).filter(|w| w[0][0] == w[1][0]).count();
        assert!(
            flat < late.len() / 20,
            "{flat}: clipping flattens half of all samples"
        );
        let step = out
            .windows(2)
            .map(|w| (w[1][0] - w[0][0]).abs())
            .fold(0.0, f32::max);
        assert!(step < 1.5 * std::f32::consts::TAU / 96.0 * 1.05, "{step}");
        // back to exact passthrough within a second
        for i in 0..47 {
            limiter.process(&mut sine(0.5, i * 1024));
        }
        let mut block = sine(0.5, 0);
        limiter.process(&mut block);
        assert_eq!(block, sine(0.5, 0));
    }
}
