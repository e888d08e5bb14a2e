//! `kaibo snapshot`: one picture of a scene with all its filters as a PNG file, so that a look can be tried from a script.
//! Opens each source of the scene just long enough for one picture; main thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exit, chain, fail, say};
use crate::capture::{SourceContext, SourceError, SourceSpec, open_video, spec_or_file};
use crate::gpu::context::{AdapterChoice, GpuContext};
use crate::media::SourceId;
use crate::media::slot::LatestSlot;
use crate::media::time::MediaClock;
use crate::media::video::{Resolution, VideoFrame};
use crate::render::SceneState;
use crate::render::overlay::OverlayBoard;
use crate::render::scene::Layer;
use crate::render::still::Still;
use crate::settings::{Settings, file};

/// How long a source may take to its first picture.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to draw, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct SnapshotArgs {
    /// What to show in the first layer: "screen", "test", or a picture or media file (its first picture). Without it
    /// the scene's own.
    #[arg(long, value_parser = spec_or_file)]
    source: Option<SourceSpec>,
    /// Settings file (TOML) whose scene is drawn, with its layers and filters.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Picture size [default: the source's own]
    #[arg(long, value_name = "WxH")]
    size: Option<Resolution>,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Draw on the software adapter even if there is a GPU.
    #[arg(long)]
    software_gpu: bool,
}

pub(super) fn run(args: &SnapshotArgs) -> Exit {
    let mut settings = match args.config.as_deref().map(file::load) {
        None => Settings::default(),
        Some(Ok(Some(settings))) => settings,
        Some(Ok(None)) => return fail("--config: there is no such file", Exit::BadSettings),
        Some(Err(e)) => return fail(&chain(&e), Exit::BadSettings),
    };
    let layers = &mut settings.scene.layers;
    if let Some(source) = &args.source {
        let spec = source.clone();
        match layers.first_mut() {
            Some(first) => first.source = spec,
            None => layers.push(Layer::new(spec)),
        }
        layers.truncate(1);
    }
    match draw(args, settings) {
        Ok(size) => {
            say(&format!("{} ({size})", args.out.display()));
            Exit::Done
        }
        Err(e) => fail(&e, Exit::NotOpened),
    }
}

/// Draws and saves; the reason in words if not.
fn draw(args: &SnapshotArgs, settings: Settings) -> Result<Resolution, String> {
    let mut state = SceneState::default();
    for (id, layer) in (1..).zip(&settings.scene.layers) {
        let id = SourceId(id);
        let wanted = args.size.unwrap_or(settings.video.size);
        let frame = first_picture(&layer.source, id, &settings, wanted).map_err(|e| chain(&e))?;
        let slot = Arc::new(LatestSlot::default());
        slot.store(frame);
        state.sources.insert(id, slot);
        state.layer_sources.push(id);
    }
    let own = state
        .layer_sources
        .first()
        .and_then(|id| Some(state.sources.get(id)?.latest()?.resolution));
    let size = match (args.size, &args.source) {
        (Some(size), _) => size,
        (None, Some(_)) => own.unwrap_or(settings.video.size),
        (None, None) => settings.video.size,
    };
    state.scene = settings.scene;
    let (board, problems) = OverlayBoard::of(&state.scene.watermarks, size);
    for problem in problems {
        tracing::warn!(watermark = problem.index + 1, "{}", problem.message);
    }
    state.overlays = Arc::new(board);
    let choice = if args.software_gpu {
        AdapterChoice::Software
    } else {
        AdapterChoice::Best
    };
    let gpu = GpuContext::headless(choice).map_err(|e| chain(&e))?;
    let mut still = Still::new(&gpu, size).map_err(|e| chain(&e))?;
    let shot = still.composed(&state).map_err(|e| chain(&e))?;
    shot.save_png(&args.out).map_err(|e| chain(&e))?;
    Ok(size)
}

/// Opens a source, takes its first picture, closes it.
fn first_picture(
    spec: &SourceSpec,
    id: SourceId,
    settings: &Settings,
    resolution: Resolution,
) -> Result<VideoFrame, SourceError> {
    // nobody listens: the source runs silent
    let (taps, _) = crossbeam_channel::bounded(0);
    let mut source = open_video(
        spec,
        &SourceContext {
            id,
            clock: MediaClock::start(),
            rate: settings.video.fps,
            resolution,
            taps,
        },
    )?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && !source.finished() {
        if let Some(frame) = source.next(Duration::from_millis(200))? {
            return Ok(frame);
        }
    }
    Err(SourceError::Stalled {
        what: spec.name(),
        seconds: PATIENCE.as_secs(),
    })
}
