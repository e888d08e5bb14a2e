//! What a recording takes: an encoder of its own, each sound apart; and what does not go together.

use std::sync::Arc;

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use kaibo::container::Format;
use kaibo::encode::probe::{EncoderReport, Measured, Outcome, Why};
use kaibo::encode::stage::EncoderStats;
use kaibo::engine::command::Command;
use kaibo::engine::status::Status;
use kaibo::settings::Settings;
use kaibo::ui::encoder_text::words;
use kaibo::ui::text::Language;

use crate::record::recording;
use crate::world::{World, draft, idle, window};
use crate::{click, taken};

/// High enough that nothing has to be scrolled to.
const TALL: [f32; 2] = [1200.0, 4400.0];

fn probed() -> Status {
    let report = |name: &str, outcome| EncoderReport {
        name: name.to_owned(),
        outcome,
    };
    let refused = Outcome::Unusable {
        why: Why::Refused,
        reason: "svtav1 cannot do cbr".to_owned(),
    };
    let missing = Outcome::Unusable {
        why: Why::NoDevice,
        reason: "no VAAPI device".to_owned(),
    };
    let reports = vec![
        report("vaapi-hevc", missing),
        report("x264", Outcome::Works(Measured::default())),
        report("x265", Outcome::Works(Measured::default())),
        report("svtav1", refused),
    ];
    Status {
        encoders: Arc::new(reports),
        ..idle()
    }
}

fn settings(commands: &[Command]) -> &Settings {
    match commands {
        [Command::ApplySettings(settings)] => settings,
        other => panic!("{other:?}"),
    }
}

fn choose(
    harness: &mut egui_kittest::Harness<'_, World>,
    field: &str,
    choice: &str,
) -> Vec<Command> {
    harness.get_by_role_and_label(Role::ComboBox, field).click();
    harness.run();
    harness
        .get_by_role_and_label(Role::Button, choice)
        .scroll_to_me();
    harness.run();
    harness.get_by_role_and_label(Role::Button, choice).click();
    harness.run();
    taken(harness)
}

#[test]
fn an_encoder_and_a_quality_of_its_own() {
    for language in [Language::English, Language::Chinese] {
        let w = words(language);
        let mut harness = window(probed(), draft(language), TALL);
        assert!(harness.query_by_label(w.record_level).is_none());
        let on = click(&mut harness, w.record_own);
        assert!(settings(&on).recording_encoder.own);
        let hevc = choose(&mut harness, w.record_encoder, "HEVC, libx265 (processor)");
        assert_eq!(settings(&hevc).recording_encoder.video.encoder, "x265");
        assert_eq!(
            settings(&hevc).encoder.encoder,
            "auto",
            "the stream's stays"
        );
        let good = choose(&mut harness, w.record_level, "16");
        assert_eq!(settings(&good).recording_encoder.video.quality, 16);
        // refused for the stream's rate control only
        let av1 = choose(&mut harness, w.record_encoder, "AV1, SVT-AV1 (processor)");
        assert_eq!(settings(&av1).recording_encoder.video.encoder, "svtav1");
        let off = click(&mut harness, w.record_own);
        assert!(!settings(&off).recording_encoder.own);
    }
}

#[test]
fn sounds_apart_do_not_go_into_an_flv_file_and_the_reason_is_shown() {
    let w = words(Language::English);
    let mut harness = window(probed(), draft(Language::English), TALL);
    let on = click(&mut harness, w.record_tracks);
    assert!(settings(&on).recording.separate_tracks);
    assert!(choose(&mut harness, "File format", "FLV").is_empty());
    harness.get_by_label_contains("an FLV file has room for one sound");
    let mkv = choose(&mut harness, "File format", "Matroska (MKV)");
    assert_eq!(settings(&mkv).recording.format, Format::Mkv);
    assert!(
        harness
            .query_by_label_contains("has room for one")
            .is_none()
    );
}

#[test]
fn while_it_records_its_encoder_is_told_and_nothing_can_be_changed() {
    let w = words(Language::English);
    let status = Status {
        record_encoder: Some(EncoderStats {
            name: "x265".to_owned(),
            preset: "ultrafast".to_owned(),
            encode_ms: 9.5,
            ..EncoderStats::default()
        }),
        ..recording()
    };
    let mut harness = window(status, draft(Language::English), TALL);
    harness.get_by_label_contains("x265 ultrafast, 9.5 ms");
    assert!(click(&mut harness, w.record_own).is_empty());
}
