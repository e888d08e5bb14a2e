//! The platform's sound system through cpal: ALSA on Linux machines without a sound server, WASAPI, CoreAudio. Desktop
//! sound is an output opened as an input, which records what it plays (Windows; macOS from 14.6).

use std::sync::Arc;
use std::time::Duration;

use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{BufferSize, ErrorKind, StreamConfig, SupportedBufferSize, SupportedStreamConfig};

use super::callback::{Capture, is_convertible};
use super::flow::Flow;
use super::names::{self, Label};
use super::{
    AudioDevice, Opened, PIECES_PER_S, Report, SoundKind, SourceContext, SourceError, Wanted,
};
use crate::media::audio::AudioFormat;
use crate::stage::StopFlag;

/// How long building a stream may take where cpal can limit it.
const BUILD_WITHIN: Duration = Duration::from_secs(3);
/// The stream needs no care; the thread only waits for its end.
const IDLE: Duration = Duration::from_secs(3600);

/// An input.
struct Input {
    device: cpal::Device,
    label: Label,
    kind: SoundKind,
}

/// Lists inputs.
pub(super) fn list() -> Vec<AudioDevice> {
    let Some(host) = host() else {
        return Vec::new();
    };
    let mut devices = Vec::new();
    for kind in kinds() {
        let default = default(&host, *kind).map(|d| d.label.id);
        let describe = |input: Input| AudioDevice {
            default: default.as_ref() == Some(&input.label.id),
            // a device in use does not tell
            format: (input.config())
                .map(|c| names::words(format(&c)))
                .unwrap_or_default(),
            name: input.label.name,
            id: input.label.id,
            kind: *kind,
        };
        devices.extend(inputs(&host, *kind).into_iter().map(describe));
    }
    devices
}

/// What this system can capture.
const fn kinds() -> &'static [SoundKind] {
    if cfg!(target_os = "linux") {
        &[SoundKind::Microphone]
    } else {
        &[SoundKind::Microphone, SoundKind::Desktop]
    }
}

/// Opens what `wanted` says, reports, keeps the stream until told to stop. On the thread `mic`.
pub(super) fn run(
    wanted: &Wanted,
    cx: &SourceContext,
    flow: &Arc<Flow>,
    report: &Report,
    stop: &StopFlag,
) -> Result<(), String> {
    let found = match (host(), &wanted.device) {
        (None, _) => Err(wanted.not_found()),
        (Some(host), None) => default(&host, wanted.kind).ok_or_else(|| wanted.not_found()),
        (Some(host), Some(name)) => named(&host, wanted.kind, name),
    };
    let stream = match found.and_then(|input| build(&input, cx, flow)) {
        Ok((stream, opened)) => {
            report.opened(opened);
            stream
        }
        Err(error) => return report.failed(error),
    };
    if let Err(error) = stream.play() {
        flow.lose();
        return Err(error.to_string());
    }
    while !stop.sleep(IDLE) {}
    Ok(())
}

/// ALSA where something records: without a card it has only plug-ins that fail, each with lines on stderr.
#[cfg(target_os = "linux")]
fn host() -> Option<cpal::Host> {
    super::alsa::may_capture()
        .then(|| cpal::host_from_id(cpal::HostId::Alsa).ok())
        .flatten()
}

#[cfg(not(target_os = "linux"))]
fn host() -> Option<cpal::Host> {
    Some(cpal::default_host())
}

fn default(host: &cpal::Host, kind: SoundKind) -> Option<Input> {
    let device = match kind {
        SoundKind::Microphone => host.default_input_device(),
        SoundKind::Desktop => host.default_output_device(),
    };
    device.and_then(|device| Input::new(device, kind))
}

/// All inputs of a kind worth showing, by names that differ.
fn inputs(host: &cpal::Host, kind: SoundKind) -> Vec<Input> {
    let devices: Result<Vec<_>, _> = match kind {
        SoundKind::Microphone => host.input_devices().map(Iterator::collect),
        SoundKind::Desktop => host.output_devices().map(Iterator::collect),
    };
    let devices = match devices {
        Ok(devices) => devices,
        Err(error) => {
            tracing::debug!(%error, "sound inputs cannot be listed");
            return Vec::new();
        }
    };
    let mut inputs: Vec<Input> = devices
        .into_iter()
        .filter_map(|device| Input::new(device, kind))
        .filter(Input::is_worth_showing)
        .collect();
    names::tell_apart(&mut inputs.iter_mut().map(|i| &mut i.label).collect::<Vec<_>>());
    inputs
}

