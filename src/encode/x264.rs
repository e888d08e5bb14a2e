//! H.264 by libx264 through FFmpeg: NV12 (or I420) pictures in, AVCC packets out, on the encoder stage's thread.
//!
//! Rate control is ABR with a VBV buffer, because that is what libx264 changes while it runs; with `nal-hrd=cbr` a new
//! bitrate is silently ignored.

use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::{Dictionary, Packet, codec, color, encoder, format, frame, picture, threading};

use super::bitstream::{AccessUnit, ParameterSets, access_unit};
use super::ffmpeg::{
    TIME_BASE, borrow_planes, encoder_context, extradata, is_drained, options, set_rate_control,
    ticks, time,
};
use super::{
    EncodeError, Profile, Reconfigured, Tune, VideoEncoder, VideoEncoderSettings, VideoFormat,
};
use crate::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use crate::media::pool::BufferPool;
use crate::media::time::MediaTime;
use crate::media::video::{FrameData, Plane, VideoFrame};

/// What to install where FFmpeg lacks libx264.
const HINT: &str =
    ": install an FFmpeg with libx264 (on Debian and Ubuntu: apt install libavcodec-extra)";

/// libx264's presets, fastest first.
pub(super) const PRESETS: [&str; 9] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
];

/// Pictures each preset looks ahead (x264 `param_apply_preset`).
const LOOK_AHEAD_OF: [u64; 9] = [0, 0, 10, 20, 30, 40, 50, 60, 60];

/// Nanoseconds of one core per pixel that each preset takes on a slow machine, measured on 720p footage.
const COST_OF: [u64; 9] = [5, 8, 12, 19, 28, 34, 57, 89, 187];

/// Longest look-ahead; slower presets would otherwise delay a live stream by up to two seconds.
const LOOK_AHEAD: Duration = Duration::from_millis(400);

pub(super) fn open(
    settings: &VideoEncoderSettings,
    format: VideoFormat,
    generation: u32,
) -> Result<Box<dyn VideoEncoder>, EncodeError> {
    Ok(Box::new(X264::open(settings, format, generation)?))
}

struct X264 {
    encoder: encoder::Video,
    parameters: Arc<CodecParameters>,
    sets: ParameterSets,
    format: VideoFormat,
    tune: Tune,
    generation: u32,
    chroma: BufferPool,
    packet: Packet,
    last_ticks: Option<i64>,
}

impl X264 {
    fn open(
        settings: &VideoEncoderSettings,
        format: VideoFormat,
        generation: u32,
    ) -> Result<Self, EncodeError> {
        settings.validate()?;
        format.validate()?;
        let bitrate = Bitrate::from_kbps(settings.bitrate_kbps);
        let mut video = encoder_context("libx264", HINT)?
            .video()
            .map_err(|source| EncodeError::Codec {
                what: "preparing libx264",
                source,
            })?;
        video.set_width(format.resolution.width);
        video.set_height(format.resolution.height);
        video.set_format(format::Pixel::NV12);
        video.set_aspect_ratio((1, 1));
        video.set_time_base(TIME_BASE);
        let rate = |v: u32| i32::try_from(v).unwrap_or(i32::MAX); // at most 240,000: FrameRate
        video.set_frame_rate(Some((rate(format.rate.num()), rate(format.rate.den()))));
        video.set_colorspace(color::Space::BT709);
        video.set_color_range(color::Range::MPEG);
        video.set_color_primaries(color::Primaries::BT709);
        video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        let interval = Duration::from_secs_f32(settings.keyframe_interval);
        let gop = format.rate.frames_in(interval).max(1);
        video.set_gop(u32::try_from(gop).unwrap_or(u32::MAX));
        video.set_max_b_frames(settings.b_frames.into());
        video.set_flags(codec::Flags::GLOBAL_HEADER);
        set_rate_control(
            &mut video,
            bitrate.bps(),
            vbv_bits(settings.tune, bitrate.bps()),
        );
        video.set_threading(threading::Config::count(threads(settings, format)));
        let encoder = video
            .open_with(codec_options(settings, format))
            .map_err(|source| EncodeError::Codec {
                what: "opening libx264",
                source,
            })?;
        let sets = ParameterSets::from_annex_b(&extradata(&encoder))?;
        let parameters = Arc::new(CodecParameters::H264 {
            avcc: sets.avcc()?,
            resolution: format.resolution,
            rate: format.rate,
            bitrate,
        });
        Ok(Self {
            encoder,
            parameters,
            sets,
            format,
            tune: settings.tune,
            generation,
            chroma: BufferPool::new(2),
            packet: Packet::empty(),
            last_ticks: None,
        })
    }

    fn wrap(&self, picture: &VideoFrame) -> Result<frame::Video, EncodeError> {
        let size = self.format.resolution;
        if picture.resolution != size {
            return Err(EncodeError::Input(format!(
                "a picture of {} came to an encoder opened for {size}",
                picture.resolution
            )));
        }
        let (width, height) = (size.width as usize, size.height as usize);
        match &picture.data {
            FrameData::Nv12 { y, uv } => borrow_planes(
                format::Pixel::NV12,
                size,
                &[(y, height, width), (uv, height / 2, width)],
            ),
            FrameData::I420 { y, u, v } => {
                let uv = self.interleave(u, v)?;
                borrow_planes(
                    format::Pixel::NV12,
                    size,
                    &[(y, height, width), (&uv, height / 2, width)],
                )
            }
            other => Err(EncodeError::Input(format!(
                "a picture in format {:?} came to an encoder that takes NV12",
                other.format()
            ))),
        }
    }

