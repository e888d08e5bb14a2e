//! The two switches: live and recording.

use eframe::egui::{Button, RichText, Stroke, Ui, vec2};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::{Draft, is_recording};
use crate::ui::messages::clock;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{BigButton, big_button};

/// Go live and Record.
pub fn live_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    ui.spacing_mut().item_spacing.y = size::GAP;
    ui.add_space(size::GAP);
    record_ui(status, draft, commands, ui);
    let mut time = None;
    let (look, text) = match &status.engine {
        EngineState::Previewing | EngineState::Failed { .. } => (BigButton::Start, t.go_live),
        EngineState::Connecting => (BigButton::Cancel, t.cancel_connect),
        EngineState::Live { since } => {
            time = Some(clock(status.at.saturating_since(*since)));
            (BigButton::OnAir, t.stop)
        }
        EngineState::Reconnecting { .. } => (BigButton::OnAir, t.stop),
        EngineState::Stopping => (BigButton::Waiting, t.stopping),
    };
    if big_button(ui, look, text, time.as_deref()).clicked() {
        if status.engine.is_on() {
            commands.push(Command::StopStream);
        } else {
            draft.go_live(commands);
        }
    }
}

fn record_ui(status: &Status, draft: &Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let recording = is_recording(status);
    let text = if recording { t.record_stop } else { t.record };
    let mut button = Button::new(RichText::new(text)).min_size(vec2(ui.available_width(), 34.0));
    if recording {
        button = button.stroke(Stroke::new(1.5, color::ON_AIR));
    }
    let response = ui.add(button);
    if let Some(recording) = &status.recording {
        response.clone().on_hover_text(&recording.target);
    }
    if response.clicked() {
        draft.toggle_recording(recording, commands);
    }
}
