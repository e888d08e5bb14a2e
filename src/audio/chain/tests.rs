//! The chain as a whole: against a voice in noise, reference curves, and knobs turned while it sounds.

use proptest::prelude::*;

use super::smooth::{from_db, to_db};
use super::*;
use crate::audio::clock::BLOCK_FRAMES;
use crate::audio::resample::Converter;
use crate::media::audio::AudioFormat;

/// Made once: `espeak-ng -v en-us -s 145 -w x.wav "Good evening and welcome. Tonight we play a new game, and I will tell
/// you how it was made."`, then `ffmpeg -i x.wav -ar 16000 -ac 1 -c:a pcm_s16le -map_metadata -1 -fflags +bitexact -t 4.4`.
const SPEECH: &[u8] = include_bytes!("../../../tests/support/speech.wav");

/// The voice at 48 kHz.
pub(in crate::audio) fn speech() -> Vec<f32> {
    let (samples, _) = SPEECH[44..].as_chunks::<2>();
    let samples: Vec<f32> = samples
        .iter()
        .map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0)
        .collect();
    let format = AudioFormat {
        rate: 16_000,
        channels: 1,
    };
    let mut out = Vec::new();
    let mut converter = Converter::new(format).unwrap();
    converter.push(&samples, &mut out);
    converter.finish(&mut out);
    out.iter().map(|f| f[0]).collect()
}

fn timeline(frames: &[Frame]) -> Timeline {
    let mut timeline = Timeline::default();
    timeline.write(0, frames);
    timeline
}

/// What comes out for the frames of a time line, block by block.
fn run(strip: &mut Strip, timeline: &Timeline, from: i64, blocks: usize) -> Vec<Frame> {
    let mut out = vec![[0.0; 2]; blocks * BLOCK_FRAMES];
    for (n, block) in out.chunks_mut(BLOCK_FRAMES).enumerate() {
        let at = from + offset(n * BLOCK_FRAMES);
        strip.render(timeline, at, None, block, None);
        strip.measure(block);
    }
    out
}

fn offset(n: usize) -> i64 {
    i64::try_from(n).unwrap()
}

fn strip(chain: ChainSettings) -> Strip {
    let controls = InputMix {
        chain,
        ..InputMix::default()
    };
    Strip::new(&controls, false)
}

#[test]
fn what_is_off_leaves_every_bit_as_it_is() {
    let mut rng = fastrand::Rng::with_seed(3);
    let frames: Vec<Frame> = (0..40 * BLOCK_FRAMES)
        .map(|_| [rng.f32() - 0.5, rng.f32() - 0.5])
        .collect();
    let timeline = timeline(&frames);
    let mut strip = strip(ChainSettings::default());
    assert!(run(&mut strip, &timeline, 0, 5) == frames[..5 * BLOCK_FRAMES]);
    // also after all of it was on
    let all = InputMix {
        gain_db: -6.0,
        chain: everything(),
        ..InputMix::default()
    };
    strip.set(&all, false);
    let on = run(&mut strip, &timeline, 5 * 1024, 5);
    assert!(on != frames[5 * BLOCK_FRAMES..10 * BLOCK_FRAMES]);
    strip.set(&InputMix::default(), false);
    run(&mut strip, &timeline, 10 * 1024, 20);
    let off = run(&mut strip, &timeline, 30 * 1024, 5);
    assert!(off == frames[30 * BLOCK_FRAMES..35 * BLOCK_FRAMES]);
    assert_eq!(strip.most_ahead(), 0);
}

fn everything() -> ChainSettings {
    let mut chain = ChainSettings::noisy_room();
    chain.equalizer.on = true;
    (chain.equalizer.low_db, chain.equalizer.mid_db) = (-6.0, 4.0);
    chain.equalizer.high_db = 6.0;
    chain.pan = -0.3;
    chain
}

