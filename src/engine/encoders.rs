//! What the engine knows of this machine's encoders: found out on a thread of its own (`encoders`) at the start and when
//! the settings ask for something new, remembered on disk. While the first answer is awaited, going live waits too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command::Command;
use super::notice::{Notice, NoticeSender};
use crate::encode::probe::{Prober, Reports, cache};
use crate::encode::{VideoEncoderSettings, VideoFormat, select};
use crate::settings::Settings;
use crate::stage::{StopFlag, spawn};

/// Longest wait for the answer; then what needs no hardware is used.
const PATIENCE: Duration = Duration::from_secs(6);
/// Most commands that wait for it; further ones are carried out at once.
const WAITING: usize = 8;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Encoders {
    prober: Option<Prober>,
    notices: NoticeSender,
    reports: Option<Arc<Reports>>,
    /// What the reports are about, or will be.
    key: String,
    /// An answer is awaited since.
    asked: Option<Instant>,
    waiting: Vec<Command>,
}

impl Encoders {
    /// Begins to find out, where a [program for it](crate::encode::probe::use_program) is named.
    pub(super) fn new(settings: &Settings, notices: NoticeSender) -> Self {
        let mut encoders = Self {
            prober: Prober::of_this_program(),
            notices,
            reports: None,
            key: String::new(),
            asked: None,
            waiting: Vec::new(),
        };
        encoders.ask(settings);
        encoders
    }

    /// Finds out about these settings, if they ask for something new.
    pub(super) fn ask(&mut self, settings: &Settings) {
        let Some(prober) = self.prober.clone() else {
            return;
        };
        let (encoder, format) = (settings.encoder.clone(), format(settings));
        let key = cache::key(&encoder, format);
        if key == self.key {
            return;
        }
        self.key = key;
        if let Some(known) = prober.known(&encoder, format) {
            self.reports = Some(Arc::new(known));
            // what waits is not kept longer than the next look
            self.asked = self.asked.map(|at| at.checked_sub(PATIENCE).unwrap_or(at));
            return;
        }
        self.reports = None; // what is known is of other settings
        let (notices, key) = (self.notices.clone(), self.key.clone());
        let work = move |(), _: &StopFlag| {
            let reports = prober.reports(&encoder, format);
            notices.send(Notice::Encoders(key, Arc::new(reports)));
            Ok(())
        };
        let ready = || Ok::<_, std::convert::Infallible>(());
        match spawn("encoders", &StopFlag::new(), ready, work, |_| {}) {
            Ok(_) => self.asked = Some(Instant::now()),
            Err(e) => tracing::warn!(error = %e, "encoders are not tried out"),
        }
    }

    /// Takes the answer; an old one is as good as none. Returns what waited for it.
    pub(super) fn answer(&mut self, key: &str, reports: Arc<Reports>) -> Vec<Command> {
        if key != self.key {
            return Vec::new();
        }
        self.reports = Some(reports);
        self.asked = None;
        std::mem::take(&mut self.waiting)
    }

    /// Returns what has waited long enough.
    pub(super) fn overdue(&mut self) -> Vec<Command> {
        if self.asked.is_some_and(|at| at.elapsed() >= PATIENCE) {
            self.asked = None;
            return std::mem::take(&mut self.waiting);
        }
        Vec::new()
    }

    /// Keeps a command that needs an encoder until it is known which; gives it back when nothing is awaited.
    pub(super) fn hold(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::StopStream => {
                self.waiting.retain(|c| !matches!(c, Command::StartStream));
                Some(command)
            }
            Command::StopRecording => {
                self.waiting
                    .retain(|c| !matches!(c, Command::StartRecording(_)));
                Some(command)
            }
            Command::StopReplay => {
                self.waiting.retain(|c| !matches!(c, Command::StartReplay));
                Some(command)
            }
            Command::StartStream | Command::StartRecording(_) | Command::StartReplay
                if self.asked.is_some()
                    && self.reports.is_none()
                    && self.waiting.len() < WAITING =>
            {
                self.waiting.push(command);
                None
            }
            other => Some(other),
        }
    }

    /// Somebody wants to go live as soon as encoders are known.
    pub(super) fn holds_stream(&self) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|c| matches!(c, Command::StartStream))
    }

    /// What was found out, for lists.
    pub(super) fn reports(&self) -> Arc<Reports> {
        self.reports.clone().unwrap_or_default()
    }

    /// What to use, best first.
    pub(super) fn ladder(&self, settings: &Settings) -> Vec<VideoEncoderSettings> {
        self.ladder_for(&settings.encoder, settings)
    }

    /// The same for another encoder of the same show.
    pub(super) fn ladder_for(
        &self,
        wanted: &VideoEncoderSettings,
        settings: &Settings,
    ) -> Vec<VideoEncoderSettings> {
        let reports = self.reports.as_deref().map_or(&[][..], Vec::as_slice);
        select::ladder(wanted, format(settings), reports)
    }
}

/// What the encoder gets.
pub(super) const fn format(settings: &Settings) -> VideoFormat {
    VideoFormat {
        resolution: settings.video.size,
        rate: settings.video.fps,
    }
}
