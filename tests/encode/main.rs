//! The encoders against FFmpeg's decoders: what comes out must decode to what went in, at the right time, at the
//! bitrate asked for; and the stage that runs them.
#![expect(clippy::unwrap_used, reason = "a test helper that fails may panic")]

mod audio;
mod options;
mod probe;
mod rate;
mod replacement;
mod session;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod video;

use ffmpeg_next::{Packet, codec, decoder, ffi};
use kaibo::media::SourceId;
use kaibo::media::packet::{CodecParameters, EncodedPacket};
use kaibo::media::time::{FrameRate, MediaTime};
use kaibo::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

const SMALL: Resolution = Resolution::new(320, 180);

/// A picture that moves and is hard to compress: a drifting texture with fresh noise on it.
fn picture(index: u64, size: Resolution, padding: usize) -> VideoFrame {
    let (w, h) = (size.width as usize, size.height as usize);
    let stride = w + padding;
    let t = index as usize;
    let mut noise = 0x9E37_79B9_7F4A_7C15u64 ^ (index + 1).wrapping_mul(0xD134_2543_DE82_EF95);
    let mut y = vec![0xEE; stride * h];
    for row in 0..h {
        for x in 0..w {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let wave = ((x + 3 * t) / 8 * 37 + (row + t) / 8 * 53) % 97;
            y[row * stride + x] = (60 + wave + (noise % 24) as usize) as u8;
        }
    }
    let mut uv = vec![0xEE; stride * (h / 2)];
    for row in 0..h / 2 {
        for x in 0..w / 2 {
            uv[row * stride + 2 * x] = (90 + (x + t) % 64) as u8;
            uv[row * stride + 2 * x + 1] = (100 + (row + t) % 48) as u8;
        }
    }
    VideoFrame {
        pts: MediaTime::from_millis(5_000) + FrameRate::FPS_30.frame_offset(index),
        source: SourceId(0),
        seq: index,
        resolution: size,
        data: FrameData::Nv12 {
            y: Plane {
                data: y.into(),
                stride,
            },
            uv: Plane {
                data: uv.into(),
                stride,
            },
        },
        color: ColorSpec::BT709_LIMITED,
    }
}

/// A decoder that knows only what [`CodecParameters`] says.
#[expect(unsafe_code, reason = "ffmpeg-next cannot set a decoder's extradata")]
fn decoder_for(parameters: &CodecParameters) -> decoder::Opened {
    ffmpeg_next::init().unwrap();
    let id = match parameters {
        CodecParameters::H264 { .. } => codec::Id::H264,
        CodecParameters::Hevc { .. } => codec::Id::HEVC,
        CodecParameters::Av1 { .. } => codec::Id::AV1,
        CodecParameters::Aac { .. } => codec::Id::AAC,
    };
    let codec = decoder::find(id).unwrap();
    let mut context = codec::Context::new_with_codec(codec);
    let extra = parameters.extradata();
    // SAFETY: the buffer is as long as said plus the padding FFmpeg asks for, and the context frees it
    unsafe {
        let raw = &mut *context.as_mut_ptr();
        let padding = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
        let buffer: *mut u8 = ffi::av_mallocz(extra.len() + padding).cast();
        std::ptr::copy_nonoverlapping(extra.as_ptr(), buffer, extra.len());
        raw.extradata = buffer;
        raw.extradata_size = extra.len().try_into().unwrap();
    }
    context.decoder().open().unwrap()
}

fn feed(decoder: &mut decoder::Opened, packet: &EncodedPacket) {
    let mut p = Packet::copy(&packet.data);
    p.set_pts(Some(packet.pts.as_nanos()));
    p.set_dts(Some(packet.dts.as_nanos()));
    decoder.send_packet(&p).unwrap();
}

/// Prints a figure with the test.
#[expect(clippy::print_stderr, reason = "the harness shows it with the test")]
pub(crate) fn say_figure(text: &str) {
    eprintln!("{text}");
}
