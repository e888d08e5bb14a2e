//! The list of sounds: adding and removing, and of the chosen one its name, device and mix. Every change is live.

use std::path::PathBuf;

use eframe::egui::{
    Atoms, Button, ComboBox, DragValue, Key, Margin, Role, Slider, TextEdit, Ui, WidgetInfo,
};

use super::chain::chain_ui;
use super::master::clip_ui;
use crate::audio::InputStats;
use crate::capture::media_file::MediaFileSettings;
use crate::capture::{AudioDevice, AudioSpec, SoundKind, SourceSpec};
use crate::engine::status::Status;
use crate::media::audio::ChannelPick;
use crate::settings::audio::{MOST_OFFSET_MS, MOST_SOUNDS};
use crate::settings::{MixSettings, MonitorOf, SoundSettings};
use crate::ui::draft::Draft;
use crate::ui::sound_text::sound_word;
use crate::ui::text::{Text, fill};
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui, level_strip};

/// What the section edits besides the settings.
#[derive(Debug, Default)]
pub struct SoundDraft {
    /// Which sound, from 0; one behind the last is the picture's.
    pub chosen: usize,
    /// File field of the chosen one.
    path: String,
}

/// List, and what the chosen one is and how it is mixed.
pub(super) fn sounds_ui(status: &Status, draft: &mut Draft, ui: &mut Ui) {
    let t = draft.text();
    add_ui(draft, t, ui);
    let count = draft.settings.audio.sounds.len();
    let pictures = draft.settings.scene.layers.iter();
    let has_sound = |s: &SourceSpec| matches!(s, SourceSpec::File(_) | SourceSpec::Test {});
    let with_picture = pictures.map(|l| &l.source).any(has_sound);
    for i in 0..count {
        let name = title(&draft.settings.audio.sounds[i], status, t);
        let Draft {
            settings, sound, ..
        } = draft;
        let up = status.sounds.get(i).is_none_or(|s| s.stats.up);
        let mix = &mut settings.audio.sounds[i].mix;
        if row_ui(ui, t, &name, mix, i == sound.chosen, up) {
            choose(draft, i);
        }
        level_ui(status, draft, i, &name, ui);
    }
    if with_picture {
        let Draft {
            settings, sound, ..
        } = draft;
        let mix = &mut settings.audio.picture;
        if row_ui(ui, t, t.sound_of_picture, mix, sound.chosen == count, true) {
            choose(draft, count);
        }
    }
    if draft.sound.chosen < count {
        chosen_ui(status, draft, t, ui);
    } else if with_picture && draft.sound.chosen == count {
        mix_ui(ui, t, &mut draft.settings.audio.picture);
        let (language, chain) = (draft.language, &mut draft.settings.audio.picture.chain);
        chain_ui(ui, language, chain, None, usize::MAX);
    }
}

/// The audio stage's figures of sound `i`.
fn input_stats(status: &Status, i: usize) -> Option<&InputStats> {
    let id = status.sounds.get(i)?.id;
    status.audio.inputs.iter().find(|input| input.source == id)
}

/// Level and clip mark of sound `i`.
fn level_ui(status: &Status, draft: &mut Draft, i: usize, name: &str, ui: &mut Ui) {
    if let Some(stats) = input_stats(status, i) {
        let name = fill(sound_word(draft.language, "input_level"), &[name]);
        level_strip(ui, &stats.levels, &name);
        clip_ui(ui, draft, stats.source, stats.clipped);
    }
}

impl SoundDraft {
    /// Fills the fields with those of sound `i`.
    pub fn choose(&mut self, sounds: &[SoundSettings], i: usize) {
        let path = match sounds.get(i).map(|s| &s.source) {
            Some(AudioSpec::File(file)) => file.path.display().to_string(),
            _ => String::new(),
        };
        *self = Self { chosen: i, path };
    }
}

fn choose(draft: &mut Draft, i: usize) {
    draft.sound.choose(&draft.settings.audio.sounds, i);
}

fn add_ui(draft: &mut Draft, t: &'static Text, ui: &mut Ui) {
    let sounds = &mut draft.settings.audio.sounds;
    let mut added = None;
    ui.add_enabled_ui(sounds.len() < MOST_SOUNDS, |ui| {
        ui.menu_button(t.sound_add, |ui| {
            let file = AudioSpec::File(MediaFileSettings::default());
            for (name, source) in [
                (t.sound_microphone, AudioSpec::MICROPHONE),
                (t.sound_desktop, AudioSpec::DESKTOP),
                (t.sound_file, file),
            ] {
                if ui.button(name).clicked() {
                    ui.close();
                    added = Some(source);
                }
            }
        });
    });
    if let Some(source) = added {
        sounds.push(SoundSettings::new(source));
        let last = sounds.len() - 1;
        choose(draft, last);
    }
}

