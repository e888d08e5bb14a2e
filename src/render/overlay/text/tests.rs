//! Texts in pixels.

use image::RgbaImage;

use super::super::spec::{Align, Background, Color, Outline, Shadow, TextSettings};
use super::*;

const OUT: Resolution = Resolution::new(1280, 720);

fn plain(text: &str) -> TextSettings {
    TextSettings {
        text: text.to_owned(),
        outline: None,
        size: 10.0,
        ..TextSettings::default()
    }
}

fn drawn(settings: &TextSettings) -> (RgbaImage, [i32; 4]) {
    let rendered = render(&mut Fonts::built_in(), settings, &settings.text, OUT);
    assert_eq!(rendered.problems, Vec::<String>::new());
    rendered.picture.unwrap()
}

/// Left, top, right, bottom of what is more than half covered.
fn ink(image: &RgbaImage) -> [u32; 4] {
    let strong = |p: &image::Rgba<u8>| p.0[3] > 127;
    let at: Vec<_> = image
        .enumerate_pixels()
        .filter(|(.., p)| strong(p))
        .map(|(x, y, _)| (x, y))
        .collect();
    let xs = || at.iter().map(|p| p.0);
    let ys = || at.iter().map(|p| p.1);
    [
        xs().min().unwrap(),
        ys().min().unwrap(),
        xs().max().unwrap(),
        ys().max().unwrap(),
    ]
}

#[test]
fn the_size_is_a_share_of_the_pictures_height() {
    // capitals of the font in the program are 0.733 em (its OS/2 table); em is 10 % of 720
    let [_, top, _, bottom] = ink(&drawn(&plain("HI")).0);
    let capitals = (bottom - top + 1) as f32;
    assert!((capitals - 72.0 * 0.733).abs() <= 1.5, "{capitals}");
}

#[test]
fn letters_are_crisp_and_premultiplied() {
    let (image, inset) = drawn(&TextSettings {
        color: Color([255, 200, 0, 255]),
        ..plain("HHH")
    });
    let solid = image.pixels().filter(|p| p.0 == [255, 200, 0, 255]).count();
    let inked = image.pixels().filter(|p| p.0[3] > 0).count();
    assert!(solid * 10 > inked * 8, "{solid} of {inked} are solid");
    for p in image.pixels() {
        let [r, g, b, a] = p.0.map(i32::from);
        assert!(
            (r - a).abs() <= 1 && (g - a * 200 / 255).abs() <= 1 && b == 0,
            "{p:?}"
        );
    }
    assert!(inset.iter().all(|i| *i > 0));
}

#[test]
fn outline_shadow_and_box_lie_where_they_should() {
    let letters = ink(&drawn(&plain("I")).0);
    let shift = |with: &TextSettings| {
        let (image, inset) = drawn(with);
        let (plain_image, plain_inset) = drawn(&plain("I"));
        let d = inset[0] - plain_inset[0];
        let (w, h) = (plain_image.width() as i32, plain_image.height() as i32);
        let (ow, oh) = (image.width() as i32, image.height() as i32);
        assert!((ow - w, oh - h) == (2 * d, 2 * d) || with.background.is_some());
        let grown = ink(&image).map(|v| v as i32 - d);
        [0, 1, 2, 3].map(|i| grown[i] - letters[i] as i32)
    };
    // 10 % of 72 pixels
    let outline = TextSettings {
        outline: Some(Outline {
            color: Color::BLACK,
            width: 10.0,
        }),
        ..plain("I")
    };
    for (side, want) in shift(&outline).into_iter().zip([-7, -7, 7, 7]) {
        assert!((side - want).abs() <= 1, "{:?}", shift(&outline));
    }
    let shadow = TextSettings {
        shadow: Some(Shadow {
            color: Color::BLACK,
            x: 20.0,
            y: 10.0,
            blur: 0.0,
        }),
        ..plain("I")
    };
    for (side, want) in shift(&shadow).into_iter().zip([0, 0, 14, 7]) {
        assert!((side - want).abs() <= 1, "{:?}", shift(&shadow));
    }
    let (image, inset) = drawn(&TextSettings {
        background: Some(Background {
            color: Color([0, 0, 255, 255]),
            padding: 50.0,
            radius: 50.0,
        }),
        ..plain("I")
    });
    assert_eq!(inset, [0; 4], "the box is what is put to the edge");
    let [left, top, right, bottom] = ink(&image);
    assert!(left <= 1 && top <= 1 && image.width() - right <= 2 && image.height() - bottom <= 2);
    let corner = image.get_pixel(3, 3).0[3];
    let edge = image.get_pixel(image.width() / 2, 3).0;
    assert_eq!((corner, edge), (0, [0, 0, 255, 255]), "rounded");
}

#[test]
fn lines_are_aligned_and_spaced() {
    let left_of = |align, line: u32| {
        let (image, _) = drawn(&TextSettings {
            align,
            ..plain("HHHH\nH")
        });
        let half = image.height() / 2;
        let part = image::imageops::crop_imm(&image, 0, line * half, image.width(), half);
        ink(&part.to_image())
    };
    let [wide, left, center, right] = [
        left_of(Align::Left, 0),
        left_of(Align::Left, 1),
        left_of(Align::Center, 1),
        left_of(Align::Right, 1),
    ];
    assert!(left[0].abs_diff(wide[0]) <= 1 && right[2].abs_diff(wide[2]) <= 1);
    let middle = |b: [u32; 4]| (b[0] + b[2]) / 2;
    assert!(middle(center).abs_diff(middle(wide)) <= 2);
    let height = |line_spacing| {
        drawn(&TextSettings {
            line_spacing,
            ..plain("H\nH")
        })
        .0
        .height()
    };
    let line = height(2.0) - height(1.0);
    assert!((72..=110).contains(&line), "{line}");
}

