//! An FFmpeg video encoder of any kind: pictures in, FFmpeg's packets out, on the thread that calls.

use ffmpeg_next::{Packet, codec, color, encoder, format, frame, picture, threading};

use super::candidate::{Candidate, Pictures};
use super::ffmpeg::{
    TIME_BASE, borrow_planes, encoder_context, extradata, is_drained, options, set_rate_control,
    ticks,
};
use super::hwframes::DeviceFrames;
use super::settings::{Rate, VideoEncoderSettings, VideoFormat};
use super::{EncodeError, avopt};
use crate::media::packet::Bitrate;
use crate::media::pool::BufferPool;
use crate::media::time::MediaTime;
use crate::media::video::{FrameData, Plane, Resolution, VideoFrame};

/// An opened encoder.
pub(super) struct Av {
    // first, so that it is closed before the frames it may hold
    encoder: encoder::Video,
    upload: Option<DeviceFrames>,
    layout: format::Pixel,
    size: Resolution,
    chroma: BufferPool,
    packet: Packet,
    last_ticks: Option<i64>,
}

impl Av {
    /// Opens it; the settings were validated for this candidate.
    pub(super) fn open(
        candidate: &Candidate,
        settings: &VideoEncoderSettings,
        format: VideoFormat,
    ) -> Result<Self, EncodeError> {
        let size = format.resolution;
        let context = encoder_context(candidate.ffmpeg, candidate.hint)?;
        let mut video = context.video().map_err(|source| EncodeError::Codec {
            what: "preparing the encoder",
            source,
        })?;
        let (upload, layout) = match candidate.capabilities.pictures {
            Pictures::Nv12 => (None, format::Pixel::NV12),
            Pictures::I420 => (None, format::Pixel::YUV420P),
            Pictures::Device(device) => {
                (Some(DeviceFrames::open(device, size)?), format::Pixel::NV12)
            }
        };
        video.set_width(size.width);
        video.set_height(size.height);
        video.set_format(layout);
        if let (Some(frames), Pictures::Device(device)) = (&upload, candidate.capabilities.pictures)
        {
            video.set_format(device.pixels());
            frames.attach(&mut video);
        }
        describe(&mut video, settings, format);
        let rate = settings.rate(Bitrate::from_kbps(settings.bitrate_kbps));
        set_rate_control(&mut video, rate);
        let wanted = (candidate.options)(settings, format);
        video.set_threading(threading::Config::count(wanted.threads));
        let mut list: Vec<(&str, &str)> =
            wanted.list.iter().map(|(k, v)| (*k, v.as_str())).collect();
        list.extend(avopt::pairs(&settings.options)?);
        let encoder = video
            .open_with(options(&list))
            .map_err(|source| EncodeError::Codec {
                what: "opening the encoder",
                source,
            })?;
        Ok(Self {
            encoder,
            upload,
            layout,
            size,
            chroma: BufferPool::new(2),
            packet: Packet::empty(),
            last_ticks: None,
        })
    }

    /// The stream's header, where the encoder gives one before its first packet.
    pub(super) fn header(&self) -> bytes::Bytes {
        extradata(&self.encoder)
    }

    /// Takes a picture.
    pub(super) fn send(&mut self, picture: &VideoFrame, keyframe: bool) -> Result<(), EncodeError> {
        let mut wrapped = self.wrap(picture)?;
        if let Some(frames) = &self.upload {
            wrapped = frames.upload(&wrapped)?;
            describe_picture(&mut wrapped);
        }
        wrapped.set_pts(Some(self.next_ticks(picture.pts)));
        wrapped.set_kind(if keyframe {
            picture::Type::I
        } else {
            picture::Type::None
        });
        self.encoder
            .send_frame(&wrapped)
            .map_err(|source| EncodeError::Codec {
                what: "encoding a picture",
                source,
            })
    }

    /// No more pictures come.
    pub(super) fn send_end(&mut self) -> Result<(), EncodeError> {
        self.encoder
            .send_eof()
            .map_err(|source| EncodeError::Codec {
                what: "ending the video stream",
                source,
            })
    }

    /// The next packet that is ready.
    pub(super) fn receive(&mut self) -> Result<Option<&Packet>, EncodeError> {
        match self.encoder.receive_packet(&mut self.packet) {
            Ok(()) => Ok(Some(&self.packet)),
            Err(e) if is_drained(e) => Ok(None),
            Err(source) => Err(EncodeError::Codec {
                what: "encoding a picture",
                source,
            }),
        }
    }

