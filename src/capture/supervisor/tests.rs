//! The supervisor with sources that follow a script: what is stored, told and counted. Times are milliseconds here.

use bytes::Bytes;
use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::capture::camera::control::ControlKind;
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock, MediaTime};
use crate::media::video::{ColorSpec, FrameData, Plane};

const MS: fn(u64) -> Duration = Duration::from_millis;

const QUICK: Timing = Timing {
    poll: Duration::from_millis(2),
    check: Duration::from_millis(2),
    stall: Duration::from_millis(60),
    hold: Duration::from_millis(150),
    backoff: [Duration::from_millis(250); 3],
    steady: Duration::from_secs(5),
};

/// What the scripted source does next; the last step goes on for ever.
#[derive(Debug, Clone, Copy)]
enum Step {
    Frame,
    Silence,
    Lost,
    Panic,
    End,
    Refused,
    Hopeless,
}

struct Scripted {
    steps: std::vec::IntoIter<Step>,
    now: Step,
    still: bool,
}

impl VideoSource for Scripted {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        self.now = self.steps.next().unwrap_or(self.now);
        match self.now {
            Step::Frame => {
                std::thread::sleep(MS(1));
                Ok(Some(frame()))
            }
            Step::Panic => panic!("scripted"),
            Step::Silence | Step::End => {
                std::thread::sleep(timeout);
                Ok(None)
            }
            _ => Err(SourceError::Lost {
                what: "camera".to_owned(),
            }),
        }
    }

    fn describe(&self) -> String {
        "16x16".to_owned()
    }

    fn finished(&self) -> bool {
        matches!(self.now, Step::End)
    }

    fn may_be_still(&self) -> bool {
        self.still
    }
}

fn frame() -> VideoFrame {
    VideoFrame {
        pts: MediaTime::ZERO,
        source: SourceId(1),
        seq: 0,
        resolution: Resolution::new(16, 16),
        data: FrameData::Bgra(Plane {
            data: Bytes::from_static(&[0; 1024]),
            stride: 64,
        }),
        color: ColorSpec::default(),
    }
}

fn context() -> SourceContext {
    SourceContext {
        id: SourceId(7),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::HD,
        taps: bounded(1).0,
    }
}

fn listener() -> (SourceListener, Receiver<String>) {
    let (tx, rx) = bounded(64);
    let listener = Arc::new(move |event| {
        let text = match event {
            SourceEvent::Up { description } => format!("up {description}"),
            SourceEvent::Down { error, retrying } => {
                let what = match error {
                    SourceError::Stalled { .. } => "stalled",
                    SourceError::Lost { .. } => "lost",
                    SourceError::NotFound { .. } => "not found",
                    SourceError::Failed { .. } => "failed",
                    _ => "other",
                };
                format!("down {what} {retrying}")
            }
            SourceEvent::Trouble(text) => format!("trouble {text}"),
            SourceEvent::Ended => "ended".to_owned(),
        };
        tx.send(text).unwrap();
    });
    (listener, rx)
}

/// Each opening plays the next script, the last one again and again.
fn start(scripts: &[&[Step]], still: bool) -> (SourceHandle, Receiver<String>) {
    let scripts: Vec<Vec<Step>> = scripts.iter().map(|s| s.to_vec()).collect();
    let mut opened = 0;
    let (listener, events) = listener();
    let open = move |_: &SourceContext| -> Result<Box<dyn VideoSource>, SourceError> {
        let script = scripts[opened.min(scripts.len() - 1)].clone();
        opened += 1;
        let what = "camera".to_owned();
        match script[0] {
            Step::Refused => Err(SourceError::NotFound { what }),
            Step::Hopeless => Err(SourceError::Unsupported {
                what,
                reason: "it is a toaster".to_owned(),
            }),
            now => Ok(Box::new(Scripted {
                steps: script.into_iter(),
                now,
                still,
            })),
        }
    };
    let handle = SourceHandle::video_with("camera".to_owned(), context(), listener, QUICK, open);
    (handle, events)
}

fn next(events: &Receiver<String>) -> String {
    events
        .recv_timeout(Duration::from_secs(10))
        .unwrap_or_else(|_| "nothing for 10 s".to_owned())
}

fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "did not come about within 10 s");
        std::thread::yield_now();
    }
}

