//! The flight recorder: figures once a second and everything that happened, for the last ten minutes, so that trouble can
//! be looked into afterwards. Written to by the controller's thread; read by whoever exports it, also when that thread
//! has failed. Secrets are taken out when something is put in.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use super::event::Event;
use super::status::Status;
use crate::media::time::MediaTime;
use crate::output::OutputStats;
use crate::output::adapt::Reason;
use crate::rtmp::redact::Redactor;
use crate::rtmp::url::RtmpUrl;

/// How far back it goes.
pub const SPAN: Duration = Duration::from_secs(600);
/// How often figures are taken.
const EVERY: Duration = Duration::from_secs(1);
/// Most samples and events kept: a little more than the span needs.
const MOST_SAMPLES: usize = 610;
const MOST_EVENTS: usize = 1000;
/// Addresses that are remembered; older ones go.
const MOST_ADDRESSES: usize = 64;

/// Figures at one moment. Sums since the start unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// When.
    pub at: MediaTime,
    /// Each destination of the stream, the first one first.
    pub outputs: Vec<OutputSample>,
    /// Pictures encoded per second over the last second.
    pub encoder_fps: f32,
    /// Median milliseconds per picture over the last second.
    pub encode_ms: f32,
    /// kbit/s the encoder made over the last second, and was asked for.
    pub encoder_kbps: u32,
    /// What it was asked for.
    pub target_kbps: u32,
    /// Pictures drawn per second.
    pub render_fps: f32,
    /// Ticks the picture stage missed.
    pub lagged: u64,
    /// Pictures the encoder was too slow for.
    pub skipped: u64,
    /// Milliseconds of silence filled into the sound.
    pub audio_gap_ms: u64,
    /// Sources that deliver, and all of them.
    pub sources_up: (usize, usize),
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputSample {
    /// On air at this moment.
    pub live: bool,
    /// kbit/s sent over the last second.
    pub kbps: u32,
    /// Milliseconds of media in the send queue.
    pub queued_ms: u32,
    /// Milliseconds of media between the encoder and the far end, beyond an empty link's.
    pub delay_ms: u32,
    /// Smoothed round trip time.
    pub rtt_ms: Option<u32>,
    /// What the link was last seen to carry, in kbit/s.
    pub capacity_kbps: Option<u32>,
    /// Why the bitrate is what it is.
    pub reason: Option<Reason>,
    /// Pictures dropped.
    pub dropped: u64,
    /// How long the picture stood still for that.
    pub frozen_ms: u64,
    /// Times the connection was made again.
    pub reconnects: u32,
}

impl OutputSample {
    fn of(stats: &OutputStats) -> Self {
        Self {
            live: stats.state == crate::output::OutputState::Live,
            kbps: stats.kbps,
            queued_ms: stats.queued_ms,
            delay_ms: stats.adapt.map_or(0, |a| a.delay_ms),
            rtt_ms: stats.rtt_ms,
            capacity_kbps: stats.adapt.and_then(|a| a.capacity).map(|c| c.kbps()),
            reason: stats.adapt.map(|a| a.reason),
            dropped: stats.dropped,
            frozen_ms: stats.frozen_ms,
            reconnects: stats.reconnects,
        }
    }
}

impl Sample {
    fn of(status: &Status) -> Self {
        let encoder = status.encoder.clone().unwrap_or_default();
        let outputs = status.stream.iter().chain(&status.more);
        let up = status.sources.iter().filter(|s| s.stats.up).count();
        Self {
            at: status.at,
            outputs: outputs.map(OutputSample::of).collect(),
            encoder_fps: encoder.fps,
            encode_ms: encoder.encode_ms,
            encoder_kbps: encoder.kbps,
            target_kbps: encoder.target_kbps,
            render_fps: status.render.fps,
            lagged: status.render.lagged,
            skipped: status.render.skipped,
            audio_gap_ms: status.audio.gap_ms,
            sources_up: (up, status.sources.len()),
        }
    }
}

/// What is exported.
#[derive(Serialize)]
struct Export<'a> {
    program: &'static str,
    version: &'static str,
    system: &'static str,
    machine: &'static str,
    /// Clock of the samples and events, as milliseconds since the start of the session, at the export.
    at: MediaTime,
    gpu: &'a str,
    encoder: &'a str,
    targets: &'a VecDeque<String>,
    sources: Vec<&'a str>,
    samples: &'a VecDeque<Sample>,
    events: &'a VecDeque<Event>,
    events_lost: u64,
}

/// Figures and events, bounded; when full the oldest go.
#[derive(Debug, Default)]
pub struct Recorder {
    samples: VecDeque<Sample>,
    events: VecDeque<Event>,
    events_lost: u64,
    secrets: VecDeque<Redactor>,
    /// Addresses, masked, that were pushed to.
    targets: VecDeque<String>,
    latest: Status,
}

