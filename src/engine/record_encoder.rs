//! The recording's own encoder, beside that of the stream: the same pictures in by a queue of its own, packets onto a bus
//! of its own out. Whatever happens to it, the stream does not notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Sender, bounded};

use super::broadcast::ENCODER_QUEUE;
use super::encoders::format;
use super::notice::{Notice, NoticeSender};
use crate::encode::stage::{
    EncoderControl, EncoderListener, EncoderStats, VideoEncodeConfig, VideoEncodeStage,
};
use crate::encode::{EncodeError, VideoEncoderSettings};
use crate::media::packet::{Bitrate, PacketBus};
use crate::media::time::MediaClock;
use crate::media::video::VideoFrame;
use crate::settings::Settings;

/// How long it may take to hand over what it still holds when it ends: with look-ahead that is more than a stream's.
const FLUSH: Duration = Duration::from_millis(1500);

/// See the module's page.
pub(super) struct RecordEncoder {
    /// Its pictures, and sounds of single inputs.
    pub(super) bus: Arc<PacketBus>,
    pub(super) control: Arc<EncoderControl>,
    frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    stage: Option<VideoEncodeStage>,
    /// What to open, best first, while the recording has it; empty: it takes the stream's packets.
    ladder: Vec<VideoEncoderSettings>,
    /// Number of the running (or last) encoder; word from another one is old.
    pub(super) id: u32,
}

impl RecordEncoder {
    /// `frames` is where the render stage looks for its queue.
    pub(super) fn new(frames: Arc<ArcSwapOption<Sender<VideoFrame>>>) -> Self {
        Self {
            bus: Arc::default(),
            control: Arc::default(),
            frames,
            stage: None,
            ladder: Vec::new(),
            id: 0,
        }
    }

    /// What the next recording is encoded by; nothing: the stream's packets.
    pub(super) fn want(&mut self, ladder: Vec<VideoEncoderSettings>) {
        self.ladder = ladder;
    }

    /// The recording has it.
    pub(super) const fn is_wanted(&self) -> bool {
        !self.ladder.is_empty()
    }

    /// Opens it, if the recording has it and it is not open.
    pub(super) fn start(
        &mut self,
        settings: &Settings,
        clock: MediaClock,
        notices: &NoticeSender,
        opener: &crate::encode::stage::EncoderFactory,
    ) -> Result<(), EncodeError> {
        let Some(first) = self.ladder.first().filter(|_| self.stage.is_none()) else {
            return Ok(());
        };
        self.control
            .set_bitrate(Bitrate::from_kbps(first.bitrate_kbps));
        let (tx, rx) = bounded(ENCODER_QUEUE);
        self.id += 1;
        let (notices, id) = (notices.clone(), self.id);
        let listener: EncoderListener =
            Arc::new(move |event| notices.send(Notice::RecordEncoder(id, event)));
        let config = VideoEncodeConfig {
            settings: first.clone(),
            format: format(settings),
            background: true,
            clock,
            frames: rx,
            control: Arc::clone(&self.control),
            bus: Arc::clone(&self.bus),
            listener,
        };
        let stage =
            VideoEncodeStage::start_ladder(config, self.ladder.clone(), Arc::clone(opener))?;
        self.frames.store(Some(Arc::new(tx)));
        self.stage = Some(stage);
        Ok(())
    }

    /// Ends it: no more pictures, then what it still holds goes out. False when it was left behind.
    pub(super) fn stop(&mut self) -> bool {
        self.frames.store(None);
        self.id += 1; // what it still says is old
        let Some(stage) = self.stage.take() else {
            return true;
        };
        let ended = stage.join_until(Instant::now() + FLUSH);
        if !ended {
            stage.abandon();
        }
        ended
    }

    pub(super) fn is_on(&self) -> bool {
        self.stage.is_some()
    }

    /// It should be running and has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.stage
            .as_ref()
            .is_some_and(VideoEncodeStage::is_finished)
    }

    pub(super) fn stats(&self) -> Option<EncoderStats> {
        self.stage.as_ref().map(VideoEncodeStage::stats)
    }
}
