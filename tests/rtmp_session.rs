//! The publish session against peers in memory: rml_rtmp's server session as an independent implementation, and
//! servers made of bytes by hand for what that one does not do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "rtmp_session/endless.rs"]
mod endless;
#[path = "rtmp_session/hostile.rs"]
mod hostile;
#[path = "support/rtmp_peer.rs"]
mod rtmp_peer;
#[path = "rtmp_session/show.rs"]
mod show;

use bytes::Bytes;
use kaibo::flv::amf0::Amf0Value;
use kaibo::flv::tag::{FlvTag, TagKind};
use kaibo::rtmp::session::{
    Phase, PublishConfig, PublishSession, SessionError, SessionEvent as Event,
};
use kaibo::rtmp::url::RtmpUrl;
use rtmp_peer::{Script, amf, client_messages, command_of, info, message};

const ADDRESS: &str = "rtmp://example.com/app/secretkey?auth=s3cr3t";

fn session(address: &str) -> PublishSession {
    let url = RtmpUrl::parse(address, None).unwrap();
    PublishSession::new(PublishConfig::new(url))
}

fn tag(kind: TagKind, timestamp_ms: u32, body: &'static [u8]) -> FlvTag {
    FlvTag {
        kind,
        timestamp_ms,
        header: false,
        keyframe: false,
        body: Bytes::from_static(body),
    }
}

/// A session that has shaken hands, and the bytes it sent behind them.
fn shaken() -> (PublishSession, Vec<u8>) {
    let mut client = session(ADDRESS);
    let out = Script::shake_hands(&mut client);
    (client, out)
}

/// What a server answers up to "publish start", in order.
fn answers() -> [Vec<u8>; 3] {
    let success = info(&[
        ("level", "status"),
        ("code", "NetConnection.Connect.Success"),
        ("description", "Connection succeeded."),
    ]);
    let start = info(&[
        ("level", "status"),
        ("code", "NetStream.Publish.Start"),
        ("description", "Start publishing"),
    ]);
    [
        message(
            20,
            0,
            &amf(&["_result".into(), 1.0.into(), Amf0Value::Null, success]),
        ),
        message(
            20,
            0,
            &amf(&["_result".into(), 4.0.into(), Amf0Value::Null, 7.0.into()]),
        ),
        message(
            20,
            7,
            &amf(&["onStatus".into(), 0.0.into(), Amf0Value::Null, start]),
        ),
    ]
}

/// A session at a phase from connecting to live.
fn at(phase: Phase) -> PublishSession {
    let (mut client, _) = shaken();
    for answer in answers() {
        if client.phase() != phase {
            feed(&mut client, &answer).unwrap();
        }
    }
    assert_eq!(client.phase(), phase);
    client
}

/// Bytes and events that one piece of input makes.
fn feed(client: &mut PublishSession, bytes: &[u8]) -> Result<(Vec<u8>, Vec<Event>), SessionError> {
    let (mut out, mut events) = (Vec::new(), Vec::new());
    client.on_bytes(bytes, &mut out, &mut events)?;
    Ok((out, events))
}

fn status(level: &str, code: &str, description: &str) -> Vec<u8> {
    let info = info(&[
        ("level", level),
        ("code", code),
        ("description", description),
    ]);
    message(
        20,
        7,
        &amf(&["onStatus".into(), 0.0.into(), Amf0Value::Null, info]),
    )
}

#[test]
fn the_first_bytes_are_exactly_what_servers_expect() {
    let (_, out) = shaken();
    let mut expected = Vec::new();
    expected.extend(b"\x02\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x10\x00"); // chunk size 4096
    expected.extend(b"\x02\x00\x00\x00\x00\x00\x04\x05\x00\x00\x00\x00\x00\x01\x86\xA0"); // window 100,000
    let mut body: Vec<u8> = Vec::new();
    body.extend(b"\x02\x00\x07connect\x00\x3F\xF0\x00\x00\x00\x00\x00\x00\x03");
    body.extend(b"\x00\x03app\x02\x00\x03app");
    body.extend(b"\x00\x04type\x02\x00\x0Anonprivate");
    body.extend(b"\x00\x08flashVer\x02\x00\x1FFMLE/3.0 (compatible; FMSc/1.0)");
    body.extend(b"\x00\x06swfUrl\x02\x00\x16rtmp://example.com/app");
    body.extend(b"\x00\x05tcUrl\x02\x00\x16rtmp://example.com/app");
    body.extend(b"\x00\x00\x09");
    expected.extend([
        6,
        0,
        0,
        0,
        0,
        0,
        u8::try_from(body.len()).unwrap(),
        20,
        0,
        0,
        0,
        0,
    ]);
    expected.extend(body);
    assert_eq!(out, expected);
}

