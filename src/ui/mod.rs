//! The window (feature `gui`). In: the engine's [`Status`], its events, the preview texture. Out: [`Command`]s. Runs on
//! the main thread; holds an [`EngineHandle`](crate::engine::EngineHandle) and nothing else of the engine.
//!
//! [`run`] opens it. [`panel`] draws it out of a status and a [`Draft`], so that tests drive it without
//! an engine. [`text`] holds every word in both languages, [`theme`] every colour and size.
//!
//! [`Command`]: crate::engine::command::Command

mod app;
pub mod draft;
pub mod encoder_text;
pub mod filter_text;
pub mod history;
pub mod messages;
pub mod panel;
pub mod preflight;
#[cfg(target_os = "linux")]
mod preflight_linux;
pub mod preview;
pub mod repaint;
pub mod scene_draft;
pub mod scene_text;
pub mod sound_text;
mod surface;
pub mod text;
pub mod theme;
mod watermark_draft;
pub mod widgets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use eframe::egui;
use eframe::egui_wgpu::WgpuSetupCreateNew;

use crate::engine::status::{EngineState, Status};
use crate::engine::{Engine, EngineConfig};
use crate::gpu::context::{self, GpuContext};
use crate::render::preview::{PreviewSink, PreviewTexture};
use crate::rtmp::url::StreamKey;
use crate::settings::Settings;
use app::{App, AppParts};
use draft::Draft;
use preflight::PreflightError;
use preview::PreviewView;
use repaint::Pacer;
use text::{Language, Text};

/// How the window starts.
#[derive(Debug, Default)]
pub struct RunOptions {
    /// The show.
    pub settings: Settings,
    /// Where settings are kept; without it they end with the window.
    pub settings_path: Option<PathBuf>,
    /// Why the settings there could not be used, in words. The file is kept aside when they are saved.
    pub settings_problem: Option<String>,
    /// The stream key, when one was given.
    pub key: Option<StreamKey>,
    /// Go live at once.
    pub go_live: bool,
}

/// Why the window did not open, or went away.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// The system lacks something a window needs.
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    /// The window system or the graphics driver refused.
    #[error(
        "the window cannot be opened ({0}): check the display and the graphics driver, or use kaibo push"
    )]
    Window(String),
    /// The engine did not start.
    #[error("{0}")]
    Engine(String),
    /// A bug.
    #[error("the window failed: {0}")]
    Panicked(String),
}

/// Opens the window and runs until it is closed. Must be called on the main thread.
pub fn run(options: RunOptions) -> Result<(), UiError> {
    preflight::check()?;
    let native = native_options(options.settings.window.size);
    // The engine's reason, kept apart from eframe's own errors.
    let mut engine_error = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let create = |cc: &eframe::CreationContext<'_>| match create(cc, options) {
            Ok(app) => Ok(Box::new(app) as Box<dyn eframe::App>),
            Err(error) => {
                engine_error = Some(error);
                Err("not started".into())
            }
        };
        eframe::run_native("kaibo", native, Box::new(create))
    }));
    match (result, engine_error) {
        (_, Some(error)) => Err(error),
        (Ok(Ok(())), None) => Ok(()),
        (Ok(Err(error)), None) => Err(UiError::Window(error.to_string())),
        (Err(panic), None) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            Err(UiError::Panicked(
                message.unwrap_or_else(|| "unknown reason".to_owned()),
            ))
        }
    }
}

/// The smallest window that holds everything, in points.
const LEAST_SIZE: [f32; 2] = [960.0, 600.0];

