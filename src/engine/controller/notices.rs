//! What the stages told: into events in words, and into decisions that touch other stages.

use super::{Controller, words};
use crate::capture::supervisor::SourceEvent;
use crate::capture::{AudioSpec, SourceError};
use crate::encode::stage::EncoderEvent;
use crate::engine::broadcast::Attached;
use crate::engine::event::{EventKind, Severity};
use crate::engine::notice::Notice;
use crate::media::SourceId;
use crate::output::{OutputEvent, OutputState};
use crate::render::overlay::OverlayProblem;

impl Controller {
    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Source(id, event) => {
                if let Some(source) = self.sources.picture(id) {
                    self.source_event(source, event);
                } else {
                    self.sound_event(id, event);
                }
            }
            // also from one that is ending: its last file is closed then
            Notice::Output(_, OutputEvent::Record(news)) => self.record_news(news),
            Notice::Output(id, event) => self.output_event(id, event),
            Notice::Mp4(from, made) => self.mp4_made(&from, made),
            Notice::Recordings(seen) => self.recordings_seen(seen),
            Notice::Encoder(id, event) if !self.broadcast.is_main_encoder(id) => {
                self.own_encoder_event(id, &event);
            }
            Notice::Encoder(_, EncoderEvent::Rebuilt { error }) => {
                let text = format!(
                    "the encoder failed and was started again: {}",
                    words(&error)
                );
                self.tell(Severity::Degraded, EventKind::EncoderRebuilt, text);
            }
            Notice::Encoder(_, EncoderEvent::Replaced { from, to, error }) => {
                let text = format!(
                    "{from} failed, the show goes on with {to}: {}",
                    words(&error)
                );
                self.tell(Severity::Degraded, EventKind::EncoderReplaced, text);
            }
            Notice::Encoder(_, EncoderEvent::Lowered { from, to }) => {
                let text = format!(
                    "the encoder could not keep up and pictures were skipped: {to} takes over from {from}; a smaller \
                     size or a lower rate would keep the quality"
                );
                self.tell(Severity::Degraded, EventKind::EncoderLowered, text);
            }
            Notice::Encoder(_, EncoderEvent::Raised { from, to }) => {
                let text = format!(
                    "the encoder has time to spare again: {to} takes over from {from}, and the quality is better"
                );
                self.tell(Severity::Notice, EventKind::EncoderRaised, text);
            }
            Notice::RecordEncoder(id, event) => {
                if id == self.broadcast.record_encoder.id {
                    self.record_encoder_event(event);
                }
            }
            Notice::Encoders(key, reports) => {
                for command in self.encoders.answer(&key, reports) {
                    self.command(command);
                }
            }
            Notice::Encoder(_, EncoderEvent::Failed { error }) => {
                self.encoder_failed(&words(&error));
            }
            Notice::Exited(stage, exit) => self.stage_exited(stage, exit),
            Notice::Devices(video, audio, outputs) => {
                self.outputs = outputs;
                (self.video_devices, self.audio_devices) = (video, audio);
            }
            Notice::Playback(number, event) => self.playback_event(number, event),
            Notice::Overlay(OverlayProblem { index, message }) => {
                let text = format!("watermark {}: {message}", index + 1);
                let kind = EventKind::WatermarkProblem { index };
                self.tell(Severity::Degraded, kind, text);
            }
            Notice::Recorder(result) => {
                let (severity, text) = match result {
                    Ok(path) => (
                        Severity::Notice,
                        format!("the last ten minutes are written to {}", path.display()),
                    ),
                    Err(reason) => (
                        Severity::Degraded,
                        format!("the last ten minutes could not be written: {reason}"),
                    ),
                };
                self.tell(severity, EventKind::RecorderExported, text);
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

    pub(super) fn source_event(&self, source: String, event: SourceEvent) {
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
            SourceEvent::Trouble(text) => {
                self.tell(
                    Severity::Degraded,
                    EventKind::SourceTrouble { source },
                    text,
                );
            }
            SourceEvent::Ended => {
                let text = format!("{source} has ended");
                self.tell(Severity::Notice, EventKind::SourceEnded { source }, text);
            }
        }
    }

