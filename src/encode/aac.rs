//! AAC-LC by FFmpeg's own encoder: blocks of 1024 sample frames in, raw AAC frames out, on the audio stage's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, Packet, Rational, codec, encoder, frame};

use super::bitstream::AacConfig;
use super::ffmpeg::{encoder_context, extradata, is_drained};
use super::{AudioEncoder, AudioEncoderSettings, EncodeError};
use crate::media::audio::{AudioBlock, AudioFormat, ENGINE_RATE};
use crate::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use crate::media::time::MediaTime;

const FORMAT: Sample = Sample::F32(Type::Planar);

/// Louder than this is a fault upstream; the encoder refuses values that are not finite.
const LOUDEST: f32 = 8.0;

pub(super) fn open(
    settings: &AudioEncoderSettings,
    generation: u32,
) -> Result<Box<dyn AudioEncoder>, EncodeError> {
    Ok(Box::new(Aac::open(settings, generation)?))
}

struct Aac {
    encoder: encoder::Audio,
    parameters: Arc<CodecParameters>,
    generation: u32,
    frame_size: usize,
    packet: Packet,
    sent: i64,
    /// Times of the sound in the packets to come. A packet decodes to the block before the one it was made with (the
    /// codec's priming is one block), so the first entry lies one block before the first sound.
    times: VecDeque<MediaTime>,
}

impl Aac {
    fn open(settings: &AudioEncoderSettings, generation: u32) -> Result<Self, EncodeError> {
        settings.validate()?;
        let bitrate = Bitrate::from_kbps(settings.bitrate_kbps);
        let failed = |what| move |source| EncodeError::Codec { what, source };
        let mut audio = encoder_context("aac", "")?
            .audio()
            .map_err(failed("preparing the AAC encoder"))?;
        let rate = 48_000;
        audio.set_rate(rate);
        audio.set_format(FORMAT);
        audio.set_channel_layout(ChannelLayout::STEREO);
        audio.set_time_base(Rational(1, rate));
        audio.set_flags(codec::Flags::GLOBAL_HEADER);
        audio.set_bit_rate(bitrate.bps() as usize);
        let encoder = audio.open().map_err(failed("opening the AAC encoder"))?;
        let asc = extradata(&encoder);
        let expected = AacConfig {
            object_type: 2,
            sample_rate: ENGINE_RATE,
            channels: 2,
        };
        if AacConfig::parse(&asc) != Some(expected) {
            return Err(EncodeError::Bitstream(
                "an AAC header that is not 48 kHz stereo AAC-LC".to_owned(),
            ));
        }
        Ok(Self {
            frame_size: encoder.frame_size() as usize,
            encoder,
            parameters: Arc::new(CodecParameters::Aac {
                asc,
                sample_rate: ENGINE_RATE,
                channels: 2,
                bitrate,
            }),
            generation,
            packet: Packet::empty(),
            sent: 0,
            times: VecDeque::with_capacity(4),
        })
    }

    fn block_duration(&self) -> Duration {
        AudioFormat::ENGINE.duration_of(self.frame_size)
    }

    fn drain(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        loop {
            match self.encoder.receive_packet(&mut self.packet) {
                Ok(()) => out.extend(self.packet()?),
                Err(e) if is_drained(e) => return Ok(()),
                Err(source) => {
                    return Err(EncodeError::Codec {
                        what: "encoding sound",
                        source,
                    });
                }
            }
        }
    }

    fn packet(&mut self) -> Result<Option<EncodedPacket>, EncodeError> {
        let data = self.packet.data().filter(|d| !d.is_empty());
        let data = data.ok_or_else(|| EncodeError::Bitstream("an empty packet".to_owned()))?;
        // more packets than blocks and priming cannot be; if they were, they would hold no sound of ours
        let Some(pts) = self.times.pop_front() else {
            return Ok(None);
        };
        Ok(Some(EncodedPacket {
            track: Track::Audio,
            pts,
            dts: pts,
            duration: self.block_duration(),
            keyframe: true,
            drop: DropClass::Never,
            data: bytes::Bytes::copy_from_slice(data),
            parameters: Arc::clone(&self.parameters),
            generation: self.generation,
        }))
    }
}

impl AudioEncoder for Aac {
    fn parameters(&self) -> &Arc<CodecParameters> {
        &self.parameters
    }

    fn frame_size(&self) -> usize {
        self.frame_size
    }

    fn encode(
        &mut self,
        block: &AudioBlock,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        if block.format != AudioFormat::ENGINE || block.frames() != self.frame_size {
            return Err(EncodeError::Input(format!(
                "a block of {} sample frames at {} Hz came to an AAC encoder that takes {} at 48000 Hz stereo",
                block.frames(),
                block.format.rate,
                self.frame_size
            )));
        }
        let mut frame = frame::Audio::new(FORMAT, self.frame_size, ChannelLayout::STEREO);
        frame.set_rate(ENGINE_RATE);
        frame.set_pts(Some(self.sent));
        for channel in 0..2 {
            let from = block.samples.iter().skip(channel).step_by(2);
            for (to, from) in frame.plane_mut::<f32>(channel).iter_mut().zip(from) {
                *to = if from.is_nan() {
                    0.0
                } else {
                    from.clamp(-LOUDEST, LOUDEST)
                };
            }
        }
        if self.sent == 0 {
            self.times.push_back(block.pts - self.block_duration());
        }
        self.times.push_back(block.pts);
        self.sent += i64::try_from(self.frame_size).unwrap_or(0); // 1024
        self.encoder
            .send_frame(&frame)
            .map_err(|source| EncodeError::Codec {
                what: "encoding sound",
                source,
            })?;
        self.drain(out)
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.encoder
            .send_eof()
            .map_err(|source| EncodeError::Codec {
                what: "ending the sound stream",
                source,
            })?;
        self.drain(out)
    }
}