#[test]
fn commands_follow_without_waiting_and_publish_uses_the_stream_given() {
    let (mut client, _) = shaken();
    let [connected, created, started] = answers();
    let key: Amf0Value = "secretkey?auth=s3cr3t".into();
    let null = Amf0Value::Null;

    let (out, events) = feed(&mut client, &connected).unwrap();
    assert_eq!(
        events,
        [Event::Connected {
            description: "Connection succeeded.".to_owned()
        }]
    );
    let sent: Vec<_> = client_messages(&out).iter().map(command_of).collect();
    assert_eq!(
        sent,
        [
            (
                0,
                vec![
                    "releaseStream".into(),
                    2.0.into(),
                    null.clone(),
                    key.clone()
                ]
            ),
            (
                0,
                vec!["FCPublish".into(), 3.0.into(), null.clone(), key.clone()]
            ),
            (0, vec!["createStream".into(), 4.0.into(), null.clone()]),
        ]
    );

    let (out, events) = feed(&mut client, &created).unwrap();
    assert_eq!(events, []);
    let sent: Vec<_> = client_messages(&out).iter().map(command_of).collect();
    assert_eq!(
        sent,
        [(
            7,
            vec![
                "publish".into(),
                5.0.into(),
                null.clone(),
                key.clone(),
                "live".into()
            ]
        )]
    );

    let media = tag(TagKind::Video, 0, b"x");
    assert_eq!(
        client.publish(&media, &mut Vec::new()),
        Err(SessionError::NotLive)
    );
    let (_, events) = feed(&mut client, &started).unwrap();
    assert_eq!(
        events,
        [Event::Publishing {
            description: "Start publishing".to_owned()
        }]
    );

    let mut out = Vec::new();
    client
        .publish(
            &tag(TagKind::Script, 1, b"\x02\x00\x0AonMetaData\x05"),
            &mut out,
        )
        .unwrap();
    client
        .publish(&tag(TagKind::Audio, 2, b"\xAF\x01"), &mut out)
        .unwrap();
    client
        .publish(&tag(TagKind::Video, 3, b"\x17\x01"), &mut out)
        .unwrap();
    let sent = client_messages(&out);
    let shape: Vec<_> = sent
        .iter()
        .map(|m| (m.kind, m.stream_id, m.timestamp_ms))
        .collect();
    assert_eq!(shape, [(18, 7, 1), (8, 7, 2), (9, 7, 3)]);
    assert_eq!(
        sent[0].payload,
        b"\x02\x00\x0D@setDataFrame\x02\x00\x0AonMetaData\x05"[..]
    );
    assert_eq!(sent[2].payload, b"\x17\x01"[..]);

    let mut out = Vec::new();
    client.finish(&mut out);
    let sent: Vec<_> = client_messages(&out).iter().map(command_of).collect();
    assert_eq!(
        sent,
        [
            (0, vec!["FCUnpublish".into(), 6.0.into(), null.clone(), key]),
            (0, vec!["deleteStream".into(), 7.0.into(), null, 7.0.into()]),
        ]
    );
    assert_eq!(client.phase(), Phase::Ended);
    let mut again = Vec::new();
    client.finish(&mut again);
    assert!(again.is_empty());
    assert_eq!(
        client.publish(&media, &mut again),
        Err(SessionError::NotLive)
    );
}

#[test]
fn bytes_behind_the_handshake_are_not_lost() {
    let mut client = session(ADDRESS);
    let mut hello = Vec::new();
    client.start(&mut hello);
    let mut all = Script::handshake_answer(&hello);
    for answer in answers() {
        all.extend(answer);
    }
    let (_, events) = feed(&mut client, &all).unwrap();
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(client.phase(), Phase::Live);
}

