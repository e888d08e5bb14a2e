//! What a change of settings takes: nothing but a swap, a word to a running part, or a restart of one.

use super::{AudioSettings, ServerSettings, Settings, StreamSettings, VideoSettings};
use crate::encode::VideoEncoderSettings;

/// What has to happen to get from one [`Settings`] to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// Layers, filters: swapped between two ticks.
    pub scene: bool,
    /// Video bitrate: told to the running encoder.
    pub bitrate: bool,
    /// Gain, mute: told to the mixer.
    pub gain: bool,
    /// The live sound input: closed and opened.
    pub audio_input: bool,
    /// Size or rate: render stage, sources and encoder are restarted.
    pub format: bool,
    /// Preset, profile and the like: the encoder is restarted (a keyframe and a new sequence header).
    pub encoder: bool,
    /// Sound bitrate: the sound encoder is restarted.
    pub audio_encoder: bool,
    /// Address: the next time the stream starts.
    pub stream: bool,
    /// How the stream treats its link: told to the running stream.
    pub link: bool,
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
            server,
            scene,
            window: _, // no concern of the engine
        } = new;
        let VideoSettings { size, fps } = video;
        // all but the bitrate opens the encoder anew
        let same_bitrate = VideoEncoderSettings {
            bitrate_kbps: old.encoder.bitrate_kbps,
            ..encoder.clone()
        };
        let AudioSettings {
            input,
            gain_db,
            muted,
            encoder: aac,
        } = audio;
        let StreamSettings {
            url,
            max_delay_ms,
            trust_any_certificate,
            adapt,
        } = stream;
        let ServerSettings { rtmp, http } = server;
        Self {
            scene: *scene != old.scene,
            bitrate: encoder.bitrate_kbps != old.encoder.bitrate_kbps,
            gain: (*gain_db, *muted) != (old.audio.gain_db, old.audio.muted),
            audio_input: *input != old.audio.input,
            format: (*size, *fps) != (old.video.size, old.video.fps),
            encoder: same_bitrate != old.encoder,
            audio_encoder: *aac != old.audio.encoder,
            stream: *url != old.stream.url,
            link: (max_delay_ms, trust_any_certificate, adapt)
                != (
                    &old.stream.max_delay_ms,
                    &old.stream.trust_any_certificate,
                    &old.stream.adapt,
                ),
            server: (*rtmp, *http) != (old.server.rtmp, old.server.http),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::video::Resolution;

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
    }
}
