//! Sound from a real PulseAudio server, private to the test: captured, mixed, and what happens when the server dies.
//!
//! cpal finds the server through `PULSE_SERVER`. A test must not change its own environment while others run, so each
//! test starts itself anew as a child with that variable set, and the `child_*` functions do the work.
#![cfg(all(feature = "mic", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kaibo::audio::{AudioConfig, AudioStage};
use kaibo::capture::{self, AudioSpec, SourceContext, SourceError};
use kaibo::encode::{AudioEncoder, AudioEncoderSettings, EncodeError};
use kaibo::media::SourceId;
use kaibo::media::audio::AudioBlock;
use kaibo::media::packet::{
    Bitrate, CodecParameters, DropClass, EncodedPacket, PacketBus, PacketSink, Track,
};
use kaibo::media::ring::AudioTap;
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::Resolution;

/// A PulseAudio server with a null sink "lab" and a 440 Hz tone playing into it.
struct Pulse {
    dir: tempfile::TempDir,
    server: Child,
}

impl Pulse {
    /// `None`, with the reason printed, where there is no PulseAudio; a failure under CI.
    fn start() -> Option<Self> {
        if Command::new("pulseaudio")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            assert!(std::env::var_os("CI").is_none(), "install pulseaudio");
            print("skipped: pulseaudio is not installed");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("native");
        let server = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--realtime=no", "--high-priority=no", "--disable-shm=yes"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ))
            .arg("-L")
            .arg("module-null-sink sink_name=lab rate=48000 channels=2 sink_properties=device.description=Lab")
            .args(["-L", "module-sine sink=lab frequency=440 rate=48000"])
            .env("HOME", dir.path())
            .env("XDG_CONFIG_HOME", dir.path())
            .env("PULSE_RUNTIME_PATH", dir.path().join("run"))
            .env("PULSE_STATE_PATH", dir.path().join("state"))
            .env_remove("PULSE_SERVER")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let pulse = Self { dir, server };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !pulse.answers() {
            assert!(Instant::now() < deadline, "no server:\n{}", pulse.log());
        }
        Some(pulse)
    }

    fn answers(&self) -> bool {
        Command::new("pactl")
            .args(["list", "short", "sink-inputs"])
            .env("PULSE_SERVER", self.address())
            .output()
            .is_ok_and(|o| o.status.success() && !o.stdout.is_empty())
    }

    fn address(&self) -> String {
        format!("unix:{}", self.dir.path().join("native").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs a `child_*` test of this file against the server.
    fn run(&self, test: &str) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env("PULSE_SERVER", self.address())
            .env("KAIBO_TEST_SERVER_PID", self.server.id().to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        print(&text);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.server.kill().ok(); // it may have been killed by the test
        self.server.wait().ok();
    }
}

#[expect(clippy::print_stdout, reason = "the test harness shows it")]
fn print(text: &str) {
    println!("{text}");
}

/// What a source needs, and the other end of its sound.
fn context() -> (SourceContext, Sender<AudioTap>, Receiver<AudioTap>) {
    let (taps, received) = bounded(16);
    let cx = SourceContext {
        id: SourceId(7),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::HD,
        taps: taps.clone(),
    };
    (cx, taps, received)
}

fn open(name: &str, cx: &SourceContext) -> Box<dyn capture::AudioSource> {
    let spec = AudioSpec::Device(name.to_owned());
    capture::open_audio(&spec, cx).unwrap().unwrap()
}

/// Samples of one channel until `length` has come, with how long after their time the first ones came.
fn record(tap: &mut AudioTap, clock: MediaClock, length: Duration) -> (i64, Vec<f32>) {
    let channels = usize::from(tap.format.channels);
    let wanted = tap.format.frames_in(length) * channels;
    let deadline = Instant::now() + Duration::from_secs(5) + length;
    let mut samples = Vec::new();
    let mut first = None;
    let mut age_ns = 0;
    while samples.len() < wanted {
        assert!(
            Instant::now() < deadline,
            "{} of {wanted} samples",
            samples.len()
        );
        let before = samples.len() / channels;
        match tap.pop_into(&mut samples) {
            Some(pts) => {
                let start = *first.get_or_insert_with(|| {
                    age_ns = clock.now().nanos_since(pts);
                    pts
                });
                let expected = start + tap.format.duration_of(before);
                assert!(
                    pts.nanos_since(expected).abs() < 1_000,
                    "a jump of {} µs after {before} frames",
                    pts.nanos_since(expected) / 1000
                );
            }
            None => std::thread::sleep(Duration::from_millis(5)), // a device, in real time
        }
    }
    let left = samples.iter().step_by(channels).copied().collect();
    (age_ns, left)
}

/// Largest deviation from a pure tone: a tone obeys `s[n+1] = 2 cos(w) s[n] - s[n-1]`, and a lost or doubled sample
/// breaks it.
fn impurity(samples: &[f32], hertz: f32, rate: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a sample rate")]
    let c = 2.0 * (std::f32::consts::TAU * hertz / rate as f32).cos();
    samples
        .windows(3)
        .map(|w| (w[2] - c * w[1] + w[0]).abs())
        .fold(0.0, f32::max)
}

/// Waits for something that other threads and processes bring about.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 5 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
fn desktop_sound_is_captured_without_loss() {
    let Some(pulse) = Pulse::start() else { return };
    pulse.run("child_tone");
}

#[test]
#[ignore = "run by desktop_sound_is_captured_without_loss"]
fn child_tone() {
    let threads_before = threads();
    let listed = capture::list_audio();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].name, "Monitor of Lab");
    assert_eq!(listed[0].format, "48000 Hz, 2 channels");
    assert!(!listed[0].default, "desktop sound is no microphone");

