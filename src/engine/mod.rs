//! The engine: owns the stages, takes [`Command`]s, publishes [`Status`] and [`Event`]s. Window and command line hold
//! an [`EngineHandle`] and nothing else.

pub mod command;
pub mod event;
pub mod status;

use std::sync::Arc;
use std::time::Duration;

use crate::gpu::context::GpuContext;
use crate::render::preview::PreviewSink;
use crate::settings::Settings;
use command::Command;
use event::Event;
use status::Status;

/// Everything the engine is given at the start.
pub struct EngineConfig {
    /// Device to draw with.
    pub gpu: GpuContext,
    /// The show.
    pub settings: Settings,
    /// Where the composed picture goes besides the encoder.
    pub preview: PreviewSink,
    /// Called after each published status or event; must not block. The window asks for a repaint in it.
    pub waker: Arc<dyn Fn() + Send + Sync>,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Render(#[from] crate::render::RenderError),
}

/// What window and command line hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {}

/// The running engine.
#[derive(Debug)]
pub struct Engine {
    handle: EngineHandle,
}

impl Engine {
    /// Starts capture, render and sound; nothing is sent yet.
    pub fn start(_config: EngineConfig) -> Result<Self, EngineError> {
        Ok(Self {
            handle: EngineHandle {},
        })
    }

    /// The hand on it.
    pub const fn handle(&self) -> &EngineHandle {
        &self.handle
    }

    /// Stops everything within `timeout` (3 s is the promise); names what had to be left behind.
    pub fn shutdown(self, _timeout: Duration) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// The engine's command queue is full: it is not answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine is not answering")]
pub struct NotAnswering;

impl EngineHandle {
    /// Queues a command; never waits.
    pub fn send(&self, _command: Command) -> Result<(), NotAnswering> {
        Ok(())
    }

    /// The newest status (about 5 a second).
    pub fn status(&self) -> Arc<Status> {
        Arc::default()
    }

    /// Takes the events since the last call, oldest first. One reader.
    pub fn drain_events(&self) -> Vec<Event> {
        Vec::new()
    }
}
