//! A question that only the user can answer: may the stream key go to somebody else's server?

use eframe::egui::{Button, Frame, Label, Margin, RichText, Stroke, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::text::fill;
use crate::ui::theme::{color, size, strong};

/// The question, for each destination that asks. "Stop" in its usual place says no.
pub fn redirect_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let outputs = status.stream.iter().chain(&status.more);
    for host in outputs.filter_map(|o| o.asks.as_ref()) {
        let frame = Frame::new()
            .fill(color::BAD_SURFACE)
            .stroke(Stroke::new(1.0, color::WARN))
            .corner_radius(size::ROUND_LARGE)
            .inner_margin(Margin::symmetric(12, 8));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            let title = fill(t.redirect_title, &[host]);
            ui.label(RichText::new(title).font(strong(14.0)).color(color::WARN));
            ui.add(Label::new(t.redirect_text).wrap());
            if ui.add(Button::new(t.redirect_allow)).clicked() {
                commands.push(Command::AllowRedirect(host.clone()));
            }
        });
        ui.add_space(size::GAP_SMALL);
    }
}
