//! What is done to a sound and to the mix: each switch and slider yields the settings it should, in both languages; marks
//! and figures are there; the talk key is held and let go.

use std::path::PathBuf;

use eframe::egui;
use eframe::egui::accesskit::Role as Kind;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use kaibo::audio::chain::Role;
use kaibo::audio::master::Loudness;
use kaibo::audio::{InputStats, Levels};
use kaibo::engine::command::Command;
use kaibo::engine::status::{SoundStatus, Status};
use kaibo::media::SourceId;
use kaibo::settings::{AudioSettings, TalkKey};
use kaibo::ui::text::Language;

use crate::world::{World, draft, live, window};
use crate::{click, taken};

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

/// A microphone that works, speaks and has clipped; music that steps back.
fn sounding() -> Status {
    let mut status = live();
    status.sounds = vec![SoundStatus {
        id: SourceId(9),
        name: "microphone".to_owned(),
        ..SoundStatus::default()
    }];
    status.sounds[0].stats.up = true;
    status.audio.inputs = vec![InputStats {
        source: SourceId(9),
        drift_ppm: None,
        levels: Levels {
            peak_dbfs: [-9.0, -11.0],
            rms_dbfs: [-20.0, -21.0],
        },
        clipped: 3,
        compression_db: -4.2,
        gate_open: true,
    }];
    status.audio.clipped = 17;
    status.audio.limiter_db = -1.3;
    status.audio.ducking_db = -12.0;
    status.audio.loudness = Some(Loudness {
        momentary: Some(-15.2),
        short_term: Some(-16.4),
        integrated: Some(-14.8),
    });
    status
}

#[test]
fn presets_switches_and_sliders_change_the_chain_while_live() {
    let english = [
        "Processing",
        "Voice",
        "Noise suppression",
        "Noise gate",
        "Ratio",
        "Push to talk",
        "Is",
        "Music",
        "As it is",
        "Turned down by 4.2 dB",
    ];
    let chinese = [
        "声音处理",
        "人声",
        "降噪",
        "噪声门",
        "压缩比",
        "按键说话",
        "类型",
        "音乐",
        "原声",
        "压低 4.2 dB",
    ];
    for (language, words) in [(Language::English, english), (Language::Chinese, chinese)] {
        let [
            fold,
            voice,
            noise,
            gate,
            ratio,
            talk,
            role,
            music,
            plain,
            down,
        ] = words;
        let mut harness = window(sounding(), draft(language), TALL);
        assert!(harness.query_by_label(noise).is_none(), "it is folded");
        click(&mut harness, fold);
        let chain = |audio: AudioSettings| audio.sounds[0].mix.chain;
        let set = chain(applied(&click(&mut harness, voice)));
        assert!(set.noise.on && set.high_pass.on && set.compressor.on && !set.gate.on);
        assert!(harness.query_by_label(down).is_some());
        assert!(chain(applied(&click(&mut harness, gate))).gate.on);
        assert!(!chain(applied(&click(&mut harness, noise))).noise.on);
        harness.get_by_role_and_label(Kind::Slider, ratio).focus();
        harness.run();
        harness.key_press(egui::Key::ArrowRight);
        harness.run();
        let set = chain(applied(&taken(&mut harness)));
        assert!(
            (set.compressor.ratio - 3.1).abs() < 1e-3,
            "{}",
            set.compressor.ratio
        );
        assert!(chain(applied(&click(&mut harness, talk))).push_to_talk);
        harness.get_by_role_and_label(Kind::ComboBox, role).click();
        harness.run();
        let set = chain(applied(&click(&mut harness, music)));
        assert_eq!(set.role, Role::Music);
        let set = chain(applied(&click(&mut harness, plain)));
        assert!(!set.compressor.on && !set.gate.on);
        assert!(
            set.push_to_talk && set.role == Role::Music,
            "these are no processors"
        );
    }
}

