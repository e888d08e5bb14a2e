//! Sound: which microphone, how loud, and the meter of the mix.

use eframe::egui::{Button, ComboBox, Slider, Ui};

use crate::capture::AudioSpec;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::text::{Text, fill};
use crate::ui::theme::size;
use crate::ui::widgets::{label_ui, meter, section_ui};

/// Microphone and level meter.
pub fn sound_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    section_ui(ui, t.sound);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let label = label_ui(ui, t.microphone);
    microphone_ui(status, draft, commands, ui, &label);
    if draft.settings.audio.input != AudioSpec::None {
        gain_ui(draft, commands, ui);
    }
    ui.add_space(size::GAP_SMALL);
    label_ui(ui, t.level);
    // The meter shows the mix: a muted microphone does not silence the sound of a file.
    meter(ui, &status.audio.levels, false, t);
    drift_ui(status, t, ui);
}

/// Said where it is worth knowing: a sound card whose clock is really off.
fn drift_ui(status: &Status, t: &Text, ui: &mut Ui) {
    let drifts = status.audio.inputs.iter().filter_map(|i| i.drift_ppm);
    let Some(ppm) = drifts.max_by(|a, b| a.abs().total_cmp(&b.abs())) else {
        return;
    };
    if ppm.abs() >= 1.0 {
        // a slow clock is behind: people call that minus
        label_ui(ui, &fill(t.drift, &[&format!("{:+.0}", -ppm)])).on_hover_text(t.drift_help);
    }
}

fn microphone_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
    label: &eframe::egui::Response,
) {
    let t = draft.text();
    let default = status.audio_devices.iter().find(|d| d.default);
    let name = |input: &AudioSpec| match input {
        AudioSpec::None => t.microphone_none.to_owned(),
        AudioSpec::Default => default.map_or_else(
            || t.microphone_default.to_owned(),
            |d| fill(t.microphone_default_named, &[&d.name]),
        ),
        AudioSpec::Device(name) if status.audio_devices.iter().any(|d| d.name == *name) => {
            name.clone()
        }
        AudioSpec::Device(name) => fill(t.microphone_gone, &[name]),
    };
    let current = draft.settings.audio.input.clone();
    let mut choice = None;
    let combo = ComboBox::from_id_salt("microphone")
        .width(ui.available_width())
        .selected_text(name(&current))
        .truncate()
        .show_ui(ui, |ui| {
            let devices = status
                .audio_devices
                .iter()
                .map(|d| AudioSpec::Device(d.name.clone()));
            for input in [AudioSpec::Default, AudioSpec::None]
                .into_iter()
                .chain(devices)
            {
                if ui
                    .selectable_label(input == current, name(&input))
                    .clicked()
                {
                    ui.close(); // by keyboard it would stay open
                    choice = (input != current).then_some(input);
                }
            }
        });
    combo.response.labelled_by(label.id);
    if let Some(input) = choice {
        draft.choose_microphone(input, commands);
    }
}

fn gain_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    ui.horizontal(|ui| {
        let muted = draft.settings.audio.muted;
        let text = if muted { t.muted } else { t.mute };
        if ui.add(Button::new(text).selected(muted)).clicked() {
            draft.settings.audio.muted = !muted;
            draft.apply_microphone(commands);
        }
        let value = 46.0;
        ui.spacing_mut().slider_width = (ui.available_width() - value - size::GAP).max(40.0);
        let gain = &mut draft.settings.audio.gain_db;
        let slider = Slider::new(gain, -30.0..=20.0)
            .step_by(1.0)
            .show_value(false);
        let response = ui
            .scope(|ui| {
                ui.spacing_mut().interact_size.y = 20.0; // the handle's size follows it
                ui.add_enabled(!muted, slider)
            })
            .inner;
        let shown = decibels(draft.settings.audio.gain_db);
        let label = label_ui(ui, &shown);
        if response
            .labelled_by(label.id)
            .on_hover_text(t.gain)
            .changed()
        {
            draft.apply_microphone(commands);
        }
    });
}

/// With a real minus, a plus where it matters.
fn decibels(gain: f32) -> String {
    match gain.round() {
        g if g > 0.0 => format!("+{g:.0} dB"),
        g if g < 0.0 => format!("−{:.0} dB", -g),
        _ => "0 dB".to_owned(),
    }
}
