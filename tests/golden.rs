//! Pictures drawn on software Vulkan: colour conversions against a reference, placements against PNG files, and all plans
//! against each other.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "golden/fade.rs"]
mod fade;
#[path = "golden/filters.rs"]
mod filters;
#[path = "golden/overlays.rs"]
mod overlays;
#[path = "golden/reference.rs"]
mod reference;
#[path = "golden/scaling.rs"]
mod scaling;
#[path = "golden/scenes.rs"]
mod scenes;
#[path = "golden/snapshot.rs"]
mod snapshot;
#[path = "golden/stage.rs"]
mod stage;

use kaibo::gpu::context::GpuContext;
use kaibo::media::video::{ColorMatrix, ColorRange, ColorSpec, PixelFormat, Resolution};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::color::ColorSettings;
use kaibo::render::scene::{Crop, Fit, Layer, Placement};
use kaibo::render::still::Still;
use kaibo::render::{Plan, SceneState};
use reference::{expected_samples, frame, largest_difference, pixel, samples};
use scenes::{blocks, card, device, gradient, layer, scene, single};
use snapshot::{Tolerance, check};

const OUT: Resolution = Resolution::new(160, 90);
const FORMATS: [PixelFormat; 5] = [
    PixelFormat::Nv12,
    PixelFormat::I420,
    PixelFormat::Yuyv422,
    PixelFormat::Bgra,
    PixelFormat::Rgba,
];

fn colors() -> Vec<ColorSpec> {
    let ranges = [ColorRange::Limited, ColorRange::Full];
    [ColorMatrix::Bt601, ColorMatrix::Bt709]
        .into_iter()
        .flat_map(|matrix| ranges.map(|range| ColorSpec { matrix, range }))
        .collect()
}

/// All pixels of the composed picture, and what they should be.
fn composed_difference(
    gpu: &GpuContext,
    size: Resolution,
    state: &SceneState,
    expected: impl Fn(u32, u32) -> [f64; 3],
) -> f64 {
    let shot = Still::new(gpu, size).unwrap().composed(state).unwrap();
    let rgba = shot.to_rgba();
    let got = rgba
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|p| [p[0], p[1], p[2]])
        .map(f64::from);
    let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    largest_difference(got, all.flat_map(|(x, y)| expected(x, y)))
}

#[test]
fn sources_of_every_format_are_read_right() {
    let Some(gpu) = device() else { return };
    // not a multiple of 4, and an odd height: the last column and row count
    for size in [Resolution::new(46, 26), Resolution::new(34, 17)] {
        for format in FORMATS {
            for color in colors() {
                for picture in [gradient(size), blocks(size, 11)] {
                    let frame = frame(&picture, format, color);
                    let worst = composed_difference(&gpu, size, &single(frame.clone()), |x, y| {
                        pixel(&frame, x, y)
                    });
                    assert!(
                        worst <= 1.01,
                        "{format:?} {color:?} {size}: {worst} of 255 off"
                    );
                }
            }
        }
    }
}

#[test]
fn the_encoder_gets_bt709_limited_from_every_format() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(46, 26);
    let mut still = Still::new(&gpu, size).unwrap();
    for format in FORMATS {
        for color in colors() {
            for picture in [gradient(size), blocks(size, 5)] {
                let state = single(frame(&picture, format, color));
                let (data, _) = still.encoder_picture(&state, None).unwrap();
                let got = samples(&data, size).into_iter().map(f64::from);
                // 8-bit YUV in between costs a step of rounding, in RGB up to two
                let want = expected_samples(size, |x, y| picture.at(x, y).map(f64::from));
                let worst = largest_difference(got, want);
                assert!(worst <= 2.0, "{format:?} {color:?}: {worst} of 255 off");
            }
        }
    }
}

