//! A screen as the picture: its monitors, a window, a part of it, the mouse pointer.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kaibo::capture::screen::ScreenSettings;
use kaibo::capture::screen::area::{Region, ScreenArea, WindowMatch};
use kaibo::capture::{SourceSpec, VideoDevice};
use kaibo::engine::command::Command;
use kaibo::engine::status::Status;
use kaibo::media::video::Resolution;
use kaibo::ui::text::Language;

use crate::world::{SIZE, World, draft, idle, window};
use crate::{click, taken};

fn screen(area: ScreenArea) -> SourceSpec {
    SourceSpec::Screen(ScreenSettings {
        area,
        ..ScreenSettings::default()
    })
}

fn game() -> ScreenArea {
    ScreenArea::Window(WindowMatch {
        id: Some(0x1c),
        class: "game".to_owned(),
        title: "Level 1".to_owned(),
    })
}

/// Two monitors and two windows.
fn desktop() -> Status {
    let mut status = idle();
    let device = |name: &str, area| VideoDevice {
        name: name.to_owned(),
        spec: screen(area),
        camera: None,
    };
    let monitor = ScreenArea::Monitor {
        name: "HDMI-1".to_owned(),
    };
    let editor = ScreenArea::Window(WindowMatch::parse("editor"));
    status.video_devices.extend([
        device("Monitor HDMI-1 (1920x1080)", monitor),
        device("Window Level 1", game()),
        device("Window Notes", editor),
    ]);
    status
}

fn tall(language: Language, area: ScreenArea) -> egui_kittest::Harness<'static, World> {
    let mut draft = draft(language);
    draft.settings.scene.layers[0].source = screen(area);
    window(desktop(), draft, [SIZE[0], 1100.0])
}

fn chosen(commands: &[Command]) -> ScreenSettings {
    let [Command::ApplySettings(settings)] = commands else {
        panic!("{commands:?}");
    };
    match &settings.scene.layers[0].source {
        SourceSpec::Screen(screen) => screen.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_monitor_is_chosen_by_its_name_in_the_users_language() {
    let mut harness = window(desktop(), draft(Language::Chinese), [SIZE[0], 1100.0]);
    let settings = chosen(&click(&mut harness, "显示器 HDMI-1 (1920x1080)"));
    let wanted = ScreenArea::Monitor {
        name: "HDMI-1".to_owned(),
    };
    assert_eq!(settings.area, wanted);
    assert!(
        harness.query_by_label("窗口 Level 1").is_none(),
        "windows have a list of their own"
    );
}

#[test]
fn a_window_is_chosen_from_the_list() {
    let mut harness = tall(Language::English, ScreenArea::Whole);
    harness
        .get_by_role_and_label(Role::ComboBox, "Window")
        .click();
    harness.run();
    let settings = chosen(&click(&mut harness, "Level 1"));
    assert_eq!(settings.area, game());
    let combo = harness.get_by_role_and_label(Role::ComboBox, "Window");
    assert_eq!(combo.accesskit_node().value().as_deref(), Some("Level 1"));
}

#[test]
fn a_part_of_the_screen_is_as_large_as_the_picture_until_it_is_changed() {
    let mut harness = tall(Language::English, ScreenArea::Whole);
    assert!(harness.query_by_label("Left").is_none());
    let settings = chosen(&click(&mut harness, "Part of the screen"));
    let region = |left| {
        ScreenArea::Region(Region {
            left,
            top: 0,
            size: Resolution::HD,
        })
    };
    assert_eq!(settings.area, region(0));
    let left = harness.get_by_role_and_label(Role::SpinButton, "Left");
    left.focus();
    harness.run();
    harness.event(egui::Event::Text("250".to_owned()));
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(chosen(&taken(&mut harness)).area, region(250));
}

#[test]
fn the_mouse_pointer_can_be_left_out() {
    let mut harness = tall(Language::English, game());
    let settings = chosen(&click(&mut harness, "Show the mouse pointer"));
    assert_eq!((settings.cursor, settings.area), (false, game()));
}
