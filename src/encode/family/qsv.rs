//! QSV: Intel Quick Sync, through libmfx or libvpl.

use super::{H264_PROFILES, preset, profile};
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune, VideoEncoderSettings, VideoFormat};

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr],
    live_bitrate: LiveBitrate::Measured, // since FFmpeg 6 (qsvenc.c, update_bitrate)
    b_frames: 4,
    look_ahead: 60,
    profiles: &[],
    presets: &[
        "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
    ],
    pictures: Pictures::Nv12,
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "qsv",
        title: "H.264, Intel Quick Sync",
        ffmpeg: "h264_qsv",
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
        name: "qsv-hevc",
        title: "HEVC, Intel Quick Sync",
        ffmpeg: "hevc_qsv",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
    Candidate {
        name: "qsv-av1",
        title: "AV1, Intel Quick Sync",
        ffmpeg: "av1_qsv",
        codec: VideoCodec::Av1,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options,
    },
];

/// CBR and VBR are told apart by whether target and peak are equal (qsvenc.c, `select_rc_mode`).
fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([("preset", preset(settings, "medium")), ("forced_idr", "1")]);
    if settings.tune == Tune::LowLatency {
        options.put("async_depth", 1);
    } else if let Some(frames @ 1..) = settings.look_ahead {
        options.put("look_ahead", 1);
        options.put("look_ahead_depth", frames);
    }
    options
}