    /// I420 chroma as NV12 chroma: libx264 is opened for one layout and does the same inside.
    fn interleave(&self, u: &Plane, v: &Plane) -> Result<Plane, EncodeError> {
        let stride = self.format.resolution.width as usize;
        let (width, rows) = (stride / 2, self.format.resolution.height as usize / 2);
        let complete =
            |p: &Plane| p.stride >= width && p.data.len() >= p.stride * (rows - 1) + width;
        if !(complete(u) && complete(v)) {
            return Err(EncodeError::Input("a chroma plane is too short".to_owned()));
        }
        let mut uv = self.chroma.get(stride * rows);
        for (row, out) in uv.chunks_exact_mut(stride).enumerate() {
            let (u, v) = (&u.data[row * u.stride..], &v.data[row * v.stride..]);
            for ((pair, u), v) in out.chunks_exact_mut(2).zip(u).zip(v) {
                pair.copy_from_slice(&[*u, *v]);
            }
        }
        Ok(Plane {
            data: uv.freeze(),
            stride,
        })
    }

    fn drain(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        loop {
            match self.encoder.receive_packet(&mut self.packet) {
                Ok(()) => out.push(self.packet()?),
                Err(e) if is_drained(e) => return Ok(()),
                Err(source) => {
                    return Err(EncodeError::Codec {
                        what: "encoding a picture",
                        source,
                    });
                }
            }
        }
    }

    fn packet(&self) -> Result<EncodedPacket, EncodeError> {
        let broken = |what: &str| EncodeError::Bitstream(what.to_owned());
        let data = self
            .packet
            .data()
            .ok_or_else(|| broken("an empty packet"))?;
        let pts = self.packet.pts().ok_or_else(|| broken("no time stamp"))?;
        let dts = self.packet.dts().unwrap_or(pts).min(pts);
        let AccessUnit {
            data,
            idr,
            reference,
        } = access_unit(data, &self.sets)?;
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
            parameters: Arc::clone(&self.parameters),
            generation: self.generation,
        })
    }

    /// libx264 refuses a stamp that does not grow; a repeated one becomes a microsecond later.
    fn next_ticks(&mut self, pts: MediaTime) -> i64 {
        let wanted = ticks(pts);
        let next = self.last_ticks.map_or(wanted, |last| wanted.max(last + 1));
        self.last_ticks = Some(next);
        next
    }
}

impl VideoEncoder for X264 {
    fn parameters(&self) -> &Arc<CodecParameters> {
        &self.parameters
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        let mut picture = self.wrap(frame)?;
        picture.set_pts(Some(self.next_ticks(frame.pts)));
        picture.set_kind(if keyframe {
            picture::Type::I
        } else {
            picture::Type::None
        });
        self.encoder
            .send_frame(&picture)
            .map_err(|source| EncodeError::Codec {
                what: "encoding a picture",
                source,
            })?;
        self.drain(out)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError> {
        let buffer = vbv_bits(self.tune, bitrate.bps());
        set_rate_control(&mut self.encoder, bitrate.bps(), buffer);
        Ok(Reconfigured::Live)
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.encoder
            .send_eof()
            .map_err(|source| EncodeError::Codec {
                what: "ending the video stream",
                source,
            })?;
        self.drain(out)
    }
}

/// Size of the VBV buffer. A small one keeps each picture's transmission short and makes a bitrate change felt in under
/// a second; a large one lets keyframes take what they need.
const fn vbv_bits(tune: Tune, bits_per_second: u32) -> u32 {
    match tune {
        Tune::LowLatency => bits_per_second / 2,
        Tune::Quality => bits_per_second,
    }
}

/// Place of the preset in [`PRESETS`]; the settings were validated.
fn preset_index(settings: &VideoEncoderSettings) -> usize {
    let at = PRESETS.iter().position(|name| *name == settings.preset);
    at.unwrap_or(2)
}

/// Threads that bring a picture under half a frame interval, no more: libx264's own choice (one per core) cuts each
/// low-latency picture into as many slices, which costs 0.1 dB with two and more with many, for the same processor
/// time, and with look-ahead it adds a picture of delay per thread.
fn threads(settings: &VideoEncoderSettings, format: VideoFormat) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cost = format.resolution.pixels() * COST_OF[preset_index(settings)];
    if settings.tune == Tune::Quality {
        cost = cost * 17 / 10; // the look-ahead's share, as measured
    }
    let half_interval = format.rate.interval().as_nanos() / 2;
    let wanted = u128::from(cost).div_ceil(half_interval.max(1));
    usize::try_from(wanted).unwrap_or(cores).clamp(1, cores)
}

fn codec_options(settings: &VideoEncoderSettings, format: VideoFormat) -> Dictionary<'static> {
    let profile = match settings.profile {
        Profile::Baseline => "baseline",
        Profile::Main => "main",
        Profile::High => "high",
    };
    let mut list = vec![
        ("preset", settings.preset.as_str()),
        ("profile", profile),
        ("forced-idr", "1"),
    ];
    // keyframes only where the interval or a request puts them, so that segmenters see a fixed GOP
    let mut params = "scenecut=0".to_owned();
    match settings.tune {
        Tune::LowLatency => list.push(("tune", "zerolatency")),
        Tune::Quality => {
            let frames = format.rate.frames_in(LOOK_AHEAD);
            if LOOK_AHEAD_OF[preset_index(settings)] > frames {
                params.push_str(&format!(":rc-lookahead={frames}"));
            }
        }
    }
    list.push(("x264-params", &params));
    options(&list)
}
