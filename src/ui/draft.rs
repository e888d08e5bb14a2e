//! What the window knows besides the engine's status: fields being edited, messages, graphs. Panels edit it and push
//! [`Command`]s; nothing in it reaches the engine otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::history::History;
use super::messages::{Message, MessageLog, Subject};
use super::panel::SoundDraft;
use super::preview::Picture;
pub use super::scene_draft::SceneDraft;
use super::text::{Language, Text};
pub use super::watermark_draft::WatermarkDraft;
use crate::capture::camera::CameraSettings;
use crate::capture::camera::mode::CameraMode;
use crate::capture::{SourceSpec, file_spec};
use crate::encode::VideoEncoderSettings;
use crate::engine::command::Command;
use crate::engine::event::Severity;
use crate::engine::status::Status;
use crate::media::SourceId;
use crate::media::packet::Bitrate;
use crate::media::time::{FrameRate, MediaTime};
use crate::media::video::Resolution;
use crate::output::OutputState;
use crate::output::net::NetworkSettings;
use crate::render::filter::beauty::BeautySettings;
use crate::render::scene::{Crop, Fit, Layer, Placement};
use crate::rtmp::url::{Login, RtmpUrl, SplitAddress, StreamKey, split_address};
use crate::settings::{RecordEncoder, Settings};

/// The window's own state. The stream key is in it as long as the window is open, and goes nowhere but into
/// [`Command::SetKey`].
pub struct Draft {
    /// Language of the window.
    pub language: Language,
    /// Whether the system has a font for Chinese.
    pub chinese_font: bool,
    /// What the user wants; [`Command::ApplySettings`] carries a copy.
    pub settings: Settings,
    /// Address field.
    pub address: String,
    /// Why the address is none: said below the field.
    pub address_problem: Option<String>,
    /// Network fields; they go into the settings when they are complete.
    pub network: NetworkSettings,
    /// Key field.
    pub key: String,
    /// The key was moved from the address into its own field.
    pub key_taken: bool,
    /// User name and password that stood in the address.
    pub login: Option<Login>,
    /// The engine has a login that may have to be taken back.
    login_sent: bool,
    /// The reveal button is held down.
    pub key_shown: bool,
    /// Fields of scenes and layers.
    pub scene: SceneDraft,
    /// Media file field.
    pub file_path: String,
    /// There is no file where it points: said below the field.
    pub file_missing: bool,
    /// The watermark being edited.
    pub watermark: WatermarkDraft,
    /// The sound being edited.
    pub sound: SoundDraft,
    /// The talk key or its button is held.
    pub talking: bool,
    /// Up to which count clip marks were cleared.
    pub clips_seen: BTreeMap<SourceId, u64>,
    /// Field for further options of the encoder.
    pub encoder_options: String,
    /// Why the encoder's settings are not taken: said below them.
    pub encoder_problem: Option<String>,
    /// Why recordings cannot be made as was wished.
    pub record_problem: Option<String>,
    /// The filters that are shown are those of the whole picture, not of the lowest layer.
    pub filters_of_scene: bool,
    /// The left half of the preview is to be shown without filters; see [`compares`](Self::compares).
    pub compare: bool,
    /// What happened.
    pub messages: MessageLog,
    /// The last minute's figures.
    pub history: History,
    /// The composed picture, once there is one.
    pub picture: Option<Picture>,
    /// The window was to be closed while live or recording.
    pub ask_quit: bool,
    /// The user said yes to that.
    pub quit: bool,
    /// Field for the folder of recordings; goes into the settings when it is left.
    pub record_folder: String,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("language", &self.language)
            .field("settings", &self.settings)
            .finish_non_exhaustive() // the key stays out
    }
}

impl Draft {
    /// A window for these settings.
    pub fn new(settings: Settings, key: Option<&StreamKey>, language: Language) -> Self {
        let mut draft = Self {
            language,
            chinese_font: true,
            address: settings.stream.url.clone(),
            address_problem: None,
            network: settings.network.clone(),
            key: key.map(|k| k.expose().to_owned()).unwrap_or_default(),
            key_taken: false,
            login: None,
            login_sent: false,
            key_shown: false,
            scene: SceneDraft::default(),
            file_path: String::new(),
            file_missing: false,
            watermark: WatermarkDraft::default(),
            sound: SoundDraft::default(),
            talking: false,
            clips_seen: BTreeMap::new(),
            encoder_options: settings.encoder.options.clone(),
            encoder_problem: None,
            record_problem: None,
            filters_of_scene: false,
            compare: false,
            messages: MessageLog::default(),
            history: History::default(),
            picture: None,
            ask_quit: false,
            quit: false,
            record_folder: settings.recording.folder.display().to_string(),
            settings,
        };
        draft.watermark.choose(&draft.settings.scene.watermarks, 0);
        draft.sound.choose(&draft.settings.audio.sounds, 0);
        if let Some(SourceSpec::File(file)) = draft.source() {
            draft.file_path = file.path.display().to_string();
        }
        draft
    }

