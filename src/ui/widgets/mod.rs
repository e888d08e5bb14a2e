//! Small parts the panels are made of. Drawn with egui's painter; each takes what it shows and returns a response.

mod anchor;
mod controls;
mod graph;
mod icon;
mod loudness;
mod meter;

pub use anchor::anchor_grid;
pub use controls::{WideButton, choice_row, reveal_button, status_pill, wide_button};
pub use graph::graph;
pub use icon::Icon;
pub use loudness::loudness_bar;
pub use meter::{level_strip, meter};

use eframe::egui::{self, Align, Button, Color32, Frame, Layout, Margin, RichText, Stroke, Ui};

use super::theme::{color, size, strong};

/// A group's heading.
pub fn section_ui(ui: &mut Ui, title: &str) {
    heading_ui(ui, |ui| title_ui(ui, title));
}

/// A group's heading with a small action at its right end. Returns whether that was clicked.
pub fn section_with_action_ui(ui: &mut Ui, title: &str, action: &str) -> bool {
    heading_ui(ui, |ui| {
        title_ui(ui, title);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().button_padding = egui::vec2(6.0, 2.0);
            let text = RichText::new(action).small().color(color::MUTED);
            ui.add(Button::new(text).frame_when_inactive(false))
                .clicked()
        })
        .inner
    })
}

fn heading_ui<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 20.0; // the row's height
        ui.horizontal(contents).inner
    })
    .inner
}

fn title_ui(ui: &mut Ui, title: &str) {
    ui.add(egui::Label::new(
        RichText::new(title).font(strong(13.5)).color(color::TEXT),
    ));
}

/// A label above or beside a field. Its response names the field: `field.labelled_by(label.id)`.
pub fn label_ui(ui: &mut Ui, text: &str) -> egui::Response {
    ui.label(RichText::new(text).small().color(color::MUTED))
}

/// A line of help.
pub fn hint_ui(ui: &mut Ui, text: &str) {
    colored_hint_ui(ui, text, color::MUTED);
}

/// A line of help in another colour.
pub fn colored_hint_ui(ui: &mut Ui, text: &str, text_color: Color32) {
    ui.add(egui::Label::new(RichText::new(text).small().color(text_color)).wrap());
}

/// An outline that sets its contents apart. Not filled, as nothing large is: software adapters pay for each pixel.
pub fn surface() -> Frame {
    Frame::new()
        .stroke(Stroke::new(1.0, color::LINE))
        .corner_radius(size::ROUND_LARGE)
        .inner_margin(Margin::symmetric(10, 8))
}

/// The keyboard's focus on a widget drawn by hand.
pub(super) fn focus_ring(ui: &Ui, response: &egui::Response) {
    if response.has_focus() {
        ui.painter().rect_stroke(
            response.rect.expand(1.0),
            size::ROUND,
            Stroke::new(size::FOCUS_RING, color::FOCUS),
            egui::StrokeKind::Outside,
        );
    }
}