#[expect(clippy::cast_precision_loss, reason = "sides of a window")]
fn native_options(size: Option<[u32; 2]>) -> eframe::NativeOptions {
    let size = size.map_or([1100.0, 650.0], |s| s.map(|side| side as f32));
    let viewport = egui::ViewportBuilder::default()
        .with_title("Kaibo")
        .with_app_id("kaibo")
        .with_inner_size([size[0].max(LEAST_SIZE[0]), size[1].max(LEAST_SIZE[1])])
        .with_min_inner_size(LEAST_SIZE)
        .with_drag_and_drop(true)
        .with_icon(egui::IconData::default());
    eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: wgpu_options(),
        // Ours asks for Chinese glyphs in every locale: theme::system_fonts.
        system_font_fallback: false,
        // No gradients here, and software rendering pays for it with each pixel.
        dithering: false,
        ..Default::default()
    }
}

/// Adapter and device are chosen by our own functions, so that limits and features are those of a run without a window.
fn wgpu_options() -> eframe::egui_wgpu::WgpuConfiguration {
    let mut setup = WgpuSetupCreateNew::without_display_handle(); // eframe fills it in
    setup.native_adapter_selector = Some(Arc::new(context::select_adapter));
    setup.device_descriptor = Arc::new(context::device_descriptor);
    eframe::egui_wgpu::WgpuConfiguration {
        wgpu_setup: setup.into(),
        ..Default::default()
    }
}

/// Builds the application inside a window that is open: device, engine, panels.
fn create(cc: &eframe::CreationContext<'_>, options: RunOptions) -> Result<App, UiError> {
    theme::install(&cc.egui_ctx);
    let renderer = cc
        .wgpu_render_state
        .clone()
        .ok_or_else(|| UiError::Window("no graphics device".to_owned()))?;
    let gpu = GpuContext::new(
        &renderer.adapter,
        renderer.device.clone(),
        renderer.queue.clone(),
        true,
    );
    let share = Arc::clone(&gpu.share);
    let pacer = Arc::new(Pacer::default());
    let interval = if gpu.is_software() {
        repaint::PICTURE_SOFTWARE
    } else {
        repaint::PICTURE
    };
    let target = Arc::new(PreviewTexture {
        visible: AtomicBool::new(true),
        interval,
        ..PreviewTexture::new(waker(&pacer, &cc.egui_ctx, interval))
    });
    let engine = Engine::start(EngineConfig {
        gpu,
        settings: options.settings.clone(),
        preview: PreviewSink::Texture(Arc::clone(&target)),
        waker: Arc::new(waker(&pacer, &cc.egui_ctx, repaint::FIGURES)),
    })
    .map_err(|error| UiError::Engine(with_causes(&error)))?;
    let chinese_font = theme::has_chinese_font();
    let wanted = Language::chosen(options.settings.window.language);
    let language = if chinese_font {
        wanted
    } else {
        Language::English
    };
    let mut draft = Draft::new(options.settings, options.key.as_ref(), language);
    draft.chinese_font = chinese_font;
    if let Some(problem) = options.settings_problem {
        draft.settings_problem(problem);
    }
    Ok(App::new(AppParts {
        engine,
        draft,
        preview: PreviewView::new(target, &renderer),
        share,
        pacer,
        settings_path: options.settings_path,
        go_live: options.go_live,
    }))
}

/// A function that any thread may call to have the window painted, at most once per `interval`.
fn waker(
    pacer: &Arc<Pacer>,
    ctx: &egui::Context,
    interval: Duration,
) -> impl Fn() + Send + Sync + 'static {
    let (pacer, ctx) = (Arc::clone(pacer), ctx.clone());
    move || {
        if let Some(wait) = pacer.grant(Instant::now(), interval) {
            // A delay of zero would have egui paint twice.
            let wait = wait.max(Duration::from_millis(1));
            ctx.request_repaint_after_for(wait, egui::ViewportId::ROOT);
        }
    }
}

/// The title bar: the name and the state. Never the address or the key.
fn window_title(status: &Status, t: &'static Text) -> String {
    match status.engine {
        EngineState::Live { .. } => format!("● {} · Kaibo", t.state_live),
        EngineState::Reconnecting { .. } => format!("{} · Kaibo", t.state_reconnecting),
        _ => "Kaibo".to_owned(),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