    /// The words in the window's language.
    pub const fn text(&self) -> &'static Text {
        self.language.text()
    }

    /// The left half of the preview is shown without filters: the box beside beauty's sliders is ticked and there to be
    /// seen, for it goes with the sliders when beauty is switched off.
    pub fn compares(&self) -> bool {
        let filters = self.settings.scene.layers.first().map(|l| &l.filters);
        let mut beauty = filters.into_iter().flatten();
        self.compare && beauty.any(|f| f.settings::<BeautySettings>().is_some_and(|b| b.on))
    }

    /// The main picture source: that of the lowest layer.
    pub fn source(&self) -> Option<&SourceSpec> {
        self.settings.scene.layers.first().map(|l| &l.source)
    }

    /// Shows another source in the lowest layer.
    pub fn choose_source(&mut self, mut source: SourceSpec, commands: &mut Vec<Command>) {
        // another screen is shown with the pointer or without as the last one was
        if let (Some(SourceSpec::Screen(old)), SourceSpec::Screen(new)) =
            (self.source(), &mut source)
            && old.area != new.area
        {
            new.cursor = old.cursor;
        }
        match self.settings.scene.layers.first_mut() {
            Some(layer) => layer.source = source,
            None => self.settings.scene.layers.push(Layer::new(source)),
        }
        self.apply(commands);
    }

    /// The camera in the lowest layer.
    pub fn camera(&self) -> Option<&CameraSettings> {
        match self.source() {
            Some(SourceSpec::Camera(camera)) => Some(camera),
            _ => None,
        }
    }

    /// The camera in the corner of the picture: that of the first layer above the lowest that is one.
    pub fn corner(&self) -> Option<&SourceSpec> {
        let layers = self.settings.scene.layers.iter().skip(1);
        layers.map(|l| &l.source).find(|s| is_camera(s))
    }

    /// Puts another camera in the corner, or none.
    pub fn choose_corner(&mut self, camera: Option<SourceSpec>, commands: &mut Vec<Command>) {
        let layers = &mut self.settings.scene.layers;
        let corner = layers.iter().skip(1).position(|l| is_camera(&l.source));
        match (corner.map(|n| n + 1), camera) {
            (Some(at), Some(camera)) => layers[at].source = camera,
            (Some(at), None) => {
                layers.remove(at);
            }
            (None, Some(camera)) => {
                let mut layer = Layer::new(camera);
                layer.placement = CORNER;
                layers.insert(layers.len().min(1), layer);
            }
            (None, None) => {}
        }
        self.apply(commands);
    }

    /// Asks the camera in the lowest layer for something else; `None` leaves it to Kaibo.
    pub fn choose_camera_mode(&mut self, mode: Option<CameraMode>, commands: &mut Vec<Command>) {
        let layer = self.settings.scene.layers.first_mut();
        if let Some(SourceSpec::Camera(camera)) = layer.map(|l| &mut l.source) {
            camera.mode = mode;
            self.apply(commands);
        }
    }

    /// Sets a control of the camera in the lowest layer; `None` is its default.
    pub fn set_camera_control(
        &mut self,
        control: &str,
        value: Option<i64>,
        commands: &mut Vec<Command>,
    ) {
        let Some(camera) = self.camera().map(|c| c.device.clone()) else {
            return;
        };
        self.settings
            .set_camera_control(camera.as_deref(), control, value);
        commands.push(Command::SetCameraControl {
            camera,
            control: control.to_owned(),
            value,
        });
    }

    /// Plays a media file in the lowest layer. A path that leads nowhere changes nothing: the picture that is on air
    /// stays.
    pub fn choose_file(&mut self, path: &Path, commands: &mut Vec<Command>) {
        self.file_path = path.display().to_string();
        self.file_missing = !path.is_file() && !path.is_dir();
        if self.file_missing {
            return;
        }
        self.choose_source(file_spec(path.to_owned()), commands);
    }

    /// Takes another size, rate and the bitrate that suits them.
    pub fn choose_quality(&mut self, quality: Quality, commands: &mut Vec<Command>) {
        self.settings.video.size = quality.size;
        self.settings.video.fps = quality.rate;
        self.settings.encoder.bitrate_kbps = quality.kbps;
        self.apply(commands);
    }

    /// Takes another bitrate; while the encoder runs it is changed there without a break.
    pub fn choose_bitrate(&mut self, kbps: u32, running: bool, commands: &mut Vec<Command>) {
        let encoder = &mut self.settings.encoder;
        encoder.bitrate_kbps = kbps;
        // the peak is never below the mean
        let lifted = (1..kbps).contains(&encoder.max_bitrate_kbps);
        if lifted {
            encoder.max_bitrate_kbps = kbps;
        }
        if running && !lifted {
            commands.push(Command::SetVideoBitrate(Bitrate::from_kbps(kbps)));
        } else {
            self.apply(commands);
        }
    }

    /// Takes other settings of the encoder, or says why not.
    pub fn choose_encoder(&mut self, encoder: VideoEncoderSettings, commands: &mut Vec<Command>) {
        self.encoder_problem = encoder.validate_for_stream().err().map(|e| e.to_string());
        if self.encoder_problem.is_none() {
            self.settings.encoder = encoder;
            self.apply(commands);
        }
    }

    /// Takes another encoder of recordings, or its sounds apart; or says why not.
    pub fn choose_recording(
        &mut self,
        own: RecordEncoder,
        separate: bool,
        commands: &mut Vec<Command>,
    ) {
        let before = self.settings.clone();
        self.settings.recording_encoder = own;
        self.settings.recording.separate_tracks = separate;
        if self.check_recording() {
            self.apply(commands);
        } else {
            self.settings = before;
        }
    }

    /// Whether recordings can be made as they are set; the reason stays to be shown.
    pub fn check_recording(&mut self) -> bool {
        let problems = self.settings.problems().into_iter();
        self.record_problem = problems
            .filter(|p| p.field.starts_with("recording"))
            .map(|p| p.reason)
            .next();
        self.record_problem.is_none()
    }

    /// Speaks another language, also after the next start.
    pub fn choose_language(&mut self, language: Language, commands: &mut Vec<Command>) {
        self.language = language;
        self.settings.window.language = language.choice();
        self.apply(commands);
    }

    /// Sends the settings as they are now.
    pub fn apply(&self, commands: &mut Vec<Command>) {
        commands.push(Command::ApplySettings(Box::new(self.settings.clone())));
    }

    /// Moves a key that stands in the address into its own field. Called when an address was pasted or is complete,
    /// not with each typed letter. What was wrong with it stays wrong until it is changed.
    pub fn split_address(&mut self) {
        if self.address.trim().is_empty() {
            return;
        }
        match split_address(&self.address) {
            Ok(SplitAddress {
                address,
                key,
                login,
            }) => {
                if login.is_some() {
                    self.login = login;
                    self.address.clone_from(&address);
                }
                if let Some(key) = key {
                    key.expose().clone_into(&mut self.key);
                    self.address = address;
                    self.key_taken = true;
                }
            }
            Err(error) => self.address_problem = Some(error.to_string()),
        }
    }

    /// Goes live with what the fields say; the settings follow from them.
    pub fn go_live(&mut self, commands: &mut Vec<Command>) {
        self.address_problem = None;
        self.split_address();
        if self.address_problem.is_none() && !self.address.trim().is_empty() {
            let key = StreamKey::new(self.key.trim());
            let problem = RtmpUrl::parse(&self.address, Some(&key)).err();
            self.address_problem = problem.map(|e| e.to_string());
        }
        if self.address_problem.is_some() {
            return;
        }
        self.messages.dismiss();
        self.address
            .trim()
            .clone_into(&mut self.settings.stream.url);
        self.apply(commands);
        if self.login.is_some() || self.login_sent {
            self.login_sent = self.login.is_some();
            commands.push(Command::SetLogin(self.login.clone()));
        }
        commands.push(Command::SetKey(StreamKey::new(self.key.trim())));
        commands.push(Command::StartStream);
    }

    /// Takes the network fields into the settings, if they are right and say something new.
    pub fn apply_network(&mut self, commands: &mut Vec<Command>) {
        if self.network != self.settings.network && self.network.problems().is_empty() {
            self.settings.network = self.network.clone();
            self.apply(commands);
        }
    }

    /// Writes what happened in the last ten minutes into the folder for recordings.
    pub fn export_recorder(&self, commands: &mut Vec<Command>) {
        let name = |n: u32| {
            self.settings
                .recording
                .folder
                .join(format!("kaibo-flight-{n:04}.json"))
        };
        let free = (1..10_000).map(name).find(|path| !path.exists());
        commands.push(Command::ExportRecorder(free.unwrap_or_else(|| name(0))));
    }

    /// Starts or ends the recording.
    pub fn toggle_recording(&mut self, recording: bool, commands: &mut Vec<Command>) {
        if recording {
            commands.push(Command::StopRecording);
            return;
        }
        self.take_record_folder(commands);
        commands.push(Command::StartRecording(None));
    }

    /// The folder of recordings is the one in its field.
    pub fn take_record_folder(&mut self, commands: &mut Vec<Command>) {
        let folder = PathBuf::from(self.record_folder.trim());
        if folder != self.settings.recording.folder {
            self.settings.recording.folder = folder;
            self.apply(commands);
        }
    }

    /// The engine's queue took no more commands.
    pub fn not_answering(&mut self, at: MediaTime) {
        self.messages.add(Message {
            at,
            severity: Severity::Fatal,
            subject: Subject::NotAnswering,
            detail: self.text().not_answering_do.to_owned(),
            count: 1,
        });
    }

    /// The settings at the start could not be used.
    pub fn settings_problem(&mut self, problem: String) {
        self.messages.add(Message {
            at: MediaTime::ZERO,
            severity: Severity::Fatal,
            subject: Subject::SettingsUnread,
            detail: problem,
            count: 1,
        });
    }

    /// The settings could not be written.
    pub fn save_failed(&mut self, at: MediaTime, reason: String) {
        self.messages.add(Message {
            at,
            severity: Severity::Degraded,
            subject: Subject::SaveFailed,
            detail: reason,
            count: 1,
        });
    }
}

