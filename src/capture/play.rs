//! What can be played: where a file stands, and what it can be told while it plays. Plain data.

use std::time::Duration;

use serde::Serialize;

use crate::media::SourceId;

/// What a source that plays can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayOrder {
    /// Stand still: the picture stays, the sound ends.
    Pause,
    /// Go on.
    Resume,
    /// Go on from here, counted from the beginning of the file.
    Seek(Duration),
    /// The next file of the list.
    Next,
    /// The file before.
    Previous,
}

/// Where a source that plays stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Playback {
    /// The source, for [`PlayOrder`]s.
    pub id: SourceId,
    /// From the beginning of the file, in milliseconds.
    pub position_ms: u64,
    /// Of the file, in milliseconds; 0 when the file does not say.
    pub length_ms: u64,
    /// It stands still.
    pub paused: bool,
    /// The file that plays, without its folder.
    pub file: String,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Files in the list.
    pub count: usize,
    /// Its pictures tracks, in words.
    pub pictures: Vec<String>,
    /// Its sound tracks, in words.
    pub sounds: Vec<String>,
}
