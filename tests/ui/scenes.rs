//! Scenes below the picture and layers beside it: each click and what it asks of the engine.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use kaibo::capture::SourceSpec;
use kaibo::capture::file_spec;
use kaibo::capture::play::{PlayOrder, Playback};
use kaibo::capture::still::StillSettings;
use kaibo::capture::supervisor::SourceStats;
use kaibo::engine::command::Command;
use kaibo::engine::status::SourceStatus;
use kaibo::media::SourceId;
use kaibo::render::overlay::spec::Content;
use kaibo::render::scene::Layer;
use kaibo::settings::Settings;
use kaibo::settings::scenes::TransitionSettings;
use kaibo::ui::draft::Draft;
use kaibo::ui::text::Language;

use crate::world::{SIZE, World, draft, idle, live, window};
use crate::{click, field, taken};

const TALL: [f32; 2] = [SIZE[0], 1500.0];

fn applied(commands: &[Command]) -> Settings {
    match commands {
        [Command::ApplySettings(settings)] => (**settings).clone(),
        other => panic!("{other:?}"),
    }
}

/// Three scenes, the second on air.
fn three() -> Draft {
    let mut draft = draft(Language::English);
    draft.settings.scenes.name = "Start".to_owned();
    for name in ["Game", "Break"] {
        draft
            .settings
            .add_scene(name, kaibo::render::scene::Scene::default());
    }
    draft.settings.switch_scene(1);
    draft
}

fn names(settings: &Settings) -> (Vec<&str>, usize) {
    (settings.scenes.names(), settings.scenes.on_air())
}

/// Opens the menu of this name and clicks an item.
fn choose(harness: &mut Harness<'_, World>, menu: &str, item: &str) -> Vec<Command> {
    harness.get_by_label(menu).click();
    harness.run();
    click(harness, item)
}

#[test]
fn a_click_on_a_scene_puts_it_on_air() {
    let mut harness = window(live(), three(), SIZE);
    let commands = click(&mut harness, "Break");
    assert!(
        matches!(&commands[..], [Command::SwitchScene { name, transition: None }] if name == "Break"),
        "{commands:?}"
    );
    assert_eq!(harness.state().draft.settings.scenes.on_air(), 2);
    assert!(
        click(&mut harness, "Break").is_empty(),
        "it is on air already"
    );
    // by keyboard
    harness.get_by_label("Start").focus();
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let commands = taken(&mut harness);
    assert!(matches!(&commands[..], [Command::SwitchScene { name, .. }] if name == "Start"));
}

#[test]
fn scenes_are_added_renamed_copied_ordered_and_deleted() {
    let mut harness = window(idle(), draft(Language::English), SIZE);
    let settings = applied(&click(&mut harness, "Add scene"));
    assert_eq!(names(&settings), (vec!["Scene 1", "Scene 2"], 1));
    let mut harness = window(live(), three(), SIZE);
    let settings = applied(&click(&mut harness, "Add scene"));
    assert_eq!(
        names(&settings),
        (vec!["Start", "Game", "Break", "Scene 4"], 1)
    );
    let settings = applied(&choose(&mut harness, "Options of Start", "Duplicate"));
    assert_eq!(names(&settings).0[..3], ["Start", "Start 2", "Game"]);
    let settings = applied(&choose(&mut harness, "Options of Break", "Earlier"));
    assert_eq!(names(&settings).0[2..4], ["Break", "Game"]);
    assert_eq!(settings.scenes.name, "Game", "still on air");
    let settings = applied(&choose(&mut harness, "Options of Break", "Later"));
    assert_eq!(names(&settings).0[2..4], ["Game", "Break"]);
    let settings = applied(&choose(&mut harness, "Options of Start 2", "Delete"));
    assert_eq!(
        names(&settings),
        (vec!["Start", "Game", "Break", "Scene 4"], 1)
    );
    assert!(choose(&mut harness, "Options of Game", "Rename").is_empty());
    field(&harness, "Name of the scene").focus();
    harness.run();
    field(&harness, "Name of the scene").type_text(" 2");
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let settings = applied(&taken(&mut harness));
    assert_eq!(settings.scenes.name, "Game 2");
    // one name cannot be had twice
    choose(&mut harness, "Options of Break", "Rename");
    harness.state_mut().draft.scene.renaming = Some((2, "Start".to_owned()));
    harness.run();
    assert!(click(&mut harness, "Done").is_empty());
    assert!(
        harness
            .query_by_label("A name of its own, please")
            .is_some()
    );
}