/// Name and mute of one sound. Returns whether it was chosen.
fn row_ui(
    ui: &mut Ui,
    t: &'static Text,
    name: &str,
    mix: &mut MixSettings,
    chosen: bool,
    up: bool,
) -> bool {
    ui.horizontal(|ui| {
        let text = if mix.muted { t.muted } else { t.mute };
        let mute = 64.0;
        let width = (ui.available_width() - mute - size::GAP).max(40.0);
        let mut row = Button::selectable(chosen, Atoms::default())
            .left_text(name)
            .truncate()
            .min_size([width, 24.0].into());
        if !up {
            row = row.stroke((1.0, color::WARN));
        }
        let clicked = ui.add_sized([width, 24.0], row).clicked();
        let button = Button::new(text).selected(mix.muted);
        let response = ui.add_sized([mute, 24.0], button);
        response.widget_info(|| {
            let name = fill(t.mute_named, &[name]);
            WidgetInfo::selected(Role::Button, true, mix.muted, name)
        });
        if response.clicked() {
            mix.muted = !mix.muted;
        }
        clicked
    })
    .inner
}

fn chosen_ui(status: &Status, draft: &mut Draft, t: &'static Text, ui: &mut Ui) {
    let language = draft.language;
    let Draft {
        settings,
        sound: edited,
        ..
    } = draft;
    let i = edited.chosen;
    let Some(sound) = settings.audio.sounds.get_mut(i) else {
        return;
    };
    let before = sound.called();
    let label = label_ui(ui, t.sound_name);
    let hint = default_title(&sound.source, status, t);
    let field = TextEdit::singleline(&mut sound.name)
        .char_limit(60)
        .hint_text(hint)
        .desired_width(f32::INFINITY)
        .margin(Margin::symmetric(8, 6));
    ui.add(field).labelled_by(label.id);
    match &mut sound.source {
        AudioSpec::File(file) => file_ui(file, &mut edited.path, t, ui),
        AudioSpec::Microphone { .. } | AudioSpec::Desktop { .. } => device_ui(status, sound, t, ui),
    }
    match status.sounds.get(i).map(|s| &s.stats) {
        Some(stats) if stats.up => hint_ui(ui, &stats.description),
        Some(_) => colored_hint_ui(ui, t.sound_missing, color::WARN),
        None => {}
    }
    mix_ui(ui, t, &mut sound.mix);
    chain_ui(
        ui,
        language,
        &mut sound.mix.chain,
        input_stats(status, i),
        i,
    );
    let monitor = &mut settings.audio.monitor;
    if monitor.of == MonitorOf::Sound(before) {
        monitor.of = MonitorOf::Sound(sound.called()); // it goes by the name
    }
    if ui.button(t.sound_remove).clicked() {
        settings.audio.sounds.remove(i);
        let next = i.min(settings.audio.sounds.len().saturating_sub(1));
        choose(draft, next);
    }
}

/// The system's default or one of its devices. A device gives the sound its name, unless somebody named it.
fn device_ui(status: &Status, sound: &mut SoundSettings, t: &'static Text, ui: &mut Ui) {
    let (kind, words) = match sound.source {
        AudioSpec::Desktop { .. } => (SoundKind::Desktop, t.sound_desktop),
        _ => (SoundKind::Microphone, t.sound_microphone),
    };
    let devices = || status.audio_devices.iter().filter(|d| d.kind == kind);
    let label = label_ui(ui, words);
    let default = match kind {
        SoundKind::Microphone => AudioSpec::MICROPHONE,
        SoundKind::Desktop => AudioSpec::DESKTOP,
    };
    let mut choice = None;
    let combo = ComboBox::from_id_salt("sound device")
        .width(ui.available_width())
        .selected_text(device_title(&sound.source, status, t))
        .truncate()
        .show_ui(ui, |ui| {
            let specs = devices().map(AudioDevice::spec);
            for spec in std::iter::once(default).chain(specs) {
                let text = device_title(&spec, status, t);
                if ui.selectable_label(spec == sound.source, text).clicked() {
                    ui.close(); // by keyboard it would stay open
                    choice = Some(spec);
                }
            }
        });
    combo.response.labelled_by(label.id);
    let Some(choice) = choice else {
        return;
    };
    let named_by_device = devices().any(|d| d.name == sound.name);
    if sound.name.is_empty() || named_by_device {
        let device = devices().find(|d| d.spec() == choice);
        sound.name = device.map(|d| d.name.clone()).unwrap_or_default();
    }
    sound.source = choice;
}

