//! The sound section: each click yields the settings it should, in both languages.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kaibo::capture::AudioSpec;
use kaibo::encode::{AacEncoder, AudioChannels, AudioRate, has_aac};
use kaibo::engine::command::Command;
use kaibo::engine::status::{SoundStatus, Status};
use kaibo::media::SourceId;
use kaibo::media::audio::ChannelPick;
use kaibo::playback::OutputDevice;
use kaibo::settings::{AudioSettings, MonitorOf};
use kaibo::ui::text::Language;

use crate::world::{World, draft, idle, live, window};
use crate::{click, field, taken};

/// Tall enough that nothing must be scrolled to.
const TALL: [f32; 2] = [1100.0, 3000.0];

fn applied(commands: &[Command]) -> AudioSettings {
    match commands {
        [.., Command::ApplySettings(settings)] => {
            assert_eq!(settings.problems(), []);
            settings.audio.clone()
        }
        other => panic!("{other:?}"),
    }
}

/// Opens a list or menu and takes an entry of it.
fn pick(harness: &mut Harness<'_, World>, list: &str, entry: &str) -> AudioSettings {
    harness.get_by_role_and_label(Role::ComboBox, list).click();
    harness.run();
    applied(&click(harness, entry))
}

fn add(harness: &mut Harness<'_, World>, menu: &str, entry: &str) -> AudioSettings {
    harness.get_by_label(menu).click();
    harness.run();
    // the entry, which lies over the row of a sound that is called the same
    let entries: Vec<_> = harness.get_all_by_label(entry).collect();
    entries.first().unwrap().click();
    harness.run();
    applied(&taken(harness))
}

#[test]
fn sounds_are_added_named_chosen_mixed_and_removed_while_live() {
    let english = [
        "Add sound",
        "Desktop sound",
        "Microphone",
        "Name",
        "Mute Desktop sound",
        "Channels",
        "Left",
        "Remove sound",
    ];
    let chinese = [
        "添加声音",
        "桌面声音",
        "麦克风",
        "名称",
        "静音 桌面声音",
        "声道",
        "左声道",
        "删除此声音",
    ];
    for (language, words) in [(Language::English, english), (Language::Chinese, chinese)] {
        let [
            menu,
            desktop,
            microphone,
            name,
            mute,
            channels,
            left,
            remove,
        ] = words;
        let mut harness = window(live(), draft(language), TALL);
        let added = add(&mut harness, menu, desktop);
        assert_eq!(added.sounds.len(), 2, "beside the microphone of the start");
        assert_eq!(added.sounds[1].source, AudioSpec::DESKTOP);
        assert!(applied(&click(&mut harness, mute)).sounds[1].mix.muted);
        let picked = pick(&mut harness, channels, left);
        assert_eq!(picked.sounds[1].mix.channels, ChannelPick::Left);
        assert_eq!(picked.sounds[0].mix.channels, ChannelPick::Stereo);

        let added = add(&mut harness, menu, microphone);
        assert_eq!(added.sounds.len(), 3);
        let device = pick(&mut harness, microphone, "Yeti Stereo Microphone");
        let yeti = AudioSpec::Microphone {
            device: Some("alsa_input.usb-yeti".to_owned()),
        };
        assert_eq!(device.sounds[2].source, yeti, "by what stays, its id");
        assert_eq!(device.sounds[2].name, "Yeti Stereo Microphone");
        field(&harness, name).focus();
        harness.run();
        harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
        field(&harness, name).type_text("主持人");
        harness.run();
        assert_eq!(applied(&taken(&mut harness)).sounds[2].called(), "主持人");
        let removed = applied(&click(&mut harness, remove));
        assert_eq!(removed.sounds.len(), 2);
        assert_eq!(removed.sounds[1].source, AudioSpec::DESKTOP);
    }
}

