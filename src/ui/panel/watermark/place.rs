//! Where a watermark lies and when: margins, rotation, blending, drift, schedule.

use eframe::egui::{CollapsingHeader, ComboBox, Ui};

use super::{Unit, slider_ui};
use crate::render::overlay::Watermark;
use crate::render::overlay::spec::{BlendMode, Drift, Schedule};
use crate::ui::text::Text;
use crate::ui::theme::size;
use crate::ui::widgets::label_ui;

/// Numbers of its place, and of drift and schedule where they are on.
pub(super) fn place_ui(watermark: &mut Watermark, t: &'static Text, ui: &mut Ui) {
    CollapsingHeader::new(t.watermark_more)
        .id_salt("watermark place")
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
            let Watermark {
                margin_x,
                margin_y,
                rotation,
                blend,
                drift,
                schedule,
                ..
            } = watermark;
            slider_ui(
                ui,
                t.watermark_margin_x,
                margin_x,
                0.0..=50.0,
                Unit::PerCent,
            );
            slider_ui(
                ui,
                t.watermark_margin_y,
                margin_y,
                0.0..=50.0,
                Unit::PerCent,
            );
            slider_ui(
                ui,
                t.watermark_rotation,
                rotation,
                -180.0..=180.0,
                Unit::Degrees,
            );
            blend_ui(blend, t, ui);
            if let Some(Drift { x, y, period }) = drift {
                slider_ui(ui, t.watermark_drift_x, x, 0.0..=50.0, Unit::PerCent);
                slider_ui(ui, t.watermark_drift_y, y, 0.0..=50.0, Unit::PerCent);
                slider_ui(
                    ui,
                    t.watermark_drift_period,
                    period,
                    5.0..=600.0,
                    Unit::Seconds,
                );
            }
            if let Some(Schedule { every, show }) = schedule {
                let mut minutes = *every / 60.0;
                slider_ui(
                    ui,
                    t.watermark_every,
                    &mut minutes,
                    0.5..=60.0,
                    Unit::Minutes,
                );
                if (minutes * 60.0 - *every).abs() > 0.01 {
                    *every = minutes * 60.0;
                }
                slider_ui(ui, t.watermark_for, show, 1.0..=300.0, Unit::Seconds);
                // it cannot stay longer than until it comes again
                *show = show.min(*every);
            }
        });
}

fn blend_ui(blend: &mut BlendMode, t: &'static Text, ui: &mut Ui) {
    let names = [
        (BlendMode::Normal, t.watermark_blend_normal),
        (BlendMode::Multiply, t.watermark_blend_multiply),
        (BlendMode::Screen, t.watermark_blend_screen),
        (BlendMode::Add, t.watermark_blend_add),
    ];
    let shown = names.iter().find(|(mode, _)| mode == blend);
    let label = label_ui(ui, t.watermark_blend);
    let combo = ComboBox::from_id_salt("watermark blend")
        .width(ui.available_width())
        .selected_text(shown.map_or("", |(_, name)| *name))
        .show_ui(ui, |ui| {
            for (mode, name) in names {
                ui.selectable_value(blend, mode, name);
            }
        });
    combo.response.labelled_by(label.id);
}