/// Lower right, a quarter of the picture each way.
pub(super) const CORNER: Placement = Placement {
    x: 0.73,
    y: 0.72,
    width: 0.25,
    height: 0.25,
    rotation: 0.0,
    crop: Crop {
        left: 0.0,
        top: 0.0,
        right: 0.0,
        bottom: 0.0,
    },
    fit: Fit::Cover,
    mirror: false,
    flip: false,
};

pub(super) const fn is_camera(source: &SourceSpec) -> bool {
    matches!(source, SourceSpec::Camera(_))
}

/// A recording is being written.
pub fn is_recording(status: &Status) -> bool {
    status
        .recording
        .as_ref()
        .is_some_and(|r| !matches!(r.state, OutputState::Stopped | OutputState::Failed { .. }))
}

/// Size, rate and the bitrate that suits them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Picture size.
    pub size: Resolution,
    /// Frames per second.
    pub rate: FrameRate,
    /// Video kbit/s. What services recommend for H.264 at this size (push guides of Twitch, YouTube, Bilibili).
    pub kbps: u32,
}

impl Quality {
    /// The choices, smallest first; the last two are upright, for phones.
    pub fn choices() -> Vec<Self> {
        let rows = [
            (854, 480, 30, 1200),
            (1280, 720, 30, 2500),
            (1280, 720, 60, 4000),
            (1920, 1080, 30, 4500),
            (1920, 1080, 60, 6000),
            (720, 1280, 30, 2500),
            (1080, 1920, 30, 4500),
        ];
        let quality = |(width, height, fps, kbps)| {
            Some(Self {
                size: Resolution::new(width, height),
                rate: FrameRate::new(fps, 1).ok()?,
                kbps,
            })
        };
        rows.into_iter().filter_map(quality).collect()
    }

