//! Outputs of this machine, to listen in on: opened, fed from a ring, opened anew when they fail.
//!
//! In: which output, or the system's default. Out: a [`PlaybackSink`] for each time one was opened, and what happens to
//! it. Threads: `monitor` opens and watches; the system's callback reads the ring. On Linux a PulseAudio or PipeWire
//! server plays (`pulse`), else ALSA, and elsewhere the platform's own system, through cpal (`system`).

#[cfg(all(feature = "mic", target_os = "linux"))]
mod pulse;
#[cfg(feature = "mic")]
mod system;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use serde::Serialize;

#[cfg(feature = "mic")]
use crate::media::playback::Hush;
use crate::media::playback::PlaybackSink;
use crate::stage::{StageHandle, StopFlag, spawn};

/// From a failure to the next try.
const AGAIN: Duration = Duration::from_secs(1);
/// How long listing may take.
const LIST_WITHIN: Duration = Duration::from_secs(5);
/// How long closing waits before the thread is left behind.
const CLOSE_WITHIN: Duration = Duration::from_millis(300);
/// From when an output is hushed to when its silence is heard: what the system holds, and the fall.
#[cfg(feature = "mic")]
const PLAYED_OUT: Duration = Duration::from_millis(100);

/// An output that could be chosen now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputDevice {
    /// What a person calls it.
    pub name: String,
    /// The system's own name.
    pub id: String,
    /// The system's choice.
    pub default: bool,
}

/// What happens to an output. Told on the thread `monitor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaybackEvent {
    /// It plays.
    Up {
        /// What a person calls it.
        name: String,
        /// The system's own name.
        id: String,
    },
    /// It does not play; it is tried again. Told once for each reason.
    Down {
        /// What happened and what to do.
        reason: String,
    },
}

/// Called with what happens; must not block.
pub type PlaybackListener = Arc<dyn Fn(PlaybackEvent) + Send + Sync>;

/// An output that is kept open. Dropping it closes it.
#[derive(Debug)]
pub struct Playback {
    thread: StageHandle,
}

impl Playback {
    /// Opens the output called `device` (by id or name), or the system's default one, which is followed when it changes;
    /// returns at once. Each time one is open, the writing end of its ring is sent into `sinks`. Text for people when
    /// there is no thread for it.
    pub fn start(
        device: Option<String>,
        sinks: Sender<PlaybackSink>,
        listener: PlaybackListener,
    ) -> Result<Self, String> {
        let body = move |(), stop: &StopFlag| {
            keep(device.as_deref(), &sinks, &listener, stop);
            Ok(())
        };
        let init = || Ok::<_, std::convert::Infallible>(());
        let thread = spawn("monitor", &StopFlag::new(), init, body, |_| {});
        let thread = thread.map_err(|e| e.to_string())?;
        Ok(Self { thread })
    }
}

impl Drop for Playback {
    fn drop(&mut self) {
        if self
            .thread
            .stop_until(Instant::now() + CLOSE_WITHIN)
            .is_none()
        {
            tracing::warn!("the sound system hangs, the thread of an output is left behind");
        }
    }
}

fn keep(
    device: Option<&str>,
    sinks: &Sender<PlaybackSink>,
    listener: &PlaybackListener,
    stop: &StopFlag,
) {
    let mut told = None;
    while !stop.is_stopped() {
        let mut opened = |name: &str, id: &str, sink: PlaybackSink| {
            told = None;
            sinks.try_send(sink).ok(); // full: nobody listens any more
            listener(PlaybackEvent::Up {
                name: name.to_owned(),
                id: id.to_owned(),
            });
        };
        let Err(reason) = play(device, &mut opened, stop) else {
            continue; // another one is the default now
        };
        if told.as_ref() != Some(&reason) {
            told = Some(reason.clone());
            listener(PlaybackEvent::Down { reason });
        }
        if stop.sleep(AGAIN) {
            return;
        }
    }
}

/// Told of an output that was opened: name, id, ring.
type Opened<'a> = &'a mut dyn FnMut(&str, &str, PlaybackSink);

/// Opens the output and keeps it until told to stop, until it fails (text for people), or until the default is another.
#[cfg(feature = "mic")]
fn play(device: Option<&str>, opened: Opened<'_>, stop: &StopFlag) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use crate::capture::microphone::server;
        if let Some(server) = server::Server::connect() {
            return pulse::play(&server, device, opened, stop);
        }
        if server::was_there() {
            return Err("the sound server does not answer".to_owned());
        }
    }
    system::play(device, opened, stop)
}

#[cfg(not(feature = "mic"))]
fn play(_device: Option<&str>, _opened: Opened<'_>, stop: &StopFlag) -> Result<(), String> {
    while !stop.sleep(Duration::from_secs(3600)) {}
    Err("this build has no sound devices: it was built without the feature mic".to_owned())
}

/// Lets an output that still plays fall silent before it is closed, which would cut its sound off with a click.
#[cfg(feature = "mic")]
fn fall_silent(hush: &Hush) {
    hush.now();
    crossbeam_channel::after(PLAYED_OUT).recv().ok(); // the time has come
}

/// Why the output of that name was not opened.
#[cfg(feature = "mic")]
fn not_found(device: &str, error: &crate::capture::SourceError) -> String {
    match error {
        crate::capture::SourceError::NotFound { .. } => {
            format!("the output {device:?} is not there")
        }
        several => several.to_string(),
    }
}

/// Lists outputs that are there now. Empty when there is no sound system, or it hangs.
pub fn list() -> Vec<OutputDevice> {
    let (report, reported) = bounded(1);
    let body = move |(), _: &StopFlag| {
        report.send(list_now()).ok(); // nobody waits any more after the time-out
        Ok(())
    };
    let init = || Ok::<_, std::convert::Infallible>(());
    match spawn("monitor-list", &StopFlag::new(), init, body, |_| {}) {
        Ok(_running) => reported.recv_timeout(LIST_WITHIN).unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%error, "outputs cannot be listed");
            Vec::new()
        }
    }
}

#[cfg(feature = "mic")]
fn list_now() -> Vec<OutputDevice> {
    #[cfg(target_os = "linux")]
    if let Some(server) = crate::capture::microphone::server::Server::connect() {
        return pulse::list(&server);
    }
    system::list()
}

#[cfg(not(feature = "mic"))]
const fn list_now() -> Vec<OutputDevice> {
    Vec::new()
}
