//! Sound in the settings: the list of live sounds, the sound of the picture, listening in, and the encoder. Files of
//! older versions, which knew one microphone, are read as a list of one.

use serde::{Deserialize, Serialize};

use super::{FieldError, check_chain, check_range, check_stages};
use crate::audio::chain::ChainSettings;
use crate::audio::master::MasterSettings;
use crate::capture::AudioSpec;
use crate::encode::{AudioEncoderSettings, EncodeError};
use crate::media::audio::ChannelPick;

/// More live sounds than any desk has sockets for.
pub const MOST_SOUNDS: usize = 16;
/// Longest offset of a sound to either side, in milliseconds.
pub const MOST_OFFSET_MS: i32 = 2000;
/// Longest name of a sound.
const MOST_NAME: usize = 60;

/// Sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "File")]
pub struct AudioSettings {
    /// Live sounds, all mixed: microphones, what the machine plays, media files.
    #[serde(rename = "sound")]
    pub sounds: Vec<SoundSettings>,
    /// How the sound of the pictures (media files, the test pattern) is mixed.
    pub picture: MixSettings,
    /// Listening in.
    pub monitor: MonitorSettings,
    /// What is done to the mix.
    pub master: MasterSettings,
    /// Sound encoder.
    pub encoder: AudioEncoderSettings,
}

/// One live sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundSettings {
    /// What a person calls it; made from the source while it is empty.
    #[serde(default)]
    pub name: String,
    /// Where it comes from.
    pub source: AudioSpec,
    /// How it is mixed.
    #[serde(default)]
    pub mix: MixSettings,
}

/// How a sound is mixed. All of it changes while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixSettings {
    /// Gain in dB, −60 to 20.
    pub gain_db: f32,
    /// Silent.
    pub muted: bool,
    /// Which of its channels are heard.
    pub channels: ChannelPick,
    /// Heard this much later (earlier: negative) than it was captured: milliseconds, −2000 to 2000.
    pub offset_ms: i32,
    /// What else is done to it.
    pub chain: ChainSettings,
}

/// Listening in on an output of this machine. Viewers do not hear it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorSettings {
    /// What is heard.
    pub of: MonitorOf,
    /// The output's name or id; the system's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Gain in dB, −60 to 20.
    pub gain_db: f32,
}

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitorOf {
    /// Nothing; no device is open.
    #[default]
    Off,
    /// Everything, as viewers get it.
    Mix,
    /// The live sound with this name, before its gain and mute.
    Sound(String),
}

impl SoundSettings {
    /// A sound mixed as it is.
    pub fn new(source: AudioSpec) -> Self {
        Self {
            name: String::new(),
            source,
            mix: MixSettings::default(),
        }
    }

    /// What a person calls it.
    pub fn called(&self) -> String {
        match self.name.trim() {
            "" => self.source.called(),
            name => name.to_owned(),
        }
    }
}

impl AudioSettings {
    /// What is wrong with it.
    pub(super) fn problems(&self, out: &mut Vec<FieldError>) {
        let Self {
            sounds,
            picture,
            monitor,
            master,
            encoder,
        } = self;
        let mut master = *master; // the table could change it
        check_stages(out, "audio.master", master.stages());
        if sounds.len() > MOST_SOUNDS {
            let reason = format!("{} sounds are more than {MOST_SOUNDS}", sounds.len());
            out.push(FieldError::new("audio.sound", reason));
        }
        for (i, sound) in sounds.iter().enumerate() {
            let at = format!("audio.sound[{i}]");
            if sound.name.chars().count() > MOST_NAME {
                let reason = format!("the name is longer than {MOST_NAME} letters");
                out.push(FieldError::new(&format!("{at}.name"), reason));
            }
            check_mix(out, &format!("{at}.mix"), &sound.mix);
        }
        check_mix(out, "audio.picture", picture);
        check_range(out, "audio.monitor.gain_db", monitor.gain_db, -60.0, 20.0);
        if let Err(EncodeError::Setting { field, reason }) = encoder.validate() {
            out.push(FieldError::new(field, reason));
        }
    }
}

fn check_mix(out: &mut Vec<FieldError>, at: &str, mix: &MixSettings) {
    let MixSettings {
        gain_db,
        muted: _,
        channels: _,
        offset_ms,
        chain,
    } = mix;
    check_chain(out, &format!("{at}.chain"), chain);
    check_range(out, &format!("{at}.gain_db"), *gain_db, -60.0, 20.0);
    let (low, high) = (-MOST_OFFSET_MS, MOST_OFFSET_MS);
    check_range(out, &format!("{at}.offset_ms"), *offset_ms, low, high);
}

