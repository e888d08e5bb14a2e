//! V4L2 M2M: the codec blocks of single-board computers on Linux.

use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::RateControl;

const CAPABILITIES: Capabilities = Capabilities {
    rate_controls: &[RateControl::Cbr, RateControl::Vbr],
    live_bitrate: LiveBitrate::Reopens,
    b_frames: 0,
    look_ahead: 0,
    profiles: &[],
    presets: &[],
    pictures: Pictures::Nv12,
};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "v4l2m2m",
        title: "H.264, V4L2 (boards)",
        ffmpeg: "h264_v4l2m2m",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options: |_, _| Options::default(),
    },
    Candidate {
        name: "v4l2m2m-hevc",
        title: "HEVC, V4L2 (boards)",
        ffmpeg: "hevc_v4l2m2m",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: "",
        options: |_, _| Options::default(),
    },
];
