//! The program itself, without a window: real arguments, real servers, real signals, exit codes.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod support;

#[path = "cli/lip_sync.rs"]
mod lip_sync;
#[path = "cli/program.rs"]
mod program;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/snapshot.rs"]
mod snapshot;

use std::fs;
use std::time::{Duration, Instant};

use program::Kaibo;
use support::fake_server::{FakeServer, Then, Until};
use support::nginx::{self, Nginx};
use support::probe::{probe, stream, times};
use support::{flv, free_port, have, wait_for};

/// Small, so that software can do several at once.
const SMALL: [&str; 4] = ["--size", "320x180", "--fps", "15"];

/// A minute to nginx-rtmp: format, rate, order, keyframes, lip sync at its end, and a recording equal to what was sent.
#[test]
fn a_minute_at_a_real_server_is_whole_even_and_in_sync() {
    if !have(&[nginx::NEEDS[0], nginx::NEEDS[1], "ffprobe", "ffmpeg"]) {
        return;
    }
    let server = Nginx::start();
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.flv");
    let url = server.address("live", "minute");
    let mut args = vec!["push", "--source", "test", "--audio", "none", "--url", &url];
    args.extend([
        "--size",
        "640x360",
        "--fps",
        "30",
        "--duration",
        "62s",
        "--record",
    ]);
    args.push(ours.to_str().unwrap());
    let run = Kaibo::start(&args).wait(Duration::from_secs(90));
    assert_eq!(run.code, Some(0), "{}", run.stderr);

    let sent = flv::read(&ours).unwrap();
    // the recording was started a moment after the stream, and may hold a last picture more
    let (path, theirs) = server.complete_recording("minute", sent.media.len() - 60);
    let report = probe(path.to_str().unwrap(), None);
    let video = stream(&report, "video");
    assert_eq!(
        (&video["codec_name"], &video["profile"]),
        (&"h264".into(), &"High".into())
    );
    assert_eq!(
        (&video["width"], &video["height"]),
        (&640.into(), &360.into())
    );
    assert_eq!(
        (&video["color_space"], &video["color_range"]),
        (&"bt709".into(), &"tv".into())
    );
    let audio = stream(&report, "audio");
    assert_eq!(
        (&audio["codec_name"], &audio["sample_rate"]),
        (&"aac".into(), &"48000".into())
    );

    let pictures = times(&report, "video");
    let seconds = (pictures.last().unwrap().0 - pictures[0].0) as f64 / 1000.0;
    assert!(seconds > 60.0, "{seconds} s arrived");
    let fps = (pictures.len() - 1) as f64 / seconds;
    assert!((fps - 30.0).abs() < 0.6, "{fps} pictures a second");
    assert!(
        pictures.windows(2).all(|w| w[0].0 < w[1].0),
        "decode times go back or stand"
    );
    let keys: Vec<_> = pictures.iter().filter(|p| p.1).map(|p| p.0).collect();
    assert!(
        keys.windows(2)
            .all(|w| (1960..=2100).contains(&(w[1] - w[0]))),
        "keyframes at {keys:?}"
    );
    let sound = times(&report, "audio");
    let uneven: Vec<_> = sound
        .windows(2)
        .filter(|w| !(1..=60).contains(&(w[1].0 - w[0].0)))
        .collect();
    assert!(uneven.is_empty(), "the sound has gaps: {uneven:?}");

    let offset = lip_sync::offset_ms(&path, 640, 360, seconds - 8.0);
    assert!(
        offset.abs() < 40.0,
        "sound is {offset} ms behind the picture after {seconds} s"
    );

    // both are parts of one stream of packets: what they share is the same to the byte, at the same times
    let middle = &theirs.track(false)[pictures.len() / 2];
    let ours = sent
        .track(false)
        .into_iter()
        .find(|m| m.data == middle.data);
    let shift = i64::from(
        ours.expect("the recording lacks a picture of the stream")
            .dts_ms,
    ) - i64::from(middle.dts_ms);
    for is_sound in [false, true] {
        let ours = sent.track(is_sound);
        let theirs = theirs.track(is_sound);
        let missing = theirs.iter().filter(|theirs| {
            let at = i64::from(theirs.dts_ms) + shift;
            let near = |m: &&&flv::Media| (i64::from(m.dts_ms) - at).abs() <= 1;
            // the recording begins a little later than the stream
            at > i64::from(ours[0].dts_ms) + 1
                && !ours.iter().filter(near).any(|m| m.data == theirs.data)
        });
        assert_eq!(
            missing.count(),
            0,
            "packets of the stream that the recording lacks (sound: {is_sound})"
        );
    }
}

