//! The encoder's part: what it is optimised for, which one, its settings, and what it refuses.

use std::sync::Arc;

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use kaibo::encode::probe::{EncoderReport, Measured, Outcome, Why};
use kaibo::encode::{RateControl, Style, Tune, VideoEncoderSettings};
use kaibo::engine::command::Command;
use kaibo::engine::status::Status;
use kaibo::ui::encoder_text::words;
use kaibo::ui::text::Language;

use crate::taken;
use crate::world::{World, draft, idle, live, window};

/// Room for everything, so that nothing has to be scrolled into view.
const TALL: [f32; 2] = [1280.0, 3000.0];

fn probed(status: Status) -> Status {
    let report = |name: &str, outcome| EncoderReport {
        name: name.to_owned(),
        outcome,
    };
    let reports = vec![
        report(
            "nvenc",
            Outcome::Unusable {
                why: Why::DriverTooOld,
                reason: "driver too old: needs 570 or newer".to_owned(),
            },
        ),
        report("vaapi", Outcome::Works(Measured::default())),
        report("x264", Outcome::Works(Measured::default())),
    ];
    Status {
        encoders: Arc::new(reports),
        ..status
    }
}

fn applied(commands: &[Command]) -> VideoEncoderSettings {
    match commands {
        [Command::ApplySettings(settings)] => settings.encoder.clone(),
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
    harness.get_by_role_and_label(Role::Button, choice).click();
    harness.run();
    taken(harness)
}

#[test]
fn a_bundle_sets_what_belongs_together() {
    for language in [Language::English, Language::Chinese] {
        let w = words(language);
        let mut harness = window(probed(idle()), draft(language), TALL);
        let now = applied(&choose(&mut harness, w.style, w.quality));
        assert_eq!(now.style(), Some(Style::Quality));
        assert_eq!((now.tune, now.b_frames), (Tune::Quality, 2));
        let now = applied(&choose(&mut harness, w.style, w.low_latency));
        assert_eq!(now, VideoEncoderSettings::default());
    }
}

#[test]
fn every_setting_can_be_chosen_and_an_unusable_encoder_says_why() {
    let w = words(Language::English);
    let mut harness = window(probed(live()), draft(Language::English), TALL);
    harness.get_by_label(w.more).click();
    harness.run();
    harness
        .get_by_role_and_label(Role::ComboBox, w.encoder)
        .click();
    harness.run();
    harness.get_by_label_contains("driver too old: needs 570");
    harness.get_by_label("H.264, VAAPI (Intel, AMD)").click();
    harness.run();
    assert_eq!(applied(&taken(&mut harness)).encoder, "vaapi");
    let now = applied(&choose(&mut harness, w.rate, w.vbr));
    assert_eq!(now.rate_control, RateControl::Vbr);
    let now = applied(&choose(&mut harness, w.peak, "6000 kbit/s"));
    assert_eq!(now.max_bitrate_kbps, 6000);
    let now = applied(&choose(&mut harness, w.keyframes, "3 s"));
    assert_eq!(now.keyframe_interval, 3.0);
    // VAAPI has no constant quality within a limit: refused, and nothing changes
    assert!(choose(&mut harness, w.rate, w.crf).is_empty());
    harness.get_by_label_contains("vaapi cannot do crf: choose cbr or vbr");
    let now = applied(&choose(
        &mut harness,
        w.encoder,
        "H.264, libx264 (processor)",
    ));
    assert_eq!(
        (now.encoder.as_str(), now.preset.as_str()),
        ("x264", "auto")
    );
    let now = applied(&choose(&mut harness, w.preset, "faster"));
    assert_eq!(now.preset, "faster");
    let now = applied(&choose(&mut harness, w.rate, w.crf));
    assert_eq!(now.rate_control, RateControl::Crf);
    let now = applied(&choose(&mut harness, w.level, "20"));
    assert_eq!(now.quality, 20);
}

#[test]
fn further_options_are_taken_when_good_and_refused_in_words() {
    let w = words(Language::English);
    let mut encoder = draft(Language::English);
    encoder.settings.encoder.encoder = "x264".to_owned();
    let mut harness = window(probed(idle()), encoder, TALL);
    harness.get_by_label(w.more).click();
    harness.run();
    let mut enter = |text: &str| {
        let field = harness.get_by_role_and_label(Role::TextInput, w.options);
        field.focus();
        harness.run();
        harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        harness.run();
        harness
            .get_by_role_and_label(Role::TextInput, w.options)
            .type_text(text);
        harness.run();
        harness.key_press(egui::Key::Enter);
        harness.run();
        taken(&mut harness)
    };
    assert_eq!(
        applied(&enter("aq-mode=2 refs=3")).options,
        "aq-mode=2 refs=3"
    );
    assert!(enter("aq-mod=2").is_empty());
    harness.get_by_label_contains("has no option \"aq-mod\"");
}
