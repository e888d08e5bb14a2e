//! The engine through its handle: live on the built-in server, changes while recording, refusals, servers that hang.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kaibo::engine::command::Command;
use kaibo::engine::event::{Event, EventKind};
use kaibo::engine::status::{EngineState, Status};
use kaibo::engine::{Engine, EngineConfig, EngineError};
use kaibo::gpu::context::{AdapterChoice, GpuContext};
use kaibo::media::packet::Bitrate;
use kaibo::media::time::FrameRate;
use kaibo::media::video::Resolution;
use kaibo::output::OutputStats;
use kaibo::render::overlay::Watermark;
use kaibo::render::overlay::spec::{Anchor, Content, ImageSettings};
use kaibo::render::preview::{PreviewSink, PreviewTexture};
use kaibo::rtmp::url::StreamKey;
use kaibo::settings::{MoreEncode, Settings};
use support::fake_server::{FakeServer, Then, Until};
use support::{flv, have, probe, say, wait_for};

const SLOW: Duration = Duration::from_secs(20);

/// Small and slow, as software draws it; ports of its own.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.video.size = Resolution::new(320, 180);
    settings.video.fps = FrameRate::new(15, 1).unwrap();
    settings.audio.sounds.clear();
    settings.server.rtmp = ([127, 0, 0, 1], 0).into();
    settings.server.http = ([127, 0, 0, 1], 0).into();
    settings
}

struct Show {
    engine: Engine,
    events: Vec<Event>,
}

impl Show {
    /// `None`, with a reason printed, where there is no graphics driver and this is no CI.
    fn start(settings: Settings) -> Option<Self> {
        Self::with_preview(settings, PreviewSink::None)
    }

    fn with_preview(settings: Settings, preview: PreviewSink) -> Option<Self> {
        let gpu = match GpuContext::headless(AdapterChoice::Software) {
            Ok(gpu) => gpu,
            Err(e) => {
                assert!(std::env::var_os("CI").is_none(), "{e}");
                say(&format!("SKIPPED: {e}"));
                return None;
            }
        };
        let config = EngineConfig {
            gpu,
            settings,
            preview,
            waker: Arc::new(|| {}),
        };
        Some(Self {
            engine: Engine::start(config).unwrap(),
            events: Vec::new(),
        })
    }

    fn send(&self, command: Command) {
        self.engine.handle().send(command).unwrap();
    }

    fn wait_event(&mut self, what: &str, wanted: impl Fn(&EventKind) -> bool) -> Event {
        wait_for(what, SLOW, || {
            self.events.extend(self.engine.handle().drain_events());
            let found = self.events.iter().position(|e| wanted(&e.kind))?;
            Some(self.events.remove(found))
        })
    }

    fn wait_status(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
        wait_for(what, SLOW, || {
            Some(self.engine.handle().status()).filter(|s| wanted(s))
        })
    }

    fn end(self) {
        let asked = Instant::now();
        self.engine.shutdown().unwrap();
        assert!(
            asked.elapsed() < Duration::from_millis(3300),
            "shutdown took {:?}",
            asked.elapsed()
        );
    }
}

#[test]
fn live_on_the_built_in_server_twice_with_a_picture_saved() {
    let dir = tempfile::tempdir().unwrap();
    // a taken port is no reason to fail
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut with_taken_port = settings();
    with_taken_port.server.rtmp = taken.local_addr().unwrap();
    let Some(mut show) = Show::start(with_taken_port) else {
        return;
    };
    for _ in 0..2 {
        show.send(Command::StartStream);
        show.wait_event("live", |e| *e == EventKind::OutputConnected);
        let live = show.wait_status("figures of the stream", |s| {
            matches!(s.engine, EngineState::Live { .. })
                && s.stream.as_ref().is_some_and(|o| o.sent_bytes > 20_000)
        });
        assert!(
            live.watch_url
                .as_ref()
                .is_some_and(|u| u.starts_with("http://127.0.0.1:")),
            "{:?}",
            live.watch_url
        );
        assert_eq!(
            live.render.passes, 0,
            "the test pattern's own pixels are passed on"
        );
        show.send(Command::StopStream);
        show.wait_event("the end", |e| *e == EventKind::StreamStopped);
        show.wait_status("the end", |s| {
            s.engine == EngineState::Previewing && s.encoder.is_none()
        });
    }
    let picture = dir.path().join("picture.png");
    show.send(Command::Screenshot(picture.clone()));
    show.wait_event("the picture", |e| *e == EventKind::ScreenshotSaved);
    let picture = image::open(&picture).unwrap().to_luma8();
    assert_eq!(picture.dimensions(), (320, 180));
    let (least, most) = picture
        .iter()
        .fold((255, 0), |(a, b), p| (a.min(*p), b.max(*p)));
    assert!(most - least > 150, "a flat picture");
    show.end();
}