#[test]
fn without_an_address_the_built_in_server_takes_the_stream() {
    let mut args = vec![
        "push",
        "--source",
        "test",
        "--audio",
        "none",
        "--duration",
        "2s",
        "--stats",
        "json",
    ];
    args.extend(SMALL);
    let run = Kaibo::start(&args).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let lines: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let events: Vec<_> = lines
        .iter()
        .filter_map(|l| l["event"]["event"].as_str())
        .collect();
    assert!(
        events.contains(&"server_started") && events.contains(&"output_connected"),
        "{events:?}"
    );
    let status = lines.iter().rev().find_map(|l| l.get("status")).unwrap();
    assert_eq!(status["state"], "live");
    assert!(
        status["stream"]["sent_bytes"].as_u64().unwrap() > 10_000,
        "{status}"
    );
    assert!(
        status["watch_url"]
            .as_str()
            .unwrap()
            .contains("/watch/kaibo")
    );
}

#[test]
#[cfg(unix)]
fn a_signal_ends_it_cleanly_within_three_seconds() {
    if !have(&nginx::NEEDS) {
        return;
    }
    let server = Nginx::start();
    for (signal, key) in [("INT", "int"), ("TERM", "term")] {
        let url = server.address("live", key);
        let mut args = vec![
            "push", "--source", "test", "--audio", "none", "--url", &url, "--stats", "json",
        ];
        args.extend(SMALL);
        let kaibo = Kaibo::start(&args);
        kaibo.wait_for_line("output_connected");
        wait_for("the server records", Duration::from_secs(10), || {
            server.recorded(key).pop()
        });
        let asked = Instant::now();
        kaibo.signal(signal);
        let run = kaibo.wait(Duration::from_secs(5));
        assert_eq!(run.code, Some(0), "SIG{signal}: {}", run.stderr);
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "SIG{signal} took {:?}",
            asked.elapsed()
        );
        wait_for("a proper goodbye", Duration::from_secs(5), || {
            server.logged("deleteStream").then_some(())
        });
    }
}

#[test]
fn each_failure_has_its_code_and_its_words() {
    if !have(&nginx::NEEDS) {
        return;
    }
    let server = Nginx::start();
    let nobody = format!("rtmp://127.0.0.1:{}/live/topsecret", free_port());
    let closed = server.address("closed", "topsecret");
    let no_app = server.address("nosuch", "topsecret");
    let babbler = FakeServer::start(Until::Accept, Then::Say(vec![0x42; 4000]));
    let junk = babbler.address("topsecret");
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.toml");
    fs::write(&bad, "[video]\nfps = 999\n").unwrap();
    let text = dir.path().join("text.mp4");
    fs::write(&text, "not a film").unwrap();
    let (bad, text) = (bad.to_str().unwrap(), text.to_str().unwrap());

    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["--source", "test", "--url", &nobody], 5, &["refuse"]),
        (&["--source", "test", "--url", &no_app], 4, &["nosuch"]),
        (&["--source", "test", "--url", &closed], 4, &[]),
        (
            &["--source", "test", "--url", &junk],
            5,
            &["not an RTMP server"],
        ),
        (
            &[
                "--source",
                "test",
                "--url",
                "rtmp://no.such.host.invalid/live/topsecret",
            ],
            5,
            &["no.such.host.invalid"],
        ),
        (
            &["--source", "test", "--url", "rtmp://127.0.0.1/live"],
            2,
            &["--url", "key"],
        ),
        (
            &["--source", "test", "--url", "http://x/y"],
            2,
            &["--url", "rtmp://"],
        ),
        (
            &["--source", "test", "--video-bitrate", "1k"],
            2,
            &["encoder.bitrate_kbps", "100"],
        ),
        (
            &["--source", "test", "--size", "641x360"],
            2,
            &["video.size", "even"],
        ),
        (
            &["--source", "test", "--preset", "warp"],
            2,
            &["encoder.preset", "veryfast"],
        ),
        (&["--config", bad], 2, &["video.fps", "1 and 240"]),
        (&["--source", "/nonexistent.mp4"], 3, &["nonexistent.mp4"]),
        (&["--source", text], 3, &["text.mp4"]),
    ];
    let running: Vec<_> = cases
        .iter()
        .map(|(args, ..)| {
            let small: &[&str] = if args.contains(&"--size") {
                &[]
            } else {
                &SMALL
            };
            Kaibo::start(&[&["push", "--audio", "none"], *args, small].concat())
        })
        .collect();
    for (kaibo, (args, code, words)) in running.into_iter().zip(cases) {
        let run = kaibo.wait(Duration::from_secs(60));
        assert_eq!(run.code, Some(*code), "{args:?}: {}", run.stderr);
        for word in *words {
            assert!(
                run.stderr.contains(word),
                "{args:?} does not say {word:?}: {}",
                run.stderr
            );
        }
        assert!(
            !run.stderr.contains("topsecret"),
            "{args:?} shows the key: {}",
            run.stderr
        );
    }
}

