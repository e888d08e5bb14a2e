//! The filters of the lowest layer or of the whole picture: add, order, turn, remove. Sliders come from each filter's own
//! table, so a new filter needs nothing here.

use eframe::egui::{ComboBox, Slider, TextEdit, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::gpu::pass::Quality;
use crate::render::filter::look::Look;
use crate::render::filter::lut::LutSettings;
use crate::render::filter::tables::TableState;
use crate::render::filter::{FilterSpec, MOST_FILTERS};
use crate::ui::draft::Draft;
use crate::ui::filter_text::filter_word;
use crate::ui::text::{Language, Text, fill};
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, label_ui, section_ui};

/// The list.
pub fn filters_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (t, language) = (draft.text(), draft.language);
    section_ui(ui, t.filters);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    ui.horizontal(|ui| {
        ui.selectable_value(&mut draft.filters_of_scene, false, t.filters_layer);
        ui.selectable_value(&mut draft.filters_of_scene, true, t.filters_scene);
    });
    let scene = &mut draft.settings.scene;
    let list = match scene.layers.first_mut() {
        Some(layer) if !draft.filters_of_scene => &mut layer.filters,
        _ => &mut scene.filters,
    };
    let before = list.clone();
    let mut change = None;
    for (n, spec) in list.iter_mut().enumerate() {
        if matches!(spec, FilterSpec::Beauty(_)) && !draft.filters_of_scene {
            continue; // it has a section of its own
        }
        ui.push_id(("filter", draft.filters_of_scene, n), |ui| {
            let time = spec.time(&status.render.pass_times);
            change = change.take().or(filter_ui(spec, n, time, t, language, ui));
        });
    }
    match change {
        Some(Change::Remove(n)) => {
            list.remove(n);
        }
        Some(Change::Up(n)) => list.swap(n, n - 1),
        None => {}
    }
    if list.len() < MOST_FILTERS {
        add_ui(list, t, language, ui);
    }
    let total: f32 = status.render.pass_times.iter().map(|p| p.ms).sum();
    if total > 0.0 {
        label_ui(ui, &fill(t.filters_time, &[&format!("{total:.1}")])).on_hover_ui(|ui| {
            for pass in &status.render.pass_times {
                label_ui(ui, &format!("{}: {:.2} ms", pass.name, pass.ms));
            }
        });
    }
    if !status.render.failed_filters.is_empty() {
        let names = status.render.failed_filters.iter();
        let names: Vec<_> = names.map(|name| filter_word(language, name)).collect();
        let said = fill(t.filters_failed, &[&names.join(", ")]);
        colored_hint_ui(ui, &said, color::BAD);
    }
    if status.render.quality != Quality::Full {
        colored_hint_ui(ui, t.filters_coarse, color::WARN);
    }
    if *list != before {
        draft.apply(commands);
    }
}

enum Change {
    Remove(usize),
    Up(usize),
}

/// One filter: its name with buttons, below it what can be turned.
fn filter_ui(
    spec: &mut FilterSpec,
    n: usize,
    time: Option<f32>,
    t: &Text,
    language: Language,
    ui: &mut Ui,
) -> Option<Change> {
    let mut change = None;
    let name = filter_word(language, spec.name());
    ui.horizontal(|ui| {
        ui.label(name);
        if ui.small_button(t.filter_remove).clicked() {
            change = Some(Change::Remove(n));
        }
        if n > 0 && ui.small_button(t.filter_up).clicked() {
            change = Some(Change::Up(n));
        }
        time_ui(time, t, ui);
    });
    match spec {
        FilterSpec::Look(look) => look_ui(&mut look.look, language, name, ui),
        FilterSpec::Lut(lut) => {
            let mut path = lut.path.display().to_string();
            let label = label_ui(ui, t.lut_file);
            let field = TextEdit::singleline(&mut path)
                .hint_text(t.lut_hint)
                .desired_width(f32::INFINITY);
            if ui.add(field).labelled_by(label.id).changed() {
                lut.path = path.into();
            }
        }
        _ => {}
    }
    let table = spec.settings::<LutSettings>().and_then(LutSettings::state);
    match table {
        Some(TableState::Failed(problem)) => {
            ui.colored_label(color::BAD, problem);
        }
        Some(TableState::Loading) => colored_hint_ui(ui, t.lut_loading, color::WARN),
        Some(TableState::Ready(_)) | None => {}
    }
    params_ui(spec, language, ui);
    ui.add_space(size::GAP_SMALL);
    change
}

/// What a filter takes on the GPU.
pub(super) fn time_ui(time: Option<f32>, t: &Text, ui: &mut Ui) {
    if let Some(ms) = time {
        let said = fill(t.filter_time, &[&format!("{ms:.1}")]);
        label_ui(ui, &said).on_hover_text(t.filter_time_help);
    }
}

fn look_ui(look: &mut Look, language: Language, name: &str, ui: &mut Ui) {
    let called = |look: Look| {
        let found = Look::ALL.iter().find(|(_, l)| *l == look);
        filter_word(language, found.map_or("Film", |(name, _)| name))
    };
    let label = label_ui(ui, name);
    let combo = ComboBox::from_id_salt("look")
        .width(ui.available_width())
        .selected_text(called(*look))
        .show_ui(ui, |ui| {
            for (_, choice) in Look::ALL {
                ui.selectable_value(look, choice, called(choice));
            }
        });
    combo.response.labelled_by(label.id);
}

fn add_ui(list: &mut Vec<FilterSpec>, t: &Text, language: Language, ui: &mut Ui) {
    ui.menu_button(t.filter_add, |ui| {
        for (name, spec) in FilterSpec::kinds() {
            if ui.button(filter_word(language, name)).clicked() {
                list.push(spec);
                ui.close();
            }
        }
    });
}

/// A slider for each number of a filter; a double click on it brings the default back.
pub(super) fn params_ui(spec: &mut FilterSpec, language: Language, ui: &mut Ui) {
    const NAME: f32 = 84.0;
    const VALUE: f32 = 46.0;
    spec.visit_params(&mut |param| {
        let mut value = param.value;
        let mut changed = false;
        ui.horizontal(|ui| {
            ui.spacing_mut().interact_size.y = 20.0; // the handle's size follows it
            let name = filter_word(language, param.label);
            let label = ui
                .allocate_ui_with_layout(
                    eframe::egui::vec2(NAME, 20.0),
                    eframe::egui::Layout::left_to_right(eframe::egui::Align::Center),
                    |ui| {
                        ui.set_min_width(NAME);
                        label_ui(ui, name)
                    },
                )
                .inner;
            ui.spacing_mut().slider_width = (ui.available_width() - VALUE - size::GAP).max(40.0);
            let span = param.range.end() - param.range.start();
            let step = if span > 20.0 { 1.0 } else { 0.01 };
            let slider = Slider::new(&mut value, param.range.clone())
                .step_by(step)
                .show_value(false);
            let response = ui
                .add(slider)
                .labelled_by(label.id)
                .on_hover_text(filter_word(language, param.help));
            changed = response.changed();
            let digits = if span > 20.0 { 0 } else { 2 };
            label_ui(ui, &format!("{value:.digits$} {}", param.unit));
        });
        changed.then_some(value)
    });
}
