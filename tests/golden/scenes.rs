//! Scenes with still sources, and the device to draw them on.

use std::sync::Arc;

use kaibo::capture::SourceSpec;
use kaibo::gpu::context::{AdapterChoice, GpuContext};
use kaibo::media::SourceId;
use kaibo::media::slot::LatestSlot;
use kaibo::media::video::{Resolution, VideoFrame};
use kaibo::render::SceneState;
use kaibo::render::filter::FilterSpec;
use kaibo::render::scene::{Layer, Placement};

use super::reference::{Picture, Rgb};

/// A software device, so that results do not depend on the machine. Without one tests fail in CI and are skipped, with
/// the reason, elsewhere.
#[expect(clippy::print_stderr, reason = "says why tests are skipped")]
pub(crate) fn device() -> Option<GpuContext> {
    match GpuContext::headless(AdapterChoice::Software) {
        Ok(gpu) => Some(gpu),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn layer(placement: Placement) -> Layer {
    Layer {
        placement,
        ..Layer::new(SourceSpec::Test {})
    }
}

/// Layers with the frame that each shows.
pub(crate) fn scene(
    layers: Vec<(Layer, Option<VideoFrame>)>,
    filters: Vec<FilterSpec>,
) -> SceneState {
    let mut state = SceneState::default();
    for (id, (layer, frame)) in (1..).zip(layers) {
        let slot = Arc::new(LatestSlot::default());
        if let Some(frame) = frame {
            slot.store(frame);
        }
        state.sources.insert(SourceId(id), slot);
        state.layer_sources.push(SourceId(id));
        state.scene.layers.push(layer);
    }
    state.scene.filters = filters;
    state
}

/// One layer over the whole picture.
pub(crate) fn single(frame: VideoFrame) -> SceneState {
    scene(vec![(layer(Placement::default()), Some(frame))], Vec::new())
}

/// Smooth colours: red to the right, green downwards, blue against red.
pub(crate) fn gradient(size: Resolution) -> Picture {
    let part = |at: u32, of: u32| (40 + at * 170 / of.max(1)) as u8;
    Picture::new(size, |x, y| {
        [
            part(x, size.width),
            part(y, size.height),
            part(size.width - 1 - x, size.width),
        ]
    })
}

/// A random colour in each block of 2x2 pixels.
pub(crate) fn blocks(size: Resolution, seed: u64) -> Picture {
    let mut rng = fastrand::Rng::with_seed(seed);
    let across = size.width.div_ceil(2);
    let count = across * size.height.div_ceil(2);
    let colors: Vec<Rgb> = (0..count)
        .map(|_| [rng.u8(..), rng.u8(..), rng.u8(..)])
        .collect();
    Picture::new(size, |x, y| colors[(y / 2 * across + x / 2) as usize])
}

/// A test card that shows any shift, turn or mirror: quarters of different colours, a white corner, stripes.
pub(crate) fn card(size: Resolution) -> Picture {
    let (w, h) = (size.width, size.height);
    Picture::new(size, |x, y| {
        let stripe = (x / 4 + y / 4) % 2 == 0;
        match (x * 2 < w, y * 2 < h) {
            _ if x < w / 8 && y < h / 8 => [255, 255, 255],
            (true, true) => [200, 40, 40],
            (false, true) => [40, 160, 60],
            (true, false) if stripe => [40, 60, 200],
            (true, false) => [90, 110, 230],
            (false, false) => [(x * 255 / w) as u8, (y * 255 / h) as u8, 30],
        }
    })
}
