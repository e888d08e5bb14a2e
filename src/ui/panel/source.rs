//! What is shown: the sources that are there, and a media file by path or by dropping it on the window.

use std::path::{Path, PathBuf};

use eframe::egui::{Button, TextEdit, Ui};

use crate::capture::SourceSpec;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::panel::camera::{camera_ui, corner_ui};
use crate::ui::panel::play::play_ui;
use crate::ui::panel::screen::{
    chosen_name, device_name, is_window, region_row_ui, screen_ui, windows_ui,
};
use crate::ui::text::Text;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{
    Icon, choice_row, colored_hint_ui, hint_ui, label_ui, section_with_action_ui,
};

/// Source chooser.
pub fn source_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    if section_with_action_ui(ui, t.picture, t.rescan) {
        commands.push(Command::RescanDevices);
    }
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        if status.video_devices.is_empty() {
            hint_ui(ui, t.source_none);
        }
        let mut choice = None;
        for device in status.video_devices.iter().filter(|d| !is_window(&d.spec)) {
            let name = device_name(device, t);
            let chosen = draft
                .source()
                .is_some_and(|s| s.is_same_device(&device.spec));
            if row_ui(status, draft, &device.spec, &name, chosen, ui) && !chosen {
                choice = Some(device.spec.clone());
            }
        }
        // What is shown but has no row: a file, a window, a part of the screen, or a device that went away.
        let listed = |spec: &SourceSpec| {
            let rows = status.video_devices.iter().filter(|d| !is_window(&d.spec));
            rows.into_iter().any(|d| d.spec.is_same_device(spec))
        };
        if let Some(spec) = draft.source().filter(|s| !listed(s)).cloned() {
            let name = called(&spec, t);
            row_ui(status, draft, &spec, &name, true, ui);
        }
        choice = choice.or(region_row_ui(status, draft, ui));
        if let Some(spec) = choice {
            draft.choose_source(spec, commands);
        }
    });
    windows_ui(status, draft, commands, ui);
    ui.add_space(size::GAP_SMALL);
    screen_ui(draft, commands, ui);
    camera_ui(status, draft, commands, ui);
    file_ui(draft, commands, ui);
    play_ui(status, draft, commands, ui);
    corner_ui(status, draft, commands, ui);
}

/// What a source is called in the window's language.
pub(super) fn called(spec: &SourceSpec, t: &'static Text) -> String {
    let file_name = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    match spec {
        SourceSpec::File(file) => file_name(&file.path),
        SourceSpec::Still(still) => file_name(&still.path),
        SourceSpec::Test {} => t.test_pattern.to_owned(),
        SourceSpec::Screen(screen) => chosen_name(screen, t),
        SourceSpec::Camera(_) | SourceSpec::Color(_) => spec.name(),
    }
}

fn row_ui(
    status: &Status,
    draft: &Draft,
    spec: &SourceSpec,
    name: &str,
    chosen: bool,
    ui: &mut Ui,
) -> bool {
    let t = draft.text();
    let called = spec.name();
    let detail = chosen.then(|| match status.sources.iter().find(|s| s.name == called) {
        Some(source) if source.stats.up => (source.stats.description.as_str(), color::GOOD),
        _ => (t.source_waiting, color::WARN),
    });
    choice_row(ui, Icon::of(spec), name, detail, chosen).clicked()
}

fn file_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let label = label_ui(ui, t.file_label);
    let mut open = false;
    ui.horizontal(|ui| {
        let button = ui.spacing().button_padding.x * 2.0 + 40.0;
        let field = TextEdit::singleline(&mut draft.file_path)
            .hint_text(t.file_hint)
            .desired_width(ui.available_width() - button - size::GAP)
            .margin(eframe::egui::Margin::symmetric(8, 6));
        let response = ui.add(field).labelled_by(label.id);
        draft.file_missing &= !response.changed();
        let entered =
            response.lost_focus() && ui.input(|i| i.key_pressed(eframe::egui::Key::Enter));
        let path_given = !draft.file_path.trim().is_empty();
        let clicked = ui
            .add_enabled(path_given, Button::new(t.file_open))
            .clicked();
        open = path_given && (entered || clicked);
    });
    if draft.file_missing {
        colored_hint_ui(ui, t.file_missing, color::BAD);
    } else {
        hint_ui(ui, t.file_drop);
    }
    if open {
        let path = PathBuf::from(draft.file_path.trim());
        draft.choose_file(&path, commands);
    }
}
