//! A media file through the public door and in real time. What it plays, and when, is tested without waiting in
//! `src/capture/media_file/tests.rs`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use kaibo::capture::media_file::MediaFileSettings;
use kaibo::capture::{SourceContext, SourceSpec, VideoSource, open_video};
use kaibo::media::ring::AudioTap;
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::Resolution;
use kaibo::media::{Recovery, SourceId};

fn context() -> (SourceContext, Receiver<AudioTap>) {
    let (tx, taps) = bounded(4);
    let cx = SourceContext {
        id: SourceId(1),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::HD,
        taps: tx,
    };
    (cx, taps)
}

fn spec(path: &Path, looped: bool) -> SourceSpec {
    SourceSpec::File(MediaFileSettings {
        path: path.to_owned(),
        looped,
        ..MediaFileSettings::default()
    })
}

#[test]
fn a_file_plays_in_real_time_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("one second: 100%.mp4");
    let args = "-v error -f lavfi -i testsrc2=size=320x180:rate=25:duration=1.2 \
                -f lavfi -i sine=frequency=440:duration=1.2 \
                -pix_fmt yuv420p -c:v libx264 -preset ultrafast -c:a aac";
    let made = Command::new("ffmpeg")
        .args(args.split_whitespace())
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());

    let (cx, taps) = context();
    let clock = cx.clock;
    let mut source: Box<dyn VideoSource> = open_video(&spec(&path, false), &cx).unwrap();
    let mut tap = taps.try_recv().unwrap();
    assert_eq!(source.describe(), "320x180, 25 fps, h264, aac sound");
    let timeout = Duration::from_millis(15);
    let (mut frames, mut samples, mut lateness) = (0, Vec::new(), Vec::new());
    let opened = Instant::now();
    while !source.finished() {
        let asked = Instant::now();
        let frame = source.next(timeout).unwrap();
        // the machine of a test may be busy: that it does not hang is what counts
        assert!(asked.elapsed() < Duration::from_secs(1));
        while let Some(pts) = tap.pop_into(&mut samples) {
            assert!(pts.nanos_since(clock.now()) < 210_000_000);
        }
        if let Some(frame) = frame {
            frames += 1;
            let late = clock.now().nanos_since(frame.pts);
            assert!(late >= 0, "{late} ns: before its time");
            lateness.push(late);
        }
        assert!(opened.elapsed() < Duration::from_secs(10));
    }
    let took = opened.elapsed().as_secs_f64();
    assert!((1.2..2.5).contains(&took), "{took} s");
    lateness.sort_unstable();
    let median_ms = lateness[lateness.len() / 2] / 1_000_000;
    assert!(median_ms < 10, "{median_ms} ms late");
    assert!((20..=30).contains(&frames), "{frames} of 30 pictures");
    let seconds = samples.len() as f64 / 2.0 / 48_000.0;
    assert!((1.15..1.3).contains(&seconds), "{seconds} s of sound");
    assert_eq!(tap.overrun(), 0);
    drop(source);
    assert!(tap.is_finished());
}

#[test]
fn a_missing_file_is_awaited_and_no_film_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (cx, _taps) = context();
    let gone = open_video(&spec(&dir.path().join("gone.mkv"), true), &cx);
    let error = gone.err().unwrap();
    assert!(error.to_string().contains("gone.mkv was not found"));
    assert_eq!(error.recovery(), Recovery::Retry);
    let text = dir.path().join("text.mkv");
    std::fs::write(&text, "no film").unwrap();
    let error = open_video(&spec(&text, true), &cx).err().unwrap();
    assert_eq!(error.recovery(), Recovery::GiveUp);
}
