//! The encoder: which one, what it is optimised for, and everything that can be set of it. A value that the encoder
//! cannot do is refused with the reason, below the settings.

use eframe::egui::{CollapsingHeader, ComboBox, TextEdit, Ui};

use crate::encode::candidate::{self, Candidate, Place, VideoCodec};
use crate::encode::probe::{Outcome, Why};
use crate::encode::settings::AUTO;
use crate::encode::{Profile, RateControl, Style, Tune, VideoEncoderSettings};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::ui::draft::{BITRATES_KBPS, Draft};
use crate::ui::encoder_text::{Words, words};
use crate::ui::text::fill;
use crate::ui::theme::{color, size};
use crate::ui::widgets::{colored_hint_ui, hint_ui, label_ui, section_ui};

const QUALITIES: [u8; 7] = [18, 20, 22, 23, 25, 28, 32];
const BUFFERS_MS: [u32; 5] = [0, 300, 500, 1000, 2000];
const INTERVALS: [f32; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];
const LOOK_AHEADS: [Option<u8>; 5] = [None, Some(4), Some(8), Some(16), Some(32)];

/// All of it. A change while on air opens the encoder anew, with a keyframe.
pub fn encoder_ui(status: &Status, draft: &mut Draft, commands: &mut Vec<Command>, ui: &mut Ui) {
    let w = words(draft.language);
    section_ui(ui, w.title);
    ui.spacing_mut().item_spacing.y = size::GAP_SMALL;
    if let Some(now) = &status.encoder {
        let name = match now.preset.as_str() {
            "" | AUTO => now.name.clone(),
            preset => format!("{} {preset}", now.name),
        };
        hint_ui(ui, &fill(w.now, &[&name, &format!("{:.1}", now.encode_ms)]));
    }
    let mut encoder = draft.settings.encoder.clone();
    style_ui(w, &mut encoder, ui);
    CollapsingHeader::new(w.more)
        .id_salt("encoder_more")
        .show(ui, |ui| {
            which_ui(w, status, For::Stream, &mut encoder, ui);
            rate_ui(w, &mut encoder, ui);
            picture_ui(w, &mut encoder, ui);
            options_ui(w, draft, &mut encoder, ui);
        });
    if encoder != draft.settings.encoder {
        draft.choose_encoder(encoder, commands);
    }
    if let Some(problem) = &draft.encoder_problem {
        colored_hint_ui(ui, problem, color::BAD);
    }
}

/// A field with its name, its meaning under the pointer, and a list to choose from.
pub(super) fn choice_ui<T: PartialEq>(
    ui: &mut Ui,
    (id, name, meaning): (&str, &str, &str),
    value: &mut T,
    choices: impl IntoIterator<Item = T>,
    text: impl Fn(&T) -> String,
) {
    let label = label_ui(ui, name).on_hover_text(meaning);
    let combo = ComboBox::from_id_salt(id)
        .width(ui.available_width())
        .height(320.0)
        .selected_text(text(value))
        .show_ui(ui, |ui| {
            for choice in choices {
                let chosen = *value == choice;
                if ui.selectable_label(chosen, text(&choice)).clicked() {
                    ui.close(); // by keyboard it would stay open
                    *value = choice;
                }
            }
        });
    combo.response.labelled_by(label.id).on_hover_text(meaning);
}

fn style_ui(w: &Words, encoder: &mut VideoEncoderSettings, ui: &mut Ui) {
    let mut style = encoder.style();
    let name = |style: &Option<Style>| {
        match style {
            None => w.custom,
            Some(Style::LowLatency) => w.low_latency,
            Some(Style::Balanced) => w.balanced,
            Some(Style::Quality) => w.quality,
        }
        .to_owned()
    };
    let words = ("encoder_style", w.style, w.style_meaning);
    choice_ui(ui, words, &mut style, Style::ALL.map(Some), name);
    if let Some(style) = style
        && encoder.style() != Some(style)
    {
        *encoder = encoder.styled(style);
    }
}

/// What an encoder is chosen for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Stream,
    Recording,
}

/// Encoders that can be used for it: those that work to choose from, the others with the reason why not.
pub(super) fn which_ui(
    w: &Words,
    status: &Status,
    purpose: For,
    encoder: &mut VideoEncoderSettings,
    ui: &mut Ui,
) {
    let title = |name: &str| match candidate::find(name) {
        None => w.auto.to_owned(),
        Some(c) => c.title.to_owned(),
    };
    let (id, name) = match purpose {
        For::Stream => ("encoder_name", w.encoder),
        For::Recording => ("record_encoder_name", w.record_encoder),
    };
    let label = label_ui(ui, name).on_hover_text(w.encoder_meaning);
    let mut chosen = None;
    let combo = ComboBox::from_id_salt(id)
        .width(ui.available_width())
        .height(520.0)
        .selected_text(title(&encoder.encoder))
        .show_ui(ui, |ui| {
            for name in [AUTO].into_iter().chain(names(status, purpose)) {
                let now = encoder.encoder == name;
                match reason(status, name, purpose) {
                    None => {
                        if ui.selectable_label(now, title(name)).clicked() {
                            ui.close();
                            chosen = (!now).then_some(name);
                        }
                    }
                    Some(reason) => {
                        let why = fill(w.unusable, &[reason]);
                        ui.add_enabled_ui(false, |ui| ui.selectable_label(now, title(name)))
                            .inner
                            .on_disabled_hover_text(&why);
                        hint_ui(ui, &why);
                    }
                }
            }
        });
    combo
        .response
        .labelled_by(label.id)
        .on_hover_text(w.encoder_meaning);
    if let Some(name) = chosen {
        name.clone_into(&mut encoder.encoder);
        // they were another encoder's
        AUTO.clone_into(&mut encoder.preset);
        encoder.options.clear();
        if let Some(candidate) = candidate::find(name) {
            encoder.b_frames = encoder.b_frames.min(candidate.capabilities.b_frames);
        }
    }
}

