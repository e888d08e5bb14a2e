//! Live figures by the names streamers know, with graphs of the last minute.

use eframe::egui::{Color32, Margin, RichText, TextWrapMode, Ui, vec2};

use crate::engine::command::Command;
use crate::engine::status::{EngineState, Status};
use crate::ui::draft::Draft;
use crate::ui::messages::clock;
use crate::ui::theme::{color, size, strong};
use crate::ui::widgets::{graph, label_ui, surface};

/// Height of the strip of figures.
pub(super) const HEIGHT: f32 = 92.0;

/// Widths of the tiles without a graph: their widest value ("10:00:00") with margins.
const FPS_WIDTH: f32 = 56.0;
const DROPPED_WIDTH: f32 = 78.0;
const TIME_WIDTH: f32 = 108.0;

/// Queues above this are late enough to notice (milliseconds); drops follow soon.
const QUEUE_LATE_MS: u32 = 700;

/// Figures and graphs.
pub fn figures_ui(status: &Status, draft: &mut Draft, _: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let stream = status.stream.as_ref();
    let fps = status.encoder.as_ref().map_or(status.render.fps, |e| e.fps);
    let slow = fps > 0.0 && f64::from(fps) < draft.settings.video.fps.as_f64() * 0.9;
    let late = stream.is_some_and(|s| s.queued_ms >= QUEUE_LATE_MS);
    let dropping = stream.is_some_and(|s| s.dropped > 0);
    let text = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let live = match &status.engine {
        EngineState::Live { since } => Some(clock(status.at.saturating_since(*since))),
        _ => None,
    };
    let warn = |bad: bool| if bad { color::WARN } else { color::TEXT };

    let fixed = FPS_WIDTH + DROPPED_WIDTH + TIME_WIDTH + 4.0 * size::GAP;
    let graph_width = ((ui.available_width() - fixed) / 2.0).max(40.0);
    ui.allocate_ui(vec2(ui.available_width(), HEIGHT), |ui| {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = size::GAP;
            let value = format!("{fps:.0}");
            tile_ui(
                ui,
                FPS_WIDTH,
                &Tile::of(t.fps, &value, "", warn(slow)),
                |_| {},
            );
            let value = text(stream.map(|s| s.kbps.to_string()));
            let bitrate = Tile::of(t.bitrate, &value, "kbit/s", color::TEXT);
            tile_ui(ui, graph_width, &bitrate, |ui| {
                let points = draft.history.points(|s| s.kbps);
                let name = format!("{}, {}", t.bitrate, t.last_minute);
                let scale = draft.settings.encoder.bitrate_kbps * 5 / 4;
                graph(ui, &name, &points, scale, color::FOCUS);
            });
            let value = text(stream.map(|s| s.queued_ms.to_string()));
            tile_ui(
                ui,
                graph_width,
                &Tile::of(t.queue, &value, "ms", warn(late)),
                |ui| {
                    let points = draft.history.points(|s| s.queued_ms);
                    let name = format!("{}, {}", t.queue, t.last_minute);
                    let line = if late { color::WARN } else { color::FOCUS };
                    graph(ui, &name, &points, QUEUE_LATE_MS, line);
                },
            );
            let value = text(stream.map(|s| s.dropped.to_string()));
            tile_ui(
                ui,
                DROPPED_WIDTH,
                &Tile::of(t.dropped, &value, "", warn(dropping)),
                |_| {},
            );
            let value = text(live);
            tile_ui(
                ui,
                TIME_WIDTH,
                &Tile::of(t.time_live, &value, "", color::TEXT),
                |_| {},
            );
        });
    });
}

/// A figure with its name.
struct Tile<'a> {
    name: &'a str,
    value: &'a str,
    unit: &'a str,
    color: Color32,
}

impl<'a> Tile<'a> {
    const fn of(name: &'a str, value: &'a str, unit: &'a str, color: Color32) -> Self {
        Self {
            name,
            value,
            unit,
            color,
        }
    }
}

/// Draws a tile, with `below` under its value.
fn tile_ui(ui: &mut Ui, width: f32, tile: &Tile<'_>, below: impl FnOnce(&mut Ui)) {
    ui.allocate_ui(vec2(width, HEIGHT), |ui| {
        surface()
            .inner_margin(Margin::symmetric(9, 8))
            .show(ui, |ui| {
                let margin = 20.0; // with the outline
                ui.set_width((width - margin).max(10.0));
                ui.set_height(HEIGHT - 18.0);
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing = vec2(5.0, 2.0);
                    ui.style_mut().wrap_mode = Some(TextWrapMode::Extend);
                    label_ui(ui, tile.name);
                    ui.horizontal(|ui| {
                        ui.set_height(24.0);
                        let value = RichText::new(tile.value).font(strong(18.0));
                        ui.label(value.color(tile.color));
                        if !tile.unit.is_empty() {
                            label_ui(ui, tile.unit);
                        }
                    });
                    below(ui);
                });
            });
    });
}
