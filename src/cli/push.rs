//! `kaibo push`: broadcast without a window.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;

use super::push_args::{PushArgs, Secrets, StatsFormat};
use super::{Exit, block_on, chain, control, fail, interrupted, say};
use crate::engine::command::Command;
use crate::engine::event::{Event, EventKind, Severity};
use crate::engine::status::{EngineState, Status};
use crate::engine::{Engine, EngineConfig, EngineHandle};
use crate::gpu::context::{AdapterChoice, GpuContext};
use crate::render::preview::PreviewSink;
use crate::rtmp::url::RtmpUrl;

/// Tries before a server that never answered is given up; one that had the stream is tried until stopped.
const FIRST_TRIES: u32 = 3;
/// Longest wait for the plain MP4 of an ended recording to be begun, and how often it is looked at.
const MP4_BEGINS: Duration = Duration::from_secs(5);
const MP4_LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: PushArgs) -> Exit {
    let asked = args
        .settings()
        .and_then(|(settings, secrets)| Ok((settings, secrets, args.more()?)));
    let (settings, secrets, more) = match asked {
        Ok(asked) => asked,
        Err(problems) => return fail(&problems, Exit::BadSettings),
    };
    let choice = if args.software_gpu {
        AdapterChoice::Software
    } else {
        AdapterChoice::Best
    };
    let makes_mp4 = settings.recording.make_mp4;
    let several_scenes = !settings.scenes.others.is_empty();
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
    let mut show = Show {
        several_scenes,
        ..Show::new(engine.handle().clone(), &args)
    };
    let exit = match show.begin(secrets, more) {
        Ok(()) => {
            block_on(show.outcome(&news)).unwrap_or_else(|e| fail(&chain(&e), Exit::NotOpened))
        }
        Err(e) => fail(&e.to_string(), Exit::NotOpened),
    };
    if makes_mp4 && show.recorded {
        block_on(show.make_mp4(&news)).unwrap_or_else(|e| {
            fail(&chain(&e), Exit::NotOpened);
        });
    }
    if let Some(path) = &args.flight_recorder
        && let Err(e) = std::fs::write(path, engine.handle().flight_record())
    {
        fail(&format!("--flight-recorder: {}: {e}", path.display()), exit);
    }
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
    /// There are further scenes: what ends or breaks in one of them does not end the show.
    several_scenes: bool,
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
            several_scenes: false,
            next_figures: Instant::now() + Duration::from_secs(1),
        }
    }

    fn begin(
        &self,
        Secrets { key, login }: Secrets,
        more: Vec<RtmpUrl>,
    ) -> Result<(), crate::engine::NotAnswering> {
        self.handle.send(Command::SetKey(key))?;
        self.handle.send(Command::SetLogin(login))?;
        self.handle.send(Command::SetMore(more))?;
        if !self.args.alone {
            self.handle.send(Command::StartStream)?;
        }
        let recording = &self.args.recording;
        if let Some(file) = recording.wanted() {
            self.handle.send(Command::StartRecording(file))?;
        }
        if recording.replay.is_some() {
            self.handle.send(Command::StartReplay)?;
        }
        if recording.control {
            control::start(self.handle.clone());
        }
        Ok(())
    }

    async fn outcome(&mut self, news: &Notify) -> Exit {
        match self.watch(news).await {
            Exit::Done if self.spoiled => Exit::NotOpened,
            exit => exit,
        }
    }

    /// Ends the recording and waits for its plain MP4; interrupting leaves it unmade, the recording is there.
    async fn make_mp4(&self, news: &Notify) {
        if self.handle.send(Command::StopRecording).is_err() {
            return;
        }
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        let mut patience = Instant::now() + MP4_BEGINS;
        while Instant::now() < patience {
            tokio::select! {
                () = &mut interrupted => return,
                () = tokio::time::sleep(MP4_LOOK) => {},
                () = news.notified() => {},
            }
            let mut ended = false;
            for event in self.handle.drain_events() {
                self.print(Line::Event(&event));
                ended |= matches!(
                    event.kind,
                    EventKind::Mp4Made | EventKind::Mp4Failed | EventKind::RecordingFailed
                );
            }
            let status = self.handle.status();
            if status.mp4.is_some() {
                patience = Instant::now() + MP4_BEGINS;
            } else if ended && status.recording.is_none() {
                return;
            }
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
            let on = match &status.record {
                Some(record) if self.args.alone => record.recorded_ms > 0,
                _ => matches!(status.engine, EngineState::Live { .. }),
            };
            if self.live_at.is_none() && on {
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
            // nobody is there to answer
            EventKind::RedirectAsked { host } if self.live_at.is_none() => Some(fail(
                &format!("to allow it: --allow-redirect {host}"),
                Exit::Rejected,
            )),
            EventKind::OutputFailed { rejected: true } => Some(Exit::Rejected),
            EventKind::OutputFailed { .. } => Some(Exit::Lost),
            EventKind::EncoderFailed | EventKind::StageFailed { .. } => Some(Exit::NotOpened),
            EventKind::ServerFailed => Some(Exit::NotOpened),
            EventKind::SourceEnded { .. } | EventKind::SourceLost { .. } if self.several_scenes => {
                None
            }
            EventKind::SourceEnded { .. } => Some(Exit::Done),
            EventKind::RecordingStarted => {
                self.recorded = true;
                None
            }
            // asked for and not possible: say so at once; lost on the way: the stream goes on, the exit code tells
            EventKind::RecordingFailed if !self.recorded || self.args.alone => {
                Some(Exit::NotOpened)
            }
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
        EngineState::Previewing => status.record.as_ref().map_or("off air".to_owned(), |r| {
            let s = r.recorded_ms / 1000;
            format!("recording {}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
        }),
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
