//! The panels, driven by a fake status through egui_kittest: each click yields the expected commands, in both
//! languages, in every state; and a few pictures of the whole window.

#![cfg(feature = "gui")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod camera;
mod chain;
mod encoder;
mod filters;
mod network;
mod pictures;
mod record;
mod record_quality;
mod scenes;
mod screen;
mod sound;
mod watermark;
mod watermark_more;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kaibo::capture::file_spec;
use kaibo::engine::command::Command;
use kaibo::engine::event::{EventKind, Severity};
use kaibo::engine::status::{EngineState, Status};
use kaibo::media::packet::Bitrate;
use kaibo::media::time::FrameRate;
use kaibo::media::video::Resolution;
use kaibo::output::adapt::{AdaptPreset, Decision, Reason};
use kaibo::rtmp::url::StreamKey;
use kaibo::settings::Settings;
use kaibo::ui::draft::Draft;
use kaibo::ui::text::Language;

use world::{
    REFUSED, SIZE, World, draft, event, failed, idle, live, output, reconnecting, seconds, window,
    with_a_past,
};

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody reads it here".to_owned())
    }
}

/// Drops a file onto the window.
fn drop_file(harness: &mut Harness<'_, World>, path: &str) {
    harness
        .input_mut()
        .dropped_files
        .push(Arc::new(Dropped(path.into())));
    harness.run();
}

/// The words of a language that tests look for.
struct Words {
    go_live: &'static str,
    stop: &'static str,
    address: &'static str,
    key: &'static str,
}

const WORDS: [(Language, Words); 2] = [
    (
        Language::English,
        Words {
            go_live: "Go live",
            stop: "Stop",
            address: "Address",
            key: "Stream key",
        },
    ),
    (
        Language::Chinese,
        Words {
            go_live: "开始直播",
            stop: "停止直播",
            address: "推流地址",
            key: "推流密钥",
        },
    ),
];

fn taken(harness: &mut Harness<'_, World>) -> Vec<Command> {
    std::mem::take(&mut harness.state_mut().commands)
}

/// Clicks the widget of this name and takes what it commands.
fn click(harness: &mut Harness<'_, World>, name: &str) -> Vec<Command> {
    harness.get_by_label(name).click();
    harness.run();
    taken(harness)
}

fn field<'h>(harness: &'h Harness<'_, World>, name: &'h str) -> egui_kittest::Node<'h> {
    harness.get_by(|node| {
        let is_field = matches!(
            node.role(),
            Role::TextInput | Role::MultilineTextInput | Role::PasswordInput
        );
        is_field && node.label().as_deref() == Some(name)
    })
}

#[test]
fn go_live_applies_the_settings_sets_the_key_and_starts() {
    for (language, words) in WORDS {
        let mut harness = window(idle(), draft(language), SIZE);
        let commands = click(&mut harness, words.go_live);
        let [
            Command::ApplySettings(settings),
            Command::SetKey(key),
            Command::StartStream,
        ] = &commands[..]
        else {
            panic!("{language:?}: {commands:?}");
        };
        assert_eq!(**settings, Settings::default());
        assert!(key.is_empty());
    }
}

#[test]
fn a_pasted_url_is_split_and_its_key_masked() {
    let url = "rtmp://live.example.com/app/live_42_s3cret?auth=1";
    for (language, words) in WORDS {
        let mut harness = window(idle(), draft(language), SIZE);
        field(&harness, words.address).focus();
        harness.run();
        harness.event(egui::Event::Paste(url.to_owned()));
        harness.run();
        assert_eq!(
            field(&harness, words.address).value().as_deref(),
            Some("rtmp://live.example.com/app")
        );
        let shown = field(&harness, words.key).value().unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_eq!(
            shown.chars().count(),
            "live_42_s3cret?auth=1".len(),
            "masked, not cut"
        );
        let commands = click(&mut harness, words.go_live);
        let [
            Command::ApplySettings(settings),
            Command::SetKey(key),
            Command::StartStream,
        ] = &commands[..]
        else {
            panic!("{language:?}: {commands:?}");
        };
        assert_eq!(settings.stream.url, "rtmp://live.example.com/app");
        assert_eq!(key, &StreamKey::new("live_42_s3cret?auth=1"));
        assert!(!format!("{:?}", harness.state().draft).contains("s3cret"));
    }
}

