//! Sound from a real PulseAudio server, private to the test: captured, mixed, and what happens when the server dies.
//!
//! cpal finds the server through `PULSE_SERVER`. A test must not change its own environment while others run, so each
//! test starts itself anew as a child with that variable set, and the `child_*` functions do the work.
#![cfg(all(feature = "mic", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kaibo::audio::{AudioConfig, AudioStage};
use kaibo::capture::{self, AudioSpec, SoundKind, SourceContext, SourceError};
use kaibo::encode::AudioEncoderSettings;
use kaibo::media::SourceId;
use kaibo::media::packet::{EncodedPacket, PacketBus, PacketSink};
use kaibo::media::ring::AudioTap;
use kaibo::media::time::{FrameRate, MediaClock, MediaTime};
use kaibo::media::video::Resolution;
use support::{have, say};

/// A PulseAudio server with a null sink "lab" and a 440 Hz tone playing into it.
struct Pulse {
    dir: tempfile::TempDir,
    server: Child,
}

impl Pulse {
    /// `None`, with the reason printed, where there is no PulseAudio; a failure under CI.
    fn start() -> Option<Self> {
        if !have(&["pulseaudio", "pactl"]) {
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
        say(&text);
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
    capture::open_audio(&AudioSpec::named(name), cx).unwrap()
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
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
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
    assert_eq!(
        (listed[0].id.as_str(), listed[0].kind),
        ("lab.monitor", SoundKind::Desktop)
    );
    assert!(listed[0].default, "the only output");
    assert_eq!(listed[0].spec(), AudioSpec::named("lab.monitor"));

    let (cx, _taps, received) = context();
    assert!(
        matches!(
            capture::open_audio(&AudioSpec::MICROPHONE, &cx),
            Err(SourceError::NotFound { .. })
        ),
        "what the machine plays is no microphone"
    );
    // a part of its name does not make it one
    let missing = AudioSpec::named("Lab");
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
    for spec in [AudioSpec::named("lab.monitor"), AudioSpec::MICROPHONE] {
        assert!(matches!(
            capture::open_audio(&spec, &cx),
            Err(SourceError::NoServer { .. })
        ));
    }
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

struct Collect(Sender<EncodedPacket>);

impl PacketSink for Collect {
    fn push(&self, packet: &EncodedPacket) {
        self.0.try_send(packet.clone()).unwrap();
    }
}

/// Raw AAC frames with the headers that let a decoder read them from a pipe (ADTS, ISO/IEC 14496-3 1.A.2).
fn adts(packets: &[EncodedPacket]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        let length = u16::try_from(packet.data.len() + 7).unwrap();
        let [high, middle] = (length >> 3).to_be_bytes();
        let low = length.to_be_bytes()[1] << 5;
        // AAC-LC, 48 kHz (index 3), two channels, no checksum, variable rate
        let header = [
            0xff,
            0xf1,
            1 << 6 | 3 << 2,
            2 << 6 | high,
            middle,
            low | 0x1f,
            0xfc,
        ];
        out.extend(header);
        out.extend_from_slice(&packet.data);
    }
    out
}

/// Decodes to one channel with the ffmpeg program.
fn decode(packets: &[EncodedPacket]) -> Vec<f32> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "aac", "-i", "pipe:0"])
        .args(["-ac", "1", "-f", "f32le", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // less than a pipe holds
    let mut stdin = ffmpeg.stdin.take().unwrap();
    stdin.write_all(&adts(packets)).unwrap();
    drop(stdin);
    let output = ffmpeg.wait_with_output().unwrap();
    assert!(output.status.success());
    let samples = output.stdout.as_chunks().0;
    samples.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s.abs()).fold(0.0, f32::max)
}

#[test]
fn captured_sound_is_encoded_and_goes_silent_with_the_server() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let Some(pulse) = Pulse::start() else { return };
    pulse.run("child_stage");
}

#[test]
#[ignore = "run by captured_sound_is_encoded_and_goes_silent_with_the_server"]
fn child_stage() {
    let (cx, _taps, received) = context();
    let bus = Arc::new(PacketBus::new());
    let (packets, made) = bounded(1000);
    let collect: Arc<dyn PacketSink> = Arc::new(Collect(packets));
    bus.attach(&collect);
    let config = AudioConfig {
        clock: cx.clock,
        taps: received,
        bus,
        on_exit: Box::new(|_| {}),
    };
    let stage = AudioStage::start(config).unwrap();
    let settings = AudioEncoderSettings::default();
    stage.set_encoder(Some(settings)).unwrap();
    let source = open("Monitor of Lab", &cx);
    eventually("the tone is heard", || {
        stage.stats().levels.rms_dbfs[0] > -20.0
    });
    made.try_iter().count();
    let mut last: Option<MediaTime> = None;
    let mut next = || {
        let packet = made.recv_timeout(Duration::from_secs(5)).unwrap();
        if let Some(last) = last {
            let step = packet.pts.nanos_since(last);
            assert!((21_333_333..=21_333_334).contains(&step), "{step}");
        }
        last = Some(packet.pts);
        packet
    };
    let two_seconds: Vec<_> = (0..94).map(|_| next()).collect();
    let stats = stage.stats();
    assert_eq!(
        (stats.active_inputs, stats.late, stats.gap_ms),
        (1, 0, 0),
        "{stats:?}"
    );
    let heard = decode(&two_seconds);
    // the decoder's first blocks lack what went before them
    let heard = &heard[4096..];
    assert!(heard.len() > 80_000, "{}", heard.len());
    let level = loudest(heard);
    let wrong = impurity(heard, 440.0, 48_000);
    assert!(level > 0.1 && wrong < 0.05 * level, "{wrong} of {level}");

    let pid = std::env::var("KAIBO_TEST_SERVER_PID").unwrap();
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    // what was made while the decoder ran has sound in it
    (0..made.len()).for_each(|_| drop(next()));
    let after: Vec<_> = (0..94).map(|_| next()).collect();
    let silence = decode(&after);
    assert!(loudest(&silence[silence.len() - 24_000..]) < 1e-4);
    drop(source);
    stage.request_stop();
    assert!(stage.join_until(Instant::now() + Duration::from_secs(1)));
}
