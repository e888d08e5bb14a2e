//! Microphones and desktop sound through cpal.
//!
//! In: an [`AudioSpec`]. Out: blocks in the device's own rate and channels, as `f32`, into an
//! [`AudioSink`](crate::media::ring::AudioSink), pushed by the system's callback thread ([`callback`]).
//! The stream lives on a thread of its own (`mic`), because several of cpal's calls may never return: with PulseAudio
//! `play` waits for the first sample of a silent source, and dropping a stream waits for a server that may hang. That
//! thread can be left behind; it cleans up when the call returns.

#[cfg(target_os = "linux")]
mod alsa;
mod callback;
mod device;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait as _, StreamTrait as _};
use cpal::{BufferSize, StreamConfig};
use crossbeam_channel::{Sender, bounded};

use self::callback::{Capture, Flow};
use self::device::{Found, Host};
use super::{AudioDevice, AudioSource, AudioSpec, SourceContext, SourceError};
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioSink;
use crate::media::time::{MediaClock, MediaTime};
use crate::stage::{StageHandle, StopFlag, spawn};

/// How long opening or listing may take; cpal itself gives a sound server 2 s.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How long closing waits before the thread is left behind.
const CLOSE_WITHIN: Duration = Duration::from_millis(400);
/// A microphone that delivers nothing for this long is stalled.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// The first samples may take longer: Bluetooth headsets change their profile.
const FIRST_WITHIN: Duration = Duration::from_secs(5);
/// How often the device list is looked at: a sound server moves the stream of an unplugged microphone to another
/// source, even to desktop sound, without a word.
const PRESENCE_EVERY: Duration = Duration::from_secs(2);
/// Pieces asked for: 20 ms. With PulseAudio the default is 2 s, and 10 ms loses 8 % under load.
const PIECES_PER_S: u32 = 50;

/// An open input.
struct Microphone {
    name: String,
    format: AudioFormat,
    /// Desktop sound: a server may send nothing while nothing plays.
    may_be_silent: bool,
    clock: MediaClock,
    opened: MediaTime,
    flow: Arc<Flow>,
    thread: StageHandle,
}

/// What the thread reports once the stream is built.
struct Opened {
    name: String,
    format: AudioFormat,
    may_be_silent: bool,
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
    let stop = StopFlag::new();
    let thread = {
        let (flow, cx) = (Arc::clone(&flow), cx.clone());
        let body = move |(), stop: &StopFlag| run(wanted.as_deref(), &cx, &flow, &report, stop);
        spawn("mic", &stop, || Ok::<_, SourceError>(()), body, |_| {})
            .map_err(|e| failed(format!("starting {what}"), e))?
    };
    match reported.recv_timeout(OPEN_WITHIN) {
        Ok(Ok(Some(opened))) => Ok(Some(Box::new(Microphone {
            name: opened.name,
            format: opened.format,
            may_be_silent: opened.may_be_silent,
            clock: cx.clock,
            opened: cx.clock.now(),
            flow,
            thread,
        }))),
        Ok(Ok(None)) => {
            tracing::info!("no microphone found, sending silence");
            Ok(None)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            flow.close();
            Err(SourceError::Stalled {
                what,
                seconds: OPEN_WITHIN.as_secs(),
            })
        }
    }
}

/// Lists inputs, desktop sound included. Empty when there is no sound system, or it hangs.
pub(super) fn list() -> Vec<AudioDevice> {
    let (report, reported) = bounded(1);
    let body = move |(), _: &StopFlag| {
        let devices = Host::open().map(|host| host.list()).unwrap_or_default();
        report.send(devices).ok(); // nobody waits any more after the time-out
        Ok(())
    };
    let thread = spawn(
        "mic-list",
        &StopFlag::new(),
        || Ok::<_, SourceError>(()),
        body,
        |_| {},
    );
    if let Err(error) = thread {
        tracing::warn!(%error, "sound inputs cannot be listed");
        return Vec::new();
    }
    reported.recv_timeout(OPEN_WITHIN).unwrap_or_else(|_| {
        tracing::warn!("the sound system does not answer, so its inputs are not listed");
        Vec::new()
    })
}