/// 1 kHz on both channels, from silence.
fn tone(amplitude: f32, frames: usize) -> Vec<Frame> {
    (0..frames)
        .map(|n| {
            #[expect(clippy::cast_precision_loss, reason = "test tone")]
            let phase = (n % 48) as f32 / 48.0;
            [amplitude * (phase * std::f32::consts::TAU).sin(); 2]
        })
        .collect()
}

fn highest(frames: &[Frame]) -> f32 {
    frames.iter().flatten().fold(0.0, |h, s| s.abs().max(h))
}

#[test]
fn the_compressor_follows_its_curve() {
    for (threshold_db, ratio, knee_db) in
        [(-24.0, 3.0, 6.0), (-30.0, 10.0, 0.0), (-18.0, 2.0, 20.0)]
    {
        let chain = ChainSettings {
            compressor: CompressorSettings {
                on: true,
                threshold_db,
                ratio,
                knee_db,
                makeup_db: 3.0,
                ..CompressorSettings::default()
            },
            ..ChainSettings::default()
        };
        for level_db in [
            -60.0_f32, -40.0, -32.0, -28.0, -24.0, -20.0, -16.0, -9.0, -3.0, 0.0,
        ] {
            let sound = tone(from_db(level_db), 48 * 1024);
            let out = run(&mut strip(chain), &timeline(&sound), 0, 40);
            let heard = f64::from(to_db(highest(&out[30 * BLOCK_FRAMES..])));
            let wanted = curve(
                level_db.into(),
                threshold_db.into(),
                ratio.into(),
                knee_db.into(),
            );
            assert!(
                (heard - wanted - 3.0).abs() < 0.15,
                "{ratio}:1 above {threshold_db} dB, knee {knee_db}: {level_db} dB became {heard:.2}, not {:.2}",
                wanted + 3.0
            );
        }
    }
}

/// Output level of a compressor in dB: the integral of a slope that falls from 1 to 1/ratio over the knee in a straight
/// line, summed in small steps. (The code has the closed form.)
fn curve(level: f64, threshold: f64, ratio: f64, knee: f64) -> f64 {
    let low = threshold - knee / 2.0 - 1.0;
    if level <= low {
        return level;
    }
    let steps = 20_000;
    let step = (level - low) / f64::from(steps);
    let slope = |x: f64| {
        let into = if knee > 0.0 {
            ((x - threshold + knee / 2.0) / knee).clamp(0.0, 1.0)
        } else {
            f64::from(u8::from(x > threshold))
        };
        1.0 + (1.0 / ratio - 1.0) * into
    };
    let rise: f64 = (0..steps)
        .map(|n| slope(low + (f64::from(n) + 0.5) * step) * step)
        .sum();
    low + rise
}

#[test]
fn the_compressor_takes_its_time() {
    let chain = ChainSettings {
        compressor: CompressorSettings {
            on: true,
            threshold_db: -40.0,
            ratio: 20.0,
            knee_db: 0.0,
            attack_ms: 20.0,
            release_ms: 200.0,
            makeup_db: 0.0,
        },
        ..ChainSettings::default()
    };
    // a step of a constant, in which the gain can be read off: quiet, loud for a second, quiet
    let (quiet, loud) = (from_db(-50.0), from_db(-10.0));
    let mut frames = vec![[quiet; 2]; 48_000];
    frames.extend(std::iter::repeat_n([loud; 2], 48_000));
    frames.extend(std::iter::repeat_n([quiet; 2], 96_000));
    let out = run(&mut strip(chain), &timeline(&frames), 0, 180);
    let gain_db = |n: usize| to_db(out[n][0] / frames[n][0]);
    let settled = -(30.0 * (1.0 - 1.0 / 20.0));
    let e = 1.0 - 1.0 / std::f32::consts::E;
    assert_eq!(gain_db(47_000), 0.0);
    assert!(
        (gain_db(48_000 + 960) - settled * e).abs() < 0.6,
        "{}",
        gain_db(48_960)
    );
    assert!((gain_db(95_000) - settled).abs() < 0.05);
    // a decoupled detector falls with its release first; the attack smooths that once more
    let released = gain_db(96_000 + 9600);
    assert!((released - settled * (1.0 - e)).abs() < 1.2, "{released}");
    assert!(gain_db(180_000) > -0.2);
}

