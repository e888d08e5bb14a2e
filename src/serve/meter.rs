//! What flows per second: sizes of packets in, bitrates and picture rate over the last seconds out. Pure; one per
//! publisher.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::packet::Track;

/// Figures are taken over this much time.
const WINDOW: Duration = Duration::from_secs(3);
/// Packets are collected in slices of this length.
const SLICE: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct Slice {
    start: Instant,
    video_bytes: u64,
    audio_bytes: u64,
    pictures: u32,
}

/// Collects; see the module.
#[derive(Debug, Default)]
pub(super) struct Meter {
    slices: VecDeque<Slice>,
}

/// Per-second figures.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rates {
    /// kbit/s (1000 bits).
    pub(super) video_kbps: u32,
    /// kbit/s (1000 bits).
    pub(super) audio_kbps: u32,
    /// Pictures per second.
    pub(super) fps: f64,
}

impl Meter {
    /// Counts a packet.
    pub(super) fn count(&mut self, track: Track, bytes: usize, now: Instant) {
        self.forget(now);
        let fresh = self
            .slices
            .back()
            .is_none_or(|s| now.saturating_duration_since(s.start) >= SLICE);
        if fresh {
            self.slices.push_back(Slice {
                start: now,
                video_bytes: 0,
                audio_bytes: 0,
                pictures: 0,
            });
        }
        if let Some(slice) = self.slices.back_mut() {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            match track {
                Track::Video => {
                    slice.video_bytes += bytes;
                    slice.pictures += 1;
                }
                Track::Audio | Track::Input(_) => slice.audio_bytes += bytes,
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        while self
            .slices
            .front()
            .is_some_and(|s| now.saturating_duration_since(s.start) > WINDOW)
        {
            self.slices.pop_front();
        }
    }

    /// The figures. The newest slice is still filling and is left out unless it is the only one.
    pub(super) fn rates(&mut self, now: Instant) -> Rates {
        self.forget(now);
        let Some(first) = self.slices.front() else {
            return Rates::default();
        };
        let full = if self.slices.len() > 1 {
            self.slices.len() - 1
        } else {
            1
        };
        let end = self.slices.get(full).map_or(now, |s| s.start);
        let seconds = end
            .saturating_duration_since(first.start)
            .max(SLICE)
            .as_secs_f64();
        let (mut video, mut audio, mut pictures) = (0, 0, 0);
        for slice in self.slices.iter().take(full) {
            video += slice.video_bytes;
            audio += slice.audio_bytes;
            pictures += slice.pictures;
        }
        Rates {
            video_kbps: kbps(video, seconds),
            audio_kbps: kbps(audio, seconds),
            fps: (f64::from(pictures) / seconds * 10.0).round() / 10.0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float cast saturates, and three seconds of bytes are far below 2^53"
)]
fn kbps(bytes: u64, seconds: f64) -> u32 {
    (bytes as f64 * 8.0 / 1000.0 / seconds).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_rates_are_measured_and_forgotten() {
        let start = Instant::now();
        let mut meter = Meter::default();
        assert_eq!(meter.rates(start), Rates::default());
        for n in 0..300_u32 {
            let now = start + Duration::from_secs(1) * n / 30;
            meter.count(Track::Video, 10_000, now);
            meter.count(Track::Audio, 500, now);
        }
        let end = start + Duration::from_secs(10);
        let rates = meter.rates(end);
        assert!((rates.fps - 30.0).abs() < 0.5, "{rates:?}");
        assert!((2370..=2430).contains(&rates.video_kbps), "{rates:?}");
        assert!((118..=122).contains(&rates.audio_kbps), "{rates:?}");
        assert_eq!(meter.rates(end + Duration::from_secs(4)), Rates::default());
        assert!(meter.slices.len() <= 16);
    }
}
