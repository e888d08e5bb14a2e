//! Where the stream goes: address, key, and the watch page when it goes to this computer.

use std::time::Duration;

use eframe::egui::{Button, Checkbox, Id, Margin, OpenUrl, RichText, TextEdit, Ui};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::output::OutputState;
use crate::ui::draft::Draft;
use crate::ui::text::fill;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui, reveal_button, section_ui, surface};

/// Address, key, watch page.
pub fn destination_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let editable = !status.engine.is_on() && status.engine != EngineState::Stopping;
    section_ui(ui, t.destination);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    ui.add_enabled_ui(editable, |ui| address_ui(draft, editable, ui));
    key_ui(draft, editable, ui);
    trust_ui(draft, editable, ui);
    if let Some(url) = &status.watch_url {
        watch_ui(url, draft, ui);
    }
    more_ui(status, draft, ui);
}

/// How further destinations are, one line each; they are given on the command line.
fn more_ui(status: &Status, draft: &Draft, ui: &mut Ui) {
    let t = draft.text();
    for more in &status.more {
        if more.state == OutputState::Live {
            let kbps = more.kbps.to_string();
            hint_ui(ui, &fill(t.more_live, &[&more.target, &kbps]));
        } else {
            colored_hint_ui(ui, &fill(t.more_waits, &[&more.target]), color::WARN);
        }
    }
}

fn address_ui(draft: &mut Draft, editable: bool, ui: &mut Ui) {
    let t = draft.text();
    let label = label_ui(ui, t.address);
    let before = draft.address.len();
    let field = TextEdit::singleline(&mut draft.address)
        .hint_text(t.address_hint)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    let response = ui.add(field).labelled_by(label.id);
    if response.changed() {
        draft.key_taken = false;
        draft.address_problem = None;
        // trust was given to the server that stood here
        draft.settings.stream.trust_any_certificate = false;
        draft.login = None;
    }
    // More than one letter at once is a paste; a typed key stays in sight until the address is complete.
    let pasted = response.changed() && draft.address.len() > before + 4;
    if pasted || response.lost_focus() {
        draft.split_address();
    }
    if !editable {
        return; // nothing to advise on now
    }
    if let Some(problem) = &draft.address_problem {
        colored_hint_ui(ui, problem, color::BAD);
    } else if draft.address.trim().is_empty() {
        hint_ui(ui, t.address_builtin);
    } else if draft.key_taken {
        colored_hint_ui(ui, t.key_taken, color::GOOD);
    }
    if draft.login.is_some() {
        colored_hint_ui(ui, t.login_taken, color::GOOD);
    }
}

fn key_ui(draft: &mut Draft, editable: bool, ui: &mut Ui) {
    let t = draft.text();
    let label = label_ui(ui, t.key);
    ui.horizontal(|ui| {
        let reveal_width = size::CONTROL + 4.0 + size::GAP;
        let field = TextEdit::singleline(&mut draft.key)
            .hint_text(t.key_hint)
            .password(!draft.key_shown)
            .desired_width(ui.available_width() - reveal_width)
            .margin(Margin::symmetric(8, 6));
        ui.add_enabled(editable, field).labelled_by(label.id);
        draft.key_shown = reveal_button(ui, t.key_reveal);
    });
    if editable && !draft.key.is_empty() {
        hint_ui(ui, t.key_memory);
    }
}

/// Copies the link, and says so for a moment.
fn copy_ui(url: &str, draft: &Draft, ui: &mut Ui) {
    const SAID: f64 = 2.0;
    let t = draft.text();
    let id = Id::unique("link copied at");
    let now = ui.input(|i| i.time);
    let copied_at = ui.data(|d| d.get_temp::<f64>(id));
    let text = match copied_at {
        Some(at) if now - at < SAID => t.watch_copied,
        _ => t.watch_copy,
    };
    if ui.add(Button::new(text)).clicked() {
        ui.ctx().copy_text(url.to_owned());
        ui.data_mut(|d| d.insert_temp(id, now));
        ui.ctx()
            .request_repaint_after(Duration::from_secs_f64(SAID + 0.1));
    }
}

/// Shown for encrypted addresses only.
fn trust_ui(draft: &mut Draft, editable: bool, ui: &mut Ui) {
    let address = draft.address.trim_start().get(..8);
    if !address.is_some_and(|a| a.eq_ignore_ascii_case("rtmps://")) {
        return;
    }
    let t = draft.text();
    let trust = &mut draft.settings.stream.trust_any_certificate;
    ui.add_enabled(editable, Checkbox::new(trust, t.trust_any));
    if *trust {
        colored_hint_ui(ui, t.trust_any_hint, color::WARN);
    }
}

fn watch_ui(url: &str, draft: &Draft, ui: &mut Ui) {
    let t = draft.text();
    ui.add_space(size::GAP_SMALL);
    surface().show(ui, |ui| {
        ui.set_width(ui.available_width());
        label_ui(ui, t.watch);
        ui.add(
            eframe::egui::Label::new(
                RichText::new(url.trim_start_matches("http://")).color(color::FOCUS),
            )
            .truncate(),
        );
        ui.horizontal(|ui| {
            if ui.add(Button::new(t.watch_open)).clicked() {
                ui.ctx().open_url(OpenUrl::new_tab(url));
            }
            copy_ui(url, draft, ui);
        });
    });
}