#[test]
fn a_typed_url_is_split_when_it_is_complete_and_not_before() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    field(&harness, "Address").focus();
    harness.run();
    for letter in "rtmp://h/app/key".chars() {
        field(&harness, "Address").type_text(&letter.to_string());
        harness.run();
    }
    assert_eq!(harness.state().draft.address, "rtmp://h/app/key");
    harness.key_press(egui::Key::Tab);
    harness.run();
    assert_eq!(harness.state().draft.address, "rtmp://h/app");
    assert_eq!(harness.state().draft.key, "key");
}

#[test]
fn a_wrong_address_is_told_and_starts_nothing() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    harness.state_mut().draft.address = "http://live.example.com/app/key".to_owned();
    let commands = click(&mut harness, "Go live");
    assert!(commands.is_empty(), "{commands:?}");
    assert!(
        harness
            .query_by_label_contains("must begin with rtmp://")
            .is_some()
    );
}

#[test]
fn the_key_shows_only_while_the_eye_is_held() {
    let key = StreamKey::new("live_s3cret");
    let mut harness = window(
        idle(),
        Draft::new(Settings::default(), Some(&key), Language::English),
        SIZE,
    );
    let value = |h: &Harness<'_, World>| field(h, "Stream key").value().unwrap();
    assert!(!value(&harness).contains("s3cret"));
    let eye = harness.get_by_label("Hold to show the key").rect().center();
    harness.hover_at(eye);
    harness.drag_at(eye);
    harness.run_ok();
    harness.run_ok();
    assert_eq!(value(&harness), "live_s3cret");
    harness.drop_at(eye);
    harness.run();
    harness.run();
    assert!(!value(&harness).contains("s3cret"));
}

#[test]
fn stop_stops_in_every_state_that_is_on() {
    for status in [live(), reconnecting()] {
        for (language, words) in WORDS {
            let mut harness = window(status.clone(), draft(language), SIZE);
            let commands = click(&mut harness, words.stop);
            assert!(
                matches!(commands[..], [Command::StopStream]),
                "{commands:?}"
            );
        }
    }
    let connecting = Status {
        engine: EngineState::Connecting,
        ..idle()
    };
    let mut harness = window(connecting, draft(Language::English), SIZE);
    assert!(matches!(
        click(&mut harness, "Cancel")[..],
        [Command::StopStream]
    ));
    let stopping = Status {
        engine: EngineState::Stopping,
        ..idle()
    };
    let mut harness = window(stopping, draft(Language::English), SIZE);
    let buttons = harness.get_all_by_label("Stopping…").count();
    assert_eq!(buttons, 2, "the state and the button");
    assert!(harness.query_by_label("Go live").is_none());
    assert!(taken(&mut harness).is_empty());
}

#[test]
fn sources_that_are_there_can_be_chosen() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let commands = click(&mut harness, "Screen :1 (2560x1440)");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(
        settings.scene.layers[0].source,
        idle().video_devices[2].spec
    );
    assert!(
        click(&mut harness, "Screen :1 (2560x1440)").is_empty(),
        "it is chosen already"
    );
    assert!(matches!(
        click(&mut harness, "Look again")[..],
        [Command::RescanDevices]
    ));
}

#[test]
fn a_media_file_is_opened_by_path_and_by_dropping_it() {
    let file = |commands: &[Command]| match commands {
        [Command::ApplySettings(settings)] => settings.scene.layers[0].source.clone(),
        other => panic!("{other:?}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let [song, other] = ["song.mp4", "other.mkv"].map(|name| {
        let path = folder.path().join(name);
        std::fs::write(&path, b"").unwrap();
        path
    });
    let mut harness = window(idle(), draft(Language::English), SIZE);
    field(&harness, "Media file").focus();
    harness.run();
    field(&harness, "Media file").type_text(song.to_str().unwrap());
    harness.run();
    assert_eq!(file(&click(&mut harness, "Open")), file_spec(song));
    assert!(
        harness.query_by_label("song.mp4").is_some(),
        "shown as chosen"
    );

    harness.state_mut().draft.file_path.clear();
    drop_file(&mut harness, other.to_str().unwrap());
    assert_eq!(file(&taken(&mut harness)), file_spec(other));
}

