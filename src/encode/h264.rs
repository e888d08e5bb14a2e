//! H.264 by any of FFmpeg's encoders: pictures in, AVCC packets out, on the encoder stage's thread.

use std::sync::Arc;

use ffmpeg_next::Packet;

use super::av::Av;
use super::bitstream::{AccessUnit, ParameterSets, access_unit};
use super::candidate::{Candidate, LiveBitrate};
use super::ffmpeg::time;
use super::settings::{VideoEncoderSettings, VideoFormat};
use super::{EncodeError, Reconfigured, VideoEncoder};
use crate::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use crate::media::video::VideoFrame;

pub(super) struct H264 {
    av: Av,
    live: LiveBitrate,
    stream: Stream,
    settings: VideoEncoderSettings,
}

/// What packets are made with.
struct Stream {
    /// Known from the start or from the first keyframe on.
    header: Option<(ParameterSets, Arc<CodecParameters>)>,
    format: VideoFormat,
    bitrate: Bitrate,
    generation: u32,
}

impl H264 {
    /// Settings and format were validated for this candidate.
    pub(super) fn open(
        candidate: &Candidate,
        settings: &VideoEncoderSettings,
        format: VideoFormat,
        generation: u32,
    ) -> Result<Self, EncodeError> {
        let av = Av::open(candidate, settings, format)?;
        let mut stream = Stream {
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
        let sets = ParameterSets::from_annex_b(header)?;
        let parameters = Arc::new(CodecParameters::H264 {
            avcc: sets.avcc()?,
            resolution: self.format.resolution,
            rate: self.format.rate,
            bitrate: self.bitrate,
        });
        self.header = Some((sets, parameters));
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
        } = access_unit(data, sets)?;
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

impl VideoEncoder for H264 {
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