    let (cx, _taps, received) = context();
    assert!(
        capture::open_audio(&AudioSpec::Default, &cx)
            .unwrap()
            .is_none(),
        "no microphone is silence"
    );
    let missing = AudioSpec::Device("nothing".to_owned());
    assert!(matches!(
        capture::open_audio(&missing, &cx),
        Err(SourceError::NotFound { .. })
    ));

    let mut source = open("lab.monitor", &cx);
    assert_eq!(source.describe(), "Monitor of Lab, 48000 Hz, 2 channels");
    let mut tap = received.recv_timeout(Duration::from_secs(5)).unwrap();
    let (age_ns, samples) = record(&mut tap, cx.clock, Duration::from_secs(3));
    source.check().unwrap();
    assert!((-100..200).contains(&(age_ns / 1_000_000)), "{age_ns}");
    let level = samples.iter().copied().fold(0.0, f32::max);
    assert!(level > 0.1, "{level}");
    let wrong = impurity(&samples, 440.0, tap.format.rate);
    assert!(wrong < 1e-3 * level, "{wrong} of {level}");
    assert_eq!(tap.overrun(), 0);
    let closing = Instant::now();
    drop(source);
    assert!(closing.elapsed() < Duration::from_secs(1));
    eventually("the stream ends", || {
        while tap.pop_into(&mut Vec::new()).is_some() {}
        tap.is_finished()
    });
    eventually("no thread is left behind", || threads() <= threads_before);
}

#[test]
fn a_dead_server_is_noticed_and_nothing_hangs() {
    let Some(pulse) = Pulse::start() else { return };
    pulse.run("child_killed");
}

#[test]
#[ignore = "run by a_dead_server_is_noticed_and_nothing_hangs"]
fn child_killed() {
    let (cx, _taps, received) = context();
    let mut source = open("Monitor of Lab", &cx);
    let mut tap = received.recv_timeout(Duration::from_secs(5)).unwrap();
    record(&mut tap, cx.clock, Duration::from_millis(200));
    source.check().unwrap();
    let pid = std::env::var("KAIBO_TEST_SERVER_PID").unwrap();
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    eventually("the loss is noticed", || source.check().is_err());
    assert!(matches!(source.check(), Err(SourceError::Lost { .. })));
    let closing = Instant::now();
    drop(source);
    assert!(
        closing.elapsed() < Duration::from_secs(1),
        "{:?}",
        closing.elapsed()
    );
    // a new attempt says so quickly, and listing does not hang
    let trying = Instant::now();
    let spec = AudioSpec::Device("lab.monitor".to_owned());
    assert!(matches!(
        capture::open_audio(&spec, &cx),
        Err(SourceError::NotFound { .. })
    ));
    assert!(capture::list_audio().is_empty());
    assert!(
        trying.elapsed() < Duration::from_secs(4),
        "{:?}",
        trying.elapsed()
    );
}

