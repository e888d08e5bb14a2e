//! Stereo level meter in dBFS: bright bar for the mean level, line for the held peak, zones in the usual colours.

use eframe::egui::{self, Color32, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::audio::Levels;
use crate::ui::text::{Text, fill};
use crate::ui::theme::{body, color};

/// Left end of the scale.
const FLOOR_DB: f32 = -60.0;
/// Zones as broadcasters use them: speech belongs below −9, programme level around −20.
const ZONES: [(f32, f32, Color32); 3] = [
    (FLOOR_DB, -20.0, color::GOOD),
    (-20.0, -9.0, color::WARN),
    (-9.0, 0.0, Color32::from_rgb(0xFF, 0x5C, 0x5C)),
];
const TICKS: [f32; 5] = [-60.0, -40.0, -20.0, -9.0, 0.0];

/// Share of the scale at a level.
fn position(db: f32) -> f32 {
    ((db.clamp(FLOOR_DB, 0.0) - FLOOR_DB) / -FLOOR_DB).clamp(0.0, 1.0)
}

/// Draws left above right.
pub fn meter(ui: &mut Ui, levels: &Levels, muted: bool, t: &'static Text) -> Response {
    const BAR: f32 = 7.0;
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), 2.0 * BAR + 19.0), Sense::hover());
    let words = |db: f32| {
        if db <= FLOOR_DB {
            "−∞".to_owned()
        } else {
            format!("{db:.0}").replace('-', "−")
        }
    };
    let [left, right] = levels.peak_dbfs.map(words);
    let label = format!("{}: {}", t.level, fill(t.level_value, &[&left, &right]));
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    let painter = ui.painter();
    let x = |db: f32| rect.left() + position(db) * rect.width();
    for (channel, (rms, peak)) in levels.rms_dbfs.iter().zip(levels.peak_dbfs).enumerate() {
        let top = rect.top() + if channel == 0 { 0.0 } else { BAR + 3.0 };
        let strip =
            |from: f32, to: f32| Rect::from_min_max(pos2(x(from), top), pos2(x(to), top + BAR));
        for (from, to, zone) in ZONES {
            painter.rect_filled(strip(from, to), 0.0, zone.gamma_multiply(0.16));
            let lit = rms.min(to);
            if lit > from && !muted {
                painter.rect_filled(strip(from, lit), 0.0, zone);
            }
        }
        if peak > FLOOR_DB && !muted {
            let zone = ZONES
                .iter()
                .find(|(_, to, _)| peak <= *to)
                .unwrap_or(&ZONES[2]);
            painter.rect_filled(
                Rect::from_center_size(
                    pos2(x(peak).min(rect.right() - 1.0), top + BAR / 2.0),
                    vec2(2.0, BAR),
                ),
                0.0,
                zone.2,
            );
        }
    }
    for db in TICKS {
        let align = match db {
            _ if db <= FLOOR_DB => egui::Align2::LEFT_BOTTOM,
            _ if db >= 0.0 => egui::Align2::RIGHT_BOTTOM,
            _ => egui::Align2::CENTER_BOTTOM,
        };
        let text = format!("{db:.0}").replace('-', "−");
        painter.text(
            pos2(x(db), rect.bottom() + 1.0),
            align,
            text,
            body(10.5),
            color::MUTED,
        );
    }
    response
}

/// A thin strip for one input: the louder channel's mean level as a bar, its held peak as a line.
pub fn level_strip(ui: &mut Ui, levels: &Levels, name: &str) -> Response {
    const HEIGHT: f32 = 4.0;
    let size = vec2(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let louder = |both: [f32; 2]| both[0].max(both[1]);
    let (rms, peak) = (louder(levels.rms_dbfs), louder(levels.peak_dbfs));
    let value = if peak <= FLOOR_DB {
        "−∞ dB".to_owned()
    } else {
        format!("{peak:.0} dB").replace('-', "−")
    };
    let label = format!("{name}: {value}");
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &label));
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, color::RAISED);
    let x = |db: f32| rect.left() + position(db) * rect.width();
    let strip =
        |from: f32, to: f32| Rect::from_min_max(pos2(from, rect.top()), pos2(to, rect.bottom()));
    for (from, to, zone) in ZONES {
        let lit = rms.min(to);
        if lit > from {
            painter.rect_filled(strip(x(from), x(lit)), 0.0, zone);
        }
    }
    if peak > FLOOR_DB {
        let zone = ZONES.iter().find(|(_, to, _)| peak <= *to);
        let right = x(peak).max(rect.left() + 2.0);
        let tint = zone.unwrap_or(&ZONES[2]).2;
        painter.rect_filled(strip(right - 2.0, right), 0.0, tint);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_runs_from_minus_sixty_to_zero() {
        assert!((position(-120.0), position(-60.0)) == (0.0, 0.0));
        assert!((position(-30.0) - 0.5).abs() < 1e-6);
        assert!((position(3.0) - 1.0).abs() < 1e-6);
        assert!(ZONES.windows(2).all(|w| (w[0].1 - w[1].0).abs() < 1e-6));
    }
}
