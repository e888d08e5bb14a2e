//! Watermarks: the list, adding a text or an image, and the chosen one's looks: what is turned often at once, the rest
//! folded away. Every change is live.

mod letters;
mod place;

use std::path::{Path, PathBuf};

use eframe::egui::{Atoms, Button, Key, Margin, Slider, TextEdit, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::render::overlay::Watermark;
use crate::render::overlay::spec::{
    Background, Color, Content, Drift, ImageSettings, Outline, Schedule, Shadow, TextSettings,
};
use crate::ui::draft::{Draft, WatermarkDraft};
use crate::ui::text::{Text, fill};
use crate::ui::theme::{color, size};
use crate::ui::widgets::{anchor_grid, colored_hint_ui, hint_ui, label_ui, section_ui};

/// List and looks of the watermarks.
pub fn watermark_ui(_status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    section_ui(ui, t.watermark);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let before = draft.settings.scene.watermarks.clone();
    add_ui(draft, t, ui);
    list_ui(draft, t, ui);
    let Draft {
        settings,
        watermark: edited,
        ..
    } = draft;
    if let Some(chosen) = settings.scene.watermarks.get_mut(edited.chosen) {
        looks_ui(chosen, edited, t, ui);
    }
    if draft.watermark.remove {
        let watermarks = &mut draft.settings.scene.watermarks;
        watermarks.remove(draft.watermark.chosen);
        let next = draft
            .watermark
            .chosen
            .min(watermarks.len().saturating_sub(1));
        draft.watermark.choose(watermarks, next);
    }
    if draft.settings.scene.watermarks != before {
        draft.apply(commands);
    }
}

fn add_ui(draft: &mut Draft, t: &'static Text, ui: &mut Ui) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - size::GAP) / 2.0;
        let button = |text| Button::new(text).min_size([width, 0.0].into());
        let watermarks = &mut draft.settings.scene.watermarks;
        let mut add = |content| {
            watermarks.push(Watermark {
                content,
                ..Watermark::default()
            });
            draft.watermark.choose(watermarks, watermarks.len() - 1);
        };
        if ui.add(button(t.watermark_add_text)).clicked() {
            add(Content::Text(TextSettings {
                text: t.watermark_new_text.to_owned(),
                ..TextSettings::default()
            }));
        }
        if ui.add(button(t.watermark_add_image)).clicked() {
            add(Content::Image(ImageSettings::default()));
        }
    });
}

fn list_ui(draft: &mut Draft, t: &'static Text, ui: &mut Ui) {
    let watermarks = &draft.settings.scene.watermarks;
    if watermarks.len() < 2 {
        return;
    }
    let mut choice = None;
    for (i, watermark) in watermarks.iter().enumerate() {
        let text = fill(
            t.watermark_row,
            &[&(i + 1).to_string(), &name(watermark, t)],
        );
        let chosen = i == draft.watermark.chosen;
        let row = Button::selectable(chosen, Atoms::default())
            .left_text(text)
            .truncate();
        if ui.add_sized([ui.available_width(), 24.0], row).clicked() {
            choice = Some(i);
        }
    }
    if let Some(i) = choice {
        draft.watermark.choose(watermarks, i);
    }
}

/// What it says, or its file's name.
fn name(watermark: &Watermark, t: &'static Text) -> String {
    let name = match &watermark.content {
        Content::Text(text) => text.text.lines().next().unwrap_or_default().to_owned(),
        Content::Image(image) => image
            .path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    if name.is_empty() {
        t.watermark_empty.to_owned()
    } else {
        name
    }
}

fn looks_ui(watermark: &mut Watermark, edited: &mut WatermarkDraft, t: &'static Text, ui: &mut Ui) {
    match &mut watermark.content {
        Content::Text(text) => text_ui(text, edited, t, ui),
        Content::Image(image) => image_ui(image, edited, t, ui),
    }
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            label_ui(ui, t.watermark_place);
            anchor_grid(ui, &mut watermark.anchor, &t.anchors());
        });
        ui.vertical(|ui| {
            let opacity = &mut watermark.opacity;
            let mut per_cent = *opacity * 100.0;
            slider_ui(
                ui,
                t.watermark_opacity,
                &mut per_cent,
                0.0..=100.0,
                Unit::PerCent,
            );
            // compared rounded, so that a value from a file is not changed by being shown
            if (per_cent - *opacity * 100.0).abs() > 0.01 {
                *opacity = per_cent / 100.0;
            }
            let (size, range) = match &mut watermark.content {
                Content::Text(text) => (&mut text.size, 1.0..=30.0),
                Content::Image(image) => (&mut image.size, 1.0..=100.0),
            };
            slider_ui(ui, t.watermark_size, size, range, Unit::PerCent);
        });
    });
    ui.horizontal_wrapped(|ui| {
        let shown = &mut watermark.visible;
        toggle_ui(ui, t.watermark_shown, *shown, || *shown = !*shown);
        if let Content::Text(text) = &mut watermark.content {
            option_ui(ui, t.watermark_outline, &mut text.outline, Outline::default);
            option_ui(ui, t.watermark_shadow, &mut text.shadow, Shadow::default);
            let background = &mut text.background;
            option_ui(ui, t.watermark_box, background, Background::default);
        }
        option_ui(ui, t.watermark_drift, &mut watermark.drift, Drift::default);
        let schedule = &mut watermark.schedule;
        option_ui(ui, t.watermark_schedule, schedule, Schedule::default);
        if ui.button(t.watermark_remove).clicked() {
            edited.remove = true;
        }
    });
    if let Content::Text(text) = &mut watermark.content {
        letters::letters_ui(text, edited, t, ui);
        letters::around_ui(text, t, ui);
    }
    place::place_ui(watermark, t, ui);
}