impl Default for AudioSettings {
    fn default() -> Self {
        // a build without microphones would be told so at each start
        let sounds = if cfg!(feature = "mic") {
            vec![SoundSettings::new(AudioSpec::MICROPHONE)]
        } else {
            Vec::new()
        };
        Self {
            sounds,
            picture: MixSettings::default(),
            monitor: MonitorSettings::default(),
            master: MasterSettings::default(),
            encoder: AudioEncoderSettings::default(),
        }
    }
}

/// What is in the file, of this version or an older one.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    sound: Option<Vec<SoundSettings>>,
    picture: MixSettings,
    monitor: MonitorSettings,
    master: MasterSettings,
    encoder: AudioEncoderSettings,
    /// Before the list: the one microphone,
    input: Option<OldInput>,
    /// its gain
    gain_db: f32,
    /// and mute.
    muted: bool,
}

/// The one microphone of older versions.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OldInput {
    None,
    Default,
    Device(String),
}

impl Default for File {
    fn default() -> Self {
        let AudioSettings {
            sounds: _,
            picture,
            monitor,
            master,
            encoder,
        } = AudioSettings::default();
        Self {
            sound: None,
            picture,
            monitor,
            master,
            encoder,
            input: None,
            gain_db: 0.0,
            muted: false,
        }
    }
}

impl From<File> for AudioSettings {
    fn from(file: File) -> Self {
        let File {
            sound,
            picture,
            monitor,
            master,
            encoder,
            input,
            gain_db,
            muted,
        } = file;
        let old = || {
            let mut sounds = match input {
                None => Self::default().sounds,
                Some(OldInput::None) => Vec::new(),
                Some(OldInput::Default) => vec![SoundSettings::new(AudioSpec::MICROPHONE)],
                Some(OldInput::Device(name)) => vec![SoundSettings::new(AudioSpec::named(&name))],
            };
            for sound in &mut sounds {
                (sound.mix.gain_db, sound.mix.muted) = (gain_db, muted);
            }
            sounds
        };
        Self {
            sounds: sound.unwrap_or_else(old),
            picture,
            monitor,
            master,
            encoder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> AudioSettings {
        toml::from_str(text).unwrap()
    }

    #[test]
    #[cfg(feature = "mic")]
    fn the_one_microphone_of_older_files_becomes_a_list() {
        assert_eq!(read(""), AudioSettings::default());
        assert!(read("input = \"none\"").sounds.is_empty());
        let old = read("input = \"default\"\ngain_db = -3.0\nmuted = true");
        assert_eq!(old.sounds.len(), 1);
        assert_eq!(old.sounds[0].source, AudioSpec::MICROPHONE);
        assert_eq!(
            (old.sounds[0].mix.gain_db, old.sounds[0].mix.muted),
            (-3.0, true)
        );
        let named = |name: &str| {
            let text = format!("[input]\ndevice = \"{name}\"");
            read(&text).sounds[0].source.clone()
        };
        let device = |name: &str| Some(name.to_owned());
        assert_eq!(
            named("Yeti"),
            AudioSpec::Microphone {
                device: device("Yeti")
            }
        );
        for desktop in ["Monitor of Lab speakers", "lab.monitor"] {
            assert_eq!(
                named(desktop),
                AudioSpec::Desktop {
                    device: device(desktop)
                }
            );
        }
        // a list that is empty on purpose stays empty
        assert!(read("sound = []\ngain_db = 3.0").sounds.is_empty());
    }

    #[test]
    fn a_list_survives_a_round_trip() {
        let mut audio = AudioSettings::default();
        let mut desktop = SoundSettings::new(AudioSpec::DESKTOP);
        desktop.name = "游戏".to_owned();
        desktop.mix.channels = ChannelPick::Left;
        desktop.mix.offset_ms = -250;
        let file = crate::capture::media_file::MediaFileSettings {
            path: "/music/a.mp3".into(),
            looped: false,
            ..Default::default()
        };
        audio.sounds = vec![desktop, SoundSettings::new(AudioSpec::File(file))];
        audio.monitor.of = MonitorOf::Sound("游戏".to_owned());
        let text = toml::to_string_pretty(&audio).unwrap();
        assert_eq!(read(&text), audio, "{text}");
        assert_eq!(audio.sounds[1].called(), "a.mp3");
    }

    #[test]
    fn values_outside_their_ranges_are_named() {
        let mut audio = AudioSettings::default();
        let mut sound = SoundSettings::new(AudioSpec::DESKTOP);
        sound.mix.offset_ms = -2001;
        sound.mix.gain_db = f32::NAN;
        sound.name = "x".repeat(61);
        audio.sounds = vec![sound];
        audio.monitor.gain_db = 21.0;
        let mut problems = Vec::new();
        audio.problems(&mut problems);
        let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "audio.sound[0].name",
                "audio.sound[0].mix.gain_db",
                "audio.sound[0].mix.offset_ms",
                "audio.monitor.gain_db"
            ]
        );
    }
}
