//! Starting and ending the encoders of a show: the one whose pictures all outputs share, those of single destinations, and
//! that of the recording.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::super::encoders::format;
use super::super::notice::Notice;
use super::{Broadcast, BroadcastError, ENCODER_QUEUE};
use crate::audio::AudioStage;
use crate::encode::stage::{EncoderListener, VideoEncodeConfig, VideoEncodeStage};
use crate::encode::{EncodeError, VideoEncoderSettings};
use crate::media::packet::Bitrate;
use crate::settings::Settings;

/// How long the encoder may take to hand over what it still holds when it ends.
const FLUSH: Duration = Duration::from_millis(400);

impl Broadcast {
    pub(super) fn start_encoders(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
        audio: &AudioStage,
    ) -> Result<(), BroadcastError> {
        if self.needs_video() && self.encoder.is_none() {
            self.start_video_encoder(settings, ladder)?;
        }
        if self.recording.is_some() {
            self.start_record_encoder(settings)
                .map_err(BroadcastError::RecordEncoder)?;
        }
        if !self.sound_on {
            audio.set_encoder(Some(settings.audio.encoder.clone()))?;
            self.sound_on = true;
        }
        Ok(())
    }

    /// Somebody takes the stream's pictures.
    pub(super) const fn needs_video(&self) -> bool {
        let records = self.recording.is_some() && !self.record_encoder.is_wanted();
        self.stream.is_some() || self.replay.is_some() || records
    }

    /// Opens the recording's own encoder, if it has one.
    pub(in crate::engine) fn start_record_encoder(
        &mut self,
        settings: &Settings,
    ) -> Result<(), EncodeError> {
        self.record_encoder
            .start(settings, self.clock, &self.notices, &self.opener)
    }

    fn start_video_encoder(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), EncodeError> {
        self.control
            .set_bitrate(Bitrate::from_kbps(settings.encoder.bitrate_kbps));
        let (tx, rx) = bounded(ENCODER_QUEUE);
        let notices = self.notices.clone();
        self.encoders += 1;
        self.encoder_id = self.encoders;
        let id = self.encoder_id;
        let listener: EncoderListener =
            Arc::new(move |event| notices.send(Notice::Encoder(id, event)));
        let config = VideoEncodeConfig {
            settings: settings.encoder.clone(),
            format: format(settings),
            background: false,
            clock: self.clock,
            frames: rx,
            control: Arc::clone(&self.control),
            bus: Arc::clone(&self.bus),
            listener,
        };
        let stage = VideoEncodeStage::start_ladder(config, ladder, Arc::clone(&self.opener))?;
        self.encoder = Some(stage);
        self.input = Some(tx);
        self.publish_inputs();
        Ok(())
    }

    /// Ends the video encoder: no more pictures, then what it still holds goes out.
    pub(super) fn stop_video_encoder(&mut self) -> bool {
        self.frames.store(None);
        self.input = None;
        let deadline = Instant::now() + FLUSH;
        for own in self.more.iter_mut().filter_map(|m| m.own.as_mut()) {
            own.stop(deadline);
        }
        let Some(stage) = self.encoder.take() else {
            return true;
        };
        let ended = stage.join_until(deadline.max(Instant::now() + FLUSH / 4));
        if !ended {
            stage.abandon();
        }
        ended
    }

    /// Closes the video encoder while outputs go on; true if there was one, and [`Self::resume_video`] must follow.
    pub(in crate::engine) fn pause_video(&mut self) -> bool {
        let was_on = self.encoder.is_some();
        if was_on && !self.stop_video_encoder() {
            tracing::warn!("the old encoder was left behind");
        }
        was_on
    }

    /// Opens a video encoder again. Outputs see the new parameters in the next packet.
    pub(in crate::engine) fn resume_video(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), EncodeError> {
        self.start_video_encoder(settings, ladder.clone())?;
        let mut more = std::mem::take(&mut self.more);
        for own in more.iter_mut().filter_map(|m| m.own.as_mut()) {
            if let Err(error) = self.open_own(own, settings, ladder.clone()) {
                let error = crate::encode::stage::EncoderEvent::Failed { error };
                self.notices.send(Notice::Encoder(own.number, error));
            }
        }
        self.more = more;
        self.publish_inputs();
        Ok(())
    }

    /// Whether this is the number of the shared encoder that runs.
    pub(in crate::engine) const fn is_main_encoder(&self, id: u32) -> bool {
        self.encoder_id == id
    }

    /// The encoder that should be running has ended by itself.
    pub(in crate::engine) fn encoder_has_ended(&self) -> bool {
        self.encoder
            .as_ref()
            .is_some_and(VideoEncodeStage::is_finished)
    }

    pub(super) fn stop_record_encoder(&mut self, audio: &AudioStage) -> bool {
        audio.set_tracks(None);
        let ended = self.record_encoder.stop();
        self.record_encoder.want(Vec::new());
        ended
    }

    pub(super) fn stop_encoders(&mut self, audio: &AudioStage) -> bool {
        let ended = self.stop_video_encoder() & self.stop_record_encoder(audio);
        if std::mem::take(&mut self.sound_on)
            && let Err(error) = audio.set_encoder(None)
        {
            tracing::warn!(%error, "sound encoder did not close properly");
        }
        ended
    }
}
