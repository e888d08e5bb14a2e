//! Microphones and desktop sound.
//!
//! In: an [`AudioSpec`]. Out: blocks in the device's own rate and channels, as `f32`, into an [`AudioSink`], pushed by
//! the system's callback thread. On Linux a PulseAudio or PipeWire server is asked first (`pulse`), then ALSA, and
//! elsewhere the platform's own system, through cpal (`system`).
//! A stream lives on a thread of its own (`mic`), because calls into sound systems may never return. That thread can be
//! left behind; it cleans up when the call returns, and until then pushes nothing.

#[cfg(target_os = "linux")]
mod alsa;
mod callback;
mod flow;
mod names;
#[cfg(target_os = "linux")]
mod pulse;
mod system;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use self::flow::Flow;
use super::{AudioDevice, AudioSource, AudioSpec, SourceContext, SourceError};
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
    opened: Opened,
    since: MediaTime,
    clock: MediaClock,
    flow: Arc<Flow>,
    thread: StageHandle,
}

/// What a stream turned out to be.
struct Opened {
    name: String,
    format: AudioFormat,
    /// Desktop sound: a server may send nothing while nothing plays.
    may_be_silent: bool,
}

/// Takes the result of opening from the thread `mic` to the caller of [`open`]. Bound 1, sent once.
struct Report(Sender<Result<Option<Opened>, SourceError>>);

impl Report {
    fn opened(&self, opened: Opened) {
        self.send(Ok(Some(opened)));
    }

    /// There is no microphone, and none was asked for by name.
    fn nothing(&self) -> Result<(), String> {
        self.send(Ok(None));
        Ok(())
    }

    fn failed(&self, error: SourceError) -> Result<(), String> {
        self.send(Err(error));
        Ok(())
    }

    fn send(&self, result: Result<Option<Opened>, SourceError>) {
        self.0.send(result).ok(); // after its time-out the caller has gone and raised the stop flag
    }
}

/// Opens what `spec` names; `None` when that is silence (also: no microphone in the machine).
pub(super) fn open(
    spec: &AudioSpec,
    cx: &SourceContext,
) -> Result<Option<Box<dyn AudioSource>>, SourceError> {
    let wanted = match spec {
        AudioSpec::None => return Ok(None),
        AudioSpec::Default => None,
        AudioSpec::Device(name) => Some(name.clone()),
    };
    let what = wanted.as_ref().map_or_else(
        || "the default microphone".to_owned(),
        |name| format!("sound input {name:?}"),
    );
    let (report, reported) = bounded(1);
    let flow = Arc::new(Flow::default());
    let thread = {
        let (flow, cx) = (Arc::clone(&flow), cx.clone());
        let report = Report(report);
        let body = move |(), stop: &StopFlag| run(wanted.as_deref(), &cx, &flow, &report, stop);
        let init = || Ok::<_, SourceError>(());
        spawn("mic", &StopFlag::new(), init, body, |_| {})
            .map_err(|e| failed(format!("starting {what}"), e))?
    };
    match reported.recv_timeout(OPEN_WITHIN) {
        Ok(Ok(Some(opened))) => Ok(Some(Box::new(Microphone {
            opened,
            since: cx.clock.now(),
            clock: cx.clock,
            flow,
            thread,
        }))),
        Ok(Ok(None)) => {
            tracing::debug!("no microphone found, sending silence");
            Ok(None)
        }
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
    pulse::Server::connect().map_or_else(system::list, |server| server.list())
}

#[cfg(not(target_os = "linux"))]
fn list_now() -> Vec<AudioDevice> {
    system::list()
}

/// The thread: opens, reports, keeps the stream until it is told to stop.
fn run(
    wanted: Option<&str>,
    cx: &SourceContext,
    flow: &Arc<Flow>,
    report: &Report,
    stop: &StopFlag,
) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    if let Some(server) = pulse::Server::connect() {
        return server.run(wanted, cx, flow, report, stop);
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
        let what = || self.opened.name.clone();
        if self.flow.is_lost() || self.thread.is_finished() {
            return Err(SourceError::Lost { what: what() });
        }
        if self.opened.may_be_silent {
            return Ok(());
        }
        let (since, allowed) = match self.flow.last() {
            Some(last) => (last, STALLED_AFTER),
            None => (self.since, FIRST_WITHIN),
        };
        if self.clock.now().saturating_since(since) > allowed {
            return Err(SourceError::Stalled {
                what: what(),
                seconds: allowed.as_secs(),
            });
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let Opened { name, format, .. } = &self.opened;
        format!("{name}, {}", names::words(*format))
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.flow.close();
        let ended = self.thread.stop_until(Instant::now() + CLOSE_WITHIN);
        let (blocks, refused, errors) = self.flow.counts();
        let name = &self.opened.name;
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
