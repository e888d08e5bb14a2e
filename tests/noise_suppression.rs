//! How much noise the suppression takes out of a voice: espeak-ng's speech in white noise goes into the mixer as an input,
//! and what viewers would get is measured.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use kaibo::audio::chain::ChainSettings;
use kaibo::audio::{InputMix, Mixer};
use kaibo::media::SourceId;
use kaibo::media::audio::AudioFormat;
use kaibo::media::ring::audio_ring;
use kaibo::media::time::MediaTime;

/// Made once: `espeak-ng -v en-us -s 145 -w x.wav "Good evening and welcome. Tonight we play a new game, and I will tell
/// you how it was made."`, then `ffmpeg -i x.wav -ar 16000 -ac 1 -c:a pcm_s16le -map_metadata -1 -fflags +bitexact -t 4.4`.
const SPEECH: &[u8] = include_bytes!("support/speech.wav");
const SPEECH_HZ: u32 = 16_000;
const ENGINE_HZ: u32 = 48_000;
/// Noise of so many kinds.
const NOISES: u64 = 4;

/// One channel of `rate` through the mixer with this chain: 48 kHz, as long as the input.
fn through_the_mixer(samples: &[f32], rate: u32, chain: ChainSettings) -> Vec<f32> {
    let origin = MediaTime::from_millis(1000);
    let mut mixer = Mixer::new(origin);
    let mix = InputMix {
        chain,
        ..InputMix::default()
    };
    mixer.set_mixes(BTreeMap::from([(SourceId(1), mix)]));
    let format = AudioFormat { rate, channels: 1 };
    let (mut sink, tap) = audio_ring(SourceId(1), format, Duration::from_millis(500));
    mixer.add(tap).unwrap();
    let step = Duration::from_millis(20);
    let mut pieces = samples.chunks(format.frames_in(step));
    let mut sent = origin;
    let length = samples.len() * (ENGINE_HZ / rate) as usize;
    let mut heard = Vec::new();
    while heard.len() < length {
        let now = mixer.due();
        while sent + step <= now
            && let Some(piece) = pieces.next()
        {
            sink.push(sent, piece);
            sent += step;
        }
        mixer.drain(now);
        heard.extend(mixer.mix().samples.iter().step_by(2));
    }
    heard.truncate(length);
    heard
}

/// The voice at 48 kHz, its chain off.
fn voice() -> Vec<f32> {
    let samples: Vec<f32> = SPEECH[44..]
        .chunks_exact(2)
        .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 65_536.0)
        .collect();
    through_the_mixer(&samples, SPEECH_HZ, ChainSettings::default())
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn power(samples: &[f32]) -> f64 {
    product(samples, samples)
}

fn db(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// White, roughly normal, of power 1 a sample.
fn white(rng: &mut fastrand::Rng) -> f32 {
    (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0
}

fn sum(a: &[f32], b: &[f32], share: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b * share).collect()
}

/// Of what is heard, against the clean voice in its place, in dB: what is not a copy of the voice is noise, also what the
/// suppression did to the voice. Scale-invariant signal-to-distortion ratio: J. Le Roux, S. Wisdom, H. Erdogan, J. R.
/// Hershey, "SDR – half-baked or well done?", ICASSP 2019, equation 3.
fn si_sdr(clean: &[f32], heard: &[f32]) -> f64 {
    let share = product(clean, heard) / power(clean);
    let copy = share * share * power(clean);
    db(copy / (power(heard) - copy))
}

/// The noise's gain and the voice's gain apart, although the suppression does with each what the other makes it do: the
/// same noise is added once as it is and once inverted. B. Hagerman, Å. Olofsson, "A method to measure the effect of noise
/// reduction algorithms using simultaneous speech and noise", Acta Acustica united with Acustica 90 (2004), 356-361.
/// Returns the improvement of the signal-to-noise ratio by that method, and that of [`si_sdr`].
fn improvement(voice: &[f32], seed: u64) -> (f64, f64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    #[expect(clippy::cast_possible_truncation, reason = "an amplitude")]
    let level = (power(voice) / voice.len() as f64 / 10.0).sqrt() as f32;
    let noise: Vec<f32> = voice.iter().map(|_| white(&mut rng) * level).collect();
    let before = db(power(voice) / power(&noise));
    assert!((before - 10.0).abs() < 0.1, "{before}");
    let mut chain = ChainSettings::default();
    chain.noise.on = true;
    let [plus, minus] =
        [1.0, -1.0].map(|sign| through_the_mixer(&sum(voice, &noise, sign), ENGINE_HZ, chain));
    let (twice_voice, twice_noise) = (sum(&plus, &minus, 1.0), sum(&plus, &minus, -1.0));
    let apart = db(power(&twice_voice) / power(&twice_noise));
    let whole = si_sdr(voice, &plus) - si_sdr(voice, &sum(voice, &noise, 1.0));
    (apart - before, whole)
}

#[test]
fn noise_suppression_improves_speech_in_white_noise_by_8_db() {
    let voice = voice();
    let gains: Vec<(f64, f64)> = (0..NOISES).map(|seed| improvement(&voice, seed)).collect();
    for (apart, whole) in &gains {
        assert!(*apart >= 8.0, "{gains:?}");
        assert!(*whole >= 7.9, "{gains:?}");
    }
    let mean = gains.iter().map(|g| g.1).sum::<f64>() / NOISES as f64;
    assert!(mean >= 8.0, "{gains:?}");
}

/// Without noise the voice stays what it is: 20 dB were left of it where the phase of its lowest tones was turned.
#[test]
fn a_clean_voice_is_left_alone() {
    let voice = voice();
    let mut chain = ChainSettings::default();
    chain.noise.on = true;
    let heard = through_the_mixer(&voice, ENGINE_HZ, chain);
    let left = si_sdr(&voice, &heard);
    assert!(left >= 27.0, "{left:.1} dB");
}