#[test]
fn a_recording_goes_on_through_changes_of_bitrate_and_size() {
    if !have(&["ffprobe", "ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("show.flv");
    let Some(mut show) = Show::start(settings()) else {
        return;
    };
    let frames = |n: u64| move |s: &Status| s.encoder.as_ref().is_some_and(|e| e.frames >= n);
    show.send(Command::StartRecording(Some(file.clone())));
    show.wait_status("a second of pictures", frames(15));
    show.send(Command::SetVideoBitrate(Bitrate::from_kbps(800)));
    show.wait_status("the bitrate", |s| {
        s.encoder.as_ref().is_some_and(|e| e.target_kbps == 800)
    });
    let mut smaller = settings();
    smaller.encoder.bitrate_kbps = 800;
    smaller.video.size = Resolution::new(256, 144);
    show.send(Command::ApplySettings(Box::new(smaller.clone())));
    show.wait_status("the smaller source", |s| {
        s.sources[0].stats.resolution == Some(Resolution::new(256, 144)) && frames(15)(s)
    });
    // a value out of range is refused by name and changes nothing
    smaller.encoder.bitrate_kbps = 1;
    show.send(Command::ApplySettings(Box::new(smaller)));
    let refusal = show.wait_event("the refusal", |e| *e == EventKind::Settings);
    assert!(
        refusal.message.contains("encoder.bitrate_kbps"),
        "{}",
        refusal.message
    );
    assert_eq!(
        show.wait_status("figures", |s| s.encoder.is_some())
            .encoder
            .as_ref()
            .unwrap()
            .target_kbps,
        800
    );
    show.send(Command::StopRecording);
    show.wait_event("the end of the recording", |e| {
        *e == EventKind::RecordingStopped
    });
    let recorded = flv::read(&file).unwrap();
    assert_eq!(
        recorded.order.matches('V').count(),
        2,
        "one sequence header for each size: {}",
        recorded.order
    );
    let times: Vec<_> = recorded.media.iter().map(|m| m.dts_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    probe::decode(file.to_str().unwrap());
    show.end();
}

/// The middle pixel of each picture of a recording of 320x180, as ffmpeg decodes it.
fn middles(file: &std::path::Path) -> Vec<[u8; 3]> {
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(file)
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap();
    let middle = (90 * 320 + 160) * 3;
    let pixel = |picture: &[u8]| [picture[middle], picture[middle + 1], picture[middle + 2]];
    decoded
        .stdout
        .chunks_exact(320 * 180 * 3)
        .map(pixel)
        .collect()
}

#[test]
fn watermarks_come_and_go_on_the_stream_and_a_bad_one_ends_nothing() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (file, logo) = (dir.path().join("show.flv"), dir.path().join("logo.png"));
    let magenta = image::Rgba([255, 0, 255, 255]);
    image::RgbaImage::from_pixel(60, 60, magenta)
        .save(&logo)
        .unwrap();
    let Some(mut show) = Show::start(settings()) else {
        return;
    };
    let frames = |show: &Show, more: u64| {
        let encoded = |s: &Status| s.encoder.as_ref().map_or(0, |e| e.frames);
        let goal = encoded(&show.engine.handle().status()) + more;
        show.wait_status("pictures", |s| encoded(s) >= goal);
    };
    let with = |path: &std::path::Path| {
        let mut settings = settings();
        settings.scene.watermarks = vec![Watermark {
            anchor: Anchor::Center,
            content: Content::Image(ImageSettings {
                path: path.to_owned(),
                size: 40.0,
            }),
            ..Watermark::default()
        }];
        Command::ApplySettings(Box::new(settings))
    };
    show.send(Command::StartRecording(Some(file.clone())));
    frames(&show, 10);
    show.send(with(&logo));
    frames(&show, 30);
    show.send(with(&dir.path().join("gone.png")));
    let problem = show.wait_event("the notice", |e| {
        *e == EventKind::WatermarkProblem { index: 0 }
    });
    assert!(problem.message.contains("gone.png"), "{}", problem.message);
    frames(&show, 10);
    show.send(Command::ApplySettings(Box::new(settings())));
    frames(&show, 20);
    show.send(Command::StopRecording);
    show.wait_event("the end of the recording", |e| {
        *e == EventKind::RecordingStopped
    });
    show.end();
    let middles = middles(&file);
    let marked = |[r, g, b]: [u8; 3]| r > 200 && g < 60 && b > 200;
    let count = middles.iter().filter(|m| marked(**m)).count();
    assert!(!marked(middles[0]) && !marked(*middles.last().unwrap()));
    assert!(
        count >= 10,
        "{count} of {} pictures are marked",
        middles.len()
    );
    let headers = flv::read(&file).unwrap().order.matches('V').count();
    assert_eq!(headers, 1, "nothing was opened again");
}

#[test]
fn a_server_that_hangs_holds_up_neither_stop_nor_shutdown() {
    for until in [Until::Accept, Until::Live] {
        let server = FakeServer::start(until, Then::Deaf);
        let address = server.address("k");
        let mut stuck = settings();
        stuck.stream.url = address.trim_end_matches("/k").to_owned();
        let Some(mut show) = Show::start(stuck) else {
            return;
        };
        show.send(Command::SetKey(StreamKey::new("k")));
        show.send(Command::StartStream);
        if until == Until::Live {
            show.wait_event("live", |e| *e == EventKind::OutputConnected);
        } else {
            show.wait_status("connecting", |s| s.engine == EngineState::Connecting);
        }
        let asked = Instant::now();
        show.send(Command::StopStream);
        show.wait_event("the end", |e| *e == EventKind::StreamStopped);
        assert!(
            asked.elapsed() < Duration::from_secs(4),
            "stop took {:?}",
            asked.elapsed()
        );
        show.send(Command::StartStream);
        show.wait_status("on again", |s| s.engine.is_on());
        show.end();
    }
}

#[test]
fn what_cannot_be_streamed_is_said_and_the_preview_goes_on() {
    let mut wrong = settings();
    wrong.stream.url = "rtmp://127.0.0.1/live".to_owned(); // no key
    let Some(mut show) = Show::start(wrong) else {
        return;
    };
    show.send(Command::StartStream);
    let event = show.wait_event("the refusal", |e| {
        matches!(e, EventKind::OutputFailed { .. })
    });
    assert!(event.message.contains("key"), "{}", event.message);
    let failed = show.wait_status("failed", |s| matches!(s.engine, EngineState::Failed { .. }));
    assert!(failed.encoder.is_none() && failed.stream.is_none());
    show.end();

    let mut odd = settings();
    odd.video.size = Resolution::new(321, 180);
    let gpu = GpuContext::headless(AdapterChoice::Software).unwrap();
    let config = EngineConfig {
        gpu,
        settings: odd,
        preview: PreviewSink::None,
        waker: Arc::new(|| {}),
    };
    assert!(
        matches!(Engine::start(config), Err(EngineError::Settings(p)) if p.field == "video.size")
    );
}

#[test]
fn a_render_stage_that_fails_is_started_anew_once_while_the_stream_goes_on() {
    let fault = Arc::new(AtomicBool::new(false));
    let due = Arc::clone(&fault);
    let preview = Arc::new(PreviewTexture::new(move || {
        assert!(!due.swap(false, Ordering::Relaxed), "made to fail");
    }));
    preview.visible.store(true, Ordering::Relaxed);
    let Some(mut show) = Show::with_preview(settings(), PreviewSink::Texture(preview)) else {
        return;
    };
    show.send(Command::StartStream);
    show.wait_event("live", |e| *e == EventKind::OutputConnected);
    fault.store(true, Ordering::Relaxed);
    let restarted = show.wait_event(
        "a restart",
        |e| matches!(e, EventKind::StageRestarted { stage } if stage == "render"),
    );
    assert!(restarted.message.contains("made to fail"), "{restarted:?}");
    let before = show.engine.handle().status();
    let pictures = |s: &Status| s.encoder.as_ref().map_or(0, |e| e.frames);
    let after = show.wait_status("more pictures", |s| pictures(s) > pictures(&before) + 5);
    assert!(
        matches!(after.engine, EngineState::Live { .. }),
        "{:?}",
        after.engine
    );
    let stream = after.stream.as_ref().unwrap();
    assert_eq!(stream.reconnects, 0, "the same connection");

    fault.store(true, Ordering::Relaxed);
    let lost = show.wait_event(
        "the end",
        |e| matches!(e, EventKind::StageFailed { stage } if stage == "render"),
    );
    assert!(lost.message.contains("start it again"), "{lost:?}");
    show.wait_status("failed", |s| matches!(s.engine, EngineState::Failed { .. }));
    show.end();
}

#[test]
fn a_destination_that_hangs_or_refuses_costs_the_others_nothing() {
    let good = [(); 2].map(|()| FakeServer::start(Until::Forever, Then::Silence));
    let deaf = FakeServer::start(Until::Live, Then::Deaf);
    let closing = FakeServer::start(Until::Publish, Then::Close);
    let mut first = settings();
    let (address, _) = good[0]
        .address("x")
        .rsplit_once('/')
        .map(|(a, k)| (a.to_owned(), k.to_owned()))
        .unwrap();
    first.stream.url = address;
    let Some(mut show) = Show::start(first) else {
        return;
    };
    let more = [
        good[1].address("s3cr3t"),
        deaf.address("s3cr3t"),
        closing.address("s3cr3t"),
    ];
    let more = more.map(|a| kaibo::rtmp::url::RtmpUrl::parse(&a, None).unwrap());
    show.send(Command::SetKey(StreamKey::new("x")));
    show.send(Command::SetMore(more.into()));
    show.send(Command::StartStream);
    show.wait_event("live", |e| *e == EventKind::OutputConnected);
    let given_up = show.wait_event("refusal", |e| matches!(e, EventKind::MoreChanged { .. }));
    // more pictures than the deaf one and the system on the way to it would hold back from the others
    let pictures = |s: &FakeServer| s.heard().iter().filter(|h| h.video).count();
    let status = show.wait_status("pictures at both", |s| {
        pictures(&good[0]) > 60 && pictures(&good[1]) > 60 && s.more.len() == 2
    });
    let stream = status.stream.as_ref().unwrap();
    assert_eq!((stream.dropped, stream.reconnects), (0, 0));
    for server in &good {
        let stamps: Vec<_> = server
            .heard()
            .iter()
            .filter(|h| h.video)
            .map(|h| h.ms)
            .collect();
        let gap = stamps.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        // 67 ms apart; the machine of a test may be slow, a wait for the deaf one would be seconds
        assert!(gap < 1000, "{gap} ms");
    }
    assert!(
        matches!(status.engine, EngineState::Live { .. }),
        "{:?} {given_up:?}",
        status.engine
    );
    let shown = format!("{status:?} {:?}", show.events);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    show.end();
}

#[test]
fn further_destinations_can_have_encoders_of_their_own() {
    let servers = [(); 2].map(|()| FakeServer::start(Until::Forever, Then::Silence));
    let mut own = settings();
    let address = servers[0].address("x");
    own.stream.url = address.rsplit_once('/').unwrap().0.to_owned();
    own.stream.more = MoreEncode::Own;
    let Some(mut show) = Show::start(own.clone()) else {
        return;
    };
    let more = kaibo::rtmp::url::RtmpUrl::parse(&servers[1].address("y"), None).unwrap();
    show.send(Command::SetKey(StreamKey::new("x")));
    show.send(Command::SetMore(vec![more]));
    show.send(Command::StartStream);
    show.wait_event("live", |e| *e == EventKind::OutputConnected);
    let pictures = |s: &FakeServer| s.heard().iter().filter(|h| h.video).count();
    let both = |show: &Show, wanted: usize| {
        show.wait_status("pictures at both", |_| {
            servers.iter().all(|s| pictures(s) > wanted)
        })
    };
    let status = both(&show, 20);
    let target = status.more[0].adapt.unwrap().bitrate;
    assert!(target.kbps() > 0, "it follows its own link");
    // a new size closes both encoders, and opens both
    own.video.size = Resolution::new(256, 144);
    own.stream.adapt.floor_kbps = 1500;
    show.send(Command::ApplySettings(Box::new(own.clone())));
    let seen = servers.iter().map(pictures).max().unwrap();
    both(&show, seen + 20);
    show.wait_status("the new floor at both", |s| {
        let kbps = |o: &OutputStats| o.adapt.map(|a| a.bitrate.kbps());
        s.stream
            .iter()
            .chain(&s.more)
            .all(|o| kbps(o) >= Some(1500))
    });
    // without a say of its own it is quiet about a bitrate
    show.send(Command::StopStream);
    show.wait_status("the end", |s| s.engine == EngineState::Previewing);
    own.stream.more = MoreEncode::First;
    show.send(Command::ApplySettings(Box::new(own.clone())));
    let again = servers.iter().map(pictures).max().unwrap();
    show.send(Command::StartStream);
    let status = both(&show, again + 20);
    assert!(status.stream.as_ref().unwrap().adapt.is_some());
    assert!(status.more[0].adapt.is_none());
    // ... until it is asked
    own.stream.more = MoreEncode::Slowest;
    show.send(Command::ApplySettings(Box::new(own)));
    show.wait_status("a say for both", |s| {
        s.more.iter().all(|o| o.adapt.is_some())
    });
    show.end();
}
