//! The RTMP output against a real nginx-rtmp: what arrives, what happens when the server goes away, what refusals say.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kaibo::media::packet::{EncodedPacket, Track};
use kaibo::output::check::check;
use kaibo::output::rtmp::RtmpOptions;
use kaibo::output::tuning::TuningHandle;
use kaibo::output::{OutputError, OutputEvent, OutputState, Phase};
use kaibo::rtmp::url::RtmpUrl;

use support::nginx::{self, Nginx};
use support::outputs::{LIMIT, Running};
use support::{flv, free_port, have, material, probe, wait_for};

/// A word that must never appear in a text.
const KEY: &str = "s3cr3tname";

fn ready() -> bool {
    let mut needs = vec!["ffmpeg", "ffprobe"];
    needs.extend(nginx::NEEDS);
    have(&needs)
}

fn options(start_ms: u32) -> RtmpOptions {
    RtmpOptions {
        start_ms,
        ..RtmpOptions::default()
    }
}

/// What a recording of `packets` must hold: per track, time since the first packet and payload.
fn expected(packets: &[EncodedPacket], track: Track) -> Vec<(u32, i32, bool, &[u8])> {
    let zero = packets[0].dts;
    let of_track = packets.iter().filter(|p| p.track == track);
    of_track
        .map(|p| {
            let dts = u32::try_from(p.dts.nanos_since(zero) / 1_000_000).expect("12 s");
            let cts = i32::try_from(p.pts.nanos_since(p.dts) / 1_000_000).expect("12 s");
            (dts, cts, p.keyframe, &p.data[..])
        })
        .collect()
}

fn assert_holds(file: &flv::Flv, packets: &[EncodedPacket]) {
    for (track, audio) in [(Track::Video, false), (Track::Audio, true)] {
        let found: Vec<_> = file
            .track(audio)
            .into_iter()
            .map(|m| (m.dts_ms, m.cts_ms, m.key, &m.data[..]))
            .collect();
        let expected = expected(packets, track);
        let lengths = |l: &[(u32, i32, bool, &[u8])]| l.iter().map(|m| m.3.len()).sum::<usize>();
        assert_eq!(
            (found.len(), lengths(&found)),
            (expected.len(), lengths(&expected))
        );
        assert!(found == expected, "{track:?} differs");
    }
    let times: Vec<_> = file.media.iter().map(|m| m.dts_ms).collect();
    assert!(times.is_sorted(), "the tracks are not interleaved by time");
}

/// Both headers come before the first picture. (nginx repeats headers and leaves the metadata out.)
fn assert_begins_decodable(file: &flv::Flv) {
    let headers = file.order.split('v').next().unwrap_or_default();
    assert!(headers.contains('A') && headers.contains('V'), "{headers}");
    assert!(file.track(false)[0].key);
}

#[test]
fn what_arrives_is_what_was_pushed() {
    if !ready() {
        return;
    }
    let server = Nginx::start();
    let dir = tempfile::tempdir().unwrap();
    let recording = Running::file(&dir.path().join("show.flv"));
    let push = Running::rtmp(&server.address("live", KEY), options(0));
    push.wait_connected();
    let packets = material::packets();
    for packet in packets {
        recording.output.push(packet);
        push.feed([packet.clone()]);
    }
    let stats = push.output.stats();
    assert_eq!(
        (stats.state, stats.dropped, stats.reconnects),
        (OutputState::Live, 0, 0)
    );
    push.stop();
    recording.stop();
    assert_eq!(push.state(), OutputState::Stopped);
    wait_for("a goodbye", LIMIT, || server.logged_goodbye().then_some(()));
    let stats = push.output.stats();
    let payload: usize = packets.iter().map(|p| p.data.len()).sum();
    assert!(stats.sent_bytes > payload as u64);
    assert!(stats.acked_bytes > 100_000 && stats.acked_bytes <= stats.sent_bytes);
    assert!(!stats.target.contains(KEY));

    let (path, received) = server.complete_recording(KEY, packets.len());
    let own = flv::read(&dir.path().join("show.flv")).unwrap();
    for file in [&received, &own] {
        assert_holds(file, packets);
        assert_eq!(&file.avcc, packets[0].parameters.extradata());
        assert_begins_decodable(file);
    }
    assert!(own.order.starts_with("mAVv"), "{}", &own.order[..8]);
    for path in [path, dir.path().join("show.flv")] {
        assert_plays(path.to_str().unwrap());
    }
}