#[test]
fn the_last_scene_cannot_be_deleted_and_has_no_transition() {
    let mut harness = window(idle(), draft(Language::Chinese), SIZE);
    harness.get_by_label("“Scene 1”的选项").click();
    harness.run();
    let delete = harness.get_by_label("删除");
    assert!(delete.accesskit_node().is_disabled());
    assert!(
        harness
            .query_by_role_and_label(Role::ComboBox, "场景切换")
            .is_none()
    );
}

#[test]
fn cut_and_fade_are_chosen_from_a_list() {
    let mut harness = window(idle(), three(), SIZE);
    let open = |harness: &mut Harness<'_, World>| {
        harness
            .get_by_role_and_label(Role::ComboBox, "Change of scenes")
            .click();
        harness.run();
    };
    open(&mut harness);
    let settings = applied(&click(&mut harness, "Cut"));
    assert_eq!(settings.scenes.transition, TransitionSettings::CUT);
    open(&mut harness);
    let settings = applied(&click(&mut harness, "Fade 1 s"));
    assert_eq!(settings.scenes.transition, TransitionSettings::fade(1000));
}

#[test]
fn layers_are_added_hidden_ordered_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.png");
    std::fs::write(&logo, b"").unwrap();
    let mut harness = window(idle(), draft(Language::English), TALL);
    harness.get_by_label("Layers").click();
    harness.run();
    harness.run();
    let add = |harness: &mut Harness<'_, World>, what: &str| {
        choose(harness, "Add layer", &format!("Add layer: {what}"))
    };
    let settings = applied(&add(&mut harness, "Screen :1 (2560x1440)"));
    assert_eq!(settings.scene.layers.len(), 2);
    assert_eq!(
        settings.scene.layers[1].source,
        idle().video_devices[2].spec
    );
    harness.run();
    let settings = applied(&add(&mut harness, "Colour"));
    assert!(matches!(
        settings.scene.layers[2].source,
        SourceSpec::Color(_)
    ));
    let settings = applied(&add(&mut harness, "Text"));
    assert!(matches!(
        settings.scene.watermarks[0].content,
        Content::Text(_)
    ));
    assert!(add(&mut harness, "File or picture…").is_empty());
    field(&harness, "File for the layer").focus();
    harness.run();
    field(&harness, "File for the layer").type_text(logo.to_str().unwrap());
    harness.run();
    let settings = applied(&click(&mut harness, "Add it"));
    assert_eq!(settings.scene.layers[3].source, file_spec(logo));

    // nearest first
    assert!(harness.query_by_label("1. logo.png").is_some());
    assert!(harness.query_by_label("4. Test pattern").is_some());
    let settings = applied(&click(&mut harness, "Show layer 1"));
    assert!(!settings.scene.layers[3].visible);
    let settings = applied(&choose(&mut harness, "Options of layer 1", "To the back"));
    assert!(matches!(
        settings.scene.layers[2].source,
        SourceSpec::Still(_)
    ));
    let settings = applied(&choose(&mut harness, "Options of layer 2", "To the front"));
    assert!(matches!(
        settings.scene.layers[3].source,
        SourceSpec::Still(_)
    ));
    let settings = applied(&choose(&mut harness, "Options of layer 1", "Remove layer"));
    assert_eq!(settings.scene.layers.len(), 3);
}

#[test]
fn a_layer_is_put_into_a_corner() {
    let mut with = draft(Language::English);
    with.settings
        .scene
        .layers
        .push(Layer::new(SourceSpec::Test {}));
    let mut harness = window(idle(), with, TALL);
    harness.run();
    assert!(click(&mut harness, "1. Test pattern").is_empty());
    harness.get_by_label("Top left").click();
    harness.run();
    let settings = applied(&taken(&mut harness));
    let placement = settings.scene.layers[1].placement;
    assert!(placement.x < 0.05 && placement.y < 0.05 && (placement.width - 0.3).abs() < 1e-3);
    assert_eq!(
        settings.scene.layers[0].placement,
        Layer::new(SourceSpec::Test {}).placement
    );
}

