//! Which sound system is asked, which inputs it has, and which one a name means.

use cpal::traits::{DeviceTrait as _, HostTrait as _};
use cpal::{ErrorKind, HostId, SampleFormat, SupportedStreamConfig};

use super::{AudioDevice, SourceError};
use crate::media::audio::AudioFormat;

/// The sound system.
pub(super) struct Host {
    host: cpal::Host,
}

/// An input.
pub(super) struct Found {
    pub(super) device: cpal::Device,
    /// As listed.
    pub(super) name: String,
    /// The system's own name ("lab.monitor", "hw:CARD=PCH,DEV=0"), "" when it has none.
    id: String,
}

impl Host {
    /// PulseAudio (or PipeWire in its place) where a server answers, ALSA where there is hardware; elsewhere the
    /// platform's own. `None` when there is no sound system that could have an input.
    #[cfg(target_os = "linux")]
    pub(super) fn open() -> Option<Self> {
        let pulse = cpal::available_hosts()
            .contains(&HostId::PulseAudio)
            .then(|| cpal::host_from_id(HostId::PulseAudio).ok())
            .flatten();
        let host = match pulse {
            Some(host) => host,
            // without a card ALSA has only plug-ins that fail, each with lines on stderr
            None if super::alsa::may_capture() => cpal::host_from_id(HostId::Alsa).ok()?,
            None => return None,
        };
        Some(Self { host })
    }

    /// The platform's sound system.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn open() -> Option<Self> {
        Some(Self {
            host: cpal::default_host(),
        })
    }

    /// All inputs worth showing, by names that differ.
    fn inputs(&self) -> Vec<Found> {
        let devices = match self.host.input_devices() {
            Ok(devices) => devices,
            Err(error) => {
                tracing::debug!(%error, "sound inputs cannot be listed");
                return Vec::new();
            }
        };
        let mut inputs: Vec<Found> = devices
            .filter_map(Found::new)
            .filter(Found::is_worth_showing)
            .collect();
        let names: Vec<String> = inputs.iter().map(|i| i.name.clone()).collect();
        for input in &mut inputs {
            if names.iter().filter(|n| **n == input.name).count() > 1 {
                input.name = format!("{} [{}]", input.name, input.id);
            }
        }
        inputs
    }

    /// For the chooser.
    pub(super) fn list(&self) -> Vec<AudioDevice> {
        let default = self.default_microphone().map(|d| d.id);
        let describe = |input: Found| AudioDevice {
            default: default.as_ref() == Some(&input.id),
            format: input
                .device
                .default_input_config()
                .map(|c| {
                    words(AudioFormat {
                        rate: c.sample_rate(),
                        channels: c.channels(),
                    })
                })
                .unwrap_or_default(),
            name: input.name,
        };
        self.inputs().into_iter().map(describe).collect()
    }

    /// The system's choice. Desktop sound is no microphone: without one PulseAudio calls that its default, and a
    /// person who chose nothing would broadcast what the machine plays.
    pub(super) fn default_microphone(&self) -> Option<Found> {
        self.host
            .default_input_device()
            .and_then(Found::new)
            .filter(|found| !found.is_desktop_sound())
    }

    /// The input that `wanted` means.
    pub(super) fn named(&self, wanted: &str) -> Result<Found, SourceError> {
        let mut inputs = self.inputs();
        let labels: Vec<_> = inputs
            .iter()
            .map(|i| (i.name.clone(), i.id.clone()))
            .collect();
        match choose(wanted, &labels) {
            Choice::One(i) => Ok(inputs.swap_remove(i)),
            Choice::Several(names) => Err(SourceError::Unsupported {
                what: format!("sound input {wanted:?}"),
                reason: format!("several have that in their names: {}", names.join(", ")),
            }),
            Choice::None => Err(not_found(wanted)),
        }
    }

    /// Whether an open input is still there. Only asked of sound servers, which move streams silently.
    pub(super) fn has(&self, found: &Found) -> bool {
        if !found.is_on_server() {
            return true;
        }
        match self.host.devices() {
            Ok(mut devices) => devices.any(|d| d == found.device),
            Err(_) => false,
        }
    }
}

