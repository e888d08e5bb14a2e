//! Further options of an encoder as text: checked against FFmpeg's own table, name and value, before anything is opened.

use std::ffi::{CStr, CString};

use ffmpeg_next::{encoder, ffi};

use super::EncodeError;
use super::candidate::Candidate;
use super::settings::refuse;

const FIELD: &str = "encoder.options";

/// Options that a setting of ours decides, with its name.
const OWNED: [(&str, &str); 31] = [
    ("b", "encoder.bitrate_kbps"),
    ("maxrate", "encoder.max_bitrate_kbps"),
    ("minrate", "encoder.rate_control"),
    ("bufsize", "encoder.buffer_ms"),
    ("g", "encoder.keyframe_interval"),
    ("keyint_min", "encoder.keyframe_interval"),
    ("sc_threshold", "encoder.keyframe_interval"),
    ("no-scenecut", "encoder.keyframe_interval"),
    ("forced-idr", "encoder.keyframe_interval"),
    ("forced_idr", "encoder.keyframe_interval"),
    ("bf", "encoder.b_frames"),
    ("preset", "encoder.preset"),
    ("quality", "encoder.preset"),
    ("tune", "encoder.tune"),
    ("zerolatency", "encoder.tune"),
    ("usage", "encoder.tune"),
    ("scenario", "encoder.tune"),
    ("realtime", "encoder.tune"),
    ("profile", "encoder.profile"),
    ("crf", "encoder.quality"),
    ("qp", "encoder.quality"),
    ("cq", "encoder.quality"),
    ("cqp", "encoder.quality"),
    ("global_quality", "encoder.quality"),
    ("rc", "encoder.rate_control"),
    ("rc_mode", "encoder.rate_control"),
    ("rate_control", "encoder.rate_control"),
    ("constant_bit_rate", "encoder.rate_control"),
    ("rc-lookahead", "encoder.look_ahead"),
    ("look_ahead", "encoder.look_ahead"),
    ("look_ahead_depth", "encoder.look_ahead"),
];

/// Options that are refused, with the reason.
const REFUSED: [(&str, &str); 14] = [
    (
        "nal-hrd",
        "with it libx264 ignores every later change of the bitrate, and the stream could not follow its link",
    ),
    ("x264-params", UNCHECKED),
    ("x264opts", UNCHECKED),
    ("x265-params", UNCHECKED),
    ("svtav1-params", UNCHECKED),
    ("flags", "the program needs its own"),
    ("flags2", "the program needs its own"),
    ("time_base", "the program sets it"),
    ("passlogfile", TWO_PASSES),
    ("stats", TWO_PASSES),
    ("pass", TWO_PASSES),
    ("intra-refresh", NO_KEYFRAMES),
    ("int_ref_type", NO_KEYFRAMES),
    ("dump_extra", "the program needs its own"),
];

const UNCHECKED: &str = "FFmpeg does not check what is in it: use options of FFmpeg's own table";
const TWO_PASSES: &str = "a live picture cannot be encoded twice";
const NO_KEYFRAMES: &str = "servers and viewers need keyframes";

/// The pairs of `name=value` in a text; refuses a word that is none.
pub(super) fn pairs(text: &str) -> Result<Vec<(&str, &str)>, EncodeError> {
    text.split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name, value)),
            _ => Err(EncodeError::Setting {
                field: FIELD,
                reason: format!("{word:?} is not of the form name=value, separated by spaces"),
            }),
        })
        .collect()
}

/// Refuses options that the encoder does not have, and values that they do not take. An encoder that this FFmpeg lacks
/// has no table: opening it says so.
pub(super) fn check(candidate: &Candidate, text: &str) -> Result<(), EncodeError> {
    if text.trim().is_empty() {
        return Ok(());
    }
    super::ffmpeg::init()?;
    let pairs = pairs(text)?;
    let Some(codec) = encoder::find_by_name(candidate.ffmpeg) else {
        return Ok(());
    };
    let table = Table::new(&codec)?;
    for (name, value) in pairs {
        if let Some((_, ours)) = OWNED.iter().find(|(owned, _)| *owned == name) {
            return refuse(
                FIELD,
                format!("{name} is what {ours} decides: set that instead"),
            );
        }
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return refuse(FIELD, format!("{name} is not allowed: {why}"));
        }
        table.set(candidate.ffmpeg, name, value)?;
    }
    Ok(())
}

/// An unopened context: FFmpeg's option table with somewhere to put values.
struct Table(*mut ffi::AVCodecContext);

#[expect(unsafe_code, reason = "ffmpeg-next has no option tables")]
impl Table {
    fn new(codec: &ffmpeg_next::Codec) -> Result<Self, EncodeError> {
        // SAFETY: `codec` is FFmpeg's own static description; the context is freed in `drop`
        let context = unsafe { ffi::avcodec_alloc_context3(codec.as_ptr()) };
        if context.is_null() {
            return Err(EncodeError::Codec {
                what: "reading the encoder's options",
                source: ffmpeg_next::Error::Other {
                    errno: ffmpeg_next::error::ENOMEM,
                },
            });
        }
        Ok(Self(context))
    }

    fn set(&self, encoder: &str, name: &str, value: &str) -> Result<(), EncodeError> {
        let words = (CString::new(name).ok(), CString::new(value).ok());
        let (Some(c_name), Some(c_value)) = words else {
            return refuse(FIELD, "a zero byte is in it".to_owned());
        };
        let flags = ffi::AV_OPT_SEARCH_CHILDREN;
        // SAFETY: the context is valid and begins with its class; both strings end in zero and outlive the calls. What
        // is found is a static entry of the table.
        let (found, done) = unsafe {
            let found = ffi::av_opt_find(
                self.0.cast(),
                c_name.as_ptr(),
                std::ptr::null(),
                ffi::AV_OPT_FLAG_ENCODING_PARAM,
                flags,
            );
            if found.is_null() {
                (None, 0)
            } else {
                let done = ffi::av_opt_set(self.0.cast(), c_name.as_ptr(), c_value.as_ptr(), flags);
                (Some(&*found), done)
            }
        };
        let Some(found) = found else {
            return refuse(
                FIELD,
                format!(
                    "{encoder} has no option {name:?}: `ffmpeg -h encoder={encoder}` lists what it has"
                ),
            );
        };
        if done >= 0 {
            return Ok(());
        }
        let help = if found.help.is_null() {
            String::new()
        } else {
            // SAFETY: a static string of FFmpeg's
            let help = unsafe { CStr::from_ptr(found.help) };
            format!(" ({})", help.to_string_lossy())
        };
        refuse(
            FIELD,
            format!(
                "{name} does not take {value:?}: it goes from {} to {}{help}",
                found.min, found.max
            ),
        )
    }
}

#[expect(unsafe_code, reason = "allocated by FFmpeg")]
impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: came from avcodec_alloc_context3, was never opened, and is freed once
        unsafe { ffi::avcodec_free_context(&mut self.0) };
    }
}