    /// What happens to a live sound never ends the show: there is silence in its place.
    fn sound_event(&self, id: SourceId, event: SourceEvent) {
        let Some((source, spec)) = self.sources.sound(id) else {
            return; // closed meanwhile
        };
        let no_microphone = |error: &SourceError| {
            *spec == AudioSpec::MICROPHONE && matches!(error, SourceError::NotFound { .. })
        };
        match event {
            SourceEvent::Up { description } => {
                let text = format!("{source}: {description}");
                self.tell(Severity::Notice, EventKind::SoundUp { source }, text);
            }
            // many machines have none, and many shows need none
            SourceEvent::Down { error, .. } if no_microphone(&error) => {
                let text = "no microphone was found: it is heard as soon as one is plugged in";
                self.tell(Severity::Notice, EventKind::NoMicrophone, text);
            }
            SourceEvent::Down { error, retrying } => {
                let why = match &error {
                    SourceError::Lost { what } => format!("{what} went away"),
                    error => words(error),
                };
                let again = if retrying {
                    "; it is heard again by itself as soon as it can be"
                } else {
                    ""
                };
                let text = format!("{source} is silent: {why}{again}");
                let absent = !retrying
                    || matches!(
                        error,
                        SourceError::NotFound { .. } | SourceError::NoServer { .. }
                    );
                let kind = EventKind::SoundLost { source, absent };
                self.tell(Severity::Degraded, kind, text);
            }
            SourceEvent::Trouble(text) => tracing::warn!(source, text), // no sound has any
            SourceEvent::Ended => {
                let text = format!("{source} has ended");
                self.tell(Severity::Notice, EventKind::SoundEnded { source }, text);
            }
        }
    }

