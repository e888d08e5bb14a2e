//! What can be chosen of a camera: format, size and rate, and its controls, shown while a camera is the picture; and
//! which camera lies in the corner of another picture.

use std::cmp::Reverse;

use eframe::egui::{Button, Checkbox, CollapsingHeader, ComboBox, Slider, Ui};

use crate::capture::SourceSpec;
use crate::capture::camera::CameraInfo;
use crate::capture::camera::control::{Control, ControlKind};
use crate::capture::camera::mode::{CameraMode, rate_words};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::text::{Text, fill};
use crate::ui::theme::size;
use crate::ui::widgets::{hint_ui, label_ui};

/// Format and controls of the chosen camera; nothing when no camera is chosen.
pub(super) fn camera_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let (Some(camera), Some(spec)) = (draft.camera(), draft.source()) else {
        return;
    };
    let info = status
        .video_devices
        .iter()
        .filter(|d| d.spec.is_same_device(spec))
        .find_map(|d| d.camera.as_ref());
    let source = status.sources.iter().find(|s| s.name == spec.name());
    let controls = source.map_or(&[][..], |s| s.stats.controls.as_slice());
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let mode = camera.mode;
    mode_ui(info, mode, draft, commands, ui);
    if !controls.is_empty() {
        CollapsingHeader::new(draft.text().camera_controls)
            .id_salt("camera controls")
            .show(ui, |ui| controls_ui(controls, draft, commands, ui));
    }
    ui.add_space(size::GAP_SMALL);
}

/// Which camera lies in the corner; nothing where there is no camera.
pub(super) fn corner_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let t = draft.text();
    let now = draft.corner().cloned();
    let main = draft.source();
    let cameras: Vec<_> = status
        .video_devices
        .iter()
        .filter(|d| d.camera.is_some() && main.is_none_or(|m| !m.is_same_device(&d.spec)))
        .collect();
    if cameras.is_empty() && now.is_none() {
        return;
    }
    ui.add_space(size::GAP_SMALL);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let label = label_ui(ui, t.corner);
    let is_now = |spec: &SourceSpec| now.as_ref().is_some_and(|n| n.is_same_device(spec));
    let listed = cameras.iter().find(|d| is_now(&d.spec));
    let shown = match (&now, listed) {
        (None, _) => t.corner_none.to_owned(),
        (Some(_), Some(device)) => device.name.clone(),
        (Some(spec), None) => fill(t.microphone_gone, &[&spec.name()]),
    };
    let mut choice = None;
    let combo = ComboBox::from_id_salt("corner")
        .width(ui.available_width())
        .selected_text(shown)
        .truncate()
        .show_ui(ui, |ui| {
            let none = ui.selectable_label(now.is_none(), t.corner_none);
            if none.clicked() && now.is_some() {
                choice = Some(None);
            }
            for device in cameras {
                let chosen = is_now(&device.spec);
                if ui.selectable_label(chosen, &device.name).clicked() && !chosen {
                    choice = Some(Some(device.spec.clone()));
                }
            }
        });
    combo.response.labelled_by(label.id);
    if let Some(choice) = choice {
        draft.choose_corner(choice, commands);
    }
    ui.add_space(size::GAP_SMALL);
}

fn mode_label(mode: CameraMode) -> String {
    let CameraMode { format, size, rate } = mode;
    let (width, height) = (size.width, size.height);
    format!(
        "{width}×{height}, {} fps, {}",
        rate_words(rate),
        format.name()
    )
}

fn mode_ui(
    info: Option<&CameraInfo>,
    now: Option<CameraMode>,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let t = draft.text();
    if let Some(problem) = info.and_then(|i| i.problem.as_ref()) {
        hint_ui(ui, problem);
    }
    let label = label_ui(ui, t.camera_format);
    let mut modes = info.map(|i| i.modes.clone()).unwrap_or_default();
    // largest and fastest first, as one looks for them
    modes.sort_by_key(|m| {
        let hundredths = (m.rate.as_f64() * 100.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "at most 24,000")]
        let rate = hundredths as i64;
        (Reverse(m.size.pixels()), Reverse(rate), m.format)
    });
    let text = |mode: Option<CameraMode>| mode.map_or_else(|| t.camera_auto.to_owned(), mode_label);
    let mut choice = None;
    let combo = ComboBox::from_id_salt("camera format")
        .width(ui.available_width())
        .height(320.0)
        .selected_text(text(now))
        .truncate()
        .show_ui(ui, |ui| {
            for mode in std::iter::once(None).chain(modes.into_iter().map(Some)) {
                let chosen = mode == now;
                if ui.selectable_label(chosen, text(mode)).clicked() && !chosen {
                    choice = Some(mode);
                }
            }
        });
    combo.response.labelled_by(label.id);
    if let Some(mode) = choice {
        draft.choose_camera_mode(mode, commands);
    }
}