/// The slot holds the picture that stands in for a lost source: the source's own are BGRA.
fn stands_in(handle: &SourceHandle) -> bool {
    let shown = handle.slot().latest();
    shown.is_some_and(|frame| matches!(frame.data, FrameData::Nv12 { .. }))
}

fn stop(handle: &SourceHandle) {
    handle.request_stop();
    let asked = Instant::now();
    assert!(handle.join_until(asked + Duration::from_secs(10)));
    assert!(handle.join_until(asked), "joining again is no failure");
}

#[test]
fn frames_reach_the_slot_and_are_counted() {
    let (handle, events) = start(&[&[Step::Frame]], false);
    assert_eq!(next(&events), "up 16x16");
    wait_for(|| handle.stats().captured >= 5);
    let stats = handle.stats();
    assert!(stats.up && stats.replaced >= 3 && stats.reopened == 0);
    assert_eq!(stats.resolution, Some(Resolution::new(16, 16)));
    assert_eq!(stats.description, "16x16");
    assert!(handle.slot().latest().is_some());
    stop(&handle);
    assert!(!handle.stats().up);
    assert!(events.is_empty(), "a stop that was asked for is no event");
}

#[test]
fn a_lost_source_keeps_its_last_frame_for_a_while_and_comes_back() {
    let scripts: [&[Step]; 3] = [&[Step::Frame, Step::Lost], &[Step::Refused], &[Step::Frame]];
    let (handle, events) = start(&scripts, false);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(next(&events), "down lost true");
    // the backoff is longer than the hold
    assert!(!stands_in(&handle), "held at first");
    wait_for(|| stands_in(&handle));
    let captured = handle.stats().captured;
    // that it is not found while it is away is no news
    assert_eq!(next(&events), "up 16x16");
    wait_for(|| handle.stats().captured > captured);
    assert!(!stands_in(&handle));
    assert_eq!(handle.stats().reopened, 2);
    stop(&handle);
}

#[test]
fn a_source_that_never_came_is_shown_as_missing_at_the_shows_size() {
    let (handle, events) = start(&[&[Step::Refused]], false);
    assert_eq!(next(&events), "down not found true");
    wait_for(|| stands_in(&handle));
    let shown = handle.slot().latest().unwrap().resolution;
    assert_eq!((shown, handle.stats().captured), (Resolution::HD, 0));
    stop(&handle);
}

#[test]
fn settings_reach_the_running_source_and_the_next_opening() {
    struct Adjustable(Vec<String>);
    impl VideoSource for Adjustable {
        fn next(&mut self, _: Duration) -> Result<Option<VideoFrame>, SourceError> {
            std::thread::sleep(MS(1));
            Ok(Some(frame()))
        }
        fn describe(&self) -> String {
            "16x16".to_owned()
        }
        fn controls(&self) -> Vec<Control> {
            let control = |name: &String| Control {
                key: name.clone(),
                name: name.clone(),
                kind: ControlKind::Switch,
                value: 1,
                default: 0,
                inactive: false,
            };
            self.0.iter().map(control).collect()
        }
        fn adjust(&mut self, spec: &SourceSpec) {
            self.0.push(spec.name());
        }
    }
    let (listener, events) = listener();
    let open = |_: &SourceContext| -> Result<Box<dyn VideoSource>, SourceError> {
        Ok(Box::new(Adjustable(Vec::new())))
    };
    let handle = SourceHandle::video_with("camera".to_owned(), context(), listener, QUICK, open);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(handle.stats().controls, []);
    handle.adjust(SourceSpec::Test {});
    wait_for(|| !handle.stats().controls.is_empty());
    assert_eq!(handle.stats().controls[0].key, "test pattern");
    stop(&handle);
}

#[test]
fn the_same_failure_is_told_once() {
    let scripts: [&[Step]; 4] = [
        &[Step::Refused],
        &[Step::Refused],
        &[Step::Refused],
        &[Step::Frame],
    ];
    let (handle, events) = start(&scripts, false);
    assert_eq!(next(&events), "down not found true");
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(handle.stats().reopened, 3);
    stop(&handle);
}

#[test]
fn silence_is_rebuilt_unless_it_is_normal() {
    let scripts: [&[Step]; 2] = [&[Step::Frame, Step::Silence], &[Step::Frame]];
    let (handle, events) = start(&scripts, false);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(next(&events), "down stalled true");
    assert_eq!(next(&events), "up 16x16");
    stop(&handle);

    let (handle, events) = start(&scripts, true);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(events.recv_timeout(QUICK.stall * 3).ok(), None);
    assert!(handle.stats().up && handle.slot().latest().is_some());
    stop(&handle);
}

