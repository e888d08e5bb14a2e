//! Recording, replay buffer, plain MP4s: what the user asks for, and what the recording threads tell.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Controller, words};
use crate::audio::TrackPlan;
use crate::capture::SourceSpec;
use crate::encode::stage::EncoderEvent;
use crate::engine::broadcast::BroadcastError;
use crate::engine::event::{EventKind, Severity};
use crate::engine::notice::{Notice, RecordFolder};
use crate::media::SourceId;
use crate::output::record::{self, Order, RecordNews};
use crate::render::scene::Layer;
use crate::settings::SoundSettings;
use crate::stage::{self, StopFlag};

/// Most live sounds that are kept apart in a recording.
const MOST_TRACKS: usize = 15;

impl Controller {
    pub(super) fn start_recording(&mut self, path: Option<PathBuf>) {
        if self.broadcast.recording.is_some() {
            return;
        }
        if let Some(reason) = self.dead.clone() {
            return self.tell(Severity::Fatal, EventKind::RecordingFailed, reason);
        }
        let mut config = self.settings.recording.config(path);
        let own = &self.settings.recording_encoder;
        if let Some(reason) = own.refused_by(config.format) {
            let text = format!("this cannot be recorded: {reason}");
            return self.tell(Severity::Fatal, EventKind::RecordingFailed, text);
        }
        let own = match own.own {
            true => self.encoders.ladder_for(&own.video, &self.settings),
            false => Vec::new(),
        };
        self.tracks_apart = self.settings.recording.separate_tracks;
        self.track_names = match self.settings.recording.separate_tracks {
            true => self.separate_tracks().0,
            false => Vec::new(),
        };
        config.inputs.clone_from(&self.track_names);
        let ladder = self.encoders.ladder(&self.settings);
        let started =
            self.broadcast
                .start_recording(config, &self.settings, ladder, own, &self.audio);
        match started {
            Ok(file) => {
                self.set_tracks();
                let text = format!("recording into {file}");
                self.tell(Severity::Notice, EventKind::RecordingStarted, text);
            }
            Err(e) => {
                self.broadcast.stop_recording(&self.audio, true);
                let text = words(&e);
                match e {
                    BroadcastError::Encoder(_) => self.encoder_failed(&text),
                    BroadcastError::RecordEncoder(_) | BroadcastError::Output(_) => {
                        self.tell(Severity::Fatal, EventKind::RecordingFailed, text);
                    }
                }
            }
        }
    }

    /// Sounds that a recording keeps apart: each live sound, and that of the pictures together, where they may have any;
    /// with the sources of each.
    fn separate_tracks(&self) -> (Vec<String>, Vec<Vec<SourceId>>) {
        let named = self.settings.audio.sounds.iter().map(SoundSettings::called);
        let sounds = named.zip(self.sources.sound_ids().map(|id| vec![id]));
        let layers = &self.settings.scene.layers;
        let may_sound = |l: &Layer| matches!(l.source, SourceSpec::File(_) | SourceSpec::Test {});
        let pictures = layers.iter().any(may_sound);
        let pictures =
            pictures.then(|| ("Pictures".to_owned(), self.sources.picture_ids().collect()));
        sounds.take(MOST_TRACKS).chain(pictures).unzip()
    }

    /// Has the sounds encoded that the recording keeps apart; a new file begins when there are others than before.
    pub(super) fn set_tracks(&mut self) {
        if !self.tracks_apart || self.broadcast.recording.is_none() {
            return;
        }
        let (names, inputs) = self.separate_tracks();
        if names != self.track_names {
            self.track_names.clone_from(&names);
            self.order_recording(Order::Inputs(names));
        }
        self.audio.set_tracks(Some(TrackPlan {
            inputs,
            settings: self.settings.audio.encoder.clone(),
            bus: Arc::clone(&self.broadcast.record_encoder.bus),
        }));
    }

    /// What happens to the recording's own encoder never touches the stream.
    pub(super) fn record_encoder_event(&mut self, event: EncoderEvent) {
        let (severity, kind, text) = match event {
            EncoderEvent::Rebuilt { error } => (
                Severity::Degraded,
                EventKind::EncoderRebuilt,
                format!(
                    "the recording's encoder failed and was started again: {}",
                    words(&error)
                ),
            ),
            EncoderEvent::Replaced { from, to, error } => (
                Severity::Degraded,
                EventKind::EncoderReplaced,
                format!(
                    "{from} failed, the recording goes on with {to}: {}",
                    words(&error)
                ),
            ),
            EncoderEvent::Lowered { from, to } => (
                Severity::Degraded,
                EventKind::EncoderLowered,
                format!(
                    "the recording's encoder could not keep up and pictures are missing in the recording: {to} takes \
                     over from {from}; recording what is streamed would cost nothing"
                ),
            ),
            EncoderEvent::Raised { from, to } => (
                Severity::Notice,
                EventKind::EncoderRaised,
                format!(
                    "the recording's encoder has time to spare again: {to} takes over from {from}"
                ),
            ),
            EncoderEvent::Failed { error } => {
                self.broadcast.stop_recording(&self.audio, true);
                let text = format!(
                    "the recording has ended because its encoder failed; what was recorded until now plays: {}",
                    words(&error)
                );
                (Severity::Fatal, EventKind::RecordingFailed, text)
            }
        };
        self.tell(severity, kind, text);
    }

    pub(super) fn order_recording(&self, order: Order) {
        if let Some(recorder) = &self.broadcast.recorder {
            recorder.order(order);
        }
    }

