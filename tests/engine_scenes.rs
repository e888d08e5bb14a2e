//! Scenes through the engine's handle: switched with a cut and a fade, their sources opened once and closed when no scene
//! on air uses them.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use kaibo::capture::SourceSpec;
use kaibo::capture::still::ColorSettings;
use kaibo::engine::command::Command;
use kaibo::engine::event::EventKind;
use kaibo::engine::status::Status;
use kaibo::engine::{Engine, EngineConfig};
use kaibo::gpu::context::{AdapterChoice, GpuContext};
use kaibo::media::time::FrameRate;
use kaibo::media::video::Resolution;
use kaibo::render::preview::PreviewSink;
use kaibo::render::scene::{Layer, Scene};
use kaibo::settings::Settings;
use kaibo::settings::scenes::TransitionSettings;
use support::{have, say, wait_for};

const SLOW: Duration = Duration::from_secs(20);

fn color(color: &str) -> Layer {
    let color = color.parse().unwrap();
    Layer::new(SourceSpec::Color(ColorSettings { color }))
}

/// "Red" is on air, "Blue" beside it; below the colour both have the test pattern.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.video.size = Resolution::new(320, 180);
    settings.video.fps = FrameRate::new(15, 1).unwrap();
    settings.audio.sounds.clear();
    settings.server.rtmp = ([127, 0, 0, 1], 0).into();
    settings.server.http = ([127, 0, 0, 1], 0).into();
    let scene = |top: &str| Scene {
        layers: vec![Layer::new(SourceSpec::Test {}), color(top)],
        ..Scene::default()
    };
    settings.scenes.name = "Red".to_owned();
    settings.scene = scene("#dc141e");
    settings.add_scene("Blue", scene("#141edc"));
    settings.scenes.transition = TransitionSettings::fade(600);
    settings
}

fn start(settings: Settings) -> Option<Engine> {
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
        preview: PreviewSink::None,
        waker: Arc::new(|| {}),
    };
    Some(Engine::start(config).unwrap())
}

fn status(engine: &Engine, what: &str, wanted: impl Fn(&Status) -> bool) -> Arc<Status> {
    wait_for(what, SLOW, || {
        Some(engine.handle().status()).filter(|s| wanted(s))
    })
}

fn names(status: &Status) -> Vec<&str> {
    status.sources.iter().map(|s| s.name.as_str()).collect()
}

fn captured(status: &Status) -> u64 {
    let pattern = status.sources.iter().find(|s| s.name == "test pattern");
    pattern.unwrap().stats.captured
}

fn encoded(status: &Status) -> u64 {
    status.encoder.as_ref().map_or(0, |e| e.frames)
}

fn more_pictures(engine: &Engine, more: u64) {
    let goal = encoded(&engine.handle().status()) + more;
    status(engine, "pictures", |s| encoded(s) >= goal);
}

const RED: [&str; 2] = ["test pattern", "colour #dc141e"];
const BLUE: [&str; 2] = ["test pattern", "colour #141edc"];

#[test]
fn scenes_are_switched_live_and_only_what_is_on_air_is_open() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("show.flv");
    let Some(engine) = start(settings()) else {
        return;
    };
    let send = |command| engine.handle().send(command).unwrap();
    let to = |name: &str, transition| Command::SwitchScene {
        name: name.to_owned(),
        transition,
    };
    send(Command::StartRecording(Some(file.clone())));
    let first = status(&engine, "pictures", |s| encoded(s) >= 15);
    assert_eq!(names(&first), RED, "the other scene's colour is not open");
    let before = captured(&first);
    send(to("Blue", None));
    let both = status(&engine, "the fade", |s| s.sources.len() == 3);
    assert_eq!(
        names(&both),
        ["test pattern", "colour #dc141e", "colour #141edc"]
    );
    let after = status(&engine, "the end of the fade", |s| s.sources.len() == 2);
    assert_eq!(names(&after), BLUE);
    assert!(captured(&both) >= before && captured(&after) > before);
    assert_eq!(after.sources[0].stats.reopened, 0);
    more_pictures(&engine, 10);
    let before = captured(&engine.handle().status());
    send(to("Red", Some(TransitionSettings::CUT)));
    let back = status(&engine, "the cut", |s| names(s) == RED);
    assert!(captured(&back) >= before, "it was never closed");
    more_pictures(&engine, 10);
    // what is not there is said, and changes nothing
    send(to("Green", None));
    let refused = wait_for("the refusal", SLOW, || {
        let events = engine.handle().drain_events();
        events.into_iter().find(|e| e.kind == EventKind::Settings)
    });
    assert!(refused.message.contains("Red, Blue"), "{}", refused.message);
    send(Command::StopRecording);
    status(&engine, "the end of the recording", |s| {
        s.recording.is_none()
    });
    engine.shutdown().unwrap();

    let middles = middles(&file);
    let share = |[r, _, b]: [u8; 3]| (f64::from(b) - f64::from(r) + 200.0) / 400.0;
    let shares: Vec<f64> = middles.into_iter().map(share).collect();
    let blue = shares.iter().position(|s| *s > 0.92).unwrap();
    let between = |part: &[f64]| part.iter().filter(|s| (0.08..0.92).contains(*s)).count();
    assert!(between(&shares[..blue]) >= 2, "a fade: {shares:?}");
    assert_eq!(between(&shares[blue..]), 0, "a cut: {shares:?}");
    assert!(shares.first().is_some_and(|s| *s < 0.08) && shares.last().is_some_and(|s| *s < 0.08));
}

#[test]
fn settings_as_a_whole_switch_too_and_the_last_of_quick_switches_counts() {
    let mut wanted = settings();
    wanted.add_scene(
        "Grey",
        Scene {
            layers: vec![color("#808080")],
            ..Scene::default()
        },
    );
    let Some(engine) = start(wanted.clone()) else {
        return;
    };
    status(&engine, "the first scene", |s| names(s) == RED);
    // nobody looks at the picture: it ends all the same
    for scene in [1, 0, 2, 1, 2] {
        wanted.switch_scene(scene);
        let command = Command::ApplySettings(Box::new(wanted.clone()));
        engine.handle().send(command).unwrap();
    }
    status(&engine, "the last scene alone", |s| {
        names(s) == ["colour #808080"]
    });
    engine.shutdown().unwrap();
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
