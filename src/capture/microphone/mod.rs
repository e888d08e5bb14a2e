//! Microphones and desktop sound.
//!
//! In: which kind, and a device or the system's default. Out: blocks in the device's own rate and channels, as `f32`,
//! into an [`AudioSink`], pushed by the system's callback thread. On Linux a PulseAudio or PipeWire server is asked
//! first (`pulse`), then ALSA, and elsewhere the platform's own system, through cpal (`system`).
//! A stream lives on a thread of its own (`mic`), because calls into sound systems may never return. That thread can be
//! left behind; it cleans up when the call returns, and until then pushes nothing.
//!
//! A microphone that is gone is gone: it is never replaced by what the machine plays, although some systems would.

#[cfg(target_os = "linux")]
pub(crate) mod alsa;
mod callback;
mod flow;
pub(crate) mod names;
#[cfg(target_os = "linux")]
mod pulse;
#[cfg(target_os = "linux")]
pub(crate) mod server;
mod system;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;

use self::flow::Flow;
use super::{AudioDevice, AudioSource, SoundKind, SourceContext, SourceError};
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioSink;
use crate::media::time::{MediaClock, MediaTime};
use crate::stage::{StageHandle, StopFlag, spawn};

/// How long opening or listing may take.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How long closing waits before the thread is left behind.
const CLOSE_WITHIN: Duration = Duration::from_millis(400);
/// A microphone that delivers nothing for this long is stalled.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// The first samples may take longer: Bluetooth headsets change their profile.
const FIRST_WITHIN: Duration = Duration::from_secs(5);
/// Blocks asked for: 20 ms.
const PIECES_PER_S: u32 = 50;

/// An open input.
struct Microphone {
    opened: Arc<Mutex<Opened>>,
    since: MediaTime,
    clock: MediaClock,
    flow: Arc<Flow>,
    thread: StageHandle,
}

/// What a stream turned out to be.
#[derive(Debug, Clone)]
struct Opened {
    name: String,
    format: AudioFormat,
    /// Desktop sound: a server may send nothing while nothing plays.
    may_be_silent: bool,
    /// Desktop sound: the system's name of the output.
    output: Option<String>,
}

/// What is to be opened.
#[derive(Debug, Clone)]
struct Wanted {
    kind: SoundKind,
    /// The system's default when absent.
    device: Option<String>,
}

impl Wanted {
    /// For messages.
    fn words(&self) -> String {
        match (self.kind, &self.device) {
            (SoundKind::Microphone, None) => "a microphone".to_owned(),
            (SoundKind::Microphone, Some(name)) => format!("microphone {name:?}"),
            (SoundKind::Desktop, None) => "desktop sound".to_owned(),
            (SoundKind::Desktop, Some(name)) => format!("desktop sound of {name:?}"),
        }
    }

    fn not_found(&self) -> SourceError {
        SourceError::NotFound { what: self.words() }
    }
}

/// Takes what was opened from the thread `mic` to the caller of [`open`] (bound 1, the first time only), and to those
/// who ask later.
struct Report {
    first: Sender<Result<Opened, SourceError>>,
    now: Arc<Mutex<Opened>>,
}

impl Report {
    fn opened(&self, opened: Opened) {
        self.now.lock().clone_from(&opened);
        self.first.try_send(Ok(opened)).ok(); // full: not the first; closed: see `failed`
    }

    fn failed(&self, error: SourceError) -> Result<(), String> {
        let text = error.to_string();
        // after its time-out the caller has gone and raised the stop flag
        self.first.try_send(Err(error)).ok();
        Err(text)
    }
}