#[test]
fn the_gate_opens_and_closes_where_it_says() {
    let gate = GateSettings {
        on: true,
        threshold_db: -40.0,
        hysteresis_db: 6.0,
        attack_ms: 5.0,
        hold_ms: 100.0,
        release_ms: 50.0,
        floor_db: -60.0,
    };
    let chain = ChainSettings {
        gate,
        ..ChainSettings::default()
    };
    // static: below the threshold only the floor is left, above it nothing is changed
    for (level_db, gain_db) in [(-60.0, -60.0), (-41.0, -60.0), (-39.0, 0.0), (-6.0, 0.0)] {
        let sound = tone(from_db(level_db), 48 * 1024);
        let mut strip = strip(chain);
        let out = run(&mut strip, &timeline(&sound), 0, 40);
        let heard = to_db(highest(&out[30 * BLOCK_FRAMES..]));
        assert!(
            (heard - level_db - gain_db).abs() < 0.05,
            "{level_db}: {heard}"
        );
        assert_eq!(strip.is_open(), gain_db == 0.0);
    }
    // in time: closed, opened by a step, kept open between the two thresholds, closed after the hold
    let levels = [
        (-60.0, 24_000),
        (-20.0, 24_000),
        (-44.0, 24_000),
        (-60.0, 48_000),
    ];
    let frames: Vec<Frame> = levels
        .into_iter()
        .flat_map(|(db, n)| std::iter::repeat_n([from_db(db); 2], n))
        .collect();
    let out = run(&mut strip(chain), &timeline(&frames), 0, 117);
    let gain = |n: usize| out[n][0] / frames[n][0];
    assert!((gain(23_990) - 0.001).abs() < 1e-4);
    assert!(
        (gain(24_000 + 120) - 0.5).abs() < 0.1,
        "half way after half the attack"
    );
    assert_eq!((gain(24_300), gain(60_000), gain(71_990)), (1.0, 1.0, 1.0));
    // the level's own fall from -44 to -46 dB takes 5 ms, then 100 ms of hold
    let closing = 72_000 + 230 + 4800;
    assert_eq!(gain(closing - 200), 1.0);
    assert!(
        (gain(closing + 1200) - 0.5).abs() < 0.15,
        "{}",
        gain(closing + 1200)
    );
    assert!((gain(closing + 2700) - 0.001).abs() < 1e-4);
}

/// Any chain, with knobs anywhere in their ranges; gains that would make quiet sounds loud are left out, so that a bound
/// on steps can be given.
fn any_chain() -> impl Strategy<Value = InputMix> {
    let knobs = proptest::collection::vec(0.0_f32..1.0, 40);
    (
        knobs,
        0_u32..64,
        -30.0_f32..0.0,
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(knobs, switches, gain_db, muted)| {
            let mut chain = ChainSettings::default();
            let mut knobs = knobs.into_iter();
            let mut knob = || knobs.next().unwrap();
            for (n, stage) in chain.stages().into_iter().enumerate() {
                *stage.on = switches >> n & 1 == 1;
                for param in stage.params {
                    let (low, high) = (*param.range.start(), *param.range.end());
                    *param.value = low + (high - low) * knob();
                    if ["low_db", "mid_db", "high_db", "makeup_db"].contains(&param.field) {
                        *param.value = param.value.min(0.0).max(low);
                    }
                    if ["attack_ms"].contains(&param.field) {
                        *param.value = param.value.max(5.0);
                    }
                }
            }
            chain.pan = knob() * 2.0 - 1.0;
            InputMix {
                gain_db,
                muted,
                chain,
                ..InputMix::default()
            }
        })
}

