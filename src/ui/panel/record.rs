//! Recordings: where and how, what runs now, replay, pictures, and the plain MP4 afterwards.

use std::path::Path;
use std::time::Duration;

use eframe::egui::{
    Button, Checkbox, ComboBox, Label, Margin, ProgressBar, RichText, Slider, TextEdit, Ui,
};

use super::record_quality::{record_encoder_ui, record_quality_ui};
use crate::container::Format;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::output::record::settings::REPLAY_MOST;
use crate::output::record::{Order, RecordStats};
use crate::ui::draft::{Draft, is_recording};
use crate::ui::messages::clock;
use crate::ui::text::fill;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui, section_ui, surface};

/// Minutes after which a new file may begin.
const SPLITS: [u32; 6] = [0, 5, 10, 30, 60, 120];
/// Shortest replay to choose.
const REPLAY_LEAST: u32 = 5;

/// Everything about recordings but the big button.
pub fn recording_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    section_ui(ui, t.record_section);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    unfinished_ui(status, draft, commands, ui);
    let recording = is_recording(status);
    match &status.record {
        Some(record) if recording => running_ui(record, draft, commands, ui),
        _ => folder_ui(status, draft, commands, ui),
    }
    record_encoder_ui(status, draft, ui);
    ui.add_enabled_ui(!recording, |ui| {
        kind_ui(draft, commands, ui);
        record_quality_ui(status, draft, commands, ui);
    });
    mp4_ui(status, draft, commands, ui);
    ui.add_space(size::GAP_SMALL);
    replay_ui(status, draft, commands, ui);
    ui.add_space(size::GAP_SMALL);
    if ui.add(Button::new(t.snapshot)).clicked() {
        draft.take_record_folder(commands);
        let path = draft.settings.recording.picture_path();
        commands.push(Command::Screenshot(path));
    }
}

/// "1.4 TB", "37 GB", "420 MB".
fn room(bytes: u64) -> String {
    match bytes {
        0..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        10_000_000_000..2_000_000_000_000 => format!("{} GB", bytes / 1_000_000_000),
        _ => format!("{:.1} TB", bytes as f64 / 1e12),
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn folder_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let label = label_ui(ui, t.record_folder);
    let usual = status.record_folder.display().to_string();
    let field = TextEdit::singleline(&mut draft.record_folder)
        .hint_text(usual)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    if ui.add(field).labelled_by(label.id).lost_focus() {
        draft.take_record_folder(commands);
    }
    if let Some(free) = status.record_free {
        let least = u64::from(draft.settings.recording.keep_free_mb) * 2_000_000;
        let text = fill(t.record_free, &[&room(free)]);
        if free < least {
            colored_hint_ui(ui, &text, color::WARN);
        } else {
            hint_ui(ui, &text);
        }
    }
}

/// The recording that runs: what, how long, how large, and what can be done with it.
fn running_ui(record: &RecordStats, draft: &Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    surface().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.add(Label::new(name_of(&record.file)).truncate())
            .on_hover_text(record.file.display().to_string());
        let mut parts = vec![
            clock(Duration::from_millis(record.recorded_ms)),
            room(record.bytes),
        ];
        if record.parts > 1 {
            parts.push(fill(t.record_part, &[&record.parts.to_string()]));
        }
        if record.marks > 0 {
            parts.push(fill(t.record_marks, &[&record.marks.to_string()]));
        }
        ui.horizontal(|ui| {
            if record.paused {
                ui.label(RichText::new(t.record_paused).color(color::WARN));
            }
            ui.label(parts.join(" · "));
        });
        room_ui(record, draft, ui);
        ui.horizontal_wrapped(|ui| {
            let (text, order) = if record.paused {
                (t.record_resume, Order::Resume)
            } else {
                (t.record_pause, Order::Pause)
            };
            for (text, order) in [
                (text, order),
                (t.record_cut, Order::Split),
                (t.record_mark, Order::Mark(String::new())),
            ] {
                let useful = !record.paused || order == Order::Resume;
                if ui.add_enabled(useful, Button::new(text)).clicked() {
                    commands.push(Command::Record(order));
                }
            }
        });
    });
}

fn room_ui(record: &RecordStats, draft: &Draft, ui: &mut Ui) {
    /// Below this the room is shown as a warning.
    const SOON_S: u64 = 600;
    let t = draft.text();
    let Some(free) = record.free_bytes else {
        return;
    };
    match record.left_s {
        Some(left) if left < 100 * 3600 => {
            let time = clock(Duration::from_secs(left));
            let text = fill(t.record_left, &[&room(free), &time]);
            if left < SOON_S {
                colored_hint_ui(ui, &text, color::WARN);
            } else {
                hint_ui(ui, &text);
            }
        }
        _ => hint_ui(ui, &fill(t.record_free, &[&room(free)])),
    }
}

