//! Live figures by the names streamers know, with graphs of the last minute.

use eframe::egui::{Color32, RichText, Ui, vec2};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::Draft;
use crate::ui::messages::clock;
use crate::ui::theme::{color, size, strong};
use crate::ui::widgets::{graph, label_ui, surface};

/// Height of the strip of figures.
pub(super) const HEIGHT: f32 = 92.0;

/// Queues above this are late enough to notice (milliseconds); drops follow soon.
const QUEUE_LATE_MS: u32 = 700;

/// Figures and graphs.
pub fn figures_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let stream = status.stream.as_ref();
    let fps = status.encoder.as_ref().map_or(status.render.fps, |e| e.fps);
    let wanted_fps = draft.settings.video.fps.as_f64();
    let slow = f64::from(fps) < wanted_fps * 0.9;
    let kbps = stream.map(|s| s.kbps);
    let dropped = stream.map(|s| s.dropped);
    let queue = stream.map(|s| s.queued_ms);
    let live = match &status.engine {
        EngineState::Live { since } => Some(clock(status.at.saturating_since(*since))),
        _ => None,
    };
    let warn = |bad: bool| if bad { color::WARN } else { color::TEXT };
    let gap = size::GAP;
    let unit = (ui.available_width() - 4.0 * gap) / 12.0;
    ui.allocate_ui(vec2(ui.available_width(), HEIGHT), |ui| {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            let bare = |ui: &mut Ui, width: f32, name: &str, value: &str, c: Color32| {
                tile_ui(ui, width, name, value, "", c, |_| {});
            };
            bare(
                ui,
                unit * 1.7,
                t.fps,
                &format!("{fps:.0}"),
                warn(slow && fps > 0.0),
            );
            let value = kbps.map_or_else(|| "–".to_owned(), |v| v.to_string());
            tile_ui(
                ui,
                unit * 3.3,
                t.bitrate,
                &value,
                "kbit/s",
                color::TEXT,
                |ui| {
                    let points = draft.history.points(|s| s.kbps);
                    let scale = draft.settings.encoder.bitrate_kbps * 5 / 4;
                    graph(
                        ui,
                        &format!("{}, {}", t.bitrate, t.last_minute),
                        &points,
                        scale,
                        color::FOCUS,
                    );
                },
            );
            let late = queue.is_some_and(|ms| ms >= QUEUE_LATE_MS);
            let value = queue.map_or_else(|| "–".to_owned(), |v| v.to_string());
            tile_ui(ui, unit * 3.3, t.queue, &value, "ms", warn(late), |ui| {
                let points = draft.history.points(|s| s.queued_ms);
                let line = if late { color::WARN } else { color::FOCUS };
                graph(
                    ui,
                    &format!("{}, {}", t.queue, t.last_minute),
                    &points,
                    QUEUE_LATE_MS,
                    line,
                );
            });
            let value = dropped.map_or_else(|| "–".to_owned(), |v| v.to_string());
            bare(
                ui,
                unit * 1.7,
                t.dropped,
                &value,
                warn(dropped.is_some_and(|v| v > 0)),
            );
            let value = live.as_deref().unwrap_or("–");
            bare(ui, ui.available_width(), t.time_live, value, color::TEXT);
        });
    });
}

fn tile_ui(
    ui: &mut Ui,
    width: f32,
    name: &str,
    value: &str,
    unit: &str,
    value_color: Color32,
    below: impl FnOnce(&mut Ui),
) {
    ui.allocate_ui(vec2(width, HEIGHT), |ui| {
        surface(color::PANEL).show(ui, |ui| {
            let margin = 22.0;
            ui.set_width((width - margin).max(10.0));
            ui.set_height(HEIGHT - 18.0);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing = vec2(5.0, 2.0);
                label_ui(ui, name);
                ui.horizontal(|ui| {
                    ui.set_height(24.0);
                    ui.label(RichText::new(value).font(strong(18.0)).color(value_color));
                    if !unit.is_empty() {
                        label_ui(ui, unit);
                    }
                });
                below(ui);
            });
        });
    });
}