/// Those for streams make H.264; before anything was found out only what needs no hardware.
fn names(status: &Status, purpose: For) -> Vec<&'static str> {
    let known = |c: &&Candidate| match c.place {
        Place::Processor => true,
        Place::Hardware => status.encoders.iter().any(|r| r.name == c.name),
    };
    let all = candidate::all().filter(|c| purpose == For::Recording || c.codec == VideoCodec::H264);
    all.filter(known).map(|c| c.name).collect()
}

fn reason<'a>(status: &'a Status, name: &str, purpose: For) -> Option<&'a str> {
    let report = status.encoders.iter().find(|r| r.name == name)?;
    match &report.outcome {
        // it was asked for the stream's way of rate control
        Outcome::Unusable {
            why: Why::Refused, ..
        } if purpose == For::Recording => None,
        Outcome::Unusable { reason, .. } => Some(reason),
        Outcome::Works(_) => None,
    }
}

fn rate_ui(w: &Words, encoder: &mut VideoEncoderSettings, ui: &mut Ui) {
    let name = |rate: &RateControl| {
        match rate {
            RateControl::Cbr => w.cbr,
            RateControl::Vbr => w.vbr,
            RateControl::Crf => w.crf,
            RateControl::Cqp => "CQP",
        }
        .to_owned()
    };
    // a constant quantiser has no limit and is for recordings
    let rates = [RateControl::Cbr, RateControl::Vbr, RateControl::Crf];
    let words = ("encoder_rate", w.rate, w.rate_meaning);
    choice_ui(ui, words, &mut encoder.rate_control, rates, name);
    if encoder.rate_control == RateControl::Vbr {
        let words = ("encoder_peak", w.peak, w.peak_meaning);
        let least = encoder.bitrate_kbps;
        let peaks = BITRATES_KBPS.into_iter().filter(|k| *k >= least);
        let peaks = [0].into_iter().chain(peaks);
        choice_ui(
            ui,
            words,
            &mut encoder.max_bitrate_kbps,
            peaks,
            |kbps| match kbps {
                0 => w.auto.to_owned(),
                kbps => format!("{kbps} kbit/s"),
            },
        );
    }
    if encoder.rate_control == RateControl::Crf {
        let words = ("encoder_level", w.level, w.level_meaning);
        choice_ui(ui, words, &mut encoder.quality, QUALITIES, u8::to_string);
    }
    let words = ("encoder_buffer", w.buffer, w.buffer_meaning);
    choice_ui(
        ui,
        words,
        &mut encoder.buffer_ms,
        BUFFERS_MS,
        |ms| match ms {
            0 => w.auto.to_owned(),
            ms => format!("{ms} ms"),
        },
    );
}

fn picture_ui(w: &Words, encoder: &mut VideoEncoderSettings, ui: &mut Ui) {
    let candidate = candidate::find(&encoder.encoder);
    let able = candidate.or_else(|| candidate::find("x264"));
    let words = ("encoder_keyframes", w.keyframes, w.keyframes_meaning);
    choice_ui(ui, words, &mut encoder.keyframe_interval, INTERVALS, |s| {
        fill(w.seconds, &[&s.to_string()])
    });
    let presets = able.map_or(&[][..], |c| c.capabilities.presets);
    let presets = [AUTO].into_iter().chain(presets.iter().copied());
    let words = ("encoder_preset", w.preset, w.preset_meaning);
    choice_ui(
        ui,
        words,
        &mut encoder.preset,
        presets.map(str::to_owned),
        |preset| match preset.as_str() {
            AUTO => w.auto.to_owned(),
            preset => preset.to_owned(),
        },
    );
    let profiles = able.map_or(&[][..], |c| c.capabilities.profiles);
    let profiles = [Profile::Auto].into_iter().chain(profiles.iter().copied());
    let words = ("encoder_profile", w.profile, w.profile_meaning);
    choice_ui(ui, words, &mut encoder.profile, profiles, |p| match p {
        Profile::Auto => w.auto.to_owned(),
        p => p.name().to_owned(),
    });
    let most = able.map_or(0, |c| c.capabilities.b_frames);
    let words = ("encoder_b_frames", w.b_frames, w.b_frames_meaning);
    choice_ui(ui, words, &mut encoder.b_frames, 0..=most, |n| match n {
        0 => w.none.to_owned(),
        n => n.to_string(),
    });
    if encoder.tune == Tune::Quality {
        let words = ("encoder_look_ahead", w.look_ahead, w.look_ahead_meaning);
        choice_ui(
            ui,
            words,
            &mut encoder.look_ahead,
            LOOK_AHEADS,
            |n| match n {
                None => w.auto.to_owned(),
                Some(n) => fill(w.pictures, &[&n.to_string()]),
            },
        );
    }
}

/// Further options: taken when the field is left, and when they are good.
fn options_ui(w: &Words, draft: &mut Draft, encoder: &mut VideoEncoderSettings, ui: &mut Ui) {
    let label = label_ui(ui, w.options).on_hover_text(w.options_meaning);
    let field = TextEdit::singleline(&mut draft.encoder_options)
        .id_salt("encoder_options")
        .desired_width(f32::INFINITY)
        .hint_text("aq-mode=2");
    let field = ui.add(field).labelled_by(label.id);
    if field.lost_focus() {
        draft
            .encoder_options
            .trim()
            .clone_into(&mut encoder.options);
        draft.encoder_problem = None;
    } else if !field.has_focus() && draft.encoder_problem.is_none() {
        draft.encoder_options.clone_from(&encoder.options);
    }
}
