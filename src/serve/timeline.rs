//! Time stamps of a publisher in, decode and presentation times for the browser's muxer out.
//!
//! RTMP counts milliseconds in 32 bits and from anywhere. Here they become a time line from zero without a wrap, and
//! sound gets back the exact length of its frames: rounded to milliseconds its frames would overlap or leave holes that
//! players fill with clicks. Pure; one per publisher.

use std::time::Duration;

use crate::media::time::MediaTime;

/// A step back of more than this, or one ahead of more than [`JUMP_AHEAD_MS`], is a publisher who set its clock anew.
const JUMP_BACK_MS: i64 = 2_000;
const JUMP_AHEAD_MS: i64 = 10_000;
/// After such a jump time goes on this far from where it was.
const AFTER_JUMP_MS: i64 = 20;
/// Sound is moved back to its stamp when it is off by more than this.
const AUDIO_SLACK: Duration = Duration::from_millis(20);
/// Samples in an AAC frame.
const AAC_FRAME: u32 = 1024;
/// How many recent picture distances the shortest is taken from.
const RECENT: usize = 16;
/// Assumed before anything is known.
const FIRST_PICTURE: Duration = Duration::from_millis(10);

/// Where a packet goes in the muxer's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Decode time.
    pub(super) dts: MediaTime,
    /// Presentation time.
    pub(super) pts: MediaTime,
    /// Length; for pictures rather too short than too long.
    pub(super) duration: Duration,
}

/// Unwraps and smooths. See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    /// The last raw stamp and where it was put, of whichever track.
    last: Option<(u32, i64)>,
    audio_next: Option<MediaTime>,
    video_last: Option<MediaTime>,
    video_steps: [Duration; RECENT],
    video_count: usize,
}

impl Timeline {
    /// Nothing placed yet.
    pub(super) const fn new() -> Self {
        Self {
            last: None,
            audio_next: None,
            video_last: None,
            video_steps: [FIRST_PICTURE; RECENT],
            video_count: 0,
        }
    }

    /// Milliseconds since the first stamp; never negative.
    fn unwrap(&mut self, raw: u32) -> i64 {
        let at = match self.last {
            None => 0,
            Some((last_raw, last)) => {
                let step = i64::from(raw.wrapping_sub(last_raw).cast_signed());
                if (-JUMP_BACK_MS..=JUMP_AHEAD_MS).contains(&step) {
                    last + step
                } else {
                    last + AFTER_JUMP_MS
                }
            }
        };
        self.last = Some((raw, at));
        at.max(0)
    }

    /// Places a picture. `offset_ms` is presentation minus decode time.
    pub(super) fn video(&mut self, raw: u32, offset_ms: i32) -> Placed {
        let ms = self.unwrap(raw);
        let dts = MediaTime::from_millis(ms);
        if let Some(last) = self.video_last {
            let step = dts.saturating_since(last);
            if !step.is_zero() {
                self.video_steps[self.video_count % RECENT] = step;
                self.video_count += 1;
            }
        }
        self.video_last = Some(dts);
        let known = self.video_count.clamp(1, RECENT);
        let duration = self.video_steps[..known]
            .iter()
            .min()
            .copied()
            .unwrap_or(FIRST_PICTURE);
        Placed {
            dts,
            pts: MediaTime::from_millis(ms + i64::from(offset_ms.max(0))),
            duration,
        }
    }

    /// Places a frame of sound.
    pub(super) fn audio(&mut self, raw: u32, sample_rate: u32) -> Placed {
        let stamp = MediaTime::from_millis(self.unwrap(raw));
        let duration = Duration::from_nanos(
            u64::from(AAC_FRAME) * 1_000_000_000 / u64::from(sample_rate.max(1)),
        );
        let at = match self.audio_next {
            Some(next)
                if Duration::from_nanos(stamp.nanos_since(next).unsigned_abs()) <= AUDIO_SLACK =>
            {
                next
            }
            _ => stamp,
        };
        self.audio_next = Some(at + duration);
        Placed {
            dts: at,
            pts: at,
            duration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_rounded_to_milliseconds_becomes_contiguous_again() {
        let mut timeline = Timeline::new();
        let mut end = MediaTime::from_millis(0);
        for frame in 0..5000_u32 {
            let placed = timeline.audio(frame * 1024 / 48, 48_000);
            assert_eq!(placed.dts, end);
            end = placed.dts + placed.duration;
        }
        assert_eq!(end.as_millis(), 5000 * 1024 / 48, "no drift");
        // A hole in the sound stays one.
        let placed = timeline.audio(5000 * 1024 / 48 + 500, 48_000);
        assert_eq!(
            placed.dts.as_millis(),
            i64::from(5000_u32 * 1024 / 48 + 500)
        );
    }

    #[test]
    fn stamps_wrap_and_start_anywhere() {
        let mut timeline = Timeline::new();
        let start = u32::MAX - 50;
        assert_eq!(timeline.video(start, 0).dts.as_millis(), 0);
        assert_eq!(
            timeline.video(start.wrapping_add(100), 0).dts.as_millis(),
            100
        );
        // Sound slightly older than the first picture is not placed before zero.
        let mut timeline = Timeline::new();
        timeline.video(1000, 0);
        assert_eq!(timeline.audio(990, 48_000).dts.as_millis(), 0);
        assert_eq!(timeline.video(1033, 66).pts.as_millis(), 99);
    }

    #[test]
    fn a_clock_set_anew_goes_on_where_it_was() {
        let mut timeline = Timeline::new();
        for ms in [5000, 5040, 5080] {
            timeline.video(ms, 0);
        }
        assert_eq!(timeline.video(0, 0).dts.as_millis(), 100);
        assert_eq!(timeline.audio(10, 48_000).dts.as_millis(), 110);
        assert_eq!(timeline.video(3_600_000, 0).dts.as_millis(), 130);
    }

    #[test]
    fn the_length_of_a_picture_is_the_shortest_seen_lately() {
        let mut timeline = Timeline::new();
        for ms in [0, 33, 67] {
            timeline.video(ms, 0);
        }
        assert_eq!(timeline.video(100, 0).duration.as_millis(), 33);
        assert_eq!(timeline.video(400, 0).duration.as_millis(), 33);
        for n in 1..=20 {
            timeline.video(400 + n * 100, 0);
        }
        assert_eq!(timeline.video(2500, 0).duration.as_millis(), 100);
    }
}
