//! Media time: one monotonic clock, frame rates without drift, and the mapping of device stamps onto the clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;
use std::time::Duration;

/// Nanoseconds on the session's [`MediaClock`]. Signed: pre-roll and DTS may lie before zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The clock's origin (engine start).
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the clock's origin.
    pub const fn from_nanos(ns: i64) -> Self {
        Self(ns)
    }

    /// From milliseconds since the clock's origin.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the clock's origin, rounded down. The codecs' time base.
    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Milliseconds since the clock's origin, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Signed nanoseconds from `other` to `self`.
    pub const fn nanos_since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }

    /// `self` moved by a signed number of nanoseconds.
    pub const fn offset_nanos(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// Nanoseconds of a duration, saturating (292 years).
pub fn duration_nanos(d: Duration) -> i64 {
    i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for MediaTime {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(duration_nanos(d)))
    }
}

impl AddAssign<Duration> for MediaTime {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for MediaTime {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(duration_nanos(d)))
    }
}

impl fmt::Debug for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.as_micros();
        write!(
            f,
            "{}.{:06}s",
            us.div_euclid(1_000_000),
            us.rem_euclid(1_000_000)
        )
    }
}

/// The one clock of a session: `CLOCK_MONOTONIC` with zero at engine start. Every timestamp in the program is on it.
///
/// On Linux the system clock is read directly rather than through [`std::time::Instant`], because V4L2, PipeWire and
/// the test instruments stamp on that clock and an `Instant` cannot be built from a raw value. Elsewhere the raw value
/// counts from the first use in the process.
#[derive(Debug, Clone, Copy)]
pub struct MediaClock {
    epoch_ns: i64,
}

impl MediaClock {
    /// A clock whose zero is now.
    pub fn start() -> Self {
        Self {
            epoch_ns: monotonic_nanos(),
        }
    }

    /// A clock whose zero is the given raw monotonic nanosecond; for tests.
    pub const fn with_epoch(epoch_ns: i64) -> Self {
        Self { epoch_ns }
    }

    /// The present moment.
    pub fn now(&self) -> MediaTime {
        MediaTime(monotonic_nanos() - self.epoch_ns)
    }

    /// A raw `CLOCK_MONOTONIC` stamp on this clock.
    pub const fn from_monotonic(&self, raw_ns: i64) -> MediaTime {
        MediaTime(raw_ns - self.epoch_ns)
    }

    /// The raw `CLOCK_MONOTONIC` nanoseconds of a time on this clock.
    pub const fn to_monotonic(&self, t: MediaTime) -> i64 {
        t.0 + self.epoch_ns
    }

    /// How long to sleep from now to reach `deadline`; zero if it has passed.
    pub fn until(&self, deadline: MediaTime) -> Duration {
        deadline.saturating_since(self.now())
    }
}

#[cfg(unix)]
fn monotonic_nanos() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

#[cfg(not(unix))]
fn monotonic_nanos() -> i64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    duration_nanos(ORIGIN.get_or_init(Instant::now).elapsed())
}

/// Frames per second as a fraction, so that 30000/1001 never drifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    num: u32,
    den: u32,
}

/// A frame rate outside 1 to 240 frames per second, or not a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("frame rate {0:?} is not between 1 and 240 (write 30, 29.97 or 30000/1001)")]
pub struct FrameRateError(String);

impl FrameRate {
    /// 30 frames a second.
    pub const FPS_30: Self = Self { num: 30, den: 1 };

    /// `num / den` frames a second; must lie within 1 to 240.
    pub fn new(num: u32, den: u32) -> Result<Self, FrameRateError> {
        let ok = den > 0 && num >= den && u64::from(num) <= 240 * u64::from(den);
        if ok {
            Ok(Self { num, den })
        } else {
            Err(FrameRateError(format!("{num}/{den}")))
        }
    }

    /// Numerator of the fraction.
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Denominator of the fraction.
    pub const fn den(self) -> u32 {
        self.den
    }

    /// For display and encoder metadata only; time is computed from the fraction.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Time of frame `k` after frame 0, exact to the nanosecond (rounded down).
    pub fn frame_offset(self, k: u64) -> Duration {
        let ns = u128::from(k) * u128::from(self.den) * 1_000_000_000 / u128::from(self.num);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Length of one frame, rounded down.
    pub fn interval(self) -> Duration {
        self.frame_offset(1)
    }

    /// Whole frames in `d`, to the nearest.
    pub fn frames_in(self, d: Duration) -> u64 {
        let n = d.as_nanos() * u128::from(self.num);
        let one = u128::from(self.den) * 1_000_000_000;
        u64::try_from((n + one / 2) / one).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            write!(f, "{}", self.num)
        } else {
            write!(f, "{}/{}", self.num, self.den)
        }
    }
}