#[test]
fn servers_that_do_not_know_the_first_two_commands_are_fine() {
    for phase in [Phase::CreatingStream, Phase::Requesting, Phase::Live] {
        let mut client = at(phase);
        for transaction in [2.0, 3.0] {
            let refusal = amf(&["_error".into(), transaction.into(), Amf0Value::Null]);
            let (out, events) = feed(&mut client, &message(20, 0, &refusal)).unwrap();
            assert_eq!((out, events), (vec![], vec![]));
        }
        assert_eq!(client.phase(), phase);
    }
}

#[test]
fn refusals_say_what_was_refused_and_whether_the_name_is_taken() {
    let error = |transaction: f64, code: &str, words: &str| {
        let info = info(&[("level", "error"), ("code", code), ("description", words)]);
        message(
            20,
            0,
            &amf(&["_error".into(), transaction.into(), Amf0Value::Null, info]),
        )
    };
    for (phase, answer, code, words, busy) in [
        (
            Phase::Connecting,
            error(1.0, "NetConnection.Connect.Rejected", "no such app"),
            "NetConnection.Connect.Rejected",
            "no such app",
            false,
        ),
        (
            Phase::CreatingStream,
            error(4.0, "x", "full"),
            "x",
            "full",
            false,
        ),
        (
            Phase::Requesting,
            // as nginx-rtmp answers
            status("error", "NetStream.Publish.BadName", "Already publishing"),
            "NetStream.Publish.BadName",
            "Already publishing",
            true,
        ),
        (
            Phase::Requesting,
            status("status", "NetStream.Publish.Denied", "auth"),
            "NetStream.Publish.Denied",
            "auth",
            false,
        ),
        (
            Phase::Requesting,
            error(0.0, "NetStream.Publish.Start", "stream secretkey is busy"),
            "NetStream.Publish.Start",
            "stream •••• is busy",
            true,
        ),
        (
            Phase::Requesting,
            message(
                20,
                7,
                &amf(&[
                    "_error".into(),
                    5.0.into(),
                    Amf0Value::Null,
                    "just words".into(),
                ]),
            ),
            "_error",
            "just words",
            false,
        ),
        (
            Phase::Live,
            status("error", "NetStream.Record.NoAccess", "disk"),
            "NetStream.Record.NoAccess",
            "disk",
            false,
        ),
    ] {
        let mut client = at(phase);
        let (out, events) = feed(&mut client, &answer).unwrap();
        assert_eq!(
            events,
            [Event::Rejected {
                code: code.to_owned(),
                description: words.to_owned(),
                phase,
                busy,
                demand: None,
            }]
        );
        assert!(
            out.is_empty(),
            "somebody else may hold the name: no FCUnpublish"
        );
        assert_eq!(client.phase(), Phase::Ended);
        let mut out = Vec::new();
        client.finish(&mut out);
        assert!(out.is_empty());
    }
}

#[test]
fn the_server_can_end_a_live_stream() {
    for (answer, code) in [
        (
            status("status", "NetStream.Unpublish.Success", "bye"),
            "NetStream.Unpublish.Success",
        ),
        (message(20, 0, &amf(&["close".into(), 0.0.into()])), "close"),
    ] {
        let mut client = at(Phase::Live);
        let (_, events) = feed(&mut client, &answer).unwrap();
        assert!(
            matches!(&events[..], [Event::PeerClosed { code: c, .. }] if c == code),
            "{events:?}"
        );
        assert_eq!(client.phase(), Phase::Ended);
    }
    let mut client = at(Phase::Live);
    let (_, events) = feed(
        &mut client,
        &status("status", "NetStream.Publish.Idle", "wait"),
    )
    .unwrap();
    assert_eq!(
        events,
        [Event::Status {
            code: "NetStream.Publish.Idle".to_owned(),
            description: "wait".to_owned()
        }]
    );
    assert_eq!(client.phase(), Phase::Live);
}

#[test]
fn a_goodbye_gives_back_only_what_was_taken() {
    for (phase, commands) in [
        (Phase::Connecting, &[][..]),
        (Phase::CreatingStream, &["FCUnpublish"]),
        (Phase::Requesting, &["FCUnpublish", "deleteStream"]),
    ] {
        let mut client = at(phase);
        let mut out = Vec::new();
        client.finish(&mut out);
        let sent: Vec<_> = client_messages(&out).iter().map(command_of).collect();
        let names: Vec<_> = sent.iter().filter_map(|(_, c)| c[0].as_str()).collect();
        assert_eq!(names, commands);
    }
    let mut out = Vec::new();
    session(ADDRESS).finish(&mut out);
    assert!(out.is_empty());
}

