//! SVT-AV1: AV1 on the processor, for recordings.

use super::preset;
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::RateControl;

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[Candidate {
    name: "svtav1",
    title: "AV1, SVT-AV1 (processor)",
    ffmpeg: "libsvtav1",
    codec: VideoCodec::Av1,
    place: Place::Processor,
    capabilities: Capabilities {
        rate_controls: &[RateControl::Vbr, RateControl::Crf, RateControl::Cqp],
        live_bitrate: LiveBitrate::Reopens,
        b_frames: 0,
        look_ahead: 0,
        profiles: &[],
        presets: &["12", "11", "10", "9", "8", "7", "6", "5", "4"],
        pictures: Pictures::I420,
    },
    hint: "",
    options: |settings, _| {
        let mut options = Options::new([("preset", preset(settings, "10"))]);
        match settings.rate_control {
            RateControl::Cbr | RateControl::Vbr => {}
            RateControl::Crf => options.put("crf", settings.quality),
            RateControl::Cqp => options.put("qp", settings.quality),
        }
        options
    },
}];