impl Found {
    fn new(device: cpal::Device) -> Option<Self> {
        let name = device.description().ok()?.name().trim().to_owned();
        let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
        let name = if name.is_empty() { id.clone() } else { name };
        (!name.is_empty()).then_some(Self { device, name, id })
    }

    /// It records what the machine plays.
    pub(super) fn is_desktop_sound(&self) -> bool {
        self.is_on_server() && self.id.ends_with(".monitor")
    }

    /// A server takes any format and piece size, and converts.
    #[cfg(target_os = "linux")]
    fn is_on_server(&self) -> bool {
        (self.device.id()).is_ok_and(|id| id.host() == HostId::PulseAudio)
    }

    #[cfg(not(target_os = "linux"))]
    const fn is_on_server(&self) -> bool {
        false
    }

    /// Whether to ask for pieces of a certain size.
    pub(super) fn takes_buffer_size(&self) -> bool {
        self.is_on_server()
    }

    /// The format to ask for.
    pub(super) fn sample_format(&self, supported: &SupportedStreamConfig) -> SampleFormat {
        if self.is_on_server() {
            SampleFormat::F32
        } else {
            supported.sample_format()
        }
    }

    /// ALSA lists each card many times over, as plug-ins of all kinds, by number as well as by name.
    #[cfg(target_os = "linux")]
    fn is_worth_showing(&self) -> bool {
        let on_alsa = (self.device.id()).is_ok_and(|id| id.host() == HostId::Alsa);
        !on_alsa || super::alsa::is_worth_showing(&self.id)
    }

    #[cfg(not(target_os = "linux"))]
    const fn is_worth_showing(&self) -> bool {
        true
    }
}

/// What a name means.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    One(usize),
    Several(Vec<String>),
    None,
}

/// The input called `wanted` exactly (by listed name, then by the system's name), or the only one that has it in its
/// name, in any case.
fn choose(wanted: &str, inputs: &[(String, String)]) -> Choice {
    let exact = |by: fn(&(String, String)) -> &String| inputs.iter().position(|i| by(i) == wanted);
    if let Some(i) = exact(|i| &i.0).or_else(|| exact(|i| &i.1)) {
        return Choice::One(i);
    }
    let part = wanted.trim().to_lowercase();
    if part.is_empty() {
        return Choice::None;
    }
    let has = |text: &String| text.to_lowercase().contains(&part);
    let matching: Vec<usize> = (0..inputs.len())
        .filter(|i| has(&inputs[*i].0) || has(&inputs[*i].1))
        .collect();
    match matching.as_slice() {
        [] => Choice::None,
        [i] => Choice::One(*i),
        several => Choice::Several(several.iter().map(|i| inputs[*i].0.clone()).collect()),
    }
}

/// No input is called that.
pub(super) fn not_found(name: &str) -> SourceError {
    SourceError::NotFound {
        what: format!("sound input {name:?}"),
    }
}

/// cpal's error about an input, in our terms.
pub(super) fn error(name: &str, error: cpal::Error) -> SourceError {
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

/// "48000 Hz, 2 channels".
pub(super) fn words(format: AudioFormat) -> String {
    let AudioFormat { rate, channels } = format;
    let plural = if channels == 1 { "" } else { "s" };
    format!("{rate} Hz, {channels} channel{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_one_input_or_say_why_not() {
        let inputs = [
            ("Lab microphone", "mic1"),
            ("Monitor of Lab speakers", "lab.monitor"),
            ("Lab", "usb"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(choose("Monitor of Lab speakers", &inputs), Choice::One(1));
        assert_eq!(choose("lab.monitor", &inputs), Choice::One(1));
        assert_eq!(choose("Lab", &inputs), Choice::One(2), "exact wins");
        assert_eq!(choose("MICRO", &inputs), Choice::One(0));
        assert_eq!(choose("speaker", &inputs), Choice::One(1));
        assert_eq!(
            choose("lab ", &inputs),
            Choice::Several(vec![
                "Lab microphone".to_owned(),
                "Monitor of Lab speakers".to_owned(),
                "Lab".to_owned()
            ])
        );
        assert_eq!(choose("camera", &inputs), Choice::None);
        assert_eq!(choose("", &inputs), Choice::None);
    }
}
