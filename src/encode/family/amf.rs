//! AMF: AMD's encoders, on Windows and where its runtime is installed on Linux.

use super::{H264_PROFILES, preset, profile};
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{Profile, RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr, RateControl::Cqp],
    live_bitrate: LiveBitrate::Reopens,
    b_frames: 0,
    look_ahead: 0,
    profiles: &[],
    presets: &["speed", "balanced", "quality"],
    pictures: Pictures::Nv12,
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "amf",
        title: "H.264, AMD AMF",
        ffmpeg: "h264_amf",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: Capabilities {
            b_frames: 3,
            profiles: H264_PROFILES,
            ..CAPABILITIES
        },
        hint: "",
        options: |settings, format| {
            let mut options = options(settings, format);
            let name = match settings.profile {
                Profile::Baseline => "constrained_baseline",
                other => profile(other),
            };
            options.put("profile", name);
            options.put("forced_idr", 1);
            options
        },
    },
    Candidate {
        name: "amf-hevc",
        title: "HEVC, AMD AMF",
        ffmpeg: "hevc_amf",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
    Candidate {
        name: "amf-av1",
        title: "AV1, AMD AMF",
        ffmpeg: "av1_amf",
        codec: VideoCodec::Av1,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([("quality", preset(settings, "balanced"))]);
    options.put(
        "usage",
        match settings.tune {
            Tune::LowLatency => "lowlatency",
            Tune::Quality => "transcoding",
        },
    );
    match settings.rate_control {
        RateControl::Cbr => options.put("rc", "cbr"),
        RateControl::Vbr | RateControl::Crf => options.put("rc", "vbr_peak"),
        RateControl::Cqp => {
            options.put("rc", "cqp");
            options.put("qp_i", settings.quality);
            options.put("qp_p", settings.quality);
        }
    }
    options
}