#[test]
fn the_mix_is_limited_ducked_and_measured() {
    let mut harness = window(sounding(), draft(Language::English), TALL);
    let loudness = "Loudness: Now −16.4, whole show −14.8 LUFS, target −14";
    assert!(harness.query_by_label(loudness).is_some());
    assert!(
        harness
            .query_by_label("Level of Microphone: −9 dB")
            .is_some()
    );
    click(&mut harness, "Whole mix");
    assert!(harness.query_by_label("Turned down by 1.3 dB").is_some());
    let audio = applied(&click(&mut harness, "Ducking"));
    assert!(audio.master.ducking.on);
    assert!(harness.query_by_label("Turned down by 12.0 dB").is_some());
    harness
        .get_by_role_and_label(Kind::Slider, "Ceiling")
        .focus();
    harness.run();
    harness.key_press(egui::Key::ArrowLeft);
    harness.run();
    let audio = applied(&taken(&mut harness));
    assert_eq!(audio.master.limiter.ceiling_db, -2.0);
    let commands = click(&mut harness, "Measure anew");
    assert!(matches!(commands[..], [Command::ResetLoudness]));
    assert!(!applied(&click(&mut harness, "Limiter")).master.limiter.on);
}

#[test]
fn clip_marks_stay_until_they_are_clicked() {
    let mut harness = window(sounding(), draft(Language::English), TALL);
    let marks = |harness: &Harness<'_, World>| harness.query_all_by_label("CLIP").count();
    assert_eq!(
        marks(&harness),
        2,
        "that of the microphone and that of the mix"
    );
    harness.get_all_by_label("CLIP").next().unwrap().click();
    harness.run();
    harness.get_all_by_label("CLIP").next().unwrap().click();
    harness.run();
    assert_eq!(marks(&harness), 0);
    harness.state_mut().status.audio.inputs[0].clipped = 4;
    harness.run();
    assert_eq!(marks(&harness), 1, "it was too loud again");
}

fn talks(commands: &[Command]) -> Vec<bool> {
    let talks = commands.iter().filter_map(|c| match c {
        Command::SetTalking(talking) => Some(*talking),
        _ => None,
    });
    talks.collect()
}

#[test]
fn the_talk_key_and_its_button_are_held_and_let_go() {
    let mut harness = window(sounding(), draft(Language::English), TALL);
    harness.key_down(egui::Key::F8);
    harness.run();
    assert!(
        talks(&taken(&mut harness)).is_empty(),
        "nothing waits for it"
    );
    harness.key_up(egui::Key::F8);
    harness.state_mut().draft.settings.audio.sounds[0]
        .mix
        .chain
        .push_to_talk = true;
    harness.run();
    harness.key_down(egui::Key::F8);
    harness.run();
    assert_eq!(talks(&taken(&mut harness)), [true]);
    assert!(harness.query_by_label("Heard (F8)").is_some());
    harness.run();
    assert!(taken(&mut harness).is_empty(), "said once");
    harness.key_up(egui::Key::F8);
    harness.run();
    assert_eq!(talks(&taken(&mut harness)), [false]);
    // by the space bar on the button
    harness.get_by_label("Hold to talk (F8)").focus();
    harness.run();
    harness.key_down(egui::Key::Space);
    harness.run();
    harness.key_up(egui::Key::Space);
    harness.run();
    assert_eq!(talks(&taken(&mut harness)), [true, false]);
    // another key
    harness
        .get_by_role_and_label(Kind::ComboBox, "Talk key")
        .click();
    harness.run();
    let commands = click(&mut harness, "F5");
    let [.., Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(settings.window.talk_key, TalkKey::F5);
    harness.key_down(egui::Key::F5);
    harness.run();
    assert_eq!(talks(&taken(&mut harness)), [true]);
}

#[test]
#[ignore = "writes pictures to look at: KAIBO_SHOTS=folder cargo test --test ui chain -- --ignored"]
fn chain_shots() {
    let folder =
        PathBuf::from(std::env::var_os("KAIBO_SHOTS").expect("KAIBO_SHOTS names a folder"));
    for (tag, language, folds) in [
        ("en", Language::English, ["Processing", "Whole mix"]),
        ("zh", Language::Chinese, ["声音处理", "总混音"]),
    ] {
        let mut draft = draft(language);
        let chain = &mut draft.settings.audio.sounds[0].mix.chain;
        *chain = chain.preset("noisy_room").unwrap();
        chain.push_to_talk = true;
        draft.settings.audio.master.ducking.on = true;
        let mut harness = window(sounding(), draft, TALL);
        for fold in folds {
            click(&mut harness, fold);
        }
        harness.run();
        let picture = harness.render().unwrap();
        picture
            .save(folder.join(format!("chain-{tag}.png")))
            .unwrap();
    }
}
