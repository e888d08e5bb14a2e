//! The policy of the send queue: unit tests, and properties over random traffic.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::media::packet::{Bitrate, CodecParameters};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Audio,
    Key,
    P,
    B,
}

fn packet(kind: Kind, dts_ms: i64, len: usize) -> EncodedPacket {
    let video = kind != Kind::Audio;
    EncodedPacket {
        track: if video { Track::Video } else { Track::Audio },
        pts: MediaTime::from_millis(dts_ms),
        dts: MediaTime::from_millis(dts_ms),
        duration: Duration::from_millis(if video { 33 } else { 21 }),
        keyframe: kind != Kind::P && kind != Kind::B,
        drop: match kind {
            Kind::Audio | Kind::Key => DropClass::Never,
            Kind::P => DropClass::Reference,
            Kind::B => DropClass::Discardable,
        },
        data: Bytes::from(vec![0; len]),
        parameters: Arc::new(CodecParameters::Aac {
            asc: Bytes::new(),
            sample_rate: 48_000,
            channels: 2,
            bitrate: Bitrate::default(),
        }),
        generation: 0,
    }
}

fn open() -> SendQueue {
    let mut q = SendQueue::new(QueueLimits::STREAM);
    q.reset(MediaTime::ZERO);
    q
}

fn kinds(q: &mut SendQueue) -> Vec<(Kind, i64)> {
    std::iter::from_fn(|| q.pop())
        .map(|p| (kind_of(&p), p.dts.as_millis()))
        .collect()
}

fn kind_of(p: &EncodedPacket) -> Kind {
    match (p.track, p.keyframe, p.drop) {
        (Track::Audio, ..) => Kind::Audio,
        (_, true, _) => Kind::Key,
        (_, _, DropClass::Discardable) => Kind::B,
        _ => Kind::P,
    }
}

#[test]
fn a_fresh_connection_begins_with_a_keyframe_and_the_sound_around_it() {
    let mut q = SendQueue::new(QueueLimits::STREAM);
    assert_eq!(q.push(packet(Kind::Key, 0, 1)), Verdict::Fine);
    assert!(q.is_empty(), "closed");
    q.reset(MediaTime::from_millis(5));
    for (kind, ms) in [
        (Kind::P, 10),
        (Kind::Audio, 12),
        (Kind::Audio, 33),
        (Kind::Key, 43),
        (Kind::Audio, 54),
        (Kind::P, 76),
    ] {
        assert_eq!(q.push(packet(kind, ms, 1)), Verdict::Fine);
        if ms < 43 {
            assert!(q.pop().is_none(), "gate at {ms}");
        }
    }
    let expect = [
        (Kind::Audio, 33),
        (Kind::Key, 43),
        (Kind::Audio, 54),
        (Kind::P, 76),
    ];
    assert_eq!(kinds(&mut q), expect);
    assert_eq!(q.counters().dropped, 0);
    assert_eq!(q.counters().skipped, 3);
}

#[test]
fn without_a_picture_the_wish_is_repeated_and_old_sound_makes_room() {
    let mut q = open();
    let verdicts: Vec<_> = (0..120)
        .map(|i| q.push(packet(Kind::Audio, i * 21, 1)))
        .collect();
    let asked = verdicts.iter().filter(|v| **v == Verdict::NeedKeyframe);
    assert_eq!(asked.count(), 2, "at 1 s and 2 s");
    assert!(q.pop().is_none());
    assert!(q.queued() <= GATE_LIMIT && q.len() > 90);
}

