//! Asked before the window closes on a running stream or recording.

use eframe::egui::{Button, Color32, Frame, Id, Key, Label, Margin, Modal, RichText, Stroke, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::{Draft, is_recording};
use crate::ui::theme::{color, size, strong};

/// The question; does nothing unless [`Draft::ask_quit`].
pub fn quit_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &Ui) {
    if !draft.ask_quit {
        return;
    }
    let t = draft.text();
    let (title, text) = if status.engine.is_on() && is_recording(status) {
        (t.quit_title, t.quit_both_text)
    } else if status.engine.is_on() {
        (t.quit_title, t.quit_text)
    } else {
        (t.quit_recording_title, t.quit_recording_text)
    };
    let frame = Frame::new()
        .fill(color::BACKGROUND)
        .stroke(Stroke::new(1.0, color::LINE))
        .corner_radius(size::ROUND_LARGE)
        .inner_margin(Margin::same(18));
    let modal = Modal::new(Id::unique("quit"))
        .frame(frame)
        // a software adapter pays for each dimmed pixel of each repaint, and the stream goes on meanwhile
        .backdrop_color(Color32::TRANSPARENT)
        .show(ui.ctx(), |ui| {
            ui.set_width(340.0);
            ui.label(RichText::new(title).font(strong(16.0)));
            ui.add(Label::new(RichText::new(text).color(color::MUTED)).wrap());
            ui.add_space(size::GAP_LARGE);
            ui.horizontal(|ui| {
                if ui.add(Button::new(t.quit_no)).clicked() {
                    draft.ask_quit = false;
                }
                let end = Button::new(RichText::new(t.quit_yes).color(color::ON_ON_AIR))
                    .fill(color::ON_AIR);
                if ui.add(end).clicked() {
                    draft.ask_quit = false;
                    draft.quit = true;
                }
            });
        });
    if modal.should_close() || ui.input(|i| i.key_pressed(Key::Escape)) {
        draft.ask_quit = false;
    }
}
