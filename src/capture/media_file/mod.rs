//! A media file as picture and sound in real time, once or in a loop: what `ffmpeg -re -i FILE` does.
//!
//! In: any file FFmpeg reads. Out: pictures at the moment they are due (pts = start + their time in the file), sound
//! pushed into its ring 100 to 200 ms ahead with exact times. Everything runs on the source's thread: `demux` reads,
//! `track` decodes, `picture` (with `rotate` and `hdr`) and `sound` convert, `player` keeps the time, without reading a
//! clock itself; `show` goes from file to file of a `list`, and does what a person says meanwhile. Without the feature
//! `ffmpeg` only the settings remain.
//!
//! Not done: the pixel aspect ratio of the file is ignored, interlaced pictures are shown as they are.

#[cfg(feature = "ffmpeg")]
mod demux;
#[cfg(feature = "ffmpeg")]
mod hdr;
#[cfg(feature = "ffmpeg")]
mod list;
#[cfg(feature = "ffmpeg")]
pub(super) mod picture;
#[cfg(feature = "ffmpeg")]
mod player;
#[cfg(feature = "ffmpeg")]
mod rotate;
#[cfg(feature = "ffmpeg")]
mod show;
#[cfg(feature = "ffmpeg")]
mod sound;
#[cfg(feature = "ffmpeg")]
mod track;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoSource};
#[cfg(feature = "ffmpeg")]
pub(super) use player::open_sound;

/// Which file, and how it is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaFileSettings {
    /// The file; or a folder or a list (M3U), whose files are played one after another.
    pub path: PathBuf,
    /// Start again at the end.
    #[serde(rename = "loop")]
    pub looped: bool,
    /// The files of a folder or list come in random order.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shuffled: bool,
    /// The same number gives the same order; another one each time when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which of its picture tracks, from 0; the one the file prefers when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture_track: Option<usize>,
    /// Which of its sound tracks, from 0; the one the file prefers when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound_track: Option<usize>,
}

impl MediaFileSettings {
    /// The same file or list: what else is set can be changed while it plays.
    pub fn is_same_stream(&self, other: &Self) -> bool {
        let of = |s: &Self| (s.path.clone(), s.shuffled, s.seed);
        of(self) == of(other)
    }
}

/// Endings of files that are played.
const ENDINGS: [&str; 24] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "flv", "ts", "m2ts", "mts", "mpg", "mpeg", "ogv",
    "wmv", "3gp", "mxf", "mp3", "m4a", "aac", "flac", "wav", "opus", "ogg", "wma",
];

/// The ending says that it holds a film or music.
pub(super) fn is_media(path: &Path) -> bool {
    let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|e| ENDINGS.iter().any(|known| e == *known))
}

impl Default for MediaFileSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            looped: true,
            shuffled: false,
            seed: None,
            picture_track: None,
            sound_track: None,
        }
    }
}

pub(super) fn open(
    settings: &MediaFileSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(feature = "ffmpeg")]
    return show::open(settings, cx);
    #[cfg(not(feature = "ffmpeg"))]
    {
        let _ = cx;
        Err(SourceError::NotBuilt {
            what: settings.path.display().to_string(),
            feature: "ffmpeg",
        })
    }
}
