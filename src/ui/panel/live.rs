//! The two switches: live and recording.

use eframe::egui::{Button, Ui, vec2};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::{Draft, is_recording};
use crate::ui::messages::clock;
use crate::ui::theme::size;
use crate::ui::widgets::{WideButton, wide_button};

/// Go live and Record.
pub fn live_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    ui.spacing_mut().item_spacing.y = size::GAP;
    ui.add_space(size::GAP);
    record_ui(status, draft, commands, ui);
    if matches!(status.engine, EngineState::Reconnecting { .. }) {
        let wide = vec2(ui.available_width(), size::CONTROL);
        if ui.add_sized(wide, Button::new(t.retry_now)).clicked() {
            commands.push(Command::RetryNow);
        }
    }
    let mut time = None;
    let (look, text) = match &status.engine {
        EngineState::Previewing | EngineState::Failed { .. } => (WideButton::Start, t.go_live),
        EngineState::Connecting => (WideButton::Cancel, t.cancel_connect),
        EngineState::Live { since } => {
            time = Some(clock(status.at.saturating_since(*since)));
            (WideButton::OnAir, t.stop)
        }
        EngineState::Reconnecting { .. } => (WideButton::OnAir, t.stop),
        EngineState::Stopping => (WideButton::Waiting, t.stopping),
    };
    let response = wide_button(ui, look, text, time.as_deref());
    // the second click of a double click would take back what the first one did
    if response.clicked() && !response.double_clicked() && !response.triple_clicked() {
        if status.engine.is_on() {
            commands.push(Command::StopStream);
        } else {
            draft.go_live(commands);
        }
    }
}

fn record_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let recording = is_recording(status);
    let (look, text) = if recording {
        (WideButton::Recording, t.record_stop)
    } else {
        (WideButton::Record, t.record)
    };
    let file = status.recording.as_ref().filter(|_| recording);
    let written = file.map(|f| {
        let time = status.record.as_ref().map_or(0, |r| r.recorded_ms);
        let time = clock(std::time::Duration::from_millis(time));
        format!("{time}  {} MB", f.sent_bytes / 1_000_000)
    });
    let mut response = wide_button(ui, look, text, written.as_deref());
    if let Some(file) = file {
        response = response.on_hover_text(&file.target);
    }
    if response.clicked() && !response.double_clicked() && !response.triple_clicked() {
        draft.toggle_recording(recording, commands);
    }
}
