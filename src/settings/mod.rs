//! Settings: what the show is. Serde/TOML, validation by field, defaults; [`mod@file`] keeps them on disk, [`diff`] tells
//! what a change takes.
//!
//! The stream key is not in it: [`crate::engine::command::Command::SetKey`] carries it, and it stays in memory.

pub mod audio;
pub mod diff;
pub mod file;
pub mod recording;
pub mod scenes;

use serde::{Deserialize, Serialize};

pub use self::audio::{AudioSettings, MixSettings, MonitorOf, MonitorSettings, SoundSettings};
pub use self::recording::RecordEncoder;
pub use self::scenes::SceneList;
use crate::audio::chain::ChainSettings;
use crate::audio::params::Stage;
use crate::capture::SourceSpec;
use crate::encode::{EncodeError, VideoEncoderSettings};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;
use crate::output::adapt::AdaptSettings;
use crate::output::net::NetworkSettings;
use crate::output::record::settings::RecordSettings;
use crate::render::filter::{FilterSpec, MOST_FILTERS};
use crate::render::overlay::spec::Problem;
use crate::render::scene::{Crop, Layer, Placement, Scene};
use crate::rtmp::url::{RtmpUrl, SplitAddress, StreamKey, split_address};

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
    /// The way there.
    pub network: NetworkSettings,
    /// Recordings and the replay buffer.
    pub recording: RecordSettings,
    /// The recording's own encoder, where it does not take the stream's packets.
    pub recording_encoder: RecordEncoder,
    /// Built-in server.
    pub server: ServerSettings,
    /// What is shown.
    pub scene: Scene,
    /// What it is called, and the scenes beside it.
    pub scenes: SceneList,
    /// How the window looks.
    pub window: WindowSettings,
}

/// How the window looks. Nothing in it concerns the engine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowSettings {
    /// "auto" (the system's), "zh" or "en".
    pub language: LanguageChoice,
    /// Width and height in points when it was closed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Held for push-to-talk while the window has the keyboard.
    pub talk_key: TalkKey,
}

/// A key to be held for push-to-talk: one that types nothing and turns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the key's name")]
pub enum TalkKey {
    F1,
    F2,
    F4,
    F5,
    F6,
    F7,
    #[default]
    F8,
    F9,
    F12,
    Insert,
}

/// The language a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LanguageChoice {
    /// That of the system.
    #[default]
    Auto,
    /// Chinese.
    Zh,
    /// English.
    En,
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

/// Where it is pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamSettings {
    /// Push address without the key; the built-in server when empty.
    pub url: String,
    /// No picture is sent that would come later than this: milliseconds, 500 to 10000.
    pub max_delay_ms: u32,
    /// For `rtmps://`: take the server's certificate although nobody vouches for it. For a server of your own only.
    pub trust_any_certificate: bool,
    /// How the bitrate is fitted to the link.
    pub adapt: AdaptSettings,
    /// What further destinations get.
    pub more: MoreEncode,
}

/// What further destinations of a stream get, and whose link the bitrate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoreEncode {
    /// The pictures of the first destination, whose link sets the bitrate. One that is slower misses pictures.
    #[default]
    First,
    /// The same pictures for all, at what the slowest link carries.
    Slowest,
    /// Each has an encoder of its own that follows its link; each costs as much processor time as the first. From the next
    /// time on air.
    Own,
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

/// One value the engine refuses, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldError {
    /// As in the settings file: `video.size`.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub reason: String,
}

