//! Watermarks on the picture: the plans against each other, the blend modes against their formulas, places and pixels.

use std::path::Path;

use image::{Rgba, RgbaImage};
use kaibo::media::time::MediaTime;
use kaibo::media::video::{ColorSpec, FrameData, PixelFormat, Resolution};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::color::ColorSettings;
use kaibo::render::overlay::spec::{
    Anchor, Background, BlendMode, Color, Content, Drift, ImageSettings, Shadow, TextSettings,
};
use kaibo::render::overlay::text::template::Facts;
use kaibo::render::overlay::{Loader, OverlayBoard, Watermark};
use kaibo::render::still::Still;
use kaibo::render::{Plan, SceneState};

use super::reference::{frame, largest_difference, samples};
use super::scenes::{blocks, card, device, gradient, layer, scene, single};
use super::snapshot::{Tolerance, check};

/// Shows `watermarks` in `state`, which makes pictures of `size`.
fn put(state: &mut SceneState, size: Resolution, watermarks: &[Watermark]) {
    let now = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let loaded = Loader::default().update(watermarks, size, &now, &Facts::default(), &|_| true);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    let board = OverlayBoard::default();
    board.show(loaded.ready.unwrap());
    state.overlays = board.into();
    state.scene.watermarks = watermarks.to_vec();
}

/// The font in the program, by its file, so that the system's fonts do not matter.
fn text(text: &str, size: f32) -> TextSettings {
    let font =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fonts/NotoSansSC-Bold-subset.otf");
    TextSettings {
        text: text.to_owned(),
        font: font.display().to_string(),
        size,
        ..TextSettings::default()
    }
}

fn mark(content: Content) -> Watermark {
    Watermark {
        content,
        ..Watermark::default()
    }
}

/// A picture with every alpha, and colour in it.
fn logo(folder: &Path) -> Content {
    let path = folder.join("logo.png");
    RgbaImage::from_fn(32, 32, |x, y| {
        Rgba([(x * 8) as u8, 255 - (x * 8) as u8, 40, (y * 8) as u8])
    })
    .save(&path)
    .unwrap();
    Content::Image(ImageSettings { path, size: 0.0 })
}

#[test]
fn all_plans_put_watermarks_into_the_same_picture() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(96, 64);
    let folder = tempfile::tempdir().unwrap();
    let mut still = Still::new(&gpu, size).unwrap();
    let odd = |anchor, opacity, content| Watermark {
        anchor,
        opacity,
        // odd columns and rows
        margin_x: 3.2,
        margin_y: 4.7,
        ..mark(content)
    };
    let watermarks = [
        odd(Anchor::TopLeft, 1.0, Content::Text(text("Kaibo", 25.0))),
        odd(Anchor::BottomRight, 0.6, logo(folder.path())),
    ];
    let mut compare = |name: &str, state: &mut SceneState, plan: Plan| {
        let bare = still.encoder_picture(state, None).unwrap().0;
        put(state, size, &watermarks);
        // the adapter of these tests is a software one
        assert_eq!(still.plan(state), plan, "{name}");
        let (own, _) = still.encoder_picture(state, None).unwrap();
        let marked = samples(&own, size)
            .iter()
            .zip(&samples(&bare, size))
            .filter(|(a, b)| a.abs_diff(**b) > 8)
            .count();
        assert!(marked > 300, "{name}: only {marked} samples are marked");
        let (composed, _) = still.encoder_picture(state, Some(Plan::Compose)).unwrap();
        let [a, b] = [&own, &composed].map(|d| samples(d, size).into_iter().map(f64::from));
        let worst = largest_difference(a, b);
        assert!(worst <= 2.0, "{name}: {worst} of 255 apart");
    };
    for picture in [gradient(size), blocks(size, 3)] {
        let of = |format, color| single(frame(&picture, format, color));
        let limited = ColorSpec::BT709_LIMITED;
        compare(
            "nv12",
            &mut of(PixelFormat::Nv12, limited),
            Plan::Passthrough,
        );
        compare(
            "i420",
            &mut of(PixelFormat::I420, limited),
            Plan::Passthrough,
        );
        compare("bgra", &mut of(PixelFormat::Bgra, limited), Plan::Convert);
        let mut camera = of(PixelFormat::Yuyv422, ColorSpec::BT601_LIMITED);
        compare("yuyv", &mut camera, Plan::Direct);
        let mut filtered = of(PixelFormat::Bgra, limited);
        filtered.scene.filters = vec![FilterSpec::Color(ColorSettings {
            contrast: 1.2,
            ..ColorSettings::default()
        })];
        compare("filtered", &mut filtered, Plan::Direct);
    }
}

