//! Servers that want something first: a login, another address, another connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use kaibo::media::packet::Track;
use kaibo::output::net::{NetworkSettings, ProxyUrl};
use kaibo::output::rtmp::RtmpOptions;
use kaibo::output::tuning::TuningHandle;
use kaibo::output::{OutputError, OutputEvent, OutputState};

use super::support::outputs::{LIMIT, Running};
use super::support::script_server::{Reply, ScriptServer, What, info, redirect, reject};
use super::support::{have, material, wait_for};
use super::{KEY, SECOND, impatient};

/// A server that lets in who proves to know the password, as Adobe's does.
fn guarded() -> ScriptServer {
    ScriptServer::start(|_, object| {
        let app = object.get("app").unwrap().as_str().unwrap();
        let tc_url = object.get("tcUrl").unwrap().as_str().unwrap();
        let query = app.split_once('?').map_or("", |(_, q)| q);
        assert!(tc_url.ends_with(app), "both carry the login");
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|p| p.split_once('='));
            pairs.find(|(n, _)| *n == name).map(|(_, v)| v)
        };
        match (value("authmod"), value("response")) {
            (None, _) => {
                reject("[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ")
            }
            (Some("adobe"), None) => reject(&format!(
                "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user={}&salt=salt&challenge=chal&opaque=opq",
                value("user").unwrap()
            )),
            (Some("adobe"), Some(response)) if response == proof(value("challenge").unwrap()) => {
                Reply::Accept
            }
            _ => reject(
                "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed&opaque=opq",
            ),
        }
    })
}

