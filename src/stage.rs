//! Named threads for stages: errors while starting go back to the caller, panics are caught at the thread's edge and
//! reported, stopping has a deadline after which the thread is left behind and named.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use parking_lot::{Condvar, Mutex};

/// How a stage's thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageExit {
    /// It did what it had to do, or was asked to stop.
    Finished,
    /// It gave up; the text says why.
    Failed(String),
    /// A bug; the text is the panic's message.
    Panicked(String),
}

/// Why a stage did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// The operating system refused a thread.
    #[error("no thread for stage {name}")]
    Thread {
        /// The stage.
        name: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The stage's own initialisation failed.
    #[error(transparent)]
    Init(E),
    /// The stage's initialisation panicked.
    #[error("stage {name} failed while starting: {message}")]
    Panicked {
        /// The stage.
        name: String,
        /// The panic's message.
        message: String,
    },
}

/// Asks a stage to stop, and lets it sleep without missing the request. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl StopFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag and wakes everybody in [`sleep`](Self::sleep).
    pub fn stop(&self) {
        *self.inner.0.lock() = true;
        self.inner.1.notify_all();
    }

    /// Whether the flag is raised.
    pub fn is_stopped(&self) -> bool {
        *self.inner.0.lock()
    }

    /// Sleeps for `duration` or until the flag is raised; returns true when it is raised.
    pub fn sleep(&self, duration: Duration) -> bool {
        let mut stopped = self.inner.0.lock();
        if *stopped {
            return true;
        }
        let deadline = Instant::now() + duration;
        while !*stopped {
            if self.inner.1.wait_until(&mut stopped, deadline).timed_out() {
                break;
            }
        }
        *stopped
    }
}

/// A running stage. Dropping it asks the stage to stop and does not wait.
#[derive(Debug)]
pub struct StageHandle {
    name: String,
    stop: StopFlag,
    done: Receiver<StageExit>,
}

impl StageHandle {
    /// The thread's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the stage to stop, without waiting.
    pub fn request_stop(&self) {
        self.stop.stop();
    }

    /// The stage has ended.
    pub fn is_finished(&self) -> bool {
        !self.done.is_empty()
    }

    /// Waits for the end until `deadline`; `None` when the stage is stuck. It is then left behind: its thread may
    /// sit in a system call that never returns, and the program's end must not wait for that.
    pub fn join_until(&self, deadline: Instant) -> Option<StageExit> {
        self.done.recv_deadline(deadline).ok()
    }

    /// [`request_stop`](Self::request_stop), then [`join_until`](Self::join_until).
    pub fn stop_until(&self, deadline: Instant) -> Option<StageExit> {
        self.request_stop();
        self.join_until(deadline)
    }
}

impl Drop for StageHandle {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Starts a named thread (15 bytes of the name show on Linux). `init` runs on it and its error comes back from here;
/// then `run` until it returns; then `on_exit`, on the same thread, also after a panic.
pub fn spawn<S, E, I, R, X>(
    name: impl Into<String>,
    stop: &StopFlag,
    init: I,
    run: R,
    on_exit: X,
) -> Result<StageHandle, StartError<E>>
where
    E: Send + 'static,
    I: FnOnce() -> Result<S, E> + Send + 'static,
    R: FnOnce(S, &StopFlag) -> Result<(), String> + Send + 'static,
    X: FnOnce(&StageExit) + Send + 'static,
{
    let name = name.into();
    let (init_tx, init_rx) = bounded::<Result<(), StartError<E>>>(1);
    let (done_tx, done_rx) = bounded(1);
    let stage_stop = stop.clone();
    let thread_name = name.clone();
    let body = move || {
        let _span = tracing::debug_span!("stage", name = %thread_name).entered();
        let state = match catch_unwind(AssertUnwindSafe(init)) {
            Ok(Ok(state)) => state,
            Ok(Err(e)) => {
                init_tx.send(Err(StartError::Init(e))).ok(); // the caller waits for it below
                return;
            }
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                init_tx
                    .send(Err(StartError::Panicked {
                        name: thread_name,
                        message,
                    }))
                    .ok();
                return;
            }
        };
        init_tx.send(Ok(())).ok();
        let exit = match catch_unwind(AssertUnwindSafe(|| run(state, &stage_stop))) {
            Ok(Ok(())) => StageExit::Finished,
            Ok(Err(reason)) => StageExit::Failed(reason),
            Err(panic) => StageExit::Panicked(panic_message(panic.as_ref())),
        };
        match &exit {
            StageExit::Finished => tracing::debug!("stage ended"),
            StageExit::Failed(reason) => tracing::warn!(reason, "stage gave up"),
            StageExit::Panicked(message) => tracing::error!(message, "stage panicked"),
        }
        on_exit(&exit);
        done_tx.send(exit).ok(); // nobody may be waiting any more
    };
    std::thread::Builder::new()
        .name(name.clone())
        .spawn(body)
        .map_err(|source| StartError::Thread {
            name: name.clone(),
            source,
        })?;
    match init_rx.recv() {
        Ok(Ok(())) => Ok(StageHandle {
            name,
            stop: stop.clone(),
            done: done_rx,
        }),
        Ok(Err(e)) => Err(e),
        Err(_) => Err(StartError::Panicked {
            name,
            message: "the thread ended early".to_owned(),
        }),
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn init_errors_return_to_the_caller() {
        let stop = StopFlag::new();
        let r = spawn(
            "t-init",
            &stop,
            || Err::<(), _>("no camera"),
            |(), _| Ok(()),
            |_| {},
        );
        assert!(matches!(r, Err(StartError::Init("no camera"))));
        let r = spawn(
            "t-init2",
            &stop,
            || -> Result<(), &str> { panic!("boom") },
            |(), _| Ok(()),
            |_| {},
        );
        assert!(matches!(r, Err(StartError::Panicked { message, .. }) if message == "boom"));
    }

    #[test]
    fn stop_wakes_a_sleeping_stage_and_panics_are_reported() {
        let stop = StopFlag::new();
        let handle = spawn(
            "t-stop",
            &stop,
            || Ok::<_, ()>(()),
            |(), stop| {
                while !stop.sleep(Duration::from_secs(60)) {}
                Ok(())
            },
            |_| {},
        )
        .unwrap();
        assert!(!handle.is_finished());
        assert_eq!(handle.stop_until(deadline()), Some(StageExit::Finished));

        let (tx, rx) = bounded(1);
        let handle = spawn(
            "t-panic",
            &StopFlag::new(),
            || Ok::<_, ()>(()),
            |(), _| panic!("bug {}", 7),
            move |exit| {
                tx.send(exit.clone()).ok();
            },
        )
        .unwrap();
        let exit = StageExit::Panicked("bug 7".to_owned());
        assert_eq!(rx.recv_deadline(deadline()), Ok(exit.clone()));
        assert_eq!(handle.join_until(deadline()), Some(exit));
    }
}
