//! What is made anew, when, and what is said when it cannot be.

use image::Rgba;
use image::codecs::gif::GifEncoder;

use super::*;

const OUT: Resolution = Resolution::new(640, 360);

fn at(second: &str) -> Zoned {
    let second: jiff::Timestamp = second.parse().unwrap();
    second.to_zoned(jiff::tz::TimeZone::UTC)
}

fn text(text: &str) -> Watermark {
    Watermark {
        content: Content::Text(TextSettings {
            text: text.to_owned(),
            time_zone: "UTC".to_owned(),
            ..TextSettings::default()
        }),
        ..Watermark::default()
    }
}

fn image(path: &Path) -> Watermark {
    Watermark {
        content: Content::Image(ImageSettings {
            path: path.to_owned(),
            size: 10.0,
        }),
        ..Watermark::default()
    }
}

fn loader() -> Loader {
    Loader {
        fonts: Some(Fonts::built_in()),
        ..Loader::default()
    }
}

fn update(loader: &mut Loader, watermarks: &[Watermark], second: &str) -> Loaded {
    loader.update(watermarks, OUT, &at(second), &Facts::default(), &|_| true)
}

#[test]
fn a_text_larger_than_the_picture_is_shown_as_far_as_it_goes_and_told() {
    let mut loader = loader();
    let lines = (0..300).map(|n| format!("line {n}")).collect::<Vec<_>>();
    let mut mark = text(&lines.join("\n"));
    if let Content::Text(text) = &mut mark.content {
        text.size = 4.0;
    }
    let loaded = update(
        &mut loader,
        std::slice::from_ref(&mark),
        "2026-01-01T10:00:00Z",
    );
    let [problem] = &loaded.problems[..] else {
        panic!("{:?}", loaded.problems);
    };
    assert!(problem.message.contains("larger than the picture"));
    let strip = &loaded.ready.unwrap()[0].frames[0].strip;
    assert!(strip.size[1] > 2048, "{:?}", strip.size);
    assert!(strip.tiles.len() > 1);
    let short = update(&mut loader, &[text("short")], "2026-01-01T10:00:00Z");
    assert_eq!(short.problems, []);
}

#[test]
fn pixels_are_made_when_the_text_changes_and_not_otherwise() {
    let mut loader = loader();
    let marks = [text("{time:%H:%M:%S}"), text("still")];
    let first = update(&mut loader, &marks, "2026-01-01T10:00:00.25Z");
    let first_ready = first.ready.unwrap();
    let wake = first.wake.unwrap();
    assert!(
        (wake.as_millis()).abs_diff(752) <= 1,
        "{wake:?}: the next second"
    );
    let again = update(&mut loader, &marks, "2026-01-01T10:00:00.9Z");
    assert!(again.ready.is_none(), "the same second");
    let next = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
    let next_ready = next.ready.unwrap();
    assert!(!Arc::ptr_eq(&first_ready[0].frames, &next_ready[0].frames));
    assert!(Arc::ptr_eq(&first_ready[1].frames, &next_ready[1].frames));
    // a change of place makes no pixels
    let mut moved = marks.clone();
    moved[1].margin_x = 20.0;
    let placed = update(&mut loader, &moved, "2026-01-01T10:00:01Z");
    assert!(Arc::ptr_eq(
        &placed.ready.unwrap()[1].frames,
        &next_ready[1].frames
    ));
    // nothing alive: no reason to wake
    assert_eq!(
        update(&mut loader, &marks[1..], "2026-01-01T10:00:02Z").wake,
        None
    );
}