#[test]
fn a_ping_is_answered_with_its_own_stamp() {
    let mut client = at(Phase::Live);
    let (out, _) = feed(&mut client, &message(4, 0, b"\x00\x06\xDE\xAD\xBE\xEF")).unwrap();
    assert_eq!(
        out,
        b"\x02\x00\x00\x00\x00\x00\x06\x04\x00\x00\x00\x00\x00\x07\xDE\xAD\xBE\xEF"
    );
    // events of the future, and cut ones, are nobody's business
    for odd in [
        &b"\x00\x1F\x00\x00\x00\x01"[..],
        b"\x00\x06\x00",
        b"\x00",
        b"",
    ] {
        assert_eq!(
            feed(&mut client, &message(4, 0, odd)).unwrap(),
            (vec![], vec![])
        );
    }
}

#[test]
fn acknowledgements_are_the_running_total() {
    let (mut client, _) = shaken();
    let mut received = 0;
    let mut acknowledged = Vec::new();
    let window = message(5, 0, &1000u32.to_be_bytes());
    let mut inputs = vec![window];
    inputs.extend((0..20).map(|_| message(18, 0, &[5; 300])));
    for input in inputs {
        received += input.len();
        let (out, _) = feed(&mut client, &input).unwrap();
        for m in client_messages(&out) {
            assert_eq!(m.kind, 3);
            acknowledged.push((m.payload.to_vec(), received));
        }
    }
    assert_eq!(acknowledged.len(), 5);
    for (value, total) in acknowledged {
        assert_eq!(value, u32::try_from(total).unwrap().to_be_bytes());
    }
}

#[test]
fn what_the_server_acknowledges_becomes_a_total() {
    let mut client = at(Phase::Live);
    let mut out = Vec::new();
    let body = FlvTag {
        body: Bytes::from(vec![0; 50_000]),
        ..tag(TagKind::Video, 0, b"")
    };
    client.publish(&body, &mut out).unwrap();
    let ack = |n: u32| message(3, 0, &n.to_be_bytes());
    let events = |client: &mut PublishSession, n| feed(client, &ack(n)).unwrap().1;
    assert_eq!(events(&mut client, 30_000), [Event::Acked(30_000)]);
    let sent = client.sent_bytes();
    assert!(sent > 50_000);
    assert_eq!(events(&mut client, u32::MAX), [Event::Acked(sent)]);
}

#[test]
fn odd_messages_do_no_harm() {
    let date = Amf0Value::Date {
        unix_ms: 1e12,
        zone: 0,
    };
    let long = "x".repeat(70_000);
    for odd in [
        message(20, 0, b""),
        message(20, 0, b"\x02\x00\x09onStat"),
        message(20, 0, b"\x05\x05\x05"),
        message(20, 0, &amf(&["_result".into()])),
        message(20, 0, &amf(&["_error".into()])),
        message(
            20,
            0,
            &amf(&[
                "onBWDone".into(),
                0.0.into(),
                Amf0Value::Null,
                8192.0.into(),
            ]),
        ),
        message(17, 0, b""),
        message(6, 0, b"\x00\x26\x25\xA0\x02"),
        message(3, 0, b"\x00"),
        message(5, 0, b""),
        message(8, 0, b"\xAF"),
        message(22, 0, b"aggregate"),
        message(99, 0, b"?"),
    ] {
        let mut client = at(Phase::Live);
        let (out, events) = feed(&mut client, &odd).unwrap();
        assert_eq!((out, events), (vec![], vec![]), "{odd:?}");
        assert_eq!(client.phase(), Phase::Live);
    }
    // what rml_rtmp cannot read: dates and long strings
    let mut client = at(Phase::Live);
    let odd = message(
        20,
        0,
        &amf(&["onFCPublish".into(), 0.0.into(), date, long.as_str().into()]),
    );
    let (_, events) = feed(&mut client, &odd).unwrap();
    assert!(matches!(&events[..], [Event::Status { code, description }]
            if code == "onFCPublish" && description.len() < 600));
    // a command in AMF3's clothes
    let mut client = at(Phase::Requesting);
    let mut body = vec![0];
    let start = info(&[("code", "NetStream.Publish.Start")]);
    body.extend(amf(&[
        "onStatus".into(),
        0.0.into(),
        Amf0Value::Null,
        start,
    ]));
    feed(&mut client, &message(17, 7, &body)).unwrap();
    assert_eq!(client.phase(), Phase::Live);
    // a stream number that is none
    let mut client = at(Phase::CreatingStream);
    let nonsense = amf(&[
        "_result".into(),
        4.0.into(),
        Amf0Value::Null,
        f64::NAN.into(),
    ]);
    assert!(matches!(
        feed(&mut client, &message(20, 0, &nonsense)),
        Err(SessionError::Protocol { .. })
    ));
}

