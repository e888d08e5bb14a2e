//! Recordings: playable at any moment of their making, complete at the end, cut and joined to the exact picture, never
//! over an older one.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod kill;
mod own;
mod parts;
#[path = "../cli/program.rs"]
mod program;
mod show;

use std::fs;
use std::path::Path;
use std::process::Command;

use kaibo::container::Format;
use kaibo::media::packet::{EncodedPacket, Track};
use kaibo::output::{self, OutputError, OutputEvent, OutputSpec, OutputState};

use support::outputs::{LIMIT, Running};
use support::{flv, have, material, probe, wait_for};

fn feed(recording: &Running, from: usize, to: usize) {
    recording.feed(material::packets()[from..to].iter().cloned());
}

/// Presentation times in ms of the pictures of a file, as ffmpeg decodes them; panics if the decoder complains.
fn pictures(path: &Path) -> Vec<i64> {
    decode(path, true)
}

/// The same of a file that may be torn at its end.
fn pictures_of_torn(path: &Path) -> Vec<i64> {
    decode(path, false)
}

fn decode(path: &Path, whole: bool) -> Vec<i64> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args([
            "-map",
            "0:v",
            "-fps_mode",
            "passthrough",
            "-enc_time_base",
            "1:1000",
        ])
        .args(["-f", "framecrc", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let fine = output.status.success() && complaints.is_empty();
    assert!(fine || !whole, "{}: {complaints}", path.display());
    let text = String::from_utf8_lossy(&output.stdout);
    let base = text.lines().find_map(|l| l.strip_prefix("#tb 0: "));
    assert!(base.is_none_or(|b| b == "1/1000"), "{base:?}");
    let time = |line: &str| line.split(',').nth(2)?.trim().parse().ok();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.filter_map(time).collect()
}

#[test]
fn a_recording_plays_while_it_grows_and_knows_its_length_at_the_end() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in Format::ALL {
        let dir = tempfile::tempdir().unwrap();
        let name = |stem: &str| dir.path().join(format!("{stem}.{}", format.extension()));
        let path = name("show");
        let recording = Running::file(&path);
        recording.wait("wish for a keyframe", |e| {
            matches!(e, OutputEvent::NeedKeyframe).then_some(())
        });
        let packets = material::packets();
        let half = packets.len() / 2;
        feed(&recording, 0, half);
        // what a reader sees now is what would be left after a kill
        let is_picture = |p: &&EncodedPacket| p.track == Track::Video;
        let fed = packets[..half].iter().filter(is_picture).count();
        let torn = name("torn");
        wait_for("the first half on the disk", LIMIT, || {
            fs::copy(&path, &torn).unwrap();
            (pictures_of_torn(&torn).len() + 2 >= fed).then_some(())
        });

        feed(&recording, half, packets.len());
        recording.stop();
        let stats = recording.output.stats();
        assert_eq!((stats.state, stats.dropped), (OutputState::Stopped, 0));
        let found = probe::probe(path.to_str().unwrap(), None);
        let read = found["packets"].as_array().unwrap().len();
        // sound from before the first picture is left out
        assert!(
            (packets.len() - 1..=packets.len()).contains(&read),
            "{read}"
        );
        let duration: f64 = found["format"]["duration"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((11.9..12.1).contains(&duration), "{format:?}: {duration}");
        probe::decode(path.to_str().unwrap());
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "no marker stays: {left:?}");
    }
}

#[test]
fn an_older_recording_is_never_overwritten() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("my.show.flv");
    fs::write(&path, "precious").unwrap();
    fs::write(dir.path().join("my.show (2).flv"), "precious too").unwrap();
    let recording = Running::file(&path);
    let target = recording.output.stats().target;
    assert_eq!(Path::new(&target), dir.path().join("my.show (3).flv"));
    feed(&recording, 0, 50);
    recording.stop();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert_eq!(flv::read(Path::new(&target)).unwrap().media.len(), 50);
}

#[test]
fn a_recording_of_nothing_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let recording = Running::file(&dir.path().join("show.mp4"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    recording.stop();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
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
