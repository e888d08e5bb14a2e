//! The RTMP output against servers that misbehave: each fault has its own message, nothing panics, nothing hangs, and
//! stop always returns.

mod support;

#[path = "rtmp_faults/demands.rs"]
mod demands;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kaibo::media::packet::{EncodedPacket, Track};
use kaibo::output::rtmp::{Limits, RtmpOptions};
use kaibo::output::{OutputError, OutputState, Phase};

use support::fake_server::{FakeServer, Then, Until};
use support::outputs::Running;
use support::{have, material, say, wait_for};

const KEY: &str = "s3cr3tname";
const SECOND: Duration = Duration::from_secs(1);

fn impatient() -> RtmpOptions {
    RtmpOptions {
        limits: Limits {
            tcp: SECOND,
            handshake: SECOND,
            answer: SECOND,
            stall: SECOND,
            settled: Duration::ZERO,
        },
        ..RtmpOptions::default()
    }
}

/// How a push to a server that misbehaves fails first.
fn failure(until: Until, then: Then) -> OutputError {
    let server = FakeServer::start(until, then);
    let push = Running::rtmp(&server.address(KEY), impatient());
    if until == Until::Live {
        push.wait_connected();
        push.feed(material::packets()[..30].iter().cloned());
    }
    let error = push.wait_error();
    push.stop();
    let all = format!("{} {error:?} {:?}", error.full_text(), push.output.stats());
    assert!(!all.contains(KEY), "{all}");
    assert!(!matches!(error, OutputError::Internal));
    error
}

fn noise(first: u8) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes: Vec<u8> = (0..20_000).map(|_| random.u8(..)).collect();
    bytes[0] = first;
    bytes
}

#[test]
fn every_fault_on_the_way_has_its_own_words() {
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n".to_vec();
    let cases: Vec<(Until, Then, &str)> = vec![
        (Until::Accept, Then::Silence, "does not greet within 1 s"),
        (Until::Accept, Then::Deaf, "does not greet within 1 s"),
        (Until::Accept, Then::Close, "instead of greeting"),
        (Until::Accept, Then::Say(http), "it is a web server"),
        (
            Until::Accept,
            Then::Say(noise(9)),
            "not an RTMP server (it began with byte 9)",
        ),
        (Until::Accept, Then::Say(noise(3)), "not an RTMP server"),
        (
            Until::Connect,
            Then::Silence,
            "request for the application within 1 s",
        ),
        (
            Until::Connect,
            Then::Close,
            "when asked for the application \"live\"",
        ),
        (Until::Connect, Then::Say(noise(3)), "not an RTMP server"),
        (
            Until::Connect,
            Then::Say(b"HTTP/1.1 400 Bad Request".repeat(50)),
            "not an RTMP server",
        ),
        (
            Until::Publish,
            Then::Silence,
            "request to publish within 1 s",
        ),
        (Until::Publish, Then::Close, "when asked to publish"),
        (Until::Publish, Then::Say(noise(3)), "not an RTMP server"),
    ];
    std::thread::scope(|s| {
        for (until, then, words) in cases {
            s.spawn(move || {
                let text = failure(until, then.clone()).full_text();
                let fault = format!("{until:?}, {then:.20?}: {text}");
                assert!(text.contains(words), "{fault:.300}");
            });
        }
    });
}

#[test]
fn noise_of_any_kind_never_breaks_us() {
    if !have(&["ffmpeg"]) {
        return;
    }
    std::thread::scope(|s| {
        for until in [Until::Accept, Until::Connect, Until::Publish, Until::Live] {
            s.spawn(move || {
                for seed in 0..4 {
                    let mut random = fastrand::Rng::with_seed(seed);
                    let len = random.usize(1..4000);
                    let bytes = (0..len).map(|_| random.u8(..)).collect();
                    let server = FakeServer::start(until, Then::Say(bytes));
                    let push = Running::rtmp(&server.address(KEY), impatient());
                    if until == Until::Live {
                        // what follows may look like harmless messages for ever, so no error is waited for
                        push.wait_connected();
                        push.feed(material::packets()[..300].iter().cloned());
                    } else {
                        push.wait_error();
                    }
                    assert!(push.stop() < 2 * SECOND);
                    assert_eq!(push.state(), OutputState::Stopped);
                }
            });
        }
    });
}

#[test]
fn faults_while_live_are_noticed() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let closed = failure(Until::Live, Then::Close);
    assert!(matches!(closed, OutputError::Lost(_)), "{closed:?}");
    // a chunk of type 3 on a stream that never began
    let nonsense = failure(Until::Live, Then::Say(vec![0xC9; 50]));
    let text = nonsense.full_text();
    assert!(
        text.contains("lost") && text.contains("RTMP protocol"),
        "{text}"
    );
}