#[test]
fn quality_is_applied_off_air_and_only_the_bitrate_changes_on_air() {
    let choose = |harness: &mut Harness<'_, World>, list: &str, item: &str| {
        harness.get_by_role_and_label(Role::ComboBox, list).click();
        harness.run();
        click(harness, item)
    };
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let commands = choose(&mut harness, "Size and frame rate", "1080p60  (1920×1080)");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(settings.video.size, Resolution::new(1920, 1080));
    assert_eq!(settings.video.fps, FrameRate::new(60, 1).unwrap());
    assert_eq!(settings.encoder.bitrate_kbps, 6000);

    let mut harness = window(live(), draft(Language::English), SIZE);
    let commands = choose(&mut harness, "Bitrate", "4500 kbit/s");
    assert!(
        matches!(commands[..], [Command::SetVideoBitrate(b)] if b == Bitrate::from_kbps(4500)),
        "{commands:?}"
    );
    let size = harness.get_by_role_and_label(Role::ComboBox, "Size and frame rate");
    assert!(size.accesskit_node().is_disabled());
}

#[test]
fn the_bitrate_control_can_be_changed_on_air_and_says_why() {
    let mut status = live();
    let decision = Decision {
        bitrate: Bitrate::from_kbps(780),
        half_rate: true,
        half_size: false,
        reason: Reason::Holding,
        capacity: Some(Bitrate::from_kbps(965)),
        delay_ms: 40,
    };
    status.stream.as_mut().unwrap().adapt = Some(decision);
    let tall = [1100.0, 1000.0];
    let mut harness = window(status.clone(), draft(Language::Chinese), tall);
    assert!(
        harness
            .query_by_label("780 kbit/s：略低于网络上限，帧率减半")
            .is_some()
    );
    let smaller = Decision {
        half_rate: false,
        half_size: true,
        ..decision
    };
    status.stream.as_mut().unwrap().adapt = Some(smaller);
    let small = "780 kbit/s：略低于网络上限，画面缩小：码率不足";
    let chinese = window(status.clone(), draft(Language::Chinese), tall);
    assert!(chinese.query_by_label(small).is_some());
    status.stream.as_mut().unwrap().adapt = Some(decision);
    let mut english = window(status, draft(Language::English), tall);
    let said = "780 kbit/s: just below what the link carries, half the frame rate";
    assert!(english.query_by_label(said).is_some());

    harness
        .get_by_role_and_label(Role::ComboBox, "风格")
        .click();
    harness.run();
    let changed = click(&mut harness, "灵敏：延迟最低");
    let adapt = |commands: &[Command]| match commands {
        [Command::ApplySettings(settings)] => settings.stream.adapt,
        other => panic!("{other:?}"),
    };
    assert_eq!(adapt(&changed).preset, AdaptPreset::Lively);
    english
        .get_by_role_and_label(Role::ComboBox, "Not below")
        .click();
    english.run();
    assert_eq!(adapt(&click(&mut english, "800 kbit/s")).floor_kbps, 800);
    let shrink = "Smaller pictures when bits are very few";
    assert!(adapt(&click(&mut english, shrink)).shrink);
    assert!(!adapt(&click(&mut english, "Follow the link")).enabled);
    assert!(english.query_by_label("Not below").is_none());
}

#[test]
fn a_lost_stream_can_be_tried_at_once_and_an_own_server_trusted() {
    let mut harness = window(reconnecting(), draft(Language::English), SIZE);
    let commands = click(&mut harness, "Try now");
    assert!(matches!(commands[..], [Command::RetryNow]), "{commands:?}");

    let mut own = draft(Language::English);
    own.address = "rtmps://my.server/live".to_owned();
    own.key = "k".to_owned();
    let mut harness = window(idle(), own, SIZE);
    assert!(click(&mut harness, "Trust this server's certificate").is_empty());
    let commands = click(&mut harness, "Go live");
    let [Command::ApplySettings(settings), ..] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert!(settings.stream.trust_any_certificate);
    // trust is for that server, and ends with its address
    field(&harness, "Address").focus();
    harness.run();
    harness.event(egui::Event::Text("x".to_owned()));
    harness.run();
    let settings = &harness.state().draft.settings;
    assert!(!settings.stream.trust_any_certificate);
}

