//! Filters: a picture of each against a PNG file, no change where none is wanted, and what beauty promises.

use std::path::Path;

use kaibo::media::video::{ColorSpec, PixelFormat, Resolution};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::beauty::BeautySettings;
use kaibo::render::filter::look::{Look, LookSettings};
use kaibo::render::filter::pixelate::PixelateSettings;
use kaibo::render::still::Still;

use super::reference::{Picture, Rgb, frame};
use super::scenes::{device, single};
use super::snapshot::{Tolerance, check};

/// Rounding differs between drivers by a level here and there.
const ROUNDING: Tolerance = Tolerance {
    mean: 0.6,
    outlier: 8,
    outliers: 20,
};

/// A face as far as filters know one: skin with noise and a blemish, dark eyes and hair, on a green screen beside a
/// wall with lettering.
fn portrait(size: Resolution) -> Picture {
    let mut rng = fastrand::Rng::with_seed(4);
    let noise: Vec<i32> = (0..size.width * size.height)
        .map(|_| rng.i32(-9..=9))
        .collect();
    let (w, h) = (size.width as f32, size.height as f32);
    Picture::new(size, |x, y| {
        let (u, v) = (x as f32 / w, y as f32 / h);
        let oval = |cx: f32, cy: f32, rx: f32, ry: f32| {
            ((u - cx) / rx).powi(2) + ((v - cy) / ry).powi(2) < 1.0
        };
        let shift = |c: Rgb, by: i32| c.map(|v| (i32::from(v) + by).clamp(0, 255) as u8);
        let n = noise[(y * size.width + x) as usize];
        match () {
            () if oval(0.25, 0.45, 0.02, 0.04) || oval(0.35, 0.45, 0.02, 0.04) => [40, 30, 28],
            () if oval(0.24, 0.65, 0.012, 0.02) => shift([200, 124, 96], n),
            () if oval(0.3, 0.55, 0.13, 0.33) => shift([210, 158, 124], n),
            () if oval(0.3, 0.45, 0.16, 0.36) => shift([60, 45, 39], n / 2),
            () if u < 0.6 => [20, 170, 70],
            () if v > 0.3 && v < 0.6 && (x / 2) % 3 == 0 => [20, 20, 20],
            () => [(120.0 + 100.0 * v) as u8, 130, (220.0 - 100.0 * v) as u8],
        }
    })
}

fn table(dir: &Path) -> std::path::PathBuf {
    // turns colours round: red, green, blue become green, blue, red
    let mut text = "LUT_3D_SIZE 5\n".to_owned();
    for n in 0..125 {
        let v = |n: i32| f64::from(n % 5) / 4.0;
        text += &format!("{} {} {}\n", v(n / 5), v(n / 25), v(n));
    }
    let path = dir.join("turn.cube");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_filter_looks_as_it_should_and_as_nothing_when_it_does_nothing() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    let dir = tempfile::tempdir().unwrap();
    let mut still = Still::new(&gpu, size).unwrap();
    let picture = frame(&portrait(size), PixelFormat::Bgra, ColorSpec::default());
    let plain = still.composed(&single(picture.clone())).unwrap();
    for (name, mut spec) in FilterSpec::kinds() {
        match &mut spec {
            FilterSpec::Lut(lut) => lut.path = table(dir.path()),
            FilterSpec::ColorKey(key) => (key.red, key.green, key.blue) = (20.0, 170.0, 70.0),
            FilterSpec::Color(color) => {
                color.temperature = 40.0;
                color.exposure = 0.4;
                color.vibrance = 60.0;
                color.shadows = 40.0;
                color.highlights = -30.0;
                color.hue = 12.0;
            }
            _ => {}
        }
        assert!(!spec.is_noop(), "{name} shows something when it is added");
        assert_eq!(spec.check(), Ok(()), "{name}");
        let mut state = single(picture.clone());
        state.scene.layers[0].filters = vec![spec.clone()];
        let shot = still.composed(&state).unwrap();
        assert!(shot.data != plain.data, "{name} changes something");
        let file = format!("filter_{}", name.to_lowercase().replace(' ', "_"));
        check(&file, &shot, ROUNDING);
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<FilterSpec>(&text).unwrap(), spec, "{text}");

        let kind = text.lines().find(|l| l.starts_with("kind")).unwrap();
        let noop: FilterSpec = toml::from_str(kind).unwrap();
        assert!(noop.is_noop(), "{name} does nothing by default");
        state.scene.layers[0].filters = vec![noop];
        assert!(still.composed(&state).unwrap().data == plain.data, "{name}");
    }
    for (name, look) in Look::ALL {
        let mut state = single(picture.clone());
        let settings = LookSettings {
            look,
            strength: 100.0,
        };
        state.scene.filters = vec![FilterSpec::Look(settings)];
        let shot = still.composed(&state).unwrap().to_rgba();
        let grey = shot
            .as_chunks::<4>()
            .0
            .iter()
            .all(|p| p[0] == p[1] && p[1] == p[2]);
        assert_eq!(grey, look == Look::BlackWhite, "{name}");
    }
}

