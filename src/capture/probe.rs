//! A live test of a picture source: opened, watched for a while, closed. What it was negotiated to, what really comes, how
//! evenly. Runs on the calling thread.

use std::time::Duration;

use crossbeam_channel::bounded;
use serde::Serialize;

use super::{SourceContext, SourceError, SourceSpec, open_video};
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::Resolution;

/// What a test saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// The source's own words: size, rate, format.
    pub negotiated: String,
    /// Size of the pictures that came.
    pub resolution: Resolution,
    /// From opening to the first picture, ms.
    pub first_picture_ms: f64,
    /// Pictures that came.
    pub frames: u64,
    /// Pictures that the source numbered but that did not come.
    pub lost: u64,
    /// Pictures that came broken and were left out.
    pub corrupt: u64,
    /// Pictures a second, by their time stamps; 0 with fewer than two.
    pub fps: f64,
    /// Mean distance of the time between two pictures from its mean, ms, by their time stamps. Times over a gap count
    /// shared among the lost ones.
    pub jitter_ms: f64,
    /// Longest time between two pictures, ms.
    pub longest_gap_ms: f64,
    /// Median time from capture to arrival, ms.
    pub delay_ms: f64,
    /// Every time stamp was later than the one before.
    pub monotonic: bool,
}

/// One picture as it came.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    pts: MediaTime,
    arrival: MediaTime,
    seq: u64,
}

/// Watches `spec` for `duration` after its first picture; a show of `size` and `rate` is what "auto" aims at.
pub fn probe(
    spec: &SourceSpec,
    size: Resolution,
    rate: FrameRate,
    duration: Duration,
) -> Result<ProbeReport, SourceError> {
    /// A camera that takes longer does not work.
    const PATIENCE: Duration = Duration::from_secs(5);
    const POLL: Duration = Duration::from_millis(100);
    let clock = MediaClock::start();
    let cx = SourceContext {
        id: SourceId(1),
        clock,
        rate,
        resolution: size,
        taps: bounded(1).0, // nobody listens: it runs without sound
    };
    let mut source = open_video(spec, &cx)?;
    let mut seen: Vec<Seen> = Vec::new();
    let mut resolution = size;
    loop {
        let now = clock.now();
        match seen.first() {
            Some(first) if now.saturating_since(first.arrival) >= duration => break,
            None if now.saturating_since(MediaTime::ZERO) >= PATIENCE => {
                return Err(SourceError::Stalled {
                    what: spec.name(),
                    seconds: PATIENCE.as_secs(),
                });
            }
            _ => {}
        }
        if let Some(frame) = source.next(POLL)? {
            resolution = frame.resolution;
            seen.push(Seen {
                pts: frame.pts,
                arrival: clock.now(),
                seq: frame.seq,
            });
        } else if source.finished() {
            break;
        }
    }
    Ok(ProbeReport {
        negotiated: source.describe(),
        resolution,
        corrupt: source.corrupt(),
        ..figures(&seen)
    })
}

fn figures(seen: &[Seen]) -> ProbeReport {
    let ms = |ns: f64| (ns / 1e4).round() / 100.0;
    let mut delays: Vec<i64> = seen.iter().map(|s| s.arrival.nanos_since(s.pts)).collect();
    delays.sort_unstable();
    let pairs = || seen.windows(2).map(|pair| (pair[0], pair[1]));
    let gap = |(a, b): (Seen, Seen)| b.pts.nanos_since(a.pts) as f64;
    let steps = |(a, b): (Seen, Seen)| b.seq.saturating_sub(a.seq).max(1);
    let passed: f64 = pairs().map(gap).sum();
    let numbered: u64 = pairs().map(steps).sum();
    let interval = passed / numbered.max(1) as f64;
    let uneven = pairs().map(|pair| (gap(pair) - interval * steps(pair) as f64).abs());
    let came = seen.len().saturating_sub(1);
    ProbeReport {
        negotiated: String::new(),
        resolution: Resolution::HD,
        first_picture_ms: seen
            .first()
            .map_or(0.0, |s| ms(s.arrival.as_nanos() as f64)),
        frames: seen.len() as u64,
        lost: numbered.saturating_sub(came as u64),
        corrupt: 0,
        fps: if passed > 0.0 {
            (came as f64 / passed * 1e11).round() / 100.0
        } else {
            0.0
        },
        jitter_ms: ms(uneven.sum::<f64>() / came.max(1) as f64),
        longest_gap_ms: ms(pairs().map(gap).fold(0.0, f64::max)),
        delay_ms: delays.get(delays.len() / 2).map_or(0.0, |d| ms(*d as f64)),
        monotonic: pairs().all(|(a, b)| b.pts > a.pts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_rate_losses_and_unevenness() {
        let at = |ms: i64, seq| Seen {
            pts: MediaTime::from_millis(ms),
            arrival: MediaTime::from_millis(ms + 7),
            seq,
        };
        // 25 a second; one 4 ms late; two lost
        let seen = [at(0, 0), at(40, 1), at(84, 2), at(120, 3), at(240, 6)];
        let report = figures(&seen);
        assert_eq!((report.frames, report.lost, report.monotonic), (5, 2, true));
        assert_eq!(report.fps, 16.67);
        assert_eq!((report.jitter_ms, report.longest_gap_ms), (2.0, 120.0));
        assert_eq!((report.delay_ms, report.first_picture_ms), (7.0, 7.0));
        assert!(!figures(&[at(40, 0), at(40, 1)]).monotonic);
        assert_eq!(figures(&[]).fps, 0.0);
    }

    #[test]
    fn the_test_pattern_keeps_its_rate() {
        let rate = FrameRate::new(50, 1).unwrap();
        let size = Resolution::new(320, 180);
        let report = probe(&SourceSpec::Test {}, size, rate, Duration::from_millis(300)).unwrap();
        assert!((5..=17).contains(&report.frames), "{report:?}");
        assert!(report.monotonic && report.resolution == size);
        assert!(report.negotiated.contains("320x180"), "{report:?}");
    }
}
