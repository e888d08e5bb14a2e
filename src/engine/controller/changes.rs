//! From the settings that are to the settings that shall be.

use std::time::{Duration, Instant};

use super::{Controller, words};
use crate::audio::InputMix;
use crate::capture::AudioSpec;
use crate::encode::EncodeError;
use crate::encode::stage::EncoderEvent;
use crate::engine::event::{EventKind, Severity};
use crate::media::packet::Bitrate;
use crate::settings::diff::ChangeSet;
use crate::settings::scenes::TransitionSettings;
use crate::settings::{MixSettings, Settings};

impl Controller {
    pub(super) fn apply(&mut self, settings: Settings) {
        let transition = settings.scenes.transition;
        self.apply_by(settings, transition);
    }

    /// As [`apply`](Self::apply); another scene comes by `transition`.
    pub(super) fn apply_by(&mut self, settings: Settings, transition: TransitionSettings) {
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
        if change.encoder || change.format {
            self.encoders.ask(&self.settings);
        }
        // the old encoder gets no picture of the new size: it is closed before the render stage changes
        let reopen = (change.encoder || change.format) && self.broadcast.pause_video();
        let reopen_own = change.format && self.broadcast.record_encoder.is_on();
        if reopen_own && !self.broadcast.record_encoder.stop() {
            tracing::warn!("the recording's old encoder was left behind");
        }
        if change.format {
            self.restart_format();
        } else if change.scene && change.switch {
            self.begin_transition(transition);
        } else if change.scene {
            self.show_scene(false);
        }
        if reopen
            && self.broadcast.is_on()
            && let Err(e) = self.resume_video()
        {
            self.encoder_failed(&words(&e));
        }
        if reopen_own && let Err(error) = self.broadcast.start_record_encoder(&self.settings) {
            self.record_encoder_event(EncoderEvent::Failed { error });
        }
        if change.link || change.bitrate || change.format || change.audio_encoder {
            self.broadcast.tune(&self.settings);
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
            self.broadcast.stop_recording(&self.audio, true);
            self.encoder_failed(&words(&e));
        }
        if change.sounds {
            self.open_sounds(false);
        } else if change.mix || change.scene || change.format {
            self.set_mixes();
        }
        if change.scene || change.format || change.audio_encoder {
            self.set_tracks();
        }
        if change.master {
            self.audio.set_master(self.settings.audio.master);
        }
        if change.monitor || change.sounds {
            self.apply_monitor();
        }
        if change.recording {
            self.recording_changed();
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

    fn resume_video(&mut self) -> Result<(), EncodeError> {
        let ladder = self.encoders.ladder(&self.settings);
        self.broadcast.resume_video(&self.settings, ladder)
    }

    /// New size or rate: the render stage and the sources are made for one format and start anew.
    pub(super) fn restart_format(&mut self) {
        self.render.request_stop();
        if !self
            .render
            .join_until(Instant::now() + Duration::from_secs(1))
        {
            self.stage_lost("render", "it does not end");
            return;
        }
        self.show_scene(true);
        match self.render_parts.start(&self.settings) {
            Ok(render) => self.render = render,
            Err(e) => self.stage_lost("render", &words(&e)),
        }
    }

    /// Opens the live sounds (all anew, when `reopen`) and has them mixed as the settings say.
    pub(super) fn open_sounds(&mut self, reopen: bool) {
        let Settings { audio, video, .. } = &self.settings;
        self.sources.set_sounds(&audio.sounds, video, reopen);
        self.set_mixes();
        self.set_tracks();
        self.audio.set_master(self.settings.audio.master); // the audio stage may be a new one
    }

    /// Tells the mixer how each sound is mixed.
    pub(super) fn set_mixes(&self) {
        let audio = &self.settings.audio;
        let pictures = self.sources.picture_ids();
        let pictures = pictures.map(|id| (id, input_mix(&audio.picture, false)));
        let sounds = self.sources.sound_ids();
        let sounds = sounds.zip(&audio.sounds).map(|(id, sound)| {
            let microphone = matches!(sound.source, AudioSpec::Microphone { .. });
            (id, input_mix(&sound.mix, microphone))
        });
        self.audio.set_mixes(pictures.chain(sounds).collect());
    }
}

/// What the settings of a sound mean to the mixer.
fn input_mix(mix: &MixSettings, microphone: bool) -> InputMix {
    let MixSettings {
        gain_db,
        muted,
        channels,
        offset_ms,
        mut chain,
    } = *mix;
    chain.role = chain.role.resolved(microphone);
    InputMix {
        gain_db,
        muted,
        channels,
        offset_ms,
        chain,
    }
}