#[test]
fn all_plans_give_the_same_picture() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 36);
    let mut still = Still::new(&gpu, size).unwrap();
    let mut compare = |name: &str, state: &SceneState, plan: Plan, passes: u32| {
        assert_eq!(still.plan(state), plan, "{name}");
        let (own, ran) = still.encoder_picture(state, None).unwrap();
        assert_eq!(ran, passes, "{name}: passes");
        for other in [Plan::Direct, Plan::Compose] {
            let (data, _) = still.encoder_picture(state, Some(other)).unwrap();
            let [a, b] = [&own, &data].map(|d| samples(d, size).into_iter().map(f64::from));
            let worst = largest_difference(a, b);
            assert!(
                worst <= 2.0,
                "{name}: {plan:?} and {other:?} are {worst} of 255 apart"
            );
        }
    };
    let at = |size| [gradient(size), blocks(size, 3)];
    for picture in at(size) {
        let ready = |format| single(frame(&picture, format, ColorSpec::BT709_LIMITED));
        compare("nv12", &ready(PixelFormat::Nv12), Plan::Passthrough, 0);
        compare("i420", &ready(PixelFormat::I420), Plan::Passthrough, 0);
        compare("bgra", &ready(PixelFormat::Bgra), Plan::Convert, 0);
        let camera = frame(&picture, PixelFormat::Yuyv422, ColorSpec::BT601_LIMITED);
        compare("yuyv", &single(camera), Plan::Direct, 1);
        let mut filtered = single(frame(&picture, PixelFormat::Bgra, ColorSpec::default()));
        filtered.scene.filters = vec![FilterSpec::Color(ColorSettings {
            contrast: 1.2,
            ..ColorSettings::default()
        })];
        // the filter's; a software adapter leaves the conversion to the processor
        compare("filtered", &filtered, Plan::Direct, 1);
    }
    for scaled in [
        Resolution::new(96, 54),
        Resolution::new(200, 150),
        Resolution::new(32, 18),
    ] {
        let frame = frame(&card(scaled), PixelFormat::Bgra, ColorSpec::default());
        let crop = Crop {
            left: 0.1,
            bottom: 0.05,
            ..Crop::default()
        };
        let placement = Placement {
            fit: Fit::Cover,
            crop,
            ..Placement::default()
        };
        let state = scene(vec![(layer(placement), Some(frame))], Vec::new());
        compare(&format!("scaled from {scaled}"), &state, Plan::Direct, 1);
    }
    let nothing = scene(vec![(layer(Placement::default()), None)], Vec::new());
    compare("placeholder", &nothing, Plan::Direct, 1);
}

#[test]
fn a_filter_that_changes_nothing_is_not_run() {
    let Some(gpu) = device() else { return };
    let mut still = Still::new(&gpu, OUT).unwrap();
    let frame = frame(&card(OUT), PixelFormat::Bgra, ColorSpec::default());
    let noop = FilterSpec::Color(ColorSettings::default());
    let mut with = single(frame.clone());
    with.scene.layers[0].filters = vec![noop.clone()];
    with.scene.filters = vec![noop];
    let plain = single(frame);
    assert_eq!(
        still.composed(&with).unwrap().data,
        still.composed(&plain).unwrap().data
    );
    let passes = |still: &mut Still, s: &SceneState| {
        still.encoder_picture(s, Some(Plan::Compose)).unwrap().1
    };
    assert_eq!(
        (passes(&mut still, &with), passes(&mut still, &plain)),
        (1, 1)
    );
}

#[test]
fn the_colour_filter_follows_its_formula() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 36);
    let settings = [
        ColorSettings {
            brightness: 0.2,
            ..ColorSettings::default()
        },
        ColorSettings {
            contrast: 1.7,
            ..ColorSettings::default()
        },
        ColorSettings {
            saturation: 0.3,
            ..ColorSettings::default()
        },
        ColorSettings {
            gamma: 2.2,
            ..ColorSettings::default()
        },
        ColorSettings {
            brightness: -0.1,
            contrast: 0.8,
            saturation: 1.6,
            gamma: 0.7,
            ..ColorSettings::default()
        },
    ];
    for s in settings {
        let picture = blocks(size, 9);
        let mut state = single(frame(&picture, PixelFormat::Bgra, ColorSpec::default()));
        state.scene.layers[0].filters = vec![FilterSpec::Color(s)];
        let worst = composed_difference(&gpu, size, &state, |x, y| {
            graded(picture.at(x, y).map(f64::from), s)
        });
        assert!(worst <= 1.5, "{s:?}: {worst} of 255 off");
    }
}

fn graded(rgb: [f64; 3], s: ColorSettings) -> [f64; 3] {
    let [brightness, contrast, saturation, gamma] =
        [s.brightness, s.contrast, s.saturation, s.gamma].map(f64::from);
    let rgb = rgb.map(|v| (v / 255.0 - 0.5) * contrast + 0.5 + brightness);
    let luma = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
    rgb.map(|v| {
        (luma + (v - luma) * saturation)
            .clamp(0.0, 1.0)
            .powf(1.0 / gamma)
            * 255.0
    })
}

/// Edges of turned layers may fall on the other side of a pixel's middle with another driver version: some outliers, but
/// far fewer than a shift by a pixel makes (hundreds).
const EDGES: Tolerance = Tolerance {
    mean: 0.5,
    outlier: 8,
    outliers: 40,
};

fn snapshot(name: &str, layers: Vec<Layer>) {
    let Some(gpu) = device() else { return };
    let sizes = [OUT, Resolution::new(80, 60), Resolution::new(48, 64)];
    let with_frames = layers
        .into_iter()
        .zip(sizes)
        .map(|(layer, size)| {
            (
                layer,
                Some(frame(&card(size), PixelFormat::Bgra, ColorSpec::default())),
            )
        })
        .collect();
    let state = scene(with_frames, Vec::new());
    check(
        name,
        &Still::new(&gpu, OUT).unwrap().composed(&state).unwrap(),
        EDGES,
    );
}

