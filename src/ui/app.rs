//! The application behind the window: reads the engine's status, drains its events, draws the panels, sends their
//! commands. Runs on the main thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, Ui, ViewportCommand};

use super::draft::{Draft, is_recording};
use super::panel::window_ui;
use super::preview::PreviewView;
use super::repaint::Pacer;
use super::surface::SurfaceGuard;
use super::theme::color;
use super::{window_title, with_causes};
use crate::engine::command::Command;
use crate::engine::status::Status;
use crate::engine::{Engine, EngineHandle};
use crate::gpu::share::WindowShare;
use crate::settings::file;

/// The window's application.
pub(super) struct App {
    handle: EngineHandle,
    /// Taken at the end.
    engine: Option<Engine>,
    status: Arc<Status>,
    draft: Draft,
    preview: PreviewView,
    pacer: Arc<Pacer>,
    settings_path: Option<PathBuf>,
    /// Nothing has been sent yet.
    first: bool,
    /// Start the stream at once.
    go_live: bool,
    title: String,
    /// The window's size in points as of the last paint.
    size: Option<[u32; 2]>,
    surface: SurfaceGuard,
}

/// What an [`App`] is made of.
pub(super) struct AppParts {
    pub(super) engine: Engine,
    pub(super) draft: Draft,
    pub(super) preview: PreviewView,
    pub(super) share: Arc<WindowShare>,
    pub(super) pacer: Arc<Pacer>,
    pub(super) settings_path: Option<PathBuf>,
    pub(super) go_live: bool,
}

impl App {
    pub(super) fn new(parts: AppParts) -> Self {
        let AppParts {
            engine,
            draft,
            preview,
            share,
            pacer,
            settings_path,
            go_live,
        } = parts;
        Self {
            handle: engine.handle().clone(),
            engine: Some(engine),
            status: Arc::default(),
            draft,
            preview,
            pacer,
            settings_path,
            first: true,
            go_live,
            title: String::new(),
            size: None,
            surface: SurfaceGuard::new(share),
        }
    }

    /// Sends the panels' wishes, and keeps the settings among them.
    fn send(&mut self, commands: Vec<Command>) {
        for command in commands {
            let settings_changed = matches!(
                command,
                Command::ApplySettings(_)
                    | Command::SetVideoBitrate(_)
                    | Command::SetCameraControl { .. }
                    | Command::SwitchScene { .. }
            );
            if self.handle.send(command).is_err() {
                self.draft.not_answering(self.status.at);
            } else if settings_changed
                && let Some(path) = &self.settings_path
                && let Err(error) = file::save(&self.draft.settings, path)
            {
                self.draft.save_failed(self.status.at, with_causes(&error));
            }
        }
    }

    /// Keeps the window open while a stream or recording runs, until the user has said yes.
    fn guard_close(&mut self, ctx: &egui::Context) {
        let asked = ctx.input(|i| i.viewport().close_requested());
        let busy = self.status.engine.is_on() || is_recording(&self.status);
        if asked && busy && !self.draft.quit {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.draft.ask_quit = true;
        }
    }

    /// Opens as large the next time.
    fn keep_size(&mut self) {
        if let Some(path) = &self.settings_path
            && self.size.is_some()
            && self.size != self.draft.settings.window.size
        {
            self.draft.settings.window.size = self.size;
            if let Err(error) = file::save(&self.draft.settings, path) {
                tracing::warn!(error = with_causes(&error), "the window's size is not kept");
            }
        }
    }

    fn set_title(&mut self, ctx: &egui::Context) {
        let title = window_title(&self.status, self.draft.text());
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

/// The window's size in points; `None` while it is maximised or hidden.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of a window"
)]
fn window_size(ctx: &egui::Context) -> Option<[u32; 2]> {
    ctx.input(|i| {
        let viewport = i.viewport();
        let special = [viewport.maximized, viewport.fullscreen, viewport.minimized];
        let size = viewport.inner_rect?.size();
        let usual = !special.contains(&Some(true)) && size.x >= 1.0 && size.y >= 1.0;
        usual.then(|| [size.x.round() as u32, size.y.round() as u32])
    })
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        self.surface.painted();
        let visible = ctx.input(|i| i.viewport().visible()).unwrap_or(true);
        self.pacer.set_visible(visible);
        self.preview.set_visible(visible);
        self.preview.set_compare(self.draft.compares());
        self.status = self.handle.status();
        for event in self.handle.drain_events() {
            self.draft.messages.event(event);
        }
        self.draft.history.add(&self.status);
        self.guard_close(ctx);
        let first = std::mem::take(&mut self.first);
        if first {
            let mut commands = vec![Command::RescanDevices];
            if self.go_live {
                self.draft.go_live(&mut commands);
            }
            self.send(commands);
        }
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        tracing::trace!("paint");
        self.draft.picture = self.preview.picture();
        let status = Arc::clone(&self.status);
        let mut commands = Vec::new();
        window_ui(&status, &mut self.draft, &mut commands, ui);
        self.send(commands);
        self.set_title(ui.ctx());
        self.size = window_size(ui.ctx()).or(self.size);
        self.surface.before_paint(ui.ctx(), frame);
        if self.draft.quit {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn on_exit(&mut self) {
        self.surface.painted();
        self.keep_size();
        if let Some(engine) = self.engine.take() {
            let started = Instant::now();
            match engine.shutdown() {
                Ok(()) => tracing::debug!(took = ?started.elapsed(), "engine ended"),
                Err(left) => tracing::warn!(?left, "engine ended, but some stages were stuck"),
            }
        }
    }

    fn clear_color(&self, _: &egui::Visuals) -> [f32; 4] {
        color::BACKGROUND.to_normalized_gamma_f32()
    }
}