    /// Tells the running encoder another rate; whether it listens is its own matter.
    pub(super) fn set_rate(&mut self, rate: Rate) {
        set_rate_control(&mut self.encoder, rate);
    }

    fn wrap(&self, picture: &VideoFrame) -> Result<frame::Video, EncodeError> {
        let size = self.size;
        if picture.resolution != size {
            return Err(EncodeError::Input(format!(
                "a picture of {} came to an encoder opened for {size}",
                picture.resolution
            )));
        }
        let (width, height) = (size.width as usize, size.height as usize);
        let planar = self.layout == format::Pixel::YUV420P;
        let two = |y: &Plane, uv: &Plane| {
            let planes = [(y, height, width), (uv, height / 2, width)];
            borrow_planes(self.layout, size, &planes)
        };
        let three = |y: &Plane, u: &Plane, v: &Plane| {
            let half = (height / 2, width / 2);
            let planes = [(y, height, width), (u, half.0, half.1), (v, half.0, half.1)];
            borrow_planes(self.layout, size, &planes)
        };
        match (&picture.data, planar) {
            (FrameData::Nv12 { y, uv }, false) => two(y, uv),
            (FrameData::Nv12 { y, uv }, true) => {
                let [u, v] = self.part(uv)?;
                three(y, &u, &v)
            }
            (FrameData::I420 { y, u, v }, false) => two(y, &self.interleave(u, v)?),
            (FrameData::I420 { y, u, v }, true) => three(y, u, v),
            (other, _) => Err(EncodeError::Input(format!(
                "a picture in format {:?} came to an encoder that takes NV12",
                other.format()
            ))),
        }
    }

    /// NV12 chroma as I420 chroma.
    fn part(&self, uv: &Plane) -> Result<[Plane; 2], EncodeError> {
        let (width, rows) = (self.size.width as usize / 2, self.size.height as usize / 2);
        if uv.stride < 2 * width || uv.data.len() < uv.stride * (rows - 1) + 2 * width {
            return Err(EncodeError::Input(
                "the chroma plane is too short".to_owned(),
            ));
        }
        let mut planes = [self.chroma.get(width * rows), self.chroma.get(width * rows)];
        let [u, v] = &mut planes;
        let out = u.chunks_exact_mut(width).zip(v.chunks_exact_mut(width));
        for (row, (u, v)) in out.enumerate() {
            let pairs = uv.data[row * uv.stride..].chunks_exact(2);
            for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs) {
                (*u, *v) = (pair[0], pair[1]);
            }
        }
        Ok(planes.map(|data| Plane {
            data: data.freeze(),
            stride: width,
        }))
    }

    /// I420 chroma as NV12 chroma: an encoder is opened for one layout.
    fn interleave(&self, u: &Plane, v: &Plane) -> Result<Plane, EncodeError> {
        let stride = self.size.width as usize;
        let (width, rows) = (stride / 2, self.size.height as usize / 2);
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

    /// FFmpeg's encoders want stamps that grow; a repeated one becomes a microsecond later.
    fn next_ticks(&mut self, pts: MediaTime) -> i64 {
        let wanted = ticks(pts);
        let next = self.last_ticks.map_or(wanted, |last| wanted.max(last + 1));
        self.last_ticks = Some(next);
        next
    }
}

/// What the pictures are, and where keyframes and B-frames go.
fn describe(
    video: &mut encoder::video::Video,
    settings: &VideoEncoderSettings,
    format: VideoFormat,
) {
    video.set_aspect_ratio((1, 1));
    video.set_time_base(TIME_BASE);
    let rate = |v: u32| i32::try_from(v).unwrap_or(i32::MAX); // at most 240,000: FrameRate
    video.set_frame_rate(Some((rate(format.rate.num()), rate(format.rate.den()))));
    video.set_colorspace(color::Space::BT709);
    video.set_color_range(color::Range::MPEG);
    video.set_color_primaries(color::Primaries::BT709);
    video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
    let interval = std::time::Duration::from_secs_f32(settings.keyframe_interval);
    let gop = format.rate.frames_in(interval).max(1);
    video.set_gop(u32::try_from(gop).unwrap_or(u32::MAX));
    video.set_max_b_frames(settings.b_frames.into());
    video.set_flags(codec::Flags::GLOBAL_HEADER);
}

/// An uploaded picture says itself what its colours are.
fn describe_picture(picture: &mut frame::Video) {
    picture.set_color_space(color::Space::BT709);
    picture.set_color_range(color::Range::MPEG);
    picture.set_color_primaries(color::Primaries::BT709);
    picture.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
}