#[test]
fn the_key_is_in_no_log_line() {
    if !have(&nginx::NEEDS) {
        return;
    }
    let server = Nginx::start();
    let url = server.address("live", "topsecret?sign=alsosecret");
    let mut args = vec![
        "-vv", "push", "--source", "test", "--audio", "none", "--url", &url,
    ];
    args.extend(["--duration", "1s", "--stats", "json"]);
    args.extend(SMALL);
    let run = Kaibo::start(&args).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for (name, text) in [("output", &run.stdout), ("log", &run.stderr)] {
        assert!(
            !text.contains("topsecret") && !text.contains("alsosecret"),
            "the key is in the {name}: {text}"
        );
    }
}

#[test]
fn a_file_plays_once_in_real_time_and_ends_the_show() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=s=320x180:r=25:d=3",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440:d=3",
            "-c:v",
            "libx264",
            "-c:a",
            "aac",
        ])
        .arg(&film)
        .status()
        .unwrap();
    assert!(made.success());
    let record = dir.path().join("show.flv");
    let mut args = vec![
        "push",
        "--source",
        film.to_str().unwrap(),
        "--record",
        record.to_str().unwrap(),
    ];
    args.extend(["--size", "320x180", "--fps", "25"]);
    let started = Instant::now();
    let run = Kaibo::start(&args).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        started.elapsed() >= Duration::from_millis(2900),
        "faster than real time"
    );
    let report = probe(record.to_str().unwrap(), None);
    let pictures = times(&report, "video");
    let seconds = (pictures.last().unwrap().0 - pictures[0].0) as f64 / 1000.0;
    assert!(
        (2.0..4.5).contains(&seconds),
        "{seconds} s of a film of 3 s"
    );
    stream(&report, "audio");
}

#[test]
fn lists_and_checks() {
    if !have(&nginx::NEEDS) {
        return;
    }
    let run = Kaibo::start(&["devices", "--json"]).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let devices: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(devices["video"][0]["spec"]["kind"], "test");
    let run = Kaibo::start(&["encoders"]).wait(Duration::from_secs(20));
    assert!(
        run.stdout.contains("x264") && run.stdout.contains("works here"),
        "{}",
        run.stdout
    );

    let server = Nginx::start();
    let run = Kaibo::start(&["check", &server.address("live", "topsecret")])
        .wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stdout.contains("takes the stream") && !run.stdout.contains("topsecret"),
        "{}",
        run.stdout
    );
    let run =
        Kaibo::start(&["check", &server.address("nosuch", "k")]).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    let run = Kaibo::start(&["check", "http://x"]).wait(Duration::from_secs(20));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}
