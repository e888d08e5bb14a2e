//! Vulkan Video, from FFmpeg 7.1 on. Pictures are uploaded to the device.

use crate::encode::candidate::{
    Candidate, Capabilities, Device, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr, RateControl::Cqp],
    live_bitrate: LiveBitrate::Reopens,
    b_frames: 4,
    look_ahead: 0,
    profiles: &[],
    presets: &[],
    pictures: Pictures::Device(Device::Vulkan),
};

const HINT: &str = ": it came with FFmpeg 7.1";

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "vulkan",
        title: "H.264, Vulkan Video",
        ffmpeg: "h264_vulkan",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: HINT,
        options,
    },
    Candidate {
        name: "vulkan-hevc",
        title: "HEVC, Vulkan Video",
        ffmpeg: "hevc_vulkan",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: HINT,
        options,
    },
    Candidate {
        name: "vulkan-av1",
        title: "AV1, Vulkan Video",
        ffmpeg: "av1_vulkan",
        codec: VideoCodec::Av1,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: HINT,
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([("usage", "stream"), ("content", "rendered")]);
    match settings.tune {
        Tune::LowLatency => {
            options.put("tune", "ull");
            options.put("async_depth", 1);
        }
        Tune::Quality => options.put("tune", "hq"),
    }
    match settings.rate_control {
        RateControl::Cbr => options.put("rc_mode", "cbr"),
        RateControl::Vbr | RateControl::Crf => options.put("rc_mode", "vbr"),
        RateControl::Cqp => {
            options.put("rc_mode", "cqp");
            options.put("qp", settings.quality);
        }
    }
    options
}
