//! `kaibo snapshot`: a picture file through filters and watermarks into another picture file, without window or stream.

use std::fs;
use std::path::Path;
use std::time::Duration;

use image::{Rgba, RgbaImage};

use super::program::{Kaibo, Run};

fn snapshot(folder: &Path, args: &[&str]) -> Run {
    let out = folder.join("out.png");
    let mut all = vec!["snapshot", "--software-gpu", "--out", out.to_str().unwrap()];
    all.extend(args);
    Kaibo::start(&all).wait(Duration::from_secs(60))
}

#[test]
fn a_look_with_watermarks_is_tried_on_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    RgbaImage::from_pixel(320, 180, Rgba([40, 160, 90, 255]))
        .save(file("in.png"))
        .unwrap();
    RgbaImage::from_pixel(64, 36, Rgba([255, 0, 0, 255]))
        .save(file("logo.png"))
        .unwrap();
    let config = format!(
        r#"
            [[scene.layer]]
            source = {{ kind = "test" }}
            [[scene.layer.filter]]
            kind = "look"
            look = "black_white"
            strength = 100.0
            [[scene.watermark]]
            anchor = "top_left"
            margin_x = 0.0
            margin_y = 0.0
            opacity = 0.5
            content = {{ kind = "image", path = "{}", size = 20.0 }}
            [[scene.watermark]]
            anchor = "bottom_right"
            content = {{ kind = "text", text = "Kaibo", size = 15.0 }}
            [[scene.watermark]]
            content = {{ kind = "image", path = "/nowhere/at-all.png" }}
        "#,
        file("logo.png").display()
    );
    fs::write(file("scene.toml"), config).unwrap();
    let [source, scene] = ["in.png", "scene.toml"].map(|name| file(name).display().to_string());
    let run = snapshot(dir.path(), &["--source", &source, "--config", &scene]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("/nowhere/at-all.png"), "{}", run.stderr);
    let shot = image::open(file("out.png")).unwrap().to_rgba8();
    assert_eq!(shot.dimensions(), (320, 180), "the source's own size");
    let Rgba([grey, g, b, _]) = *shot.get_pixel(160, 90);
    assert!(grey == g && g == b, "without colour: {grey} {g} {b}");
    let half = |over: u8| i32::midpoint(i32::from(over), i32::from(grey));
    for (x, y, inside) in [(0, 0, true), (63, 35, true), (64, 0, false), (0, 36, false)] {
        let Rgba([r, g, _, _]) = *shot.get_pixel(x, y);
        let want = if inside {
            [half(255), half(0)]
        } else {
            [i32::from(grey); 2]
        };
        let difference = [i32::from(r) - want[0], i32::from(g) - want[1]];
        assert!(
            difference.iter().all(|d| d.abs() <= 2),
            "{x},{y}: {difference:?}"
        );
    }
    let corner = shot
        .enumerate_pixels()
        .filter(|(x, y, _)| *x > 220 && *y > 130);
    let lettering = corner.filter(|(_, _, p)| p.0[0] > 240).count();
    assert!(lettering > 100, "{lettering} white pixels of the text");

    let run = snapshot(
        dir.path(),
        &["--source", &source, "--config", &scene, "--size", "160x90"],
    );
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let small = image::open(file("out.png")).unwrap().to_rgba8();
    assert_eq!(small.dimensions(), (160, 90));
    assert!(
        small.get_pixel(31, 17).0[0] > small.get_pixel(33, 17).0[0] + 50,
        "as large a share"
    );
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let run = snapshot(dir.path(), &["--source", "/nowhere/at-all.png"]);
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("at-all.png"), "{}", run.stderr);
    assert!(!dir.path().join("out.png").exists());
    fs::write(dir.path().join("bad.toml"), "[scene]\nlayer = 3\n").unwrap();
    let bad = dir.path().join("bad.toml").display().to_string();
    let run = snapshot(dir.path(), &["--source", "test", "--config", &bad]);
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("bad.toml"), "{}", run.stderr);
}
