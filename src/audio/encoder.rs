//! The encoder that is on at the moment: blocks in, packets onto the bus out. On the audio thread.
//!
//! An encoder that fails is opened anew with the same settings (a new generation); the third failure within 30 s, or one
//! while opening, ends the stage.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::clock::BLOCK_FRAMES;
use super::outgoing::Outgoing;
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
    /// Where it takes something else than the mixer makes.
    outgoing: Option<Outgoing>,
}

impl Running {
    fn encode(
        &mut self,
        block: &AudioBlock,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        let Some(outgoing) = &mut self.outgoing else {
            return self.encoder.encode(block, out);
        };
        outgoing.push(block);
        while let Some(block) = outgoing.pop() {
            self.encoder.encode(block, out)?;
        }
        Ok(())
    }
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
        let encoded = running.encode(block, &mut self.out);
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
        Ok(Running {
            encoder,
            outgoing: Outgoing::new(settings.format()),
            settings,
        })
    }

    fn send(&mut self) {
        self.packets += self.out.len() as u64;
        for packet in self.out.drain(..) {
            self.bus.push(&packet);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crossbeam_channel::{Receiver, Sender, bounded};

    use super::*;
    use crate::encode::{AacEncoder, AudioChannels, AudioRate};
    use crate::media::audio::AudioFormat;
    use crate::media::packet::{Bitrate, CodecParameters, DropClass, PacketSink, Track};

    /// An encoder that hands blocks through, one behind, and fails where its bitrate says so.
    struct Fake {
        parameters: Arc<CodecParameters>,
        generation: u32,
        held: Option<EncodedPacket>,
        fails: bool,
    }

    /// A bitrate that cannot be opened.
    pub(in super::super) const REFUSED: AudioEncoderSettings = with_bitrate(1);
    /// A bitrate that opens and then fails.
    pub(in super::super) const FAILING: AudioEncoderSettings = with_bitrate(2);

    const fn with_bitrate(bitrate_kbps: u32) -> AudioEncoderSettings {
        AudioEncoderSettings {
            encoder: AacEncoder::Native,
            bitrate_kbps,
            channels: AudioChannels::Stereo,
            rate: AudioRate::Hz48000,
        }
    }

    pub(in super::super) fn fakes() -> OpenEncoder {
        Box::new(|settings, generation| {
            if *settings == REFUSED {
                return Err(EncodeError::Setting {
                    field: "bitrate_kbps",
                    reason: "too low".to_owned(),
                });
            }
            Ok(Box::new(Fake {
                parameters: Arc::new(CodecParameters::Aac {
                    asc: Vec::new().into(),
                    sample_rate: 48_000,
                    channels: 2,
                    bitrate: Bitrate::from_kbps(settings.bitrate_kbps),
                }),
                generation,
                held: None,
                fails: *settings == FAILING,
            }))
        })
    }

    impl AudioEncoder for Fake {
        fn parameters(&self) -> &Arc<CodecParameters> {
            &self.parameters
        }
        fn frame_size(&self) -> usize {
            BLOCK_FRAMES
        }
        fn encode(
            &mut self,
            block: &AudioBlock,
            out: &mut Vec<EncodedPacket>,
        ) -> Result<(), EncodeError> {
            if self.fails {
                return Err(EncodeError::Bitstream("made to fail".to_owned()));
            }
            let packet = EncodedPacket {
                track: Track::Audio,
                pts: block.pts,
                dts: block.pts,
                duration: block.format.duration_of(block.frames()),
                keyframe: true,
                drop: DropClass::Never,
                data: Vec::new().into(),
                parameters: Arc::clone(&self.parameters),
                generation: self.generation,
            };
            out.extend(self.held.replace(packet));
            Ok(())
        }
        fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
            out.extend(self.held.take());
            Ok(())
        }
    }

    struct Collect(Sender<EncodedPacket>);

    impl PacketSink for Collect {
        fn push(&self, packet: &EncodedPacket) {
            self.0.try_send(packet.clone()).unwrap();
        }
    }

    /// A bus, and what is pushed onto it.
    pub(in super::super) fn bus() -> (Arc<PacketBus>, Receiver<EncodedPacket>) {
        let (packets, made) = bounded(1000);
        let bus = Arc::new(PacketBus::new());
        let sink: Arc<dyn PacketSink> = Arc::new(Collect(packets));
        bus.attach(&sink);
        (bus, made)
    }

    fn block(k: i64) -> AudioBlock {
        AudioBlock {
            pts: MediaTime::from_millis(k * 20),
            samples: std::iter::repeat_n(0.0, BLOCK_FRAMES * 2).collect(),
            format: AudioFormat::ENGINE,
        }
    }

    fn made(packets: &Receiver<EncodedPacket>) -> Vec<(i64, u32)> {
        let packets = packets.try_iter();
        packets.map(|p| (p.pts.as_millis(), p.generation)).collect()
    }

    #[test]
    fn changing_and_ending_flushes_and_a_refused_change_keeps_the_old_one() {
        let (bus, packets) = bus();
        let mut slot = EncoderSlot::new(fakes(), bus);
        let now = MediaTime::ZERO;
        slot.encode(&block(0), now).unwrap();
        slot.set(Some(AudioEncoderSettings::default())).unwrap();
        slot.encode(&block(1), now).unwrap();
        slot.encode(&block(2), now).unwrap();
        let refused = slot.set(Some(REFUSED));
        assert!(matches!(refused, Err(EncodeError::Setting { .. })));
        slot.encode(&block(3), now).unwrap();
        slot.set(Some(with_bitrate(96))).unwrap();
        slot.encode(&block(4), now).unwrap();
        slot.set(None).unwrap();
        slot.encode(&block(5), now).unwrap();
        assert_eq!(made(&packets), [(20, 1), (40, 1), (60, 1), (80, 2)]);
        assert_eq!(slot.packets, 4);
    }

    #[test]
    fn a_failing_encoder_is_opened_anew_twice_within_the_window() {
        let (bus, _packets) = bus();
        let mut slot = EncoderSlot::new(fakes(), bus);
        slot.set(Some(FAILING)).unwrap();
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        for s in [0, 1, 40, 41] {
            slot.encode(&block(0), at(s)).unwrap();
        }
        assert_eq!(slot.rebuilt, 4);
        assert!(slot.encode(&block(0), at(42)).is_err());
        assert!(slot.encode(&block(0), at(43)).is_ok(), "it is off now");
    }
}