#[test]
fn a_table_maps_each_colour_to_its_own() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    let dir = tempfile::tempdir().unwrap();
    let source = portrait(size);
    let mut state = single(frame(&source, PixelFormat::Bgra, ColorSpec::default()));
    state.scene.layers[0].filters =
        vec![FilterSpec::Lut(kaibo::render::filter::lut::LutSettings {
            path: table(dir.path()),
            strength: 100.0,
        })];
    let got = Still::new(&gpu, size)
        .unwrap()
        .composed(&state)
        .unwrap()
        .to_rgba();
    for (n, p) in got.as_chunks::<4>().0.iter().enumerate() {
        let [r, g, b] = source.at(n as u32 % size.width, n as u32 / size.width);
        for (got, want) in p.iter().zip([g, b, r]) {
            assert!(got.abs_diff(want) <= 1, "{p:?} of {:?}", [r, g, b]);
        }
    }
}

#[test]
fn a_pixelated_square_is_the_mean_of_all_it_hides() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    // light ones are rarer than dark ones: four samples would not know; the right half is darker, so that squares differ
    let source = Picture::new(size, |x, y| {
        let light = (x % 3 == 0) != (y % 5 == 0);
        let dim = if x < 80 { 1 } else { 2 };
        if light {
            [250 / dim, 200 / dim, 90]
        } else {
            [10, 0, 30]
        }
    });
    let mut still = Still::new(&gpu, size).unwrap();
    // the second asks for squares of less than a pixel; the third reaches over the corner of the picture
    for (part, square, side) in [
        ([10.0, 10.0, 50.0, 60.0], 20.0, 18),
        ([10.0, 10.0, 50.0, 60.0], 0.5, 8),
        ([45.0, 50.0, 100.0, 100.0], 20.0, 18),
    ] {
        let [x, y, width, height] = part;
        let mut state = single(frame(&source, PixelFormat::Bgra, ColorSpec::default()));
        state.scene.layers[0].filters = vec![FilterSpec::Pixelate(PixelateSettings {
            x,
            y,
            width,
            height,
            square,
        })];
        let shot = still.composed(&state).unwrap().to_rgba();
        let pixels = |percent: f32, of: u32| ((percent / 100.0 * of as f32).round() as u32).min(of);
        let [left, top] = [pixels(x, size.width), pixels(y, size.height)];
        let (right, bottom) = (
            pixels(x + width, size.width),
            pixels(y + height, size.height),
        );
        for (n, got) in shot.as_chunks::<4>().0.iter().enumerate() {
            let (x, y) = (n as u32 % size.width, n as u32 / size.width);
            let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
            let want = if inside {
                let first = |v: u32, from: u32, of: u32| (v - (v - from) % side).min(of - side);
                let (x, y) = (first(x, left, size.width), first(y, top, size.height));
                let mut sums = [0; 3];
                for (row, column) in (y..y + side).flat_map(|r| (x..x + side).map(move |c| (r, c)))
                {
                    for (sum, v) in sums.iter_mut().zip(source.at(column, row)) {
                        *sum += u32::from(v);
                    }
                }
                sums.map(|sum| (sum / (side * side)) as u8)
            } else {
                source.at(x, y)
            };
            for (got, want) in got.iter().zip(want) {
                assert!(
                    got.abs_diff(want) <= 2,
                    "{x},{y}, side {side}: {got} for {want}"
                );
            }
        }
    }
}

/// Fitzpatrick's six tones.
const TONES: [Rgb; 6] = [
    [244, 208, 177],
    [231, 180, 143],
    [210, 158, 124],
    [186, 119, 80],
    [165, 94, 43],
    [60, 32, 29],
];
/// Things that are not skin.
const OTHERS: [Rgb; 6] = [
    [98, 122, 157],
    [87, 108, 67],
    [214, 126, 44],
    [214, 198, 178],
    [243, 243, 242],
    [52, 52, 52],
];
const WIDE: Resolution = Resolution::HD;
const TILE: u32 = 200;

