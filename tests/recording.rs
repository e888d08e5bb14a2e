//! FLV recordings: playable at any moment of their making, complete at the end, never over an older one.

mod support;

use std::fs;
use std::path::Path;

use kaibo::output::{self, OutputError, OutputEvent, OutputSpec, OutputState};

use support::outputs::{LIMIT, Running};
use support::{flv, have, material, probe, wait_for};

fn feed(recording: &Running, from: usize, to: usize) {
    recording.feed(material::packets()[from..to].iter().cloned());
}

#[test]
fn a_recording_plays_while_it_grows_and_knows_its_length_at_the_end() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("show.flv");
    let recording = Running::file(&path);
    recording.wait("wish for a keyframe", |e| {
        matches!(e, OutputEvent::NeedKeyframe).then_some(())
    });
    let packets = material::packets();
    let half = packets.len() / 2;
    feed(&recording, 0, half);
    // what a reader sees now is what would be left after a kill: up to the last keyframe at once, the rest in a second
    wait_for("the first half on the disk", LIMIT, || {
        (flv::read(&path)?.media.len() + 5 > half).then_some(())
    });
    let torn = dir.path().join("torn.flv");
    fs::copy(&path, &torn).unwrap();
    let found = probe::probe(torn.to_str().unwrap(), None);
    assert!(probe::times(&found, "video").len() > 150);
    probe::decode(torn.to_str().unwrap());

    feed(&recording, half, packets.len());
    recording.stop();
    let stats = recording.output.stats();
    assert_eq!((stats.state, stats.dropped), (OutputState::Stopped, 0));
    assert_eq!(stats.sent_bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(flv::read(&path).unwrap().media.len(), packets.len());
    let format = &probe::probe(path.to_str().unwrap(), None)["format"];
    let duration: f64 = format["duration"].as_str().unwrap().parse().unwrap();
    assert!((11.9..12.1).contains(&duration), "{duration}");
}

#[test]
fn an_older_recording_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.show.flv");
    fs::write(&path, "precious").unwrap();
    fs::write(dir.path().join("my.show (2).flv"), "precious too").unwrap();
    let recording = Running::file(&path);
    let target = recording.output.stats().target;
    assert_eq!(Path::new(&target), dir.path().join("my.show (3).flv"));
    recording.stop();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(&fs::read(&target).unwrap()[..3], b"FLV");
}

#[test]
fn a_place_that_cannot_be_written_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("no such folder").join("show.flv");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cx = output::OutputContext {
        clock: kaibo::media::time::MediaClock::start(),
        runtime: runtime.handle().clone(),
        listener: std::sync::Arc::new(|_| {}),
        tuning: Default::default(),
    };
    let Err(error) = output::start(&OutputSpec::File(path.clone()), cx) else {
        panic!("started");
    };
    assert!(matches!(error, OutputError::File { .. }));
    let text = error.full_text();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
}
