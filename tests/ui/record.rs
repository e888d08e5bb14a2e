//! Recordings: the section, what runs, replay, pictures, plain MP4s.

use std::path::PathBuf;

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use kaibo::container::Format;
use kaibo::engine::command::Command;
use kaibo::engine::status::{Mp4Progress, Status};
use kaibo::output::record::replay::ReplayStats;
use kaibo::output::record::{Order, RecordStats};
use kaibo::settings::Settings;
use kaibo::ui::text::Language;

use crate::world::{draft, idle, live, output, window};
use crate::{click, field, taken};

/// High enough that nothing has to be scrolled to.
const TALL: [f32; 2] = [1200.0, 3000.0];

/// Three minutes into the second file of a recording.
pub(crate) fn recording() -> Status {
    Status {
        recording: Some(output(
            "/videos/Kaibo 2026-11-22 20-15-00 (2).mkv",
            2500,
            0,
            0,
        )),
        record: Some(RecordStats {
            file: PathBuf::from("/videos/Kaibo 2026-11-22 20-15-00 (2).mkv"),
            format: Format::Mkv,
            recorded_ms: 192_000,
            bytes: 61_000_000,
            parts: 2,
            paused: false,
            marks: 3,
            free_bytes: Some(37_000_000_000),
            left_out: 0,
            left_s: Some(7 * 3600),
        }),
        replay: Some(ReplayStats {
            held_ms: 21_000,
            most_ms: 30_000,
            bytes: 8_000_000,
            saving: false,
            short: 0,
        }),
        ..live()
    }
}

/// Off air, with an interrupted recording and an MP4 in the making.
pub(crate) fn interrupted() -> Status {
    Status {
        unfinished: vec![PathBuf::from("/videos/Kaibo 2026-11-21 19-00-00.mp4")],
        mp4: Some(Mp4Progress {
            from: PathBuf::from("/videos/Kaibo 2026-11-20 21-00-00.mkv"),
            done: 0.42,
            waiting: 0,
        }),
        record_folder: PathBuf::from("/videos"),
        record_free: Some(700_000_000),
        ..idle()
    }
}

fn settings(commands: &[Command]) -> &Settings {
    match commands {
        [Command::ApplySettings(settings), ..] => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_runs_is_told_paused_cut_and_marked() {
    for (language, pause, cut, mark) in [
        (
            Language::English,
            "Pause recording",
            "New file now",
            "Set mark",
        ),
        (Language::Chinese, "暂停录制", "立即分段", "打标记"),
    ] {
        let mut harness = window(recording(), draft(language), TALL);
        harness.get_by_label_contains("0:03:12 · 61 MB");
        harness.get_by_label_contains("37 GB");
        let order = |commands: &[Command]| match commands {
            [Command::Record(order)] => order.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(order(&click(&mut harness, pause)), Order::Pause);
        assert_eq!(order(&click(&mut harness, cut)), Order::Split);
        let marked = order(&click(&mut harness, mark));
        assert_eq!(marked, Order::Mark(String::new()));
    }
    let mut paused = recording();
    paused.record.as_mut().unwrap().paused = true;
    let mut harness = window(paused, draft(Language::English), TALL);
    harness.get_by_label("Paused");
    assert!(matches!(
        click(&mut harness, "Resume recording")[..],
        [Command::Record(Order::Resume)]
    ));
    assert!(
        click(&mut harness, "Set mark").is_empty(),
        "nothing to mark"
    );
}

#[test]
fn format_split_and_folder_are_chosen() {
    let mut harness = window(interrupted(), draft(Language::English), TALL);
    click(&mut harness, "File format");
    let chosen = click(&mut harness, "Matroska (MKV)");
    assert_eq!(settings(&chosen).recording.format, Format::Mkv);
    click(&mut harness, "New file");
    let chosen = click(&mut harness, "Every 30 minutes");
    assert_eq!(settings(&chosen).recording.split_minutes, 30);
    let chosen = click(&mut harness, "Make a plain MP4 afterwards");
    assert!(settings(&chosen).recording.make_mp4);

    harness.get_by_label("700 MB free");
    field(&harness, "Folder").focus();
    harness.run();
    harness.event(eframe::egui::Event::Text("/mnt/big".to_owned()));
    harness.run();
    // the folder counts although the field was not left
    let commands = click(&mut harness, "Record");
    assert_eq!(
        settings(&commands).recording.folder,
        PathBuf::from("/mnt/big")
    );
    assert!(
        commands
            .iter()
            .any(|c| matches!(c, Command::StartRecording(None))),
        "{commands:?}"
    );
}

#[test]
fn replay_and_picture_are_one_press_each() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    assert!(harness.query_by_label("Save replay").is_none());
    assert!(matches!(
        click(&mut harness, "Replay buffer")[..],
        [Command::StartReplay]
    ));
    let mut harness = window(recording(), draft(Language::English), TALL);
    harness.get_by_label_contains("0:00:21 / 0:00:30");
    assert!(matches!(
        click(&mut harness, "Save replay")[..],
        [Command::SaveReplay(None)]
    ));
    assert!(matches!(
        click(&mut harness, "Replay buffer")[..],
        [Command::StopReplay]
    ));
    let picture = click(&mut harness, "Save picture");
    let [Command::Screenshot(path)] = &picture[..] else {
        panic!("{picture:?}");
    };
    assert!(path.extension().is_some_and(|e| e == "png") && !path.exists());
    // by keyboard
    harness.get_by_label("Save picture").focus();
    harness.run();
    harness.key_press(Key::Space);
    harness.run();
    assert!(matches!(taken(&mut harness)[..], [Command::Screenshot(_)]));
}

#[test]
fn an_interrupted_recording_is_offered_and_an_mp4_can_be_called_off() {
    let mut harness = window(interrupted(), draft(Language::English), TALL);
    harness.get_by_label_contains("Kaibo 2026-11-21 19-00-00.mp4 was interrupted");
    assert!(
        click(&mut harness, "Make an MP4 of it").is_empty(),
        "one after another"
    );
    assert!(matches!(
        click(&mut harness, "Call off the MP4")[..],
        [Command::CancelMp4]
    ));
    let mut free = interrupted();
    free.mp4 = None;
    let wanted = free.unfinished[0].clone();
    let mut harness = window(free, draft(Language::English), TALL);
    assert!(matches!(
        &click(&mut harness, "Make an MP4 of it")[..],
        [Command::MakeMp4(path)] if *path == wanted
    ));
    assert!(matches!(
        &click(&mut harness, "Leave it as it is")[..],
        [Command::SettleRecording(path)] if *path == wanted
    ));
}
