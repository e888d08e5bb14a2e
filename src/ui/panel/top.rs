//! Top bar: the name, where the show stands, the language.

use eframe::egui::{Align, Button, Layout, RichText, Ui, pos2, vec2};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::Draft;
use crate::ui::messages::clock;
use crate::ui::text::{Language, fill};
use crate::ui::theme::{color, strong};
use crate::ui::widgets::{colored_hint_ui, status_pill};

/// Top bar.
pub fn top_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let (mark, _) = ui.allocate_exact_size(vec2(20.0, 20.0), eframe::egui::Sense::hover());
        // The mark: a record dot within the corner of a frame.
        ui.painter()
            .circle_stroke(mark.center(), 9.0, (2.0, color::TEXT));
        ui.painter()
            .circle_filled(pos2(mark.center().x, mark.center().y), 4.5, color::ON_AIR);
        ui.label(RichText::new("Kaibo").font(strong(17.0)));
        if draft.chinese_font {
            ui.label(RichText::new("开播").font(strong(15.0)).color(color::MUTED));
        }
        ui.add_space(12.0);
        state_ui(status, draft, ui);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for language in Language::ALL.into_iter().rev() {
                let usable = language == Language::English || draft.chinese_font;
                let name = if usable { language.name() } else { "Chinese" };
                let button = Button::selectable(draft.language == language, name);
                let response = ui
                    .add_enabled(usable, button)
                    .on_disabled_hover_text(t.no_chinese_font);
                if response.clicked() {
                    draft.choose_language(language, commands);
                }
            }
            if !draft.chinese_font && Language::of_system() == Language::Chinese {
                ui.add_space(8.0);
                colored_hint_ui(ui, t.no_chinese_font, color::WARN);
            }
        });
    });
}

fn state_ui(status: &Status, draft: &Draft, ui: &mut Ui) {
    let t = draft.text();
    let plain =
        |ui: &mut Ui, text: &str, dot| status_pill(ui, text, color::RAISED, dot, color::TEXT);
    match &status.engine {
        EngineState::Previewing => plain(ui, t.state_off, color::MUTED),
        EngineState::Connecting => plain(ui, t.state_connecting, color::WARN),
        EngineState::Stopping => plain(ui, t.state_stopping, color::WARN),
        EngineState::Failed { .. } => plain(ui, t.state_failed, color::BAD),
        EngineState::Live { since } => {
            let text = format!(
                "{}  {}",
                t.state_live,
                clock(status.at.saturating_since(*since))
            );
            status_pill(ui, &text, color::ON_AIR, color::ON_ON_AIR, color::ON_ON_AIR);
        }
        EngineState::Reconnecting { attempt, retry_at } => {
            let wait = retry_at.saturating_since(status.at).as_secs_f32().ceil();
            let attempt = attempt.to_string();
            let text = if wait > 0.0 {
                fill(t.state_reconnecting_in, &[&attempt, &format!("{wait:.0}")])
            } else {
                fill(t.state_reconnecting_now, &[&attempt])
            };
            status_pill(ui, &text, color::RAISED, color::WARN, color::WARN);
        }
    }
}
