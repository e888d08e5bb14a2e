//! NVENC: NVIDIA's encoders, through libcuda and libnvidia-encode, which FFmpeg loads at run time.

use super::{H264_PROFILES, preset, profile};
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &RateControl::ALL,
    live_bitrate: LiveBitrate::Measured, // nvenc.c, reconfig_encoder
    b_frames: 4,
    look_ahead: 32,
    profiles: &[],
    presets: &["p1", "p2", "p3", "p4", "p5", "p6", "p7"],
    pictures: Pictures::Nv12,
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "nvenc",
        title: "H.264, NVIDIA NVENC",
        ffmpeg: "h264_nvenc",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: Capabilities {
            profiles: H264_PROFILES,
            ..CAPABILITIES
        },
        hint: "",
        options: |settings, format| {
            let mut options = options(settings, format);
            options.put("profile", profile(settings.profile));
            options
        },
    },
    Candidate {
        name: "nvenc-hevc",
        title: "HEVC, NVIDIA NVENC",
        ffmpeg: "hevc_nvenc",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
    Candidate {
        name: "nvenc-av1",
        title: "AV1, NVIDIA NVENC",
        ffmpeg: "av1_nvenc",
        codec: VideoCodec::Av1,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([
        ("preset", preset(settings, "p4")),
        ("forced-idr", "1"),
        ("no-scenecut", "1"),
    ]);
    match settings.tune {
        Tune::LowLatency => {
            options.put("tune", "ll");
            options.put("zerolatency", 1);
            options.put("delay", 0);
        }
        Tune::Quality => {
            options.put("tune", "hq");
            if let Some(frames) = settings.look_ahead {
                options.put("rc-lookahead", frames);
            }
        }
    }
    match settings.rate_control {
        RateControl::Cbr => options.put("rc", "cbr"),
        RateControl::Vbr => options.put("rc", "vbr"),
        RateControl::Crf => {
            options.put("rc", "vbr");
            options.put("cq", settings.quality.max(1)); // 0 would mean "automatic"
        }
        RateControl::Cqp => {
            options.put("rc", "constqp");
            options.put("qp", settings.quality);
        }
    }
    options
}
