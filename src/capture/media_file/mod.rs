//! A media file as picture and sound in real time, once or in a loop: what `ffmpeg -re -i FILE` does.
//!
//! In: any file FFmpeg reads. Out: pictures at the moment they are due (pts = start + their time in the file), sound
//! pushed into its ring 100 to 200 ms ahead with exact times. Everything runs on the source's thread: `demux` reads,
//! `track` decodes, `picture` and `sound` convert, `player` keeps the time, without reading a clock itself. Without the
//! feature `ffmpeg` only the settings remain.
//!
//! Not done: rotation and pixel aspect ratio of the file are ignored, interlaced pictures are shown as they are, and
//! high dynamic range is not mapped to standard range.

#[cfg(feature = "ffmpeg")]
mod demux;
#[cfg(feature = "ffmpeg")]
pub(super) mod picture;
#[cfg(feature = "ffmpeg")]
mod player;
#[cfg(feature = "ffmpeg")]
mod sound;
#[cfg(feature = "ffmpeg")]
mod track;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoSource};
#[cfg(feature = "ffmpeg")]
pub(super) use player::open_sound;

/// Which file, and how it is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaFileSettings {
    /// The file.
    pub path: PathBuf,
    /// Start again at the end.
    #[serde(rename = "loop")]
    pub looped: bool,
}

impl Default for MediaFileSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            looped: true,
        }
    }
}

pub(super) fn open(
    settings: &MediaFileSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(feature = "ffmpeg")]
    return player::open(settings, cx);
    #[cfg(not(feature = "ffmpeg"))]
    {
        let _ = cx;
        Err(SourceError::NotBuilt {
            what: settings.path.display().to_string(),
            feature: "ffmpeg",
        })
    }
}
