//! The options of `kaibo push` about sound: which sounds, how they are mixed, listening in, the encoder.

use crate::capture::AudioSpec;
use crate::capture::media_file::MediaFileSettings;
use crate::encode::{AacEncoder, AudioChannels, AudioRate};
use crate::media::audio::ChannelPick;
use crate::settings::{AudioSettings, MonitorOf, SoundSettings};

/// Sounds, listening in, and the sound encoder.
#[derive(Debug, clap::Args)]
pub(super) struct SoundArgs {
    /// Live sound, one input alone: "none", "default", or a name as `kaibo devices` lists it. For more than one, and for
    /// how they are mixed, see --mic, --desktop-sound and --sound-file.
    #[arg(long, conflicts_with_all = ["mic", "desktop_sound", "sound_file"])]
    audio: Option<String>,
    /// A microphone, by its id or name as `kaibo devices` lists it, or "default"; may be given several times. Behind it,
    /// each after a semicolon, how it is mixed: "default;name=Host;gain=-3;channels=left;offset=-40ms;muted".
    /// Channels are stereo, mono, left, right; an offset (-2000ms to 2000ms) makes it be heard later, or earlier; "voice"
    /// takes noise and rumble away and evens it out, "noisy_room" silences pauses, too.
    #[arg(long, value_name = "ID[;OPTIONS]", value_parser = microphone)]
    mic: Vec<SoundSettings>,
    /// What the machine plays: of the system's default output, or of the output with this id or name; may be given
    /// several times. Options as for --mic.
    #[arg(long, value_name = "ID[;OPTIONS]", value_parser = desktop, num_args = 0..=1, default_missing_value = "default")]
    desktop_sound: Vec<SoundSettings>,
    /// The sound of a media file, again and again (once: "FILE;once"); may be given several times. Options as for --mic.
    #[arg(long, value_name = "FILE[;OPTIONS]", value_parser = file)]
    sound_file: Vec<SoundSettings>,
    /// Listen in on the system's default output (or --monitor-device): "mix" for what viewers get, or the name of a sound.
    /// What is heard on an output whose sound is broadcast comes back as an echo: use headphones.
    #[arg(long, value_name = "WHAT")]
    monitor: Option<String>,
    /// The output to listen in on, by its id or name.
    #[arg(long, value_name = "ID", requires = "monitor")]
    monitor_device: Option<String>,
    /// Audio bitrate, 32k to 320k [default: 128k]
    #[arg(long, value_parser = super::push_args::parse_kbps, value_name = "RATE")]
    audio_bitrate: Option<u32>,
    /// Audio encoder: "aac" (FFmpeg's own) or "libfdk_aac", where FFmpeg has it [default: aac]
    #[arg(long, value_name = "NAME")]
    audio_encoder: Option<AacEncoder>,
    /// Channels that are sent: "stereo" or "mono" [default: stereo]
    #[arg(long, value_name = "CHANNELS")]
    audio_channels: Option<AudioChannels>,
    /// Sample rate that is sent, 44100 or 48000 [default: 48000]
    #[arg(long, value_name = "HZ")]
    audio_rate: Option<AudioRate>,
}

impl SoundArgs {
    /// Lays the options over the settings. `own_sound`: the picture source on the command line brings its own sound, and
    /// the microphone of the settings is left out unless it is asked for, as in ffmpeg.
    pub(super) fn apply(&self, audio: &mut AudioSettings, own_sound: bool) -> Result<(), String> {
        let given: Vec<_> = [&self.mic, &self.desktop_sound, &self.sound_file]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        match self.audio.as_deref() {
            Some("none") => audio.sounds.clear(),
            Some("default") => audio.sounds = vec![SoundSettings::new(AudioSpec::MICROPHONE)],
            Some(name) => audio.sounds = vec![SoundSettings::new(AudioSpec::named(name))],
            None if !given.is_empty() => audio.sounds = given,
            None if own_sound => audio.sounds.clear(),
            None => {}
        }
        if let Some(what) = &self.monitor {
            audio.monitor.of = match what.as_str() {
                "off" => MonitorOf::Off,
                "mix" => MonitorOf::Mix,
                name => {
                    let mut names = audio.sounds.iter().map(SoundSettings::called);
                    if !names.any(|n| n == name) {
                        let names: Vec<_> =
                            audio.sounds.iter().map(SoundSettings::called).collect();
                        let names = names.join(", ");
                        return Err(format!(
                            "--monitor: {name:?} is neither mix nor one of: {names}"
                        ));
                    }
                    MonitorOf::Sound(name.to_owned())
                }
            };
            audio.monitor.device.clone_from(&self.monitor_device);
        }
        let encoder = &mut audio.encoder;
        encoder.bitrate_kbps = self.audio_bitrate.unwrap_or(encoder.bitrate_kbps);
        encoder.encoder = self.audio_encoder.unwrap_or(encoder.encoder);
        encoder.channels = self.audio_channels.unwrap_or(encoder.channels);
        encoder.rate = self.audio_rate.unwrap_or(encoder.rate);
        Ok(())
    }

    /// The user named this sound, rather than leaving the choice to the system or to the settings.
    pub(super) fn is_asked_for(&self, name: &str) -> bool {
        let alone = self.audio.as_deref().is_some_and(|audio| {
            !matches!(audio, "none" | "default") && AudioSpec::named(audio).called() == name
        });
        let listed = [&self.mic, &self.desktop_sound, &self.sound_file]
            .into_iter()
            .flatten()
            .any(|s| s.source != AudioSpec::MICROPHONE && s.called() == name);
        alone || listed
    }
}

fn device(id: &str) -> Option<String> {
    (!matches!(id, "" | "default")).then(|| id.to_owned())
}

