//! What tells that an encoder is ill: too many failures, too slow, deaf to its bitrate, reopened too often. Pure logic:
//! times are arguments.

use std::collections::VecDeque;
use std::time::Duration;

use crate::encode::Tune;
use crate::encode::settings::{VideoEncoderSettings, VideoFormat};
use crate::media::packet::Bitrate;
use crate::media::time::MediaTime;

/// Counts failures within [`Self::SPAN`].
#[derive(Debug, Default)]
pub(super) struct FailureWindow {
    times: VecDeque<MediaTime>,
}

impl FailureWindow {
    const SPAN: Duration = Duration::from_secs(30);
    const LIMIT: usize = 3;

    /// Notes a failure; true when it was one too many.
    pub(super) fn record(&mut self, now: MediaTime) -> bool {
        self.times.retain(|t| now.saturating_since(*t) < Self::SPAN);
        self.times.push_back(now);
        self.times.len() >= Self::LIMIT
    }
}

/// Notices an encoder that falls behind: always at work, and pictures wait for it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When each picture was done, how long it took, whether others waited.
    done: VecDeque<(MediaTime, Duration, bool)>,
}

impl Pace {
    /// Long enough that one slow moment of the machine costs skipped pictures, not the preset.
    const SPAN: Duration = Duration::from_millis(1500);

    /// Notes a picture; the mean time a picture took when the encoder is behind.
    pub(super) fn record(
        &mut self,
        now: MediaTime,
        took: Duration,
        waiting: usize,
    ) -> Option<Duration> {
        self.done.push_back((now, took, waiting >= 2));
        let first = self.done.front().map_or(now, |(at, ..)| *at);
        if now.saturating_since(first) < Self::SPAN {
            return None;
        }
        let busy: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        let backed_up = self.done.iter().filter(|(.., waited)| *waited).count();
        let count = self.done.len();
        let behind = busy >= Self::SPAN.mul_f32(0.9) && backed_up * 2 >= count;
        if behind {
            self.done.clear();
            return Some(busy / u32::try_from(count).unwrap_or(u32::MAX));
        }
        while self.done.len() > 240
            || self
                .done
                .front()
                .is_some_and(|(at, ..)| now.saturating_since(*at) >= Self::SPAN)
        {
            self.done.pop_front();
        }
        None
    }

    /// Another encoder begins.
    pub(super) fn reset(&mut self) {
        self.done.clear();
    }
}

/// When an encoder whose preset was lowered may have a better one again. Hysteresis: it must have had twice the time that
/// a picture takes to spare for a while, and each raise that does not hold doubles that while.
#[derive(Debug)]
pub(super) struct Ease {
    /// Time to spare since.
    calm: Option<MediaTime>,
    /// How long it takes.
    wait: Duration,
    raised: Option<MediaTime>,
    /// Smoothed time a picture takes.
    mean: Duration,
}

impl Default for Ease {
    fn default() -> Self {
        Self {
            calm: None,
            wait: Self::WAIT,
            raised: None,
            mean: Duration::ZERO,
        }
    }
}

impl Ease {
    /// The shortest wait: a machine that was busy for a moment has its quality back soon.
    const WAIT: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(600);
    /// A raise that holds this long was right.
    const HOLDS: Duration = Duration::from_secs(60);
    /// Share of the frame interval that a picture may take for a better preset to fit: no step of libx264's presets costs
    /// more than 2.1 times the one before (`COST_OF` in family/x264.rs), and a quarter of the interval stays free.
    const SPARE: f32 = 0.36;

    /// Notes a picture; true when a better preset is due.
    pub(super) fn record(
        &mut self,
        now: MediaTime,
        took: Duration,
        waiting: usize,
        interval: Duration,
    ) -> bool {
        self.mean = (self.mean * 15 + took) / 16;
        if waiting >= 2 || self.mean > interval.mul_f32(Self::SPARE) {
            self.calm = None;
            return false;
        }
        let since = *self.calm.get_or_insert(now);
        if now.saturating_since(since) < self.wait {
            return false;
        }
        self.calm = None;
        self.raised = Some(now);
        true
    }