fn at(x: f32, y: f32, width: f32, height: f32) -> Placement {
    Placement {
        x,
        y,
        width,
        height,
        ..Placement::default()
    }
}

#[test]
fn placement() {
    snapshot(
        "placement",
        vec![
            layer(at(0.0, 0.0, 0.5, 0.5)),
            layer(at(0.55, 0.1, 0.4, 0.8)),
            layer(at(0.1, 0.6, 0.3, 0.4)),
        ],
    );
}

#[test]
fn fit_cover_and_stretch() {
    let cover = Placement {
        fit: Fit::Cover,
        ..at(0.0, 0.0, 0.45, 1.0)
    };
    let stretch = Placement {
        fit: Fit::Stretch,
        ..at(0.5, 0.25, 0.5, 0.5)
    };
    snapshot("fit", vec![layer(cover), layer(stretch)]);
}

#[test]
fn rotation() {
    let turned = Placement {
        rotation: 30.0,
        ..at(0.3, 0.2, 0.6, 0.6)
    };
    let quarter = Placement {
        rotation: 90.0,
        ..at(0.0, 0.3, 0.3, 0.4)
    };
    snapshot(
        "rotation",
        vec![layer(at(0.0, 0.0, 1.0, 1.0)), layer(turned), layer(quarter)],
    );
}

#[test]
fn crop() {
    let crop = Crop {
        left: 0.25,
        top: 0.1,
        right: 0.05,
        bottom: 0.4,
    };
    let filled = Placement {
        crop,
        fit: Fit::Stretch,
        ..at(0.05, 0.05, 0.9, 0.9)
    };
    snapshot("crop", vec![layer(filled)]);
}

#[test]
fn opacity() {
    let half = Layer {
        opacity: 0.5,
        ..layer(at(0.2, 0.2, 0.6, 0.6))
    };
    let faint = Layer {
        opacity: 0.2,
        ..layer(Placement {
            rotation: 45.0,
            ..at(0.6, 0.3, 0.4, 0.4)
        })
    };
    snapshot("opacity", vec![layer(Placement::default()), half, faint]);
}

#[test]
fn placeholder_and_black() {
    let Some(gpu) = device() else { return };
    let state = scene(vec![(layer(at(0.25, 0.25, 0.5, 0.5)), None)], Vec::new());
    let worst = composed_difference(&gpu, OUT, &state, |x, y| {
        // a quarter of 90 lines is 22.5: rounded away from zero
        let inside = (40..120).contains(&x) && (23..68).contains(&y);
        if inside { [43.0; 3] } else { [0.0; 3] }
    });
    assert!(worst < 0.5, "{worst}");
}

#[test]
fn alpha_of_the_source_is_used() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(16, 16);
    let below = frame(&gradient(size), PixelFormat::Bgra, ColorSpec::default());
    let mut above = frame(&gradient(size), PixelFormat::Rgba, ColorSpec::default());
    // white, more opaque to the right
    let alpha = |x: u32| (x * 16) as u8;
    let data: Vec<u8> = (0..256)
        .flat_map(|n| [255, 255, 255, alpha(n % 16)])
        .collect();
    above.data = kaibo::media::video::FrameData::Rgba(kaibo::media::video::Plane {
        data: data.into(),
        stride: 64,
    });
    let whole = || layer(Placement::default());
    let state = scene(
        vec![(whole(), Some(below.clone())), (whole(), Some(above))],
        Vec::new(),
    );
    let worst = composed_difference(&gpu, size, &state, |x, y| {
        let a = f64::from(alpha(x)) / 255.0;
        pixel(&below, x, y).map(|v| v * (1.0 - a) + 255.0 * a)
    });
    assert!(worst <= 1.5, "{worst}");
}

#[test]
fn an_impossible_frame_shows_the_placeholder() {
    let Some(gpu) = device() else { return };
    for (format, resolution) in [
        (PixelFormat::Nv12, Resolution::new(320, 180)), // planes too short
        (PixelFormat::Bgra, Resolution::new(100_000, 90)), // wider than a texture can be
    ] {
        let mut broken = frame(&card(OUT), format, ColorSpec::BT709_LIMITED);
        broken.resolution = resolution;
        let mut state = single(broken);
        state.scene.layers[0].placement.fit = Fit::Stretch;
        let worst = composed_difference(&gpu, OUT, &state, |_, _| [43.0; 3]);
        assert!(worst < 0.5, "{format:?}: {worst}");
        let mut still = Still::new(&gpu, OUT).unwrap();
        still.encoder_picture(&state, None).unwrap();
    }
}