    pub(super) fn start_replay(&mut self) {
        let ladder = self.encoders.ladder(&self.settings);
        let started = match self.dead.clone() {
            Some(reason) => Err(reason),
            None => self
                .broadcast
                .start_replay(&self.settings, ladder, &self.audio)
                .map_err(|e| words(&e)),
        };
        if let Err(reason) = started {
            self.broadcast.stop_replay(&self.audio);
            self.replay_failed(&reason);
        }
    }

    pub(super) fn save_replay(&self, path: Option<PathBuf>) {
        match self.broadcast.replay() {
            Some(buffer) => buffer.save(self.settings.recording.replay_config(path)),
            None => self.replay_failed("the replay buffer is off: switch it on first"),
        }
    }

    fn replay_failed(&self, reason: &str) {
        let text = format!("the replay was not saved: {reason}");
        self.tell(Severity::Degraded, EventKind::ReplaySaved, text);
    }

    /// Settings of recordings changed.
    pub(super) fn recording_changed(&self) {
        let seconds = self.settings.recording.replay_seconds;
        if let Some(buffer) = self.broadcast.replay() {
            buffer.set_length(Duration::from_secs(seconds.into()));
        }
        self.look_at_recordings();
    }

    /// What a recording or a replay tells.
    pub(super) fn record_news(&mut self, news: RecordNews) {
        match news {
            RecordNews::Began { path } => {
                let parts = self.broadcast.recorder.as_ref();
                if parts.is_some_and(|r| r.record_stats().parts > 1) {
                    let text = format!("the recording goes on in {}", path.display());
                    self.tell(Severity::Notice, EventKind::RecordingSplit, text);
                }
            }
            RecordNews::Closed { path } => {
                if self.settings.recording.make_mp4 {
                    self.add_mp4(path);
                }
                self.look_at_recordings();
            }
            RecordNews::LowSpace { free, minutes } => {
                let left = minutes.map_or_else(String::new, |m| format!(" (about {m} min)"));
                let text = format!(
                    "the disk of the recording fills up: {} MB are free{left}; the recording will end before it is \
                     full: make room, or record to another disk",
                    free / 1_000_000
                );
                self.tell(Severity::Degraded, EventKind::DiskLow, text);
            }
            RecordNews::ReplaySaved { path, length } => {
                let text = format!(
                    "replay of {:.0} s saved as {}",
                    length.as_secs_f64(),
                    path.display()
                );
                self.tell(Severity::Notice, EventKind::ReplaySaved, text);
            }
            RecordNews::ReplayFailed { reason } => self.replay_failed(&reason),
        }
    }

    /// Makes a plain MP4 of a recording, after those that wait already.
    pub(super) fn make_mp4(&mut self, from: PathBuf) {
        if self.is_written(&from) {
            let text = "the recording is still running: end it first";
            return self.tell(Severity::Degraded, EventKind::Mp4Failed, text);
        }
        self.add_mp4(from);
    }

    fn add_mp4(&mut self, from: PathBuf) {
        if !self.mp4.add(from, &self.notices) {
            let text = "too many recordings wait for their MP4: try again later";
            self.tell(Severity::Degraded, EventKind::Mp4Failed, text);
        }
    }

    pub(super) fn mp4_made(
        &mut self,
        from: &Path,
        made: Result<PathBuf, crate::container::remux::RemuxError>,
    ) {
        self.mp4.next(&self.notices);
        match made {
            Ok(path) => {
                let text = format!("{} is a plain MP4 now", path.display());
                self.tell(Severity::Notice, EventKind::Mp4Made, text);
            }
            Err(e) => {
                let text = format!("no MP4 was made of {}: {}", from.display(), words(&e));
                self.tell(Severity::Degraded, EventKind::Mp4Failed, text);
            }
        }
        self.look_at_recordings();
    }

    pub(super) fn settle_recording(&mut self, recording: &Path) {
        Arc::make_mut(&mut self.recordings)
            .unfinished
            .retain(|p| p != recording);
        if let Err(error) = record::settle(recording) {
            tracing::warn!(%error, "the marker of an interrupted recording stays");
        }
    }

    /// Looks at the folder of recordings, on a thread of its own: a disk may sleep.
    pub(super) fn look_at_recordings(&self) {
        let (notices, folder) = (self.notices.clone(), self.settings.recording.place());
        let look = move |(), _: &StopFlag| {
            notices.send(Notice::Recordings(RecordFolder {
                free: record::free_bytes(&folder),
                unfinished: record::unfinished(&folder),
                folder,
            }));
            Ok(())
        };
        let ready = || Ok::<_, std::convert::Infallible>(());
        if let Err(error) = stage::spawn("recordings", &StopFlag::new(), ready, look, |_| {}) {
            tracing::warn!(%error, "the folder of recordings was not looked at");
        }
    }

    /// It is the file being recorded into.
    fn is_written(&self, path: &Path) -> bool {
        let recorder = self.broadcast.recorder.as_ref();
        recorder.is_some_and(|r| r.record_stats().file.as_path() == path)
    }

    pub(super) fn recordings_seen(&mut self, mut seen: RecordFolder) {
        seen.unfinished.retain(|path| !self.is_written(path));
        let known = std::mem::replace(&mut self.recordings, Arc::new(seen));
        let new = Arc::clone(&self.recordings);
        for recording in &new.unfinished {
            if !known.unfinished.contains(recording) {
                let text = format!(
                    "the recording {} was interrupted; it plays to its last second, and a plain MP4 can be made of it",
                    recording.display()
                );
                self.tell(Severity::Notice, EventKind::RecordingUnfinished, text);
            }
        }
    }
}
