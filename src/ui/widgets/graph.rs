//! A line over the last minute, newest at the right.

use eframe::egui::{
    Color32, Mesh, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo, lerp, pos2, vec2,
};

use crate::ui::theme::color;

/// Draws `points` (age as a share of the minute, value) on a scale from 0 to at least `scale`.
pub fn graph(
    ui: &mut Ui,
    name: &str,
    points: &[(f32, u32)],
    scale: u32,
    line: Color32,
) -> Response {
    let size = vec2(
        ui.available_width(),
        ui.available_height().clamp(16.0, 26.0),
    );
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let painter = ui.painter();
    painter.hline(
        rect.x_range(),
        rect.bottom() - 0.5,
        Stroke::new(1.0, color::LINE),
    );
    let top = points
        .iter()
        .map(|p| p.1)
        .max()
        .unwrap_or(0)
        .max(scale)
        .max(1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share of a few points of height"
    )]
    let place = |&(age, value): &(f32, u32)| {
        let share = value as f32 / top as f32;
        pos2(
            lerp(rect.right()..=rect.left(), age.clamp(0.0, 1.0)),
            lerp(rect.bottom() - 1.0..=rect.top() + 1.0, share),
        )
    };
    let line_points: Vec<_> = points.iter().map(place).collect();
    if line_points.len() < 2 {
        return response;
    }
    let mut area = Mesh::default();
    let shade = line.gamma_multiply(0.18);
    for (i, point) in (0_u32..).zip(&line_points) {
        area.colored_vertex(*point, shade);
        area.colored_vertex(pos2(point.x, rect.bottom() - 1.0), shade);
        if i > 0 {
            let n = i * 2;
            area.add_triangle(n - 2, n - 1, n);
            area.add_triangle(n - 1, n, n + 1);
        }
    }
    painter.add(Shape::mesh(area));
    painter.line(line_points, Stroke::new(1.5, line));
    response
}
