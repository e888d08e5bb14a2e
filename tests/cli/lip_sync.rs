//! How far the beep of the test pattern is from its flash, as a viewer gets them.
//!
//! A flash begins with a picture, so what is measured of it is that picture's time. On a machine that is too busy a
//! picture may be late for its tick: the one before is shown again, and the flash is seen one tick after its beep. The
//! bar code in each picture says when it was due, so that this is told apart from sound and picture that are not together.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kaibo::capture::test_pattern::{barcode, flash_area};
use kaibo::media::video::Resolution;

use super::program::Kaibo;
use super::support::probe::probe;
use super::support::{have, nginx, say};

/// One flash with its beep.
#[derive(Debug, Clone, Copy)]
struct Flash {
    /// Seconds into the recording.
    at: f64,
    /// Beep − flash in ms.
    offset: f64,
    /// By how many ms its picture was shown later after its tick than pictures usually are.
    late: f64,
}

/// Median of (beep − flash) in ms over the seconds behind `from` of a recording with pictures of `width` by `height`.
pub(crate) fn offset_ms(path: &Path, width: u32, height: u32, from: f64) -> f64 {
    let mut flashes = flashes(path, Resolution::new(width, height));
    flashes.retain(|f| f.at >= from);
    assert!(flashes.len() >= 4, "{flashes:?}");
    median(flashes.iter().map(|f| f.offset))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// All flashes that have a beep.
fn flashes(path: &Path, size: Resolution) -> Vec<Flash> {
    let pictures = pictures(path, size);
    let beeps = beep_starts(path);
    let usual = median(pictures.iter().filter_map(|p| p.after));
    let begins = |w: &[Picture]| !w[0].lit && w[1].lit;
    let pairs = pictures.windows(2).filter(|w| begins(w));
    let flashes: Vec<Flash> = pairs
        .filter_map(|w| {
            let nearest = beeps
                .iter()
                .map(|b| b - w[1].at)
                .min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            (nearest.abs() < 0.4).then_some(Flash {
                at: w[1].at,
                offset: nearest * 1000.0,
                late: w[1].after.map_or(0.0, |after| (after - usual) * 1000.0),
            })
        })
        .collect();
    assert!(!flashes.is_empty(), "beeps at {beeps:?}");
    flashes
}

/// A picture of the recording.
struct Picture {
    /// When it is shown, in seconds.
    at: f64,
    lit: bool,
    /// How long after the time in its bar code it is shown, in seconds from any zero, where that can be read.
    after: Option<f64>,
}

fn pictures(path: &Path, size: Resolution) -> Vec<Picture> {
    let times = times(path, "video");
    let (width, height) = (size.width as usize, size.height as usize);
    let area = flash_area(size);
    let columns = area.left as usize..(area.left + area.width()) as usize;
    let rows = area.top as usize..(area.top + area.height()) as usize;
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-an", "-vf", "format=gray", "-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = ffmpeg.stdout.take().unwrap();
    let mut luma = vec![0; width * height];
    let mut pictures = Vec::new();
    while stdout.read_exact(&mut luma).is_ok() {
        let at = times[pictures.len()];
        let band = rows
            .clone()
            .flat_map(|y| &luma[y * width..][columns.clone()]);
        let light: u64 = band.clone().map(|l| u64::from(*l)).sum();
        let lit = light > 128 * band.count() as u64;
        let mark = barcode::read(&luma, width, size);
        let after = mark.map(|m| at - f64::from(m.monotonic_ms) / 1000.0);
        pictures.push(Picture { at, lit, after });
    }
    assert!(ffmpeg.wait().unwrap().success());
    assert_eq!(pictures.len(), times.len());
    pictures
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

/// When the sound rises out of silence, to a millisecond.
fn beep_starts(path: &Path) -> Vec<f64> {
    const RATE: f64 = 48_000.0;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-vn", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let samples: Vec<f32> = output
        .stdout
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

/// Ten minutes (or `KAIBO_MINUTES`) at nginx-rtmp: flash and beep are still together at the end, each of them but those
/// whose picture was late for its tick.
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
    let flashes = flashes(&path, Resolution::new(320, 180));
    assert!(flashes.len() as f64 > minutes * 58.0, "{}", flashes.len());
    for (what, from) in [("all", 0.0), ("the last 30 s", minutes * 60.0 - 30.0)] {
        let (late, in_time): (Vec<Flash>, Vec<Flash>) = flashes
            .iter()
            .filter(|f| f.at >= from)
            .partition(|f| f.late > 16.0);
        let middle = median(in_time.iter().map(|f| f.offset));
        let worst = in_time.iter().map(|f| f.offset.abs()).fold(0.0, f64::max);
        say(&format!(
            "{what}: beep − flash {middle:.1} ms, at most {worst:.1} ms in {} flashes; \
             pictures late for their tick: {:.0?}",
            in_time.len(),
            late.iter().map(|f| (f.at, f.offset)).collect::<Vec<_>>(),
        ));
        assert!(worst < 20.0, "{worst} ms");
        assert!(late.len() * 20 <= in_time.len(), "{late:?}");
    }
}
