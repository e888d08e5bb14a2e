//! The engine's own stages: how they are started, and what happens when one of them fails. A panic or an error ends
//! only that stage's thread; it is started anew once, and the show goes on. A second failure soon after ends the show.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Receiver, Sender};

use super::{Controller, words};
use crate::audio::{AudioConfig, AudioStage};
use crate::encode::EncodeError;
use crate::engine::event::{EventKind, Severity};
use crate::engine::notice::{Notice, NoticeSender};
use crate::gpu::context::GpuContext;
use crate::media::packet::PacketBus;
use crate::media::ring::AudioTap;
use crate::media::time::{MediaClock, MediaTime};
use crate::media::video::VideoFrame;
use crate::render::preview::PreviewSink;
use crate::render::{EncoderInputs, RenderConfig, RenderError, RenderStage, SceneState};
use crate::settings::Settings;
use crate::stage::StageExit;

/// A stage that fails again within this time is not started a third time.
const RESTART_WINDOW: Duration = Duration::from_secs(60);

/// What a render stage is made from besides the settings; kept, as a change of format makes a new one.
pub(super) struct RenderParts {
    pub(super) gpu: GpuContext,
    pub(super) clock: MediaClock,
    pub(super) preview: PreviewSink,
    pub(super) scene: Arc<ArcSwap<SceneState>>,
    pub(super) frames: Arc<ArcSwapOption<EncoderInputs>>,
    /// Those of the recording's own encoder.
    pub(super) record_frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    pub(super) notices: NoticeSender,
}

impl RenderParts {
    pub(super) fn start(&self, settings: &Settings) -> Result<RenderStage, RenderError> {
        let notices = self.notices.clone();
        RenderStage::start(RenderConfig {
            gpu: self.gpu.clone(),
            clock: self.clock,
            resolution: settings.video.size,
            rate: settings.video.fps,
            scene: Arc::clone(&self.scene),
            encoder: Arc::clone(&self.frames),
            recorder: Arc::clone(&self.record_frames),
            preview: self.preview.clone(),
            on_exit: Box::new(move |exit| notices.send(Notice::Exited("render", exit.clone()))),
        })
    }
}

/// What an audio stage is made from.
pub(super) struct AudioParts {
    pub(super) clock: MediaClock,
    pub(super) taps: Receiver<AudioTap>,
    pub(super) bus: Arc<PacketBus>,
    pub(super) notices: NoticeSender,
}

impl AudioParts {
    pub(super) fn start(&self) -> Result<AudioStage, EncodeError> {
        let notices = self.notices.clone();
        AudioStage::start(AudioConfig {
            clock: self.clock,
            taps: self.taps.clone(),
            bus: Arc::clone(&self.bus),
            on_exit: Box::new(move |exit| notices.send(Notice::Exited("audio", exit.clone()))),
        })
    }
}

