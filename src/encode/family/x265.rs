//! libx265: HEVC on the processor, for recordings.

use super::preset;
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[Candidate {
    name: "x265",
    title: "HEVC, libx265 (processor)",
    ffmpeg: "libx265",
    codec: VideoCodec::Hevc,
    place: Place::Processor,
    capabilities: Capabilities {
        rate_controls: &RateControl::ALL,
        live_bitrate: LiveBitrate::Reopens,
        b_frames: 4,
        look_ahead: 60,
        profiles: &[],
        presets: &super::x264::PRESETS,
        pictures: Pictures::I420,
    },
    hint: "",
    options: |settings, _| {
        let mut options = Options::new([("preset", preset(settings, "ultrafast"))]);
        options.put("forced-idr", 1);
        let mut params = "log-level=none:scenecut=0".to_owned();
        match (settings.tune, settings.look_ahead) {
            (Tune::LowLatency, _) => options.put("tune", "zerolatency"),
            (Tune::Quality, Some(n)) => params += &format!(":rc-lookahead={n}"),
            (Tune::Quality, None) => {}
        }
        match settings.rate_control {
            RateControl::Cbr | RateControl::Vbr => {}
            RateControl::Crf => options.put("crf", settings.quality),
            RateControl::Cqp => options.put("qp", settings.quality),
        }
        options.put("x265-params", params);
        options
    },
}];
