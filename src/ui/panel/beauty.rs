//! Beauty: one switch, ready looks, and a slider for each number of the filter's table. It works on the lowest layer, the
//! one with the person.

use eframe::egui::{Button, Ui};

use super::filters::{params_ui, time_ui};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::render::filter::FilterSpec;
use crate::render::filter::beauty::BeautySettings;
use crate::ui::draft::Draft;
use crate::ui::filter_text::filter_word;
use crate::ui::theme::size;
use crate::ui::widgets::section_ui;

/// Switch, presets, sliders.
pub fn beauty_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (t, language) = (draft.text(), draft.language);
    section_ui(ui, t.beauty);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let Some(layer) = draft.settings.scene.layers.first_mut() else {
        return;
    };
    let place = layer
        .filters
        .iter()
        .position(|f| matches!(f, FilterSpec::Beauty(_)));
    let now = place.and_then(|n| layer.filters[n].settings::<BeautySettings>().copied());
    let mut next = now;
    let on = now.is_some_and(|s| s.on);
    let mut switch = on;
    ui.horizontal(|ui| {
        if ui.checkbox(&mut switch, t.beauty_switch).changed() {
            next = Some(BeautySettings {
                on: switch,
                ..now.unwrap_or(BeautySettings::NATURAL)
            });
        }
        let filter = now.map(FilterSpec::Beauty);
        let times = &status.render.pass_times;
        time_ui(filter.and_then(|f| f.time(times)), t, ui);
    });
    if on {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = size::GAP_SMALL;
            for (name, preset) in BeautySettings::PRESETS {
                let button = Button::new(filter_word(language, name)).selected(now == Some(preset));
                if ui.add(button).clicked() {
                    next = Some(preset);
                }
            }
        });
        if let Some(settings) = next {
            let mut spec = FilterSpec::Beauty(settings);
            params_ui(&mut spec, language, ui);
            next = spec.settings().copied();
        }
        ui.checkbox(&mut draft.compare, t.compare);
    }
    if next != now
        && let (Some(settings), Some(layer)) = (next, draft.settings.scene.layers.first_mut())
    {
        let spec = FilterSpec::Beauty(settings);
        match place {
            Some(n) => layer.filters[n] = spec,
            // first of all: it wants the camera's own colours
            None => layer.filters.insert(0, spec),
        }
        draft.apply(commands);
    }
}