fn file_ui(file: &mut MediaFileSettings, path: &mut String, t: &'static Text, ui: &mut Ui) {
    let label = label_ui(ui, t.sound_file);
    ui.horizontal(|ui| {
        let button = ui.spacing().button_padding.x * 2.0 + 40.0;
        let field = TextEdit::singleline(path)
            .hint_text("MP3, M4A, OGG, FLAC, WAV")
            .desired_width(ui.available_width() - button - size::GAP)
            .margin(Margin::symmetric(8, 6));
        let response = ui.add(field).labelled_by(label.id);
        let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let typed = PathBuf::from(path.trim());
        let other = typed != file.path;
        let clicked = ui.add_enabled(other, Button::new(t.sound_use)).clicked();
        if clicked || (entered && other) {
            file.path = typed;
        }
    });
    if !file.path.is_file() && !file.path.as_os_str().is_empty() {
        colored_hint_ui(ui, t.sound_file_missing, color::WARN);
    }
    if ui
        .add(Button::new(t.sound_loop).selected(file.looped))
        .clicked()
    {
        file.looped = !file.looped;
    }
}

/// Gain, channels, offset.
fn mix_ui(ui: &mut Ui, t: &'static Text, mix: &mut MixSettings) {
    let label = label_ui(ui, &format!("{}  {}", t.gain, decibels(mix.gain_db)));
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 16.0; // the handle's size follows it
        ui.spacing_mut().slider_width = ui.available_width();
        let slider = Slider::new(&mut mix.gain_db, -30.0..=20.0)
            .clamping(eframe::egui::SliderClamping::Never)
            .step_by(1.0)
            .show_value(false);
        ui.add(slider).labelled_by(label.id);
    });
    ui.horizontal(|ui| {
        let label = label_ui(ui, t.sound_channels);
        let name = |pick| match pick {
            ChannelPick::Stereo => t.channels_stereo,
            ChannelPick::Mono => t.channels_mono,
            ChannelPick::Left => t.channels_left,
            ChannelPick::Right => t.channels_right,
        };
        let combo = ComboBox::from_id_salt("channels")
            .width(74.0)
            .selected_text(name(mix.channels))
            .show_ui(ui, |ui| {
                for pick in ChannelPick::ALL {
                    let chosen = pick == mix.channels;
                    if ui.selectable_label(chosen, name(pick)).clicked() {
                        ui.close();
                        mix.channels = pick;
                    }
                }
            });
        combo.response.labelled_by(label.id);
    });
    ui.horizontal(|ui| {
        let label = label_ui(ui, t.sound_offset);
        let drag = DragValue::new(&mut mix.offset_ms)
            .range(-MOST_OFFSET_MS..=MOST_OFFSET_MS)
            .speed(2)
            .suffix(" ms");
        ui.add(drag)
            .labelled_by(label.id)
            .on_hover_text(t.sound_offset_help);
    });
}

/// What a person calls the sound, in the window's language where nobody has named it.
pub(super) fn title(sound: &SoundSettings, status: &Status, t: &'static Text) -> String {
    match sound.name.trim() {
        "" => default_title(&sound.source, status, t),
        name => name.to_owned(),
    }
}

fn default_title(source: &AudioSpec, status: &Status, t: &'static Text) -> String {
    match source {
        AudioSpec::Microphone { device: None } => t.sound_microphone.to_owned(),
        AudioSpec::Desktop { device: None } => t.sound_desktop.to_owned(),
        AudioSpec::Microphone { .. } | AudioSpec::Desktop { .. } => device_title(source, status, t),
        AudioSpec::File(file) => match file.path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => t.sound_file.to_owned(),
        },
    }
}

/// The device by the name a person knows.
fn device_title(source: &AudioSpec, status: &Status, t: &'static Text) -> String {
    let (kind, device) = match source {
        AudioSpec::Microphone { device } => (SoundKind::Microphone, device),
        AudioSpec::Desktop { device } => (SoundKind::Desktop, device),
        AudioSpec::File(_) => return default_title(source, status, t),
    };
    let mut devices = status.audio_devices.iter().filter(|d| d.kind == kind);
    match device {
        None => devices.find(|d| d.default).map_or_else(
            || t.microphone_default.to_owned(),
            |d| fill(t.microphone_default_named, &[&d.name]),
        ),
        Some(wanted) => devices
            .find(|d| d.id == *wanted || d.name == *wanted)
            .map_or_else(|| fill(t.microphone_gone, &[wanted]), |d| d.name.clone()),
    }
}

/// With a real minus, a plus where it matters.
pub(super) fn decibels(gain: f32) -> String {
    match gain.round() {
        g if g > 0.0 => format!("+{g:.0} dB"),
        g if g < 0.0 => format!("−{:.0} dB", -g),
        _ => "0 dB".to_owned(),
    }
}
