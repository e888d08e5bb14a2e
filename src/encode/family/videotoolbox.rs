//! VideoToolbox: the encoders of macOS.

use super::{H264_PROFILES, profile};
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr],
    live_bitrate: LiveBitrate::Reopens,
    b_frames: 2,
    look_ahead: 0,
    profiles: &[],
    presets: &[],
    pictures: Pictures::Nv12,
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "videotoolbox",
        title: "H.264, VideoToolbox (macOS)",
        ffmpeg: "h264_videotoolbox",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: Capabilities {
            profiles: H264_PROFILES,
            ..CAPABILITIES
        },
        hint: ": it is a part of macOS",
        options: |settings, format| {
            let mut options = options(settings, format);
            options.put("profile", profile(settings.profile));
            options
        },
    },
    Candidate {
        name: "videotoolbox-hevc",
        title: "HEVC, VideoToolbox (macOS)",
        ffmpeg: "hevc_videotoolbox",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: ": it is a part of macOS",
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([("allow_sw", "0")]);
    if settings.tune == Tune::LowLatency {
        options.put("realtime", 1);
    }
    if settings.rate_control == RateControl::Cbr {
        options.put("constant_bit_rate", 1); // FFmpeg 6 on macOS 13; elsewhere the mean is held
    }
    options
}
