//! What happened, in words: a banner for a failure, and the list, newest first.

use eframe::egui::{
    Align, Button, Color32, Frame, Label, Layout, Margin, RichText, ScrollArea, Sense, Stroke, Ui,
    vec2,
};

use crate::engine::command::Command;
use crate::engine::event::Severity;
use crate::engine::status::{EngineState, Status};
use crate::media::time::MediaTime;
use crate::ui::draft::Draft;
use crate::ui::messages::Message;
use crate::ui::text::{Text, fill};
use crate::ui::theme::{color, size, strong};
use crate::ui::widgets::{hint_ui, label_ui, section_ui, surface};

/// The failure that stands in the way, with what to do about it.
pub fn failure_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    // The event says the same as the state, and more; the state alone stays when nobody saw the event.
    let (title, detail, dismissable) = match (draft.messages.failure(), &status.engine) {
        (Some(failure), _) => (failure.subject.title(t), failure.detail.clone(), true),
        (None, EngineState::Failed { reason }) => (t.state_failed, reason.clone(), false),
        (None, _) => return,
    };
    let frame = Frame::new()
        .fill(color::BAD_SURFACE)
        .stroke(Stroke::new(1.0, color::ON_AIR))
        .corner_radius(size::ROUND_LARGE)
        .inner_margin(Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            let button = if dismissable { 84.0 } else { 0.0 };
            let width = ui.available_width() - button;
            ui.allocate_ui(vec2(width, 0.0), |ui| {
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.spacing_mut().item_spacing.y = 2.0;
                    ui.label(RichText::new(title).font(strong(14.0)).color(color::BAD));
                    ui.add(Label::new(RichText::new(detail)).wrap());
                });
            });
            if dismissable && ui.add(Button::new(t.dismiss)).clicked() {
                draft.messages.dismiss();
            }
        });
    });
    ui.add_space(size::GAP_SMALL);
}

/// The list.
pub fn messages_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    surface().show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        section_ui(ui, t.messages);
        if draft.messages.iter().next().is_none() {
            hint_ui(ui, t.messages_none);
            return;
        }
        ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
        ScrollArea::vertical()
            .auto_shrink(false)
            .min_scrolled_height(0.0)
            .show(ui, |ui| {
                for message in draft.messages.iter() {
                    message_ui(message, status.at, t, ui);
                }
            });
    });
}

const fn severity_color(severity: Severity) -> Color32 {
    match severity {
        Severity::Notice => color::GOOD,
        Severity::Degraded => color::WARN,
        Severity::Fatal => color::BAD,
    }
}

fn message_ui(message: &Message, now: MediaTime, t: &'static Text, ui: &mut Ui) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = size::GAP;
        let (dot, _) = ui.allocate_exact_size(vec2(8.0, 18.0), Sense::hover());
        ui.painter()
            .circle_filled(dot.center(), 3.5, severity_color(message.severity));
        let age_width = 64.0;
        let width = ui.available_width() - age_width - size::GAP;
        ui.allocate_ui(vec2(width, 0.0), |ui| {
            ui.vertical(|ui| {
                ui.set_width(width);
                ui.spacing_mut().item_spacing.y = 1.0;
                let mut title = message.subject.title(t).to_owned();
                if message.count > 1 {
                    title = format!("{title}  {}", fill(t.times, &[&message.count.to_string()]));
                }
                let title_color = match message.severity {
                    Severity::Notice => color::TEXT,
                    other => severity_color(other),
                };
                ui.add(Label::new(RichText::new(title).color(title_color)).wrap());
                if !message.detail.is_empty() {
                    hint_ui(ui, &message.detail);
                }
            });
        });
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            ui.add_space(size::GAP_SMALL);
            label_ui(ui, &message.age(now, t));
        });
    });
}