impl Recorder {
    /// The secrets of `url` appear nowhere from now on.
    pub fn hide(&mut self, url: &RtmpUrl) {
        if self.secrets.len() == MOST_ADDRESSES {
            self.secrets.pop_front();
        }
        self.secrets.push_back(Redactor::new(url));
    }

    /// Takes the figures of a status, once a second.
    pub fn look(&mut self, status: &Status) {
        for output in status.stream.iter().chain(&status.more) {
            if !self.targets.contains(&output.target) {
                if self.targets.len() == MOST_ADDRESSES {
                    self.targets.pop_front();
                }
                self.targets.push_back(output.target.clone());
            }
        }
        let newest = self.samples.back().map(|s| s.at);
        if newest.is_some_and(|at| status.at.saturating_since(at) < EVERY) {
            return;
        }
        self.samples.push_back(Sample::of(status));
        self.latest = status.clone();
        let old = |at: MediaTime| status.at.saturating_since(at) > SPAN;
        while self.samples.len() > MOST_SAMPLES || self.samples.front().is_some_and(|s| old(s.at)) {
            self.samples.pop_front();
        }
        while self.events.front().is_some_and(|e| old(e.at)) {
            self.events.pop_front();
        }
    }

    /// Takes an event.
    pub fn note(&mut self, event: &Event) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
            self.events_lost += 1;
        }
        let mut event = event.clone();
        event.message = self.clean(&event.message);
        self.events.push_back(event);
    }

    /// The samples of the last `span`, oldest first: for graphs.
    pub fn recent(&self, span: Duration) -> Vec<Sample> {
        let now = self.latest.at;
        let young = self
            .samples
            .iter()
            .filter(|s| now.saturating_since(s.at) <= span);
        young.cloned().collect()
    }

    /// All of it as JSON.
    pub fn json(&self) -> String {
        let status = &self.latest;
        let encoder = status.encoder.as_ref().map_or("", |e| e.name.as_str());
        let export = Export {
            program: "Kaibo",
            version: env!("CARGO_PKG_VERSION"),
            system: std::env::consts::OS,
            machine: std::env::consts::ARCH,
            at: status.at,
            gpu: &status.gpu,
            encoder,
            targets: &self.targets,
            sources: status.sources.iter().map(|s| s.name.as_str()).collect(),
            samples: &self.samples,
            events: &self.events,
            events_lost: self.events_lost,
        };
        serde_json::to_string_pretty(&export).unwrap_or_default()
    }

    fn clean(&self, text: &str) -> String {
        let hide = |text: String, r: &Redactor| r.clean(&text);
        self.secrets.iter().fold(text.to_owned(), hide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{EventKind, Severity};

    fn status(seconds: i64) -> Status {
        Status {
            at: MediaTime::from_millis(seconds * 1000),
            ..Status::default()
        }
    }

    fn event(seconds: i64, message: &str) -> Event {
        Event {
            at: MediaTime::from_millis(seconds * 1000),
            severity: Severity::Notice,
            kind: EventKind::OutputLost,
            message: message.to_owned(),
        }
    }

    #[test]
    fn ten_minutes_are_kept_and_no_more() {
        let mut recorder = Recorder::default();
        recorder.note(&event(5, "early"));
        for tick in 0..10_000 {
            // five statuses a second
            let at = MediaTime::from_millis(tick * 200);
            recorder.look(&Status { at, ..status(0) });
        }
        assert_eq!(recorder.samples.len(), 601);
        assert!(recorder.events.is_empty());
        assert_eq!(recorder.recent(Duration::from_secs(60)).len(), 61);
        for n in 0..5000 {
            recorder.note(&event(2000, &n.to_string()));
        }
        assert_eq!(recorder.events.len(), MOST_EVENTS);
        assert_eq!(recorder.events_lost, 4000);
    }

    #[test]
    fn the_export_is_json_without_secrets() {
        let mut recorder = Recorder::default();
        let url = "rtmp://me:hunter2@h/app/live_k3y?sign=abcdef123";
        recorder.hide(&RtmpUrl::parse(url, None).unwrap());
        recorder.look(&status(1));
        recorder.note(&event(
            1,
            "lost: live_k3y?sign=abcdef123 of me with hunter2 (abcdef123)",
        ));
        let json = recorder.json();
        for secret in ["hunter2", "live_k3y", "abcdef123"] {
            assert!(!json.contains(secret), "{json}");
        }
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["samples"][0]["at"], value["at"]);
        assert_eq!(value["events"][0]["event"], "output_lost");
    }
}
