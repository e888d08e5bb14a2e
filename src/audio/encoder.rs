//! The encoder that is on at the moment: blocks in, packets onto the bus out. On the audio thread.
//!
//! An encoder that fails is opened anew with the same settings (a new generation); the third failure within 30 s, or one
//! while opening, ends the stage.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::clock::BLOCK_FRAMES;
use crate::encode::{AudioEncoder, AudioEncoderSettings, EncodeError};
use crate::media::audio::AudioBlock;
use crate::media::packet::{EncodedPacket, PacketBus};
use crate::media::time::MediaTime;

/// Opens an encoder of a generation. Called on the audio thread.
pub type OpenEncoder =
    Box<dyn FnMut(&AudioEncoderSettings, u32) -> Result<Box<dyn AudioEncoder>, EncodeError> + Send>;

/// Failures within [`FAILURE_WINDOW`] that end the stage.
const FAILURES: usize = 3;
const FAILURE_WINDOW: Duration = Duration::from_secs(30);

/// Holds the running encoder, if one is on.
pub(super) struct EncoderSlot {
    open: OpenEncoder,
    bus: Arc<PacketBus>,
    running: Option<Running>,
    generation: u32,
    failures: VecDeque<MediaTime>,
    out: Vec<EncodedPacket>,
    /// Packets made.
    pub(super) packets: u64,
    /// Times an encoder was opened anew after a failure.
    pub(super) rebuilt: u64,
}

struct Running {
    encoder: Box<dyn AudioEncoder>,
    settings: AudioEncoderSettings,
}

impl EncoderSlot {
    pub(super) fn new(open: OpenEncoder, bus: Arc<PacketBus>) -> Self {
        Self {
            open,
            bus,
            running: None,
            generation: 0,
            failures: VecDeque::new(),
            out: Vec::new(),
            packets: 0,
            rebuilt: 0,
        }
    }

    /// Replaces the encoder. When the new one cannot be opened the old one stays.
    pub(super) fn set(
        &mut self,
        settings: Option<AudioEncoderSettings>,
    ) -> Result<(), EncodeError> {
        let next = match settings {
            Some(settings) => Some(self.open(settings)?),
            None => None,
        };
        if let Some(mut old) = std::mem::replace(&mut self.running, next) {
            let flushed = old.encoder.flush(&mut self.out);
            self.send();
            flushed?;
        }
        Ok(())
    }

    /// Encodes a block, if an encoder is on. An error means that it is off for good.
    pub(super) fn encode(&mut self, block: &AudioBlock, now: MediaTime) -> Result<(), EncodeError> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        let encoded = running.encoder.encode(block, &mut self.out);
        self.send();
        match encoded {
            Ok(()) => Ok(()),
            Err(error) => self.rebuild(error, now),
        }
    }

    fn rebuild(&mut self, error: EncodeError, now: MediaTime) -> Result<(), EncodeError> {
        let Some(failed) = self.running.take() else {
            return Err(error);
        };
        self.failures.push_back(now);
        while (self.failures.front()).is_some_and(|t| now.saturating_since(*t) > FAILURE_WINDOW) {
            self.failures.pop_front();
        }
        if self.failures.len() >= FAILURES {
            return Err(error);
        }
        tracing::warn!(%error, "audio encoder failed and is opened anew");
        self.rebuilt += 1;
        self.running = Some(self.open(failed.settings)?);
        Ok(())
    }

    fn open(&mut self, settings: AudioEncoderSettings) -> Result<Running, EncodeError> {
        let generation = self.generation + 1;
        let encoder = (self.open)(&settings, generation)?;
        if encoder.frame_size() != BLOCK_FRAMES {
            let size = encoder.frame_size();
            let reason = format!("{size} sample frames a packet instead of {BLOCK_FRAMES}");
            return Err(EncodeError::Bitstream(reason));
        }
        self.generation = generation;
        Ok(Running { encoder, settings })
    }

    fn send(&mut self) {
        self.packets += self.out.len() as u64;
        for packet in self.out.drain(..) {
            self.bus.push(&packet);
        }
    }
}