#[test]
fn record_starts_and_stops() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let commands = click(&mut harness, "Record");
    assert!(
        matches!(&commands[..], [Command::StartRecording(None)]),
        "{commands:?}"
    );
    let status = Status {
        recording: Some(output("/videos/kaibo-0001.flv", 2500, 0, 0)),
        ..idle()
    };
    let mut harness = window(status, draft(Language::English), SIZE);
    assert!(matches!(
        click(&mut harness, "Stop recording")[..],
        [Command::StopRecording]
    ));
}

#[test]
fn each_state_says_where_the_show_stands() {
    let cases = [
        (idle(), "Off air", "未开播"),
        (live(), "On air  0:12:34", "直播中  0:12:34"),
        (
            reconnecting(),
            "Reconnecting, try 3 in 4 s",
            "正在重连，第 3 次，4 秒后",
        ),
        (failed(), "Not on air", "开播失败"),
    ];
    for (status, english, chinese) in cases {
        for (language, words) in [(Language::English, english), (Language::Chinese, chinese)] {
            let harness = window(status.clone(), draft(language), SIZE);
            assert!(
                harness.query_all_by_label(words).next().is_some(),
                "{words}"
            );
        }
    }
}

#[test]
fn a_failure_says_what_happened_until_dismissed() {
    let status = failed();
    let mut draft = draft(Language::English);
    let rejected = EventKind::OutputFailed { rejected: true };
    draft
        .messages
        .event(event(119, Severity::Fatal, rejected, REFUSED));
    let mut harness = window(status, draft, SIZE);
    // Once in the banner, once in the list.
    assert_eq!(
        harness
            .get_all_by_label("The server refused the stream")
            .count(),
        2
    );
    assert_eq!(harness.get_all_by_label(REFUSED).count(), 2);
    harness.get_by_label("Dismiss").click();
    harness.run();
    assert!(harness.query_by_label("Dismiss").is_none());
    assert_eq!(
        harness.get_all_by_label(REFUSED).count(),
        2,
        "the state still says it"
    );
    harness.state_mut().status = idle();
    harness.run();
    assert_eq!(harness.get_all_by_label(REFUSED).count(), 1);
}

#[test]
fn an_engine_that_does_not_answer_is_told() {
    let mut harness = window(idle(), draft(Language::Chinese), SIZE);
    harness.state_mut().draft.not_answering(seconds(120));
    harness.run();
    assert!(harness.query_all_by_label("引擎没有响应").next().is_some());
}

#[test]
fn closing_on_air_asks_first() {
    let mut harness = window(live(), draft(Language::English), SIZE);
    harness.state_mut().draft.ask_quit = true;
    harness.run();
    harness.get_by_label("Keep going").click();
    harness.run();
    assert!(!harness.state().draft.ask_quit && !harness.state().draft.quit);
    harness.state_mut().draft.ask_quit = true;
    harness.run();
    harness.get_by_label("End and close").click();
    harness.run();
    assert!(harness.state().draft.quit);
}

/// Presses and releases the mouse there, all within one frame.
fn press(harness: &mut Harness<'_, World>, pos: egui::Pos2) {
    let button = |pressed| egui::Event::PointerButton {
        pos,
        button: egui::PointerButton::Primary,
        pressed,
        modifiers: egui::Modifiers::default(),
    };
    let events = &mut harness.input_mut().events;
    events.push(egui::Event::PointerMoved(pos));
    events.extend([true, false].map(button));
    harness.step(); // a quarter of a second, within which egui sees a double click
}

#[test]
fn a_double_click_takes_nothing_back() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let button = harness.get_by_label("Go live").rect().center();
    press(&mut harness, button);
    assert!(matches!(
        taken(&mut harness).last(),
        Some(Command::StartStream)
    ));
    harness.state_mut().status = live();
    press(&mut harness, button);
    let again = taken(&mut harness);
    assert!(again.is_empty(), "the second of a double click: {again:?}");
}

