//! The whole mix: level with clip mark, loudness against its target, and what ducking and the limiter do now.

use eframe::egui::{Button, CollapsingHeader, RichText, Ui};

use super::chain::{stage_ui, turned_down_ui};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::media::SourceId;
use crate::ui::draft::Draft;
use crate::ui::sound_text::sound_word;
use crate::ui::theme::color;
use crate::ui::widgets::{label_ui, loudness_bar, meter};

/// Stands for the mix among the clip marks that were cleared: the renderer's own id, which no sound has.
const MIX: SourceId = SourceId(0);

/// Level, loudness, and the folded part with the processors of the mix.
pub(super) fn master_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let (t, language) = (draft.text(), draft.language);
    ui.horizontal(|ui| {
        label_ui(ui, t.level);
        clip_ui(ui, draft, MIX, status.audio.clipped);
    });
    // The meter shows the mix: a muted microphone does not silence the sound of a file.
    meter(ui, &status.audio.levels, false, t);
    if let Some(loudness) = &status.audio.loudness {
        let target = draft.settings.audio.master.loudness.target_lufs;
        loudness_bar(ui, language, loudness, target);
    }
    CollapsingHeader::new(sound_word(language, "mix"))
        .id_salt("whole mix")
        .show(ui, |ui| {
            for stage in draft.settings.audio.master.stages() {
                let (name, on) = (stage.name, *stage.on);
                stage_ui(ui, language, stage);
                match name {
                    "ducking" => turned_down_ui(ui, language, status.audio.ducking_db),
                    "limiter" => turned_down_ui(ui, language, status.audio.limiter_db),
                    "loudness" if on && ui.button(sound_word(language, "reset")).clicked() => {
                        commands.push(Command::ResetLoudness);
                    }
                    _ => {}
                }
            }
        });
}

/// A mark that stays until it is clicked, once something was at full scale.
pub(super) fn clip_ui(ui: &mut Ui, draft: &mut Draft, of: SourceId, clipped: u64) {
    let seen = draft.clips_seen.get(&of).copied().unwrap_or(0);
    // a count that went down is that of a new audio stage
    if clipped == 0 || clipped == seen {
        return;
    }
    let word = RichText::new(sound_word(draft.language, "clip"))
        .small()
        .color(color::ON_ON_AIR);
    let button = ui.push_id(("clip", of), |ui| {
        ui.add(Button::new(word).fill(color::ON_AIR).small())
    });
    let help = sound_word(draft.language, "clip.help");
    if button.inner.on_hover_text(help).clicked() {
        draft.clips_seen.insert(of, clipped);
    }
}
