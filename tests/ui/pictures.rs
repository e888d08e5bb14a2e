//! Pictures of the whole window, compared and to look at.

use std::path::PathBuf;

use egui_kittest::kittest::Queryable as _;
use egui_kittest::{SnapshotOptions, SnapshotResults};
use kaibo::engine::status::Status;
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::beauty::BeautySettings;
use kaibo::render::overlay::Watermark;
use kaibo::render::overlay::spec::{Background, Content, Drift, Schedule, Shadow, TextSettings};
use kaibo::ui::draft::Draft;
use kaibo::ui::text::Language;

use crate::record::{interrupted, recording};
use crate::world::{SIZE, draft, failed, idle, live, reconnecting, window, with_a_past};

/// The whole window at half scale (to keep the files small) in English, whose font is part of the program. Adapters
/// differ in rounding and at the edges of glyphs only: up to 0.2 % of the pixels may be off.
#[test]
fn the_window_looks_as_it_should() {
    let mut results = SnapshotResults::new();
    for (name, status) in [("idle", idle()), ("live", live())] {
        let mut past = with_a_past(draft(Language::English), &status);
        past.chinese_font = false; // the system's fonts differ
        let mut harness = window(status, past, SIZE.map(|side| side / 2.0));
        harness.set_pixels_per_point(0.5);
        harness.run();
        let options = SnapshotOptions::new()
            .output_path("tests/snapshots/ui")
            .threshold(0.9)
            .max_failed_pixels(360);
        harness.snapshot_options(name, &options);
        results.extend(harness.take_snapshot_results());
    }
}

#[test]
#[ignore = "writes pictures to look at: KAIBO_SHOTS=folder cargo test --test ui -- --ignored"]
fn shots() {
    let folder =
        PathBuf::from(std::env::var_os("KAIBO_SHOTS").expect("KAIBO_SHOTS names a folder"));
    let shot = |name: &str, status: Status, draft: Draft, size: [f32; 2]| {
        let mut harness = window(status, draft, size);
        harness.run();
        harness
            .render()
            .unwrap()
            .save(folder.join(format!("{name}.png")))
            .unwrap();
    };
    for (tag, language) in [("en", Language::English), ("zh", Language::Chinese)] {
        for (name, status) in [
            ("idle", idle()),
            ("live", live()),
            ("reconnecting", reconnecting()),
            ("failed", failed()),
        ] {
            let past = with_a_past(draft(language), &status);
            shot(&format!("{name}-{tag}"), status, past, [1100.0, 650.0]);
        }
    }
    for (tag, language) in [("en", Language::English), ("zh", Language::Chinese)] {
        let mut with = with_a_past(draft(language), &live());
        let filters = &mut with.settings.scene.layers[0].filters;
        filters.push(FilterSpec::Beauty(BeautySettings::NATURAL));
        filters.extend(
            FilterSpec::kinds()
                .into_iter()
                .map(|(_, f)| f)
                .skip(1)
                .take(3),
        );
        with.compare = true;
        shot(&format!("filters-{tag}"), live(), with, [1280.0, 1300.0]);
        for (name, status) in [("recording", recording()), ("interrupted", interrupted())] {
            let past = with_a_past(draft(language), &status);
            shot(&format!("{name}-{tag}"), status, past, [1280.0, 1300.0]);
        }
    }
    for (tag, language) in [("en", Language::English), ("zh", Language::Chinese)] {
        let mut with = with_a_past(draft(language), &live());
        with.settings.scene.watermarks = vec![Watermark {
            drift: Some(Drift::default()),
            schedule: Some(Schedule::default()),
            content: Content::Text(TextSettings {
                text: "开播 Kaibo 🎉".to_owned(),
                shadow: Some(Shadow::default()),
                background: Some(Background::default()),
                ..TextSettings::default()
            }),
            ..Watermark::default()
        }];
        with.watermark.choose(&with.settings.scene.watermarks, 0);
        let mut harness = window(live(), with, [1280.0, 2100.0]);
        let t = language.text();
        for header in [t.watermark_letters, t.watermark_around, t.watermark_more] {
            harness.get_by_label(header).click();
            harness.run();
        }
        let image = harness.render().unwrap();
        image
            .save(folder.join(format!("watermark-{tag}.png")))
            .unwrap();
    }
    let status = live();
    shot(
        "live-1280",
        status.clone(),
        with_a_past(draft(Language::English), &status),
        [1280.0, 800.0],
    );
    shot(
        "live-min",
        status.clone(),
        with_a_past(draft(Language::English), &status),
        [960.0, 600.0],
    );
    shot(
        "live-1920",
        status.clone(),
        with_a_past(draft(Language::Chinese), &status),
        [1920.0, 1080.0],
    );
}
