//! What is done to one sound: presets, processors with their sliders, pan, push-to-talk, role. Sliders come from the
//! processors' own tables, so a new number needs nothing here.

use eframe::egui::{
    Align, Button, CollapsingHeader, ComboBox, Layout, Slider, SliderClamping, Ui, vec2,
};

use crate::audio::InputStats;
use crate::audio::chain::{ChainSettings, Role};
use crate::audio::params::{Stage, Unit};
use crate::ui::sound_text::{sound_word, value_text};
use crate::ui::text::{Language, fill};
use crate::ui::theme::size;
use crate::ui::widgets::label_ui;

/// The folded part of the chosen sound; `salt` tells sounds apart.
pub(super) fn chain_ui(
    ui: &mut Ui,
    language: Language,
    chain: &mut ChainSettings,
    stats: Option<&InputStats>,
    salt: usize,
) {
    CollapsingHeader::new(sound_word(language, "chain"))
        .id_salt(("chain", salt))
        .show(ui, |ui| {
            presets_ui(ui, language, chain);
            for stage in chain.stages() {
                let (name, on) = (stage.name, *stage.on);
                stage_ui(ui, language, stage);
                match stats {
                    Some(stats) if on && name == "compressor" => {
                        turned_down_ui(ui, language, stats.compression_db);
                    }
                    Some(stats) if on && name == "gate" && !stats.gate_open => {
                        label_ui(ui, sound_word(language, "gate_closed"));
                    }
                    _ => {}
                }
            }
            slider_ui(ui, language, "pan", &mut chain.pan, |ui, pan| {
                ui.add(Slider::new(pan, -1.0..=1.0).step_by(0.05).show_value(false))
            });
            role_ui(ui, language, &mut chain.role);
            ui.checkbox(
                &mut chain.push_to_talk,
                sound_word(language, "push_to_talk"),
            );
        });
}

fn presets_ui(ui: &mut Ui, language: Language, chain: &mut ChainSettings) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = size::GAP_SMALL;
        for (name, preset) in ChainSettings::PRESETS {
            let with = chain.with_processors_of(preset());
            let button = Button::new(sound_word(language, name)).selected(*chain == with);
            if ui.add(button).clicked() {
                *chain = with;
            }
        }
    });
}

/// One processor: its switch, and its sliders while it is on.
pub(super) fn stage_ui(ui: &mut Ui, language: Language, stage: Stage<'_>) {
    let Stage { name, on, params } = stage;
    ui.checkbox(on, sound_word(language, name))
        .on_hover_text(sound_word(language, help(name)));
    if !*on {
        return;
    }
    ui.push_id(name, |ui| {
        for param in params {
            let unit = param.unit;
            slider_ui(ui, language, param.field, param.value, |ui, value| {
                let ratios = matches!(unit, Unit::Hertz | Unit::Milliseconds | Unit::Quality)
                    && *param.range.start() > 0.0;
                let step = match unit {
                    Unit::Decibels | Unit::Percent | Unit::Lufs => 1.0,
                    Unit::Ratio | Unit::Quality => 0.1,
                    Unit::Hertz | Unit::Milliseconds => 0.0,
                };
                let slider = Slider::new(value, param.range.clone())
                    .logarithmic(ratios)
                    .clamping(SliderClamping::Always)
                    .step_by(step)
                    .show_value(false);
                let response = ui.add(slider);
                label_ui(ui, &value_text(*value, unit));
                response
            });
        }
    });
}

/// The key of a processor's help.
fn help(name: &str) -> &'static str {
    match name {
        "noise" => "noise.help",
        "high_pass" => "high_pass.help",
        "gate" => "gate.help",
        "equalizer" => "equalizer.help",
        "compressor" => "compressor.help",
        "ducking" => "ducking.help",
        "limiter" => "limiter.help",
        _ => "loudness.help",
    }
}

/// A name and a slider in one row.
fn slider_ui(
    ui: &mut Ui,
    language: Language,
    name: &'static str,
    value: &mut f32,
    add: impl FnOnce(&mut Ui, &mut f32) -> eframe::egui::Response,
) {
    const NAME: f32 = 70.0;
    const VALUE: f32 = 56.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 20.0; // the handle's size follows it
        let name = sound_word(language, name);
        let layout = Layout::left_to_right(Align::Center);
        let label = ui.allocate_ui_with_layout(vec2(NAME, 20.0), layout, |ui| {
            ui.set_min_width(NAME);
            label_ui(ui, name)
        });
        ui.spacing_mut().slider_width = (ui.available_width() - VALUE - size::GAP).max(40.0);
        add(ui, value).labelled_by(label.inner.id);
    });
}

/// By how much something is turned down now; nothing while it is not.
pub(super) fn turned_down_ui(ui: &mut Ui, language: Language, db: f32) {
    if db < -0.1 {
        let text = fill(
            sound_word(language, "turned_down"),
            &[&format!("{:.1}", -db)],
        );
        label_ui(ui, &text);
    }
}

fn role_ui(ui: &mut Ui, language: Language, role: &mut Role) {
    let name = |role: Role| {
        let key = match role {
            Role::Auto => "role.auto",
            Role::Speech => "role.speech",
            Role::Music => "role.music",
            Role::Apart => "role.apart",
        };
        sound_word(language, key)
    };
    ui.horizontal(|ui| {
        let label = label_ui(ui, sound_word(language, "role"));
        let combo = ComboBox::from_id_salt("role")
            .selected_text(name(*role))
            .show_ui(ui, |ui| {
                for choice in Role::ALL {
                    if ui.selectable_label(choice == *role, name(choice)).clicked() {
                        ui.close(); // by keyboard it would stay open
                        *role = choice;
                    }
                }
            });
        combo.response.labelled_by(label.id);
    });
}
