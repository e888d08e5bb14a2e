//! libx265: HEVC on the processor, for recordings.

use std::time::Duration;

use super::preset;
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune};

/// Longest look-ahead: a recording's sound waits for its pictures, and no more than 3 s (`flv::interleave::HOLD`).
const LOOK_AHEAD: Duration = Duration::from_millis(700);

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
    options: |settings, format| {
        let mut options = Options::new([("preset", preset(settings, "ultrafast"))]);
        options.put("forced-idr", 1);
        let mut params = "log-level=none:scenecut=0:open-gop=0".to_owned();
        match (settings.tune, settings.look_ahead) {
            (Tune::LowLatency, _) => options.put("tune", "zerolatency"),
            (Tune::Quality, Some(n)) => params += &format!(":rc-lookahead={n}"),
            (Tune::Quality, None) => {
                let frames = format.rate.frames_in(LOOK_AHEAD);
                let least = u64::from(settings.b_frames) + 2;
                params += &format!(":rc-lookahead={}", frames.max(least));
            }
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