/// What the password "p@ss" of "harry" makes of our word, computed by OpenSSL.
fn proof(word: &str) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let hash = |text: &str| {
        let mut openssl = Command::new("sh")
            .args(["-c", "openssl dgst -md5 -binary | openssl base64"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let out = openssl.wait_with_output().unwrap().stdout;
        String::from_utf8(out).unwrap().trim().to_owned()
    };
    let secret = hash("harrysaltp@ss");
    hash(&format!("{secret}opq{word}"))
}

#[test]
fn a_login_is_answered_and_told_to_nobody() {
    if !have(&["openssl"]) {
        return;
    }
    let server = guarded();
    let address = |login: &str| {
        server
            .address(KEY)
            .replace("rtmp://", &format!("rtmp://{login}"))
    };
    let push = Running::rtmp(&address("harry:p%40ss@"), RtmpOptions::default());
    push.wait_connected();
    push.stop();
    assert_eq!(
        server.connects("app").len(),
        3,
        "one to learn, one to ask, one to prove"
    );
    assert!(!server.connects("app").concat().contains("p@ss"));

    let push = Running::rtmp(&address("harry:hunter2@"), RtmpOptions::default());
    let error = push.wait_error();
    assert!(matches!(error, OutputError::LoginWrong), "{error:?}");
    let all = format!("{} {error:?} {:?}", error.full_text(), push.output.stats());
    assert!(!all.contains("hunter2") && !all.contains(KEY), "{all}");
    push.stop();

    let push = Running::rtmp(&address(""), RtmpOptions::default());
    let error = push.wait_error();
    assert!(matches!(error, OutputError::LoginWanted), "{error:?}");
    push.stop();
}

#[test]
fn redirects_of_the_same_owner_are_followed_and_circles_are_not() {
    let edge = ScriptServer::accepting();
    let to = edge.tc_url("127.0.0.1");
    let balancer = ScriptServer::start(move |_, _| redirect(&to));
    let push = Running::rtmp(&balancer.address(KEY), RtmpOptions::default());
    push.wait_connected();
    push.stop();
    let published = edge.commands("publish");
    assert_eq!(published[0].2[1].as_str(), Some(KEY), "under our own name");
    assert!(balancer.commands("publish").is_empty());

    let circle =
        ScriptServer::start(|_, object| redirect(object.get("tcUrl").unwrap().as_str().unwrap()));
    let push = Running::rtmp(&circle.address(KEY), RtmpOptions::default());
    let error = push.wait_error();
    assert!(matches!(error, OutputError::Redirects), "{error:?}");
    assert_eq!(circle.connects("app").len(), 4);
    push.stop();
}

#[test]
fn the_key_goes_to_another_owner_only_when_the_user_allows_it() {
    let other = ScriptServer::accepting();
    let to = other.tc_url("localhost");
    let balancer = ScriptServer::start(move |_, _| redirect(&to));
    let ask = || {
        let push = Running::rtmp(&balancer.address(KEY), RtmpOptions::default());
        let host = push.wait("question", |e| match e {
            OutputEvent::RedirectAsked { host } => Some(host),
            _ => None,
        });
        assert_eq!(host, "localhost");
        assert_eq!(push.output.stats().asks.as_deref(), Some("localhost"));
        push
    };
    let push = ask();
    assert!(push.stop() < 2 * SECOND, "no is an answer, too");
    assert!(other.said().is_empty(), "not even a connection");

    let push = ask();
    push.output.allow_redirect("localhost");
    push.wait_connected();
    assert_eq!(push.output.stats().asks, None);
    push.stop();
    assert_eq!(other.commands("publish").len(), 1);

    // allowed beforehand
    let tuning = TuningHandle::default();
    tuning.set_network(NetworkSettings {
        redirect_hosts: vec!["localhost".to_owned()],
        ..NetworkSettings::default()
    });
    let push = Running::rtmp_tuned(&balancer.address(KEY), RtmpOptions::default(), tuning);
    push.wait_connected();
    push.stop();
}

#[test]
fn a_server_that_wants_another_connection_gets_it_without_a_break() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let (old, new) = (ScriptServer::accepting(), ScriptServer::accepting());
    let push = Running::rtmp(&old.address(KEY), RtmpOptions::default());
    push.wait_connected();
    let wait_for_wish = || {
        push.wait("wish for a keyframe", |e| {
            matches!(e, OutputEvent::NeedKeyframe).then_some(())
        });
    };
    wait_for_wish(); // that of the first connection
    // as of an encoder that looks ahead: the pictures come well behind the sound
    let mut packets = material::packets().to_vec();
    packets.sort_by_key(|p| match p.track {
        Track::Video => p.dts + Duration::from_millis(700),
        Track::Audio | Track::Input(_) => p.dts,
    });
    let third = packets.len() / 3;
    push.feed(packets[..third].iter().cloned());
    old.tell(&[
        ("level", "status"),
        ("code", "NetConnection.Connect.ReconnectRequest"),
        ("tcUrl", &new.tc_url("127.0.0.1")),
        ("description", "going down for maintenance"),
    ]);
    // this one says that the new connection is ready
    wait_for_wish();
    assert!(
        new.commands("publish").is_empty(),
        "the old connection still has the name"
    );
    push.feed(packets[third..].iter().cloned());
    push.wait("move", |e| {
        matches!(e, OutputEvent::Moved { .. }).then_some(())
    });
    let stats = push.output.stats();
    assert_eq!((stats.state, stats.dropped), (OutputState::Live, 0));
    push.stop();

    let goodbye = old.commands("deleteStream")[0].1;
    let published = new.commands("publish")[0].1;
    // its system had it first; its thread may still have been reading
    assert!(
        goodbye <= published + Duration::from_millis(100),
        "the name was given back first"
    );
    let tags = |server: &ScriptServer, wanted: u8, codec: u8| {
        let media = server.said().into_iter().filter_map(|s| match s.what {
            What::Media(tag, ms, [first, kind]) if (tag, kind) == (wanted, codec) => {
                Some((ms, first))
            }
            _ => None,
        });
        media.collect::<Vec<_>>()
    };
    let all = |track| packets.iter().filter(|p| p.track == track).count();
    let both = |what, wanted, count| {
        wait_for(what, LIMIT, || {
            let both = (tags(&old, wanted, 1), tags(&new, wanted, 1));
            (both.0.len() + both.1.len() == count).then_some(both)
        })
    };
    let (before, behind) = both("all pictures", 9, all(Track::Video));
    assert!(!before.is_empty() && !behind.is_empty());
    assert_eq!(tags(&new, 9, 0).len(), 1, "its own sequence header");
    assert_eq!(behind[0], (0, 0x17), "a keyframe at time zero");
    let (_, sound) = both("all of the sound", 8, all(Track::Audio));
    assert!(sound[0].0 < 50, "from the first picture on: {}", sound[0].0);
}

#[test]
fn a_move_that_does_not_come_off_changes_nothing() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let old = ScriptServer::accepting();
    let push = Running::rtmp(&old.address(KEY), RtmpOptions::default());
    push.wait_connected();
    // nobody listens there
    let nowhere = format!("rtmp://127.0.0.1:{}/live", super::support::free_port());
    old.tell(&[
        ("level", "status"),
        ("code", "NetConnection.Connect.ReconnectRequest"),
        ("tcUrl", &nowhere),
    ]);
    push.feed(material::packets().iter().cloned());
    assert_eq!(push.output.stats().reconnects, 0);
    push.stop();
    let sent = old
        .said()
        .iter()
        .filter(|s| matches!(s.what, What::Media(9, _, [_, 1])))
        .count();
    let all = material::packets()
        .iter()
        .filter(|p| p.track == Track::Video);
    assert_eq!(sent, all.count());
}