fn toggle_ui(ui: &mut Ui, name: &str, on: bool, toggle: impl FnOnce()) {
    if ui.add(Button::new(name).selected(on)).clicked() {
        toggle();
    }
}

fn option_ui<T>(ui: &mut Ui, name: &str, option: &mut Option<T>, default: fn() -> T) {
    toggle_ui(ui, name, option.is_some(), || {
        *option = match option.take() {
            None => Some(default()),
            Some(_) => None,
        };
    });
}

/// What a number is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    PerCent,
    PerSecond,
    Degrees,
    Seconds,
    Minutes,
    Times,
}

impl Unit {
    const fn step(self) -> f64 {
        match self {
            Self::Times => 0.05,
            Self::Minutes => 0.5,
            _ => 1.0,
        }
    }

    fn shown(self, value: f32) -> String {
        match self {
            Self::PerCent => format!("{value:.0} %"),
            Self::PerSecond => format!("{value:.0} %/s"),
            Self::Degrees => format!("{value:.0}°"),
            Self::Seconds => format!("{value:.0} s"),
            Self::Minutes => format!("{value:.1} min"),
            Self::Times => format!("{value:.2}×"),
        }
    }
}

fn slider_ui(
    ui: &mut Ui,
    name: &str,
    value: &mut f32,
    range: std::ops::RangeInclusive<f32>,
    unit: Unit,
) {
    let label = label_ui(ui, &format!("{name}  {}", unit.shown(*value)));
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
        ui.spacing_mut().slider_width = ui.available_width();
        // a value outside, from a settings file, is shown at the end and not changed
        let slider = Slider::new(value, range)
            .clamping(eframe::egui::SliderClamping::Never)
            .step_by(unit.step())
            .show_value(false);
        ui.add(slider).labelled_by(label.id);
    });
}

fn color_ui(ui: &mut Ui, name: &str, value: &mut Color) {
    ui.horizontal(|ui| {
        let label = label_ui(ui, name);
        let mut rgba = value.0;
        if ui
            .color_edit_button_srgba_unmultiplied(&mut rgba)
            .labelled_by(label.id)
            .changed()
        {
            *value = Color(rgba);
        }
    });
}

/// The path of a file, taken when it is complete: by the button or the enter key.
fn path_ui(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    field: &mut String,
    now: &Path,
    t: &'static Text,
) -> Option<PathBuf> {
    let label = label_ui(ui, name);
    ui.horizontal(|ui| {
        let button = ui.spacing().button_padding.x * 2.0 + 40.0;
        let edit = TextEdit::singleline(field)
            .hint_text(hint)
            .desired_width(ui.available_width() - button - size::GAP)
            .margin(Margin::symmetric(8, 6));
        let response = ui.add(edit).labelled_by(label.id);
        let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let path = PathBuf::from(field.trim());
        let other = path != now;
        let used = ui
            .add_enabled(other, Button::new(t.watermark_use))
            .clicked();
        (used || (entered && other)).then_some(path)
    })
    .inner
}

fn text_ui(text: &mut TextSettings, edited: &mut WatermarkDraft, t: &'static Text, ui: &mut Ui) {
    let label = label_ui(ui, t.watermark_text);
    let field = TextEdit::multiline(&mut edited.text)
        .hint_text(t.watermark_text_hint)
        .desired_rows(2)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    if ui.add(field).labelled_by(label.id).changed() {
        // half-typed "{ti" waits for its end: it goes nowhere but into the field
        let with = TextSettings {
            text: edited.text.clone(),
            ..text.clone()
        };
        let checked = Watermark {
            content: Content::Text(with),
            ..Watermark::default()
        };
        let problem = checked
            .problems()
            .into_iter()
            .find(|p| p.field == "content.text");
        edited.problem = problem.map(|p| p.reason);
        if edited.problem.is_none() {
            edited.text.clone_into(&mut text.text);
        }
    }
    match &edited.problem {
        Some(problem) => colored_hint_ui(ui, problem, color::WARN),
        None => hint_ui(ui, t.watermark_values),
    }
    color_ui(ui, t.watermark_color, &mut text.color);
}

fn image_ui(image: &mut ImageSettings, edited: &mut WatermarkDraft, t: &'static Text, ui: &mut Ui) {
    let (field, hint) = (&mut edited.path, "PNG, JPEG, WebP, GIF");
    if let Some(path) = path_ui(ui, t.watermark_file, hint, field, &image.path, t) {
        image.path = path;
    }
}