fn controls_ui(controls: &[Control], draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    for control in controls {
        // what was just set, before the camera says so too
        let set = draft
            .camera()
            .and_then(|c| c.controls.get(&control.key).copied());
        let value = if control.inactive {
            control.value
        } else {
            set.unwrap_or(control.value)
        };
        let name = control_name(control, t);
        let changed = ui
            .add_enabled_ui(!control.inactive, |ui| control_ui(control, name, value, ui))
            .inner;
        if let Some(value) = changed {
            draft.set_camera_control(&control.key, Some(value), commands);
        }
    }
    let any = draft.camera().is_some_and(|c| !c.controls.is_empty());
    if ui.add_enabled(any, Button::new(t.camera_reset)).clicked() {
        let set: Vec<String> = draft
            .camera()
            .map(|c| c.controls.keys().cloned().collect())
            .unwrap_or_default();
        for key in set {
            draft.set_camera_control(&key, None, commands);
        }
    }
}

/// One control; the new value when it was changed.
fn control_ui(control: &Control, name: &str, now: i64, ui: &mut Ui) -> Option<i64> {
    let mut value = now;
    match &control.kind {
        ControlKind::Switch => {
            let mut on = value != 0;
            ui.add(Checkbox::new(&mut on, name));
            value = on.into();
        }
        ControlKind::Range { min, max, step } => {
            let shown = fill("{}: {}", &[name, &value.to_string()]);
            let label = label_ui(ui, &shown);
            ui.scope(|ui| {
                ui.spacing_mut().slider_width = ui.available_width();
                ui.spacing_mut().interact_size.y = 20.0; // the handle's size follows it
                #[expect(clippy::cast_precision_loss, reason = "a step of a slider")]
                let slider = Slider::new(&mut value, *min..=*max)
                    .step_by(*step as f64)
                    .show_value(false);
                ui.add(slider).labelled_by(label.id);
            });
        }
        ControlKind::Menu { items } => {
            let label = label_ui(ui, name);
            let called = |value: i64| {
                let item = items.iter().find(|i| i.value == value);
                item.map_or_else(|| value.to_string(), |i| i.name.clone())
            };
            let combo = ComboBox::from_id_salt(("camera control", &control.key))
                .width(ui.available_width())
                .selected_text(called(value))
                .truncate()
                .show_ui(ui, |ui| {
                    for item in items {
                        ui.selectable_value(&mut value, item.value, &item.name);
                    }
                });
            combo.response.labelled_by(label.id);
        }
    }
    (value != now).then(|| control.kind.nearest(value))
}

/// In the window's language where it is one that most cameras have; else as the driver calls it.
fn control_name<'c>(control: &'c Control, t: &'static Text) -> &'c str {
    match control.key.as_str() {
        "brightness" => t.ctl_brightness,
        "contrast" => t.ctl_contrast,
        "saturation" => t.ctl_saturation,
        "hue" => t.ctl_hue,
        "sharpness" => t.ctl_sharpness,
        "gamma" => t.ctl_gamma,
        "gain" => t.ctl_gain,
        "gain_automatic" => t.ctl_gain_auto,
        "white_balance_automatic" | "white_balance_temperature_auto" => t.ctl_white_auto,
        "white_balance_temperature" | "white_balance" | "whitebalance" => t.ctl_white,
        "auto_exposure" | "exposure_auto" => t.ctl_exposure_auto,
        "exposure_time_absolute" | "exposure_absolute" | "exposure" => t.ctl_exposure,
        "exposure_dynamic_framerate" | "exposure_auto_priority" => t.ctl_exposure_rate,
        "focus_automatic_continuous" | "focus_auto" => t.ctl_focus_auto,
        "focus_absolute" | "focus" => t.ctl_focus,
        "zoom_absolute" | "zoom" => t.ctl_zoom,
        "pan_absolute" | "pan" => t.ctl_pan,
        "tilt_absolute" | "tilt" => t.ctl_tilt,
        "power_line_frequency" => t.ctl_power_line,
        "backlight_compensation" | "backlightcomp" => t.ctl_backlight,
        "horizontal_flip" => t.ctl_flip_horizontal,
        "vertical_flip" => t.ctl_flip_vertical,
        _ => &control.name,
    }
}
