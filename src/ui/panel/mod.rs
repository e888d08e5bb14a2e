//! The window's parts. Each is a function `(&Status, &mut Draft, &mut Vec<Command>, &mut Ui)`: it shows the status,
//! edits the draft and pushes commands, which the caller sends after drawing. No panel holds anything of the engine.

mod adapt;
mod beauty;
mod camera;
mod chain;
mod destination;
mod encoder;
mod figures;
mod filters;
mod layers;
mod listen;
mod live;
mod master;
mod messages;
mod network;
mod picture;
mod play;
mod quality;
mod quit;
mod record;
mod record_quality;
mod redirect;
mod scenes;
mod screen;
mod sound;
mod sound_quality;
mod sounds;
mod source;
mod talk;
mod top;
mod watermark;

pub use adapt::adapt_ui;
pub use beauty::beauty_ui;
pub use destination::destination_ui;
pub use encoder::encoder_ui;
pub use figures::figures_ui;
pub use filters::filters_ui;
pub use layers::layers_ui;
pub use live::live_ui;
pub use messages::{failure_ui, messages_ui};
pub use network::network_ui;
pub use picture::picture_ui;
pub use quality::quality_ui;
pub use quit::quit_ui;
pub use record::recording_ui;
pub use redirect::redirect_ui;
pub use scenes::scenes_ui;
pub use sound::sound_ui;
pub use sound_quality::sound_quality_ui;
pub use sounds::SoundDraft;
pub use source::source_ui;
pub use top::top_ui;
pub use watermark::watermark_ui;

use eframe::egui::{self, CentralPanel, Frame, Margin, Panel, ScrollArea, Ui};

use super::draft::Draft;
use super::theme::size;
use crate::engine::command::Command;
use crate::engine::status::Status;

/// Widths of the left and right panel in a window of `width`.
fn side_widths(width: f32) -> (f32, f32) {
    // Large windows give the panels a little more, small ones a little less; most of it is the picture's.
    let extra = ((width - 1100.0) / 5.0).clamp(-28.0, 60.0);
    (size::LEFT + extra, size::RIGHT + extra)
}

/// The whole window.
pub fn window_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let (left, right) = side_widths(ui.available_width());
    // No fills: the window is cleared to the panels' colour, and on a software adapter each filled pixel costs.
    let bar = |margin: Margin| Frame::new().inner_margin(margin);
    let side = bar(Margin::symmetric(12, 12));
    Panel::top("top")
        .exact_size(size::TOP_BAR)
        .frame(bar(Margin::symmetric(14, 0)))
        .show(ui, |ui| top_ui(status, draft, commands, ui));
    Panel::left("left")
        .exact_size(left)
        .resizable(false)
        .frame(side)
        .show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                source_ui(status, draft, commands, ui);
                ui.add_space(size::GAP_SMALL);
                layers_ui(status, draft, commands, ui);
                ui.add_space(size::GAP_LARGE);
                beauty_ui(status, draft, commands, ui);
                ui.add_space(size::GAP_LARGE);
                filters_ui(status, draft, commands, ui);
                ui.add_space(size::GAP_LARGE);
                sound_ui(status, draft, commands, ui);
                ui.add_space(size::GAP_LARGE);
                watermark_ui(status, draft, commands, ui);
            });
        });
    Panel::right("right")
        .exact_size(right)
        .resizable(false)
        .frame(side)
        .show(ui, |ui| {
            Panel::bottom("live")
                .frame(Frame::new())
                .show_separator_line(false)
                .resizable(false)
                .show(ui, |ui| live_ui(status, draft, commands, ui));
            CentralPanel::no_frame().show(ui, |ui| {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    destination_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    quality_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    adapt_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    sound_quality_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    network_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    recording_ui(status, draft, commands, ui);
                    ui.add_space(size::GAP_LARGE);
                    encoder_ui(status, draft, commands, ui);
                });
            });
        });
    let middle = bar(Margin::same(12));
    CentralPanel::no_frame()
        .frame(middle)
        .show(ui, |ui| middle_ui(status, draft, commands, ui));
    quit_ui(status, draft, commands, ui);
}

/// Picture, figures, messages, from top to bottom.
fn middle_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    /// Least height of the messages.
    const MESSAGES: f32 = 96.0;
    failure_ui(status, draft, commands, ui);
    redirect_ui(status, draft, commands, ui);
    let below = scenes::HEIGHT + figures::HEIGHT + MESSAGES + 3.0 * size::GAP_LARGE;
    let width = ui.available_width();
    let resolution = draft.settings.video.size;
    #[expect(clippy::cast_precision_loss, reason = "sides are below 2^24")]
    let aspect = resolution.height as f32 / resolution.width.max(1) as f32;
    let height = (width * aspect)
        .min(ui.available_height() - below)
        .max(120.0);
    ui.allocate_ui(egui::vec2(width, height), |ui| {
        picture_ui(status, draft, commands, ui);
    });
    ui.add_space(size::GAP_LARGE - size::GAP);
    scenes_ui(status, draft, commands, ui);
    ui.add_space(size::GAP_LARGE - size::GAP);
    figures_ui(status, draft, commands, ui);
    ui.add_space(size::GAP_LARGE - size::GAP);
    messages_ui(status, draft, commands, ui);
}
