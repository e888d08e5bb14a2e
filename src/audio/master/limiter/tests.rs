//! The limiter against noise bursts, measured by two other ways of finding true peaks, and against itself doing nothing.

use std::f64::consts::PI;

use ebur128::{EbuR128, Mode};

use super::*;

/// Eight points per sample by a sinc of 128 samples in a Hann window, in double precision. It sees what a meter by the
/// recommendation, with four points and a short filter, may miss near 24 kHz: 0.7 dB.
fn strict_true_peak(samples: &[f64]) -> f64 {
    const HALF: usize = 64;
    let mut highest = 0.0_f64;
    for point in 0..8_u8 {
        let taps: Vec<f64> = (0..2 * HALF)
            .map(|k| {
                let x = k as f64 - (HALF - 1) as f64 - f64::from(point) / 8.0;
                let sinc = if x == 0.0 {
                    1.0
                } else {
                    (PI * x).sin() / (PI * x)
                };
                sinc * (0.5 + 0.5 * (PI * x / HALF as f64).cos())
            })
            .collect();
        for around in samples.windows(2 * HALF) {
            let sum: f64 = around.iter().zip(&taps).map(|(s, t)| s * t).sum();
            highest = highest.max(sum.abs());
        }
    }
    highest
}

fn ebu_true_peak(frames: &[Frame]) -> f64 {
    let mut meter = EbuR128::new(2, 48_000, Mode::TRUE_PEAK).unwrap();
    meter.add_frames_f32(frames.as_flattened()).unwrap();
    meter.true_peak(0).unwrap().max(meter.true_peak(1).unwrap())
}

fn limit(limiter: &mut Limiter, frames: &[Frame]) -> Vec<Frame> {
    let mut out = frames.to_vec();
    out.chunks_mut(BLOCK_FRAMES)
        .for_each(|b| limiter.process(b));
    out
}

/// Bursts of noise: white, and through a one-pole low-pass; each louder or quieter, longer or shorter.
fn bursts(seed: u64, frames: usize) -> Vec<Frame> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = Vec::with_capacity(frames);
    while out.len() < frames {
        let quiet = rng.usize(50..4000);
        out.extend(std::iter::repeat_n([0.0; 2], quiet));
        let (level, darkness) = (4.0 * rng.f32(), rng.f32() * 0.95);
        let one_sided = rng.bool();
        let mut state = [0.0; 2];
        for _ in 0..rng.usize(1..3000) {
            for (c, s) in state.iter_mut().enumerate() {
                let white = if rng.bool() { level } else { -level } * rng.f32();
                *s = *s * darkness + white * (1.0 - darkness);
                if one_sided && c == 1 {
                    *s *= 0.1;
                }
            }
            out.push(state);
        }
    }
    out.truncate(frames);
    out
}

#[test]
fn true_peaks_of_noise_bursts_never_exceed_the_ceiling() {
    let ceiling = 10.0_f64.powf(-1.0 / 20.0);
    let decibels = |peak: f64| 20.0 * peak.log10();
    for seed in 0..12 {
        let mut limiter = Limiter::default();
        let loud = bursts(seed, 48 * 1024);
        assert!(ebu_true_peak(&loud) > 2.0);
        let out = limit(&mut limiter, &loud);
        let found = ebu_true_peak(&out);
        assert!(found <= ceiling, "seed {seed}: {:.3} dBTP", decibels(found));
        for c in 0..if seed == 0 { 2 } else { 0 } {
            let channel: Vec<f64> = out.iter().map(|f| f64::from(f[c])).collect();
            let found = strict_true_peak(&channel);
            assert!(found < 1.0, "seed {seed}: {:.3} dBTP", decibels(found));
        }
        assert!(found > 0.8, "seed {seed}: turned down to {found}");
    }
}

#[test]
fn a_lower_ceiling_is_kept_and_off_is_off() {
    let loud = bursts(99, 20 * 1024);
    let mut limiter = Limiter::default();
    limiter.set(&LimiterSettings {
        ceiling_db: -9.0,
        ..LimiterSettings::default()
    });
    let found = ebu_true_peak(&limit(&mut limiter, &loud));
    assert!(found <= 10.0_f64.powf(-9.0 / 20.0), "{found}");
    let mut limiter = Limiter::default();
    limiter.set(&LimiterSettings {
        on: false,
        ..LimiterSettings::default()
    });
    let out = limit(&mut limiter, &loud);
    assert!(out[LOOKAHEAD..] == loud[..loud.len() - LOOKAHEAD]);
    assert_eq!((limiter.active_blocks, limiter.gain_db()), (0, 0.0));
}

fn sine(amplitude: f32, frames: usize) -> Vec<Frame> {
    (0..frames)
        .map(|n| {
            #[expect(clippy::cast_precision_loss, reason = "test tone")]
            let phase = (n % 96) as f32 / 96.0;
            [amplitude * (phase * std::f32::consts::TAU).sin(); 2]
        })
        .collect()
}

#[test]
fn below_the_ceiling_every_bit_passes_also_after_a_peak() {
    let mut limiter = Limiter::default();
    let mut sound = sine(0.85, 86 * 96);
    let out = limit(&mut limiter, &sound);
    assert!(out[..LOOKAHEAD] == [[0.0; 2]; LOOKAHEAD]);
    assert!(out[LOOKAHEAD..] == sound[..sound.len() - LOOKAHEAD]);
    assert_eq!(limiter.active_blocks, 0);
    // a loud stretch, then a second and a half to recover
    sound.extend(sine(1.5, 43 * 96));
    sound.extend(sine(0.8, 768 * 96));
    let mut limiter = Limiter::default();
    let out = limit(&mut limiter, &sound);
    assert!(limiter.active_blocks > 4);
    let late = out.len() - 4 * 1024;
    assert!(out[late..] == sound[late - LOOKAHEAD..sound.len() - LOOKAHEAD]);
    // the loud stretch comes out as a clean sine just below the ceiling, not a clipped one
    let loud = &out[10_000..12_000];
    let highest = loud.iter().map(|f| f[0]).fold(0.0, f32::max);
    assert!((0.84..0.8913).contains(&highest), "{highest}");
    let step = out
        .windows(2)
        .map(|w| (w[1][0] - w[0][0]).abs())
        .fold(0.0, f32::max);
    assert!(step < 1.5 * std::f32::consts::TAU / 96.0 * 1.05, "{step}");
}

#[test]
fn switched_while_it_works_it_does_not_click() {
    let loud = sine(1.5, 40 * 1024);
    let mut limiter = Limiter::default();
    let mut out = Vec::new();
    for (n, block) in loud.chunks(BLOCK_FRAMES).enumerate() {
        limiter.set(&LimiterSettings {
            on: (n / 5).is_multiple_of(2),
            ceiling_db: if (n / 3).is_multiple_of(2) {
                -1.0
            } else {
                -8.0
            },
            ..LimiterSettings::default()
        });
        out.extend(limit(&mut limiter, block));
    }
    let bend = |w: &[Frame]| (w[2][0] - 2.0 * w[1][0] + w[0][0]).abs();
    // but for its beginning
    let worst = out[LOOKAHEAD + 10..]
        .windows(3)
        .map(bend)
        .fold(0.0, f32::max);
    // the tone's own is 1.5 (2π/96)² = 0.0064
    assert!(worst < 0.015, "{worst}");
}
