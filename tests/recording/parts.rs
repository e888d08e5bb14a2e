//! Splits, pauses, marks, replays and plain MP4s.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use kaibo::container::{Format, remux};
use kaibo::media::packet::{EncodedPacket, PacketSink as _, Track};
use kaibo::media::time::MediaClock;
use kaibo::output::record::replay::ReplayBuffer;
use kaibo::output::record::{
    Order, Place, RecordConfig, RecordNews, Recorder, Split, chapters_of, unfinished,
};
use kaibo::output::{Output as _, OutputContext, OutputEvent};

use super::support::outputs::LIMIT;
use super::support::{flv, have, material, wait_for};
use super::{pictures, probe};

pub(crate) fn context() -> (
    OutputContext,
    Receiver<OutputEvent>,
    tokio::runtime::Runtime,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (tell, events) = bounded(10_000);
    let cx = OutputContext {
        clock: MediaClock::start(),
        runtime: runtime.handle().clone(),
        listener: Arc::new(move |event| drop(tell.try_send(event))),
        tuning: Default::default(),
    };
    (cx, events, runtime)
}

pub(crate) fn config(dir: &Path, format: Format) -> RecordConfig {
    RecordConfig {
        place: Place::Named {
            folder: dir.join("new folder"),
            template: "{title}-{n}".to_owned(),
            title: "part".to_owned(),
            format,
        },
        format,
        title: "晚安".to_owned(),
        split: Split::default(),
        keep_free: 0,
        inputs: Vec::new(),
    }
}

pub(crate) fn feed(recorder: &Recorder, packets: impl IntoIterator<Item = EncodedPacket>) {
    for packet in packets {
        recorder.push(&packet);
        wait_for("room in the queue", LIMIT, || {
            (recorder.stats().queued_ms < 500).then_some(())
        });
    }
}

/// Ends it; the files that were closed, in order.
pub(crate) fn end(recorder: &Recorder, events: &Receiver<OutputEvent>) -> Vec<PathBuf> {
    recorder.request_stop();
    assert!(recorder.join_until(std::time::Instant::now() + LIMIT));
    let closed = |event| match event {
        OutputEvent::Record(RecordNews::Closed { path }) => Some(path),
        OutputEvent::Failed { error } => panic!("{error}"),
        _ => None,
    };
    events.try_iter().filter_map(closed).collect()
}

fn is_picture(p: &&EncodedPacket) -> bool {
    p.track == Track::Video
}

/// Packets of a track in a file.
fn packets_of(path: &Path, kind: &str) -> usize {
    let found = probe::probe(path.to_str().unwrap(), None);
    let packets = found["packets"].as_array().unwrap();
    packets.iter().filter(|p| p["codec_type"] == kind).count()
}

#[test]
fn ten_parts_join_to_the_exact_pictures_and_sound() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let (cx, events, _runtime) = context();
        let split = Split {
            after: Some(Duration::from_millis(5500)), // the keyframe after that comes at 6 s
            bytes: None,
        };
        let config = RecordConfig {
            split,
            ..config(dir.path(), format)
        };
        let recorder = Recorder::start(config, cx).unwrap();
        let minute: Vec<_> = material::endless()
            .take_while(|p| p.dts.as_millis() < 60_000)
            .collect();
        feed(&recorder, minute.iter().cloned());
        let parts = end(&recorder, &events);
        assert_eq!(parts.len(), 10, "{parts:?}");
        assert!(parts[9].ends_with("new folder/part-0010.".to_owned() + format.extension()));
        let times: Vec<_> = parts.iter().map(|p| pictures(p)).collect();
        assert!(
            times.iter().all(|t| t[0] == 0),
            "each begins at zero: {times:?}"
        );
        let joined: usize = times.iter().map(Vec::len).sum();
        assert_eq!(
            joined,
            minute.iter().filter(is_picture).count(),
            "{format:?}"
        );
        assert_eq!(joined, 1800);
        let sound: usize = parts.iter().map(|p| packets_of(p, "audio")).sum();
        let first = minute.iter().find(is_picture).unwrap().dts;
        let sent = minute.iter().filter(|p| !is_picture(p) && p.dts >= first);
        assert_eq!(sound, sent.count(), "{format:?}");
    }
}

#[test]
fn no_part_is_larger_than_asked_for() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (cx, events, _runtime) = context();
    let config = RecordConfig {
        split: Split {
            after: None,
            bytes: Some(600_000),
        },
        ..config(dir.path(), Format::Mkv)
    };
    let recorder = Recorder::start(config, cx).unwrap();
    feed(
        &recorder,
        material::endless().take_while(|p| p.dts.as_millis() < 36_000),
    );
    let parts = end(&recorder, &events);
    let sizes: Vec<_> = parts.iter().map(|p| p.metadata().unwrap().len()).collect();
    assert!(
        parts.len() > 2 && sizes.iter().all(|s| *s <= 600_000),
        "{sizes:?}"
    );
    assert_eq!(
        parts.iter().map(|p| pictures(p).len()).sum::<usize>(),
        36 * 30
    );
}