#[test]
fn a_server_that_hangs_does_not_hold_us_up() {
    let Some(pulse) = Pulse::start() else { return };
    pulse.run("child_frozen");
}

#[test]
#[ignore = "run by a_server_that_hangs_does_not_hold_us_up"]
fn child_frozen() {
    let (cx, _taps, received) = context();
    let source = open("Monitor of Lab", &cx);
    let mut tap = received.recv_timeout(Duration::from_secs(5)).unwrap();
    record(&mut tap, cx.clock, Duration::from_millis(200));
    let pid = std::env::var("KAIBO_TEST_SERVER_PID").unwrap();
    let frozen = Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    assert!(frozen.success());
    let closing = Instant::now();
    drop(source);
    assert!(
        closing.elapsed() < Duration::from_secs(1),
        "{:?}",
        closing.elapsed()
    );
}

/// Stands in for AAC: a packet is the block's loudest sample.
struct Loudness(Arc<CodecParameters>);

impl AudioEncoder for Loudness {
    fn parameters(&self) -> &Arc<CodecParameters> {
        &self.0
    }
    fn frame_size(&self) -> usize {
        1024
    }
    fn encode(
        &mut self,
        block: &AudioBlock,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        let loudest = block.samples.iter().copied().fold(0.0, f32::max);
        out.push(EncodedPacket {
            track: Track::Audio,
            pts: block.pts,
            dts: block.pts,
            duration: block.format.duration_of(block.frames()),
            keyframe: true,
            drop: DropClass::Never,
            data: loudest.to_le_bytes().to_vec().into(),
            parameters: Arc::clone(&self.0),
            generation: 1,
        });
        Ok(())
    }
    fn flush(&mut self, _out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        Ok(())
    }
}

struct Collect(Sender<EncodedPacket>);

impl PacketSink for Collect {
    fn push(&self, packet: &EncodedPacket) {
        self.0.try_send(packet.clone()).unwrap();
    }
}

#[test]
fn captured_sound_reaches_the_packets_and_goes_silent_with_the_server() {
    let Some(pulse) = Pulse::start() else { return };
    pulse.run("child_stage");
}

#[test]
#[ignore = "run by captured_sound_reaches_the_packets_and_goes_silent_with_the_server"]
fn child_stage() {
    let (cx, _taps, received) = context();
    let bus = Arc::new(PacketBus::new());
    let (packets, made) = bounded(1000);
    let collect: Arc<dyn PacketSink> = Arc::new(Collect(packets));
    bus.attach(&collect);
    let stage = AudioStage::start_with(
        AudioConfig {
            clock: cx.clock,
            taps: received,
            bus,
            on_exit: Box::new(|_| {}),
        },
        Box::new(|settings, _| {
            Ok(Box::new(Loudness(Arc::new(CodecParameters::Aac {
                asc: Vec::new().into(),
                sample_rate: 48_000,
                channels: 2,
                bitrate: Bitrate::from_kbps(settings.bitrate_kbps),
            }))))
        }),
    )
    .unwrap();
    stage
        .set_encoder(Some(AudioEncoderSettings::default()))
        .unwrap();
    let source = open("Monitor of Lab", &cx);
    let next = || {
        let packet = made.recv_timeout(Duration::from_secs(5)).unwrap();
        let loudest = f32::from_le_bytes(packet.data.as_ref().try_into().unwrap());
        (packet.pts, loudest)
    };
    // until the tone is heard, then two seconds of it without a hole
    while next().1 < 0.1 {}
    let mut last = next().0;
    for _ in 0..94 {
        let (pts, loudest) = next();
        assert!((pts.nanos_since(last) - 21_333_333).abs() <= 1);
        assert!(loudest > 0.1, "{loudest} at {pts:?}");
        last = pts;
    }
    let stats = stage.stats();
    assert_eq!(
        (stats.active_inputs, stats.late, stats.gap_ms),
        (1, 0, 0),
        "{stats:?}"
    );
    print(&format!("{stats:?}"));
    let pid = std::env::var("KAIBO_TEST_SERVER_PID").unwrap();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    loop {
        let (pts, loudest) = next();
        assert!((pts.nanos_since(last) - 21_333_333).abs() <= 1);
        last = pts;
        if loudest == 0.0 {
            break;
        }
    }
    drop(source);
    stage.request_stop();
    assert!(stage.join_until(Instant::now() + Duration::from_secs(1)));
}
