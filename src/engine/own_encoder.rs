//! A video encoder of one destination alone, whose bitrate follows that destination's link. The sound, which costs next
//! to nothing, is everybody's. Used by the engine's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Sender, bounded};

use super::limits::Limits;
use crate::encode::stage::{
    EncoderControl, EncoderFactory, EncoderListener, VideoEncodeConfig, VideoEncodeStage,
};
use crate::encode::{EncodeError, VideoEncoderSettings, VideoFormat};
use crate::media::packet::{EncodedPacket, PacketBus, PacketSink, Track};
use crate::media::time::MediaClock;
use crate::media::video::VideoFrame;

/// Pictures that wait for it; when full it misses one.
const QUEUE: usize = 3;

/// How an encoder is opened.
pub(super) struct Opening {
    pub(super) settings: VideoEncoderSettings,
    pub(super) ladder: Vec<VideoEncoderSettings>,
    pub(super) format: VideoFormat,
    pub(super) clock: MediaClock,
    pub(super) factory: EncoderFactory,
    pub(super) listener: EncoderListener,
}

/// The encoder, its control, and the way to the one output.
pub(super) struct OwnEncoder {
    pub(super) control: Arc<EncoderControl>,
    pub(super) limits: Arc<Limits>,
    bus: Arc<PacketBus>,
    running: Option<(VideoEncodeStage, Sender<VideoFrame>)>,
    /// Number of the encoder that runs or ran last.
    pub(super) number: u32,
}

impl OwnEncoder {
    pub(super) fn new() -> Self {
        Self {
            control: Arc::default(),
            limits: Arc::default(),
            bus: Arc::default(),
            running: None,
            number: 0,
        }
    }

    /// Its pictures go to `output`. What is returned belongs on everybody's bus: it lets the sound through.
    pub(super) fn attach(&self, output: &Arc<dyn PacketSink>) -> Arc<dyn PacketSink> {
        self.bus.attach(output);
        Arc::new(SoundOnly(Arc::clone(output)))
    }

    /// Opens the encoder.
    pub(super) fn start(&mut self, number: u32, opening: Opening) -> Result<(), EncodeError> {
        let Opening {
            settings,
            ladder,
            format,
            clock,
            factory,
            listener,
        } = opening;
        self.control
            .set_bitrate(crate::media::packet::Bitrate::from_kbps(
                settings.bitrate_kbps,
            ));
        let (tx, frames) = bounded(QUEUE);
        let config = VideoEncodeConfig {
            settings,
            format,
            background: false,
            clock,
            frames,
            control: Arc::clone(&self.control),
            bus: Arc::clone(&self.bus),
            listener,
        };
        let stage = VideoEncodeStage::start_ladder(config, ladder, factory)?;
        self.control.request_keyframe();
        self.number = number;
        self.running = Some((stage, tx));
        Ok(())
    }

    /// Where its pictures go in, while it runs.
    pub(super) fn input(&self) -> Option<Sender<VideoFrame>> {
        self.running.as_ref().map(|(_, tx)| tx.clone())
    }

    /// It should be running and has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|(stage, _)| stage.is_finished())
    }

    /// Ends it; what it still holds goes out, if that is done by `deadline`.
    pub(super) fn stop(&mut self, deadline: Instant) {
        if let Some((stage, tx)) = self.running.take() {
            drop(tx);
            if !stage.join_until(deadline) {
                stage.abandon();
            }
        }
    }
}

/// Lets pictures through from the next keyframe on: those before it build on others than the output has.
pub(super) struct FromKeyframe {
    to: Arc<dyn PacketSink>,
    begun: AtomicBool,
}

impl FromKeyframe {
    pub(super) const fn new(to: Arc<dyn PacketSink>) -> Self {
        Self {
            to,
            begun: AtomicBool::new(false),
        }
    }
}

impl PacketSink for FromKeyframe {
    fn push(&self, packet: &EncodedPacket) {
        if packet.track == Track::Video && !self.begun.load(Ordering::Relaxed) {
            if !packet.keyframe {
                return;
            }
            self.begun.store(true, Ordering::Relaxed);
        }
        self.to.push(packet);
    }
}

/// Lets the mixed sound through.
pub(super) struct SoundOnly(pub(super) Arc<dyn PacketSink>);

impl PacketSink for SoundOnly {
    fn push(&self, packet: &EncodedPacket) {
        if packet.track == Track::Audio {
            self.0.push(packet);
        }
    }
}