/// The largest second difference: a tone's is small, a click's is as high as the click.
fn bend(out: &[Frame]) -> f32 {
    let bend = |w: &[Frame], c: usize| (w[2][c] - 2.0 * w[1][c] + w[0][c]).abs();
    out.windows(3)
        .flat_map(|w| [bend(w, 0), bend(w, 1)])
        .fold(0.0, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn knobs_turned_while_it_sounds_do_not_click(
        turns in proptest::collection::vec(any_chain(), 6),
        hertz in 100.0_f32..400.0,
    ) {
        let frames: Vec<Frame> = (0..48_000)
            .map(|n| {
                #[expect(clippy::cast_precision_loss, reason = "test tone")]
                let phase = (n as f32 * hertz / 48_000.0).fract() * std::f32::consts::TAU;
                [0.5 * phase.sin(), 0.5 * phase.cos()]
            })
            .collect();
        let timeline = timeline(&frames);
        let mut strip = strip(ChainSettings::default());
        let mut out = Vec::new();
        for (n, controls) in (0..).zip(&turns) {
            strip.set(controls, true);
            out.extend(run(&mut strip, &timeline, n * 6 * 1024 + 1024, 6));
        }
        // the tone's own is 0.5 · (2π · 400 / 48000)² = 0.0014; a step of a hundredth of full scale would be 0.01
        let worst = bend(&out);
        prop_assert!(worst < 0.01, "{worst}");
    }
}

#[test]
fn the_measure_of_clicks_finds_one() {
    let frames = tone(0.5, 20 * 1024);
    let timeline = timeline(&frames);
    let mut strip = strip(ChainSettings::default());
    let mut out = run(&mut strip, &timeline, 0, 5);
    let muted = InputMix {
        gain_db: -1.0,
        ..InputMix::default()
    };
    strip.set(&muted, false);
    strip.rest(); // a jump
    out.extend(run(&mut strip, &timeline, 5 * 1024 + 12, 5));
    assert!(bend(&out) > 0.05, "{}", bend(&out));
}

#[test]
fn push_to_talk_is_silent_until_the_key_is_held() {
    let chain = ChainSettings {
        push_to_talk: true,
        ..ChainSettings::default()
    };
    let controls = InputMix {
        chain,
        ..InputMix::default()
    };
    let timeline = timeline(&vec![[0.5; 2]; 20 * 1024]);
    let mut strip = Strip::new(&controls, false);
    assert_eq!(highest(&run(&mut strip, &timeline, 0, 3)), 0.0);
    strip.set(&controls, true);
    let out = run(&mut strip, &timeline, 3 * 1024, 3);
    assert_eq!((out[0][0], out[480]), (0.5 / 480.0, [0.5; 2]));
    strip.set(&controls, false);
    let out = run(&mut strip, &timeline, 6 * 1024, 3);
    assert_eq!(out[480], [0.0; 2]);
    // and mute wins
    let muted = InputMix {
        muted: true,
        ..controls
    };
    strip.set(&muted, true);
    assert_eq!(highest(&run(&mut strip, &timeline, 9 * 1024, 3)), 0.0);
}

#[test]
fn samples_that_are_no_sound_are_not_remembered() {
    let mut frames = vec![[0.1, -0.1]; 60 * 1024];
    for (n, strange) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]
        .into_iter()
        .enumerate()
    {
        frames[5000 + n * 500] = [strange, strange];
    }
    let timeline = timeline(&frames);
    let mut strip = strip(everything());
    let out = run(&mut strip, &timeline, 0, 50);
    assert!(out.iter().flatten().all(|s| s.is_finite()));
    assert!(strip.meter.clipped() >= 3);
    // and off again it is what it was
    strip.set(&InputMix::default(), false);
    let out = run(&mut strip, &timeline, 50 * 1024, 8);
    assert_eq!(out[7 * 1024], [0.1, -0.1]);
}
