//! The control loop: commands, notices and timers in; starts, stops, status and events out (thread `engine`).

mod changes;
mod listen;
mod mp4;
mod notices;
mod record;
mod scenes;
mod show;
mod stages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, bounded, select};

use self::listen::Listener;
use self::mp4::Mp4Queue;
use self::stages::{AudioParts, RenderParts, Restarts};
use crate::audio::AudioStage;
use crate::capture;
use crate::engine::broadcast::{Attached, Broadcast, Ended, Purpose};
use crate::engine::command::Command;
use crate::engine::encoders::Encoders;
use crate::engine::event::{Event, EventKind, Severity};
use crate::engine::notice::{Notice, NoticeSender, RecordFolder};
use crate::engine::overload::OverloadWatch;
use crate::engine::recorder::Sample;
use crate::engine::sources::SourceSet;
use crate::engine::status::{EngineState, Status};
use crate::engine::{EngineConfig, EngineError, Shared};
use crate::media::packet::PacketBus;
use crate::media::time::{MediaClock, MediaTime};
use crate::output::OutputState;
use crate::output::record::replay::ReplayBuffer;
use crate::playback::{self, OutputDevice};
use crate::render::overlay::text::template::Facts;
use crate::render::overlay::worker::Overlays;
use crate::render::transition::Transition;
use crate::render::{RenderStage, SceneState};
use crate::rtmp::url::{Login, RtmpUrl, StreamKey};
use crate::serve::Server;
use crate::settings::Settings;
use crate::stage::StopFlag;