#[test]
fn a_pause_leaves_no_hole_and_marks_become_chapters() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let (cx, events, _runtime) = context();
        let recorder = Recorder::start(config(dir.path(), format), cx).unwrap();
        let recorded = |ms: u64| {
            wait_for("recorded", LIMIT, || {
                (recorder.record_stats().recorded_ms >= ms).then_some(())
            });
        };
        let part = |from: i64, to: i64| {
            material::endless()
                .skip_while(move |p| p.dts.as_millis() < from)
                .take_while(move |p| p.dts.as_millis() < to)
        };
        feed(&recorder, part(0, 4000));
        recorded(3500);
        recorder.order(Order::Mark("boss".to_owned()));
        wait_for("mark", LIMIT, || {
            (recorder.record_stats().marks == 1).then_some(())
        });
        recorder.order(Order::Pause);
        wait_for("pause", LIMIT, || {
            recorder.record_stats().paused.then_some(())
        });
        feed(&recorder, part(4000, 12_000));
        let keys = events
            .try_iter()
            .filter(|e| matches!(e, OutputEvent::NeedKeyframe))
            .count();
        assert_eq!(keys, 1, "for the start");
        recorder.order(Order::Resume);
        wait_for("resume", LIMIT, || {
            (!recorder.record_stats().paused).then_some(())
        });
        assert!(
            events
                .try_iter()
                .any(|e| matches!(e, OutputEvent::NeedKeyframe))
        );
        feed(&recorder, part(12_000, 20_000));
        let files = end(&recorder, &events);
        let times = pictures(&files[0]);
        let widest = times.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        assert!(widest <= 60, "{format:?}: a hole of {widest} ms");
        let length = *times.last().unwrap();
        assert!((11_000..12_100).contains(&length), "{length}");

        // a plain MP4 has the mark, whatever the recording was
        let plain = dir.path().join("plain.mp4");
        let chapters = chapters_of(&files[0]);
        assert_eq!(
            chapters.len(),
            usize::from(!format.holds_chapters()),
            "{chapters:?}"
        );
        let mut told = Vec::new();
        let mut tell = |part: f32| {
            told.push(part);
            true
        };
        let made = remux::to_mp4(&files[0], &plain, &chapters, &mut tell).unwrap();
        assert_eq!(made.damaged, 0);
        assert!(told.is_sorted() && told.last() == Some(&1.0));
        assert!(told.iter().any(|t| (0.2..0.8).contains(t)), "{told:?}");
        assert_eq!(pictures(&plain).len(), times.len());
        let shown = std::process::Command::new("ffprobe")
            .args(["-v", "error", "-of", "compact", "-show_chapters"])
            .arg(&plain)
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains("tag:title=boss"), "{format:?}: {shown}");
        assert!(
            remux::to_mp4(&files[0], &plain, &[], &mut |_| true).is_err(),
            "overwritten"
        );
        let again = dir.path().join("again.mp4");
        let cancelled = remux::to_mp4(&files[0], &again, &[], &mut |part| part < 0.5);
        assert!(matches!(cancelled, Err(remux::RemuxError::Cancelled)));
        assert!(!again.exists() && !again.with_extension("mp4.part").exists());
    }
}

#[test]
fn a_torn_recording_becomes_a_plain_mp4_to_its_end() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let (cx, events, _runtime) = context();
        let recorder = Recorder::start(config(dir.path(), format), cx).unwrap();
        feed(&recorder, material::packets().iter().cloned());
        let file = end(&recorder, &events).remove(0);
        let bytes = std::fs::read(&file).unwrap();
        let torn = dir.path().join("torn.".to_owned() + format.extension());
        for cut in [bytes.len() / 3, bytes.len() / 2 + 7, bytes.len() - 3000] {
            std::fs::write(&torn, &bytes[..cut]).unwrap();
            let plain = dir.path().join(format!("{cut}.mp4"));
            remux::to_mp4(&torn, &plain, &[], &mut |_| true).unwrap();
            let expected = super::pictures_of_torn(&torn).len();
            let got = pictures(&plain).len();
            assert!(
                got + 1 >= expected && got > 50,
                "{format:?}: {got} of {expected}"
            );
        }
        assert!(unfinished(dir.path()).is_empty());
    }
}

#[test]
fn a_replay_begins_with_a_keyframe_and_is_as_long_as_asked_for() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (cx, events, _runtime) = context();
    let buffer = ReplayBuffer::start(Duration::from_secs(5), cx);
    let hour = material::endless().take_while(|p| p.dts.as_millis() < 600_000);
    let most = hour
        .inspect(|p| buffer.push(p))
        .map(|_| buffer.replay_stats().bytes)
        .max();
    // 400 kbit/s and 96 kbit/s for at most 7 s
    assert!(most.unwrap() < 700_000, "{most:?}");
    for format in Format::ALL {
        let path = dir.path().join("replay.".to_owned() + format.extension());
        let config = RecordConfig::file(path.clone());
        buffer.save(config);
        let length = loop {
            match events.recv_timeout(LIMIT).unwrap() {
                OutputEvent::Record(RecordNews::ReplaySaved { length, .. }) => break length,
                OutputEvent::Record(RecordNews::ReplayFailed { reason }) => panic!("{reason}"),
                _ => {}
            }
        };
        assert!((5.0..7.1).contains(&length.as_secs_f64()), "{length:?}");
        let shown = pictures(&path).len();
        assert!((150..=211).contains(&shown), "{shown}");
        wait_for("the thread's end", LIMIT, || {
            (!buffer.replay_stats().saving).then_some(())
        });
    }
    assert!(flv::read(&dir.path().join("replay.flv")).unwrap().media[0].key);
}
