//! How far the beep of the test pattern is from its flash, as a viewer gets them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kaibo::capture::test_pattern::flash_area;
use kaibo::media::video::Resolution;

use super::program::Kaibo;
use super::support::probe::probe;
use super::support::{have, nginx, say};

/// Median of (beep − flash) in ms over the seconds behind `from` of a recording with pictures of `width` by `height`.
pub(crate) fn offset_ms(path: &Path, width: u32, height: u32, from: f64) -> f64 {
    let flashes = flash_starts(path, width, height);
    let beeps = beep_starts(path);
    let mut offsets: Vec<f64> = flashes
        .iter()
        .filter(|t| **t >= from)
        .filter_map(|t| {
            let nearest = beeps
                .iter()
                .map(|b| b - t)
                .min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            (nearest.abs() < 0.4).then_some(nearest * 1000.0)
        })
        .collect();
    assert!(
        offsets.len() >= 4,
        "flashes at {flashes:?}, beeps at {beeps:?}"
    );
    offsets.sort_by(f64::total_cmp);
    offsets[offsets.len() / 2]
}

fn ffmpeg(path: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(args)
        .arg("-")
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Presentation times in seconds of a kind's packets, in order.
fn times(path: &Path, kind: &str) -> Vec<f64> {
    let report = probe(path.to_str().unwrap(), None);
    let packets = report["packets"].as_array().unwrap();
    let of_kind = packets.iter().filter(|p| p["codec_type"] == kind);
    let mut times: Vec<f64> = of_kind
        .map(|p| p["pts_time"].as_str().unwrap().parse().unwrap())
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// When the band lights up: its mean brightness, one byte a picture.
fn flash_starts(path: &Path, width: u32, height: u32) -> Vec<f64> {
    let area = flash_area(Resolution::new(width, height));
    let crop = format!(
        "crop={}:{}:{}:{}",
        area.width(),
        area.height(),
        area.left,
        area.top
    );
    let filter = format!("{crop},scale=1:1:flags=area,format=gray");
    let light = ffmpeg(
        path,
        &["-vf", &filter, "-fps_mode", "passthrough", "-f", "rawvideo"],
    );
    let times = times(path, "video");
    assert_eq!(light.len(), times.len());
    let lit: Vec<bool> = light.iter().map(|l| *l > 128).collect();
    (1..lit.len())
        .filter(|i| lit[*i] && !lit[i - 1])
        .map(|i| times[i])
        .collect()
}

/// When the sound rises out of silence, to a millisecond.
fn beep_starts(path: &Path) -> Vec<f64> {
    const RATE: f64 = 48_000.0;
    let bytes = ffmpeg(path, &["-ac", "1", "-ar", "48000", "-f", "f32le"]);
    let samples: Vec<f32> = bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let first = times(path, "audio")[0];
    let peaks: Vec<f32> = samples
        .chunks(48)
        .map(|c| c.iter().fold(0.0, |m: f32, s| m.max(s.abs())))
        .collect();
    let loud = |i: usize| peaks[i] > 0.05;
    let quiet_before = |i: usize| (i.saturating_sub(100)..i).all(|k| !loud(k));
    (1..peaks.len())
        .filter(|i| loud(*i) && quiet_before(*i))
        .map(|i| first + i as f64 * 48.0 / RATE)
        .collect()
}

/// Ten minutes (or `KAIBO_MINUTES`) at nginx-rtmp: flash and beep are still together at the end.
#[test]
#[ignore = "takes ten minutes: benches/sound.sh runs it"]
fn flash_and_beep_stay_together_at_a_real_server() {
    if !have(&[nginx::NEEDS[0], nginx::NEEDS[1], "ffprobe", "ffmpeg"]) {
        return;
    }
    let minutes = std::env::var("KAIBO_MINUTES").map_or(10.0, |m| m.parse::<f64>().unwrap());
    let server = nginx::Nginx::start();
    let url = server.address("live", "long");
    let duration = format!("{}s", minutes * 60.0);
    let args = [
        "push",
        "--source",
        "test",
        "--audio",
        "none",
        "--url",
        &url,
        "--size",
        "320x180",
        "--fps",
        "30",
        "--preset",
        "ultrafast",
        "--duration",
        &duration,
    ];
    let limit = Duration::from_secs_f64(minutes * 60.0 + 60.0);
    let run = Kaibo::start(&args).wait(limit);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let (path, _) = server.complete_recording("long", 100);
    for from in [0.0, minutes * 60.0 - 30.0] {
        let offset = offset_ms(&path, 320, 180, from);
        say(&format!(
            "from second {from}: beep − flash = {offset:.1} ms"
        ));
        assert!(offset.abs() < 20.0, "{offset} ms after {from} s");
    }
}
