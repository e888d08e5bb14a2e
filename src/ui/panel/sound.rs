//! Sound: which sounds, and the mix.

use eframe::egui::Ui;

use super::listen::listen_ui;
use super::master::master_ui;
use super::sounds::sounds_ui;
use super::talk::talk_ui;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::text::{Text, fill};
use crate::ui::theme::size;
use crate::ui::widgets::{label_ui, section_ui};

/// The sounds and the mix.
pub fn sound_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    section_ui(ui, t.sound);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let before = draft.settings.audio.clone();
    sounds_ui(status, draft, ui);
    talk_ui(draft, commands, ui);
    ui.add_space(size::GAP_SMALL);
    master_ui(status, draft, commands, ui);
    drift_ui(status, t, ui);
    listen_ui(status, draft, ui);
    if draft.settings.audio != before {
        draft.apply(commands);
    }
}

/// Said where it is worth knowing: a sound card whose clock is really off.
fn drift_ui(status: &Status, t: &Text, ui: &mut Ui) {
    let drifts = status.audio.inputs.iter().filter_map(|i| i.drift_ppm);
    let Some(ppm) = drifts.max_by(|a, b| a.abs().total_cmp(&b.abs())) else {
        return;
    };
    if ppm.abs() >= 1.0 {
        // a slow clock is behind: people call that minus
        label_ui(ui, &fill(t.drift, &[&format!("{:+.0}", -ppm)])).on_hover_text(t.drift_help);
    }
}
