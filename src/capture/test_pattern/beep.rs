//! When the flashes and beeps of the test pattern are, and the sound of them.
//!
//! Each whole second of the monotonic clock has a mark: the first picture at or after it. Flash and beep both begin
//! there, so that an instrument that compares them sees the program's offset and not the phase of the frame grid.
//!
//! In: times. Out: times, and samples into the sound ring. Runs on the source's thread; no clock is read here.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::capture::pacing::LEAD;
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioSink;
use crate::media::time::{FrameRate, MediaClock, MediaTime, duration_nanos};

/// How long the flash is shown.
pub const FLASH: Duration = Duration::from_millis(100);
/// How long the beep sounds.
pub const BEEP: Duration = Duration::from_millis(80);
/// Its pitch in Hz.
pub const PITCH: f64 = 1000.0;
/// Its amplitude: -12 dBFS.
const AMPLITUDE: f64 = 0.251;
/// Length of its soft edges, so that it does not click.
const RAMP_S: f64 = 0.002;
const SECOND_NS: i64 = 1_000_000_000;

/// The times of the marks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) clock: MediaClock,
    pub(super) rate: FrameRate,
}

impl Marks {
    /// The mark that belongs to the whole second before `t` (it may lie a little after `t`, see the module's text).
    pub(super) fn at(&self, t: MediaTime) -> MediaTime {
        let raw = self.clock.to_monotonic(t);
        let second = self.clock.from_monotonic(raw - raw.rem_euclid(SECOND_NS));
        let start = MediaTime::ZERO - LEAD;
        // as the ticker does it, in 128 bits, and also for a second before the first tick
        let one = i128::from(self.rate.den()) * i128::from(SECOND_NS);
        let num = i128::from(self.rate.num());
        let tick = -(-i128::from(second.nanos_since(start)) * num).div_euclid(one);
        let offset = (tick * one).div_euclid(num);
        start.offset_nanos(i64::try_from(offset).unwrap_or(i64::MAX))
    }

    /// Whether a picture of this time shows the flash.
    pub(super) fn flash(&self, pts: MediaTime) -> bool {
        (0..duration_nanos(FLASH)).contains(&pts.nanos_since(self.at(pts)))
    }
}

/// Makes the sound: silence, and a beep at each mark. Blocks follow each other without a gap.
#[derive(Debug)]
pub(super) struct Beeper {
    marks: Marks,
    origin: MediaTime,
    next: u64,
    block: Vec<f32>,
}

impl Beeper {
    const FORMAT: AudioFormat = AudioFormat::ENGINE;
    /// Sample frames in a block.
    const BLOCK: usize = 480;
    /// After a stall (a suspended computer) sound that lies this far back is not made any more.
    const STALE: Duration = Duration::from_millis(300);

    /// The first sample is at `origin`.
    pub(super) fn new(marks: Marks, origin: MediaTime) -> Self {
        Self {
            marks,
            origin,
            next: 0,
            block: vec![0.0; Self::BLOCK * usize::from(Self::FORMAT.channels)],
        }
    }

