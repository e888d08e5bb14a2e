//! Figures of the encoder stage: totals, and what happened within the last second. Plain data behind the stage's lock.

use std::collections::VecDeque;
use std::time::Duration;

use super::EncoderStats;
use crate::encode::VideoEncoderSettings;
use crate::encode::candidate;
use crate::media::packet::EncodedPacket;
use crate::media::time::MediaTime;
use crate::media::video::Resolution;

/// Totals, and what happened within the last second.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) totals: EncoderStats,
    frames: VecDeque<(MediaTime, Duration)>,
    packets: VecDeque<(MediaTime, usize)>,
}

impl Meter {
    const SPAN: Duration = Duration::from_secs(1);
    /// More than a second's frames at the highest rate.
    const MOST: usize = 256;

    pub(super) fn new() -> Self {
        Self {
            totals: EncoderStats::default(),
            frames: VecDeque::with_capacity(Self::MOST),
            packets: VecDeque::with_capacity(Self::MOST),
        }
    }

    /// Another encoder, or another preset of it, is at work.
    pub(super) fn uses(&mut self, settings: &VideoEncoderSettings, size: Resolution) {
        self.totals.size = Some(size);
        let c = candidate::find(&settings.encoder).unwrap_or_else(candidate::processor);
        c.name.clone_into(&mut self.totals.name);
        self.totals.preset.clone_from(&settings.preset);
    }

    pub(super) fn frame(&mut self, now: MediaTime, took: Duration) {
        self.totals.frames += 1;
        forget(&mut self.frames, now);
        self.frames.push_back((now, took));
    }

    pub(super) fn packet(&mut self, now: MediaTime, packet: &EncodedPacket) {
        self.totals.keyframes += u64::from(packet.keyframe);
        self.totals.bytes += packet.data.len() as u64;
        forget(&mut self.packets, now);
        self.packets.push_back((now, packet.data.len()));
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 256 frames")]
    pub(super) fn stats(&mut self, now: MediaTime) -> EncoderStats {
        forget(&mut self.frames, now);
        forget(&mut self.packets, now);
        let bits: usize = self.packets.iter().map(|(_, len)| len * 8).sum();
        let mut times: Vec<Duration> = self.frames.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        EncoderStats {
            kbps: u32::try_from(bits / 1000).unwrap_or(u32::MAX),
            fps: self.frames.len() as f32 / Self::SPAN.as_secs_f32(),
            encode_ms: median.as_secs_f32() * 1000.0,
            ..self.totals.clone()
        }
    }
}

fn forget<T>(window: &mut VecDeque<(MediaTime, T)>, now: MediaTime) {
    while window.len() >= Meter::MOST
        || window
            .front()
            .is_some_and(|(at, _)| now.saturating_since(*at) >= Meter::SPAN)
    {
        window.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_last_second() {
        let mut meter = Meter::new();
        let at = MediaTime::from_millis;
        for i in 0..90 {
            meter.frame(
                at(i * 33),
                Duration::from_millis(if i < 80 { 50 } else { 4 }),
            );
        }
        let stats = meter.stats(at(89 * 33));
        assert_eq!((stats.frames, stats.fps), (90, 31.0));
        assert!((stats.encode_ms - 50.0).abs() < 0.1);
        let later = meter.stats(at(89 * 33 + 600));
        assert!((later.encode_ms - 4.0).abs() < 0.1);
        assert_eq!(meter.stats(at(9_000)).fps, 0.0);
    }
}