fn named(host: &cpal::Host, kind: SoundKind, wanted: &str) -> Result<Input, SourceError> {
    let mut inputs = inputs(host, kind);
    let labels: Vec<&Label> = inputs.iter().map(|i| &i.label).collect();
    let chosen = names::choose(wanted, &labels)?;
    Ok(inputs.swap_remove(chosen))
}

/// Builds the stream, which does not run yet.
fn build(
    input: &Input,
    cx: &SourceContext,
    flow: &Arc<Flow>,
) -> Result<(cpal::Stream, Opened), SourceError> {
    let name = &input.label.name;
    let supported = input.config().map_err(|e| error(name, e))?;
    let sample_format = supported.sample_format();
    if !is_convertible(sample_format) {
        return Err(SourceError::Unsupported {
            what: name.clone(),
            reason: format!("its sample format is {sample_format}"),
        });
    }
    let format = format(&supported);
    let config = StreamConfig {
        buffer_size: piece(&supported),
        ..supported.config()
    };
    let sink = super::open_sink(cx, format, name)?;
    let mut capture = Capture::new(sink, cx.clock, Arc::clone(flow));
    let errors = Arc::clone(flow);
    let stream = (input.device)
        .build_input_stream_raw(
            config,
            sample_format,
            move |data, info| capture.take(data, info),
            move |error| match error.kind() {
                ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {
                    errors.glitch();
                }
                kind => errors.error(is_fatal(kind)),
            },
            Some(BUILD_WITHIN),
        )
        .map_err(|e| error(name, e))?;
    let opened = Opened {
        name: name.clone(),
        format,
        may_be_silent: input.kind == SoundKind::Desktop,
        output: (input.kind == SoundKind::Desktop).then(|| input.label.id.clone()),
    };
    Ok((stream, opened))
}

fn format(config: &SupportedStreamConfig) -> AudioFormat {
    AudioFormat {
        rate: config.sample_rate(),
        channels: config.channels(),
    }
}

/// Pieces of about 20 ms on ALSA, whose own choice may be a tenth of that or ten times as much.
fn piece(config: &SupportedStreamConfig) -> BufferSize {
    match config.buffer_size() {
        SupportedBufferSize::Range { min, max } if cfg!(target_os = "linux") && min <= max => {
            let frames = config.sample_rate() / PIECES_PER_S;
            BufferSize::Fixed(frames.clamp(*min, *max))
        }
        _ => BufferSize::Default,
    }
}

const fn is_fatal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::DeviceNotAvailable
            | ErrorKind::HostUnavailable
            | ErrorKind::StreamInvalidated
            | ErrorKind::PermissionDenied
    )
}

impl Input {
    fn new(device: cpal::Device, kind: SoundKind) -> Option<Self> {
        let name = device.description().ok()?.name().trim().to_owned();
        let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
        let name = if name.is_empty() { id.clone() } else { name };
        let label = Label { name, id };
        (!label.name.is_empty()).then_some(Self {
            device,
            label,
            kind,
        })
    }

    fn config(&self) -> Result<SupportedStreamConfig, cpal::Error> {
        match self.kind {
            SoundKind::Microphone => self.device.default_input_config(),
            // what an output plays comes as it is played
            SoundKind::Desktop => self.device.default_output_config(),
        }
    }

    /// ALSA lists each card many times over, as plug-ins of all kinds, by number as well as by name.
    #[cfg(target_os = "linux")]
    fn is_worth_showing(&self) -> bool {
        super::alsa::is_worth_showing(&self.label.id)
    }

    #[cfg(not(target_os = "linux"))]
    const fn is_worth_showing(&self) -> bool {
        true
    }
}

/// cpal's error about an input, in our terms.
fn error(name: &str, error: cpal::Error) -> SourceError {
    let what = name.to_owned();
    match error.kind() {
        ErrorKind::DeviceBusy => SourceError::Busy { what },
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => {
            SourceError::NotFound { what }
        }
        ErrorKind::StreamInvalidated => SourceError::Lost { what },
        ErrorKind::PermissionDenied => SourceError::Denied { what },
        ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => {
            SourceError::Unsupported {
                what,
                reason: error.to_string(),
            }
        }
        _ => SourceError::Failed {
            what: format!("opening {name}"),
            source: Box::new(error),
        },
    }
}
