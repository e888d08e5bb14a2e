//! What a recording takes: the stream's packets, or an encoder of its own; the mix, or each sound besides.

use eframe::egui::{Checkbox, Ui};

use super::encoder::{For, choice_ui, which_ui};
use crate::encode::RateControl;
use crate::encode::settings::AUTO;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::encoder_text::words;
use crate::ui::text::fill;
use crate::ui::theme::color;
use crate::ui::widgets::{colored_hint_ui, hint_ui};

/// Quality levels to choose from, best first.
const QUALITIES: [u8; 7] = [14, 16, 18, 20, 22, 24, 28];

/// For the next recording.
pub(super) fn record_quality_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let w = words(draft.language);
    let mut own = draft.settings.recording_encoder.clone();
    let mut separate = draft.settings.recording.separate_tracks;
    ui.add(Checkbox::new(&mut own.own, w.record_own))
        .on_hover_text(w.record_own_meaning);
    if own.own {
        which_ui(w, status, For::Recording, &mut own.video, ui);
        if matches!(own.video.rate_control, RateControl::Crf | RateControl::Cqp) {
            let words = ("record_quality", w.record_level, w.level_meaning);
            let text = |q: &u8| q.to_string();
            choice_ui(ui, words, &mut own.video.quality, QUALITIES, text);
        }
    }
    ui.add(Checkbox::new(&mut separate, w.record_tracks))
        .on_hover_text(w.record_tracks_meaning);
    if own != draft.settings.recording_encoder
        || separate != draft.settings.recording.separate_tracks
    {
        draft.choose_recording(own, separate, commands);
    }
    if let Some(problem) = &draft.record_problem {
        colored_hint_ui(ui, problem, color::BAD);
    }
}

/// The recording's own encoder at work.
pub(super) fn record_encoder_ui(status: &Status, draft: &Draft, ui: &mut Ui) {
    let Some(now) = &status.record_encoder else {
        return;
    };
    let w = words(draft.language);
    let name = match now.preset.as_str() {
        "" | AUTO => now.name.clone(),
        preset => format!("{} {preset}", now.name),
    };
    hint_ui(ui, &fill(w.now, &[&name, &format!("{:.1}", now.encode_ms)]));
}