#[test]
fn discards_then_cuts_and_asks_at_once() {
    let mut q = open();
    let mut asked = Vec::new();
    // a stalled link: 30 fps, every other picture disposable, sound each 20 ms
    for ms in 0..=2040 {
        let mut push = |kind, len| {
            if q.push(packet(kind, ms, len)) == Verdict::NeedKeyframe {
                asked.push(ms);
            }
        };
        if ms % 33 == 0 {
            let kind = match ms {
                0 => Kind::Key,
                _ if ms % 2 == 0 => Kind::P,
                _ => Kind::B,
            };
            push(kind, 100);
        }
        if ms % 20 == 0 {
            push(Kind::Audio, 10);
        }
        let kinds: Vec<_> = q.packets.iter().map(kind_of).collect();
        assert_eq!(kinds.contains(&Kind::P), (66..2013).contains(&ms), "{ms}");
        if ms == 1056 {
            assert!(!kinds.contains(&Kind::B), "disposable ones go first");
        }
    }
    assert_eq!(asked, [2013], "as soon as the picture is 2 s late");
    assert_eq!((q.counters().cuts, q.counters().frozen_ms / 33), (1, 46));
    let left = kinds(&mut q);
    assert!(left.iter().all(|(k, _)| *k == Kind::Audio) && left.len() == 103);
    assert_eq!(q.push(packet(Kind::P, 2046, 100)), Verdict::Fine);
    assert_eq!(q.push(packet(Kind::Key, 2079, 100)), Verdict::Fine);
    assert_eq!(q.push(packet(Kind::P, 2112, 100)), Verdict::Fine);
    assert_eq!(kinds(&mut q), [(Kind::Key, 2079), (Kind::P, 2112)]);
}

#[test]
fn what_lies_behind_the_queue_counts_and_holds_the_wish_back() {
    let mut q = open();
    let behind = |ms| Flow {
        behind: Duration::from_millis(ms),
        bytes_per_second: None,
    };
    q.set_flow(QueueLimits::STREAM, behind(1900));
    assert_eq!(q.push(packet(Kind::Key, 0, 1)), Verdict::Fine);
    assert_eq!(q.push(packet(Kind::P, 33, 1)), Verdict::Fine);
    assert_eq!(
        q.push(packet(Kind::P, 132, 1)),
        Verdict::Fine,
        "late, but no use to ask"
    );
    assert!(q.is_empty() && q.counters().dropped == 3);
    q.set_flow(QueueLimits::STREAM, behind(900));
    assert_eq!(q.push(packet(Kind::P, 165, 1)), Verdict::NeedKeyframe);
}

#[test]
fn what_a_slow_link_would_bring_too_late_is_cut_at_once() {
    let mut q = open();
    let flow = Flow {
        behind: Duration::from_millis(1000),
        bytes_per_second: Some(100_000),
    };
    assert_eq!(q.push(packet(Kind::Key, 0, 60_000)), Verdict::Fine);
    q.set_flow(QueueLimits::STREAM, flow);
    assert_eq!(q.push(packet(Kind::P, 33, 30_000)), Verdict::Fine, "1.9 s");
    assert_eq!(q.push(packet(Kind::P, 66, 20_000)), Verdict::NeedKeyframe);
    assert!(q.is_empty() && q.counters().dropped == 3);
}

#[test]
fn a_fresh_keyframe_saves_its_gop_and_takes_the_place_of_older_ones() {
    let mut q = open();
    for i in 0..=60 {
        let kind = if i % 30 == 0 && i < 60 {
            Kind::Key
        } else {
            Kind::P
        };
        assert_eq!(q.push(packet(kind, i * 33, 1)), Verdict::Fine);
    }
    assert_eq!(q.len(), 61, "1980 ms");
    assert_eq!(q.push(packet(Kind::P, 2013, 1)), Verdict::Fine);
    let left = kinds(&mut q);
    assert_eq!((left[0], left.len()), ((Kind::Key, 990), 32));
    assert_eq!(q.counters().dropped, 30);
}

#[test]
fn hard_limits_mean_lost() {
    let mut q = open();
    assert_eq!(q.push(packet(Kind::Key, 0, 1)), Verdict::Fine);
    for ms in (0..=15_000).step_by(20) {
        let verdict = q.push(packet(Kind::Audio, ms, 1));
        assert_ne!(verdict, Verdict::Overflow, "{ms}");
    }
    assert_eq!(q.push(packet(Kind::Audio, 15_020, 1)), Verdict::Overflow);
    assert!(q.is_overflowed() && q.pop().is_none());
    assert_eq!(q.push(packet(Kind::Key, 15_033, 1)), Verdict::Overflow);
    q.reset(MediaTime::from_millis(16_000));
    assert_eq!(q.push(packet(Kind::Key, 16_000, 16 << 20)), Verdict::Fine);
    assert_eq!(q.push(packet(Kind::Audio, 16_020, 1)), Verdict::Overflow);
}

