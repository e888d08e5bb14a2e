//! The last minute of the stream's figures, for the graphs. Fed from each new status; bounded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::status::Status;
use crate::media::time::MediaTime;

/// Figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: MediaTime,
    /// Sent kbit/s.
    pub kbps: u32,
    /// Milliseconds of media waiting in the send queue.
    pub queued_ms: u32,
}

/// The samples of the last minute, oldest first. When full the oldest goes.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// How far back the graphs go.
    pub const SPAN: Duration = Duration::from_secs(60);
    /// Twice what five statuses a second need.
    const LIMIT: usize = 600;

    /// Takes the figures of a status that is newer than the last one; without a stream nothing is kept.
    pub fn add(&mut self, status: &Status) {
        let Some(stream) = &status.stream else {
            self.samples.clear();
            return;
        };
        if self.samples.back().is_some_and(|last| last.at >= status.at) {
            return;
        }
        self.samples.push_back(Sample {
            at: status.at,
            kbps: stream.kbps,
            queued_ms: stream.queued_ms,
        });
        while self.samples.len() > Self::LIMIT
            || self
                .samples
                .front()
                .is_some_and(|s| status.at.saturating_since(s.at) > Self::SPAN)
        {
            self.samples.pop_front();
        }
    }

    /// Points of a graph: age as a share of [`SPAN`](Self::SPAN) (1 oldest, 0 now) and the value of `pick`.
    pub fn points(&self, pick: impl Fn(&Sample) -> u32) -> Vec<(f32, u32)> {
        let Some(now) = self.samples.back().map(|s| s.at) else {
            return Vec::new();
        };
        let age = |s: &Sample| now.saturating_since(s.at).as_secs_f32() / Self::SPAN.as_secs_f32();
        self.samples.iter().map(|s| (age(s), pick(s))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{OutputState, OutputStats};

    fn status(ms: i64, kbps: u32) -> Status {
        Status {
            at: MediaTime::from_millis(ms),
            stream: Some(OutputStats {
                target: String::new(),
                state: OutputState::Live,
                sent_bytes: 0,
                kbps,
                queued_ms: 0,
                queued_bytes: 0,
                dropped: 0,
                frozen_ms: 0,
                reconnects: 0,
                connect_ms: None,
                acked_bytes: 0,
                rtt_ms: None,
                adapt: None,
                asks: None,
            }),
            ..Status::default()
        }
    }

    #[test]
    fn one_minute_is_kept_and_the_same_status_counts_once() {
        let mut history = History::default();
        for second in 0..100 {
            history.add(&status(second * 1000, u32::try_from(second).unwrap()));
            history.add(&status(second * 1000, 7777));
        }
        let points = history.points(|s| s.kbps);
        assert_eq!(points.len(), 61);
        assert_eq!(points.first().copied(), Some((1.0, 39)));
        assert_eq!(points.last().copied(), Some((0.0, 99)));
    }

    #[test]
    fn a_faster_clock_stays_bounded_and_no_stream_clears() {
        let mut history = History::default();
        for ms in 0..10_000 {
            history.add(&status(ms, 1));
        }
        assert_eq!(history.points(|s| s.kbps).len(), History::LIMIT);
        history.add(&Status::default());
        assert!(history.points(|s| s.kbps).is_empty());
    }
}