#[test]
fn a_problem_found_by_the_click_outlives_the_fields_loss_of_focus() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let button = harness.get_by_label("Go live").rect().center();
    field(&harness, "Address").focus();
    harness.run();
    harness.event(egui::Event::Text("rtmp://live.example.com/app".to_owned()));
    harness.run();
    press(&mut harness, button);
    harness.run();
    let problem = harness.state().draft.address_problem.clone();
    assert!(
        problem.is_some_and(|p| p.contains("stream key")),
        "no key was given"
    );
    assert!(taken(&mut harness).is_empty());
}

#[test]
fn a_file_that_is_not_there_leaves_the_picture_alone() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    field(&harness, "Media file").focus();
    harness.run();
    harness.event(egui::Event::Text("/no/such/film.mp4".to_owned()));
    harness.run();
    let commands = click(&mut harness, "Open");
    assert!(commands.is_empty(), "{commands:?}");
    harness.get_by_label_contains("no such file");
}

#[test]
fn the_language_can_be_switched() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    harness.get_by_label("中文").click();
    harness.run();
    assert!(harness.query_by_label("开始直播").is_some());
    harness.get_by_label("English").click();
    harness.run();
    assert!(harness.query_by_label("Go live").is_some());
    // kept for the next start
    let settings = &harness.state().draft.settings;
    assert_eq!(settings.window.language, Language::English.choice());
    let saved = taken(&mut harness);
    assert!(matches!(
        saved[..],
        [Command::ApplySettings(_), Command::ApplySettings(_)]
    ));
}

#[test]
fn everything_can_be_reached_by_keyboard() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let mut reached = Vec::new();
    for _ in 0..60 {
        harness.key_press(egui::Key::Tab);
        harness.run();
        if let Some(node) = harness
            .root()
            .children_recursive()
            .find(egui_kittest::Node::is_focused)
        {
            reached.extend(node.accesskit_node().label());
        }
    }
    for name in [
        "Test pattern",
        "Media file",
        "Microphone",
        "Mute Microphone",
        "Address",
        "Stream key",
        "Record",
        "Go live",
        "中文",
    ] {
        assert!(
            reached.iter().any(|r| r == name),
            "{name} is not among {reached:?}"
        );
    }
    harness.get_by_label("Go live").focus();
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert!(matches!(
        taken(&mut harness)[..],
        [.., Command::StartStream]
    ));
}

#[test]
fn nothing_repaints_by_itself() {
    for status in [idle(), live(), reconnecting(), failed()] {
        let mut harness = window(status, draft(Language::English), SIZE);
        harness.run();
        harness.step();
        let delay = harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay;
        assert_eq!(delay, std::time::Duration::MAX);
    }
}

#[test]
fn the_smallest_window_holds_everything() {
    for (language, words) in WORDS {
        let harness = window(
            live(),
            with_a_past(draft(language), &live()),
            [960.0, 600.0],
        );
        let whole = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(960.0, 600.0));
        for name in [words.stop, words.address, words.key] {
            for node in harness.get_all_by_label(name) {
                assert!(
                    whole.contains_rect(node.rect()),
                    "{name}: {:?}",
                    node.rect()
                );
            }
        }
        let names = if language == Language::English {
            ["FPS", "Bitrate", "Send queue", "Dropped", "Time live"]
        } else {
            ["帧率", "码率", "发送队列", "丢帧", "直播时长"]
        };
        let right_panel = harness.get_by_label(words.stop).rect().left() - 12.0;
        for name in names {
            let mut nodes = harness.get_all_by_role_and_label(Role::Label, name);
            let tile = nodes.find(|n| n.rect().right() < right_panel);
            let tile = tile.unwrap_or_else(|| panic!("{name} is cut"));
            assert!(tile.rect().height() < 20.0, "{name} is wrapped");
        }
        let time = harness.get_all_by_label("0:12:34").next().unwrap().rect();
        assert!(time.right() < right_panel - 20.0, "{time:?}");
        let picture = if language == Language::English {
            "Preview"
        } else {
            "预览"
        };
        assert!(harness.get_by_label(picture).rect().width() > 400.0);
    }
}