    /// A cheaper preset had to be taken.
    pub(super) fn lowered(&mut self, now: MediaTime) {
        self.calm = None;
        self.wait = match self.raised.take() {
            Some(at) if now.saturating_since(at) < Self::HOLDS => {
                (self.wait * 2).min(Self::LONGEST)
            }
            _ => Self::WAIT,
        };
    }
}

/// Watches the bytes after the bitrate of a running encoder was lowered.
#[derive(Debug)]
pub(super) struct FollowCheck {
    from: MediaTime,
    until: MediaTime,
    most_bits: u64,
    bits: u64,
    packets: u32,
    /// Keyframes among the packets: what they take besides a mean picture is no answer to the question.
    keyframes: u32,
}

impl FollowCheck {
    /// Time to react, and then how long is measured.
    const REACT: Duration = Duration::from_millis(300);
    const MEASURE: Duration = Duration::from_millis(600);

    /// `None` where the change is too small, or upwards, to be told by the bytes.
    pub(super) fn begin(at: MediaTime, old: Bitrate, new: Bitrate) -> Option<Self> {
        let (old, new) = (u64::from(old.bps()), u64::from(new.bps()));
        if new * 10 > old * 8 {
            return None;
        }
        let limit = ((old + new) / 2).max(new * 13 / 10);
        let millis = u64::try_from(Self::MEASURE.as_millis()).unwrap_or(0);
        let from = at + Self::REACT;
        Some(Self {
            from,
            until: from + Self::MEASURE,
            most_bits: limit * millis / 1000,
            bits: 0,
            packets: 0,
            keyframes: 0,
        })
    }

    /// Counts a packet; at the end whether the encoder followed.
    pub(super) fn packet(&mut self, pts: MediaTime, bytes: usize, keyframe: bool) -> Option<bool> {
        if pts >= self.until {
            let others = u64::from(self.packets - self.keyframes).max(1);
            let bits = self.bits * u64::from(self.packets) / others;
            return Some(bits <= self.most_bits);
        }
        if pts >= self.from {
            self.packets += 1;
            if keyframe {
                self.keyframes += 1;
            } else {
                self.bits += bytes as u64 * 8;
            }
        }
        None
    }
}

/// When an encoder that cannot change its bitrate may be opened anew for it: each time costs a keyframe.
#[derive(Debug, Default)]
pub(super) struct Reopens {
    last: Option<MediaTime>,
}

impl Reopens {
    const DOWN: Duration = Duration::from_secs(1);
    const UP: Duration = Duration::from_secs(3);

    /// Whether now is a time; notes that it is.
    pub(super) fn allow(&mut self, now: MediaTime, old: Bitrate, new: Bitrate) -> bool {
        let (old_bps, new_bps) = (u64::from(old.bps()), u64::from(new.bps()));
        if old_bps.abs_diff(new_bps) * 10 < old_bps {
            return false;
        }
        let pause = if new < old { Self::DOWN } else { Self::UP };
        let allowed = self
            .last
            .is_none_or(|last| now.saturating_since(last) >= pause);
        if allowed {
            self.last = Some(now);
        }
        allowed
    }
}