/// Format, split, plain MP4: for the next recording.
fn kind_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let before = draft.settings.recording.clone();
    let now = &mut draft.settings.recording;
    let label = label_ui(ui, t.record_format);
    let combo = ComboBox::from_id_salt("record format")
        .width(ui.available_width())
        .selected_text(now.format.title())
        .show_ui(ui, |ui| {
            for format in Format::ALL {
                let chosen = now.format == format;
                if ui.selectable_label(chosen, format.title()).clicked() {
                    ui.close(); // by keyboard it would stay open
                    now.format = format;
                }
            }
        });
    combo.response.labelled_by(label.id);
    let label = label_ui(ui, t.record_split);
    let split_text = |minutes: u32| match minutes {
        0 => t.record_split_never.to_owned(),
        n => fill(t.record_split_every, &[&n.to_string()]),
    };
    let combo = ComboBox::from_id_salt("record split")
        .width(ui.available_width())
        .selected_text(split_text(now.split_minutes))
        .show_ui(ui, |ui| {
            for minutes in SPLITS {
                let chosen = now.split_minutes == minutes;
                if ui.selectable_label(chosen, split_text(minutes)).clicked() {
                    ui.close();
                    now.split_minutes = minutes;
                }
            }
        });
    combo.response.labelled_by(label.id);
    ui.add(Checkbox::new(&mut now.make_mp4, t.record_mp4))
        .on_hover_text(t.record_mp4_hint);
    if *now != before {
        if draft.check_recording() {
            draft.apply(commands);
        } else {
            draft.settings.recording = before;
        }
    }
}

fn mp4_ui(status: &Status, draft: &Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let Some(mp4) = &status.mp4 else {
        return;
    };
    let t = draft.text();
    let text = fill(t.mp4_making, &[&name_of(&mp4.from)]);
    ui.add(Label::new(RichText::new(text).color(color::MUTED)).truncate());
    ui.add(ProgressBar::new(mp4.done).show_percentage());
    if ui.add(Button::new(t.mp4_cancel)).clicked() {
        commands.push(Command::CancelMp4);
    }
}

fn replay_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let mut on = status.replay.is_some();
    let switch = ui.add(Checkbox::new(&mut on, t.replay_on));
    if switch.on_hover_text(t.replay_hint).clicked() {
        commands.push(if on {
            Command::StartReplay
        } else {
            Command::StopReplay
        });
    }
    let Some(replay) = &status.replay else {
        return;
    };
    let label = label_ui(ui, t.replay_seconds);
    let seconds = &mut draft.settings.recording.replay_seconds;
    let slider = Slider::new(seconds, REPLAY_LEAST..=REPLAY_MOST).logarithmic(true);
    let slider = ui.add(slider).labelled_by(label.id);
    if slider.drag_stopped() || slider.changed() && !slider.dragged() {
        draft.apply(commands);
    }
    let held = format!(
        "{} / {}  {}",
        clock(Duration::from_millis(replay.held_ms.min(replay.most_ms))),
        clock(Duration::from_millis(replay.most_ms)),
        room(replay.bytes)
    );
    hint_ui(ui, &held);
    let ready = replay.held_ms > 0 && !replay.saving;
    if ui.add_enabled(ready, Button::new(t.replay_save)).clicked() {
        draft.take_record_folder(commands);
        commands.push(Command::SaveReplay(None));
    }
}

/// The first of the recordings that were interrupted.
fn unfinished_ui(status: &Status, draft: &Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let Some(path) = status.unfinished.first() else {
        return;
    };
    let t = draft.text();
    surface().show(ui, |ui| {
        ui.set_width(ui.available_width());
        let text = fill(t.unfinished, &[&name_of(path)]);
        colored_hint_ui(ui, &text, color::WARN);
        ui.horizontal_wrapped(|ui| {
            let busy = status.mp4.is_some();
            let make = Button::new(t.unfinished_mp4);
            if ui.add_enabled(!busy, make).clicked() {
                commands.push(Command::MakeMp4(path.clone()));
            }
            if ui.add(Button::new(t.unfinished_keep)).clicked() {
                commands.push(Command::SettleRecording(path.clone()));
            }
        });
    });
}