#[test]
fn blend_modes_are_the_same_on_both_ways_and_follow_their_formulas() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 48);
    let folder = tempfile::tempdir().unwrap();
    let mut still = Still::new(&gpu, size).unwrap();
    for blend in [
        BlendMode::Normal,
        BlendMode::Multiply,
        BlendMode::Screen,
        BlendMode::Add,
    ] {
        let watermark = Watermark {
            blend,
            anchor: Anchor::Center,
            ..mark(logo(folder.path()))
        };
        let picture = gradient(size);
        let mut state = single(frame(&picture, PixelFormat::Bgra, ColorSpec::default()));
        put(&mut state, size, &[watermark]);
        let shot = still.composed(&state).unwrap().to_rgba();
        let (left, top) = (16, 8);
        for y in 0..48 {
            for x in 0..64 {
                let below = picture.at(x, y).map(|v| f64::from(v) / 255.0);
                let inside = (left..left + 32).contains(&x) && (top..top + 32).contains(&y);
                let want = if inside {
                    let (sx, sy) = (x - left, y - top);
                    let above = [sx * 8, 255 - sx * 8, 40].map(|v| f64::from(v) / 255.0);
                    let alpha = f64::from(sy * 8) / 255.0;
                    [0, 1, 2].map(|i| mixed(blend, above[i], alpha, below[i]))
                } else {
                    below
                };
                let at = ((y * 64 + x) * 4) as usize;
                for (got, want) in shot[at..at + 3].iter().zip(want) {
                    let off = (f64::from(*got) - want * 255.0).abs();
                    assert!(
                        off <= 1.6,
                        "{blend:?} at {x},{y}: {got} not {}",
                        want * 255.0
                    );
                }
            }
        }
        let (own, passes) = still.encoder_picture(&state, None).unwrap();
        assert_eq!(passes, 0, "{blend:?}: no pass for a watermark");
        let (composed, _) = still.encoder_picture(&state, Some(Plan::Compose)).unwrap();
        let [a, b] = [&own, &composed].map(|d| samples(d, size).into_iter().map(f64::from));
        let worst = largest_difference(a, b);
        assert!(worst <= 2.0, "{blend:?}: {worst} of 255 apart");
    }
}

/// What the modes are by the book (W3C Compositing and Blending, 10.1), with straight colours 0 to 1; adding by its name.
fn mixed(blend: BlendMode, s: f64, alpha: f64, d: f64) -> f64 {
    match blend {
        BlendMode::Normal => d + alpha * (s - d),
        BlendMode::Multiply => d + alpha * (s * d - d),
        BlendMode::Screen => d + alpha * (s + d - s * d - d),
        BlendMode::Add => (d + alpha * s).min(1.0),
    }
}

#[test]
fn a_watermark_that_is_off_changes_nothing() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 36);
    let mut still = Still::new(&gpu, size).unwrap();
    let plain = single(frame(
        &card(size),
        PixelFormat::Nv12,
        ColorSpec::BT709_LIMITED,
    ));
    let (before, _) = still.encoder_picture(&plain, None).unwrap();
    for watermark in [
        Watermark {
            visible: false,
            ..mark(Content::Text(text("Kaibo", 30.0)))
        },
        Watermark {
            opacity: 0.0,
            ..mark(Content::Text(text("Kaibo", 30.0)))
        },
        mark(Content::Text(text("", 30.0))),
    ] {
        let mut state = plain_again(&plain);
        put(&mut state, size, &[watermark]);
        assert_eq!(still.plan(&state), Plan::Passthrough);
        let (after, passes) = still.encoder_picture(&state, None).unwrap();
        assert_eq!(passes, 0);
        // the very same bytes: not even copied
        let (FrameData::Nv12 { y: a, .. }, FrameData::Nv12 { y: b, .. }) = (&before, &after) else {
            panic!("not NV12");
        };
        assert_eq!(a.data.as_ptr(), b.data.as_ptr());
    }
}

