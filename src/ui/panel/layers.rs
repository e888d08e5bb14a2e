//! The layers of the scene on air, nearest first: add, order, hide, place.

use eframe::egui::{
    Atoms, Button, Checkbox, CollapsingHeader, Key, Role, Slider, SliderClamping, TextEdit, Ui,
    WidgetInfo,
};

use super::scenes::name_of;
use super::screen::{device_name, is_window};
use super::source::called;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::scene_draft::{ListChange, place_of, put};
use crate::ui::text::fill;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{anchor_grid, colored_hint_ui, label_ui};

/// The list; closed while there is one layer, until it is opened.
pub fn layers_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let w = draft.scene_words();
    let several = draft.settings.scene.layers.len() != 1;
    CollapsingHeader::new(w.layers)
        .id_salt(("layers", several)) // each kind of scene is opened or closed by itself
        .default_open(several)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
            list_ui(draft, commands, ui);
            add_ui(status, draft, commands, ui);
            file_ui(draft, commands, ui);
            place_ui(draft, commands, ui);
        });
}

fn list_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (t, w) = (draft.text(), draft.scene_words());
    let count = draft.settings.scene.layers.len();
    let mut change = None;
    let mut seen = None;
    for n in (0..count).rev() {
        let layer = &draft.settings.scene.layers[n];
        let number = (count - n).to_string();
        let name = fill(w.layer_row, &[&number, &called(&layer.source, t)]);
        let mut visible = layer.visible;
        ui.push_id(("layer", n), |ui| {
            ui.horizontal(|ui| {
                let show = ui.add(Checkbox::without_text(&mut visible));
                let shown = fill(w.layer_show, &[&number]);
                show.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, visible, &shown));
                if show.clicked() {
                    seen = Some((n, visible));
                }
                let chosen = draft.scene.layer == Some(n);
                let width = ui.available_width() - 36.0 - size::GAP;
                let row = Button::selectable(chosen, Atoms::default())
                    .left_text(name.as_str())
                    .truncate();
                if ui.add_sized([width, 24.0], row).clicked() {
                    draft.scene.layer = (!chosen).then_some(n);
                }
                let menu = ui.menu_button("…", |ui| {
                    let mut item = |name: &str, possible: bool, what| {
                        if ui.add_enabled(possible, Button::new(name)).clicked() {
                            change = Some((n, what));
                            ui.close();
                        }
                    };
                    item(w.layer_up, n + 1 < count, ListChange::Earlier);
                    item(w.layer_down, n > 0, ListChange::Later);
                    item(w.scene_duplicate, true, ListChange::Duplicate);
                    item(w.layer_remove, true, ListChange::Delete);
                });
                name_of(&menu.response, &fill(w.layer_options, &[&number]));
            });
        });
    }
    if let Some((n, visible)) = seen {
        draft.settings.scene.layers[n].visible = visible;
        draft.apply(commands);
    }
    if let Some((n, change)) = change {
        draft.change_layers(n, change, commands);
    }
}

fn add_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (t, w) = (draft.text(), draft.scene_words());
    ui.menu_button(w.layer_add, |ui| {
        // names of their own: the same sources stand in the list above
        let item = |ui: &mut Ui, name: &str| {
            let button = ui.button(name);
            button.widget_info(|| {
                WidgetInfo::labeled(Role::Button, true, format!("{}: {name}", w.layer_add))
            });
            let clicked = button.clicked();
            if clicked {
                ui.close();
            }
            clicked
        };
        for device in status.video_devices.iter().filter(|d| !is_window(&d.spec)) {
            if item(ui, &device_name(device, t)) {
                draft.add_layer(device.spec.clone(), commands);
            }
        }
        let windows = || status.video_devices.iter().filter(|d| is_window(&d.spec));
        if windows().next().is_some() {
            ui.menu_button(t.screen_window, |ui| {
                for device in windows() {
                    if item(ui, &device_name(device, t)) {
                        draft.add_layer(device.spec.clone(), commands);
                    }
                }
            });
        }
        if item(ui, w.layer_file) {
            draft.scene.adding_file = true;
        }
        if item(ui, w.layer_color) {
            draft.add_color_layer(commands);
        }
        if item(ui, w.layer_text) {
            draft.add_text(commands);
        }
    });
}

fn file_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    if !draft.scene.adding_file {
        return;
    }
    let (t, w) = (draft.text(), draft.scene_words());
    let label = label_ui(ui, w.layer_path);
    let field = TextEdit::singleline(&mut draft.scene.path)
        .hint_text(t.file_hint)
        .desired_width(f32::INFINITY);
    let field = ui.add(field).labelled_by(label.id);
    draft.scene.path_missing &= !field.changed();
    let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
    let given = !draft.scene.path.trim().is_empty();
    let clicked = ui
        .add_enabled(given, Button::new(w.layer_path_add))
        .clicked();
    if given && (entered || clicked) {
        draft.add_file_layer(commands);
    }
    if draft.scene.path_missing {
        colored_hint_ui(ui, t.file_missing, color::BAD);
    }
}

/// Place, size and opacity of the chosen layer.
fn place_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (t, w) = (draft.text(), draft.scene_words());
    let chosen = draft.scene.layer;
    let Some(layer) = chosen.and_then(|n| draft.settings.scene.layers.get_mut(n)) else {
        return;
    };
    let (anchor, share) = place_of(&layer.placement);
    let (mut new_anchor, mut per_cent) = (anchor, (share * 100.0).round());
    let mut opacity = (layer.opacity * 100.0).round();
    let before = (per_cent, opacity);
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            label_ui(ui, w.layer_place);
            anchor_grid(ui, &mut new_anchor, &t.anchors());
        });
        ui.vertical(|ui| {
            for (text, value, least) in [
                (w.layer_size, &mut per_cent, 5.0),
                (w.layer_opacity, &mut opacity, 0.0),
            ] {
                let label = label_ui(ui, &fill(text, &[&value.to_string()]));
                ui.scope(|ui| {
                    ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
                    ui.spacing_mut().slider_width = ui.available_width();
                    let slider = Slider::new(value, least..=100.0)
                        .clamping(SliderClamping::Never)
                        .step_by(1.0)
                        .show_value(false);
                    ui.add(slider).labelled_by(label.id);
                });
            }
        });
    });
    let resized = (per_cent - before.0).abs() > 0.1;
    let faded = (opacity - before.1).abs() > 0.1;
    if resized || new_anchor != anchor {
        // a layer that fills the picture has no corner to go to before it is smaller
        let whole = !resized && share > 0.995;
        let size = if whole { 0.3 } else { per_cent / 100.0 };
        put(&mut layer.placement, new_anchor, size);
    }
    if faded {
        layer.opacity = opacity / 100.0;
    }
    if resized || faded || new_anchor != anchor {
        draft.apply(commands);
    }
}
