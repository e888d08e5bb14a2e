//! How sound is sent: bitrate, channels, sample rate, encoder. A change while live is heard as a short break at most.

use eframe::egui::{Button, ComboBox, Ui};

use crate::encode::{AacEncoder, AudioChannels, AudioRate, has_aac};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::Draft;
use crate::ui::text::fill;
use crate::ui::theme::size;
use crate::ui::widgets::{label_ui, section_ui};

/// Bitrates to choose from, kbit/s.
const BITRATES_KBPS: [u32; 9] = [32, 48, 64, 96, 128, 160, 192, 256, 320];

/// Bitrate, channels, rate, encoder of the sound.
pub fn sound_quality_ui(
    _status: &Status,
    draft: &mut Draft,
    commands: &mut Vec<Command>,
    ui: &mut Ui,
) {
    let t = draft.text();
    section_ui(ui, t.sound_quality);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    let before = draft.settings.audio.encoder.clone();
    let encoder = &mut draft.settings.audio.encoder;
    let mut bitrates = BITRATES_KBPS.to_vec();
    if !bitrates.contains(&encoder.bitrate_kbps) {
        bitrates.push(encoder.bitrate_kbps); // from a settings file
    }
    let worded = |kbps| (kbps, format!("{kbps} kbit/s"));
    let bitrates: Vec<_> = bitrates.into_iter().map(worded).collect();
    combo_ui(ui, t.audio_bitrate, &mut encoder.bitrate_kbps, &bitrates);
    let channels = [
        (AudioChannels::Stereo, t.channels_stereo.to_owned()),
        (AudioChannels::Mono, t.channels_mono.to_owned()),
    ];
    combo_ui(ui, t.audio_channels, &mut encoder.channels, &channels);
    let rates = [AudioRate::Hz48000, AudioRate::Hz44100].map(|rate| (rate, format!("{rate} Hz")));
    combo_ui(ui, t.audio_rate, &mut encoder.rate, &rates);
    let label = label_ui(ui, t.audio_encoder);
    let combo = ComboBox::from_id_salt(t.audio_encoder)
        .width(ui.available_width())
        .selected_text(encoder.encoder.name())
        .show_ui(ui, |ui| {
            for aac in AacEncoder::ALL {
                let there = has_aac(aac);
                let name = if there {
                    aac.name().to_owned()
                } else {
                    fill(t.audio_encoder_missing, &[aac.name()])
                };
                let entry = Button::selectable(encoder.encoder == aac, name);
                if ui.add_enabled(there, entry).clicked() {
                    ui.close();
                    encoder.encoder = aac;
                }
            }
        });
    combo.response.labelled_by(label.id);
    if encoder.channels == AudioChannels::Mono {
        encoder.bitrate_kbps = encoder.bitrate_kbps.min(256); // all that fits into one channel
    }
    if *encoder != before {
        draft.apply(commands);
    }
}

fn combo_ui<T: Copy + PartialEq>(ui: &mut Ui, name: &str, value: &mut T, choices: &[(T, String)]) {
    let label = label_ui(ui, name);
    let current = choices.iter().find(|(choice, _)| choice == value);
    let combo = ComboBox::from_id_salt(name)
        .width(ui.available_width())
        .height(400.0)
        .selected_text(current.map_or("…", |(_, text)| text))
        .show_ui(ui, |ui| {
            for (choice, text) in choices {
                if ui.selectable_label(choice == value, text).clicked() {
                    ui.close(); // by keyboard it would stay open
                    *value = *choice;
                }
            }
        });
    combo.response.labelled_by(label.id);
}