fn microphone(text: &str) -> Result<SoundSettings, String> {
    let (id, options) = split(text);
    sound(AudioSpec::Microphone { device: device(id) }, options)
}

fn desktop(text: &str) -> Result<SoundSettings, String> {
    let (id, options) = split(text);
    sound(AudioSpec::Desktop { device: device(id) }, options)
}

fn file(text: &str) -> Result<SoundSettings, String> {
    let (path, options) = split(text);
    let (once, options): (Vec<&str>, Vec<&str>) = options.partition(|o| o.trim() == "once");
    let settings = MediaFileSettings {
        path: path.into(),
        looped: once.is_empty(),
        ..MediaFileSettings::default()
    };
    sound(AudioSpec::File(settings), options.into_iter())
}

/// Ids of ALSA have commas, colons and equals signs in them: options follow a semicolon.
fn split(text: &str) -> (&str, impl Iterator<Item = &str>) {
    let mut parts = text.split(';');
    let first = parts.next().unwrap_or_default();
    (first.trim(), parts)
}

fn sound<'a>(
    source: AudioSpec,
    options: impl Iterator<Item = &'a str>,
) -> Result<SoundSettings, String> {
    let mut sound = SoundSettings::new(source);
    let mix = &mut sound.mix;
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim();
        match key.trim() {
            "name" => value.clone_into(&mut sound.name),
            "gain" => {
                let number = value.trim_end_matches("dB").trim();
                let gain: Result<f32, _> = number.parse();
                mix.gain_db =
                    gain.map_err(|_no_number| format!("gain={value}: write -3 or 6dB"))?;
            }
            "offset" => {
                let number = value.trim_end_matches("ms").trim();
                let offset: Result<i32, _> = number.parse();
                mix.offset_ms =
                    offset.map_err(|_no_number| format!("offset={value}: write -40ms"))?;
            }
            "channels" => {
                mix.channels = match value {
                    "stereo" => ChannelPick::Stereo,
                    "mono" => ChannelPick::Mono,
                    "left" => ChannelPick::Left,
                    "right" => ChannelPick::Right,
                    _ => return Err(format!("channels={value}: stereo, mono, left or right")),
                }
            }
            "muted" if value.is_empty() => mix.muted = true,
            preset if value.is_empty() && mix.chain.preset(preset).is_some() => {
                mix.chain = mix.chain.preset(preset).unwrap_or_default();
            }
            other => {
                return Err(format!(
                    "{other:?} is none of name, gain, channels, offset, muted, voice, noisy_room"
                ));
            }
        }
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        sound: SoundArgs,
        #[arg(long)]
        other: bool,
    }

    fn apply(line: &str, own_sound: bool) -> AudioSettings {
        let line = Line::try_parse_from(line.split('|')).unwrap_or_else(|e| panic!("{e}"));
        let mut audio = AudioSettings::default();
        line.sound.apply(&mut audio, own_sound).unwrap();
        assert!(!line.other || !audio.sounds.is_empty());
        audio
    }

    #[test]
    fn any_number_of_sounds_each_mixed_its_own_way() {
        let audio = apply(
            "x|--mic|hw:CARD=PCH,DEV=0;name=Host;gain=-3.5;channels=left;offset=-40ms|--mic|default;muted;voice\
             |--desktop-sound|--other|--sound-file|/a b.mp3;once;gain=-12dB",
            true,
        );
        let [host, second, desktop, music] = &audio.sounds[..] else {
            panic!("{audio:?}");
        };
        assert_eq!(host.called(), "Host");
        assert_eq!(
            host.source,
            AudioSpec::Microphone {
                device: Some("hw:CARD=PCH,DEV=0".to_owned())
            }
        );
        assert_eq!((host.mix.gain_db, host.mix.offset_ms), (-3.5, -40));
        assert_eq!(host.mix.channels, ChannelPick::Left);
        assert!(second.source == AudioSpec::MICROPHONE && second.mix.muted);
        assert!(second.mix.chain.noise.on && !host.mix.chain.noise.on);
        assert_eq!(desktop.source, AudioSpec::DESKTOP);
        assert_eq!(music.mix.gain_db, -12.0);
        assert!(matches!(&music.source, AudioSpec::File(f) if !f.looped));
    }

    #[test]
    fn one_input_alone_as_before() {
        assert!(apply("x|--audio|none", false).sounds.is_empty());
        assert_eq!(
            apply("x|--audio|lab.monitor", true).sounds[0].source,
            AudioSpec::Desktop {
                device: Some("lab.monitor".to_owned())
            }
        );
        assert!(apply("x", true).sounds.is_empty());
        assert_eq!(apply("x", false), AudioSettings::default());
        let both = Line::try_parse_from(["x", "--audio", "none", "--mic", "default"]);
        assert!(both.is_err());
    }

    #[test]
    fn the_encoder_and_the_ear() {
        let audio = apply(
            "x|--audio-bitrate|96k|--audio-channels|mono|--audio-rate|44100|--monitor|Host|--monitor-device|phones|--mic|default;name=Host",
            false,
        );
        assert_eq!(audio.encoder.bitrate_kbps, 96);
        assert_eq!(audio.encoder.channels, AudioChannels::Mono);
        assert_eq!(audio.encoder.rate, AudioRate::Hz44100);
        assert_eq!(audio.monitor.of, MonitorOf::Sound("Host".to_owned()));
        assert_eq!(audio.monitor.device.as_deref(), Some("phones"));
        for wrong in [
            "x|--audio-rate|22050",
            "x|--mic|a;gian=3",
            "x|--mic|a;offset=soon",
        ] {
            assert!(Line::try_parse_from(wrong.split('|')).is_err(), "{wrong}");
        }
    }
}