impl FieldError {
    fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

impl Settings {
    /// Everything the engine would refuse, so that the user sees all of it at once. Empty when the settings are good.
    pub fn problems(&self) -> Vec<FieldError> {
        let Self {
            video,
            encoder,
            audio,
            stream,
            network,
            recording,
            recording_encoder,
            server: _,
            scene,
            scenes,
            window: _,
        } = self;
        let mut out = Vec::new();
        let size = video.size;
        if !size.width.is_multiple_of(2) || !size.height.is_multiple_of(2) {
            out.push(FieldError::new(
                "video.size",
                format!("{size} is odd: width and height must be even"),
            ));
        }
        if size.pixels() > 7680 * 4320 {
            out.push(FieldError::new(
                "video.size",
                format!("{size} is larger than 7680x4320"),
            ));
        }
        if let Err(EncodeError::Setting { field, reason }) = encoder.validate_for_stream() {
            out.push(FieldError::new(field, reason));
        }
        audio.problems(&mut out);
        check_range(
            &mut out,
            "stream.max_delay_ms",
            stream.max_delay_ms,
            500,
            10_000,
        );
        let floor = stream.adapt.floor_kbps;
        check_range(&mut out, "stream.adapt.floor_kbps", floor, 100, 100_000);
        let refused = recording.problems().into_iter();
        out.extend(refused.map(|(field, reason)| FieldError::new(field, reason)));
        recording_encoder.problems(recording.format, &mut out);
        if !stream.url.trim().is_empty() {
            out.extend(check_address(&stream.url));
        }
        let network = network.problems().into_iter();
        out.extend(network.map(|(field, reason)| FieldError::new(field, reason)));
        check_scene(&mut out, "scene", scene);
        for (n, other) in scenes.others.iter().enumerate() {
            check_scene(&mut out, &format!("scenes.other[{n}].scene"), &other.scene);
        }
        scenes.problems(&mut out);
        out
    }
}

impl Settings {
    /// Sets a control of a camera (back to its default when `value` is absent) in all layers that show it.
    pub fn set_camera_control(&mut self, camera: Option<&str>, control: &str, value: Option<i64>) {
        let others = self.scenes.others.iter_mut().map(|s| &mut s.scene);
        let scenes = std::iter::once(&mut self.scene).chain(others);
        for layer in scenes.flat_map(|s| &mut s.layers) {
            let SourceSpec::Camera(settings) = &mut layer.source else {
                continue;
            };
            if settings.device.as_deref() != camera {
                continue;
            }
            match value {
                Some(value) => settings.controls.insert(control.to_owned(), value),
                None => settings.controls.remove(control),
            };
        }
    }
}

fn check_address(url: &str) -> Option<FieldError> {
    let reason = match (split_address(url), RtmpUrl::parse(url, Some(&StreamKey::new("key")))) {
        (Err(e), _) | (_, Err(e)) => e.to_string(),
        (Ok(SplitAddress { key: Some(_), .. }), _) => "the last part is taken for a stream key, which settings do not \
            hold: give it in KAIBO_KEY or in its field (an application of several parts ends in \"/\")"
            .to_owned(),
        (Ok(SplitAddress { login: Some(_), .. }), _) => {
            "settings do not hold user names and passwords: give the whole address in KAIBO_URL or in its field".to_owned()
        }
        (Ok(_), Ok(_)) => return None,
    };
    Some(FieldError::new("stream.url", reason))
}

/// `at` is the scene's name in the settings file.
fn check_scene(out: &mut Vec<FieldError>, at: &str, scene: &Scene) {
    for (i, layer) in scene.layers.iter().enumerate() {
        check_layer(out, &format!("{at}.layer[{i}]"), layer);
    }
    check_filters(out, &format!("{at}.filter"), &scene.filters);
    for (i, watermark) in scene.watermarks.iter().enumerate() {
        let named = |p: Problem| {
            let field = format!("{at}.watermark[{i}].{}", p.field);
            FieldError::new(&field, p.reason)
        };
        out.extend(watermark.problems().into_iter().map(named));
    }
}

fn check_layer(out: &mut Vec<FieldError>, at: &str, layer: &Layer) {
    let Layer {
        source,
        placement,
        opacity,
        visible: _,
        filters,
    } = layer;
    let name = |field: &str| format!("{at}.{field}");
    check_range(out, &name("opacity"), *opacity, 0.0, 1.0);
    if let SourceSpec::Still(still) = source {
        check_range(
            out,
            &name("source.interval_ms"),
            still.interval_ms,
            100,
            86_400_000,
        );
        check_range(out, &name("source.fade_ms"), still.fade_ms, 0, 60_000);
    }
    check_filters(out, &name("filter"), filters);
    let Placement {
        x,
        y,
        width,
        height,
        rotation,
        crop,
        fit: _,
        mirror: _,
        flip: _,
    } = placement;
    for (field, value) in [("x", *x), ("y", *y)] {
        check_range(out, &name(field), value, -10.0, 10.0);
    }
    for (field, value) in [("width", *width), ("height", *height)] {
        check_range(out, &name(field), value, 0.001, 10.0);
    }
    check_range(out, &name("rotation"), *rotation, -360.0, 360.0);
    let Crop {
        left,
        top,
        right,
        bottom,
    } = crop;
    for (field, value) in [
        ("crop.left", left),
        ("crop.top", top),
        ("crop.right", right),
        ("crop.bottom", bottom),
    ] {
        check_range(out, &name(field), *value, 0.0, 1.0);
    }
    if left + right >= 1.0 || top + bottom >= 1.0 {
        out.push(FieldError::new(
            &name("crop"),
            "nothing is left of the picture: opposite sides must add up to under 1",
        ));
    }
}

/// Every number of every filter lies in the range that its slider has.
fn check_filters(out: &mut Vec<FieldError>, field: &str, filters: &[FilterSpec]) {
    if filters.len() > MOST_FILTERS {
        let reason = format!("{} filters are more than {MOST_FILTERS}", filters.len());
        out.push(FieldError::new(field, reason));
    }
    for (k, filter) in filters.iter().enumerate() {
        let mut filter = filter.clone(); // the visitor could change it
        filter.visit_params(&mut |param| {
            let name = format!("{field}[{k}].{}", param.field);
            let (low, high) = (*param.range.start(), *param.range.end());
            check_range(out, &name, param.value, low, high); // NaN lies in no range
            None
        });
    }
}

fn check_chain(out: &mut Vec<FieldError>, at: &str, chain: &ChainSettings) {
    check_range(out, &format!("{at}.pan"), chain.pan, -1.0, 1.0);
    let mut chain = *chain; // the table could change it
    check_stages(out, at, chain.stages());
}

/// Every number of every sound processor lies in the range that its slider has.
fn check_stages(out: &mut Vec<FieldError>, at: &str, stages: Vec<Stage<'_>>) {
    for stage in stages {
        for param in stage.params {
            let name = format!("{at}.{}.{}", stage.name, param.field);
            let (low, high) = (*param.range.start(), *param.range.end());
            check_range(out, &name, *param.value, low, high);
        }
    }
}

fn check_range<T: Copy + PartialOrd + std::fmt::Display>(
    out: &mut Vec<FieldError>,
    field: &str,
    value: T,
    low: T,
    high: T,
) {
    if !(low..=high).contains(&value) {
        out.push(FieldError::new(
            field,
            format!("{value} is not between {low} and {high}"),
        ));
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            video: VideoSettings::default(),
            encoder: VideoEncoderSettings::default(),
            audio: AudioSettings::default(),
            stream: StreamSettings::default(),
            network: NetworkSettings::default(),
            recording: RecordSettings::default(),
            recording_encoder: RecordEncoder::default(),
            server: ServerSettings::default(),
            scene: Scene {
                layers: vec![Layer::new(SourceSpec::Test {})],
                ..Scene::default()
            },
            scenes: SceneList::default(),
            window: WindowSettings::default(),
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

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            max_delay_ms: 2500,
            trust_any_certificate: false,
            adapt: AdaptSettings::default(),
            more: MoreEncode::default(),
        }
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
