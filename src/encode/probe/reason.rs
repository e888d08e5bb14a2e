//! Why an encoder could not be opened, in words: FFmpeg's error says little, what its encoder wrote says more. Text in,
//! text out.

use super::Why;
use crate::encode::candidate::Candidate;

/// What is looked for in FFmpeg's words (in any case of letters), for which encoders of FFmpeg, and what it means.
struct Sign {
    encoder: &'static str,
    says: &'static str,
    why: Why,
    words: &'static str,
}

const fn sign(encoder: &'static str, says: &'static str, why: Why, words: &'static str) -> Sign {
    Sign {
        encoder,
        says,
        why,
        words,
    }
}

/// The first that fits counts.
const SIGNS: [Sign; 26] = [
    sign(
        "nvenc",
        "cannot load libcuda",
        Why::NoDevice,
        "no NVIDIA driver (libcuda is not installed)",
    ),
    sign(
        "nvenc",
        "cannot load nvcuda",
        Why::NoDevice,
        "no NVIDIA driver (nvcuda.dll is not there)",
    ),
    sign(
        "nvenc",
        "cannot load libnvidia-encode",
        Why::NoDevice,
        "the NVIDIA driver is there without its encoder library: install libnvidia-encode",
    ),
    sign(
        "nvenc",
        "cannot load nvencodeapi",
        Why::NoDevice,
        "the NVIDIA driver is there without its encoder library: install the whole driver",
    ),
    sign(
        "nvenc",
        "no cuda-capable device",
        Why::NoDevice,
        "no NVIDIA graphics card",
    ),
    sign(
        "nvenc",
        "cuda_error_no_device",
        Why::NoDevice,
        "no NVIDIA graphics card",
    ),
    sign(
        "nvenc",
        "incompatible client key",
        Why::SessionLimit,
        SESSIONS,
    ),
    sign(
        "nvenc",
        "openencodesessionex failed: out of memory",
        Why::SessionLimit,
        SESSIONS,
    ),
    sign(
        "nvenc",
        "no capable devices found",
        Why::NoDevice,
        "this NVIDIA card has no encoder that can do this",
    ),
    sign(
        "nvenc",
        "no nvenc capable devices",
        Why::NoDevice,
        "this NVIDIA card has no encoder that can do this",
    ),
    sign(
        "vaapi",
        "no usable encoding profile",
        Why::NoDevice,
        "this graphics chip cannot encode it",
    ),
    sign(
        "vaapi",
        "no usable encoding entrypoint",
        Why::NoDevice,
        "this graphics chip cannot encode it",
    ),
    sign(
        "vaapi",
        "failed to initialise vaapi connection",
        Why::NoDevice,
        "no VAAPI driver for this graphics chip: install the one that `vainfo` asks for",
    ),
    sign(
        "vaapi",
        "cannot open drm render node",
        Why::NoDevice,
        "no VAAPI device",
    ),
    sign(
        "vaapi",
        "cannot open a va display",
        Why::NoDevice,
        "no VAAPI device",
    ),
    sign(
        "vaapi",
        "no va display found",
        Why::NoDevice,
        "no VAAPI device",
    ),
    sign(
        "vaapi",
        "failed to open drm device",
        Why::NoDevice,
        "no VAAPI device that this user may open: join the group `render`",
    ),
    sign(
        "qsv",
        "mfx session",
        Why::NoDevice,
        "no Intel Quick Sync device, or no driver for it",
    ),
    sign(
        "amf",
        "failed to open",
        Why::NoDevice,
        "no AMD driver with AMF (its library is not there)",
    ),
    sign(
        "v4l2m2m",
        "could not find a valid device",
        Why::NoDevice,
        "no V4L2 encoder device",
    ),
    sign("vulkan", "unable to find", Why::NoDevice, NO_VULKAN),
    sign("vulkan", "no devices found", Why::NoDevice, NO_VULKAN),
    sign("vulkan", "not supported", Why::NoDevice, NO_VULKAN),
    sign(
        "videotoolbox",
        "cannot create compression session",
        Why::NoDevice,
        "no encoder chip that can do this",
    ),
    sign(
        "_mf",
        "could not find",
        Why::NoDevice,
        "no encoder driver for Media Foundation",
    ),
    sign(
        "",
        "cannot allocate memory",
        Why::Failed,
        "there is not enough memory",
    ),
];

