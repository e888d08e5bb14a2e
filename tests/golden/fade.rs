//! Two scenes mixed: the arithmetic of a fade in the middle, and the render thread on its way from one to the other.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::bounded;
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::{ColorSpec, PixelFormat, Resolution, VideoFrame};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::color::ColorSettings;
use kaibo::render::preview::PreviewSink;
use kaibo::render::scene::Placement;
use kaibo::render::still::Still;
use kaibo::render::transition::Transition;
use kaibo::render::{RenderConfig, RenderStage, SceneState};

use super::reference::{Picture, frame, largest_difference, pixel};
use super::scenes::{card, device, gradient, layer, scene, single};

const SIZE: Resolution = Resolution::new(64, 36);

fn bgra(picture: &Picture) -> VideoFrame {
    frame(picture, PixelFormat::Bgra, ColorSpec::default())
}

/// A gradient with a card in its corner, all of it with more contrast.
fn busy() -> SceneState {
    let corner = layer(Placement {
        x: 0.5,
        y: 0.5,
        width: 0.5,
        height: 0.5,
        ..Placement::default()
    });
    let whole = layer(Placement::default());
    let contrast = FilterSpec::Color(ColorSettings {
        contrast: 1.3,
        ..ColorSettings::default()
    });
    let layers = vec![
        (whole, Some(bgra(&gradient(SIZE)))),
        (corner, Some(bgra(&card(SIZE)))),
    ];
    scene(layers, vec![contrast])
}

#[test]
fn in_the_middle_of_a_fade_each_pixel_is_the_mean_of_both_scenes() {
    let Some(gpu) = device() else { return };
    let mut still = Still::new(&gpu, SIZE).unwrap();
    let plain = single(bgra(&Picture::new(SIZE, |x, _| [200, 3 * x as u8, 40])));
    for (from, to) in [(&plain, &busy()), (&busy(), &plain)] {
        let ends = [from, to].map(|state| still.composed(state).unwrap().to_rgba());
        for share in [0.0, 0.25, 0.5, 0.9] {
            let shot = still.fading(from, to, share).unwrap().to_rgba();
            let mixed = ends[0].iter().zip(&ends[1]).map(|(a, b)| {
                f64::from(*a) * f64::from(1.0 - share) + f64::from(*b) * f64::from(share)
            });
            let worst = largest_difference(shot.iter().copied().map(f64::from), mixed);
            // the ends are rounded, and so is the share itself where a software adapter blends in bytes
            assert!(worst <= 1.6, "{share}: {worst} of 255 off");
        }
    }
}

/// The frames of a show that changes from red to blue at its fifth picture: how blue the middle of each is, and the
/// full-frame passes of the last one.
fn change(length: Duration, blue: bool) -> Option<(Vec<f64>, u32)> {
    let gpu = device()?;
    let [red_state, blue_state] = [[220, 20, 30], [20, 30, 220]].map(|color| {
        let picture = bgra(&Picture::new(SIZE, |_, _| color));
        single(picture)
    });
    let clock = MediaClock::start();
    let scene = Arc::new(ArcSwap::from_pointee(red_state));
    let (sender, frames) = bounded(64);
    let encoder = Arc::new(ArcSwapOption::from_pointee(
        kaibo::render::EncoderInputs::from(sender),
    ));
    let stage = RenderStage::start(RenderConfig {
        gpu,
        clock,
        resolution: SIZE,
        rate: FrameRate::FPS_30,
        scene: Arc::clone(&scene),
        encoder,
        recorder: Arc::default(),
        preview: PreviewSink::None,
        on_exit: Box::new(|_| {}),
    })
    .unwrap();
    let mut blues = Vec::new();
    let mut changed = None;
    while blues.len() < 200 {
        let frame = frames.recv_timeout(Duration::from_secs(20)).unwrap();
        let [r, _, b] = pixel(&frame, 30, 17);
        blues.push((b - r + 200.0) / 400.0);
        if blues.len() == 5 {
            let from = scene.load_full();
            let transition = Transition::new(Arc::new(from.leaving()), clock.now(), length);
            let sources = blue_state.sources.values().map(Arc::clone);
            if !blue {
                sources.for_each(|slot| slot.clear());
            }
            scene.store(Arc::new(SceneState {
                scene: blue_state.scene.clone(),
                layer_sources: blue_state.layer_sources.clone(),
                sources: blue_state.sources.clone(),
                transition: Some(Arc::new(transition)),
                ..SceneState::default()
            }));
            changed = Some(blues.len());
        }
        let last = *blues.last().unwrap();
        let over = if blue { last > 0.94 } else { last.abs() > 0.1 };
        if changed.is_some_and(|at| blues.len() > at + 3) && over {
            break;
        }
    }
    // the one after the last is made as any picture of the new scene is
    let passes = loop {
        frames.recv_timeout(Duration::from_secs(20)).unwrap();
        if frames.is_empty() {
            break stage.stats().passes;
        }
    };
    stage.request_stop();
    Some((blues, passes))
}

#[test]
fn a_fade_passes_through_the_middle_and_costs_nothing_afterwards() {
    let Some((blues, passes)) = change(Duration::from_millis(500), true) else {
        return;
    };
    let between = blues.iter().filter(|b| (0.1..0.9).contains(*b)).count();
    assert!(between >= 3, "{blues:?}");
    let falls = blues.windows(2).any(|w| w[1] < w[0] - 0.02);
    assert!(!falls, "{blues:?}");
    assert_eq!(passes, 0, "the processor converts it alone again");
}

#[test]
fn a_cut_has_nothing_in_between() {
    let Some((blues, passes)) = change(Duration::ZERO, true) else {
        return;
    };
    let between = blues.iter().filter(|b| (0.06..0.94).contains(*b)).count();
    assert_eq!((between, passes), (0, 0), "{blues:?}");
}

#[test]
fn the_old_scene_stays_while_the_new_one_has_no_picture() {
    let Some((blues, _)) = change(Duration::ZERO, false) else {
        return;
    };
    let waited = blues.iter().take_while(|b| **b < 0.06).count();
    // 5 before, then a second at 30 a second, on a machine that may be slow
    assert!(waited > 12, "{blues:?}");
    let last = *blues.last().unwrap();
    assert!(
        (0.4..0.6).contains(&last),
        "the grey placeholder: {blues:?}"
    );
}