    /// As streamers say it: `720p30`, with the size where that is not 16:9.
    pub fn label(size: Resolution, rate: FrameRate) -> String {
        let Resolution { width, height } = size;
        let fps = (rate.as_f64() * 100.0).round() / 100.0;
        let wide = u64::from(width) * 9 == u64::from(height) * 16 || (width, height) == (854, 480);
        if wide {
            format!("{height}p{fps}  ({width}×{height})")
        } else {
            format!("{width}×{height}, {fps} fps")
        }
    }
}

/// Bitrates to choose from, kbit/s.
pub const BITRATES_KBPS: [u32; 9] = [800, 1200, 1800, 2500, 3500, 4500, 6000, 8000, 12_000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_named_as_streamers_do() {
        let label = |w, h, fps: &str| Quality::label(Resolution::new(w, h), fps.parse().unwrap());
        assert_eq!(label(1280, 720, "30"), "720p30  (1280×720)");
        assert_eq!(label(1920, 1080, "59.94"), "1080p59.94  (1920×1080)");
        assert_eq!(label(720, 1280, "30"), "720×1280, 30 fps");
        assert_eq!(Quality::choices().len(), 7);
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        let key = StreamKey::new("live_secret");
        let draft = Draft::new(Settings::default(), Some(&key), Language::English);
        assert_eq!(draft.key, "live_secret");
        assert!(!format!("{draft:?}").contains("secret"));
    }

    #[test]
    fn a_wrong_address_starts_nothing() {
        let mut draft = Draft::new(Settings::default(), None, Language::English);
        let mut commands = Vec::new();
        draft.address = "http://example.com/live".to_owned();
        draft.go_live(&mut commands);
        assert!(draft.address_problem.is_some() && commands.is_empty());
        draft.address.clear();
        draft.go_live(&mut commands);
        assert_eq!(draft.address_problem, None);
        assert!(matches!(
            commands[..],
            [
                Command::ApplySettings(_),
                Command::SetKey(_),
                Command::StartStream
            ]
        ));
    }
}
