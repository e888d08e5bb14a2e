//! A camera as the picture: its format and its controls.

use eframe::egui;
use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use kaibo::capture::camera::CameraInfo;
use kaibo::capture::camera::control::{Control, ControlItem, ControlKind};
use kaibo::capture::camera::mode::CameraMode;
use kaibo::capture::supervisor::SourceStats;
use kaibo::capture::{SourceSpec, VideoDevice};
use kaibo::engine::command::Command;
use kaibo::engine::status::{SourceStatus, Status};
use kaibo::media::video::Resolution;
use kaibo::ui::draft::Draft;
use kaibo::ui::text::Language;

use crate::world::{SIZE, World, draft, idle, window};
use crate::{click, taken};

const ID: &str = "usb-046d_HD_Pro_Webcam_C920_A1B2-video-index0";

fn control(key: &str, kind: ControlKind, value: i64, default: i64) -> Control {
    Control {
        key: key.to_owned(),
        name: format!("Driver's {key}"),
        kind,
        value,
        default,
        inactive: false,
    }
}

/// A webcam that is plugged in and shown.
fn webcam() -> (Status, Draft) {
    let modes: Vec<CameraMode> = ["yuyv:640x480@30", "mjpeg:1280x720@30", "yuyv:1280x720@10"]
        .iter()
        .map(|m| m.parse().unwrap())
        .collect();
    let range = |max| ControlKind::Range {
        min: 0,
        max,
        step: 1,
    };
    let item = |value, name: &str| ControlItem {
        value,
        name: name.to_owned(),
    };
    let mut exposure = control("exposure_time_absolute", range(2047), 250, 250);
    exposure.inactive = true;
    let controls = vec![
        control("brightness", range(255), 128, 128),
        control("white_balance_automatic", ControlKind::Switch, 1, 1),
        control(
            "power_line_frequency",
            ControlKind::Menu {
                items: vec![item(0, "Disabled"), item(1, "50 Hz"), item(2, "60 Hz")],
            },
            2,
            2,
        ),
        exposure,
        control("led_mode", range(3), 0, 0),
    ];
    let info = CameraInfo {
        id: ID.to_owned(),
        name: "HD Pro Webcam C920".to_owned(),
        path: Some("/dev/video0".to_owned()),
        modes,
        controls: controls.clone(),
        problem: None,
    };
    let spec = SourceSpec::Camera(info.settings());
    let mut status = idle();
    status.sources = vec![SourceStatus {
        name: spec.name(),
        stats: SourceStats {
            up: true,
            description: "1280x720, 30 fps, MJPEG".to_owned(),
            resolution: Some(Resolution::HD),
            controls,
            ..SourceStats::default()
        },
    }];
    status.video_devices.push(VideoDevice {
        name: info.name.clone(),
        spec: spec.clone(),
        camera: Some(info),
    });
    let mut draft = draft(Language::English);
    draft.settings.scene.layers[0].source = spec;
    (status, draft)
}

fn tall(status: Status, draft: Draft) -> egui_kittest::Harness<'static, World> {
    window(status, draft, [SIZE[0], 1100.0])
}

#[test]
fn a_camera_is_chosen_by_its_stable_id() {
    let (status, _) = webcam();
    let mut harness = tall(status, draft(Language::English));
    assert!(
        harness.query_by_label("Camera format").is_none(),
        "no camera is shown"
    );
    let commands = click(&mut harness, "HD Pro Webcam C920");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    let SourceSpec::Camera(camera) = &settings.scene.layers[0].source else {
        panic!("{settings:?}");
    };
    assert_eq!((camera.device.as_deref(), camera.mode), (Some(ID), None));
}

