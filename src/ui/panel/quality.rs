//! Size, frame rate and bitrate, as simple choices.

use eframe::egui::{ComboBox, Ui};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::{BITRATES_KBPS, Draft, Quality, is_recording};
use crate::ui::theme::size;
use crate::ui::widgets::{hint_ui, label_ui, section_ui};

/// Size, frame rate, bitrate.
pub fn quality_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    // A change of size opens the encoder anew: viewers of many services then see a break.
    let encoding =
        status.engine.is_on() || status.engine == EngineState::Stopping || is_recording(status);
    section_ui(ui, t.quality);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let label = label_ui(ui, t.size);
    let (size_now, rate_now) = (draft.settings.video.size, draft.settings.video.fps);
    let mut quality = None;
    ui.add_enabled_ui(!encoding, |ui| {
        let combo = ComboBox::from_id_salt("size")
            .width(ui.available_width())
            .height(320.0)
            .selected_text(Quality::label(size_now, rate_now))
            .show_ui(ui, |ui| {
                for choice in Quality::choices() {
                    let chosen = (choice.size, choice.rate) == (size_now, rate_now);
                    let text = Quality::label(choice.size, choice.rate);
                    if ui.selectable_label(chosen, text).clicked() {
                        ui.close(); // by keyboard it would stay open
                        quality = (!chosen).then_some(choice);
                    }
                }
            });
        combo.response.labelled_by(label.id);
    });
    if let Some(quality) = quality {
        draft.choose_quality(quality, commands);
    }
    let label = label_ui(ui, t.bitrate_choice);
    let kbps_now = draft.settings.encoder.bitrate_kbps;
    let mut bitrate = None;
    let combo = ComboBox::from_id_salt("bitrate")
        .width(ui.available_width())
        .height(320.0)
        .selected_text(format!("{kbps_now} kbit/s"))
        .show_ui(ui, |ui| {
            for kbps in BITRATES_KBPS {
                let text = format!("{kbps} kbit/s");
                if ui.selectable_label(kbps == kbps_now, text).clicked() {
                    ui.close();
                    bitrate = (kbps != kbps_now).then_some(kbps);
                }
            }
        });
    combo.response.labelled_by(label.id);
    if let Some(kbps) = bitrate {
        draft.choose_bitrate(kbps, encoding, commands);
    }
    if encoding {
        let live = status.engine.is_on() || status.engine == EngineState::Stopping;
        let text = if live {
            t.quality_locked
        } else {
            t.quality_locked_recording
        };
        hint_ui(ui, text);
    }
}