/// A film on air, ten seconds into two minutes.
fn film(paused: bool, count: usize) -> Harness<'static, World> {
    let folder = std::env::temp_dir();
    let spec = file_spec(folder.join("film.mkv"));
    let mut with = draft(Language::English);
    with.settings.scene.layers[0].source = spec.clone();
    let mut status = live();
    status.sources = vec![SourceStatus {
        name: spec.name(),
        stats: SourceStats {
            up: true,
            playback: Some(Playback {
                id: SourceId(4),
                position_ms: 10_000,
                length_ms: 120_000,
                paused,
                file: "film.mkv".to_owned(),
                index: 0,
                count,
                pictures: vec!["h264".to_owned()],
                sounds: vec!["aac, eng".to_owned(), "aac, deu".to_owned()],
            }),
            ..SourceStats::default()
        },
    }];
    window(status, with, TALL)
}

#[test]
fn a_film_is_paused_searched_and_its_sound_track_chosen() {
    let order = |commands: &[Command]| match commands {
        [Command::Play(SourceId(4), order)] => *order,
        other => panic!("{other:?}"),
    };
    let mut harness = film(false, 1);
    assert!(harness.query_by_label("0:00:10 of 0:02:00").is_some());
    assert_eq!(
        order(&click(&mut harness, "Pause playing")),
        PlayOrder::Pause
    );
    assert!(harness.query_by_label("Next file").is_none());
    assert_eq!(order(&click(&mut film(true, 1), "Play")), PlayOrder::Resume);
    let slider = harness.get_by_role_and_label(Role::Slider, "Position");
    let rect = slider.rect();
    slider.focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    let PlayOrder::Seek(to) = order(&taken(&mut harness)) else {
        panic!("no place");
    };
    assert_eq!(to.as_secs(), 11);
    // dragged, it goes there once, where it is let go
    harness.drag_at(rect.left_center() + egui::vec2(4.0, 0.0));
    harness.run();
    harness.hover_at(rect.center());
    harness.run();
    assert!(taken(&mut harness).is_empty());
    harness.drop_at(rect.center());
    harness.run();
    let PlayOrder::Seek(to) = order(&taken(&mut harness)) else {
        panic!("no place");
    };
    assert!((55..=65).contains(&to.as_secs()), "{to:?}");
    harness
        .get_by_role_and_label(Role::ComboBox, "Sound track")
        .click();
    harness.run();
    let settings = applied(&click(&mut harness, "2. aac, deu"));
    let SourceSpec::File(file) = &settings.scene.layers[0].source else {
        panic!("no film");
    };
    assert_eq!(file.sound_track, Some(1));
    let settings = applied(&click(&mut harness, "Play again at the end"));
    let SourceSpec::File(file) = &settings.scene.layers[0].source else {
        panic!("no film");
    };
    assert!(!file.looped);
}

#[test]
fn a_list_of_films_goes_on_and_back() {
    let mut harness = film(false, 3);
    let commands = click(&mut harness, "Next file");
    assert!(matches!(commands[..], [Command::Play(_, PlayOrder::Next)]));
    let commands = click(&mut harness, "Previous file");
    assert!(matches!(
        commands[..],
        [Command::Play(_, PlayOrder::Previous)]
    ));
    assert!(harness.query_by_label("In random order").is_some());
}

#[test]
fn the_pace_of_a_slide_show_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut with = draft(Language::English);
    with.settings.scene.layers[0].source = SourceSpec::Still(StillSettings {
        path: folder.path().to_owned(),
        ..StillSettings::default()
    });
    let mut harness = window(idle(), with, TALL);
    harness
        .get_by_role_and_label(Role::Slider, "Each picture  5 s")
        .focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    let settings = applied(&taken(&mut harness));
    let SourceSpec::Still(still) = &settings.scene.layers[0].source else {
        panic!("no slides");
    };
    assert!(still.interval_ms > 5000 && still.fade_ms == 0, "{still:?}");
}
