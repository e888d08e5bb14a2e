//! The control loop: commands, notices and timers in; starts, stops, status and events out (thread `engine`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::broadcast::{Attached, Broadcast, BroadcastError, Purpose};
use super::command::Command;
use super::event::{Event, EventKind, Severity};
use super::notice::{Notice, NoticeSender};
use super::overload::OverloadWatch;
use super::sources::SourceSet;
use super::status::{EngineState, Status};
use super::{EngineConfig, EngineError, Shared};
use crate::audio::{AudioConfig, AudioStage};
use crate::capture;
use crate::capture::supervisor::SourceEvent;
use crate::encode::stage::EncoderEvent;
use crate::gpu::context::GpuContext;
use crate::media::SourceId;
use crate::media::packet::{Bitrate, PacketBus};
use crate::media::time::{MediaClock, MediaTime};
use crate::media::video::VideoFrame;
use crate::output::{OutputError, OutputEvent, OutputSpec, OutputState};
use crate::render::preview::PreviewSink;
use crate::render::{RenderConfig, RenderError, RenderStage, SceneState};
use crate::rtmp::url::{RtmpUrl, StreamKey};
use crate::serve::{ServeConfig, Server};
use crate::settings::Settings;
use crate::settings::diff::ChangeSet;
use crate::stage::{StageExit, StopFlag};

/// How often the controller looks at timers and counters.
const TICK: Duration = Duration::from_millis(100);
/// Name of the stream on the built-in server.
const BUILTIN_NAME: &str = "kaibo";

pub(super) struct Controller {
    clock: MediaClock,
    runtime: tokio::runtime::Handle,
    shared: Arc<Shared>,
    waker: Arc<dyn Fn() + Send + Sync>,
    notices: NoticeSender,
    notice_rx: Receiver<Notice>,
    settings: Settings,
    key: StreamKey,
    gpu: GpuContext,
    preview: PreviewSink,
    scene: Arc<ArcSwap<SceneState>>,
    frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    render: RenderStage,
    audio: AudioStage,
    sources: SourceSet,
    microphone: Option<SourceId>,
    broadcast: Broadcast,
    server: Option<Server>,
    live_since: Option<MediaTime>,
    failed: Option<String>,
    overload: OverloadWatch,
    video_devices: Vec<capture::VideoDevice>,
    audio_devices: Vec<capture::AudioDevice>,
    ticks: u64,
}

impl Controller {
    pub(super) fn start(
        config: EngineConfig,
        clock: MediaClock,
        runtime: tokio::runtime::Handle,
        shared: Arc<Shared>,
    ) -> Result<Self, EngineError> {
        let EngineConfig {
            gpu,
            settings,
            preview,
            waker,
        } = config;
        let (notices, notice_rx) = NoticeSender::channel();
        let (taps_tx, taps) = bounded(16); // bound and policy: see `SourceContext::taps`
        let bus = Arc::new(PacketBus::new());
        let exited = notices.clone();
        let on_exit =
            Box::new(move |exit: &StageExit| exited.send(Notice::Exited("audio", exit.clone())));
        let audio = AudioStage::start(AudioConfig {
            clock,
            taps,
            bus: Arc::clone(&bus),
            on_exit,
        })
        .map_err(EngineError::Audio)?;

        let mut sources = SourceSet::new(clock, taps_tx, notices.clone());
        let scene = Arc::new(ArcSwap::from_pointee(sources.apply(
            &settings.scene,
            &settings.video,
            false,
        )));
        let frames = Arc::default();
        let broadcast = Broadcast::new(
            clock,
            runtime.clone(),
            notices.clone(),
            bus,
            Arc::clone(&frames),
        );
        let render = start_render(&gpu, clock, &settings, &scene, &frames, &preview, &notices)?;
        let mut controller = Self {
            clock,
            runtime,
            shared,
            waker,
            notices,
            notice_rx,
            settings,
            key: StreamKey::default(),
            gpu,
            preview,
            scene,
            frames,
            render,
            audio,
            sources,
            microphone: None,
            broadcast,
            server: None,
            live_since: None,
            failed: None,
            overload: OverloadWatch::default(),
            video_devices: Vec::new(),
            audio_devices: Vec::new(),
            ticks: 0,
        };
        controller.open_microphone();
        controller.publish();
        Ok(controller)
    }

