//! `kaibo push`: broadcast without a window.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;

use super::push_args::{PushArgs, StatsFormat};
use super::{Exit, block_on, chain, fail, interrupted, say};
use crate::engine::command::Command;
use crate::engine::event::{Event, EventKind, Severity};
use crate::engine::status::{EngineState, Status};
use crate::engine::{Engine, EngineConfig, EngineHandle};
use crate::gpu::context::{AdapterChoice, GpuContext};
use crate::render::preview::PreviewSink;
use crate::rtmp::url::{RtmpUrl, StreamKey};

/// Tries before a server that never answered is given up; one that had the stream is tried until stopped.
const FIRST_TRIES: u32 = 3;

pub(super) fn run(args: PushArgs) -> Exit {
    let asked = args
        .settings()
        .and_then(|(settings, key)| Ok((settings, key, args.more()?)));
    let (settings, key, more) = match asked {
        Ok(asked) => asked,
        Err(problems) => return fail(&problems, Exit::BadSettings),
    };
    let choice = if args.software_gpu {
        AdapterChoice::Software
    } else {
        AdapterChoice::Best
    };
    let gpu = match GpuContext::headless(choice) {
        Ok(gpu) => gpu,
        Err(e) => return fail(&chain(&e), Exit::NotOpened),
    };
    let news = Arc::new(Notify::new());
    let wake = Arc::clone(&news);
    let waker = Arc::new(move || wake.notify_one());
    let engine = match Engine::start(EngineConfig {
        gpu,
        settings,
        preview: PreviewSink::None,
        waker,
    }) {
        Ok(engine) => engine,
        Err(e) => return fail(&chain(&e), Exit::NotOpened),
    };
    let mut show = Show::new(engine.handle().clone(), &args);
    let exit = match show.begin(key, more) {
        Ok(()) => {
            block_on(show.outcome(&news)).unwrap_or_else(|e| fail(&chain(&e), Exit::NotOpened))
        }
        Err(e) => fail(&e.to_string(), Exit::NotOpened),
    };
    if let Err(left) = engine.shutdown() {
        fail(&format!("did not end in time: {}", left.join(", ")), exit);
    }
    exit
}

/// One broadcast as the command line follows it.
struct Show<'a> {
    handle: EngineHandle,
    args: &'a PushArgs,
    live_at: Option<Instant>,
    /// Sources that have delivered.
    up: HashSet<String>,
    /// A recording was begun.
    recorded: bool,
    /// Something asked for was not done to its end.
    spoiled: bool,
    next_figures: Instant,
}

/// What is printed, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Status(&'a Status),
    Event(&'a Event),
}

impl<'a> Show<'a> {
    fn new(handle: EngineHandle, args: &'a PushArgs) -> Self {
        Self {
            handle,
            args,
            live_at: None,
            up: HashSet::new(),
            recorded: false,
            spoiled: false,
            next_figures: Instant::now() + Duration::from_secs(1),
        }
    }

    fn begin(&self, key: StreamKey, more: Vec<RtmpUrl>) -> Result<(), crate::engine::NotAnswering> {
        self.handle.send(Command::SetKey(key))?;
        self.handle.send(Command::SetMore(more))?;
        self.handle.send(Command::StartStream)?;
        match &self.args.record {
            Some(path) => self.handle.send(Command::StartRecording(path.clone())),
            None => Ok(()),
        }
    }

    async fn outcome(&mut self, news: &Notify) -> Exit {
        match self.watch(news).await {
            Exit::Done if self.spoiled => Exit::NotOpened,
            exit => exit,
        }
    }