/// When each stage was started anew.
#[derive(Debug, Default)]
pub(super) struct Restarts(HashMap<&'static str, MediaTime>);

impl Restarts {
    /// Whether a stage that fails now may be started anew; notes that it is.
    fn allow(&mut self, stage: &'static str, now: MediaTime) -> bool {
        let before = self.0.insert(stage, now);
        before.is_none_or(|t| now.saturating_since(t) >= RESTART_WINDOW)
    }
}

impl Controller {
    pub(super) fn stage_exited(&mut self, stage: &'static str, exit: StageExit) {
        let reason = match exit {
            StageExit::Finished => return, // we asked for it
            StageExit::Failed(reason) | StageExit::Panicked(reason) => reason,
        };
        if self.render_parts.gpu.lost().is_some() || !self.restarts.allow(stage, self.clock.now()) {
            return self.stage_lost(stage, &reason);
        }
        let restarted = match stage {
            "render" => self.restart_render(),
            _ => self.restart_audio(),
        };
        match restarted {
            Ok(()) => {
                let text = format!(
                    "the {stage} part of the program failed and was started again: {reason}"
                );
                let kind = EventKind::StageRestarted {
                    stage: stage.to_owned(),
                };
                self.tell(Severity::Degraded, kind, text);
            }
            Err(error) => self.stage_lost(stage, &format!("{reason}; then {error}")),
        }
    }

    fn restart_render(&mut self) -> Result<(), String> {
        self.render = (self.render_parts.start(&self.settings)).map_err(|e| words(&e))?;
        self.broadcast.control().request_keyframe(); // what the encoder saw last may be seconds old
        Ok(())
    }

    /// The sound rings ended with the stage that read them: sources are opened anew with it.
    fn restart_audio(&mut self) -> Result<(), String> {
        self.audio = self.audio_parts.start().map_err(|e| words(&e))?;
        self.show_scene(true);
        self.open_sounds(true);
        self.listener = None;
        self.apply_monitor();
        if self.broadcast.is_on() {
            let encoder = self.settings.audio.encoder.clone();
            self.audio
                .set_encoder(Some(encoder))
                .map_err(|e| words(&e))?;
        }
        Ok(())
    }

    /// A stage is gone for good: nothing can be broadcast any more.
    pub(super) fn stage_lost(&mut self, stage: &str, reason: &str) {
        let kind = match self.render_parts.gpu.lost() {
            Some(_) if stage == "render" => EventKind::GpuLost,
            _ => EventKind::StageFailed {
                stage: stage.to_owned(),
            },
        };
        let text = format!(
            "the {stage} part of the program stopped ({reason}): close Kaibo and start it again"
        );
        self.tell(Severity::Fatal, kind, text.clone());
        self.dead = Some(text.clone());
        if self.broadcast.stream.is_some() {
            self.failed = Some(text);
        }
        self.broadcast.stop_stream(&self.audio, true);
        self.broadcast.stop_recording(&self.audio, true);
        self.broadcast.stop_replay(&self.audio);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::event::Event;
    use crate::engine::{EngineConfig, Shared};
    use crate::gpu::context::AdapterChoice;

    fn events(shared: &Shared) -> Vec<EventKind> {
        let events = shared.events.lock().drain();
        events.into_iter().map(|e: Event| e.kind).collect()
    }

    #[test]
    fn an_audio_stage_that_fails_is_started_anew_with_its_inputs_and_encoder() {
        let gpu = match GpuContext::headless(AdapterChoice::Software) {
            Ok(gpu) => gpu,
            Err(e) => {
                assert!(std::env::var_os("CI").is_none(), "{e}");
                return;
            }
        };
        let mut settings = Settings::default();
        settings.video.size = crate::media::video::Resolution::new(320, 180);
        settings.audio.sounds.clear();
        settings.server.rtmp = ([127, 0, 0, 1], 0).into();
        settings.server.http = ([127, 0, 0, 1], 0).into();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let shared = Arc::new(Shared::new().0);
        let config = EngineConfig {
            gpu,
            settings,
            preview: PreviewSink::None,
            waker: Arc::new(|| {}),
        };
        let clock = MediaClock::start();
        let handle = runtime.handle().clone();
        let mut controller = Controller::start(config, clock, handle, Arc::clone(&shared)).unwrap();
        controller.start_stream();
        let failed = || StageExit::Panicked("made to fail".to_owned());

        controller.stage_exited("audio", failed());
        assert!(events(&shared).contains(&EventKind::StageRestarted {
            stage: "audio".to_owned()
        }));
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let stats = controller.audio.stats();
            if stats.packets > 5 && stats.active_inputs == 1 {
                break;
            }
            assert!(Instant::now() < limit, "{stats:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(controller.broadcast.is_on());

        controller.stage_exited("audio", failed());
        assert!(events(&shared).contains(&EventKind::StageFailed {
            stage: "audio".to_owned()
        }));
        assert!(!controller.broadcast.is_on() && controller.failed.is_some());
        assert!(
            controller
                .shutdown(Instant::now() + Duration::from_secs(3))
                .is_empty()
        );
    }

    #[test]
    fn a_stage_is_started_anew_once_a_minute_at_most() {
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        let mut restarts = Restarts::default();
        assert!(restarts.allow("audio", at(5)));
        assert!(restarts.allow("render", at(6)), "each stage by itself");
        assert!(!restarts.allow("audio", at(64)));
        assert!(restarts.allow("audio", at(124)));
    }
}
