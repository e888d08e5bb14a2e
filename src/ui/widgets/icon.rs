//! Icons out of a few strokes, so that they follow text colour and scale and need no font.

use eframe::egui::{Color32, Painter, Pos2, Rect, Stroke, StrokeKind, pos2, vec2};

use crate::capture::SourceSpec;

/// What an icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// Colour bars.
    TestPattern,
    /// A monitor.
    Screen,
    /// A camera with its lens.
    Camera,
    /// A sheet with a play mark.
    File,
    /// An eye.
    Eye,
}

impl Icon {
    /// The icon of a source.
    pub const fn of(source: &SourceSpec) -> Self {
        match source {
            SourceSpec::Test {} => Self::TestPattern,
            SourceSpec::Screen(_) => Self::Screen,
            SourceSpec::Camera(_) => Self::Camera,
            SourceSpec::File(_) | SourceSpec::Still(_) | SourceSpec::Color(_) => Self::File,
        }
    }

    /// Draws it 16 points wide around `center`.
    pub fn paint(self, painter: &Painter, center: Pos2, color: Color32) {
        let stroke = Stroke::new(1.4, color);
        let frame = Rect::from_center_size(center, vec2(16.0, 12.0));
        let outline = |rect: Rect| {
            painter.rect_stroke(rect, 2.0, stroke, StrokeKind::Middle);
        };
        match self {
            Self::TestPattern => {
                outline(frame);
                for i in 1_u8..4 {
                    let x = frame.left() + 4.0 * f32::from(i);
                    painter.vline(x, frame.y_range(), stroke);
                }
            }
            Self::Screen => {
                outline(frame.translate(vec2(0.0, -1.5)));
                painter.hline(center.x - 4.0..=center.x + 4.0, center.y + 7.0, stroke);
                painter.vline(center.x, center.y + 4.5..=center.y + 7.0, stroke);
            }
            Self::Camera => {
                let body = Rect::from_min_max(
                    pos2(center.x - 8.0, center.y - 5.0),
                    pos2(center.x + 3.0, center.y + 5.0),
                );
                outline(body);
                painter.line(
                    vec![
                        pos2(center.x + 3.0, center.y - 1.0),
                        pos2(center.x + 8.0, center.y - 4.0),
                        pos2(center.x + 8.0, center.y + 4.0),
                        pos2(center.x + 3.0, center.y + 1.0),
                    ],
                    stroke,
                );
            }
            Self::File => {
                outline(frame);
                let tip = pos2(center.x + 3.5, center.y);
                let back = center.x - 2.0;
                painter.line(
                    vec![
                        pos2(back, center.y - 3.0),
                        tip,
                        pos2(back, center.y + 3.0),
                        pos2(back, center.y - 3.0),
                    ],
                    stroke,
                );
            }
            Self::Eye => {
                let corner = |dx: f32, dy: f32| pos2(center.x + dx, center.y + dy);
                let lid = |side: f32| {
                    vec![
                        corner(-7.5, 0.0),
                        corner(-4.0, 3.6 * side),
                        corner(0.0, 4.8 * side),
                        corner(4.0, 3.6 * side),
                        corner(7.5, 0.0),
                    ]
                };
                painter.line(lid(1.0), stroke);
                painter.line(lid(-1.0), stroke);
                painter.circle_filled(center, 2.2, color);
            }
        }
    }
}
