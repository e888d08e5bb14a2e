//! Media Foundation: whatever encoder Windows has a driver for (ARM machines, too).

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
        name: "mediafoundation",
        title: "H.264, Media Foundation (Windows)",
        ffmpeg: "h264_mf",
        codec: VideoCodec::H264,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: ": it is a part of Windows",
        options,
    },
    Candidate {
        name: "mediafoundation-hevc",
        title: "HEVC, Media Foundation (Windows)",
        ffmpeg: "hevc_mf",
        codec: VideoCodec::Hevc,
        place: Place::Hardware,
        capabilities: CAPABILITIES,
        hint: ": it is a part of Windows",
        options,
    },
];

fn options(settings: &VideoEncoderSettings, _: VideoFormat) -> Options {
    let mut options = Options::new([("hw_encoding", "1")]);
    options.put(
        "scenario",
        match settings.tune {
            Tune::LowLatency => "video_conference",
            Tune::Quality => "live_streaming",
        },
    );
    options.put(
        "rate_control",
        match settings.rate_control {
            RateControl::Cbr => "cbr",
            _ => "pc_vbr",
        },
    );
    options
}
