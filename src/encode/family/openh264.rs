//! libopenh264: H.264 on the processor, where an FFmpeg came without libx264.

use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{Profile, RateControl};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[Candidate {
    name: "openh264",
    title: "H.264, OpenH264 (processor)",
    ffmpeg: "libopenh264",
    codec: VideoCodec::H264,
    place: Place::Processor,
    capabilities: Capabilities {
        rate_controls: &[RateControl::Cbr],
        live_bitrate: LiveBitrate::Reopens,
        b_frames: 0,
        look_ahead: 0,
        profiles: &[Profile::Baseline, Profile::High],
        presets: &[],
        pictures: Pictures::I420,
    },
    hint: "",
    options: |settings, _| {
        let profile = match settings.profile {
            Profile::Baseline => "constrained_baseline",
            Profile::Main | Profile::High | Profile::Auto => "high",
        };
        // without skipping pictures it overshoots for seconds
        Options::new([
            ("profile", profile),
            ("rc_mode", "bitrate"),
            ("allow_skip_frames", "1"),
        ])
    },
}];
