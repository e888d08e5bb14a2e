//! Outputs of the platform's sound system through cpal: ALSA without a sound server, WASAPI, CoreAudio.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cpal::traits::{DeviceTrait as _, HostTrait as _, StreamTrait as _};
use cpal::{Data, ErrorKind, FromSample, SampleFormat, SizedSample};

use super::{Opened, OutputDevice};
use crate::capture::microphone::names::{self, Label};
use crate::media::playback::{PlaybackTap, playback_ring};
use crate::stage::StopFlag;

/// How often it is asked whether the stream is still there.
const ASK: Duration = Duration::from_millis(250);
/// How long building a stream may take where cpal can limit it.
const BUILD_WITHIN: Duration = Duration::from_secs(3);

fn label(device: &cpal::Device) -> Option<Label> {
    let name = device.description().ok()?.name().trim().to_owned();
    let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    let name = if name.is_empty() { id.clone() } else { name };
    (!name.is_empty()).then_some(Label { name, id })
}

fn outputs(host: &cpal::Host) -> Vec<(cpal::Device, Label)> {
    let Ok(devices) = host.output_devices() else {
        return Vec::new();
    };
    let mut outputs: Vec<_> = devices
        .filter_map(|device| {
            let label = label(&device)?;
            Some((device, label))
        })
        .filter(|(_, label)| is_worth_showing(&label.id))
        .collect();
    names::tell_apart(&mut outputs.iter_mut().map(|o| &mut o.1).collect::<Vec<_>>());
    outputs
}

#[cfg(target_os = "linux")]
fn is_worth_showing(id: &str) -> bool {
    crate::capture::microphone::alsa::is_worth_showing(id)
}

#[cfg(not(target_os = "linux"))]
const fn is_worth_showing(_id: &str) -> bool {
    true
}

/// Without a card ALSA has only plug-ins that fail, each with lines on stderr.
fn host() -> Option<cpal::Host> {
    #[cfg(target_os = "linux")]
    if !crate::capture::microphone::alsa::may_play() {
        return None;
    }
    Some(cpal::default_host())
}

pub(super) fn list() -> Vec<OutputDevice> {
    let Some(host) = host() else {
        return Vec::new();
    };
    let default = host.default_output_device().and_then(|d| label(&d));
    let describe = |(_, label): (cpal::Device, Label)| OutputDevice {
        default: default.as_ref() == Some(&label),
        name: label.name,
        id: label.id,
    };
    outputs(&host).into_iter().map(describe).collect()
}

pub(super) fn play(
    device: Option<&str>,
    opened: Opened<'_>,
    stop: &StopFlag,
) -> Result<(), String> {
    let none = "this machine has no sound output";
    let host = host().ok_or(none)?;
    let (device, label) = match device {
        None => {
            let device = host.default_output_device().ok_or(none)?;
            let label = label(&device).ok_or(none)?;
            (device, label)
        }
        Some(wanted) => {
            let mut all = outputs(&host);
            let labels: Vec<&Label> = all.iter().map(|o| &o.1).collect();
            let chosen =
                names::choose(wanted, &labels).map_err(|e| super::not_found(wanted, &e))?;
            all.swap_remove(chosen)
        }
    };
    let failed = |e: cpal::Error| format!("{} cannot be opened: {e}", label.name);
    let supported = device.default_output_config().map_err(failed)?;
    let (ring, mut tap) = playback_ring(supported.sample_rate());
    let hush = tap.hush();
    let channels = usize::from(supported.channels().max(1));
    let lost = Arc::new(AtomicBool::new(false));
    let errors = Arc::clone(&lost);
    let stream = device
        .build_output_stream_raw(
            supported.config(),
            supported.sample_format(),
            move |data: &mut Data, _| fill(&mut tap, channels, data),
            move |error| match error.kind() {
                ErrorKind::Xrun | ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
                _ => errors.store(true, Ordering::Relaxed),
            },
            Some(BUILD_WITHIN),
        )
        .map_err(failed)?;
    stream.play().map_err(failed)?;
    opened(&label.name, &label.id, ring);
    while !stop.sleep(ASK) {
        if lost.load(Ordering::Relaxed) {
            return Err(format!("{} went away", label.name));
        }
    }
    super::fall_silent(&hush);
    Ok(())
}

/// The callback: no allocation, no lock, no logging.
fn fill(tap: &mut PlaybackTap, channels: usize, data: &mut Data) {
    match data.sample_format() {
        SampleFormat::F32 => write::<f32>(tap, channels, data),
        SampleFormat::I16 => write::<i16>(tap, channels, data),
        SampleFormat::I32 => write::<i32>(tap, channels, data),
        SampleFormat::U8 => write::<u8>(tap, channels, data),
        SampleFormat::U16 => write::<u16>(tap, channels, data),
        SampleFormat::F64 => write::<f64>(tap, channels, data),
        _ => {} // cpal hands out silence
    }
}

/// Left and right on the first two channels (their mean on a single one), silence on the others.
fn write<T: SizedSample + FromSample<f32>>(
    tap: &mut PlaybackTap,
    channels: usize,
    data: &mut Data,
) {
    let Some(samples) = data.as_slice_mut::<T>() else {
        return;
    };
    let frames = samples.len() / channels;
    tap.read(frames, |i, [left, right]| {
        let frame = &mut samples[i * channels..(i + 1) * channels];
        if let [mono] = frame {
            *mono = T::from_sample_(f32::midpoint(left, right));
            return;
        }
        for (k, sample) in frame.iter_mut().enumerate() {
            *sample = T::from_sample_(match k {
                0 => left,
                1 => right,
                _ => 0.0,
            });
        }
    });
}
