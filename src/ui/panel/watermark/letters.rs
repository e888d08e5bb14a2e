//! What can be chosen of a text's letters: font, style, lines, marquee, time zone, the file it is taken from; and its
//! outline, shadow and box.

use std::path::PathBuf;
use std::time::Duration;

use eframe::egui::{
    Button, CollapsingHeader, ComboBox, Margin, PopupCloseBehavior, ScrollArea, TextEdit, Ui,
};

use super::{Unit, color_ui, path_ui, slider_ui, toggle_ui};
use crate::render::overlay::spec::{Align, Background, Outline, Shadow, TextSettings};
use crate::render::overlay::text::families::families;
use crate::render::overlay::text::template::time_zone;
use crate::ui::draft::WatermarkDraft;
use crate::ui::text::Text;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui};

/// Font, style, lines, where the text comes from.
pub(super) fn letters_ui(
    text: &mut TextSettings,
    edited: &mut WatermarkDraft,
    t: &'static Text,
    ui: &mut Ui,
) {
    CollapsingHeader::new(t.watermark_letters)
        .id_salt("watermark letters")
        .show(ui, |ui| {
            font_ui(&mut text.font, &mut edited.font, t, ui);
            ui.horizontal_wrapped(|ui| {
                toggle_ui(ui, t.watermark_bold, text.bold, || text.bold = !text.bold);
                let italic = &mut text.italic;
                toggle_ui(ui, t.watermark_italic, *italic, || *italic = !*italic);
                for (align, name) in [
                    (Align::Left, t.watermark_align_left),
                    (Align::Center, t.watermark_align_center),
                    (Align::Right, t.watermark_align_right),
                ] {
                    ui.selectable_value(&mut text.align, align, name);
                }
            });
            let spacing = &mut text.line_spacing;
            slider_ui(ui, t.watermark_lines, spacing, 0.5..=3.0, Unit::Times);
            let scroll = &mut text.scroll;
            slider_ui(
                ui,
                t.watermark_scroll,
                scroll,
                -50.0..=50.0,
                Unit::PerSecond,
            );
            zone_ui(text, edited, t, ui);
            let now = text.file.clone().unwrap_or_default();
            let field = &mut edited.text_file;
            if let Some(path) = path_ui(ui, t.watermark_text_file, "*.txt", field, &now, t) {
                text.file = (path != PathBuf::new()).then_some(path);
            }
        });
}

/// Names of the system's fonts with a search field, which also takes the path of a font file.
fn font_ui(font: &mut String, search: &mut String, t: &'static Text, ui: &mut Ui) {
    /// More would take long to draw, and nobody reads them.
    const MOST: usize = 80;
    let label = label_ui(ui, t.watermark_font);
    let shown = if font.is_empty() {
        t.watermark_font_auto
    } else {
        font.as_str()
    };
    let combo = ComboBox::from_id_salt("watermark font")
        .width(ui.available_width())
        .selected_text(shown)
        .truncate()
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            let label = label_ui(ui, t.watermark_font_search);
            let field = TextEdit::singleline(search)
                .hint_text(t.watermark_font_hint)
                .desired_width(f32::INFINITY);
            ui.add(field).labelled_by(label.id);
            let wanted = search.trim().to_lowercase();
            let mut choice = None;
            if wanted.contains(['/', '\\']) && ui.button(t.watermark_font_file).clicked() {
                choice = Some(search.trim().to_owned());
            }
            let names = families();
            if names.is_none() {
                hint_ui(ui, t.watermark_font_loading);
                ui.ctx().request_repaint_after(Duration::from_millis(100));
            }
            ScrollArea::vertical().max_height(200.0).show(ui, |ui| {
                if ui
                    .selectable_label(font.is_empty(), t.watermark_font_auto)
                    .clicked()
                {
                    choice = Some(String::new());
                }
                let names = names.iter().flat_map(|names| names.iter());
                let found = names.filter(|name| name.to_lowercase().contains(&wanted));
                for name in found.take(MOST) {
                    if ui.selectable_label(font == name, name).clicked() {
                        choice = Some(name.clone());
                    }
                }
            });
            if let Some(choice) = choice {
                *font = choice;
                ui.close();
            }
        });
    combo.response.labelled_by(label.id);
}

fn zone_ui(text: &mut TextSettings, edited: &mut WatermarkDraft, t: &'static Text, ui: &mut Ui) {
    let label = label_ui(ui, t.watermark_zone);
    let field = TextEdit::singleline(&mut edited.zone)
        .hint_text(t.watermark_zone_hint)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    if ui.add(field).labelled_by(label.id).changed() {
        edited.zone_problem = time_zone(&edited.zone).err().map(|e| e.to_string());
        if edited.zone_problem.is_none() {
            edited.zone.trim().clone_into(&mut text.time_zone);
        }
    }
    if let Some(problem) = &edited.zone_problem {
        colored_hint_ui(ui, problem, color::WARN);
    }
}

/// Colours and sizes of the outline, shadow and box that are on.
pub(super) fn around_ui(text: &mut TextSettings, t: &'static Text, ui: &mut Ui) {
    let TextSettings {
        outline,
        shadow,
        background,
        ..
    } = text;
    if outline.is_none() && shadow.is_none() && background.is_none() {
        return;
    }
    CollapsingHeader::new(t.watermark_around)
        .id_salt("watermark around")
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
            if let Some(Outline { color, width }) = outline {
                color_ui(ui, t.watermark_outline_color, color);
                slider_ui(
                    ui,
                    t.watermark_outline_width,
                    width,
                    0.0..=30.0,
                    Unit::PerCent,
                );
            }
            if let Some(Shadow { color, x, y, blur }) = shadow {
                color_ui(ui, t.watermark_shadow_color, color);
                slider_ui(ui, t.watermark_shadow_x, x, -50.0..=50.0, Unit::PerCent);
                slider_ui(ui, t.watermark_shadow_y, y, -50.0..=50.0, Unit::PerCent);
                slider_ui(ui, t.watermark_shadow_blur, blur, 0.0..=50.0, Unit::PerCent);
            }
            if let Some(Background {
                color,
                padding,
                radius,
            }) = background
            {
                color_ui(ui, t.watermark_box_color, color);
                slider_ui(
                    ui,
                    t.watermark_box_padding,
                    padding,
                    0.0..=100.0,
                    Unit::PerCent,
                );
                slider_ui(
                    ui,
                    t.watermark_box_radius,
                    radius,
                    0.0..=100.0,
                    Unit::PerCent,
                );
            }
            if ui.add(Button::new(t.watermark_around_reset)).clicked() {
                *outline = outline.map(|_| Outline::default());
                *shadow = shadow.map(|_| Shadow::default());
                *background = background.map(|_| Background::default());
            }
        });
}