#[test]
fn a_peer_that_takes_nothing_is_lost_and_never_holds_up_a_stop() {
    if !have(&["ffmpeg"]) {
        return;
    }
    std::thread::scope(|s| {
        s.spawn(|| {
            let server = FakeServer::start(Until::Live, Then::Deaf);
            let push = Running::rtmp(&server.address(KEY), impatient());
            push.wait_connected();
            // more than all buffers on the way hold
            for packet in material::endless().take(20_000) {
                push.output.push(&packet);
            }
            let error = push.wait_error();
            assert!(matches!(error, OutputError::Stalled { .. }), "{error:?}");
            push.stop();
        });
        s.spawn(|| {
            let server = FakeServer::start(Until::Live, Then::Deaf);
            let push = Running::rtmp(&server.address(KEY), RtmpOptions::default());
            push.wait_connected();
            for packet in material::endless().take(700) {
                push.output.push(&packet);
            }
            assert!(
                push.output.stats().dropped > 0,
                "pictures are dropped, the caller never waits"
            );
            assert!(push.stop() < 2 * SECOND);
        });
    });
}

#[test]
fn a_packet_is_on_its_way_at_once() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let server = FakeServer::start(Until::Forever, Then::Silence);
    let push = Running::rtmp(&server.address(KEY), RtmpOptions::default());
    push.wait_connected();
    let packets = &material::packets()[..150]; // 2 s
    let started = Instant::now();
    let mut pushed = HashMap::new();
    for packet in packets {
        let due = packet.dts.saturating_since(packets[0].dts);
        std::thread::sleep((started + due).saturating_duration_since(Instant::now()));
        if packet.track == Track::Video {
            pushed.insert(due.as_millis(), Instant::now());
        }
        push.output.push(packet);
    }
    push.stop();
    let mut delays: Vec<_> = server
        .heard()
        .iter()
        .filter(|h| h.video)
        .filter_map(|h| Some(h.at - pushed.remove(&u128::from(h.ms))?))
        .collect();
    assert!(pushed.is_empty(), "{} pictures missing", pushed.len());
    delays.sort_unstable();
    // a picture waits for the sound of its time (21 ms apart), this peer looks each millisecond
    let median = delays[delays.len() / 2];
    say(&format!("median {median:?}, longest {:?}", delays.last()));
    assert!(median < Duration::from_millis(40), "{median:?}");
}

#[test]
fn a_goodbye_gets_its_time() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let server = FakeServer::start(Until::Live, Then::Doze);
    let push = Running::rtmp(&server.address(KEY), RtmpOptions::default());
    push.wait_connected();
    let half_a_second = &material::packets()[..38];
    // far more bytes than the system holds for a peer that does not read; the peer does not decode them
    let heavy: Vec<_> = (half_a_second.iter().cloned())
        .map(|mut packet| {
            if packet.track == Track::Video {
                packet.data = vec![0; 150_000].into();
            }
            packet
        })
        .collect();
    for packet in &heavy {
        push.output.push(packet);
    }
    push.output.request_stop();
    assert!(!push.output.has_ended(), "there is much to be said yet");
    server.wake();
    assert!(push.output.join_until(Instant::now() + 3 * SECOND));
    assert_eq!(push.state(), OutputState::Stopped);
    let pictures = |packets: &[EncodedPacket]| {
        let pictures = packets.iter().filter(|p| p.track == Track::Video);
        pictures.count()
    };
    wait_for("the end of the stream", 10 * SECOND, || {
        server.was_ended_in_order().then_some(())
    });
    // the first to come was slept through
    let heard = server.heard().iter().filter(|h| h.video).count();
    assert_eq!(push.output.stats().dropped, 0);
    assert!(heard + 2 >= pictures(&heavy), "{heard} pictures came");
}

#[test]
fn stop_never_waits_for_a_silent_server() {
    std::thread::scope(|s| {
        for until in [Until::Accept, Until::Connect, Until::Publish, Until::Live] {
            s.spawn(move || {
                let server = FakeServer::start(until, Then::Silence);
                let push = Running::rtmp(&server.address(KEY), RtmpOptions::default());
                if until == Until::Live {
                    push.wait_connected();
                }
                assert!(push.stop() < 2 * SECOND, "{until:?}");
                assert_eq!(push.state(), OutputState::Stopped);
            });
        }
    });
    let timed_out = failure(Until::Accept, Then::Silence);
    assert!(matches!(
        timed_out,
        OutputError::TimedOut {
            phase: Phase::Handshake,
            ..
        }
    ));
}
