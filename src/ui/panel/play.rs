//! What is played on air: pause, where it stands, the next file, loop, tracks; and the pace of a slide show.

use std::time::Duration;

use eframe::egui::{Button, Checkbox, ComboBox, Slider, SliderClamping, Ui, WidgetInfo};

use super::scenes::name_of;
use crate::capture::SourceSpec;
use crate::capture::media_file::MediaFileSettings;
use crate::capture::play::{PlayOrder, Playback};
use crate::capture::still::StillSettings;
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::messages::clock;
use crate::ui::scene_text::SceneWords;
use crate::ui::text::fill;
use crate::ui::theme::size;
use crate::ui::widgets::{hint_ui, label_ui};

/// All that plays in the scene on air; nothing where nothing does.
pub(super) fn play_ui(
    status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let w = draft.scene_words();
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let mut seeking = draft.scene.seeking;
    let mut changed = false;
    for (n, layer) in draft.settings.scene.layers.iter_mut().enumerate() {
        let called = layer.source.name();
        let source = status.sources.iter().find(|s| s.name == called);
        let playback = source.and_then(|s| s.stats.playback.as_ref());
        ui.push_id(("play", n), |ui| match &mut layer.source {
            SourceSpec::File(file) => {
                if let Some(playback) = playback {
                    buttons_ui(playback, w, commands, ui);
                    position_ui(playback, &mut seeking, w, commands, ui);
                    changed |= options_ui(file, playback, w, ui);
                } else {
                    // it has ended: to be played again
                    changed |= ui.add(Checkbox::new(&mut file.looped, w.looped)).changed();
                }
            }
            SourceSpec::Still(still) if still.path.is_dir() => changed |= slides_ui(still, w, ui),
            _ => {}
        });
    }
    draft.scene.seeking = seeking;
    if changed {
        draft.apply(commands);
    }
}

fn buttons_ui(playback: &Playback, w: &SceneWords, commands: &mut Vec<Command>, ui: &mut Ui) {
    let several = playback.count > 1;
    let mut elapsed_text = String::new();
    ui.horizontal(|ui| {
        let mut button = |sign: &str, name: &str, order| {
            let button = ui.button(sign).on_hover_text(name);
            name_of(&button, name);
            if button.clicked() {
                commands.push(Command::Play(playback.id, order));
            }
        };
        if several {
            button("⏮", w.previous_file, PlayOrder::Previous);
        }
        if playback.paused {
            button("▶", w.play, PlayOrder::Resume);
        } else {
            button("⏸", w.pause, PlayOrder::Pause);
        }
        if several {
            button("⏭", w.next_file, PlayOrder::Next);
        }
        let time = |ms: u64| clock(Duration::from_millis(ms));
        let elapsed = [time(playback.position_ms), time(playback.length_ms)];
        elapsed_text = fill(w.elapsed, &elapsed.each_ref().map(String::as_str));
        if !several {
            label_ui(ui, &elapsed_text);
        }
    });
    if several {
        label_ui(ui, &elapsed_text); // the row has no room for it beside three buttons
        let place = format!("{}/{}", playback.index + 1, playback.count);
        hint_ui(ui, &format!("{place}  {}", playback.file));
    }
}

/// A slider that goes where it is let go; the file's own place moves it otherwise.
fn position_ui(
    playback: &Playback,
    seeking: &mut Option<u64>,
    w: &SceneWords,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    if playback.length_ms == 0 {
        return;
    }
    let mut at = seeking.unwrap_or(playback.position_ms);
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
            ui.spacing_mut().slider_width = ui.available_width();
            let slider = Slider::new(&mut at, 0..=playback.length_ms)
                .step_by(1000.0)
                .clamping(SliderClamping::Never)
                .show_value(false);
            ui.add(slider)
        })
        .inner;
    response.widget_info(|| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a film")]
        WidgetInfo::slider(true, at as f64, w.position)
    });
    if response.dragged() {
        *seeking = Some(at);
    } else if response.drag_stopped() || response.changed() {
        *seeking = None;
        let to = Duration::from_millis(at);
        commands.push(Command::Play(playback.id, PlayOrder::Seek(to)));
    } else {
        *seeking = None;
    }
}

/// Loop, order, tracks; true when something was changed.
fn options_ui(
    file: &mut MediaFileSettings,
    playback: &Playback,
    w: &SceneWords,
    ui: &mut Ui,
) -> bool {
    let before = file.clone();
    ui.add(Checkbox::new(&mut file.looped, w.looped));
    if playback.count > 1 {
        ui.add(Checkbox::new(&mut file.shuffled, w.shuffled));
    }
    track_ui(
        &mut file.picture_track,
        &playback.pictures,
        w.picture_track,
        w,
        ui,
    );
    track_ui(
        &mut file.sound_track,
        &playback.sounds,
        w.sound_track,
        w,
        ui,
    );
    *file != before
}

/// Which of several tracks; nothing where there is no choice.
fn track_ui(track: &mut Option<usize>, tracks: &[String], name: &str, w: &SceneWords, ui: &mut Ui) {
    if tracks.len() < 2 {
        return;
    }
    let called = |track: Option<usize>| match track.and_then(|n| Some((n, tracks.get(n)?))) {
        Some((n, name)) => format!("{}. {name}", n + 1),
        None => w.best_track.to_owned(),
    };
    let label = label_ui(ui, name);
    let combo = ComboBox::from_id_salt(name)
        .width(ui.available_width())
        .selected_text(called(*track))
        .truncate()
        .show_ui(ui, |ui| {
            for choice in std::iter::once(None).chain((0..tracks.len()).map(Some)) {
                let button = Button::selectable(*track == choice, called(choice));
                if ui.add(button).clicked() {
                    ui.close(); // by keyboard it would stay open
                    *track = choice;
                }
            }
        });
    combo.response.labelled_by(label.id);
}

/// Interval and fade of a slide show; true when something was changed.
fn slides_ui(still: &mut StillSettings, w: &SceneWords, ui: &mut Ui) -> bool {
    let before = still.clone();
    for (text, ms, range) in [
        (w.interval, &mut still.interval_ms, 1.0..=60.0),
        (w.slide_fade, &mut still.fade_ms, 0.0..=5.0),
    ] {
        let old = f64::from(*ms) / 1000.0;
        let mut seconds = old;
        let label = label_ui(ui, &fill(text, &[&seconds.to_string()]));
        ui.scope(|ui| {
            ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
            ui.spacing_mut().slider_width = ui.available_width();
            let slider = Slider::new(&mut seconds, range)
                .clamping(SliderClamping::Never)
                .step_by(0.5)
                .show_value(false);
            ui.add(slider).labelled_by(label.id);
        });
        // a value from a file is not changed by being shown
        if (seconds - old).abs() > 0.01 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 60,000"
            )]
            let new = (seconds * 1000.0).round() as u32;
            *ms = new;
        }
    }
    *still != before
}