    /// Time of a sample frame, computed from its index so that it never drifts.
    fn time(&self, index: u64) -> MediaTime {
        self.origin + Self::FORMAT.duration_of(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// Pushes whole blocks until `until` is reached. What the ring has no room for is lost and counted there.
    pub(super) fn push_until(&mut self, now: MediaTime, until: MediaTime, sink: &mut AudioSink) {
        let late = now.saturating_since(self.time(self.next));
        if late > Self::STALE {
            self.next += Self::FORMAT.frames_in(late) as u64;
        }
        while self.time(self.next) < until {
            let pts = self.time(self.next);
            let mut block = std::mem::take(&mut self.block);
            self.fill(self.next, &mut block);
            sink.push(pts, &block);
            self.block = block;
            self.next += Self::BLOCK as u64;
        }
    }

    /// Writes the interleaved samples that begin with sample frame `first`.
    fn fill(&self, first: u64, out: &mut [f32]) {
        let channels = usize::from(Self::FORMAT.channels);
        out.fill(0.0);
        let start = self.time(first);
        let end = self.time(first + (out.len() / channels) as u64);
        // a block is shorter than a second, so at most two marks matter
        let (a, b) = (self.marks.at(start), self.marks.at(end));
        for mark in std::iter::once(a).chain((b != a).then_some(b)) {
            if mark >= end || mark + BEEP <= start {
                continue;
            }
            let offset = start.nanos_since(mark) as f64 / SECOND_NS as f64;
            let step = 1.0 / f64::from(Self::FORMAT.rate);
            for (i, frame) in out.chunks_exact_mut(channels).enumerate() {
                let value = tone(offset + i as f64 * step);
                frame.fill(value as f32);
            }
        }
    }
}

/// The beep `t` seconds after its mark.
fn tone(t: f64) -> f64 {
    let left = BEEP.as_secs_f64() - t;
    let edge = (t.min(left) / RAMP_S).clamp(0.0, 1.0);
    AMPLITUDE * edge * (TAU * PITCH * t).sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SourceId;
    use crate::media::ring::audio_ring;

    fn marks(epoch_ns: i64, num: u32, den: u32) -> Marks {
        Marks {
            clock: MediaClock::with_epoch(epoch_ns),
            rate: FrameRate::new(num, den).unwrap(),
        }
    }

    #[test]
    fn the_flash_is_on_exactly_in_its_window() {
        for (epoch, num, den) in [
            (0, 30, 1),
            (123_456_789_012, 30, 1),
            (999_999_999, 30_000, 1001),
            (5_000_000_001, 60, 1),
            (77_123_456_789, 24, 1),
        ] {
            let m = marks(epoch, num, den);
            for k in 0..400_u64 {
                let pts = MediaTime::ZERO - LEAD + m.rate.frame_offset(k);
                // the definition, said another way: under 100 ms after the first tick of this second
                let second = |k: u64| {
                    let pts = MediaTime::ZERO - LEAD + m.rate.frame_offset(k);
                    m.clock.to_monotonic(pts).div_euclid(SECOND_NS)
                };
                let same = |&j: &u64| second(j) == second(k);
                let first = (0..=k).rev().take_while(same).last().unwrap();
                // the second that the clock started in may have begun before tick 0
                if first > 0 {
                    let since = m.rate.frame_offset(k) - m.rate.frame_offset(first);
                    assert_eq!(m.flash(pts), since < FLASH, "{num}/{den} tick {k}");
                    assert_eq!(m.at(pts), pts - since);
                }
            }
        }
    }

    #[test]
    fn beeps_begin_with_the_flash_and_blocks_have_no_gap() {
        let m = marks(123_456_789_012, 30, 1);
        let format = AudioFormat::ENGINE;
        let (mut sink, mut tap) = audio_ring(SourceId(1), format, Duration::from_secs(4));
        let origin = MediaTime::from_millis(17);
        let mut beeper = Beeper::new(m, origin);
        for ms in (17..3100).step_by(33) {
            let now = MediaTime::from_millis(ms);
            beeper.push_until(now, now + Duration::from_millis(66), &mut sink);
        }
        let mut samples = Vec::new();
        loop {
            let expected = origin + format.duration_of(samples.len() / 2);
            let Some(pts) = tap.pop_into(&mut samples) else {
                break;
            };
            assert_eq!(pts, expected, "blocks follow each other");
        }
        let left: Vec<f32> = samples.chunks(2).map(|f| f[0]).collect();
        assert!(samples.chunks(2).all(|f| f[0].to_bits() == f[1].to_bits()));
        let loud = |v: &f32| v.abs() > 0.001;
        let mut onsets = Vec::new();
        let mut last = None;
        for (i, _) in left.iter().enumerate().filter(|(_, v)| loud(v)) {
            if last.is_none_or(|l| i - l > 4800) {
                onsets.push(i);
            }
            last = Some(i);
        }
        assert_eq!(onsets.len(), 3);
        for &i in &onsets {
            let at = origin + format.duration_of(i);
            let mark = m.at(at);
            let after = at.nanos_since(mark);
            assert!(
                (0..500_000).contains(&after),
                "begins {after} ns after its mark"
            );
            assert!(m.flash(mark), "the picture of that moment is lit");
            let beep = &left[i..i + 3840];
            let peak = beep.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
            assert!((0.24..=0.2511).contains(&peak), "{peak}");
            // 1 kHz for 80 ms: 160 sign changes, give or take the ends
            let turns = beep.windows(2).filter(|w| w[0] * w[1] < 0.0).count();
            assert!((157..=161).contains(&turns), "{turns}");
            // no step that a 1 kHz tone of that size cannot make
            let step = beep
                .windows(2)
                .map(|w| (w[1] - w[0]).abs())
                .fold(0.0, f32::max);
            assert!(step < 0.035, "{step}");
            assert!(!loud(&left[i - 1]) && left[i + 3850..i + 9000].iter().all(|v| !loud(v)));
        }
    }

    #[test]
    fn after_a_stall_the_sound_goes_on_at_the_present() {
        let m = marks(0, 30, 1);
        let (mut sink, mut tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, FLASH * 5);
        let mut beeper = Beeper::new(m, MediaTime::ZERO);
        let now = MediaTime::from_millis(60_000);
        beeper.push_until(now, now + Duration::from_millis(50), &mut sink);
        let pts = tap.pop_into(&mut Vec::new()).unwrap();
        assert!(pts.nanos_since(now).abs() < 100_000, "{pts:?}");
    }
}
