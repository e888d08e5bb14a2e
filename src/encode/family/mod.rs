//! One file a family of encoders: names, capabilities, and our settings in its words. Constants and pure functions.
//!
//! Everything is compiled everywhere: which of them this FFmpeg and this machine really have is what the
//! [probe](super::probe) finds out.

pub(super) mod amf;
pub(super) mod mediafoundation;
pub(super) mod nvenc;
pub(super) mod openh264;
pub(super) mod qsv;
pub(super) mod svtav1;
pub(super) mod v4l2m2m;
pub(super) mod vaapi;
pub(super) mod videotoolbox;
pub(super) mod vulkan;
pub(super) mod x264;
pub(super) mod x265;

use super::settings::{AUTO, Profile, VideoEncoderSettings};

/// The chosen preset, or the family's own choice.
fn preset<'a>(settings: &'a VideoEncoderSettings, auto: &'a str) -> &'a str {
    match settings.preset.as_str() {
        AUTO => auto,
        preset => preset,
    }
}

/// FFmpeg's usual names of H.264 profiles.
const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Baseline => "baseline",
        Profile::Main => "main",
        Profile::High | Profile::Auto => "high",
    }
}

/// Profiles of an H.264 encoder that has all three.
const H264_PROFILES: &[Profile] = &[Profile::Baseline, Profile::Main, Profile::High];
