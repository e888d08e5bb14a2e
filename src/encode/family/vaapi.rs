//! VAAPI: Intel, AMD and others on Linux. Pictures are uploaded to the device.

use crate::encode::candidate::{
    Candidate, Capabilities, Device, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{Profile, RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr, RateControl::Cqp],
    live_bitrate: LiveBitrate::Reopens,
    b_frames: 4,
    look_ahead: 0,
    profiles: &[],
    presets: &[],
    pictures: Pictures::Device(Device::Vaapi),
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "vaapi",
        title: "H.264, VAAPI (Intel, AMD)",
        ffmpeg: "h264_vaapi",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: Capabilities {
            profiles: &[Profile::Baseline, Profile::Main, Profile::High],
            ..CAPABILITIES
        },
        hint: "",
        options: |settings, format| {
            let mut options = options(settings, format);
            options.put(
                "profile",
                match settings.profile {
                    Profile::Baseline => "constrained_baseline",
                    Profile::Main => "main",
                    Profile::High | Profile::Auto => "high",
                },
            );
            options
        },
    },
    Candidate {
        name: "vaapi-hevc",
        title: "HEVC, VAAPI (Intel, AMD)",
        ffmpeg: "hevc_vaapi",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
    Candidate {
        name: "vaapi-av1",
        title: "AV1, VAAPI (Intel, AMD)",
        ffmpeg: "av1_vaapi",
        codec: VideoCodec::Av1,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::default();
    if settings.tune == Tune::LowLatency {
        options.put("async_depth", 1); // a picture in, a picture out
    }
    match settings.rate_control {
        RateControl::Cbr => options.put("rc_mode", "CBR"),
        RateControl::Vbr | RateControl::Crf => options.put("rc_mode", "VBR"),
        RateControl::Cqp => {
            options.put("rc_mode", "CQP");
            options.put("qp", settings.quality.max(1)); // 0 would mean "automatic"
        }
    }
    options
}