#[tokio::test]
async fn the_consumer_is_woken() {
    let q = Arc::new(SharedQueue::new(QueueLimits::STREAM));
    q.reset(MediaTime::ZERO);
    let consumer = tokio::spawn({
        let q = Arc::clone(&q);
        async move {
            loop {
                if let Some(p) = q.pop() {
                    return p.dts;
                }
                q.pushed().await;
            }
        }
    });
    assert_eq!(q.push(&packet(Kind::Key, 7, 1)), Verdict::Fine);
    let limit = Duration::from_secs(10);
    let got = tokio::time::timeout(limit, consumer).await.unwrap();
    assert_eq!(got.unwrap().as_millis(), 7);
    assert_eq!(q.level().counters.passed, 1);
}

fn steps() -> impl Strategy<Value = Vec<(Kind, usize, i64)>> {
    let kind = prop_oneof![
        3 => Just(Kind::Audio),
        1 => Just(Kind::Key),
        5 => Just(Kind::P),
        3 => Just(Kind::B),
    ];
    // (what is pushed, how many are popped after it, media time to the next push)
    prop::collection::vec((kind, 0..3_usize, 0..60_i64), 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn order_and_references_hold(steps in steps(), lazy in 0..4_usize) {
        let mut q = open();
        let (mut ms, mut pushed) = (0, Vec::new());
        let mut popped = Vec::new();
        for (i, (kind, pops, gap)) in steps.into_iter().enumerate() {
            ms += gap;
            let mut p = packet(kind, ms, 1 + i % 7);
            p.generation = u32::try_from(i).unwrap();
            pushed.push(p.clone());
            let verdict = q.push(p);
            prop_assert_eq!(verdict == Verdict::Overflow, q.is_overflowed());
            if i % 4 >= lazy {
                popped.extend(std::iter::from_fn(|| q.pop()).take(pops));
            }
            if !q.is_overflowed() {
                prop_assert!(q.queued() <= QueueLimits::STREAM.hard_span);
            }
            let late = q.lateness(|p| p.track == Track::Video);
            prop_assert!(late <= QueueLimits::STREAM.cut_over);
            prop_assert_eq!(q.bytes(), q.packets.iter().map(|p| p.data.len()).sum::<usize>());
        }
        popped.extend(std::iter::from_fn(|| q.pop()));
        let c = q.counters();
        let gone = c.passed + c.dropped + c.skipped + q.len() as u64;
        prop_assert_eq!(gone, pushed.len() as u64);
        check_order_and_references(&pushed, &popped)?;
        if !q.is_overflowed() {
            check_nothing_precious_lost(&pushed, &popped)?;
        }
    }
}

fn check_order_and_references(
    pushed: &[EncodedPacket],
    popped: &[EncodedPacket],
) -> Result<(), TestCaseError> {
    // `generation` carries the push number
    prop_assert!(popped.is_sorted_by(|a, b| a.generation < b.generation));
    let sent: HashSet<u32> = popped.iter().map(|p| p.generation).collect();
    for p in popped
        .iter()
        .filter(|p| p.track == Track::Video && !p.keyframe)
    {
        let earlier = &pushed[..p.generation as usize];
        let key = earlier
            .iter()
            .rposition(|e| e.track == Track::Video && e.keyframe);
        let Some(key) = key else {
            return Err(TestCaseError::fail("a picture before any keyframe"));
        };
        for needed in &earlier[key..] {
            if matches!(kind_of(needed), Kind::Key | Kind::P) {
                prop_assert!(
                    sent.contains(&needed.generation),
                    "{} without {}",
                    p.generation,
                    needed.generation
                );
            }
        }
    }
    Ok(())
}

fn check_nothing_precious_lost(
    pushed: &[EncodedPacket],
    popped: &[EncodedPacket],
) -> Result<(), TestCaseError> {
    let sent: HashSet<u32> = popped.iter().map(|p| p.generation).collect();
    let Some(first) = pushed.iter().position(|p| kind_of(p) == Kind::Key) else {
        return Ok(());
    };
    for p in pushed[first..].iter().filter(|p| p.track == Track::Audio) {
        prop_assert!(sent.contains(&p.generation));
    }
    Ok(())
}