/// The thread: opens, reports, keeps the stream until it is told to stop.
fn run(
    wanted: Option<&str>,
    cx: &SourceContext,
    flow: &Arc<Flow>,
    report: &Sender<Result<Option<Opened>, SourceError>>,
    stop: &StopFlag,
) -> Result<(), String> {
    let built = find(wanted).and_then(|found| match found {
        Some((host, found)) => {
            let (stream, opened) = build(&found, cx, flow)?;
            Ok(Some((host, found, stream, opened)))
        }
        None => Ok(None),
    });
    let (host, found, stream) = match built {
        Ok(Some((host, found, stream, opened))) => {
            report.send(Ok(Some(opened))).ok(); // after its time-out the stop flag is raised
            (host, found, stream)
        }
        Ok(None) => {
            report.send(Ok(None)).ok();
            return Ok(());
        }
        Err(error) => {
            report.send(Err(error)).ok();
            return Ok(());
        }
    };
    if let Err(error) = stream.play() {
        flow.lose();
        return Err(error.to_string());
    }
    while !stop.sleep(PRESENCE_EVERY) {
        if !host.has(&found) {
            tracing::debug!(name = found.name, "sound input is no longer listed");
            flow.lose();
        }
    }
    Ok(())
}

fn find(wanted: Option<&str>) -> Result<Option<(Host, Found)>, SourceError> {
    let host = match (Host::open(), wanted) {
        (Some(host), _) => host,
        (None, None) => return Ok(None),
        (None, Some(name)) => return Err(device::not_found(name)),
    };
    let found = match wanted {
        Some(name) => Some(host.named(name)?),
        None => host.default_microphone(),
    };
    Ok(found.map(|found| (host, found)))
}

/// Builds the stream, which does not run yet.
fn build(
    found: &Found,
    cx: &SourceContext,
    flow: &Arc<Flow>,
) -> Result<(cpal::Stream, Opened), SourceError> {
    let supported = (found.device)
        .default_input_config()
        .map_err(|e| device::error(&found.name, e))?;
    let sample_format = found.sample_format(&supported);
    if !callback::is_convertible(sample_format) {
        return Err(SourceError::Unsupported {
            what: found.name.clone(),
            reason: format!("its sample format is {sample_format}"),
        });
    }
    let format = AudioFormat {
        rate: supported.sample_rate(),
        channels: supported.channels(),
    };
    let config = |buffer_size| StreamConfig {
        buffer_size,
        ..supported.config()
    };
    let start = |buffer_size| {
        let sink: AudioSink = cx.open_audio_sink(format).ok_or_else(|| {
            failed(
                format!("connecting {} to the mixer", found.name),
                "the mixer takes no more sources",
            )
        })?;
        let mut capture = Capture::new(sink, cx.clock, Arc::clone(flow));
        let errors = Arc::clone(flow);
        (found.device)
            .build_input_stream_raw(
                config(buffer_size),
                sample_format,
                move |data, info| capture.take(data, info),
                move |error| errors.error(&error),
                Some(OPEN_WITHIN),
            )
            .map_err(|e| device::error(&found.name, e))
    };
    let piece = BufferSize::Fixed((format.rate / PIECES_PER_S).max(1));
    let stream = if found.takes_buffer_size() {
        start(piece)
    } else {
        start(BufferSize::Default)
    }?;
    let opened = Opened {
        name: found.name.clone(),
        format,
        may_be_silent: found.is_desktop_sound(),
    };
    Ok((stream, opened))
}

impl AudioSource for Microphone {
    fn check(&mut self) -> Result<(), SourceError> {
        let what = || self.name.clone();
        if self.flow.is_lost() || self.thread.is_finished() {
            return Err(SourceError::Lost { what: what() });
        }
        if self.may_be_silent {
            return Ok(());
        }
        let now = self.clock.now();
        let (since, allowed) = match self.flow.last() {
            Some(last) => (last, STALLED_AFTER),
            None => (self.opened, FIRST_WITHIN),
        };
        if now.saturating_since(since) > allowed {
            return Err(SourceError::Stalled {
                what: what(),
                seconds: allowed.as_secs(),
            });
        }
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.name, device::words(self.format))
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.flow.close();
        let deadline = Instant::now() + CLOSE_WITHIN;
        let ended = self.thread.stop_until(deadline).is_some();
        tracing::debug!(
            name = self.name,
            blocks = self.flow.blocks(),
            refused = self.flow.refused(),
            errors = self.flow.errors(),
            ended,
            "sound input closed"
        );
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