/// What an independent reader says about a recording of the material.
fn assert_plays(path: &str) {
    let found = probe::probe(path, None);
    let video = probe::stream(&found, "video");
    assert_eq!(
        (&video["codec_name"], &video["profile"]),
        (&"h264".into(), &"High".into())
    );
    assert_eq!(
        (&video["width"], &video["height"]),
        (&320.into(), &180.into())
    );
    assert_eq!(video["r_frame_rate"], "30/1");
    let audio = probe::stream(&found, "audio");
    assert_eq!(
        (&audio["codec_name"], &audio["profile"]),
        (&"aac".into(), &"LC".into())
    );
    assert_eq!(
        (&audio["sample_rate"], &audio["channels"]),
        (&"48000".into(), &2.into())
    );
    for kind in ["video", "audio"] {
        let times = probe::times(&found, kind);
        assert!(times.is_sorted_by(|a, b| a.0 < b.0), "{kind} goes back");
    }
    let keys: Vec<_> = probe::times(&found, "video")
        .into_iter()
        .filter_map(|(ms, key)| key.then_some(ms))
        .collect();
    assert_eq!(keys, [0, 2000, 4000, 6000, 8000, 10_000]);
    probe::decode(path);
}

#[test]
fn times_beyond_24_bits_and_over_the_wrap_arrive() {
    if !ready() {
        return;
    }
    let mut server = Nginx::start();
    // 5 s before the timestamp needs its extension, and 5 s before it wraps
    let starts = [
        ("extended", 0xFF_FFFF - 5000),
        ("wrapping", u32::MAX - 4999),
    ];
    let viewers = std::thread::scope(|s| {
        let server = &server;
        starts
            .map(|(key, start_ms)| s.spawn(move || push_from(server, key, start_ms)))
            .map(|thread| thread.join().unwrap())
    });
    server.kill(); // viewers would wait for the next stream
    for ((_, start_ms), viewer) in starts.into_iter().zip(viewers) {
        assert_saw_times_from(start_ms, &viewer.finish());
    }
}

/// Pushes the material to a recorder and a viewer.
fn push_from(server: &Nginx, key: &str, start_ms: u32) -> probe::Viewer {
    let packets = material::packets();
    let push = Running::rtmp(&server.address("live", key), options(start_ms));
    push.wait_connected();
    // a viewer sees the times as sent; the recording only their differences
    let viewer = probe::Viewer::start(&server.address("live", key));
    wait_for("a viewer", LIMIT, || {
        server.logged(&format!("play: name='{key}'")).then_some(())
    });
    let started = Instant::now();
    for packet in packets {
        // ten times as fast as real, which a viewer can follow
        let due = started + packet.dts.saturating_since(packets[0].dts) / 10;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        push.feed([packet.clone()]);
    }
    push.stop();
    let (_, received) = server.complete_recording(key, packets.len());
    assert_holds(&received, packets);
    viewer
}

fn assert_saw_times_from(start_ms: u32, seen: &serde_json::Value) {
    for (track, kind) in [(Track::Video, "video"), (Track::Audio, "audio")] {
        let sent: Vec<_> = expected(material::packets(), track)
            .iter()
            .map(|m| start_ms.wrapping_add(m.0))
            .collect();
        // FFmpeg may continue below zero or beyond 2^32: the same modulo 2^32
        let seen: Vec<_> = probe::times(seen, kind)
            .iter()
            .map(|t| u32::try_from(t.0.rem_euclid(1 << 32)).expect("32 bits"))
            .collect();
        assert_eq!(seen, sent, "{kind} from {start_ms}");
    }
}

#[test]
fn a_server_that_comes_back_gets_a_fresh_stream() {
    if !ready() {
        return;
    }
    let mut server = Nginx::start();
    let mut options = options(0);
    options.limits.settled = Duration::ZERO; // the server falls sooner than one that refuses would
    let push = Running::rtmp(&server.address("live", KEY), options);
    push.wait_connected();
    let enough = AtomicBool::new(false);
    std::thread::scope(|s| {
        // a show that never waits, twenty times as fast as real
        s.spawn(|| {
            for packet in material::endless() {
                if enough.load(Ordering::Relaxed) {
                    return;
                }
                push.output.push(&packet);
                std::thread::sleep(Duration::from_micros(600));
            }
        });
        let first = || server.recorded(KEY).first().and_then(|f| flv::read(f));
        wait_for("a first recording", LIMIT, || {
            first().filter(|f| f.media.len() > 100)
        });
        server.kill();
        let (error, attempt) = push.wait("loss", |e| match e {
            OutputEvent::Lost { error, attempt, .. } => Some((error, attempt)),
            _ => None,
        });
        assert!(matches!(error, OutputError::Lost(_)), "{error:?}");
        assert_eq!(attempt, 1);
        assert!(matches!(
            push.state(),
            OutputState::Reconnecting { attempt: 1, .. }
        ));
        let error = push.wait_error();
        assert!(matches!(error, OutputError::Refused { .. }), "{error:?}");

        server.run();
        push.wait_connected();
        push.wait("wish for a keyframe", |e| {
            matches!(e, OutputEvent::NeedKeyframe).then_some(())
        });
        let second = wait_for("a second recording", LIMIT, || {
            let files = server.recorded(KEY);
            let file = flv::read(files.get(1)?)?;
            (file.media.len() > 100).then_some(file)
        });
        enough.store(true, Ordering::Relaxed);
        let pictures = second.track(false);
        assert_begins_decodable(&second);
        assert!(pictures[0].key && pictures[0].dts_ms == 0);
    });
    assert_eq!(push.output.stats().reconnects, 1);
    push.stop();
}