fn plain_again(state: &SceneState) -> SceneState {
    SceneState {
        scene: state.scene.clone(),
        sources: state.sources.clone(),
        layer_sources: state.layer_sources.clone(),
        ..SceneState::default()
    }
}

#[test]
fn watermarks_lie_above_the_filters_of_the_picture() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 36);
    let mut state = single(frame(&card(size), PixelFormat::Bgra, ColorSpec::default()));
    state.scene.filters = vec![FilterSpec::Color(ColorSettings {
        brightness: -1.0,
        ..ColorSettings::default()
    })];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("white.png");
    RgbaImage::from_pixel(8, 8, Rgba([255; 4]))
        .save(&path)
        .unwrap();
    let watermark = Watermark {
        anchor: Anchor::Center,
        ..mark(Content::Image(ImageSettings { path, size: 0.0 }))
    };
    put(&mut state, size, &[watermark]);
    let shot = Still::new(&gpu, size)
        .unwrap()
        .composed(&state)
        .unwrap()
        .to_rgba();
    let white = shot
        .as_chunks::<4>()
        .0
        .iter()
        .filter(|p| p[0] == 255)
        .count();
    let black = shot.as_chunks::<4>().0.iter().filter(|p| p[0] == 0).count();
    assert_eq!((white, black), (64, 64 * 36 - 64), "crisp, one to one");
}

#[test]
fn text_with_all_its_parts_looks_as_it_should() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    let mut state = scene(
        vec![(
            layer(Default::default()),
            Some(frame(
                &gradient(size),
                PixelFormat::Bgra,
                ColorSpec::default(),
            )),
        )],
        Vec::new(),
    );
    let boxed = TextSettings {
        background: Some(Background {
            color: Color([20, 20, 60, 200]),
            padding: 25.0,
            radius: 40.0,
        }),
        outline: None,
        ..text("12:34\n开播", 16.0)
    };
    let shadowed = TextSettings {
        color: Color([255, 220, 0, 255]),
        shadow: Some(Shadow::default()),
        ..text("Kaibo", 22.0)
    };
    let turned = Watermark {
        anchor: Anchor::TopRight,
        rotation: 20.0,
        opacity: 0.7,
        ..mark(Content::Text(text("TEST", 20.0)))
    };
    let watermarks = [
        Watermark {
            anchor: Anchor::TopLeft,
            ..mark(Content::Text(boxed))
        },
        Watermark {
            anchor: Anchor::Bottom,
            ..mark(Content::Text(shadowed))
        },
        turned,
    ];
    put(&mut state, size, &watermarks);
    // glyph rasterisation is ours alone, so drivers hardly matter
    let tolerance = Tolerance {
        mean: 0.5,
        outlier: 8,
        outliers: 20,
    };
    let shot = Still::new(&gpu, size).unwrap().composed(&state).unwrap();
    check("watermarks", &shot, tolerance);
}

#[test]
fn drift_and_marquee_move_on_every_way() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(96, 64);
    let mut still = Still::new(&gpu, size).unwrap();
    let mut state = single(frame(
        &gradient(size),
        PixelFormat::Nv12,
        ColorSpec::BT709_LIMITED,
    ));
    let drifting = Watermark {
        drift: Some(Drift {
            x: 20.0,
            y: 20.0,
            period: 7.0,
        }),
        ..mark(Content::Text(text("KAI", 20.0)))
    };
    let marquee = Watermark {
        anchor: Anchor::Bottom,
        ..mark(Content::Text(TextSettings {
            scroll: 13.0,
            ..text("Kaibo 123456789 Kaibo", 20.0)
        }))
    };
    put(&mut state, size, &[drifting, marquee]);
    let mut last = Vec::new();
    for n in 0..12 {
        still.at = MediaTime::from_millis(1000 + n * 333);
        let (own, passes) = still.encoder_picture(&state, None).unwrap();
        let (composed, _) = still.encoder_picture(&state, Some(Plan::Compose)).unwrap();
        let [a, b] = [&own, &composed].map(|d| samples(d, size));
        assert_eq!(passes, 0);
        let worst = largest_difference(
            a.iter().copied().map(f64::from),
            b.iter().copied().map(f64::from),
        );
        assert!(worst <= 2.0, "tick {n}: {worst} of 255 apart");
        assert_ne!(a, last, "tick {n}: nothing moved");
        last = a;
    }
}
