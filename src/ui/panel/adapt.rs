//! How the bitrate follows the link: on or off, its character, its floor; on air, what it is now and why.

use eframe::egui::{Checkbox, ComboBox, Ui};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::output::adapt::{AdaptPreset, Decision, Reason};
use crate::ui::draft::Draft;
use crate::ui::text::{Text, fill};
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, label_ui, section_ui};

/// Floors to choose from, kbit/s.
const FLOORS_KBPS: [u32; 6] = [100, 200, 400, 800, 1200, 2000];

/// Adaptive bitrate. Everything in it works while live.
pub fn adapt_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    section_ui(ui, t.adapt);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    if let Some(decision) = status.stream.as_ref().and_then(|s| s.adapt) {
        now_ui(t, &decision, ui);
    }
    let mut adapt = draft.settings.stream.adapt;
    ui.add(Checkbox::new(&mut adapt.enabled, t.adapt_follow));
    if adapt.enabled {
        let label = label_ui(ui, t.adapt_preset);
        let combo = ComboBox::from_id_salt("adapt_preset")
            .width(ui.available_width())
            .selected_text(preset_name(t, adapt.preset))
            .show_ui(ui, |ui| {
                for preset in AdaptPreset::ALL {
                    ui.selectable_value(&mut adapt.preset, preset, preset_name(t, preset));
                }
            });
        combo.response.labelled_by(label.id);
        let label = label_ui(ui, t.adapt_floor);
        let combo = ComboBox::from_id_salt("adapt_floor")
            .width(ui.available_width())
            .selected_text(format!("{} kbit/s", adapt.floor_kbps))
            .show_ui(ui, |ui| {
                for kbps in FLOORS_KBPS {
                    ui.selectable_value(&mut adapt.floor_kbps, kbps, format!("{kbps} kbit/s"));
                }
            });
        combo.response.labelled_by(label.id);
        ui.add(Checkbox::new(&mut adapt.shrink, t.adapt_shrink))
            .on_hover_text(t.adapt_shrink_hint);
    }
    if adapt != draft.settings.stream.adapt {
        draft.settings.stream.adapt = adapt;
        draft.apply(commands);
    }
}

fn now_ui(t: &Text, decision: &Decision, ui: &mut Ui) {
    let rate = decision.bitrate.kbps().to_string();
    let mut text = fill(t.adapt_now, &[&rate, reason(t, decision.reason)]);
    if decision.half_rate {
        text.push_str(t.adapt_half);
    }
    if decision.half_size {
        text.push_str(t.adapt_small);
    }
    let tone = match decision.reason {
        Reason::Silent | Reason::Floor => color::BAD,
        Reason::Congested | Reason::ServerSlow => color::WARN,
        Reason::Full => color::GOOD,
        Reason::Start
        | Reason::Climbing
        | Reason::Holding
        | Reason::Probing
        | Reason::QuietScene => color::MUTED,
    };
    colored_hint_ui(ui, &text, tone);
}

const fn preset_name(t: &Text, preset: AdaptPreset) -> &'static str {
    match preset {
        AdaptPreset::Steady => t.adapt_steady,
        AdaptPreset::Balanced => t.adapt_balanced,
        AdaptPreset::Lively => t.adapt_lively,
    }
}

const fn reason(t: &Text, reason: Reason) -> &'static str {
    match reason {
        Reason::Start => t.adapt_start,
        Reason::Full => t.adapt_full,
        Reason::Climbing => t.adapt_climbing,
        Reason::Holding => t.adapt_holding,
        Reason::Probing => t.adapt_probing,
        Reason::QuietScene => t.adapt_quiet,
        Reason::Congested => t.adapt_congested,
        Reason::ServerSlow => t.adapt_server,
        Reason::Silent => t.adapt_silent,
        Reason::Floor => t.adapt_at_floor,
    }
}
