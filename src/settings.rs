//! Settings: what the show is. Serde/TOML, validation by field, defaults.
//!
//! The stream key is not in it: [`crate::engine::command::Command::SetKey`] carries it, and it stays in memory.

use serde::{Deserialize, Serialize};

use crate::capture::{AudioSpec, SourceSpec};
use crate::encode::{AudioEncoderSettings, VideoEncoderSettings};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;
use crate::render::scene::{Layer, Scene};

/// The show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Picture size and rate.
    pub video: VideoSettings,
    /// Video encoder.
    pub encoder: VideoEncoderSettings,
    /// Sound.
    pub audio: AudioSettings,
    /// Where it is pushed.
    pub stream: StreamSettings,
    /// Built-in server.
    pub server: ServerSettings,
    /// What is shown.
    pub scene: Scene,
}

/// Picture size and rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoSettings {
    /// Output size; even in both directions.
    pub size: Resolution,
    /// Frames per second.
    pub fps: FrameRate,
}

/// Sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioSettings {
    /// Live input: "none", "default" or { device = "name" }.
    pub input: AudioSpec,
    /// Gain of the live input in dB, −60 to 20.
    pub gain_db: f32,
    /// Live input silent.
    pub muted: bool,
    /// Sound encoder.
    #[serde(flatten)]
    pub encoder: AudioEncoderSettings,
}

/// Where it is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Push address without the key; the built-in server when empty.
    pub url: String,
}

/// Built-in server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// RTMP address to listen on.
    pub rtmp: std::net::SocketAddr,
    /// Watch page address to listen on.
    pub http: std::net::SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            video: VideoSettings::default(),
            encoder: VideoEncoderSettings::default(),
            audio: AudioSettings::default(),
            stream: StreamSettings::default(),
            server: ServerSettings::default(),
            scene: Scene {
                layers: vec![Layer::new(SourceSpec::Test {})],
                filters: Vec::new(),
            },
        }
    }
}

impl Default for VideoSettings {
    fn default() -> Self {
        Self {
            size: Resolution::HD,
            fps: FrameRate::FPS_30,
        }
    }
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self {
            input: AudioSpec::Default,
            gain_db: 0.0,
            muted: false,
            encoder: AudioEncoderSettings::default(),
        }
    }
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self { url: String::new() }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            rtmp: ([127, 0, 0, 1], 1935).into(),
            http: ([127, 0, 0, 1], 8935).into(),
        }
    }
}
