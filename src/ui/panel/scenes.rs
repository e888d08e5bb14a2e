//! The scenes, below the picture: a click puts one on air. Add, rename, duplicate, order, delete, and how one changes into
//! another.

use eframe::egui::{Button, ComboBox, Key, Response, Role, TextEdit, TextWrapMode, Ui, WidgetInfo};

use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::settings::scenes::{TransitionKind, TransitionSettings};
use crate::ui::draft::{Draft, is_recording};
use crate::ui::scene_draft::ListChange;
use crate::ui::text::fill;
use crate::ui::theme::{color, size};
use crate::ui::widgets::colored_hint_ui;

/// Height of the row of scenes.
pub(super) const HEIGHT: f32 = size::CONTROL;

/// Lengths of a fade to choose from, in milliseconds.
const FADES: [u32; 5] = [200, 300, 500, 1000, 2000];

/// The row of scenes.
pub fn scenes_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let w = draft.scene_words();
    let names: Vec<String> = draft
        .settings
        .scenes
        .names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let on_air = draft.settings.scenes.on_air();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = size::GAP_SMALL;
        ui.set_min_height(HEIGHT);
        for (n, name) in names.iter().enumerate() {
            ui.push_id(("scene", n), |ui| {
                let button =
                    Button::selectable(n == on_air, short(name)).wrap_mode(TextWrapMode::Extend);
                if ui.add(button).on_hover_text(name).clicked() {
                    draft.switch_scene(n, commands);
                }
                options_ui(draft, n, &names, commands, ui);
            });
        }
        let add = ui.button("+").on_hover_text(w.scene_add_help);
        name_of(&add, w.scene_add);
        if add.clicked() {
            draft.add_scene(status.engine.is_on() || is_recording(status), commands);
        }
        if names.len() > 1 {
            transition_ui(draft, commands, ui);
        }
    });
    rename_ui(draft, commands, ui);
}

/// What a button is called where nobody sees its sign.
pub(super) fn name_of(response: &Response, name: &str) {
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
}

fn options_ui(
    draft: &mut Draft,
    n: usize,
    names: &[String],
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let w = draft.scene_words();
    let mut change = None;
    let menu = ui.menu_button("…", |ui| {
        let mut item = |ui: &mut Ui, name: &str, possible: bool, what| {
            if ui.add_enabled(possible, Button::new(name)).clicked() {
                change = Some(what);
                ui.close();
            }
        };
        item(ui, w.scene_rename, true, None);
        item(ui, w.scene_duplicate, true, Some(ListChange::Duplicate));
        item(ui, w.scene_earlier, n > 0, Some(ListChange::Earlier));
        item(
            ui,
            w.scene_later,
            n + 1 < names.len(),
            Some(ListChange::Later),
        );
        item(
            ui,
            w.scene_delete,
            names.len() > 1,
            Some(ListChange::Delete),
        );
    });
    name_of(&menu.response, &fill(w.scene_options, &[&names[n]]));
    match change {
        Some(Some(change)) => draft.change_scenes(n, change, commands),
        Some(None) => {
            draft.scene.renaming = Some((n, names[n].clone()));
            draft.scene.name_wrong = false;
        }
        None => {}
    }
}

fn rename_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let w = draft.scene_words();
    let Some((_, name)) = &mut draft.scene.renaming else {
        return;
    };
    let mut done = false;
    ui.horizontal(|ui| {
        let field = ui.add(
            TextEdit::singleline(name)
                .hint_text(w.scene_name)
                .desired_width(220.0),
        );
        field.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::TextInput, true, w.scene_name);
            info.current_text_value = Some(name.clone());
            info
        });
        done = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        done |= ui.button(w.scene_done).clicked();
    });
    if done {
        draft.finish_renaming(commands);
    }
    if draft.scene.name_wrong {
        colored_hint_ui(ui, w.scene_name_wrong, color::BAD);
    }
}

fn transition_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let w = draft.scene_words();
    let before = draft.settings.scenes.transition;
    let called = |transition: TransitionSettings| match transition.kind {
        TransitionKind::Cut => w.transition_cut.to_owned(),
        TransitionKind::Fade => {
            let seconds = f64::from(transition.ms) / 1000.0;
            fill(w.transition_fade, &[&seconds.to_string()])
        }
    };
    let mut choice = before;
    let combo = ComboBox::from_id_salt("transition")
        .selected_text(called(before))
        .show_ui(ui, |ui| {
            let fades = FADES.map(TransitionSettings::fade);
            for transition in std::iter::once(TransitionSettings::CUT).chain(fades) {
                let chosen = called(transition) == called(before);
                if ui.selectable_label(chosen, called(transition)).clicked() {
                    ui.close(); // by keyboard it would stay open
                    choice = transition;
                }
            }
        });
    combo.response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ComboBox, true, w.transition);
        info.current_text_value = Some(called(choice));
        info
    });
    combo.response.on_hover_text(w.transition);
    if choice != before {
        draft.settings.scenes.transition = choice;
        draft.apply(commands);
    }
}

/// A name as the row has room for it.
fn short(name: &str) -> String {
    const SHOWN: usize = 20;
    let mut shown: String = name.chars().take(SHOWN).collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