/// How often the controller looks at timers and counters.
const TICK: Duration = Duration::from_millis(100);
/// How far back the graphs of the status go.
const GRAPH: Duration = Duration::from_secs(120);
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
    login: Option<Login>,
    /// Further addresses for the next start.
    more: Vec<RtmpUrl>,
    render_parts: RenderParts,
    render: RenderStage,
    audio_parts: AudioParts,
    audio: AudioStage,
    restarts: Restarts,
    sources: SourceSet,
    overlays: Overlays,
    /// The change of scenes that is under way.
    transition: Option<Arc<Transition>>,
    /// The output that is listened to.
    listener: Option<Listener>,
    /// Outputs opened so far.
    listeners: u32,
    broadcast: Broadcast,
    encoders: Encoders,
    server: Option<Server>,
    live_since: Option<MediaTime>,
    failed: Option<String>,
    /// Why nothing can be broadcast any more: a stage is gone for good.
    dead: Option<String>,
    /// The running stream goes to the built-in server.
    on_builtin: bool,
    overload: OverloadWatch,
    video_devices: Vec<capture::VideoDevice>,
    audio_devices: Vec<capture::AudioDevice>,
    outputs: Vec<OutputDevice>,
    /// The last minutes of figures, made anew each second.
    graph: Arc<Vec<Sample>>,
    mp4: Mp4Queue,
    /// Sounds that the recording keeps apart.
    track_names: Vec<String>,
    /// The recording keeps sounds apart.
    tracks_apart: bool,
    /// The same watch over the recording's own encoder.
    record_overload: OverloadWatch,
    /// The folder of recordings, as it was looked at last.
    recordings: Arc<RecordFolder>,
    /// Notices lost as of the last tick.
    notices_lost: u64,
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
        let audio_parts = AudioParts {
            clock,
            taps,
            bus: Arc::clone(&bus),
            notices: notices.clone(),
        };
        let audio = audio_parts.start().map_err(EngineError::Audio)?;

        let mut sources = SourceSet::new(clock, taps_tx, notices.clone());
        let problems = notices.clone();
        let listener = move |problem| problems.send(Notice::Overlay(problem));
        let mut overlays = Overlays::new(Arc::new(listener));
        let first_scene = sources.apply(&settings.scene, &settings.video, &[], false);
        overlays.show(&settings.scene.watermarks, settings.video.size);
        let first_scene = SceneState {
            overlays: overlays.board(),
            ..first_scene
        };
        let render_parts = RenderParts {
            gpu,
            clock,
            preview,
            scene: Arc::new(ArcSwap::from_pointee(first_scene)),
            frames: Arc::default(),
            record_frames: Arc::default(),
            notices: notices.clone(),
        };
        let frames = Arc::clone(&render_parts.frames);
        let own = Arc::clone(&render_parts.record_frames);
        let broadcast = Broadcast::new(clock, runtime.clone(), notices.clone(), bus, frames, own);
        let render = render_parts.start(&settings)?;
        let encoders = Encoders::new(&settings, notices.clone());
        let mut controller = Self {
            clock,
            runtime,
            shared,
            waker,
            notices,
            notice_rx,
            settings,
            key: StreamKey::default(),
            login: None,
            more: Vec::new(),
            render_parts,
            render,
            audio_parts,
            audio,
            restarts: Restarts::default(),
            sources,
            overlays,
            transition: None,
            listener: None,
            listeners: 0,
            broadcast,
            encoders,
            server: None,
            live_since: None,
            failed: None,
            dead: None,
            on_builtin: false,
            overload: OverloadWatch::default(),
            video_devices: Vec::new(),
            audio_devices: Vec::new(),
            outputs: Vec::new(),
            graph: Arc::default(),
            mp4: Mp4Queue::default(),
            track_names: Vec::new(),
            tracks_apart: false,
            record_overload: OverloadWatch::default(),
            recordings: Arc::default(),
            notices_lost: 0,
            ticks: 0,
        };
        controller.open_sounds(false);
        controller.apply_monitor();
        controller.look_at_recordings();
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

    pub(super) fn command(&mut self, command: Command) {
        let Some(command) = self.encoders.hold(command) else {
            return;
        };
        match command {
            Command::ApplySettings(settings) => self.apply(*settings),
            Command::SetKey(key) => self.key = key,
            Command::SetLogin(login) => self.login = login,
            Command::AllowRedirect(host) => self.broadcast.allow_redirect(&host),
            Command::ExportRecorder(path) => self.export_recorder(path),
            Command::SetMore(more) => self.more = more,
            Command::StartStream => self.start_stream(),
            Command::StopStream => {
                self.failed = None;
                self.broadcast.stop_stream(&self.audio, false);
            }
            Command::RetryNow => self.broadcast.retry_now(),
            Command::StartRecording(path) => self.start_recording(path),
            Command::Record(order) => self.order_recording(order),
            Command::StartReplay => self.start_replay(),
            Command::StopReplay => self.broadcast.stop_replay(&self.audio),
            Command::SaveReplay(path) => self.save_replay(path),
            Command::MakeMp4(recording) => self.make_mp4(recording),
            Command::CancelMp4 => self.mp4.cancel(),
            Command::SettleRecording(path) => self.settle_recording(&path),
            Command::StopRecording => self.broadcast.stop_recording(&self.audio, false),
            Command::SetVideoBitrate(bitrate) => {
                let mut settings = self.settings.clone();
                settings.encoder.bitrate_kbps = bitrate.kbps();
                self.apply(settings);
            }
            Command::SetTalking(talking) => self.audio.set_talking(talking),
            Command::ResetLoudness => self.audio.reset_loudness(),
            Command::SetCameraControl {
                camera,
                control,
                value,
            } => {
                let mut settings = self.settings.clone();
                settings.set_camera_control(camera.as_deref(), &control, value);
                self.apply(settings);
            }
            Command::SwitchScene { name, transition } => self.switch_scene(&name, transition),
            Command::Play(source, order) => self.sources.play(source, order),
            Command::RequestKeyframe => self.broadcast.control().request_keyframe(),
            Command::Screenshot(path) => self.screenshot(path),
            Command::RescanDevices => self.rescan(),
        }
    }

    /// Lists devices on a thread of its own: some systems take seconds to answer.
    fn rescan(&self) {
        let notices = self.notices.clone();
        let list = move |(), _: &StopFlag| {
            notices.send(Notice::Devices(
                capture::list_video(),
                capture::list_audio(),
                playback::list(),
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

    fn tick(&mut self) {
        self.ticks += 1;
        for command in self.encoders.overdue() {
            self.command(command);
        }
        for ended in self.broadcast.poll_ending() {
            self.tell_ended(ended);
        }
        let lost = self.notices.lost();
        if std::mem::replace(&mut self.notices_lost, lost) != lost {
            self.look_for_failures();
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
        if self.broadcast.record_encoder.is_on()
            && self
                .record_overload
                .update(self.clock.now(), render.rendered, render.record_skipped)
        {
            let text = "the recording's own encoder cannot keep up, pictures are missing in the recording: choose a \
                        faster preset for it, or record what is streamed";
            self.tell(Severity::Degraded, EventKind::RecordingSlow, text);
        }
        self.overlays.tell(Facts {
            live_for: self
                .live_since
                .filter(|_| self.state().is_on())
                .map_or(Duration::ZERO, |since| {
                    self.clock.now().saturating_since(since)
                }),
            fps: render.fps,
            bitrate_kbps: self
                .broadcast
                .stream
                .as_ref()
                .map_or(0.0, |s| s.stats().kbps as f32),
        });
        self.end_transition();
        if self.ticks.is_multiple_of(10) {
            self.warn_of_echo();
        }
        if self.ticks.is_multiple_of(10) {
            self.graph = Arc::new(self.shared.recorder.lock().recent(GRAPH));
        }
        if self.ticks.is_multiple_of(2) {
            self.publish();
        }
    }

    fn tell_ended(&self, ended: Ended) {
        let Ended {
            purpose,
            stats,
            told,
        } = ended;
        let (kind, what) = match purpose {
            Purpose::Stream | Purpose::More => (EventKind::StreamStopped, "the stream has ended"),
            Purpose::Recording | Purpose::Replay => {
                (EventKind::RecordingStopped, "the recording has ended")
            }
        };
        match stats.state {
            _ if told => {}
            OutputState::Failed { message } if purpose == Purpose::Recording => {
                self.tell(Severity::Fatal, EventKind::RecordingFailed, message);
            }
            _ => {
                let mib = stats.sent_bytes as f64 / f64::from(1 << 20);
                let (dropped, target) = (stats.dropped, stats.target);
                let text = format!("{what}: {mib:.1} MiB, {dropped} pictures dropped ({target})");
                self.tell(Severity::Notice, kind, text);
            }
        }
    }

    fn state(&self) -> EngineState {
        if let Some(reason) = &self.failed {
            return EngineState::Failed {
                reason: reason.clone(),
            };
        }
        match self.broadcast.stream.as_ref().map(|s| s.stats().state) {
            None if self.encoders.holds_stream() => EngineState::Connecting,
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
        let (sources, sounds) = self.sources.status();
        let shown = self.on_builtin && self.broadcast.stream.is_some();
        let watch = self.server.as_ref().filter(|_| shown);
        let status = Status {
            at: self.clock.now(),
            engine: self.state(),
            sources,
            sounds,
            render: self.render.stats(),
            audio: self.audio.stats(),
            encoder: self.broadcast.encoder_stats(),
            record_encoder: self.broadcast.record_encoder.stats(),
            stream: self.broadcast.stream.as_ref().map(Attached::stats),
            more: self.broadcast.more.iter().map(Attached::stats).collect(),
            recording: self.broadcast.recording.as_ref().map(Attached::stats),
            graph: Arc::clone(&self.graph),
            record: self.broadcast.recorder.as_ref().map(|r| r.record_stats()),
            replay: self.broadcast.replay().map(ReplayBuffer::replay_stats),
            mp4: self.mp4.progress(),
            unfinished: self.recordings.unfinished.clone(),
            record_folder: self.recordings.folder.clone(),
            record_free: self.recordings.free,
            watch_url: watch.map(|server| server.watch_url(BUILTIN_NAME)),
            encoders: self.encoders.reports(),
            video_devices: self.video_devices.clone(),
            audio_devices: self.audio_devices.clone(),
            outputs: self.outputs.clone(),
            monitor: self.monitor_output(),
            gpu: self.render_parts.gpu.adapter_name(),
            notices_lost: self.notices.lost(),
        };
        self.shared.recorder.lock().look(&status);
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
        self.shared.recorder.lock().note(&event);
        self.shared.events.lock().push(event);
        (self.waker)();
    }

    /// Ends everything, upstream first so that the last pictures still go out; names what did not end by `deadline`.
    pub(super) fn shutdown(&mut self, deadline: Instant) -> Vec<String> {
        self.sources.request_stop();
        self.listener = None;
        let mut left = self
            .broadcast
            .shutdown(&self.audio, deadline - Duration::from_millis(500));
        self.render.request_stop();
        self.audio.request_stop();
        if !self.mp4.end_until(deadline) {
            left.push("mp4".to_owned());
        }
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
