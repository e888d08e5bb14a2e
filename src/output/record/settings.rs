//! How a recording is made, as the settings file keeps it. Plain data; no thread.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::name::{Place, free_path};
use super::{RecordConfig, Split};
use crate::container::Format;

/// Most seconds a replay buffer holds.
pub const REPLAY_MOST: u32 = 600;

/// How recordings are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordSettings {
    /// Folder; the user's video folder when empty.
    pub folder: PathBuf,
    /// Name without extension: {date}, {time}, {title} and {n} are filled in.
    pub name: String,
    /// What {title} stands for; also written into the file.
    pub title: String,
    /// "mp4", "mkv" or "flv".
    pub format: Format,
    /// A new file begins at the first keyframe after this many minutes; 0: never.
    pub split_minutes: u32,
    /// No file grows over this many megabytes (a million bytes); 0: no limit.
    pub split_mb: u32,
    /// After a recording a plain MP4 is made of each of its files, and kept beside it.
    pub make_mp4: bool,
    /// Each sound gets a track of its own beside the mix (MP4 and MKV).
    pub separate_tracks: bool,
    /// How many seconds the replay buffer holds.
    pub replay_seconds: u32,
    /// The recording ends before less than this many megabytes are free on the disk.
    pub keep_free_mb: u32,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            name: "{title} {date} {time}".to_owned(),
            title: "Kaibo".to_owned(),
            format: Format::Mp4,
            split_minutes: 0,
            split_mb: 0,
            make_mp4: false,
            separate_tracks: false,
            replay_seconds: 30,
            keep_free_mb: 500,
        }
    }
}

impl RecordSettings {
    /// What is refused: field and reason.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        if self.name.trim().is_empty() {
            out.push((
                "recording.name",
                "is empty: write {title} {date} {time}, for example".to_owned(),
            ));
        }
        if self.separate_tracks
            && let Some(reason) = self.format.refuses(true, 1)
        {
            out.push(("recording.separate_tracks", reason.to_owned()));
        }
        let ranges = [
            ("recording.split_minutes", self.split_minutes, 0, 24 * 60),
            ("recording.split_mb", self.split_mb, 0, 1_000_000),
            (
                "recording.replay_seconds",
                self.replay_seconds,
                5,
                REPLAY_MOST,
            ),
            ("recording.keep_free_mb", self.keep_free_mb, 0, 1_000_000),
        ];
        for (field, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                out.push((field, format!("{value} is not between {low} and {high}")));
            }
        }
        if (1..10).contains(&self.split_mb) {
            let text = "files of less than 10 MB are too small for one keyframe each: 10 or more, or 0 for no limit";
            out.push(("recording.split_mb", text.to_owned()));
        }
        out
    }

    /// The folder that is used.
    pub fn place(&self) -> PathBuf {
        if self.folder.as_os_str().is_empty() {
            default_folder()
        } else {
            self.folder.clone()
        }
    }

    /// A recording by these settings into `path`, or named by them. The file's extension wins over the format.
    pub fn config(&self, path: Option<PathBuf>) -> RecordConfig {
        let format = path.as_deref().and_then(Format::of).unwrap_or(self.format);
        let after = Duration::from_secs(u64::from(self.split_minutes) * 60);
        RecordConfig {
            place: match path {
                Some(path) => Place::File(path),
                None => self.named(&self.name),
            },
            format,
            title: self.title.clone(),
            split: Split {
                after: Some(after).filter(|d| !d.is_zero()),
                bytes: Some(u64::from(self.split_mb) * 1_000_000).filter(|b| *b > 0),
            },
            keep_free: u64::from(self.keep_free_mb) * 1_000_000,
            inputs: Vec::new(),
        }
    }

    /// Where a replay goes.
    pub fn replay_config(&self, path: Option<PathBuf>) -> RecordConfig {
        let place = match &path {
            Some(_) => None,
            None => Some(self.named(&format!("{} replay", self.name))),
        };
        let config = self.config(path);
        RecordConfig {
            place: place.unwrap_or(config.place),
            split: Split::default(),
            ..config
        }
    }

    /// Where a picture of the show goes: a name that is free, beside the recordings.
    pub fn picture_path(&self) -> PathBuf {
        free_path(&self.place(), &self.name, &self.title, "png")
    }

    fn named(&self, template: &str) -> Place {
        Place::Named {
            folder: self.place(),
            template: template.to_owned(),
            title: self.title.clone(),
            format: self.format,
        }
    }
}

/// Where recordings go unless told otherwise: the user's video folder, else home, else here.
pub fn default_folder() -> PathBuf {
    let user = directories::UserDirs::new();
    let folder = user.as_ref().and_then(|u| {
        u.video_dir()
            .filter(|d| d.is_dir())
            .or_else(|| Some(u.home_dir()).filter(|d| d.is_dir()))
    });
    folder.map_or_else(|| PathBuf::from("."), std::path::Path::to_owned)
}
