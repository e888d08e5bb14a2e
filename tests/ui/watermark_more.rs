//! What is folded away in the watermark section: font, lines, outline, shadow and box, place, blending, movement.

use std::time::{Duration, Instant};

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use kaibo::engine::command::Command;
use kaibo::render::overlay::Watermark;
use kaibo::render::overlay::spec::{Align, BlendMode, Content, TextSettings};
use kaibo::render::overlay::text::families::families;
use kaibo::ui::text::Language;

use crate::world::{World, draft, live, window};
use crate::{click, field, taken};

/// Tall enough that nothing must be scrolled to.
const TALL: [f32; 2] = [1100.0, 2000.0];

fn only(commands: &[Command]) -> Watermark {
    match commands {
        [.., Command::ApplySettings(settings)] => {
            assert_eq!(settings.problems(), []);
            settings.scene.watermarks[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

fn text(commands: &[Command]) -> TextSettings {
    match only(commands).content {
        Content::Text(text) => text,
        Content::Image(_) => panic!("an image"),
    }
}

/// One step to the right on a slider whose label begins like this, by keyboard.
fn turn(harness: &mut Harness<'_, World>, label: &str) -> Vec<Command> {
    let slider = harness.get_by(|node| {
        node.role() == Role::Slider && node.label().is_some_and(|l| l.starts_with(label))
    });
    slider.focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    taken(harness)
}

fn with_a_text(language: Language) -> Harness<'static, World> {
    let mut harness = window(live(), draft(language), TALL);
    let add = match language {
        Language::English => "Add text",
        Language::Chinese => "添加文字",
    };
    click(&mut harness, add);
    harness
}

#[test]
fn it_is_put_turned_blended_and_moved() {
    for (language, words) in [
        (
            Language::English,
            [
                "Place, blending and movement",
                "Side margin",
                "Rotation",
                "Blending",
                "Multiply",
                "Schedule",
                "Shown for",
                "Drift",
                "Drift sideways",
            ],
        ),
        (
            Language::Chinese,
            [
                "位置、混合与移动",
                "左右边距",
                "旋转",
                "混合模式",
                "正片叠底",
                "定时显示",
                "显示时长",
                "漂移",
                "左右漂移",
            ],
        ),
    ] {
        let [
            more,
            margin,
            rotation,
            blending,
            multiply,
            schedule,
            shown_for,
            drift,
            sideways,
        ] = words;
        let mut harness = with_a_text(language);
        assert!(harness.query_by_label(blending).is_none(), "folded away");
        click(&mut harness, more);
        assert!((only(&turn(&mut harness, margin)).margin_x - 4.0).abs() < 0.01);
        assert!((only(&turn(&mut harness, rotation)).rotation - 1.0).abs() < 0.01);
        harness
            .get_by_role_and_label(Role::ComboBox, blending)
            .click();
        harness.run();
        assert_eq!(
            only(&click(&mut harness, multiply)).blend,
            BlendMode::Multiply
        );
        let scheduled = only(&click(&mut harness, schedule)).schedule.unwrap();
        let longer = only(&turn(&mut harness, shown_for)).schedule.unwrap();
        assert!((longer.show - scheduled.show - 1.0).abs() < 0.01);
        assert!((longer.every - scheduled.every).abs() < 0.01);
        let drifts = only(&click(&mut harness, drift)).drift.unwrap();
        let wider = only(&turn(&mut harness, sideways)).drift.unwrap();
        assert!((wider.x - drifts.x - 1.0).abs() < 0.01);
        assert_eq!(only(&click(&mut harness, drift)).drift, None);
    }
}

#[test]
fn letters_are_aligned_spaced_scrolled_and_timed() {
    let mut harness = with_a_text(Language::English);
    click(&mut harness, "Font and lines");
    assert!(text(&click(&mut harness, "Italic")).italic);
    assert!(!text(&click(&mut harness, "Bold")).bold);
    assert_eq!(
        text(&click(&mut harness, "Align right")).align,
        Align::Right
    );
    assert!((text(&turn(&mut harness, "Line spacing")).line_spacing - 1.05).abs() < 0.01);
    assert!((text(&turn(&mut harness, "Marquee")).scroll - 1.0).abs() < 0.01);

    field(&harness, "Time zone").focus();
    harness.run();
    field(&harness, "Time zone").type_text("Asia/Shang");
    harness.run();
    assert!(taken(&mut harness).is_empty(), "half typed: goes nowhere");
    assert!(harness.query_by_label_contains("Asia/Shang").is_some());
    field(&harness, "Time zone").type_text("hai");
    harness.run();
    assert_eq!(text(&taken(&mut harness)).time_zone, "Asia/Shanghai");

    field(&harness, "Text from a file").focus();
    harness.run();
    field(&harness, "Text from a file").type_text("/tmp/now.txt");
    harness.run();
    let from_file = text(&click(&mut harness, "Use"));
    assert_eq!(from_file.file.unwrap().to_str(), Some("/tmp/now.txt"));
}

#[test]
fn a_font_is_found_by_name_or_given_as_a_file() {
    let deadline = Instant::now() + Duration::from_secs(60);
    let names = loop {
        if let Some(names) = families() {
            break names;
        }
        assert!(Instant::now() < deadline, "fonts never listed");
        std::thread::yield_now();
    };
    let mut harness = with_a_text(Language::English);
    click(&mut harness, "Font and lines");
    let open = |harness: &mut Harness<'_, World>| {
        harness
            .get_by_role_and_label(Role::ComboBox, "Font")
            .click();
        harness.run();
        field(harness, "Search fonts").focus();
        harness.run();
    };
    if let Some(name) = names.iter().find(|name| name.is_ascii()) {
        open(&mut harness);
        field(&harness, "Search fonts").type_text(&name.to_lowercase());
        harness.run();
        assert_eq!(text(&click(&mut harness, name)).font, *name);
    }
    open(&mut harness);
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    field(&harness, "Search fonts").type_text("/fonts/mine.ttf");
    harness.run();
    let chosen = text(&click(&mut harness, "Use this font file"));
    assert_eq!(chosen.font, "/fonts/mine.ttf");
}

#[test]
fn outline_shadow_and_box_are_turned_while_they_are_on() {
    let mut harness = with_a_text(Language::English);
    click(&mut harness, "Shadow");
    click(&mut harness, "Box");
    click(&mut harness, "Outline, shadow and box");
    assert!(
        (text(&turn(&mut harness, "Outline width"))
            .outline
            .unwrap()
            .width
            - 5.0)
            .abs()
            < 0.01
    );
    assert!(
        (text(&turn(&mut harness, "Shadow softness"))
            .shadow
            .unwrap()
            .blur
            - 7.0)
            .abs()
            < 0.01
    );
    let padded = text(&turn(&mut harness, "Box padding")).background.unwrap();
    assert!((padded.padding - 31.0).abs() < 0.01);
    click(&mut harness, "Box");
    assert!(harness.query_by_label_contains("Box padding").is_none());
    let reset = text(&click(&mut harness, "Back to defaults"));
    assert!((reset.outline.unwrap().width - 4.0).abs() < 0.01);
    assert_eq!(reset.background, None);
}
