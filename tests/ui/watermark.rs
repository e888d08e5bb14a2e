//! The watermark section: each click and each letter yields the settings it should.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use kaibo::engine::command::Command;
use kaibo::render::overlay::Watermark;
use kaibo::render::overlay::spec::{Anchor, Content};
use kaibo::settings::Settings;
use kaibo::ui::draft::Draft;
use kaibo::ui::text::Language;

use crate::world::{World, draft, idle, live, window};
use crate::{click, field, taken};

/// Tall enough that nothing must be scrolled to.
const TALL: [f32; 2] = [1100.0, 3000.0];

fn applied(commands: &[Command]) -> Vec<Watermark> {
    match commands {
        [.., Command::ApplySettings(settings)] => {
            assert_eq!(settings.problems(), []);
            settings.scene.watermarks.clone()
        }
        other => panic!("{other:?}"),
    }
}

fn text_of(watermark: &Watermark) -> &str {
    match &watermark.content {
        Content::Text(text) => &text.text,
        Content::Image(_) => panic!("an image"),
    }
}

#[test]
fn a_text_is_added_edited_placed_and_removed_while_live() {
    for (language, words) in [
        (
            Language::English,
            [
                "Add text",
                "My channel",
                "Text",
                "Bottom left",
                "Remove",
                "Shadow",
            ],
        ),
        (
            Language::Chinese,
            ["添加文字", "我的直播间", "文字", "左下", "删除", "阴影"],
        ),
    ] {
        let [add, new, name, place, remove, shadow] = words;
        let mut harness = window(live(), draft(language), TALL);
        let added = applied(&click(&mut harness, add));
        assert_eq!(text_of(&added[0]), new);

        field(&harness, name).focus();
        harness.run();
        harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        field(&harness, name).type_text("开播 🎉 {time");
        harness.run();
        assert!(taken(&mut harness).is_empty(), "half typed: goes nowhere");
        field(&harness, name).type_text(":%H:%M}");
        harness.run();
        let typed = applied(&taken(&mut harness));
        assert_eq!(text_of(&typed[0]), "开播 🎉 {time:%H:%M}");

        let placed = applied(&click(&mut harness, place));
        assert_eq!(placed[0].anchor, Anchor::BottomLeft);
        let Content::Text(text) = &applied(&click(&mut harness, shadow))[0].content else {
            panic!("a text");
        };
        assert!(text.shadow.is_some());
        assert!(applied(&click(&mut harness, remove)).is_empty());
        assert!(harness.query_by_label(remove).is_none());
    }
}

#[test]
fn sliders_change_size_and_opacity() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    click(&mut harness, "Add text");
    let drag = |harness: &mut Harness<'_, World>, label: &str| {
        let slider = harness.get_by(|node| {
            node.role() == Role::Slider && node.label().is_some_and(|l| l.starts_with(label))
        });
        slider.focus();
        harness.run();
        harness.key_press(egui::Key::ArrowLeft);
        harness.run();
        applied(&taken(harness))
    };
    let opacity = drag(&mut harness, "Opacity")[0].opacity;
    assert!((opacity - 0.99).abs() < 0.001, "{opacity}");
    let Content::Text(text) = &drag(&mut harness, "Height")[0].content else {
        panic!("a text");
    };
    assert!((text.size - 4.0).abs() < 0.001, "{}", text.size);
}

#[test]
fn an_image_is_added_by_its_path() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    let added = applied(&click(&mut harness, "Add image"));
    assert!(matches!(&added[0].content, Content::Image(i) if i.path.as_os_str().is_empty()));
    field(&harness, "Image file").focus();
    harness.run();
    field(&harness, "Image file").type_text("/logos/kaibo.png");
    harness.run();
    assert!(
        taken(&mut harness).is_empty(),
        "a half-typed path is no file"
    );
    let used = applied(&click(&mut harness, "Use"));
    assert!(
        matches!(&used[0].content, Content::Image(i) if i.path.to_str() == Some("/logos/kaibo.png"))
    );
    // a second one: the list appears, and each can be chosen
    click(&mut harness, "Add text");
    assert!(harness.query_by_label("Image file").is_none());
    harness.get_by_label("1. kaibo.png").click();
    harness.run();
    assert!(harness.query_by_label("Image file").is_some());
}

#[test]
fn a_value_that_is_not_known_is_said_below_the_field() {
    let mut settings = Settings::default();
    settings.scene.watermarks = vec![Watermark::default()];
    let draft = Draft::new(settings, None, Language::English);
    let mut harness = window(idle(), draft, TALL);
    field(&harness, "Text").focus();
    harness.run();
    field(&harness, "Text").type_text("{clock}");
    harness.run();
    assert!(taken(&mut harness).is_empty());
    assert!(
        harness
            .query_by_label_contains("{clock} is not known")
            .is_some()
    );
}

#[test]
fn showing_a_watermark_from_a_file_does_not_change_it() {
    let mut settings = Settings::default();
    let mut mark = Watermark {
        opacity: 0.333,
        ..Watermark::default()
    };
    if let Content::Text(text) = &mut mark.content {
        text.size = 4.567;
        "{time}".clone_into(&mut text.text);
    }
    settings.scene.watermarks = vec![mark.clone()];
    let mut harness = window(idle(), Draft::new(settings, None, Language::English), TALL);
    harness.run();
    assert!(taken(&mut harness).is_empty());
    assert_eq!(harness.state().draft.settings.scene.watermarks, [mark]);
}
