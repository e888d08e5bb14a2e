//! Composition to the pixel: what is made smaller does not shimmer, what is mirrored is mirrored.

use kaibo::media::video::{ColorSpec, FrameData, PixelFormat, Plane, Resolution};
use kaibo::render::scene::{Fit, Placement};
use kaibo::render::still::Still;

use super::reference::{Picture, frame, largest_difference, samples};
use super::scenes::{card, device, layer, scene, single};

#[test]
fn a_moving_dot_keeps_its_light_when_a_picture_is_made_smaller() {
    let Some(gpu) = device() else { return };
    let out = Resolution::new(32, 16);
    let mut still = Still::new(&gpu, out).unwrap();
    for shrink in [3, 4, 5, 6, 8] {
        let size = Resolution::new(out.width * shrink, out.height * shrink);
        let mut light = Vec::new();
        for step in 0..shrink {
            let at = (size.width / 2 + step, size.height / 2 + step / 2);
            // 4x4 pixels of 240 over black, one pixel further each time
            let dot =
                |x: u32, y: u32| (at.0..at.0 + 4).contains(&x) && (at.1..at.1 + 4).contains(&y);
            let picture = Picture::new(size, |x, y| if dot(x, y) { [240; 3] } else { [0; 3] });
            let state = single(frame(&picture, PixelFormat::Bgra, ColorSpec::default()));
            let rgba = still.composed(&state).unwrap().to_rgba();
            light.push(rgba.iter().step_by(4).map(|v| f64::from(*v)).sum::<f64>());
        }
        let want = 240.0 * 16.0 / f64::from(shrink * shrink);
        for got in &light {
            let off = (got / want - 1.0).abs();
            assert!(off < 0.13, "{shrink}: {light:?}, not {want}");
        }
    }
}

#[test]
fn transparent_pixels_do_not_bleed_when_a_picture_is_made_smaller() {
    let Some(gpu) = device() else { return };
    let (out, size) = (Resolution::new(16, 16), Resolution::new(48, 48));
    let below = Picture::new(out, |_, _| [0, 0, 255]);
    let mut above = frame(&card(size), PixelFormat::Rgba, ColorSpec::default());
    // white columns beside transparent red ones
    let data: Vec<u8> = (0..48 * 48_u32)
        .flat_map(|n| if n % 2 == 0 { [255; 4] } else { [255, 0, 0, 0] })
        .collect();
    above.data = FrameData::Rgba(Plane {
        data: data.into(),
        stride: 48 * 4,
    });
    let below = frame(&below, PixelFormat::Bgra, ColorSpec::default());
    let whole = || layer(Placement::default());
    let state = scene(
        vec![(whole(), Some(below)), (whole(), Some(above))],
        Vec::new(),
    );
    let rgba = Still::new(&gpu, out)
        .unwrap()
        .composed(&state)
        .unwrap()
        .to_rgba();
    for pixel in rgba.as_chunks::<4>().0 {
        // white over blue: red and green stay alike
        assert!(
            pixel[0].abs_diff(pixel[1]) <= 2 && pixel[2] > 250,
            "{pixel:?}"
        );
    }
}

#[test]
fn mirror_and_flip_are_exact_on_every_way() {
    let Some(gpu) = device() else { return };
    let size = Resolution::new(64, 36);
    let mut still = Still::new(&gpu, size).unwrap();
    let picture = card(size);
    for (mirror, flip) in [(true, false), (false, true), (true, true)] {
        let placement = Placement {
            mirror,
            flip,
            fit: Fit::Stretch,
            ..Placement::default()
        };
        let source = frame(&picture, PixelFormat::Bgra, ColorSpec::default());
        let state = scene(vec![(layer(placement), Some(source))], Vec::new());
        let turned = Picture::new(size, |x, y| {
            let x = if mirror { size.width - 1 - x } else { x };
            let y = if flip { size.height - 1 - y } else { y };
            picture.at(x, y)
        });
        let rgba = still.composed(&state).unwrap().to_rgba();
        let got = rgba
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|p| [p[0], p[1], p[2]]);
        let want = turned.pixels.iter().flatten().copied();
        assert!(got.eq(want), "mirror {mirror}, flip {flip}: to the pixel");
        // the encoder's picture is that of a source that is turned itself
        let same = single(frame(&turned, PixelFormat::Bgra, ColorSpec::default()));
        let [a, b] = [&state, &same].map(|s| {
            let (data, _) = still.encoder_picture(s, None).unwrap();
            samples(&data, size)
                .into_iter()
                .map(f64::from)
                .collect::<Vec<_>>()
        });
        assert!(largest_difference(a.into_iter(), b.into_iter()) <= 1.0);
    }
}