/// Six tones above, six other colours below, all with noise; a darker half in each tone; the rest grey.
fn tones() -> Picture {
    let mut rng = fastrand::Rng::with_seed(8);
    let noise: Vec<[i32; 3]> = (0..WIDE.width * WIDE.height)
        .map(|_| [0; 3].map(|_| (0..6).map(|_| rng.i32(-6..=6)).sum()))
        .collect();
    Picture::new(WIDE, |x, y| {
        let column = (x / TILE) as usize;
        let base = match y / TILE {
            0 if column < 6 => TONES[column],
            1 if column < 6 => OTHERS[column],
            2 if column < 6 => {
                let dark = x % TILE >= TILE / 2;
                TONES[column].map(|v| if dark { v.saturating_sub(40) } else { v })
            }
            _ => return [112, 118, 126],
        };
        let n = noise[(y * WIDE.width + x) as usize];
        [0, 1, 2].map(|c| (i32::from(base[c]) + n[c]).clamp(0, 255) as u8)
    })
}

fn luma(p: &[u8]) -> f64 {
    0.2126 * f64::from(p[0]) + 0.7152 * f64::from(p[1]) + 0.0722 * f64::from(p[2])
}

/// Mean and variance of luma in the inside of a part of the picture.
fn figures(rgba: &[u8], x: u32, y: u32, width: u32, height: u32) -> (f64, f64) {
    let mut values = Vec::new();
    for row in y..y + height {
        for column in x..x + width {
            let at = ((row * WIDE.width + column) * 4) as usize;
            values.push(luma(&rgba[at..at + 3]));
        }
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, variance)
}

fn beautified(still: &mut Still, picture: &Picture, settings: BeautySettings) -> Vec<u8> {
    let mut state = single(frame(picture, PixelFormat::Bgra, ColorSpec::default()));
    state.scene.layers[0].filters = vec![FilterSpec::Beauty(settings)];
    still.composed(&state).unwrap().to_rgba()
}

#[test]
fn beauty_smooths_every_tone_and_leaves_edges_and_the_room() {
    let Some(gpu) = device() else { return };
    let mut still = Still::new(&gpu, WIDE).unwrap();
    let picture = tones();
    let before = beautified(&mut still, &picture, BeautySettings::default());
    let full = BeautySettings {
        smoothing: 100.0,
        ..BeautySettings::default()
    };
    let after = beautified(&mut still, &picture, full);
    for column in 0..6 {
        let x = column * TILE + 40;
        let (_, noise) = figures(&before, x, 40, 120, 120);
        let (_, left) = figures(&after, x, 40, 120, 120);
        assert!(left < noise * 0.15, "tone {column}: {left} of {noise} left");
        // a step of 40 levels, two pixels from it on either side
        let step = |rgba: &[u8]| {
            let edge = column * TILE + TILE / 2;
            let side = |x| figures(rgba, x, 2 * TILE + 20, 3, 160).0;
            side(edge - 4) - side(edge + 1)
        };
        let (was, is) = (step(&before), step(&after));
        assert!(is > was * 0.85, "tone {column}: step {is} of {was}");
    }
    // below the tones nothing is skin (away from borders, where two colours may mix to a skin tone): even the noise stays
    for (column, color) in (0..).zip(OTHERS) {
        let [was, is] =
            [&before, &after].map(|rgba| figures(rgba, column * TILE + 40, TILE + 40, 120, 120));
        assert!(
            is.1 > was.1 * 0.95,
            "{color:?}: noise {} of {}",
            is.1,
            was.1
        );
        assert!(
            (is.0 - was.0).abs() < 0.2,
            "{color:?}: {} to {}",
            was.0,
            is.0
        );
    }
}

#[test]
fn whitening_lightens_step_by_step_and_clips_nothing() {
    let Some(gpu) = device() else { return };
    let mut still = Still::new(&gpu, WIDE).unwrap();
    let picture = tones();
    let mut last: Option<Vec<f64>> = None;
    let clipped = |rgba: &[u8]| {
        let pixels = rgba.as_chunks::<4>().0.iter();
        pixels.filter(|p| p[..3].contains(&255)).count()
    };
    let mut clipped_before = 0;
    for step in 0..=5 {
        let settings = BeautySettings {
            whitening: step as f32 * 20.0,
            ..BeautySettings::default()
        };
        let shot = beautified(&mut still, &picture, settings);
        let light: Vec<f64> = (0..6)
            .map(|column| figures(&shot, column * TILE + 40, 40, 120, 120).0)
            .collect();
        if let Some(last) = &last {
            for (tone, (now, before)) in light.iter().zip(last).enumerate() {
                assert!(now > before, "tone {tone}, step {step}: {before} to {now}");
                assert!(now - before < 12.0, "tone {tone}, step {step} jumps");
            }
            let more = clipped(&shot).saturating_sub(clipped_before);
            assert!(
                more * 1000 < shot.len() / 4,
                "step {step} clips {more} pixels"
            );
        } else {
            clipped_before = clipped(&shot);
        }
        last = Some(light);
    }
}

