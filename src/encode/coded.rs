//! H.264, HEVC and AV1 by any of FFmpeg's encoders: pictures in, packets in the form of MP4 out, on the encoder stage's
//! thread.

use std::sync::Arc;

use ffmpeg_next::Packet;

use super::av::Av;
use super::bitstream::{AccessUnit, ParameterSets, access_unit};
use super::candidate::{Candidate, LiveBitrate, VideoCodec};
use super::ffmpeg::time;
use super::hevc::{self, HevcSets};
use super::settings::{VideoEncoderSettings, VideoFormat};
use super::{EncodeError, Reconfigured, VideoEncoder, av1};
use crate::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use crate::media::video::VideoFrame;

pub(super) struct Coded {
    av: Av,
    live: LiveBitrate,
    stream: Stream,
    settings: VideoEncoderSettings,
}

/// What packets are made with.
struct Stream {
    codec: VideoCodec,
    /// Known from the start or from the first keyframe on.
    header: Option<(Sets, Arc<CodecParameters>)>,
    format: VideoFormat,
    bitrate: Bitrate,
    generation: u32,
}

/// What a stream's header holds.
enum Sets {
    H264(ParameterSets),
    Hevc(HevcSets),
    /// Keyframes have it in them.
    Av1,
}

impl Coded {
    /// Settings and format were validated for this candidate.
    pub(super) fn open(
        candidate: &Candidate,
        settings: &VideoEncoderSettings,
        format: VideoFormat,
        generation: u32,
    ) -> Result<Self, EncodeError> {
        let av = Av::open(candidate, settings, format)?;
        let mut stream = Stream {
            codec: candidate.codec,
            header: None,
            format,
            bitrate: Bitrate::from_kbps(settings.bitrate_kbps),
            generation,
        };
        let header = av.header();
        if !header.is_empty() {
            stream.learn(&header)?;
        }
        Ok(Self {
            av,
            live: candidate.capabilities.live_bitrate,
            stream,
            settings: settings.clone(),
        })
    }

    fn drain(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        while let Some(packet) = self.av.receive()? {
            out.push(self.stream.packet(packet)?);
        }
        Ok(())
    }
}

impl Stream {
    fn learn(&mut self, header: &[u8]) -> Result<(), EncodeError> {
        let (resolution, rate, bitrate) = (self.format.resolution, self.format.rate, self.bitrate);
        let (sets, parameters) = match self.codec {
            VideoCodec::H264 => {
                let sets = ParameterSets::from_annex_b(header)?;
                let avcc = sets.avcc()?;
                let parameters = CodecParameters::H264 {
                    avcc,
                    resolution,
                    rate,
                    bitrate,
                };
                (Sets::H264(sets), parameters)
            }
            VideoCodec::Hevc => {
                let sets = HevcSets::from_annex_b(header)?;
                let hvcc = sets.hvcc()?;
                let parameters = CodecParameters::Hevc {
                    hvcc,
                    resolution,
                    rate,
                    bitrate,
                };
                (Sets::Hevc(sets), parameters)
            }
            VideoCodec::Av1 => {
                let parameters = CodecParameters::Av1 {
                    av1c: av1::av1c(header)?,
                    resolution,
                    rate,
                    bitrate,
                };
                (Sets::Av1, parameters)
            }
        };
        self.header = Some((sets, Arc::new(parameters)));
        Ok(())
    }

    fn packet(&mut self, packet: &Packet) -> Result<EncodedPacket, EncodeError> {
        let broken = |what: &str| EncodeError::Bitstream(what.to_owned());
        let data = packet.data().ok_or_else(|| broken("an empty packet"))?;
        if self.header.is_none() {
            self.learn(data)?; // codec blocks that tell their parameters with the first keyframe only
        }
        let Some((sets, parameters)) = &self.header else {
            return Err(broken("no parameter sets"));
        };
        let pts = packet.pts().ok_or_else(|| broken("no time stamp"))?;
        let dts = packet.dts().unwrap_or(pts).min(pts);
        let AccessUnit {
            data,
            idr,
            reference,
        } = match sets {
            Sets::H264(sets) => access_unit(data, sets)?,
            Sets::Hevc(sets) => hevc::access_unit(data, sets)?,
            Sets::Av1 => AccessUnit {
                data: av1::temporal_unit(data)?,
                idr: packet.is_key(),
                reference: true,
            },
        };
        Ok(EncodedPacket {
            track: Track::Video,
            pts: time(pts),
            dts: time(dts),
            duration: self.format.rate.interval(),
            keyframe: idr,
            drop: match (idr, reference) {
                (true, _) => DropClass::Never,
                (false, true) => DropClass::Reference,
                (false, false) => DropClass::Discardable,
            },
            data,
            parameters: Arc::clone(parameters),
            generation: self.generation,
        })
    }
}

impl VideoEncoder for Coded {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        self.av.send(frame, keyframe)?;
        self.drain(out)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError> {
        let done = match self.live {
            LiveBitrate::Follows => Reconfigured::Live,
            LiveBitrate::Measured => Reconfigured::Unproven,
            LiveBitrate::Reopens => return Ok(Reconfigured::NeedsReopen),
        };
        self.av.set_rate(self.settings.rate(bitrate));
        Ok(done)
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.av.send_end()?;
        self.drain(out)
    }
}