    pub(super) fn output_event(&mut self, id: u32, event: OutputEvent) {
        let is = |attached: &Option<Attached>| attached.as_ref().is_some_and(|a| a.id == id);
        if let Some(more) = self.broadcast.more.iter().find(|a| a.id == id) {
            return self.more_event(id, more.stats().target, event);
        }
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
            OutputEvent::Silent { seconds } if is_stream => {
                let text = format!(
                    "nothing has got through to the server for {seconds} s: check your network; the stream goes on by \
                     itself when the link returns"
                );
                self.tell(Severity::Degraded, EventKind::LinkSilent, text);
            }
            OutputEvent::Returned if is_stream => {
                let text = "the link is back, the stream goes on";
                self.tell(Severity::Notice, EventKind::LinkReturned, text);
            }
            OutputEvent::RedirectAsked { host } if is_stream => {
                let text = redirect_question(&host);
                self.tell(Severity::Degraded, EventKind::RedirectAsked { host }, text);
            }
            OutputEvent::Moved { peer } if is_stream => {
                let text = format!("the stream goes on over another server ({peer})");
                self.tell(Severity::Notice, EventKind::OutputMoved, text);
            }
            OutputEvent::Degraded { error } => {
                self.tell(Severity::Degraded, EventKind::RecordingSlow, words(&error));
            }
            OutputEvent::Failed { error } if is_stream => {
                let rejected = error.is_rejection();
                let reason = words(&error);
                self.broadcast.stop_stream(&self.audio, true);
                self.tell(
                    Severity::Fatal,
                    EventKind::OutputFailed { rejected },
                    reason.clone(),
                );
                self.failed = Some(reason);
            }
            OutputEvent::Failed { error } | OutputEvent::Lost { error, .. } if is_recording => {
                self.broadcast.stop_recording(&self.audio, true);
                self.tell(Severity::Fatal, EventKind::RecordingFailed, words(&error));
            }
            _ => {}
        }
    }

    /// Something happened to the encoder of one destination (or to one that was replaced meanwhile).
    fn own_encoder_event(&mut self, number: u32, event: &EncoderEvent) {
        let EncoderEvent::Failed { error } = event else {
            return; // it goes on
        };
        if let Some(target) = self.broadcast.share_instead(number) {
            let text = format!(
                "{target}: its own encoder failed ({}); it gets the pictures of the other destinations",
                words(error)
            );
            self.tell(Severity::Degraded, EventKind::MoreChanged { target }, text);
        }
    }

    /// What happens to a further destination is told; the stream goes on whatever it is.
    fn more_event(&mut self, id: u32, target: String, event: OutputEvent) {
        let (severity, text) = match event {
            OutputEvent::Connected => (Severity::Notice, format!("also live at {target}")),
            OutputEvent::Lost { error, .. } => (
                Severity::Degraded,
                format!("{target}: {}; it is tried again", words(&error)),
            ),
            OutputEvent::Failed { error } => {
                self.broadcast.stop_more(id, &self.audio);
                let reason = words(&error);
                let text = format!("{target} is given up, the stream goes on without it: {reason}");
                (Severity::Degraded, text)
            }
            OutputEvent::Silent { seconds } => (
                Severity::Degraded,
                format!("{target}: nothing has got through for {seconds} s"),
            ),
            OutputEvent::Returned => (Severity::Notice, format!("{target}: the link is back")),
            OutputEvent::Moved { peer } => (
                Severity::Notice,
                format!("{target}: goes on over another server ({peer})"),
            ),
            OutputEvent::RedirectAsked { host } => (
                Severity::Degraded,
                format!("{target}: {}", redirect_question(&host)),
            ),
            OutputEvent::Degraded { .. }
            | OutputEvent::Record(_)
            | OutputEvent::NeedKeyframe
            | OutputEvent::VideoRate(_) => return,
        };
        self.tell(severity, EventKind::MoreChanged { target }, text);
    }

    pub(super) fn encoder_failed(&mut self, reason: &str) {
        let was_live = self.broadcast.stream.is_some();
        self.broadcast.stop_stream(&self.audio, true);
        self.broadcast.stop_replay(&self.audio);
        // one with an encoder of its own has its pictures still
        if !self.broadcast.record_encoder.is_wanted() {
            self.broadcast.stop_recording(&self.audio, true);
        }
        self.tell(Severity::Fatal, EventKind::EncoderFailed, reason);
        if was_live {
            self.failed = Some(reason.to_owned());
        }
    }

    /// Notices were lost, and with them maybe the word of a failure: the state of encoder and outputs still tells.
    pub(super) fn look_for_failures(&mut self) {
        if self.broadcast.encoder_has_ended() {
            self.encoder_failed("the video encoder stopped");
        }
        for number in self.broadcast.ended_own() {
            if let Some(target) = self.broadcast.share_instead(number) {
                let text = format!(
                    "{target}: its own encoder stopped; it gets the pictures of the other destinations"
                );
                self.tell(Severity::Degraded, EventKind::MoreChanged { target }, text);
            }
        }
        if self.broadcast.record_encoder.has_ended() {
            self.broadcast.stop_recording(&self.audio, true);
            let text = "the recording has ended because its encoder stopped";
            self.tell(Severity::Fatal, EventKind::RecordingFailed, text);
        }
        let failure = |attached: &Option<Attached>| match attached.as_ref()?.stats().state {
            OutputState::Failed { message } => Some(message),
            _ => None,
        };
        let stream = failure(&self.broadcast.stream);
        let recording = failure(&self.broadcast.recording);
        if let Some(reason) = stream {
            self.stream_failed(reason);
        }
        if let Some(reason) = recording {
            self.broadcast.stop_recording(&self.audio, true);
            self.tell(Severity::Fatal, EventKind::RecordingFailed, reason);
        }
    }
}

fn redirect_question(host: &str) -> String {
    format!(
        "the server sends the stream to {host}, which belongs to somebody else: the stream key is not sent there before \
         you allow it"
    )
}