#[test]
fn a_text_file_is_read_again_and_its_loss_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("title.txt");
    std::fs::write(&path, "\u{feff}one\n").unwrap();
    let mut mark = text("");
    if let Content::Text(text) = &mut mark.content {
        text.file = Some(path.clone());
    }
    let marks = [mark];
    let mut loader = loader();
    let first = update(&mut loader, &marks, "2026-01-01T10:00:00Z");
    assert!(first.problems.is_empty() && first.wake == Some(FILES));
    assert_eq!(loader.items[0].file_text, "one");
    std::fs::write(&path, "two {fps}").unwrap();
    let second = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
    assert!(second.ready.is_some());
    assert_eq!(loader.items[0].made_of.as_ref().unwrap().text, "two 0");
    std::fs::remove_file(&path).unwrap();
    let gone = update(&mut loader, &marks, "2026-01-01T10:00:02Z");
    assert!(gone.ready.is_none(), "what it said stays");
    assert!(
        gone.problems[0].message.contains("title.txt"),
        "{:?}",
        gone.problems
    );
    std::fs::write(&path, "two {fps}").unwrap();
    let back = update(&mut loader, &marks, "2026-01-01T10:00:03Z");
    assert!(back.problems.is_empty(), "{:?}", back.problems);
}

#[test]
fn an_image_is_scaled_loaded_again_and_its_loss_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logo.png");
    let save = |width, color| {
        RgbaImage::from_pixel(width, 100, Rgba(color))
            .save(&path)
            .unwrap();
    };
    save(200, [255, 0, 0, 128]);
    let marks = [image(&path)];
    let mut loader = loader();
    let first = update(&mut loader, &marks, "2026-01-01T10:00:00Z")
        .ready
        .unwrap();
    let sprite = |ready: &[Ready]| Arc::clone(&ready[0].frames[0].strip.tiles[0].1);
    let red = sprite(&first);
    assert_eq!((red.width, red.height), (72, 36), "a tenth of 360");
    assert_eq!(red.rgba[..4], [128, 0, 0, 128], "premultiplied");
    save(300, [0, 255, 0, 255]);
    let second = update(&mut loader, &marks, "2026-01-01T10:00:01Z")
        .ready
        .unwrap();
    assert_eq!(sprite(&second).rgba[..4], [0, 255, 0, 255]);
    assert_eq!(sprite(&second).width, 108);
    // half written: told, and the last good one stays
    std::fs::write(&path, b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let broken = update(&mut loader, &marks, "2026-01-01T10:00:02Z");
    assert!(broken.problems[0].message.contains("logo.png"));
    assert_eq!(sprite(&broken.ready.unwrap()).width, 108);
    let quiet = update(&mut loader, &marks, "2026-01-01T10:00:03Z");
    assert!(
        quiet.ready.is_none() && quiet.problems.len() == 1,
        "read once"
    );
    // another size of the picture
    let big = loader.update(
        &marks,
        Resolution::new(1280, 720),
        &at("2026-01-01T10:00:04Z"),
        &Facts::default(),
        &|_| true,
    );
    assert!(big.ready.is_some());
}

#[test]
fn a_long_animation_is_cut_and_one_that_is_not_wanted_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.gif");
    let mut encoder = GifEncoder::new(std::fs::File::create(&path).unwrap());
    for n in 0..=MOST_FRAMES {
        let image = RgbaImage::from_pixel(1, 1, Rgba([(n % 256) as u8, 0, 0, 255]));
        encoder.encode_frame(image::Frame::new(image)).unwrap();
    }
    drop(encoder);
    let mut mark = image(&path);
    if let Content::Image(image) = &mut mark.content {
        image.size = 0.0; // its own
    }
    let marks = [mark];
    let mut loader = loader();
    let asked = std::cell::Cell::new(0);
    let twice = |_: &Watermark| asked.replace(asked.get() + 1) < 2;
    let now = at("2026-01-01T10:00:00Z");
    loader.update(&marks, OUT, &now, &Facts::default(), &twice);
    assert_eq!(asked.get(), 3, "not decoded further");
    assert!(loader.items[0].frames.is_empty());
    let whole = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
    assert_eq!(loader.items[0].frames.len(), MOST_FRAMES);
    assert!(whole.ready.is_some() && whole.problems[0].message.contains("1000 pictures"));
}

#[test]
fn hidden_ones_cost_nothing() {
    let mut mark = image(Path::new("/no/such.png"));
    mark.visible = false;
    let mut loader = Loader::default();
    let hidden = update(&mut loader, &[mark], "2026-01-01T10:00:00Z");
    assert!(hidden.problems.is_empty() && hidden.wake.is_none() && loader.fonts.is_none());
}