/// Pictures that an encoder may hold back before its first packet, or between two.
pub(super) fn held_back(settings: &VideoEncoderSettings, format: VideoFormat) -> u64 {
    let reordered = u64::from(settings.b_frames);
    match settings.tune {
        Tune::LowLatency => 8 + reordered,
        Tune::Quality => {
            // the longest that an encoder takes by itself (`LOOK_AHEAD` of x265)
            let usual = format.rate.frames_in(Duration::from_millis(700)).max(60);
            let ahead = settings.look_ahead.map_or(usual, u64::from);
            // frame threads of the encoder come on top
            let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
            8 + reordered + ahead + threads * 3 / 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_within_half_a_minute_is_too_many() {
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        let mut window = FailureWindow::default();
        assert!(!window.record(at(0)));
        assert!(!window.record(at(20)));
        assert!(!window.record(at(31)), "the first is forgotten");
        assert!(window.record(at(49)));
    }

    #[test]
    fn only_lasting_slowness_is_falling_behind() {
        let at = MediaTime::from_millis;
        let took = Duration::from_millis;
        let mut pace = Pace::default();
        // 100 ms a picture at 30 fps: skipped pictures first, then the word
        let mut told = Vec::new();
        for i in 0..40 {
            if let Some(mean) = pace.record(at(i * 100), took(100), 2) {
                told.push((i, mean));
            }
        }
        assert_eq!(told, [(15, took(100)), (31, took(100))]);
        // the same time a picture, but nobody waits: a low frame rate
        pace.reset();
        assert!((0..40).all(|i| pace.record(at(i * 100), took(95), 0).is_none()));
        // fast enough, with a bad half second
        pace.reset();
        for i in 0..200 {
            let slow = (60..75).contains(&i);
            let (took, waiting) = if slow { (took(33), 2) } else { (took(12), 0) };
            assert_eq!(pace.record(at(i * 33), took, waiting), None, "{i}");
        }
    }

    #[test]
    fn a_better_preset_comes_back_after_a_calm_while_and_later_each_time_it_does_not_hold() {
        let interval = Duration::from_millis(33);
        let mut now = 0;
        // feeds pictures until a raise is due; seconds that took
        let mut calm = |ease: &mut Ease, took: u64, limit: i64| {
            let began = now;
            while now - began < limit * 1000 {
                now += 33;
                let at = MediaTime::from_millis(now);
                if ease.record(at, Duration::from_millis(took), 0, interval) {
                    return Some((now - began) / 1000);
                }
            }
            None
        };
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        let mut ease = Ease::default();
        ease.lowered(at(0));
        assert_eq!(calm(&mut ease, 14, 120), None, "too slow for the next one");
        assert_eq!(calm(&mut ease, 8, 60), Some(10));
        ease.lowered(at(133)); // three seconds later
        assert_eq!(calm(&mut ease, 8, 60), Some(20));
        ease.lowered(at(155));
        assert_eq!(calm(&mut ease, 8, 60), Some(40));
        ease.lowered(at(400)); // it had held for minutes
        assert_eq!(calm(&mut ease, 8, 60), Some(10));
        // pictures wait now and then: no time to spare
        let mut busy = Ease::default();
        let waits = |i: i64| if i % 200 == 0 { 2 } else { 0 };
        assert!((0..2000).all(|i| !busy.record(
            MediaTime::from_millis(i * 33),
            Duration::from_millis(4),
            waits(i),
            interval
        )));
    }

    #[test]
    fn an_encoder_that_keeps_its_bitrate_is_found_out_within_a_second() {
        let at = MediaTime::from_millis;
        let (old, new) = (Bitrate::from_kbps(2400), Bitrate::from_kbps(1200));
        let run = |kbps: usize| {
            let mut check = FollowCheck::begin(at(1000), old, new).unwrap();
            let found = (0..60).find_map(|i| {
                let pts = 1000 + i * 33;
                // a keyframe in the middle takes the bits of most of a second
                let key = if i == 15 { kbps * 900 / 8 } else { 0 };
                check
                    .packet(at(pts), kbps * 33 / 8 + key, i == 15)
                    .map(|ok| (pts, ok))
            });
            found.unwrap()
        };
        assert_eq!(run(1200), (1924, true));
        assert_eq!(run(2400), (1924, false));
        assert!(FollowCheck::begin(at(0), new, old).is_none(), "upwards");
    }

    #[test]
    fn reopening_is_rationed() {
        let at = MediaTime::from_millis;
        let kbps = Bitrate::from_kbps;
        let mut reopens = Reopens::default();
        assert!(!reopens.allow(at(0), kbps(1000), kbps(950)), "not worth it");
        assert!(reopens.allow(at(0), kbps(1000), kbps(500)));
        assert!(!reopens.allow(at(900), kbps(500), kbps(300)));
        assert!(reopens.allow(at(1000), kbps(500), kbps(300)));
        assert!(
            !reopens.allow(at(3900), kbps(300), kbps(600)),
            "up takes longer"
        );
        assert!(reopens.allow(at(4000), kbps(300), kbps(600)));
    }
}