/// Starts pushing to an address and returns how it failed first.
fn failure(address: &str) -> OutputError {
    let push = Running::rtmp(address, options(0));
    let error = push.wait_error();
    assert!(push.stop() < Duration::from_secs(1));
    let all = format!("{} {error:?} {:?}", error.full_text(), push.output.stats());
    assert!(!all.contains(KEY), "{all}");
    error
}

#[test]
fn every_refusal_has_its_own_words() {
    if !ready() {
        return;
    }
    let server = Nginx::start();
    let holder = Running::rtmp(&server.address("live", KEY), options(0));
    holder.wait_connected();
    holder.feed(material::packets()[..30].iter().cloned());

    let refused = failure(&format!("rtmp://127.0.0.1:{}/live/{KEY}", free_port()));
    assert!(
        matches!(refused, OutputError::Refused { .. }),
        "{refused:?}"
    );
    let unknown = failure(&format!("rtmp://no-such-host.invalid/live/{KEY}"));
    assert!(
        matches!(unknown, OutputError::UnknownHost { .. }),
        "{unknown:?}"
    );
    let app = failure(&server.address("liev", KEY));
    assert!(
        matches!(&app, OutputError::ClosedEarly { phase: Phase::Connect, app } if app == "liev"),
        "{app:?}"
    );
    let denied = failure(&server.address("closed", KEY));
    assert!(
        matches!(
            denied,
            OutputError::ClosedEarly {
                phase: Phase::FirstMedia,
                ..
            }
        ),
        "{denied:?}"
    );
    let busy = failure(&server.address("live", KEY));
    assert!(matches!(busy, OutputError::Busy { .. }), "{busy:?}");
    assert_eq!(
        holder.state(),
        OutputState::Live,
        "the holder is not disturbed"
    );

    let mut texts = [refused, unknown, app, denied, busy].map(|e| e.to_string());
    texts.sort_unstable();
    assert!(texts.windows(2).all(|t| t[0] != t[1]), "{texts:?}");
}

#[test]
fn a_refusal_is_final_after_three_tries() {
    if !ready() {
        return;
    }
    let server = Nginx::start();
    let push = Running::rtmp(&server.address("liev", KEY), options(0));
    let mut tries = 1;
    let error = push.wait("end", |e| match e {
        OutputEvent::Lost { attempt, .. } => {
            assert_eq!(attempt, tries);
            tries += 1;
            None
        }
        OutputEvent::Failed { error } => Some(error),
        _ => None,
    });
    assert_eq!(tries, 3);
    let message = error.full_text();
    assert!(message.contains("\"liev\""), "{message}");
    assert_eq!(push.state(), OutputState::Failed { message });
    push.stop();
}

#[test]
fn check_tells_what_going_live_would_be_answered() {
    if !ready() {
        return;
    }
    let server = Nginx::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |app| {
        let url = RtmpUrl::parse(&server.address(app, KEY), None).unwrap();
        let started = Instant::now();
        let answer = runtime.block_on(check(&url, &TuningHandle::default()));
        assert!(started.elapsed() < Duration::from_secs(3));
        answer
    };
    // twice: the first left nothing behind that would hold the name
    for _ in 0..2 {
        let report = ask("live").unwrap();
        assert!(report.peer.starts_with("127.0.0.1:"));
        let codes: Vec<_> = report
            .answers
            .iter()
            .map(|a| a.split(':').next().unwrap())
            .collect();
        assert_eq!(
            codes,
            ["NetConnection.Connect.Success", "NetStream.Publish.Start"]
        );
        assert!(!format!("{report:?}").contains(KEY), "{report:?}");
    }
    assert!(matches!(ask("liev"), Err(OutputError::ClosedEarly { .. })));
}