impl FromStr for FrameRate {
    type Err = FrameRateError;

    /// Accepts `30`, `30000/1001`, and decimals; the NTSC decimals (23.976, 29.97, 59.94 ...) mean n·1000/1001.
    fn from_str(s: &str) -> Result<Self, FrameRateError> {
        let err = || FrameRateError(s.to_owned());
        let s = s.trim();
        if let Some((n, d)) = s.split_once('/') {
            let n = n.trim().parse().ok();
            let d = d.trim().parse().ok();
            return n
                .zip(d)
                .and_then(|(n, d)| Self::new(n, d).ok())
                .ok_or_else(err);
        }
        if let Ok(n) = s.parse::<u32>() {
            return Self::new(n, 1).ok().ok_or_else(err);
        }
        let f: f64 = s
            .parse()
            .ok()
            .filter(|f| (1.0..=240.0).contains(f))
            .ok_or_else(err)?;
        let whole = f.ceil();
        if (f - whole * 1000.0 / 1001.0).abs() < 0.005 && (f - whole).abs() > 1e-6 {
            // ceil of 23.976, 29.97, 47.952, 59.94, 119.88 is the nominal rate
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "1 to 240"
            )]
            return Self::new(whole as u32 * 1000, 1001).ok().ok_or_else(err);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "1,000 to 240,000"
        )]
        Self::new((f * 1000.0).round() as u32, 1000)
            .ok()
            .ok_or_else(err)
    }
}

impl serde::Serialize for FrameRate {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for FrameRate {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = FrameRate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a frame rate from 1 to 240, as 30 or \"30000/1001\"")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<FrameRate, E> {
                v.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<FrameRate, E> {
                v.to_string().parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<FrameRate, E> {
                v.to_string().parse().map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<FrameRate, E> {
                v.to_string().parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// One tick of a [`Ticker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Number of the tick since the ticker's start; skipped ticks leave gaps.
    pub index: u64,
    /// The tick's exact time; becomes the PTS of the frame made in it.
    pub at: MediaTime,
    /// Ticks skipped since the one before because the caller came too late.
    pub lagged: u64,
}

/// Yields tick `k` at `start + k · den/num` seconds, computed in 128 bits so that no rate drifts.
#[derive(Debug, Clone)]
pub struct Ticker {
    start: MediaTime,
    rate: FrameRate,
    next: u64,
}

impl Ticker {
    /// The first tick is at `start`.
    pub const fn new(start: MediaTime, rate: FrameRate) -> Self {
        Self {
            start,
            rate,
            next: 0,
        }
    }

    /// When the next tick is due; sleep until then, and call [`Self::advance`].
    pub fn next_due(&self) -> MediaTime {
        self.start + self.rate.frame_offset(self.next)
    }

    /// The following ticks come so many ns later (below zero: earlier). A share of the interval at a time, or ticks are
    /// skipped.
    pub fn shift(&mut self, ns: i64) {
        self.start = self.start.offset_nanos(ns);
    }

    /// Takes the due tick. If `now` is already past one or more later ticks, goes to the newest one that is due and
    /// says how many were skipped: a late stage never renders a burst.
    pub fn advance(&mut self, now: MediaTime) -> Tick {
        let mut due = self.next;
        while self.start + self.rate.frame_offset(due + 1) <= now {
            // jump close in one step after a long stall, then settle exactly
            let behind = self
                .rate
                .frames_in(now.saturating_since(self.start + self.rate.frame_offset(due + 1)));
            due += behind.saturating_sub(1).max(1);
        }
        let tick = Tick {
            index: due,
            at: self.start + self.rate.frame_offset(due),
            lagged: due - self.next,
        };
        self.next = due + 1;
        tick
    }
}

/// Why [`SourceClock::map`] chose the time it returned. Counted by sources, asserted in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapOutcome {
    /// The device's stamp, moved by the fixed anchor offset.
    Trusted,
    /// Small jitter: snapped to where the last block ended.
    Smoothed,
    /// First stamp of the stream: the device's time line was tied to ours.
    Anchored,
    /// The stamp jumped too far to believe: tied anew.
    Reset,
}

/// A device stamp on the session clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapped {
    /// The time to use.
    pub pts: MediaTime,
    /// How it came about.
    pub outcome: MapOutcome,
}

/// Turns one stream's device stamps (any origin, nanoseconds) into [`MediaTime`].
///
/// The rules are those of OBS and Cap: a stamp within 2 s of its expected place is trusted, audio jitter under 70 ms is
/// snapped to where the last block ended, beyond 2 s the stream is anchored anew.
#[derive(Debug, Clone, Default)]
pub struct SourceClock {
    offset_ns: Option<i64>,
    expected: Option<MediaTime>,
    smooth: bool,
}

impl SourceClock {
    /// Beyond this distance a stamp is not believed.
    const TRUST_NS: i64 = 2_000_000_000;
    /// Below this distance a block is snapped to the end of the one before.
    const SNAP_NS: i64 = 70_000_000;