#[test]
fn a_peer_that_is_no_rtmp_server_is_named() {
    for (bytes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "web server"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "encrypted"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (b"\x00\x00", "byte 0"),
    ] {
        let mut client = session(ADDRESS);
        client.start(&mut Vec::new());
        let error = feed(&mut client, bytes).unwrap_err();
        let SessionError::NotRtmp { reason } = &error else {
            panic!("{error}");
        };
        assert!(reason.contains(words), "{reason}");
        assert_eq!(client.phase(), Phase::Ended);
        assert_eq!(feed(&mut client, b"more"), Err(error));
    }
    // garbage behind a good handshake
    let (mut client, _) = shaken();
    assert!(matches!(
        feed(&mut client, b"\xFFgarbage"),
        Err(SessionError::Chunk(_))
    ));
    // before the start there is nobody to talk to
    assert!(feed(&mut session(ADDRESS), b"\x03").is_err());
}

#[test]
fn secrets_are_in_no_text() {
    let mut client = at(Phase::Requesting);
    let said = status(
        "error",
        "NetStream.Publish.Denied",
        "secretkey?auth=s3cr3t expired",
    );
    let (_, events) = feed(&mut client, &said).unwrap();
    let text = format!(
        "{client:?} {events:?} {:?}",
        PublishConfig::new(RtmpUrl::parse(ADDRESS, None).unwrap())
    );
    assert!(
        !text.contains("secretkey") && !text.contains("s3cr3t"),
        "{text}"
    );
    assert!(text.contains("expired"));
}

#[test]
fn enhanced_rtmp_is_told_only_when_wished_for() {
    let connect = |enhanced| {
        let url = RtmpUrl::parse(ADDRESS, None).unwrap();
        let mut client = PublishSession::new(PublishConfig {
            enhanced,
            ..PublishConfig::new(url)
        });
        let out = Script::shake_hands(&mut client);
        let connect = client_messages(&out[16..]).pop().unwrap();
        let (_, values) = command_of(&connect);
        (client, values[2].clone())
    };
    let (_, plain) = connect(false);
    assert_eq!(plain.get("fourCcList"), None);
    let (mut client, object) = connect(true);
    let list = Amf0Value::StrictArray(vec!["hvc1".into(), "av01".into()]);
    assert_eq!(object.get("fourCcList"), Some(&list));
    assert_eq!(object.get("capsEx"), Some(&1.0.into()));
    let takes = Amf0Value::Object(vec![(
        "fourCcList".to_owned(),
        Amf0Value::StrictArray(vec!["av01".into()]),
    )]);
    let answer = amf(&["_result".into(), 1.0.into(), takes, info(&[])]);
    feed(&mut client, &message(20, 0, &answer)).unwrap();
    assert!(client.server_takes("av01") && !client.server_takes("hvc1"));
}

#[test]
fn a_connection_can_be_held_back_before_it_takes_the_name() {
    let url = RtmpUrl::parse(ADDRESS, None).unwrap();
    let mut client = PublishSession::new(PublishConfig {
        hold: true,
        ..PublishConfig::new(url)
    });
    Script::shake_hands(&mut client);
    let [connected, created, started] = answers();
    let (out, _) = feed(&mut client, &connected).unwrap();
    assert_eq!((client.phase(), out.len()), (Phase::Held, 0));
    let mut out = Vec::new();
    client.release(&mut out);
    assert_eq!(
        client_messages(&out).len(),
        3,
        "releaseStream, FCPublish, createStream"
    );
    feed(&mut client, &created).unwrap();
    feed(&mut client, &started).unwrap();
    assert_eq!(client.phase(), Phase::Live);
    out.clear();
    client.release(&mut out);
    assert!(out.is_empty());
}
