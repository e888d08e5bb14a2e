//! Inputs whose clock is another one than ours, for hours of virtual time.

use std::f64::consts::TAU;
use std::time::Duration;

use super::tests::{ORIGIN, stats};
use super::*;
use crate::media::ring::audio_ring;

/// What came out.
#[derive(Debug, Default)]
struct Heard {
    /// Largest distance of a click from its time, in frames.
    offset: i64,
    clicks: u32,
    /// Largest deviation from a pure tone: `s[n+1] − 2 cos(w) s[n] + s[n−1]`. Of a tone of half the full scale one
    /// sample lost or doubled makes it 0.065; where the resampler begins its delay is rounded to whole frames: 0.006.
    break_of_tone: f32,
    /// Harmonics 2 to 10 over the tone, in dB, over the last second.
    distortion_db: f64,
}

/// A device at 48 kHz whose clock is slow by `ppm` plays 1 kHz on the left and a click each second on the right, by our
/// time. It stamps by our clock, and delivers fewer frames than we count.
fn listen(ppm: f64, seconds: i64) -> Heard {
    let mut mixer = Mixer::new(ORIGIN);
    let ring = Duration::from_millis(500);
    let (mut sink, tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, ring);
    mixer.add(tap).unwrap();
    let rate = 48_000.0 / (1.0 + ppm * 1e-6);
    let at = |frame: f64| ORIGIN + Duration::from_secs_f64(frame / rate);
    let mut heard = Heard::default();
    let (mut sent, mut position) = (0_u32, 0);
    let (mut last, mut tail) = ([0.0_f32; 2], Vec::new());
    let cos = 2.0 * (1000.0 * std::f32::consts::TAU / 48_000.0).cos();
    let mut samples = Vec::new();
    while position < seconds * 48_000 {
        let now = mixer.due();
        while at(f64::from(sent + 960)) + Duration::from_millis(5) <= now {
            samples.clear();
            for i in sent..sent + 960 {
                let second = f64::from(i) / rate;
                let of_second = second - second.floor();
                #[expect(clippy::cast_possible_truncation, reason = "test tone")]
                let tone = (0.5 * (of_second * 1000.0 * TAU).sin()) as f32;
                samples.extend([tone, if of_second < 1.0 / rate { 0.8 } else { 0.0 }]);
            }
            sink.push(at(f64::from(sent)), &samples);
            sent += 960;
        }
        mixer.drain(now);
        let block: &[Frame] = mixer.mix().samples.as_chunks().0;
        for (i, [tone, click]) in block.iter().enumerate() {
            let place = position + i64::try_from(i).unwrap();
            if place > 48_000 {
                let off = (tone - cos * last[1] + last[0]).abs();
                heard.break_of_tone = heard.break_of_tone.max(off);
            }
            last = [last[1], *tone];
            if *click > 0.3 && place > 480 {
                let off = (place + 24_000).rem_euclid(48_000) - 24_000;
                heard.offset = heard.offset.max(off.abs());
                heard.clicks += 1;
            }
            if place >= (seconds - 1) * 48_000 {
                tail.push(f64::from(*tone));
            }
        }
        position += 1024;
    }
    heard.distortion_db = distortion_db(&tail[..48_000]);
    let stats = stats(&mixer);
    assert_eq!((stats.gap_ms, stats.late, stats.overruns), (0, 0, 0));
    let found = f64::from(stats.inputs[0].drift_ppm.unwrap());
    assert!((found - ppm).abs() < 20.0, "{found}");
    assert!(stats.queued_ms < 100, "{stats:?}");
    heard
}

/// The harmonics of a tone of about 1 kHz over the tone itself, through a window whose side lobes lie below −92 dB
/// (Blackman-Harris, four terms: Harris 1978, table 1).
fn distortion_db(samples: &[f64]) -> f64 {
    let n = samples.len() as f64;
    let windowed: Vec<f64> = samples
        .iter()
        .enumerate()
        .map(|(i, s)| {
            let x = TAU * i as f64 / n;
            let w =
                0.35875 - 0.48829 * x.cos() + 0.14128 * (2.0 * x).cos() - 0.01168 * (3.0 * x).cos();
            s * w
        })
        .collect();
    let power = |hertz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, s) in windowed.iter().enumerate() {
            let angle = TAU * hertz * i as f64 / 48_000.0;
            re += s * angle.cos();
            im += s * angle.sin();
        }
        re * re + im * im
    };
    // within one bin of 1 Hz: the window's main lobe is eight bins wide
    let harmonics: f64 = (2..=10).map(|k| power(1000.0 * f64::from(k))).sum();
    10.0 * (harmonics / power(1000.0)).log10()
}

fn check(ppm: f64, seconds: i64) {
    let heard = listen(ppm, seconds);
    assert!(
        heard.clicks >= u32::try_from(seconds - 3).unwrap(),
        "{heard:?}"
    );
    // 10 ms; uncorrected it would be 864 frames after a minute and 310,000 after six hours
    assert!((20..480).contains(&heard.offset), "{ppm} ppm: {heard:?}");
    assert!(heard.break_of_tone < 0.01, "{ppm} ppm: {heard:?}");
    assert!(heard.distortion_db < -80.0, "{ppm} ppm: {heard:?}");
    tracing::info!(ppm, seconds, ?heard, "a clock that is off");
}

#[test]
fn a_clock_that_is_off_is_followed_without_loss_or_distortion() {
    for ppm in [300.0, -300.0] {
        check(ppm, 60);
    }
}

/// The same for six hours.
#[test]
#[ignore = "takes minutes: cargo test --lib six_hours -- --ignored"]
fn six_hours_of_a_clock_that_is_off() {
    tracing_subscriber::fmt().try_init().ok(); // shows the figures
    for ppm in [300.0, -300.0] {
        check(ppm, 6 * 3600);
    }
}

#[test]
fn distortion_is_measured() {
    let tone = |second: f64| -> Vec<f64> {
        let at = |i: i32| f64::from(i) * 1000.0 * TAU / 48_000.0;
        (0..48_000)
            .map(|i| at(i).sin() + second * (2.0 * at(i)).sin())
            .collect()
    };
    assert!((distortion_db(&tone(0.001)) + 60.0).abs() < 0.1);
    assert!(distortion_db(&tone(0.0)) < -150.0);
}
