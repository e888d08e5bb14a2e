//! Push-to-talk: the key that is held in the window, and a button to hold in its place. Nothing while no sound waits for
//! it.

use eframe::egui::{Button, ComboBox, Key, Sense, Ui};

use crate::engine::command::Command;
use crate::settings::TalkKey;
use crate::ui::draft::Draft;
use crate::ui::sound_text::sound_word;
use crate::ui::text::fill;
use crate::ui::widgets::label_ui;

const KEYS: [(TalkKey, Key); 10] = [
    (TalkKey::F1, Key::F1),
    (TalkKey::F2, Key::F2),
    (TalkKey::F4, Key::F4),
    (TalkKey::F5, Key::F5),
    (TalkKey::F6, Key::F6),
    (TalkKey::F7, Key::F7),
    (TalkKey::F8, Key::F8),
    (TalkKey::F9, Key::F9),
    (TalkKey::F12, Key::F12),
    (TalkKey::Insert, Key::Insert),
];

/// The button, the choice of the key, and the word to the engine when either is pressed or let go.
pub(super) fn talk_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let audio = &draft.settings.audio;
    let waits =
        audio.picture.chain.push_to_talk || audio.sounds.iter().any(|s| s.mix.chain.push_to_talk);
    let mut held = false;
    if waits {
        let chosen = draft.settings.window.talk_key;
        let key = KEYS.iter().find(|k| k.0 == chosen).map_or(Key::F8, |k| k.1);
        // a window that loses the keyboard hears of no key that is let go
        held = ui.input(|i| i.focused && i.key_down(key));
        held |= button_ui(draft, key, ui);
        key_ui(draft, commands, ui);
    }
    if held != draft.talking {
        draft.talking = held;
        commands.push(Command::SetTalking(held));
    }
}

/// Returns whether it is held, by mouse or by the space bar.
fn button_ui(draft: &Draft, key: Key, ui: &mut Ui) -> bool {
    let word = if draft.talking { "talking" } else { "talk" };
    let text = fill(sound_word(draft.language, word), &[key.name()]);
    let button = Button::new(text)
        .selected(draft.talking)
        .sense(Sense::click_and_drag())
        .min_size([ui.available_width(), 28.0].into());
    // a name of its own: numbered by its place it would not be the same when a line appears above it
    let response = ui.push_id("talk", |ui| ui.add(button)).inner;
    response.is_pointer_button_down_on()
        || (response.has_focus() && ui.input(|i| i.key_down(Key::Space)))
}

fn key_ui(draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let chosen = draft.settings.window.talk_key;
    let name = |key: TalkKey| {
        KEYS.iter()
            .find(|k| k.0 == key)
            .map_or("F8", |k| k.1.name())
    };
    let mut choice = chosen;
    ui.horizontal(|ui| {
        let label = label_ui(ui, sound_word(draft.language, "talk_key"));
        let combo = ComboBox::from_id_salt("talk key")
            .width(64.0)
            .selected_text(name(chosen))
            .show_ui(ui, |ui| {
                for (key, _) in KEYS {
                    if ui.selectable_label(key == chosen, name(key)).clicked() {
                        ui.close(); // by keyboard it would stay open
                        choice = key;
                    }
                }
            });
        combo.response.labelled_by(label.id);
    });
    if choice != chosen {
        draft.settings.window.talk_key = choice;
        draft.apply(commands);
    }
}
