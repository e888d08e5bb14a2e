//! The engine: owns the stages, takes [`Command`]s, publishes [`Status`] and [`Event`]s. Window and command line hold
//! an [`EngineHandle`] and nothing else.
//!
//! One thread (`engine`) runs the controller: it waits for commands, notices from the stages, and a 100 ms timer,
//! and is the only place that starts, stops or rebuilds a stage.

mod broadcast;
pub mod command;
mod controller;
mod encoders;
pub mod event;
mod limits;
mod notice;
mod overload;
mod own_encoder;
mod record_encoder;
pub mod recorder;
mod sources;
pub mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use crate::encode::EncodeError;
use crate::gpu::context::GpuContext;
use crate::media::time::MediaClock;
use crate::render::RenderError;
use crate::render::preview::PreviewSink;
use crate::settings::{FieldError, Settings};
use crate::stage::{self, StartError, StopFlag};
use command::Command;
use controller::Controller;
use event::{Event, EventRing};
use recorder::Recorder;
use status::Status;

/// Everything the engine is given at the start.
pub struct EngineConfig {
    /// Device to draw with.
    pub gpu: GpuContext,
    /// The show.
    pub settings: Settings,
    /// Where the composed picture goes besides the encoder.
    pub preview: PreviewSink,
    /// Called after each published status or event, on the engine's thread; must not block. The window asks for a
    /// repaint in it.
    pub waker: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig")
            .field("preview", &self.preview)
            .finish_non_exhaustive()
    }
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting is refused.
    #[error("{0}")]
    Settings(FieldError),
    /// The picture cannot be drawn.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The sound stage did not start.
    #[error("the sound stage did not start")]
    Audio(#[source] EncodeError),
    /// The operating system gives no threads.
    #[error("the engine's threads did not start")]
    Threads(#[source] std::io::Error),
    /// A bug.
    #[error("the engine failed while starting: {0}")]
    Bug(String),
}

/// What handles and the controller share.
#[derive(Debug)]
struct Shared {
    /// UI or command line to controller (edge 7): bound 256; when full, [`EngineHandle::send`] fails and the caller
    /// says that the engine is not answering.
    commands: Sender<Command>,
    status: ArcSwap<Status>,
    events: Mutex<EventRing>,
    recorder: Mutex<Recorder>,
}

impl Shared {
    fn new() -> (Self, Receiver<Command>) {
        let (commands, received) = bounded(256);
        let shared = Self {
            commands,
            status: ArcSwap::default(),
            events: Mutex::new(EventRing::new(512)),
            recorder: Mutex::default(),
        };
        (shared, received)
    }
}

/// What window and command line hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    shared: Arc<Shared>,
}

/// The engine's command queue is full: it is not answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine is not answering")]
pub struct NotAnswering;

impl EngineHandle {
    /// Queues a command; never waits.
    pub fn send(&self, command: Command) -> Result<(), NotAnswering> {
        self.shared
            .commands
            .try_send(command)
            .ok()
            .ok_or(NotAnswering)
    }

    /// The newest status (about 5 a second).
    pub fn status(&self) -> Arc<Status> {
        self.shared.status.load_full()
    }

    /// What happened in the last ten minutes, as JSON without secrets. Also when the engine itself has failed.
    pub fn flight_record(&self) -> String {
        self.shared.recorder.lock().json()
    }

    /// Takes the events since the last call, oldest first. One reader.
    pub fn drain_events(&self) -> Vec<Event> {
        self.shared.events.lock().drain()
    }
}

/// The running engine. Dropping it shuts it down, too.
#[derive(Debug)]
pub struct Engine {
    handle: EngineHandle,
    controller: stage::StageHandle,
    left: Receiver<Vec<String>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Engine {
    /// Longest time a shutdown takes.
    pub const SHUTDOWN: Duration = Duration::from_secs(3);

    /// Starts capture, render and sound; nothing is encoded or sent yet. Errors of opening come back from here, except
    /// those of sources: these are retried, and told as events.
    pub fn start(config: EngineConfig) -> Result<Self, EngineError> {
        if let Some(problem) = config.settings.problems().into_iter().next() {
            return Err(EngineError::Settings(problem));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("net")
            .enable_all()
            .build()
            .map_err(EngineError::Threads)?;
        let (shared, command_rx) = Shared::new();
        let shared = Arc::new(shared);
        let handle = EngineHandle {
            shared: Arc::clone(&shared),
        };
        let (left_tx, left) = bounded(1);
        let tokio_handle = runtime.handle().clone();
        let controller = stage::spawn(
            "engine",
            &StopFlag::new(),
            move || Controller::start(config, MediaClock::start(), tokio_handle, shared),
            move |mut controller, stop| {
                controller.run(&command_rx, stop);
                let left = controller.shutdown(Instant::now() + Self::SHUTDOWN);
                // before the word: the process may end right after it, and must not while a device is being closed
                drop(controller);
                left_tx.send(left).ok(); // nobody waits after a drop
                Ok(())
            },
            |_| {},
        )
        .map_err(|e| match e {
            StartError::Init(e) => e,
            StartError::Thread { source, .. } => EngineError::Threads(source),
            StartError::Panicked { message, .. } => EngineError::Bug(message),
        })?;
        Ok(Self {
            handle,
            controller,
            left,
            runtime: Some(runtime),
        })
    }

    /// The hand on it.
    pub const fn handle(&self) -> &EngineHandle {
        &self.handle
    }

    /// Says goodbye to servers, closes files, stops everything; takes at most about 3 s. Names what had to be left
    /// behind because it did not end.
    pub fn shutdown(mut self) -> Result<(), Vec<String>> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), Vec<String>> {
        let Some(runtime) = self.runtime.take() else {
            return Ok(());
        };
        self.controller.request_stop();
        let deadline = Instant::now() + Self::SHUTDOWN + Duration::from_millis(200);
        let left = self
            .left
            .recv_deadline(deadline)
            .unwrap_or_else(|_| vec!["engine".to_owned()]);
        runtime.shutdown_background();
        if left.is_empty() { Ok(()) } else { Err(left) }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(left) = self.stop() {
            tracing::warn!(?left, "stages did not end in time");
        }
    }
}