#[test]
fn a_green_screen_goes_and_the_person_stays() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    let source = portrait(size);
    let mut state = single(frame(&source, PixelFormat::Bgra, ColorSpec::default()));
    let (_, key) = FilterSpec::kinds()
        .into_iter()
        .find(|(name, _)| *name == "Chroma key")
        .unwrap();
    state.scene.layers[0].filters = vec![key];
    let shot = Still::new(&gpu, size)
        .unwrap()
        .composed(&state)
        .unwrap()
        .to_rgba();
    let at = |x: u32, y: u32| {
        let at = ((y * size.width + x) * 4) as usize;
        [shot[at], shot[at + 1], shot[at + 2]]
    };
    assert_eq!(
        at(5, 5),
        [0, 0, 0],
        "the screen shows what is below: nothing"
    );
    let (got, was) = (at(48, 52), source.at(48, 52));
    for (got, was) in got.iter().zip(was) {
        assert!(got.abs_diff(was) <= 3, "skin {was} became {got}");
    }
}

/// Each filter by itself on what the one before made: what a stack must come to, to within the rounding of pictures in
/// between.
#[test]
fn filters_stack_in_any_order_on_a_layer_and_on_the_whole_picture() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(160, 90);
    let dir = tempfile::tempdir().unwrap();
    let mut still = Still::new(&gpu, size).unwrap();
    let picture = frame(&portrait(size), PixelFormat::Bgra, ColorSpec::default());
    let mut all: Vec<FilterSpec> = FilterSpec::kinds().into_iter().map(|(_, f)| f).collect();
    all.retain(|f| {
        !matches!(
            f,
            FilterSpec::ChromaKey(_) | FilterSpec::ColorKey(_) | FilterSpec::LumaKey(_)
        )
    });
    for spec in &mut all {
        match spec {
            FilterSpec::Lut(lut) => lut.path = table(dir.path()),
            FilterSpec::Color(color) => (color.exposure, color.hue) = (0.3, 20.0),
            _ => {}
        }
    }
    let mut rng = fastrand::Rng::with_seed(11);
    let mut seen = Vec::new();
    for _ in 0..6 {
        rng.shuffle(&mut all);
        let stack = &all[..4];
        let mut step_by_step = picture.clone();
        for spec in stack {
            let mut state = single(step_by_step);
            state.scene.layers[0].filters = vec![spec.clone()];
            let shot = still.composed(&state).unwrap().to_rgba();
            let between = Picture::new(size, |x, y| {
                let at = ((y * size.width + x) * 4) as usize;
                [shot[at], shot[at + 1], shot[at + 2]]
            });
            step_by_step = frame(&between, PixelFormat::Bgra, ColorSpec::default());
        }
        let want = still.composed(&single(step_by_step)).unwrap().to_rgba();
        let names: Vec<_> = stack.iter().map(FilterSpec::name).collect();
        let mut state = single(picture.clone());
        state.scene.layers[0].filters = stack.to_vec();
        let on_layer = still.composed(&state).unwrap().to_rgba();
        state.scene.layers[0].filters = stack[..2].to_vec();
        state.scene.filters = stack[2..].to_vec();
        let on_both = still.composed(&state).unwrap().to_rgba();
        for (place, got) in [("layer", on_layer), ("layer and picture", on_both)] {
            let off: Vec<u8> = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).collect();
            let mean = off.iter().map(|v| f64::from(*v)).sum::<f64>() / off.len() as f64;
            let most = off.iter().max().unwrap();
            // steps of one pass are rounded once, a table or sharpening behind them may make a level three
            assert!(
                mean < 0.8,
                "{names:?} on {place}: {mean:.2} levels off on average"
            );
            assert!(*most < 40, "{names:?} on {place}: {most}");
        }
        seen.push(want);
    }
    seen.dedup();
    assert_eq!(seen.len(), 6, "the order counts");
}