#[test]
fn its_format_is_left_to_kaibo_or_chosen() {
    let (status, draft) = webcam();
    let mut harness = tall(status, draft);
    harness
        .get_by_role_and_label(Role::ComboBox, "Camera format")
        .click();
    harness.run();
    let commands = click(&mut harness, "1280×720, 30 fps, MJPEG");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    let SourceSpec::Camera(camera) = &settings.scene.layers[0].source else {
        panic!("{settings:?}");
    };
    assert_eq!(camera.mode, Some("mjpeg:1280x720@30".parse().unwrap()));
    assert!(
        click(&mut harness, "HD Pro Webcam C920").is_empty(),
        "it is still the chosen one"
    );
    harness
        .get_by_role_and_label(Role::ComboBox, "Camera format")
        .click();
    harness.run();
    let commands = click(&mut harness, "Automatic (best fit)");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    let SourceSpec::Camera(camera) = &settings.scene.layers[0].source else {
        panic!("{settings:?}");
    };
    assert_eq!(camera.mode, None);
}

/// The one control that was set.
fn set(commands: &[Command]) -> (&str, Option<i64>) {
    match commands {
        [
            Command::SetCameraControl {
                camera,
                control,
                value,
            },
        ] => {
            assert_eq!(camera.as_deref(), Some(ID));
            (control, *value)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_controls_are_set_live_and_back() {
    let (status, draft) = webcam();
    let mut harness = tall(status, draft);
    click(&mut harness, "Camera controls");
    // a driver's own control keeps the driver's name
    assert!(harness.query_by_label("Driver's led_mode: 0").is_some());
    let slider = harness.get_by_role_and_label(Role::Slider, "Brightness: 128");
    slider.focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    assert_eq!(set(&taken(&mut harness)), ("brightness", Some(129)));
    assert!(harness.query_by_label("Brightness: 129").is_some());
    let commands = click(&mut harness, "Automatic white balance");
    assert_eq!(set(&commands), ("white_balance_automatic", Some(0)));
    harness
        .get_by_role_and_label(Role::ComboBox, "Anti-flicker")
        .click();
    harness.run();
    let commands = click(&mut harness, "50 Hz");
    assert_eq!(set(&commands), ("power_line_frequency", Some(1)));
    // an automatic has it in hand
    let commands = click(&mut harness, "Exposure time: 250");
    assert!(commands.is_empty(), "{commands:?}");

    let commands = click(&mut harness, "Back to defaults");
    let reset = |c: &Command| matches!(c, Command::SetCameraControl { value: None, .. });
    assert_eq!(
        commands.iter().filter(|c| reset(c)).count(),
        3,
        "{commands:?}"
    );
    assert!(click(&mut harness, "Back to defaults").is_empty());
}

#[test]
fn it_speaks_chinese() {
    let (status, mut draft) = webcam();
    draft.language = Language::Chinese;
    let mut harness = tall(status, draft);
    click(&mut harness, "摄像头调节");
    for name in [
        "亮度: 128",
        "自动白平衡",
        "曝光时间: 250",
        "恢复默认",
        "摄像头格式",
    ] {
        assert!(harness.query_all_by_label(name).next().is_some(), "{name}");
    }
    assert!(harness.query_by_value("自动（最合适）").is_some());
}

#[test]
fn a_camera_goes_into_the_corner_of_another_picture_and_out_again() {
    let (mut status, mut draft) = webcam();
    draft.settings.scene.layers[0].source = SourceSpec::Test {};
    status.sources[0].name = "test pattern".to_owned();
    let mut harness = tall(status, draft);
    let corner = "Camera in the corner";
    harness
        .get_by_role_and_label(Role::ComboBox, corner)
        .click();
    harness.run();
    // the list of sources has its name, too
    let name = "HD Pro Webcam C920";
    let entry = harness.query_all_by_label(name).last();
    entry.unwrap().click();
    harness.run();
    let commands = taken(&mut harness);
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    let [main, layer] = &settings.scene.layers[..] else {
        panic!("{settings:?}");
    };
    assert_eq!(main.source, SourceSpec::Test {});
    assert!(matches!(&layer.source, SourceSpec::Camera(c) if c.device.as_deref() == Some(ID)));
    assert!(layer.placement.width < 0.5 && layer.placement.x > 0.5);
    assert_eq!(settings.problems(), []);

    harness
        .get_by_role_and_label(Role::ComboBox, corner)
        .click();
    harness.run();
    let commands = click(&mut harness, "None");
    let [Command::ApplySettings(settings)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!(settings.scene.layers.len(), 1);
}
