//! Beauty and the list of filters.

use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kaibo::engine::command::Command;
use kaibo::gpu::pass::Quality;
use kaibo::gpu::timer::PassTime;
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::beauty::BeautySettings;
use kaibo::render::scene::Scene;
use kaibo::ui::text::Language;

use crate::world::{World, draft, idle, live, window};
use crate::{click, taken};

/// High enough that nothing has to be scrolled to.
const TALL: [f32; 2] = [1200.0, 3000.0];

fn scene(commands: &[Command]) -> &Scene {
    match commands {
        [Command::ApplySettings(settings)] => &settings.scene,
        other => panic!("{other:?}"),
    }
}

fn slider<'h>(harness: &'h Harness<'_, World>, name: &'h str) -> egui_kittest::Node<'h> {
    harness.get_by(|node| node.role() == Role::Slider && node.label().as_deref() == Some(name))
}

#[test]
fn beauty_is_one_switch_with_presets_and_sliders() {
    for (language, switch, strong, smoothing) in [
        (Language::English, "Beautify", "Strong", "Smoothing"),
        (Language::Chinese, "开启美颜", "强烈", "磨皮"),
    ] {
        let mut harness = window(idle(), draft(language), TALL);
        let on = click(&mut harness, switch);
        let natural = FilterSpec::Beauty(BeautySettings::NATURAL);
        assert_eq!(scene(&on).layers[0].filters, [natural]);
        let preset = click(&mut harness, strong);
        let wanted = FilterSpec::Beauty(BeautySettings::STRONG);
        assert_eq!(scene(&preset).layers[0].filters, [wanted]);

        assert_eq!(
            slider(&harness, smoothing).accesskit_node().numeric_value(),
            Some(100.0)
        );
        slider(&harness, smoothing).focus();
        harness.run();
        harness.key_press(eframe::egui::Key::ArrowLeft);
        harness.run();
        let turned = taken(&mut harness);
        let [FilterSpec::Beauty(now)] = scene(&turned).layers[0].filters[..] else {
            panic!("{turned:?}");
        };
        assert!(now.smoothing < 100.0 && now.whitening == 60.0, "{now:?}");

        let off = click(&mut harness, switch);
        let [FilterSpec::Beauty(kept)] = scene(&off).layers[0].filters[..] else {
            panic!("{off:?}");
        };
        assert!(!kept.on && kept.smoothing == now.smoothing, "{kept:?}");
        assert!(FilterSpec::Beauty(kept).is_noop());
    }
}

#[test]
fn filters_are_added_turned_and_removed() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    click(&mut harness, "Whole picture");
    click(&mut harness, "Add filter");
    let added = click(&mut harness, "Vignette");
    let filters = &scene(&added).filters;
    assert!(
        matches!(filters[..], [FilterSpec::Vignette(_)]),
        "{filters:?}"
    );
    assert!(scene(&added).layers[0].filters.is_empty());
    assert_eq!(
        slider(&harness, "Strength")
            .accesskit_node()
            .numeric_value(),
        Some(40.0)
    );
    click(&mut harness, "Add filter");
    let two = click(&mut harness, "Look");
    assert_eq!(scene(&two).filters.len(), 2);
    let swapped = click(&mut harness, "Move up");
    let names: Vec<_> = scene(&swapped)
        .filters
        .iter()
        .map(FilterSpec::name)
        .collect();
    assert_eq!(names, ["Look", "Vignette"]);
    // the first button removes the first filter
    let remove = harness.get_all_by_label("Remove").next().unwrap();
    remove.click();
    harness.run();
    let left = taken(&mut harness);
    assert!(matches!(
        scene(&left).filters[..],
        [FilterSpec::Vignette(_)]
    ));
}

#[test]
fn a_wrong_colour_table_is_told_under_its_field() {
    let mut draft = draft(Language::English);
    let (_, mut lut) = FilterSpec::kinds()
        .into_iter()
        .find(|(name, _)| *name == "Colour table")
        .unwrap();
    if let FilterSpec::Lut(lut) = &mut lut {
        lut.path = "/nowhere/at all.cube".into();
    }
    lut.check().unwrap_err(); // waits until it has been tried
    draft.settings.scene.layers[0].filters = vec![lut];
    let harness = window(idle(), draft, TALL);
    harness.get_by_label_contains("cannot be read from /nowhere/at all.cube");
}

#[test]
fn nothing_is_compared_while_beauty_is_off() {
    let mut draft = draft(Language::English);
    draft.compare = true;
    assert!(!draft.compares(), "there is no beauty");
    draft.settings.scene.layers[0].filters = vec![FilterSpec::Beauty(BeautySettings::NATURAL)];
    assert!(draft.compares());
    draft.settings.scene.layers[0].filters = vec![FilterSpec::Beauty(BeautySettings {
        on: false,
        ..BeautySettings::NATURAL
    })];
    assert!(!draft.compares());
}

#[test]
fn what_filters_take_is_shown_and_what_is_wrong_is_said() {
    for (language, words) in [
        (
            Language::English,
            ["2.0 ms", "refused it: Blur.", "works more coarsely"],
        ),
        (
            Language::Chinese,
            [
                "2.0 毫秒",
                "显卡驱动不支持，已关闭：模糊。",
                "美颜已降低精细度",
            ],
        ),
    ] {
        let mut with_beauty = draft(language);
        with_beauty.settings.scene.layers[0].filters =
            vec![FilterSpec::Beauty(BeautySettings::NATURAL)];
        let quiet = window(live(), with_beauty, TALL);
        for word in words {
            assert!(quiet.query_by_label_contains(word).is_none(), "{word}");
        }
        let mut status = live();
        let time = |name, ms| PassTime { name, ms };
        status.render.pass_times = vec![
            time("filter/beauty_shrink", 0.5),
            time("filter/beauty", 1.5),
            time("nv12", 1.0),
        ];
        status.render.failed_filters = vec!["Blur"];
        status.render.quality = Quality::Medium;
        let mut with_beauty = draft(language);
        with_beauty.settings.scene.layers[0].filters =
            vec![FilterSpec::Beauty(BeautySettings::NATURAL)];
        let harness = window(status, with_beauty, TALL);
        for word in words {
            assert!(harness.query_by_label_contains(word).is_some(), "{word}");
        }
    }
}