#[test]
fn a_panic_is_caught_and_forgiven_once() {
    let (handle, events) = start(&[&[Step::Frame, Step::Panic]], false);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(next(&events), "down failed true");
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(next(&events), "down failed false");
    assert!(handle.join_until(Instant::now() + Duration::from_secs(10)));
    assert!(stands_in(&handle), "nothing stays of a source that is gone");
}

#[test]
fn hopeless_errors_end_it_and_a_finished_source_is_no_failure() {
    let (handle, events) = start(&[&[Step::Hopeless]], false);
    assert_eq!(next(&events), "down other false");
    assert!(handle.join_until(Instant::now() + Duration::from_secs(10)));

    let (handle, events) = start(&[&[Step::Frame, Step::End]], false);
    assert_eq!(next(&events), "up 16x16");
    assert_eq!(next(&events), "ended");
    assert!(handle.join_until(Instant::now() + Duration::from_secs(10)));
    assert!(!handle.stats().up && handle.slot().latest().is_none());
}

#[test]
fn a_stop_does_not_wait_for_a_backoff() {
    let (listener, events) = listener();
    let open = |_: &SourceContext| -> Result<Box<dyn VideoSource>, SourceError> {
        Err(SourceError::Busy {
            what: "camera".to_owned(),
        })
    };
    let timing = Timing {
        backoff: [Duration::from_secs(3600); 3],
        ..QUICK
    };
    let handle = SourceHandle::video_with("camera".to_owned(), context(), listener, timing, open);
    assert_eq!(next(&events), "down other true");
    assert!(!handle.join_until(Instant::now()), "it is waiting");
    stop(&handle);
}

struct Microphone {
    good: u32,
    /// With fewer good checks left than this it is another one.
    default: u32,
}

impl AudioSource for Microphone {
    fn check(&mut self) -> Result<(), SourceError> {
        self.good = self.good.checked_sub(1).ok_or(SourceError::Lost {
            what: "microphone".to_owned(),
        })?;
        Ok(())
    }

    fn describe(&self) -> String {
        let another = self.good < self.default && self.default > 1;
        if another {
            "another".to_owned()
        } else {
            "48000 Hz, 2 channels".to_owned()
        }
    }
}

#[test]
fn sound_sources_are_watched_and_reopened() {
    let (listener, events) = listener();
    let mut opened = 0;
    let open = move |_: &SourceContext| -> Result<Box<dyn AudioSource>, SourceError> {
        opened += 1;
        let good = if opened == 1 { 3 } else { u32::MAX };
        Ok(Box::new(Microphone { good, default: 1 }))
    };
    let handle = SourceHandle::audio_with("mic".to_owned(), context(), listener, QUICK, open);
    assert_eq!(next(&events), "up 48000 Hz, 2 channels");
    assert_eq!(next(&events), "down lost true");
    assert_eq!(next(&events), "up 48000 Hz, 2 channels");
    let stats = handle.stats();
    assert!(stats.up && stats.reopened == 1 && stats.resolution.is_none());
    stop(&handle);
}

#[test]
fn a_default_that_changes_is_news_and_no_loss() {
    let (listener, events) = listener();
    let open = move |_: &SourceContext| -> Result<Box<dyn AudioSource>, SourceError> {
        Ok(Box::new(Microphone {
            good: u32::MAX,
            default: u32::MAX - 2,
        }))
    };
    let handle = SourceHandle::audio_with("mic".to_owned(), context(), listener, QUICK, open);
    assert_eq!(next(&events), "up 48000 Hz, 2 channels");
    assert_eq!(next(&events), "up another");
    assert_eq!(handle.stats().reopened, 0);
    stop(&handle);
}

#[test]
fn the_test_pattern_runs_supervised_and_stops_in_time() {
    let (listener, events) = listener();
    let handle = SourceHandle::start_video(SourceSpec::Test {}, context(), listener);
    assert_eq!(next(&events), "up 1280x720, 30 fps, NV12, silent");
    wait_for(|| handle.slot().latest().is_some());
    handle.request_stop();
    let asked = Instant::now();
    assert!(handle.join_until(asked + MS(300)), "within 300 ms");
}