const SESSIONS: &str =
    "session limit reached: close other programs that encode or record on this card";
const NO_VULKAN: &str = "no Vulkan device that encodes video";

/// Most characters of FFmpeg's own words that are shown.
const MOST: usize = 200;

/// FFmpeg's `error` and what was written to standard error, as a reason for people.
pub(super) fn explain(c: &Candidate, error: &str, log: &str) -> (Why, String) {
    let lower = log.to_lowercase();
    if let Some(needed) = needed_driver(&lower) {
        return (
            Why::DriverTooOld,
            format!("driver too old: needs {needed} or newer"),
        );
    }
    let fits = |s: &&Sign| c.ffmpeg.contains(s.encoder) && lower.contains(s.says);
    if let Some(Sign { why, words, .. }) = SIGNS.iter().find(fits) {
        return (*why, (*words).to_owned());
    }
    let said = log
        .lines()
        .rev()
        .map(without_prefix)
        .find(|line| !line.is_empty() && !line.contains("unloaded"));
    let text = said.map_or_else(|| error.to_owned(), |said| format!("{error}: {said}"));
    (Why::Failed, text.chars().take(MOST).collect())
}

/// The driver version out of "The minimum required Nvidia driver for nvenc is 570.0 or newer" (nvenc.c).
fn needed_driver(log: &str) -> Option<String> {
    const BEFORE: &str = "minimum required nvidia driver for nvenc is ";
    let at = log.find(BEFORE)? + BEFORE.len();
    let version: String = log[at..]
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    Some(version.trim_end_matches(".0").to_owned())
}

/// A line without "[h264_nvenc @ 0x5581]".
fn without_prefix(line: &str) -> &str {
    let line = line.trim();
    match line.split_once("] ") {
        Some((_, rest)) if line.starts_with('[') => rest.trim(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::candidate::find;

    #[test]
    fn words_of_drivers_become_reasons() {
        // as FFmpeg 5.1 to 7.1 write them
        let cases = [
            (
                "nvenc",
                "[h264_nvenc @ 0x5f] Cannot load libcuda.so.1\n[h264_nvenc @ 0x5f] Nvenc unloaded",
                "no NVIDIA driver",
            ),
            (
                "nvenc",
                "[h264_nvenc @ 0x1] Driver does not support the required nvenc API version. Required: 13.0 Found: 12.2\n\
              [h264_nvenc @ 0x1] The minimum required Nvidia driver for nvenc is 570.0 or newer\n",
                "driver too old: needs 570 or newer",
            ),
            (
                "nvenc-hevc",
                "[hevc_nvenc @ 0x1] OpenEncodeSessionEx failed: incompatible client key (21): (no details)",
                "session limit reached",
            ),
            (
                "nvenc",
                "OpenEncodeSessionEx failed: out of memory (10): (no details)\nNo capable devices found",
                "session limit reached",
            ),
            (
                "nvenc",
                "[AVHWDeviceContext @ 0x1] dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
                "no NVIDIA graphics card",
            ),
            (
                "vaapi",
                "[AVHWDeviceContext @ 0x5] Cannot open DRM render node for device 0.\nCannot open a VA display from DRM device (null).",
                "no VAAPI device",
            ),
            (
                "vaapi",
                "[AVHWDeviceContext @ 0x5] Failed to initialise VAAPI connection: -1 (unknown libva error).",
                "no VAAPI driver",
            ),
            (
                "qsv",
                "[h264_qsv @ 0x55] Error initializing an internal MFX session: unsupported (-3)",
                "no Intel Quick Sync",
            ),
            (
                "amf",
                "[h264_amf @ 0x5] DLL libamfrt64.so.1 failed to open",
                "no AMD driver",
            ),
            (
                "v4l2m2m",
                "[h264_v4l2m2m @ 0x5] Could not find a valid device",
                "no V4L2 encoder device",
            ),
            (
                "x264",
                "[libx264 @ 0x5] broken ffmpeg default settings detected",
                "opening the encoder failed: broken ffmpeg default settings detected",
            ),
            ("x264", "", "opening the encoder failed"),
        ];
        for (name, log, expected) in cases {
            let (_, reason) = explain(find(name).unwrap(), "opening the encoder failed", log);
            assert!(reason.starts_with(expected), "{reason}, not {expected}");
        }
    }
}
