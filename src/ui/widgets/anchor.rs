//! A small picture with nine places to choose from.

use eframe::egui::{Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::focus_ring;
use crate::render::overlay::spec::Anchor;
use crate::ui::theme::{color, size};

/// Nine places, row by row; `names` are theirs.
pub fn anchor_grid(ui: &mut Ui, anchor: &mut Anchor, names: &[&str; 9]) {
    let cell = vec2(26.0, 18.0);
    let (area, _) = ui.allocate_exact_size(cell * 3.0, Sense::hover());
    let frame = Stroke::new(1.0, color::LINE);
    ui.painter()
        .rect_stroke(area, size::ROUND, frame, StrokeKind::Inside);
    for (place, name) in Anchor::ALL.into_iter().zip(names) {
        let [column, row] = place.cell().map(f32::from);
        let corner = area.min + vec2(column * cell.x, row * cell.y);
        let rect = Rect::from_min_size(corner, cell);
        let id = ui.scope_id().with(("anchor", name));
        let response = ui.interact(rect.shrink(1.0), id, Sense::click());
        let chosen = *anchor == place;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, *name));
        if response.clicked() {
            *anchor = place;
        }
        let (radius, fill) = match () {
            () if chosen => (5.0, color::FOCUS),
            () if response.hovered() => (4.0, color::TEXT),
            () => (2.5, color::MUTED),
        };
        let center = pos2(rect.center().x, rect.center().y);
        ui.painter().circle_filled(center, radius, fill);
        focus_ring(ui, &response);
        response.on_hover_text(*name);
    }
}