#[test]
fn silence_in_the_middle_of_the_handshake_and_half_a_close_are_noticed() {
    use super::support::fake_server::{FakeServer, Then, Until};
    for said in [
        vec![3],
        [vec![3], vec![0; 700]].concat(),
        [vec![3], vec![0; 1536]].concat(),
    ] {
        let server = FakeServer::start(Until::Accept, Then::Say(said));
        let push = Running::rtmp(&server.address(KEY), impatient());
        let text = push.wait_error().full_text();
        assert!(text.contains("does not greet within 1 s"), "{text}");
        assert!(push.stop() < 2 * SECOND);
    }
    let half = ScriptServer::start(|_, _| Reply::HalfClose);
    let push = Running::rtmp(&half.address(KEY), impatient());
    let text = push.wait_error().full_text();
    assert!(
        text.contains("closed the connection when asked for the application"),
        "{text}"
    );
    push.stop();
    // every refusal has an end
    let refusing = ScriptServer::start(|_, _| {
        Reply::Refuse(info(&[
            ("level", "error"),
            ("code", "NetConnection.Connect.InvalidApp"),
            ("description", "no such app"),
        ]))
    });
    let push = Running::rtmp(&refusing.address(KEY), RtmpOptions::default());
    let error = push.wait("the end", |e| match e {
        OutputEvent::Failed { error } => Some(error),
        _ => None,
    });
    assert!(error.full_text().contains("no such app"), "{error:?}");
}

#[test]
fn a_proxy_that_swallows_everything_never_holds_up_a_stop() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tuning = TuningHandle::default();
    for scheme in ["socks5", "http"] {
        let proxy = format!("{scheme}://me:hunter2@{}", silent.local_addr().unwrap());
        tuning.set_network(NetworkSettings {
            proxy: ProxyUrl::new(proxy),
            ..NetworkSettings::default()
        });
        let address = "rtmp://live.example.com/app/s3cr3tname";
        let push = Running::rtmp_tuned(address, impatient(), tuning.clone());
        let error = push.wait_error();
        let text = format!("{} {error:?}", error.full_text());
        assert!(
            text.contains("the proxy 127.0.0.1:") && text.contains("in time"),
            "{text}"
        );
        assert!(!text.contains("hunter2"), "{text}");
        assert!(push.stop() < 2 * SECOND);
    }
}

/// Three destinations of one feed; the second takes nothing for the whole time.
#[test]
fn a_stalled_destination_costs_the_others_nothing() {
    if !have(&["ffmpeg"]) {
        return;
    }
    use super::support::fake_server::{FakeServer, Then, Until};
    let good = [ScriptServer::accepting(), ScriptServer::accepting()];
    let stalled = FakeServer::start(Until::Live, Then::Deaf);
    let pushes = [
        Running::rtmp(&good[0].address(KEY), RtmpOptions::default()),
        Running::rtmp(&stalled.address(KEY), RtmpOptions::default()),
        Running::rtmp(&good[1].address(KEY), RtmpOptions::default()),
    ];
    pushes.iter().for_each(Running::wait_connected);
    // sixty seconds of material, as fast as the good ones take it; heavy enough that the stalled one's buffers fill
    let heavy = bytes::Bytes::from(vec![0; 30_000]);
    let feed: Vec<_> = material::endless()
        .take_while(|p| p.dts.as_millis() < 60_000)
        .map(|mut p| {
            if p.track == Track::Video {
                p.data = heavy.clone();
            }
            p
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for packet in &feed {
        for push in &pushes {
            let began = Instant::now();
            push.output.push(packet);
            slowest = slowest.max(began.elapsed());
        }
        wait_for("room in the good queues", LIMIT, || {
            let waits = |n: usize| pushes[n].output.stats().queued_ms > 300;
            (!waits(0) && !waits(2)).then_some(())
        });
    }
    assert!(
        slowest < SECOND,
        "nobody waits for the stalled one: {slowest:?}"
    );
    for (push, server) in [(&pushes[0], &good[0]), (&pushes[2], &good[1])] {
        push.stop();
        let stats = push.output.stats();
        assert_eq!((stats.dropped, stats.reconnects), (0, 0));
        let media = |server: &ScriptServer| {
            let said = server.said();
            said.iter()
                .filter(|s| matches!(s.what, What::Media(_, _, [_, 1])))
                .count()
        };
        assert_eq!(media(server), feed.len());
    }
    assert!(
        pushes[1].output.stats().dropped > 0,
        "it really was stalled"
    );
    assert!(pushes[1].stop() < 2 * SECOND);
}
