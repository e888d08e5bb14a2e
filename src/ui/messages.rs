//! What happened, in words: the engine's events and the window's own notices, newest first, bounded.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::{Text, fill};
use crate::engine::event::{Event, EventKind, Severity};
use crate::media::time::MediaTime;

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Something the engine told.
    Engine(EventKind),
    /// Commands do not reach the engine.
    NotAnswering,
    /// The settings file cannot be written.
    SaveFailed,
    /// The settings file was not understood at the start.
    SettingsUnread,
}

impl Subject {
    /// A few words in the window's language.
    pub const fn title(&self, t: &'static Text) -> &'static str {
        match self {
            Self::NotAnswering => t.not_answering,
            Self::SaveFailed => t.save_failed,
            Self::SettingsUnread => t.settings_unread,
            Self::Engine(kind) => match kind {
                EventKind::SourceUp { .. } => t.ev_source_up,
                EventKind::SourceLost { .. } => t.ev_source_lost,
                EventKind::SourceEnded { .. } => t.ev_source_ended,
                EventKind::SourceTrouble { .. } => t.ev_source_trouble,
                EventKind::SoundUp { .. } => t.ev_sound_up,
                EventKind::SoundLost { .. } => t.ev_sound_lost,
                EventKind::SoundEnded { .. } => t.ev_sound_ended,
                EventKind::NoMicrophone => t.ev_no_microphone,
                EventKind::MonitorUp => t.ev_monitor_up,
                EventKind::MonitorLost => t.ev_monitor_lost,
                EventKind::MonitorEcho => t.ev_monitor_echo,
                EventKind::OutputConnected => t.ev_connected,
                EventKind::OutputLost => t.ev_lost,
                EventKind::MoreChanged { .. } => t.ev_more,
                EventKind::KeyExpires => t.ev_key_expires,
                EventKind::LinkSilent => t.ev_silent,
                EventKind::LinkReturned => t.ev_returned,
                EventKind::RedirectAsked { .. } => t.ev_redirect,
                EventKind::OutputMoved => t.ev_moved,
                EventKind::RecorderExported => t.ev_recorder,
                EventKind::OutputFailed { rejected: true } => t.ev_rejected,
                EventKind::OutputFailed { rejected: false } => t.ev_failed,
                EventKind::StreamStopped => t.ev_stopped,
                EventKind::RecordingStarted => t.ev_recording,
                EventKind::RecordingStopped => t.ev_recording_stopped,
                EventKind::RecordingSlow => t.ev_recording_slow,
                EventKind::RecordingSplit => t.ev_recording_split,
                EventKind::DiskLow => t.ev_disk_low,
                EventKind::RecordingUnfinished => t.ev_recording_unfinished,
                EventKind::ReplaySaved => t.ev_replay,
                EventKind::Mp4Made => t.ev_mp4_made,
                EventKind::Mp4Failed => t.ev_mp4_failed,
                EventKind::RecordingFailed => t.ev_recording_failed,
                EventKind::EncoderRebuilt => t.ev_encoder_rebuilt,
                EventKind::EncoderReplaced => t.ev_encoder_replaced,
                EventKind::EncoderLowered => t.ev_encoder_lowered,
                EventKind::EncoderRaised => t.ev_encoder_raised,
                EventKind::EncoderFailed => t.ev_encoder_failed,
                EventKind::EncoderOverloaded => t.ev_overloaded,
                EventKind::StageRestarted { .. } => t.ev_stage_restarted,
                EventKind::StageFailed { .. } => t.ev_stage_failed,
                EventKind::GpuLost => t.ev_gpu_lost,
                EventKind::ServerStarted => t.ev_server_started,
                EventKind::ServerFailed => t.ev_server_failed,
                EventKind::Settings => t.ev_settings,
                EventKind::WatermarkProblem { .. } => t.ev_watermark,
                EventKind::ScreenshotSaved => t.ev_screenshot,
                EventKind::EventsLost { .. } => t.ev_events_lost,
            },
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it (last) happened, on the engine's clock.
    pub at: MediaTime,
    /// How bad.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What happened and what to do.
    pub detail: String,
    /// How often it happened in a row.
    pub count: u32,
}

impl Message {
    /// How long ago, in words.
    pub fn age(&self, now: MediaTime, t: &'static Text) -> String {
        let seconds = now.saturating_since(self.at).as_secs();
        match seconds {
            0..5 => t.now.to_owned(),
            5..60 => fill(t.seconds_ago, &[&seconds.to_string()]),
            60..3600 => fill(t.minutes_ago, &[&(seconds / 60).to_string()]),
            _ => {
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                fill(t.hours_ago, &[&hours.to_string(), &minutes.to_string()])
            }
        }
    }
}

/// The messages, newest first. At most [`LIMIT`](Self::LIMIT); then the oldest goes.
#[derive(Debug, Default)]
pub struct MessageLog {
    messages: VecDeque<Message>,
    /// The failure shown in the banner until it is dismissed or overcome.
    failure: Option<Message>,
}

impl MessageLog {
    /// How many messages are kept.
    pub const LIMIT: usize = 200;

    /// Takes an event of the engine.
    pub fn event(&mut self, event: Event) {
        if event.kind == EventKind::OutputConnected {
            self.failure = None;
        }
        self.add(Message {
            at: event.at,
            severity: event.severity,
            subject: Subject::Engine(event.kind),
            detail: event.message,
            count: 1,
        });
    }

    /// Takes a message; the same one again only counts up.
    pub fn add(&mut self, mut message: Message) {
        if message.detail.contains('\n') {
            // Causes of graphics and codec libraries come in several lines.
            let words: Vec<_> = message.detail.split_whitespace().collect();
            message.detail = words.join(" ");
        }
        if message.severity == Severity::Fatal {
            self.failure = Some(message.clone());
        }
        if let Some(last) = self.messages.front_mut()
            && last.subject == message.subject
            && last.detail == message.detail
        {
            last.at = message.at;
            last.severity = message.severity;
            last.count = last.count.saturating_add(1);
            return;
        }
        self.messages.push_front(message);
        self.messages.truncate(Self::LIMIT);
    }

    /// Newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    /// The failure to show prominently.
    pub const fn failure(&self) -> Option<&Message> {
        self.failure.as_ref()
    }

    /// The user has read it, or tries again.
    pub fn dismiss(&mut self) {
        self.failure = None;
    }
}

/// Hours, minutes and seconds: `0:03:12`.
pub fn clock(duration: Duration) -> String {
    let s = duration.as_secs();
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::text::Language;

    fn message(n: i64, severity: Severity, detail: &str) -> Message {
        Message {
            at: MediaTime::from_millis(n * 1000),
            severity,
            subject: Subject::Engine(EventKind::OutputLost),
            detail: detail.to_owned(),
            count: 1,
        }
    }

    #[test]
    fn newest_first_bounded_and_repeats_count() {
        let mut log = MessageLog::default();
        for n in 0..500 {
            log.add(message(n, Severity::Notice, &format!("m{n}")));
        }
        assert_eq!(log.iter().count(), MessageLog::LIMIT);
        assert_eq!(log.iter().next().map(|m| m.detail.as_str()), Some("m499"));
        log.add(message(600, Severity::Notice, "m499"));
        assert_eq!(log.iter().count(), MessageLog::LIMIT);
        assert_eq!(
            log.iter().next().map(|m| (m.count, m.at.as_millis())),
            Some((2, 600_000))
        );
    }

    #[test]
    fn a_failure_stays_until_dismissed_or_overcome() {
        let mut log = MessageLog::default();
        log.add(message(1, Severity::Fatal, "refused"));
        log.add(message(2, Severity::Notice, "other"));
        assert_eq!(log.failure().map(|m| m.detail.as_str()), Some("refused"));
        log.dismiss();
        assert_eq!(log.failure(), None);
        log.add(message(3, Severity::Fatal, "refused"));
        log.event(Event {
            at: MediaTime::ZERO,
            severity: Severity::Notice,
            kind: EventKind::OutputConnected,
            message: "on air".to_owned(),
        });
        assert_eq!(log.failure(), None);
    }

    #[test]
    fn ages_and_clocks_are_words() {
        let t = Language::English.text();
        let m = message(0, Severity::Notice, "x");
        let age = |s: i64| m.age(MediaTime::from_millis(s * 1000), t);
        assert_eq!((age(2), age(59)), ("now".to_owned(), "59 s".to_owned()));
        assert_eq!(
            (age(61), age(7320)),
            ("1 min".to_owned(), "2 h 2 min".to_owned())
        );
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
    }
}
