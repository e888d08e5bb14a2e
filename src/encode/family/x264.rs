//! libx264: H.264 on the processor; works everywhere.
//!
//! CBR is ABR with a VBV buffer of the same rate, because that is what libx264 changes while it runs; with
//! `nal-hrd=cbr` a new bitrate is silently ignored.

use std::time::Duration;

use super::{H264_PROFILES, preset, profile};
use crate::encode::candidate::{
    Candidate, Capabilities, LiveBitrate, Options, Pictures, Place, VideoCodec,
};
use crate::encode::settings::{RateControl, Tune, VideoEncoderSettings, VideoFormat};

pub(in crate::encode) const CANDIDATES: &[Candidate] = &[Candidate {
    name: "x264",
    title: "H.264, libx264 (processor)",
    ffmpeg: "libx264",
    codec: VideoCodec::H264,
    place: Place::Processor,
    capabilities: Capabilities {
        rate_controls: &RateControl::ALL,
        live_bitrate: LiveBitrate::Follows,
        b_frames: 4,
        look_ahead: 60,
        profiles: H264_PROFILES,
        presets: &PRESETS,
        pictures: Pictures::Nv12,
    },
    hint: ": install an FFmpeg with libx264 (on Debian and Ubuntu: apt install libavcodec-extra)",
    options,
}];

/// libx264's presets, fastest first.
pub(in crate::encode) const PRESETS: [&str; 9] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
];

/// Used where nothing was measured.
pub(in crate::encode) const USUAL_PRESET: &str = "veryfast";

/// Pictures each preset looks ahead (x264 `param_apply_preset`).
const LOOK_AHEAD_OF: [u64; 9] = [0, 0, 10, 20, 30, 40, 50, 60, 60];

/// Nanoseconds of one core per pixel that each preset takes on a slow machine, measured on 720p footage.
const COST_OF: [u64; 9] = [5, 8, 12, 19, 28, 34, 57, 89, 187];

/// Longest look-ahead; slower presets would otherwise delay a live stream by up to two seconds.
const LOOK_AHEAD: Duration = Duration::from_millis(400);

/// Place of the preset in [`PRESETS`].
fn preset_index(settings: &VideoEncoderSettings) -> usize {
    let chosen = preset(settings, USUAL_PRESET);
    PRESETS.iter().position(|p| *p == chosen).unwrap_or(2)
}

/// Threads that bring a picture under half a frame interval, no more: libx264's own choice (one per core) cuts each
/// low-latency picture into as many slices, which costs 0.1 dB with two and more with many, for the same processor
/// time, and with look-ahead it adds a picture of delay per thread.
fn threads(settings: &VideoEncoderSettings, format: VideoFormat) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cost = format.resolution.pixels() * COST_OF[preset_index(settings)];
    if settings.tune == Tune::Quality {
        cost = cost * 17 / 10; // the look-ahead's share, as measured
    }
    let half_interval = format.rate.interval().as_nanos() / 2;
    let wanted = u128::from(cost).div_ceil(half_interval.max(1));
    usize::try_from(wanted).unwrap_or(cores).clamp(1, cores)
}

fn options(settings: &VideoEncoderSettings, format: VideoFormat) -> Options {
    let mut options = Options::new([
        ("preset", preset(settings, USUAL_PRESET)),
        ("profile", profile(settings.profile)),
        ("forced-idr", "1"),
        // keyframes only where the interval or a request puts them, so that segmenters see a fixed GOP
        ("sc_threshold", "0"),
    ]);
    options.threads = threads(settings, format);
    match (settings.tune, settings.look_ahead) {
        (Tune::LowLatency, _) => options.put("tune", "zerolatency"),
        (Tune::Quality, Some(frames)) => options.put("rc-lookahead", frames),
        (Tune::Quality, None) => {
            let frames = format.rate.frames_in(LOOK_AHEAD);
            if LOOK_AHEAD_OF[preset_index(settings)] > frames {
                options.put("rc-lookahead", frames);
            }
        }
    }
    match settings.rate_control {
        RateControl::Cbr | RateControl::Vbr => {}
        RateControl::Crf => options.put("crf", settings.quality),
        RateControl::Cqp => options.put("qp", settings.quality),
    }
    options
}