#[test]
fn gain_and_offset_go_by_keyboard() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    harness.get_by_label("Gain  0 dB").focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    assert_eq!(applied(&taken(&mut harness)).sounds[0].mix.gain_db, 1.0);
    harness
        .get_by_role_and_label(Role::SpinButton, "Offset")
        .focus();
    harness.run();
    harness.event(egui::Event::Text("-250".to_owned()));
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(applied(&taken(&mut harness)).sounds[0].mix.offset_ms, -250);
}

#[test]
fn a_sound_that_is_missing_is_said_to_be() {
    for (language, words) in [
        (Language::English, "Not there now"),
        (Language::Chinese, "当前不可用"),
    ] {
        let status = Status {
            sounds: vec![SoundStatus {
                id: SourceId(9),
                name: "microphone".to_owned(),
                ..SoundStatus::default()
            }],
            ..live()
        };
        let mut harness = window(status, draft(language), TALL);
        assert!(harness.query_by_label_contains(words).is_some());
        harness.state_mut().status.sounds[0].stats.up = true;
        harness.state_mut().status.sounds[0].stats.description =
            "Yeti, 48000 Hz, 1 channel".to_owned();
        harness.run();
        assert!(harness.query_by_label_contains(words).is_none());
        assert!(
            harness
                .query_by_label("Yeti, 48000 Hz, 1 channel")
                .is_some()
        );
    }
}

#[test]
fn the_sound_of_the_picture_has_its_own_mix() {
    let mut harness = window(idle(), draft(Language::English), TALL);
    let muted = applied(&click(&mut harness, "Mute Sound of the picture"));
    assert!(muted.picture.muted && !muted.sounds[0].mix.muted);
    click(&mut harness, "Sound of the picture");
    let picked = pick(&mut harness, "Channels", "Mono");
    assert_eq!(picked.picture.channels, ChannelPick::Mono);
}

#[test]
fn listening_in_names_what_and_where() {
    for (language, words) in [
        (
            Language::English,
            ["Listen in", "Everything sent", "Listen on", "Headphones"],
        ),
        (
            Language::Chinese,
            ["监听", "全部输出", "监听设备", "Headphones"],
        ),
    ] {
        let [what, everything, on, headphones] = words;
        let status = Status {
            outputs: vec![OutputDevice {
                name: headphones.to_owned(),
                id: "alsa_output.usb".to_owned(),
                default: false,
            }],
            ..idle()
        };
        let mut harness = window(status, draft(language), TALL);
        assert!(harness.query_by_label(on).is_none(), "nobody listens");
        let mix = pick(&mut harness, what, everything);
        assert_eq!(mix.monitor.of, MonitorOf::Mix);
        let device = pick(&mut harness, on, headphones);
        assert_eq!(device.monitor.device.as_deref(), Some("alsa_output.usb"));
    }
}

#[test]
fn the_quality_of_sound_is_chosen() {
    for (language, words) in [
        (
            Language::English,
            [
                "Sound bitrate",
                "Sound channels",
                "Mono",
                "Sample rate",
                "Sound encoder",
            ],
        ),
        (
            Language::Chinese,
            ["音频码率", "音频声道", "单声道", "采样率", "音频编码器"],
        ),
    ] {
        let [bitrate, channels, mono, rate, encoder] = words;
        let mut harness = window(idle(), draft(language), TALL);
        assert_eq!(
            pick(&mut harness, bitrate, "320 kbit/s")
                .encoder
                .bitrate_kbps,
            320
        );
        let picked = pick(&mut harness, channels, mono);
        assert_eq!(picked.encoder.channels, AudioChannels::Mono);
        assert_eq!(
            picked.encoder.bitrate_kbps, 256,
            "what fits into one channel"
        );
        let picked = pick(&mut harness, rate, "44100 Hz");
        assert_eq!(picked.encoder.rate, AudioRate::Hz44100);
        harness
            .get_by_role_and_label(Role::ComboBox, encoder)
            .click();
        harness.run();
        if !has_aac(AacEncoder::Fdk) {
            let said = harness.get_by_label_contains("libfdk_aac");
            assert!(said.accesskit_node().is_disabled());
        }
    }
}
