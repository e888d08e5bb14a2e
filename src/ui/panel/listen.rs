//! Listening in: to what, on which output, how loud.

use eframe::egui::{ComboBox, Slider, Ui};

use super::sounds::{decibels, title};
use crate::engine::status::Status;
use crate::settings::MonitorOf;
use crate::ui::draft::Draft;
use crate::ui::text::fill;
use crate::ui::widgets::{hint_ui, label_ui};

/// What is listened to; and where and how loud, while something is.
pub(super) fn listen_ui(status: &Status, draft: &mut Draft, ui: &mut Ui) {
    let t = draft.text();
    let audio = &mut draft.settings.audio;
    let mut choices = vec![
        (MonitorOf::Off, t.monitor_off.to_owned()),
        (MonitorOf::Mix, t.monitor_mix.to_owned()),
    ];
    for sound in &audio.sounds {
        let of = MonitorOf::Sound(sound.called());
        choices.push((of, title(sound, status, t)));
    }
    let monitor = &mut audio.monitor;
    let current = choices.iter().find(|(of, _)| *of == monitor.of);
    // the sound it names is gone: nothing is heard
    let current = current.map_or(t.monitor_off, |(_, name)| name).to_owned();
    let label = label_ui(ui, t.monitor);
    let combo = ComboBox::from_id_salt("listen")
        .width(ui.available_width())
        .selected_text(&current)
        .truncate()
        .show_ui(ui, |ui| {
            for (of, name) in choices {
                if ui.selectable_label(of == monitor.of, name).clicked() {
                    ui.close(); // by keyboard it would stay open
                    monitor.of = of;
                }
            }
        });
    combo
        .response
        .labelled_by(label.id)
        .on_hover_text(t.monitor_help);
    if current == t.monitor_off {
        return;
    }
    let default = status.outputs.iter().find(|o| o.default);
    let name = |id: Option<&str>| match id {
        None => default.map_or_else(
            || t.microphone_default.to_owned(),
            |d| fill(t.microphone_default_named, &[&d.name]),
        ),
        Some(id) => {
            let found = status.outputs.iter().find(|o| o.id == id || o.name == id);
            found.map_or_else(|| fill(t.microphone_gone, &[id]), |o| o.name.clone())
        }
    };
    let label = label_ui(ui, t.monitor_on);
    let combo = ComboBox::from_id_salt("listen on")
        .width(ui.available_width())
        .selected_text(name(monitor.device.as_deref()))
        .truncate()
        .show_ui(ui, |ui| {
            let outputs = status.outputs.iter().map(|o| Some(o.id.as_str()));
            for id in std::iter::once(None).chain(outputs) {
                let chosen = monitor.device.as_deref() == id;
                if ui.selectable_label(chosen, name(id)).clicked() {
                    ui.close();
                    monitor.device = id.map(str::to_owned);
                }
            }
        });
    combo.response.labelled_by(label.id);
    let text = format!("{}  {}", t.monitor_gain, decibels(monitor.gain_db));
    let label = label_ui(ui, &text);
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
        ui.spacing_mut().slider_width = ui.available_width();
        let slider = Slider::new(&mut monitor.gain_db, -30.0..=20.0)
            .clamping(eframe::egui::SliderClamping::Never)
            .step_by(1.0)
            .show_value(false);
        ui.add(slider).labelled_by(label.id);
    });
    hint_ui(ui, t.monitor_help);
}
