//! AAC-LC by FFmpeg's own encoder, or by Fraunhofer's where FFmpeg has it: blocks of 1024 sample frames in, raw AAC frames
//! out, on the audio stage's thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, Packet, Rational, codec, encoder, frame};

use super::bitstream::AacConfig;
use super::ffmpeg::{encoder_context, extradata, initial_padding, is_drained, options};
use super::{AacEncoder, AudioEncoder, AudioEncoderSettings, EncodeError};
use crate::media::audio::{AudioBlock, AudioFormat};
use crate::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use crate::media::time::MediaTime;

/// Louder than this is a fault upstream; the encoder refuses values that are not finite.
const LOUDEST: f32 = 8.0;
/// Options of FFmpeg's own encoder. Its default search, "twoloop", takes 2 % of a core for music and 5 % for a voice over
/// music; "fast" takes 1 % for either, keeps the bitrate (127 instead of 139 for 128 kbit/s of a voice over music), and
/// leaves less noise above the threshold of hearing: noise-to-mask ratio -7.7 instead of -3.5 dB there, -1.2 instead of
/// -0.7 dB for music (FFmpeg 5.1; the difference is larger at 64 and 96 kbit/s).
const NATIVE: [(&str, &str); 1] = [("aac_coder", "fast")];

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
    /// What it takes, and as which samples.
    format: AudioFormat,
    sample: Sample,
    layout: ChannelLayout,
    sent: i64,
    /// Samples of silence before the first sound (priming): 1024 of FFmpeg's encoder, about 2048 of Fraunhofer's.
    padding: usize,
    /// Times of the blocks that the packets to come decode to. The first packets decode to the padding, so the first
    /// entries lie before the first sound.
    times: VecDeque<MediaTime>,
}

impl Aac {
    fn open(settings: &AudioEncoderSettings, generation: u32) -> Result<Self, EncodeError> {
        settings.validate()?;
        let bitrate = Bitrate::from_kbps(settings.bitrate_kbps);
        let failed = |what| move |source| EncodeError::Codec { what, source };
        let (hint, sample, tuning) = match settings.encoder {
            AacEncoder::Native => ("", Sample::F32(Type::Planar), &NATIVE[..]),
            AacEncoder::Fdk => (
                ": choose the encoder aac",
                Sample::I16(Type::Packed),
                &[][..],
            ),
        };
        let format = settings.format();
        let layout = match format.channels {
            1 => ChannelLayout::MONO,
            _ => ChannelLayout::STEREO,
        };
        let mut audio = encoder_context(settings.encoder.name(), hint)?
            .audio()
            .map_err(failed("preparing the AAC encoder"))?;
        let rate = i32::try_from(format.rate).unwrap_or(48_000);
        audio.set_rate(rate);
        audio.set_format(sample);
        audio.set_channel_layout(layout);
        audio.set_time_base(Rational(1, rate));
        audio.set_flags(codec::Flags::GLOBAL_HEADER);
        audio.set_bit_rate(bitrate.bps() as usize);
        let encoder = audio
            .open_with(options(tuning))
            .map_err(failed("opening the AAC encoder"))?;
        let asc = extradata(&encoder);
        let expected = AacConfig {
            object_type: 2,
            sample_rate: format.rate,
            channels: u8::try_from(format.channels).unwrap_or(2),
        };
        if AacConfig::parse(&asc) != Some(expected) {
            return Err(EncodeError::Bitstream(format!(
                "an AAC header that is not {} Hz, {} channels, AAC-LC",
                format.rate, format.channels
            )));
        }
        Ok(Self {
            frame_size: encoder.frame_size() as usize,
            padding: initial_padding(&encoder),
            encoder,
            parameters: Arc::new(CodecParameters::Aac {
                asc,
                sample_rate: format.rate,
                channels: format.channels,
                bitrate,
            }),
            generation,
            packet: Packet::empty(),
            format,
            sample,
            layout,
            sent: 0,
            times: VecDeque::with_capacity(4),
        })
    }

    fn block_duration(&self) -> Duration {
        self.format.duration_of(self.frame_size)
    }

    /// Puts the samples where and as the encoder wants them.
    fn fill(&self, block: &AudioBlock, frame: &mut frame::Audio) {
        let sane = |s: f32| {
            if s.is_nan() {
                0.0
            } else {
                s.clamp(-LOUDEST, LOUDEST)
            }
        };
        if self.sample == Sample::I16(Type::Packed) {
            let bytes = frame.data_mut(0).as_chunks_mut::<2>().0;
            for (to, from) in bytes.iter_mut().zip(block.samples.iter()) {
                #[expect(clippy::cast_possible_truncation, reason = "clamped to 16 bits")]
                let sample = (sane(*from) * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
                *to = sample.to_ne_bytes();
            }
            return;
        }
        let channels = usize::from(self.format.channels);
        for channel in 0..channels {
            let from = block.samples.iter().skip(channel).step_by(channels);
            let plane = frame.plane_mut::<f32>(channel);
            for (to, from) in plane.iter_mut().zip(from) {
                *to = sane(*from);
            }
        }
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
        let Some(block) = self.times.pop_front() else {
            return Ok(None);
        };
        // a padding that is no whole number of blocks: packets begin within blocks
        let within = self.padding.next_multiple_of(self.frame_size) - self.padding;
        let pts = block + self.format.duration_of(within);
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
        if block.format != self.format || block.frames() != self.frame_size {
            return Err(EncodeError::Input(format!(
                "a block of {} sample frames at {} Hz came to an AAC encoder that takes {} at {} Hz",
                block.frames(),
                block.format.rate,
                self.frame_size,
                self.format.rate
            )));
        }
        let mut frame = frame::Audio::new(self.sample, self.frame_size, self.layout);
        frame.set_rate(self.format.rate);
        frame.set_pts(Some(self.sent));
        self.fill(block, &mut frame);
        if self.sent == 0 {
            let before = self.padding.div_ceil(self.frame_size);
            let times = (1..=before).rev();
            let at = |k: usize| block.pts - self.format.duration_of(k * self.frame_size);
            self.times.extend(times.map(at));
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