    /// For sound: blocks follow each other, so jitter is snapped.
    pub fn for_audio() -> Self {
        Self {
            smooth: true,
            ..Self::default()
        }
    }

    /// For pictures: each stamp stands for itself.
    pub fn for_video() -> Self {
        Self::default()
    }

    /// Maps a block that begins at device time `raw_ns`, arrived at `arrival` and lasts `duration`.
    pub fn map(&mut self, raw_ns: i64, arrival: MediaTime, duration: Duration) -> Mapped {
        let anchor = |this: &mut Self, outcome| {
            this.offset_ns = Some(arrival.as_nanos().saturating_sub(raw_ns));
            this.expected = Some(arrival + duration);
            Mapped {
                pts: arrival,
                outcome,
            }
        };
        let Some(offset) = self.offset_ns else {
            return anchor(self, MapOutcome::Anchored);
        };
        let pts = MediaTime::from_nanos(raw_ns.saturating_add(offset));
        if pts.nanos_since(arrival).abs() > Self::TRUST_NS {
            return anchor(self, MapOutcome::Reset);
        }
        let mapped = match self.expected {
            Some(expected) if self.smooth && pts.nanos_since(expected).abs() < Self::SNAP_NS => {
                Mapped {
                    pts: expected,
                    outcome: MapOutcome::Smoothed,
                }
            }
            _ => Mapped {
                pts,
                outcome: MapOutcome::Trusted,
            },
        };
        self.expected = Some(mapped.pts + duration);
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_parse_and_refuse() {
        assert_eq!("30".parse(), FrameRate::new(30, 1));
        assert_eq!("29.97".parse(), FrameRate::new(30000, 1001));
        assert_eq!("23.976".parse(), FrameRate::new(24000, 1001));
        assert_eq!("30000/1001".parse(), FrameRate::new(30000, 1001));
        assert_eq!("12.5".parse(), FrameRate::new(12500, 1000));
        for bad in ["0", "0.5", "241", "abc", "30/0", "1/30", "-30", ""] {
            assert!(bad.parse::<FrameRate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ntsc_never_drifts() {
        let rate = FrameRate::new(30000, 1001).unwrap();
        // 30000 frames are exactly 1001 s, an hour in and a day in
        assert_eq!(
            rate.frame_offset(30_000 * 100),
            Duration::from_secs(1001 * 100)
        );
        assert_eq!(rate.frames_in(Duration::from_secs(1001)), 30_000);
    }

    #[test]
    fn ticker_skips_whole_ticks_when_late() {
        let rate = FrameRate::FPS_30;
        let mut t = Ticker::new(MediaTime::ZERO, rate);
        assert_eq!(
            t.advance(MediaTime::from_millis(1)),
            Tick {
                index: 0,
                at: MediaTime::ZERO,
                lagged: 0
            }
        );
        assert_eq!(t.advance(MediaTime::from_millis(34)).index, 1);
        let late = t.advance(MediaTime::from_millis(1010));
        assert_eq!((late.index, late.lagged), (30, 28));
        assert_eq!(late.at, MediaTime::from_millis(1000));
        // a day of suspend does not loop a million times, and lands on the newest due tick
        let day = MediaTime::from_millis(86_400_000);
        assert_eq!(t.advance(day).at, day);
        assert_eq!(
            t.next_due(),
            day + rate
                .frame_offset(2_592_001)
                .saturating_sub(Duration::from_secs(86_400))
        );
    }

    #[test]
    fn source_clock_outcomes() {
        let d = Duration::from_millis(10);
        let mut c = SourceClock::for_audio();
        let t0 = MediaTime::from_millis(1000);
        assert_eq!(
            c.map(5_000_000_000, t0, d),
            Mapped {
                pts: t0,
                outcome: MapOutcome::Anchored
            }
        );
        // 3 ms of jitter is snapped to the end of the block before
        let m = c.map(5_013_000_000, MediaTime::from_millis(1014), d);
        assert_eq!(
            m,
            Mapped {
                pts: MediaTime::from_millis(1010),
                outcome: MapOutcome::Smoothed
            }
        );
        // a gap of 200 ms is kept
        let m = c.map(5_220_000_000, MediaTime::from_millis(1221), d);
        assert_eq!(
            m,
            Mapped {
                pts: MediaTime::from_millis(1220),
                outcome: MapOutcome::Trusted
            }
        );
        // a jump of an hour is not believed
        let m = c.map(3_600_000_000_000, MediaTime::from_millis(1231), d);
        assert_eq!(
            m,
            Mapped {
                pts: MediaTime::from_millis(1231),
                outcome: MapOutcome::Reset
            }
        );
    }
}
