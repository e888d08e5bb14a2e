//! What a change of settings takes: nothing but a swap, a word to a running part, or a restart of one.

use super::{
    AudioSettings, ServerSettings, Settings, SoundSettings, StreamSettings, VideoSettings,
};
use crate::encode::VideoEncoderSettings;

/// What has to happen to get from one [`Settings`] to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// Layers, filters: swapped between two ticks.
    pub scene: bool,
    /// Another scene is on air than before: it comes by the transition of the settings.
    pub switch: bool,
    /// Video bitrate: told to the running encoder.
    pub bitrate: bool,
    /// Gain, mute, channels, offset of a sound: told to the mixer.
    pub mix: bool,
    /// Limiter, loudness, ducking: told to the mixer.
    pub master: bool,
    /// Which live sounds there are: opened and closed.
    pub sounds: bool,
    /// What is listened to, and where.
    pub monitor: bool,
    /// Size or rate: render stage, sources and encoder are restarted.
    pub format: bool,
    /// Preset, profile and the like: the encoder is restarted (a keyframe and a new sequence header).
    pub encoder: bool,
    /// Sound encoder or its bitrate, rate or channels: it is restarted.
    pub audio_encoder: bool,
    /// Address: the next time the stream starts.
    pub stream: bool,
    /// How the stream treats its link: told to the running stream.
    pub link: bool,
    /// Recordings: the next one; the length of the replay buffer at once.
    pub recording: bool,
    /// Built-in server's addresses: the next time it starts.
    pub server: bool,
}

impl ChangeSet {
    /// Compares field by field. The structs are taken apart exhaustively, so that a new field cannot be forgotten.
    pub fn between(old: &Settings, new: &Settings) -> Self {
        let Settings {
            video,
            encoder,
            audio,
            stream,
            network,
            recording,
            recording_encoder,
            server,
            scene,
            scenes,    // those that are not on air are only kept
            window: _, // no concern of the engine
        } = new;
        let VideoSettings { size, fps } = video;
        // all but the bitrate opens the encoder anew
        let same_bitrate = VideoEncoderSettings {
            bitrate_kbps: old.encoder.bitrate_kbps,
            ..encoder.clone()
        };
        let AudioSettings {
            sounds,
            picture,
            monitor,
            master,
            encoder: aac,
        } = audio;
        let is_there = |sounds: &[SoundSettings]| -> Vec<_> {
            let there = sounds.iter().map(|s| (s.called(), s.source.clone()));
            there.collect()
        };
        let StreamSettings {
            url,
            max_delay_ms,
            trust_any_certificate,
            adapt,
            more,
        } = stream;
        let ServerSettings { rtmp, http } = server;
        Self {
            scene: *scene != old.scene,
            switch: scenes.is_switch(&old.scenes),
            bitrate: encoder.bitrate_kbps != old.encoder.bitrate_kbps,
            mix: (sounds, picture) != (&old.audio.sounds, &old.audio.picture),
            master: *master != old.audio.master,
            sounds: is_there(sounds) != is_there(&old.audio.sounds),
            monitor: *monitor != old.audio.monitor,
            format: (*size, *fps) != (old.video.size, old.video.fps),
            encoder: same_bitrate != old.encoder,
            audio_encoder: *aac != old.audio.encoder,
            stream: *url != old.stream.url,
            link: (max_delay_ms, trust_any_certificate, adapt, more, network)
                != (
                    &old.stream.max_delay_ms,
                    &old.stream.trust_any_certificate,
                    &old.stream.adapt,
                    &old.stream.more,
                    &old.network,
                ),
            recording: (recording, recording_encoder) != (&old.recording, &old.recording_encoder),
            server: (*rtmp, *http) != (old.server.rtmp, old.server.http),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::video::Resolution;
    use crate::render::scene::Scene;

    #[test]
    fn each_change_is_put_into_its_class() {
        let old = Settings::default();
        assert_eq!(ChangeSet::between(&old, &old), ChangeSet::default());
        let mut new = old.clone();
        new.encoder.bitrate_kbps = 1000;
        assert_eq!(
            ChangeSet::between(&old, &new),
            ChangeSet {
                bitrate: true,
                ..ChangeSet::default()
            }
        );
        let mut new = old.clone();
        new.video.size = Resolution::new(640, 360);
        new.encoder.preset = "fast".to_owned();
        assert_eq!(
            ChangeSet::between(&old, &new),
            ChangeSet {
                format: true,
                encoder: true,
                ..ChangeSet::default()
            }
        );
        let mut new = old.clone();
        new.scene.layers.clear();
        assert_eq!(
            ChangeSet::between(&old, &new),
            ChangeSet {
                scene: true,
                ..ChangeSet::default()
            }
        );
        let mut new = old.clone();
        new.add_scene("Break", Scene::default());
        assert_eq!(ChangeSet::between(&old, &new), ChangeSet::default());
        new.switch_scene(1);
        assert_eq!(
            ChangeSet::between(&old, &new),
            ChangeSet {
                scene: true,
                switch: true,
                ..ChangeSet::default()
            }
        );
    }
}
