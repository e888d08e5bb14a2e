//! The large preview of what viewers see.

use eframe::egui::{self, Align2, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::Draft;
use crate::ui::preview::letterbox;
use crate::ui::theme::{body, color, size};

/// Preview; fills the space it is given.
pub fn picture_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let (area, response) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, t.preview));
    let resolution = draft.settings.video.size;
    #[expect(clippy::cast_precision_loss, reason = "sides are below 2^24")]
    let nominal = egui::vec2(resolution.width as f32, resolution.height as f32);
    let size = draft.picture.as_ref().map_or(nominal, |p| p.size);
    let frame = letterbox(area, size);
    if let Some(picture) = &draft.picture {
        picture.paint(ui.painter(), frame);
        if draft.compares() {
            // where the picture before the filters ends
            let stroke = Stroke::new(2.0, egui::Color32::WHITE);
            ui.painter()
                .vline(frame.center().x, frame.y_range(), stroke);
        }
    } else {
        let painter = ui.painter();
        painter.rect_filled(frame, 0.0, egui::Color32::BLACK);
        let text = t.preview_starting;
        painter.text(
            frame.center(),
            Align2::CENTER_CENTER,
            text,
            body(14.0),
            color::MUTED,
        );
    }
    let border = match status.engine {
        EngineState::Live { .. } => Some(Stroke::new(3.0, color::ON_AIR)),
        EngineState::Reconnecting { .. } => Some(Stroke::new(3.0, color::WARN)),
        _ => None,
    };
    if let Some(border) = border {
        ui.painter()
            .rect_stroke(frame, 2.0, border, StrokeKind::Outside);
    }
    drop_ui(draft, commands, frame, ui);
}

/// Files dropped anywhere on the window become the picture.
fn drop_ui(draft: &mut Draft, commands: &mut Vec<Command>, frame: egui::Rect, ui: &Ui) {
    let (hovering, dropped) = ui.input(|i| {
        let dropped = i.raw.dropped_files.first().map(|f| f.path().to_owned());
        (!i.raw.hovered_files.is_empty(), dropped)
    });
    if hovering {
        let painter = ui.painter();
        painter.rect_filled(frame, size::ROUND, color::BACKGROUND.gamma_multiply(0.85));
        let ring = Stroke::new(size::FOCUS_RING, color::FOCUS);
        painter.rect_stroke(frame, size::ROUND, ring, StrokeKind::Inside);
        let text = draft.text().file_drop_here;
        painter.text(
            frame.center(),
            Align2::CENTER_CENTER,
            text,
            body(16.0),
            color::TEXT,
        );
    }
    if let Some(path) = dropped {
        draft.choose_file(&path, commands);
    }
}
