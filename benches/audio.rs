//! What the sound costs: processor time of the whole audio stage (resampling, chains, mix, limiter, loudness, AAC) per
//! second of sound, in virtual time on this thread. `cargo bench --bench audio --no-default-features`
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use kaibo::audio::chain::{ChainSettings, Role};
    use kaibo::audio::master::MasterSettings;
    use kaibo::audio::{InputMix, Mixer};
    use kaibo::encode::{AudioEncoderSettings, open_audio};
    use kaibo::media::SourceId;
    use kaibo::media::audio::AudioFormat;
    use kaibo::media::ring::{AudioSink, audio_ring};
    use kaibo::media::time::MediaTime;

    /// Seconds of sound per case.
    const SECONDS: u32 = 60;
    const INPUTS: u32 = 3;

    fn cpu_ms() -> f64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
    }

    struct Case {
        name: &'static str,
        rate: u32,
        chain: ChainSettings,
        master: MasterSettings,
        encode: bool,
    }

    /// Speech-like: noise that swells and pauses, different on both sides, so that nothing can be skipped.
    fn piece(rng: &mut fastrand::Rng, n: u32, samples: &mut [f32]) {
        let swell = 0.5 + 0.5 * (n as f32 * 0.05).sin();
        for s in samples {
            *s = (rng.f32() - 0.5) * swell;
        }
    }

    fn all() -> ChainSettings {
        let mut chain = ChainSettings::noisy_room();
        chain.equalizer.on = true;
        (chain.equalizer.low_db, chain.equalizer.mid_db) = (-3.0, 2.0);
        chain.equalizer.high_db = 3.0;
        chain.pan = 0.2;
        chain
    }

    fn quiet_master() -> MasterSettings {
        let mut master = MasterSettings::default();
        (master.limiter.on, master.loudness.on) = (false, false);
        master
    }

    fn full_master() -> MasterSettings {
        let mut master = MasterSettings::default();
        master.ducking.on = true;
        master
    }

    fn with(change: impl Fn(&mut ChainSettings)) -> ChainSettings {
        let mut chain = ChainSettings::default();
        change(&mut chain);
        chain
    }

    pub(super) fn main() {
        let case = |name, rate, chain, master, encode| Case {
            name,
            rate,
            chain,
            master,
            encode,
        };
        let (off, quiet) = (ChainSettings::default(), quiet_master());
        let cases = [
            case("mixed only, 48 kHz", 48_000, off, quiet, false),
            case("mixed only, 44.1 kHz", 44_100, off, quiet, false),
            case("AAC", 48_000, off, quiet, true),
            case(
                "limiter, loudness, ducking",
                48_000,
                off,
                full_master(),
                false,
            ),
            case(
                "high-pass",
                48_000,
                with(|c| c.high_pass.on = true),
                quiet,
                false,
            ),
            case(
                "noise suppression",
                48_000,
                with(|c| c.noise.on = true),
                quiet,
                false,
            ),
            case("gate", 48_000, with(|c| c.gate.on = true), quiet, false),
            case(
                "compressor",
                48_000,
                with(|c| c.compressor.on = true),
                quiet,
                false,
            ),
            case(
                "equalizer, three bands",
                48_000,
                with(|c| {
                    c.equalizer = all().equalizer;
                }),
                quiet,
                false,
            ),
            case(
                "everything, 48 kHz, no AAC",
                48_000,
                all(),
                full_master(),
                false,
            ),
            case("everything, 48 kHz", 48_000, all(), full_master(), true),
            case("everything, 44.1 kHz", 44_100, all(), full_master(), true),
        ];
        println!("{INPUTS} stereo inputs, {SECONDS} s of sound each; % of one core");
        for case in &cases {
            let percent = measure(case);
            println!("{:<32} {percent:6.2} %", case.name);
        }
    }

    fn measure(case: &Case) -> f64 {
        let origin = MediaTime::from_millis(1000);
        let mut mixer = Mixer::new(origin);
        mixer.set_master(&case.master);
        let format = AudioFormat {
            rate: case.rate,
            channels: 2,
        };
        let mut mixes = BTreeMap::new();
        let mut sinks: Vec<AudioSink> = (1..=INPUTS)
            .map(|n| {
                let mut chain = case.chain;
                chain.role = if n == 1 { Role::Speech } else { Role::Music };
                mixes.insert(
                    SourceId(n),
                    InputMix {
                        chain,
                        gain_db: -3.0,
                        ..InputMix::default()
                    },
                );
                mixer.set_mixes(mixes.clone());
                let (sink, tap) = audio_ring(SourceId(n), format, Duration::from_millis(500));
                mixer.add(tap).expect("an input");
                sink
            })
            .collect();
        let settings = AudioEncoderSettings::default();
        let mut encoder = case.encode.then(|| open_audio(&settings, 1).expect("AAC"));
        let mut packets = Vec::new();
        let mut rng = fastrand::Rng::with_seed(1);
        let frames = format.frames_in(Duration::from_millis(20));
        let mut samples = vec![0.0; frames * 2];
        let mut sent = 0_u32;
        let mut spent = 0.0;
        let end = origin + Duration::from_secs(SECONDS.into());
        while mixer.due() < end {
            let now = mixer.due();
            while origin + Duration::from_millis(20) * (sent + 1) <= now {
                let pts = origin + Duration::from_millis(20) * sent;
                for sink in &mut sinks {
                    piece(&mut rng, sent, &mut samples);
                    sink.push(pts, &samples);
                }
                sent += 1;
            }
            let start = cpu_ms();
            mixer.drain(now);
            let block = mixer.mix();
            if let Some(encoder) = &mut encoder {
                packets.clear();
                encoder.encode(block, &mut packets).expect("encodes");
            }
            spent += cpu_ms() - start;
        }
        spent / f64::from(SECONDS) / 10.0
    }
}