/// Opens an input of a kind; the system's default one when no `device` is named.
pub(super) fn open(
    kind: SoundKind,
    device: Option<&str>,
    cx: &SourceContext,
) -> Result<Box<dyn AudioSource>, SourceError> {
    let wanted = Wanted {
        kind,
        device: device.map(str::to_owned),
    };
    let what = wanted.words();
    let (first, reported) = bounded(1);
    let flow = Arc::new(Flow::default());
    let now = Arc::new(Mutex::new(Opened {
        name: what.clone(),
        format: AudioFormat::ENGINE,
        may_be_silent: kind == SoundKind::Desktop,
        output: None,
    }));
    let thread = {
        let (flow, cx) = (Arc::clone(&flow), cx.clone());
        let report = Report {
            first,
            now: Arc::clone(&now),
        };
        let body = move |(), stop: &StopFlag| run(&wanted, &cx, &flow, &report, stop);
        let init = || Ok::<_, SourceError>(());
        spawn("mic", &StopFlag::new(), init, body, |_| {})
            .map_err(|e| failed(format!("starting {what}"), e))?
    };
    match reported.recv_timeout(OPEN_WITHIN) {
        Ok(Ok(_)) => Ok(Box::new(Microphone {
            opened: now,
            since: cx.clock.now(),
            clock: cx.clock,
            flow,
            thread,
        })),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            flow.close();
            let seconds = OPEN_WITHIN.as_secs();
            Err(SourceError::Stalled { what, seconds })
        }
    }
}

/// Lists inputs, desktop sound included. Empty when there is no sound system, or it hangs.
pub(super) fn list() -> Vec<AudioDevice> {
    let (report, reported) = bounded(1);
    let body = move |(), _: &StopFlag| {
        report.send(list_now()).ok(); // nobody waits any more after the time-out
        Ok(())
    };
    let init = || Ok::<_, SourceError>(());
    if let Err(error) = spawn("mic-list", &StopFlag::new(), init, body, |_| {}) {
        tracing::warn!(%error, "sound inputs cannot be listed");
        return Vec::new();
    }
    reported.recv_timeout(OPEN_WITHIN).unwrap_or_else(|_| {
        tracing::warn!("the sound system does not answer, so its inputs are not listed");
        Vec::new()
    })
}

#[cfg(target_os = "linux")]
fn list_now() -> Vec<AudioDevice> {
    server::Server::connect().map_or_else(system::list, |server| server.list())
}

#[cfg(not(target_os = "linux"))]
fn list_now() -> Vec<AudioDevice> {
    system::list()
}

/// The thread: opens, reports, keeps the stream until it is told to stop.
fn run(
    wanted: &Wanted,
    cx: &SourceContext,
    flow: &Arc<Flow>,
    report: &Report,
    stop: &StopFlag,
) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    match server::Server::connect() {
        Some(server) => return server.run(wanted, cx, flow, report, stop),
        // A server that was there comes back, and wants its devices: taking one through ALSA meanwhile would lock it
        // out. ALSA itself knows no desktop sound.
        None if server::was_there() || wanted.kind == SoundKind::Desktop => {
            let what = wanted.words();
            return report.failed(SourceError::NoServer { what });
        }
        None => {}
    }
    system::run(wanted, cx, flow, report, stop)
}

/// The way to the mixer for the sound of input `name`.
fn open_sink(
    cx: &SourceContext,
    format: AudioFormat,
    name: &str,
) -> Result<AudioSink, SourceError> {
    cx.open_audio_sink(format).ok_or_else(|| {
        failed(
            format!("connecting {name} to the mixer"),
            "the mixer takes no more sources",
        )
    })
}

impl AudioSource for Microphone {
    fn check(&mut self) -> Result<(), SourceError> {
        let Opened {
            name,
            may_be_silent,
            ..
        } = self.opened.lock().clone();
        if self.flow.is_lost() || self.thread.is_finished() {
            return Err(SourceError::Lost { what: name });
        }
        if may_be_silent {
            return Ok(());
        }
        let (since, allowed) = match self.flow.last() {
            Some(last) => (last, STALLED_AFTER),
            None => (self.since, FIRST_WITHIN),
        };
        if self.clock.now().saturating_since(since) > allowed {
            return Err(SourceError::Stalled {
                what: name,
                seconds: allowed.as_secs(),
            });
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let opened = self.opened.lock();
        format!("{}, {}", opened.name, names::words(opened.format))
    }

    fn output(&self) -> Option<String> {
        self.opened.lock().output.clone()
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.flow.close();
        let ended = self.thread.stop_until(Instant::now() + CLOSE_WITHIN);
        let (blocks, refused, errors) = self.flow.counts();
        let name = &self.opened.lock().name;
        tracing::debug!(name, blocks, refused, errors, ?ended, "sound input closed");
        if ended.is_none() {
            tracing::warn!(name, "the sound system hangs, its thread is left behind");
        }
    }
}

fn failed(
    what: String,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> SourceError {
    SourceError::Failed {
        what,
        source: source.into(),
    }
}