    /// Follows the engine until the show is over.
    async fn watch(&mut self, news: &Notify) -> Exit {
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        loop {
            let end = self.live_at.zip(self.args.duration).map(|(at, d)| at + d);
            let wake = end.map_or(self.next_figures, |end| end.min(self.next_figures));
            tokio::select! {
                () = &mut interrupted => return Exit::Done,
                () = tokio::time::sleep_until(wake.into()) => {},
                () = news.notified() => {},
            }
            for event in self.handle.drain_events() {
                self.print(Line::Event(&event));
                if let Some(exit) = self.verdict(&event) {
                    return exit;
                }
            }
            let status = self.handle.status();
            if self.live_at.is_none() && matches!(status.engine, EngineState::Live { .. }) {
                self.live_at = Some(Instant::now());
            }
            if let EngineState::Reconnecting { attempt, .. } = status.engine
                && self.live_at.is_none()
                && attempt >= FIRST_TRIES
            {
                return fail(&format!("no connection after {attempt} tries"), Exit::Lost);
            }
            if Instant::now() >= self.next_figures {
                self.next_figures += Duration::from_secs(1);
                self.print(Line::Status(&status));
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Exit::Done;
            }
        }
    }

    /// Whether an event ends the show.
    fn verdict(&mut self, event: &Event) -> Option<Exit> {
        match &event.kind {
            EventKind::OutputFailed { rejected: true } => Some(Exit::Rejected),
            EventKind::OutputFailed { .. } => Some(Exit::Lost),
            EventKind::EncoderFailed | EventKind::StageFailed { .. } => Some(Exit::NotOpened),
            EventKind::ServerFailed => Some(Exit::NotOpened),
            EventKind::SourceEnded { .. } => Some(Exit::Done),
            EventKind::RecordingStarted => {
                self.recorded = true;
                None
            }
            // asked for and not possible: say so at once; lost on the way: the stream goes on, the exit code tells
            EventKind::RecordingFailed if !self.recorded => Some(Exit::NotOpened),
            EventKind::RecordingFailed => {
                self.spoiled = true;
                None
            }
            EventKind::SourceUp { source } | EventKind::SoundUp { source } => {
                self.up.insert(source.clone());
                None
            }
            EventKind::SourceLost { source } => {
                // one that never delivered is a mistake worth ending for; one that did may come back, if it can
                let never_up = !self.up.contains(source);
                let over = never_up || event.severity == Severity::Fatal;
                over.then(|| fail(&event.message, Exit::NotOpened))
            }
            EventKind::SoundLost { source, absent } => {
                let never_up = !self.up.contains(source) && self.args.sound.is_asked_for(source);
                (never_up && *absent).then(|| fail(&event.message, Exit::NotOpened))
            }
            _ => None,
        }
    }

    fn print(&self, line: Line<'_>) {
        match self.args.stats {
            None => {}
            Some(StatsFormat::Json) => {
                say(&serde_json::to_string(&line)
                    .unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}")));
            }
            Some(StatsFormat::Text) => match line {
                Line::Status(status) => say(&figures(status)),
                Line::Event(_) => {} // the log says it already
            },
        }
    }
}

/// One line of figures for people.
fn figures(status: &Status) -> String {
    let encoder = status.encoder.clone().unwrap_or_default();
    let stream = status.stream.as_ref();
    let state = match &status.engine {
        EngineState::Previewing => "off air".to_owned(),
        EngineState::Connecting => "connecting".to_owned(),
        EngineState::Live { since } => {
            let s = status.at.saturating_since(*since).as_secs();
            format!("live {}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
        }
        EngineState::Reconnecting { attempt, .. } => format!("reconnecting, try {attempt}"),
        EngineState::Stopping => "stopping".to_owned(),
        EngineState::Failed { .. } => "failed".to_owned(),
    };
    let adapt = stream.and_then(|s| s.adapt);
    let link = adapt.map_or_else(String::new, |a| format!("  ({})", a.reason));
    format!(
        "{state}  {:.1} fps  {} kbit/s  queue {} ms  dropped {}  skipped {}  lagged {}{link}",
        encoder.fps,
        encoder.kbps,
        stream.map_or(0, |s| s.queued_ms),
        stream.map_or(0, |s| s.dropped),
        status.render.skipped,
        status.render.lagged,
    )
}