#[test]
fn a_marquee_is_one_line_and_nothing_draws_nothing() {
    let one = drawn(&plain("AB")).0.height();
    let marquee = TextSettings {
        scroll: 5.0,
        ..plain("A\nB")
    };
    assert_eq!(drawn(&marquee).0.height(), one);
    for nothing in ["", "\n\n", " "] {
        let rendered = render(&mut Fonts::built_in(), &plain(nothing), nothing, OUT);
        let clear = rendered
            .picture
            .is_none_or(|(image, _)| image.pixels().all(|p| p.0[3] == 0));
        assert!(clear, "{nothing:?}");
    }
}

#[test]
fn a_text_beyond_all_bounds_is_told_and_not_drawn() {
    let settings = TextSettings {
        size: 50.0,
        ..plain("")
    };
    let long = "开播".repeat(2000);
    let rendered = render(&mut Fonts::built_in(), &settings, &long, OUT);
    assert!(rendered.picture.is_none() && rendered.problems[0].contains("too long"));
}

#[test]
fn what_is_missing_is_said() {
    let rendered = render(&mut Fonts::built_in(), &plain("Hi 🎉"), "Hi 🎉", OUT);
    let [problem] = &rendered.problems[..] else {
        panic!("{:?}", rendered.problems);
    };
    assert!(
        problem.contains("🎉") && problem.contains("fonts-noto-color-emoji"),
        "{problem}"
    );
    assert!(rendered.picture.is_some(), "the rest is shown");
}

/// With fonts-noto-cjk and fonts-noto-color-emoji: one string of everything, no glyph missing, emoji in colour.
#[test]
#[expect(clippy::print_stderr, reason = "says why it is skipped")]
fn chinese_japanese_korean_latin_and_emoji_stand_in_one_string() {
    let mut fonts = Fonts::of_system();
    let settings = plain("");
    let probe = render(&mut fonts, &settings, "한🎉", OUT);
    if !probe.problems.is_empty() {
        // scripts/test installs the fonts
        assert!(std::env::var_os("CI").is_none(), "{:?}", probe.problems);
        eprintln!("skipped: {:?}", probe.problems);
        return;
    }
    let text = "开播 Kaibo がんばる 한국어 Ünïcödé ½ → 🎉👍🏽🇨🇳👩\u{200d}🚀 ❤\u{fe0f} ©";
    let rendered = render(&mut fonts, &settings, text, OUT);
    assert_eq!(rendered.problems, Vec::<String>::new());
    let (image, _) = rendered.picture.unwrap();
    let coloured = image.pixels().filter(|p| {
        let [r, g, b, a] = p.0;
        a > 200 && r.abs_diff(g).max(g.abs_diff(b)) > 60
    });
    assert!(coloured.count() > 4000, "emoji in their colours");
    // a flag, a skin tone, an astronaut: one glyph each, not two or three
    let (face, _) = fonts.choose("", true, false);
    let mut set = |text: &str| {
        let shaped = shape::shape(&mut fonts, &face, true, text, 100.0);
        assert!(shaped.missing.is_empty(), "{:?}", shaped.missing);
        let line = &shaped.lines[0];
        let places: Vec<_> = line.glyphs.iter().map(|g| g.x).collect();
        (line.width, line.glyphs.len(), places)
    };
    for joined in ["🇨🇳", "👍🏽", "👩\u{200d}🚀"] {
        assert_eq!(set(joined).0, set("🎉").0, "{joined}");
    }
    // right to left: the letters of an Arabic word join, and the word's first letter stands at its right end
    let apart: f32 = ["س", "ل", "ا", "م"].iter().map(|l| set(l).0).sum();
    assert!(set("سلام").0 < apart * 0.9, "letters join");
    let (_, alone, _) = set("ab שלום cd");
    assert_eq!(alone, 10);
    // kerning: a pair is narrower than its letters
    if let (latin, None) = fonts.choose("DejaVu Sans", true, false) {
        let mut width =
            |text: &str| shape::shape(&mut fonts, &latin, true, text, 100.0).lines[0].width;
        assert!(width("AV") < width("A") + width("V") - 2.0);
    }
}

/// tests/support/colour_font.py made it.
#[test]
fn outline_emoji_have_their_colours() {
    let font = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/colour.ttf");
    let pixel = |text: &str, x: f32, y: f32| {
        let settings = TextSettings {
            font: font.display().to_string(),
            ..plain(text)
        };
        let (image, inset) = drawn(&settings);
        // 72 pixels to the em, the square's lower left corner at the origin
        let (left, base) = (inset[0] as f32, inset[1] as f32 + 72.0);
        image
            .get_pixel((left + 72.0 * x) as u32, (base - 72.0 * y) as u32)
            .0
    };
    assert_eq!(pixel("\u{1f600}", 0.25, 0.25), [255, 0, 0, 255]);
    assert_eq!(pixel("\u{1f600}", 0.75, 0.75), [0, 0, 255, 255]);
    assert_eq!(pixel("\u{1f600}", 1.1, 0.5), [0; 4]);
    // half transparent, premultiplied: green is 128 all along, red and blue grow
    for x in [0.1, 0.5, 0.9] {
        let [r, g, b, a] = pixel("\u{1f601}", x, 0.5);
        assert!(
            a.abs_diff(128) <= 1 && g.abs_diff(128) <= 1 && r == b,
            "{x}: {r} {g} {b} {a}"
        );
        assert!((f32::from(r) - 128.0 * x).abs() < 3.0, "{x}: {r}");
    }
}
