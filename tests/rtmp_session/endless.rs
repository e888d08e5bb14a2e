//! Hostile servers for as long as one likes: real dialogues, mutated, from a seed that is printed when something breaks.
//!
//! `KAIBO_FUZZ_MINUTES=60 cargo test --release --test rtmp_session -- --ignored endless --nocapture`; one seed alone:
//! `KAIBO_FUZZ_SEED=…`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;
use kaibo::flv::amf0::Amf0Value;
use kaibo::flv::tag::TagKind;
use kaibo::rtmp::demand::{self, Demand};
use kaibo::rtmp::session::{Phase, PublishConfig, PublishSession, SessionEvent};
use kaibo::rtmp::url::RtmpUrl;

use super::rtmp_peer::{Script, amf, info, message};
use super::{ADDRESS, answers, status, tag};

/// Bytes of a message that servers send, whole.
fn word(random: &mut Rng) -> Vec<u8> {
    let number = random.u32(..);
    let ex = Amf0Value::Object(vec![
        ("code".to_owned(), 302.0.into()),
        (
            "redirect".to_owned(),
            "rtmp://edge.example.com/app?x=y".into(),
        ),
    ]);
    let redirect = Amf0Value::Object(vec![
        ("code".to_owned(), "NetConnection.Connect.Rejected".into()),
        ("ex".to_owned(), ex),
    ]);
    let login = info(&[(
        "description",
        "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=u&salt=s&challenge=c&opaque=o",
    )]);
    let reconnect = [
        ("code", "NetConnection.Connect.ReconnectRequest"),
        ("tcUrl", "//other/app"),
    ];
    let [connected, created, started] = answers();
    match random.u8(..16) {
        0 => message(1, 0, &(number % 70_000).to_be_bytes()),
        1 => message(2, 0, &number.to_be_bytes()),
        2 => message(3, 0, &number.to_be_bytes()),
        3 => message(
            4,
            0,
            &[&[0, random.u8(..40)], &number.to_be_bytes()[..]].concat(),
        ),
        4 => message(5, 0, &(number % 5_000_000).to_be_bytes()),
        5 => message(6, 0, &[&number.to_be_bytes()[..], &[2]].concat()),
        6 => message(
            20,
            0,
            &amf(&[
                "onBWDone".into(),
                0.0.into(),
                Amf0Value::Null,
                8192.0.into(),
            ]),
        ),
        7 => message(
            20,
            0,
            &amf(&["_error".into(), 1.0.into(), Amf0Value::Null, redirect]),
        ),
        8 => message(
            20,
            0,
            &amf(&["_error".into(), 1.0.into(), Amf0Value::Null, login]),
        ),
        9 => message(
            20,
            0,
            &amf(&[
                "onStatus".into(),
                0.0.into(),
                Amf0Value::Null,
                info(&reconnect),
            ]),
        ),
        10 => status("error", "NetStream.Publish.BadName", "busy"),
        11 => message(
            17,
            0,
            &[
                &[0][..],
                &amf(&["close".into(), 0.0.into(), Amf0Value::Null]),
            ]
            .concat(),
        ),
        12 => connected,
        13 => created,
        14 => started,
        _ => message(
            random.u8(..),
            random.u32(..3),
            &vec![random.u8(..); random.usize(..600)],
        ),
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 if at < bytes.len() => bytes[at] = *random.choice(&[0, 1, 0x7F, 0x80, 0xFF]).unwrap(),
            2 => bytes.insert(at, random.u8(..)),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => {
                let end = (at + random.usize(..200)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

/// One hostile dialogue.
fn dialogue(seed: u64) {
    let mut random = Rng::with_seed(seed);
    let url = RtmpUrl::parse(ADDRESS, None).unwrap();
    let mut client = PublishSession::new(PublishConfig {
        hold: random.bool(),
        enhanced: random.bool(),
        ..PublishConfig::new(url.clone())
    });
    let (mut out, mut events) = (Vec::new(), Vec::new());
    client.start(&mut out);
    let mut input = Script::handshake_answer(&out);
    if random.u8(..4) == 0 {
        mutate(&mut input, &mut random);
    }
    let mut words: Vec<_> = if random.bool() {
        answers().to_vec()
    } else {
        Vec::new()
    };
    for _ in 0..random.usize(..12) {
        let at = random.usize(..=words.len());
        words.insert(at, word(&mut random));
    }
    let untouched = random.usize(..=words.len());
    for (number, mut bytes) in words.into_iter().enumerate() {
        if number >= untouched {
            mutate(&mut bytes, &mut random);
        }
        input.extend(bytes);
    }
    let mut rest = &input[..];
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(random.usize(1..=rest.len().min(2000)));
        rest = behind;
        let said = out.len();
        if client.on_bytes(piece, &mut out, &mut events).is_err() {
            assert_eq!(client.phase(), Phase::Ended);
        }
        // a few answers for each byte at most: nobody makes us flood
        assert!(
            out.len() - said < 10_000 + piece.len() * 40,
            "{} bytes",
            out.len() - said
        );
        match random.u8(..8) {
            0 => client.release(&mut out),
            1 => drop(client.publish(&tag(TagKind::Video, random.u32(..), b"x"), &mut out)),
            _ => {}
        }
    }
    for event in &events {
        assert!(!format!("{event:?}").contains("s3cr3t"), "{event:?}");
        if let SessionEvent::Rejected {
            demand: Some(Demand::Redirect(to)),
            ..
        } = event
            && let Ok(to) = demand::target(&url, to)
        {
            demand::same_owner(&url, &to);
        }
    }
    client.finish(&mut out);
    assert_eq!(client.phase(), Phase::Ended);
}

fn run(seeds: impl Iterator<Item = u64>) -> u64 {
    let mut count = 0;
    for seed in seeds {
        let fine = catch_unwind(AssertUnwindSafe(|| dialogue(seed)));
        assert!(fine.is_ok(), "KAIBO_FUZZ_SEED={seed}");
        count += 1;
    }
    count
}

#[test]
fn mutated_dialogues_never_break_the_session() {
    assert_eq!(run(0..3000), 3000);
}

#[test]
#[ignore = "as long as KAIBO_FUZZ_MINUTES says"]
fn endless_mutated_dialogues() {
    let variable = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = variable("KAIBO_FUZZ_SEED") {
        return dialogue(seed);
    }
    let minutes = variable("KAIBO_FUZZ_MINUTES").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let first = fastrand::u64(..) >> 16;
    let count = run((first..).take_while(|_| Instant::now() < end));
    #[expect(clippy::print_stderr, reason = "for whoever waited")]
    {
        eprintln!("{count} dialogues from seed {first} in {minutes} min");
    }
}