    /// Runs until `stop` is raised.
    pub(super) fn run(&mut self, commands: &Receiver<Command>, stop: &StopFlag) {
        let mut next_tick = Instant::now() + TICK;
        while !stop.is_stopped() {
            select! {
                recv(commands) -> command => match command {
                    Ok(command) => { self.command(command); self.publish(); }
                    Err(_) => return,
                },
                recv(self.notice_rx) -> notice => {
                    if let Ok(notice) = notice { self.notice(notice); self.publish(); }
                },
                default(next_tick.saturating_duration_since(Instant::now())) => {
                    next_tick = Instant::now() + TICK;
                    self.tick();
                },
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::ApplySettings(settings) => self.apply(*settings),
            Command::SetKey(key) => self.key = key,
            Command::StartStream => self.start_stream(),
            Command::StopStream => {
                self.failed = None;
                self.broadcast.stop_stream(&self.audio);
            }
            Command::StartRecording(path) => self.start_recording(path),
            Command::StopRecording => self.broadcast.stop_recording(&self.audio),
            Command::SetVideoBitrate(bitrate) => {
                let mut settings = self.settings.clone();
                settings.encoder.bitrate_kbps = bitrate.kbps();
                self.apply(settings);
            }
            Command::SetMicrophone { gain_db, muted } => {
                let mut settings = self.settings.clone();
                (settings.audio.gain_db, settings.audio.muted) = (gain_db, muted);
                self.apply(settings);
            }
            Command::RequestKeyframe => self.broadcast.control().request_keyframe(),
            Command::Screenshot(path) => {
                let notices = self.notices.clone();
                self.render
                    .save_screenshot(path, move |result| notices.send(Notice::Screenshot(result)));
            }
            Command::RescanDevices => self.rescan(),
        }
    }

    fn apply(&mut self, settings: Settings) {
        let problems = settings.problems();
        if !problems.is_empty() {
            for problem in problems {
                self.tell(
                    Severity::Degraded,
                    EventKind::Settings,
                    format!("setting refused: {problem}"),
                );
            }
            return;
        }
        let change = ChangeSet::between(&self.settings, &settings);
        self.settings = settings;
        if change.format {
            self.restart_format();
        } else if change.scene {
            let state = self
                .sources
                .apply(&self.settings.scene, &self.settings.video, false);
            self.scene.store(Arc::new(state));
        }
        if (change.encoder || change.format)
            && let Err(e) = self.broadcast.restart_video_encoder(&self.settings)
        {
            self.encoder_failed(&e.to_string());
        }
        if change.bitrate {
            self.broadcast
                .control()
                .set_bitrate(Bitrate::from_kbps(self.settings.encoder.bitrate_kbps));
        }
        if change.audio_encoder
            && self.broadcast.is_on()
            && let Err(e) = self
                .audio
                .set_encoder(Some(self.settings.audio.encoder.clone()))
        {
            self.encoder_failed(&e.to_string());
        }
        if change.audio_input {
            self.open_microphone();
        } else if change.gain {
            self.set_gain();
        }
        if change.stream && self.broadcast.stream.is_some() {
            self.tell(
                Severity::Notice,
                EventKind::Settings,
                "the new address is used the next time you go live",
            );
        }
        if change.server && self.server.is_some() {
            let text = "the built-in server keeps its address until the program is started again";
            self.tell(Severity::Notice, EventKind::Settings, text);
        }
    }

    /// New size or rate: the render stage and the sources are made for one format and start anew.
    fn restart_format(&mut self) {
        self.render.request_stop();
        self.render
            .join_until(Instant::now() + Duration::from_millis(500));
        let state = self
            .sources
            .apply(&self.settings.scene, &self.settings.video, true);
        self.scene.store(Arc::new(state));
        let Self {
            gpu,
            clock,
            settings,
            scene,
            frames,
            preview,
            notices,
            ..
        } = self;
        match start_render(gpu, *clock, settings, scene, frames, preview, notices) {
            Ok(render) => self.render = render,
            Err(e) => {
                self.tell(
                    Severity::Fatal,
                    EventKind::StageFailed {
                        stage: "render".to_owned(),
                    },
                    e.to_string(),
                );
            }
        }
    }

    fn start_stream(&mut self) {
        if self.broadcast.stream.is_some() {
            return;
        }
        self.failed = None;
        self.live_since = None;
        let started = self.target().and_then(|url| {
            let spec = OutputSpec::Rtmp(url);
            self.broadcast
                .start_stream(&spec, &self.settings, &self.audio)
                .map_err(|e| e.to_string())
        });
        if let Err(reason) = started {
            self.broadcast.stop_stream(&self.audio);
            self.tell(
                Severity::Fatal,
                EventKind::OutputFailed { rejected: false },
                reason.clone(),
            );
            self.failed = Some(reason);
        }
    }

    /// Where to push: the address of the settings, or the built-in server, started when it is needed first.
    fn target(&mut self) -> Result<RtmpUrl, String> {
        if !self.settings.stream.url.trim().is_empty() {
            return RtmpUrl::parse(&self.settings.stream.url, Some(&self.key))
                .map_err(|e| e.to_string());
        }
        if self.server.is_none() {
            self.start_server()?;
        }
        let address = self
            .server
            .as_ref()
            .map(Server::push_url)
            .unwrap_or_default();
        RtmpUrl::parse(&address, Some(&StreamKey::new(BUILTIN_NAME))).map_err(|e| e.to_string())
    }

    fn start_server(&mut self) -> Result<(), String> {
        let wanted = ServeConfig {
            rtmp: self.settings.server.rtmp,
            http: self.settings.server.http,
        };
        let server = Server::start(wanted, &self.runtime).or_else(|error| {
            tracing::info!(%error, "a port of the built-in server is taken: free ones are used");
            let any = |addr: std::net::SocketAddr| (addr.ip(), 0).into();
            Server::start(
                ServeConfig {
                    rtmp: any(wanted.rtmp),
                    http: any(wanted.http),
                },
                &self.runtime,
            )
        });
        match server {
            Ok(server) => {
                let page = server.watch_url(BUILTIN_NAME);
                self.tell(
                    Severity::Notice,
                    EventKind::ServerStarted,
                    format!("watch the stream at {page}"),
                );
                self.server = Some(server);
                Ok(())
            }
            Err(e) => {
                self.tell(Severity::Degraded, EventKind::ServerFailed, e.to_string());
                Err(e.to_string())
            }
        }
    }

    fn start_recording(&mut self, path: PathBuf) {
        if self.broadcast.recording.is_some() {
            return;
        }
        match self
            .broadcast
            .start_recording(path, &self.settings, &self.audio)
        {
            Ok(file) => self.tell(
                Severity::Notice,
                EventKind::RecordingStarted,
                format!("recording into {file}"),
            ),
            Err(e) => {
                self.broadcast.stop_recording(&self.audio);
                let text = words(&e);
                match e {
                    BroadcastError::Encoder(_) => self.encoder_failed(&text),
                    BroadcastError::Output(_) => {
                        self.tell(Severity::Fatal, EventKind::RecordingFailed, text)
                    }
                }
            }
        }
    }

    fn open_microphone(&mut self) {
        self.microphone = self
            .sources
            .set_microphone(&self.settings.audio.input, &self.settings.video);
        self.set_gain();
    }

    fn set_gain(&self) {
        if let Some(id) = self.microphone {
            self.audio
                .set_gain(id, self.settings.audio.gain_db, self.settings.audio.muted);
        }
    }

    /// Lists devices on a thread of its own: some systems take seconds to answer.
    fn rescan(&self) {
        let notices = self.notices.clone();
        let list = move |(), _: &StopFlag| {
            notices.send(Notice::Devices(
                capture::list_video(),
                capture::list_audio(),
            ));
            Ok(())
        };
        if let Err(e) = crate::stage::spawn(
            "devices",
            &StopFlag::new(),
            || Ok::<_, ()>(()),
            list,
            |_| {},
        ) {
            tracing::warn!(error = ?e, "devices could not be listed");
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Source(id, event) => {
                if let Some(source) = self.sources.name(id) {
                    self.source_event(source, event);
                }
            }
            Notice::Output(id, event) => self.output_event(id, event),
            Notice::Encoder(EncoderEvent::Rebuilt { error }) => {
                let text = format!(
                    "the encoder failed and was started again: {}",
                    words(&error)
                );
                self.tell(Severity::Degraded, EventKind::EncoderRebuilt, text);
            }
            Notice::Encoder(EncoderEvent::Failed { error }) => self.encoder_failed(&words(&error)),
            Notice::Exited(stage, exit) => self.stage_exited(stage, exit),
            Notice::Devices(video, audio) => {
                (self.video_devices, self.audio_devices) = (video, audio)
            }
            Notice::Screenshot(Ok(path)) => {
                let text = format!("picture saved as {}", path.display());
                self.tell(Severity::Notice, EventKind::ScreenshotSaved, text);
            }
            Notice::Screenshot(Err(reason)) => {
                self.tell(
                    Severity::Degraded,
                    EventKind::ScreenshotSaved,
                    format!("picture not saved: {reason}"),
                );
            }
        }
    }

    fn source_event(&mut self, source: String, event: SourceEvent) {
        match event {
            SourceEvent::Up { description } => {
                let text = format!("{source}: {description}");
                self.tell(Severity::Notice, EventKind::SourceUp { source }, text);
            }
            SourceEvent::Down { error, retrying } => {
                let text = if retrying {
                    format!("{}; trying again", words(&error))
                } else {
                    words(&error)
                };
                let severity = if retrying {
                    Severity::Degraded
                } else {
                    Severity::Fatal
                };
                self.tell(severity, EventKind::SourceLost { source }, text);
            }
            SourceEvent::Ended => {
                let text = format!("{source} has ended");
                self.tell(Severity::Notice, EventKind::SourceEnded { source }, text);
            }
        }
    }

    fn output_event(&mut self, id: u32, event: OutputEvent) {
        let is = |attached: &Option<Attached>| attached.as_ref().is_some_and(|a| a.id == id);
        let (is_stream, is_recording) = (is(&self.broadcast.stream), is(&self.broadcast.recording));
        match event {
            OutputEvent::Connected if is_stream => {
                self.live_since.get_or_insert(self.clock.now());
                self.tell(Severity::Notice, EventKind::OutputConnected, "you are live");
            }
            OutputEvent::Lost {
                error,
                attempt,
                retry_in_ms,
            } if is_stream => {
                let seconds = f64::from(retry_in_ms) / 1000.0;
                let text = format!("{}; try {attempt} begins in {seconds:.1} s", words(&error));
                self.tell(Severity::Degraded, EventKind::OutputLost, text);
            }
            OutputEvent::Failed { error } if is_stream => {
                let rejected = matches!(
                    error,
                    OutputError::Rejected { .. }
                        | OutputError::Busy { .. }
                        | OutputError::ClosedEarly { .. }
                );
                let reason = words(&error);
                self.broadcast.stop_stream(&self.audio);
                self.tell(
                    Severity::Fatal,
                    EventKind::OutputFailed { rejected },
                    reason.clone(),
                );
                self.failed = Some(reason);
            }
            OutputEvent::Failed { error } | OutputEvent::Lost { error, .. } if is_recording => {
                self.broadcast.stop_recording(&self.audio);
                self.tell(Severity::Fatal, EventKind::RecordingFailed, words(&error));
            }
            _ => {}
        }
    }

    fn encoder_failed(&mut self, reason: &str) {
        let was_live = self.broadcast.stream.is_some();
        self.broadcast.stop_stream(&self.audio);
        self.broadcast.stop_recording(&self.audio);
        self.tell(Severity::Fatal, EventKind::EncoderFailed, reason);
        if was_live {
            self.failed = Some(reason.to_owned());
        }
    }

    fn stage_exited(&mut self, stage: &str, exit: StageExit) {
        let reason = match exit {
            StageExit::Finished => return, // we asked for it
            StageExit::Failed(reason) | StageExit::Panicked(reason) => reason,
        };
        let text = format!(
            "the {stage} part of the program stopped: {reason}. Stop and start the show again"
        );
        self.tell(
            Severity::Fatal,
            EventKind::StageFailed {
                stage: stage.to_owned(),
            },
            text.clone(),
        );
        if self.broadcast.stream.is_some() {
            self.failed = Some(text);
        }
        self.broadcast.stop_stream(&self.audio);
        self.broadcast.stop_recording(&self.audio);
    }

    fn tick(&mut self) {
        self.ticks += 1;
        for (purpose, ended) in self.broadcast.poll_ending() {
            let (kind, what) = match purpose {
                Purpose::Stream => (EventKind::StreamStopped, "the stream has ended"),
                Purpose::Recording => (EventKind::RecordingStopped, "the recording has ended"),
            };
            let mib = ended.sent_bytes as f64 / f64::from(1 << 20);
            let text = format!(
                "{what}: {mib:.1} MiB, {} pictures dropped ({})",
                ended.dropped, ended.target
            );
            self.tell(Severity::Notice, kind, text);
        }
        let render = self.render.stats();
        let age_ns = f64::from(render.source_age_ms) * 1e6;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an age of milliseconds in nanoseconds"
        )]
        self.audio.set_video_delay(age_ns as i64);
        if self.broadcast.is_on()
            && self.overload.update(
                self.clock.now(),
                render.rendered,
                render.skipped + render.lagged,
            )
        {
            let text = "this machine cannot keep up, pictures are skipped: choose a smaller size, a lower rate or a \
                        faster preset";
            self.tell(Severity::Degraded, EventKind::EncoderOverloaded, text);
        }
        if self.ticks.is_multiple_of(2) {
            self.publish();
        }
    }

    fn state(&self) -> EngineState {
        if let Some(reason) = &self.failed {
            return EngineState::Failed {
                reason: reason.clone(),
            };
        }
        match self.broadcast.stream.as_ref().map(|s| s.stats().state) {
            None if self.broadcast.stream_is_ending() => EngineState::Stopping,
            None | Some(OutputState::Stopped | OutputState::Failed { .. }) => {
                EngineState::Previewing
            }
            Some(OutputState::Connecting) => EngineState::Connecting,
            Some(OutputState::Live) => EngineState::Live {
                since: self.live_since.unwrap_or_else(|| self.clock.now()),
            },
            Some(OutputState::Reconnecting {
                attempt,
                retry_at_ms,
            }) => EngineState::Reconnecting {
                attempt,
                retry_at: MediaTime::from_millis(retry_at_ms),
            },
        }
    }

    fn publish(&self) {
        let (sources, microphone) = self.sources.status();
        let builtin = self.settings.stream.url.trim().is_empty();
        let watch = self
            .server
            .as_ref()
            .filter(|_| builtin && self.broadcast.stream.is_some());
        let status = Status {
            at: self.clock.now(),
            engine: self.state(),
            sources,
            microphone,
            render: self.render.stats(),
            audio: self.audio.stats(),
            encoder: self.broadcast.encoder_stats(),
            stream: self.broadcast.stream.as_ref().map(Attached::stats),
            recording: self.broadcast.recording.as_ref().map(Attached::stats),
            watch_url: watch.map(|server| server.watch_url(BUILTIN_NAME)),
            video_devices: self.video_devices.clone(),
            audio_devices: self.audio_devices.clone(),
            gpu: self.gpu.adapter_name(),
            notices_lost: self.notices.lost(),
        };
        self.shared.status.store(Arc::new(status));
        (self.waker)();
    }

    fn tell(&self, severity: Severity, kind: EventKind, message: impl Into<String>) {
        let event = Event {
            at: self.clock.now(),
            severity,
            kind,
            message: message.into(),
        };
        match severity {
            Severity::Notice => tracing::info!(message = event.message),
            Severity::Degraded => tracing::warn!(message = event.message),
            Severity::Fatal => tracing::error!(message = event.message),
        }
        self.shared.events.lock().push(event);
        (self.waker)();
    }

    /// Ends everything, upstream first so that the last pictures still go out; names what did not end by `deadline`.
    pub(super) fn shutdown(&mut self, deadline: Instant) -> Vec<String> {
        self.sources.request_stop();
        let mut left = self
            .broadcast
            .shutdown(&self.audio, deadline - Duration::from_millis(500));
        self.render.request_stop();
        self.audio.request_stop();
        left.extend(self.sources.join_until(deadline));
        if !self.render.join_until(deadline) {
            left.push("render".to_owned());
        }
        if !self.audio.join_until(deadline) {
            left.push("audio".to_owned());
        }
        self.server = None;
        left
    }
}

fn start_render(
    gpu: &GpuContext,
    clock: MediaClock,
    settings: &Settings,
    scene: &Arc<ArcSwap<SceneState>>,
    frames: &Arc<ArcSwapOption<Sender<VideoFrame>>>,
    preview: &PreviewSink,
    notices: &NoticeSender,
) -> Result<RenderStage, RenderError> {
    let notices = notices.clone();
    RenderStage::start(RenderConfig {
        gpu: gpu.clone(),
        clock,
        resolution: settings.video.size,
        rate: settings.video.fps,
        scene: Arc::clone(scene),
        encoder: Arc::clone(frames),
        preview: preview.clone(),
        on_exit: Box::new(move |exit| notices.send(Notice::Exited("render", exit.clone()))),
    })
}

/// An error with its causes, for people: "what: why: why".
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
