//! What can be chosen of a screen: one of its windows, a part of it, and whether the mouse pointer is shown.

use eframe::egui::{Checkbox, ComboBox, DragValue, Grid, Ui};

use crate::capture::screen::ScreenSettings;
use crate::capture::screen::area::{PortalKind, Region, ScreenArea};
use crate::capture::{SourceSpec, VideoDevice};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::media::video::Resolution;
use crate::ui::draft::Draft;
use crate::ui::text::Text;
use crate::ui::theme::size;
use crate::ui::widgets::{Icon, choice_row, label_ui};

/// Largest place and size on an X11 screen.
const MOST: u32 = 16_384;
/// Smallest side of a part.
const LEAST: u32 = 16;

/// A listed source in the user's language.
pub(super) fn device_name(device: &VideoDevice, t: &'static Text) -> String {
    let name = device.name.as_str();
    let translated = |word: &str, to: &str| {
        name.strip_prefix(word)
            .map_or_else(|| name.to_owned(), |rest| format!("{to}{rest}"))
    };
    match &device.spec {
        SourceSpec::Test {} => t.test_pattern.to_owned(),
        SourceSpec::Screen(screen) => match screen.area {
            ScreenArea::Whole => translated("Screen", t.screen_whole),
            ScreenArea::Monitor { .. } => translated("Monitor", t.screen_monitor),
            ScreenArea::Window(_) => translated("Window", t.screen_window),
            ScreenArea::Region(_) => t.screen_region.to_owned(),
            ScreenArea::Portal { kind, .. } => portal_name(kind, t).to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// A screen that is chosen but not listed, in the user's language.
pub(super) fn chosen_name(screen: &ScreenSettings, t: &'static Text) -> String {
    match &screen.area {
        ScreenArea::Whole => t.screen_whole.to_owned(),
        ScreenArea::Monitor { name } => format!("{} {name}", t.screen_monitor),
        ScreenArea::Region(_) => t.screen_region.to_owned(),
        ScreenArea::Window(window) => format!("{} {window}", t.screen_window),
        ScreenArea::Portal { kind, .. } => portal_name(*kind, t).to_owned(),
    }
}

const fn portal_name(kind: PortalKind, t: &'static Text) -> &'static str {
    match kind {
        PortalKind::Monitor => t.screen_asked,
        PortalKind::Window => t.screen_window_asked,
    }
}

/// One of many: it has a list of its own.
pub(super) const fn is_window(spec: &SourceSpec) -> bool {
    matches!(
        spec,
        SourceSpec::Screen(ScreenSettings {
            area: ScreenArea::Window(_),
            ..
        })
    )
}

/// The row that chooses a part of the screen, where there is a screen and none is chosen yet.
pub(super) fn region_row_ui(status: &Status, draft: &Draft, ui: &mut Ui) -> Option<SourceSpec> {
    // on Wayland the desktop asks for whole monitors and windows
    let screens = |d: &VideoDevice| match &d.spec {
        SourceSpec::Screen(s) => !matches!(s.area, ScreenArea::Portal { .. }),
        _ => false,
    };
    let chosen = screen(draft).is_some_and(|s| matches!(s.area, ScreenArea::Region(_)));
    if chosen || !status.video_devices.iter().any(screens) {
        return None;
    }
    let region = Region {
        left: 0,
        top: 0,
        size: draft.settings.video.size,
    };
    let spec = SourceSpec::Screen(ScreenSettings {
        area: ScreenArea::Region(region),
        ..ScreenSettings::default()
    });
    let name = draft.text().screen_region;
    choice_row(ui, Icon::Screen, name, None, false)
        .clicked()
        .then_some(spec)
}

/// The windows there are; nothing where there is none.
pub(super) fn windows_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let t = draft.text();
    let now = draft.source().filter(|s| is_window(s)).cloned();
    let windows: Vec<_> = status
        .video_devices
        .iter()
        .filter(|d| is_window(&d.spec))
        .collect();
    if windows.is_empty() {
        return;
    }
    let bare = |name: &str| name.strip_prefix("Window ").unwrap_or(name).to_owned();
    let is_now = |spec: &SourceSpec| now.as_ref().is_some_and(|n| n.is_same_device(spec));
    let shown = windows
        .iter()
        .find(|d| is_now(&d.spec))
        .map_or_else(|| t.screen_window_choose.to_owned(), |d| bare(&d.name));
    ui.add_space(size::GAP_SMALL);
    let label = label_ui(ui, t.screen_window);
    let mut choice = None;
    let combo = ComboBox::from_id_salt("window")
        .width(ui.available_width())
        .height(320.0)
        .selected_text(shown)
        .truncate()
        .show_ui(ui, |ui| {
            for device in windows {
                let chosen = is_now(&device.spec);
                if ui.selectable_label(chosen, bare(&device.name)).clicked() && !chosen {
                    choice = Some(device.spec.clone());
                }
            }
        });
    combo.response.labelled_by(label.id);
    if let Some(spec) = choice {
        draft.choose_source(spec, commands);
    }
}

/// Pointer and, for a part, its place; nothing when no screen is chosen.
pub(super) fn screen_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let t = draft.text();
    let Some(before) = screen(draft).cloned() else {
        return;
    };
    let mut settings = before.clone();
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    if let ScreenArea::Region(region) = &mut settings.area {
        region_ui(region, t, ui);
    }
    ui.add(Checkbox::new(&mut settings.cursor, t.screen_cursor));
    if let ScreenArea::Portal { choice, .. } = &mut settings.area
        && ui.button(t.screen_ask_again).clicked()
    {
        *choice = choice.wrapping_add(1);
    }
    if settings != before {
        draft.choose_source(SourceSpec::Screen(settings), commands);
    }
    ui.add_space(size::GAP_SMALL);
}

fn region_ui(region: &mut Region, t: &'static Text, ui: &mut Ui) {
    let Resolution { width, height } = &mut region.size;
    let fields = [
        [
            (t.screen_left, &mut region.left, 0),
            (t.screen_top, &mut region.top, 0),
        ],
        [
            (t.screen_width, width, LEAST),
            (t.screen_height, height, LEAST),
        ],
    ];
    Grid::new("region").num_columns(4).show(ui, |ui| {
        for row in fields {
            for (name, value, least) in row {
                let label = label_ui(ui, name);
                ui.add(DragValue::new(value).range(least..=MOST).suffix(" px"))
                    .labelled_by(label.id);
            }
            ui.end_row();
        }
    });
}

fn screen(draft: &Draft) -> Option<&ScreenSettings> {
    match draft.source() {
        Some(SourceSpec::Screen(screen)) => Some(screen),
        _ => None,
    }
}
