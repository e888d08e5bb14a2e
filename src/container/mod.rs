//! Containers of recordings: packets in, bytes of a file out. Nothing here touches a disk but [`remux`]: whoever owns a
//! container (the recording thread) writes what it gave, and so knows at each moment how much of the file is whole.
//!
//! MP4 (in fragments) and Matroska are muxed by FFmpeg, FLV by the muxer of the stream.

mod ffmpeg;
mod flv;
pub mod remux;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::media::packet::{CodecParameters, EncodedPacket, Track};

/// Kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Fragmented MP4.
    #[default]
    Mp4,
    /// Matroska.
    Mkv,
    /// Flash video.
    Flv,
}

impl Format {
    /// All of them, in the order of a menu.
    pub const ALL: [Self; 3] = [Self::Mp4, Self::Mkv, Self::Flv];

    /// What file names end with, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mkv => "mkv",
            Self::Flv => "flv",
        }
    }

    /// What a person calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Mkv => "Matroska (MKV)",
            Self::Flv => "FLV",
        }
    }

    /// The kind a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        let named = |f: &Self| extension.eq_ignore_ascii_case(f.extension());
        Self::ALL.into_iter().find(named)
    }

    /// New codec parameters (another size, another profile) can follow in the same file.
    pub const fn takes_new_parameters(self) -> bool {
        matches!(self, Self::Flv)
    }

    /// Why pictures (H.264 or others) and so many sounds besides the mix do not fit into this kind of file, and what would; `None` when
    /// they do.
    pub const fn refuses(self, h264: bool, inputs: usize) -> Option<&'static str> {
        match self {
            Self::Mp4 | Self::Mkv => None,
            Self::Flv if inputs > 0 => Some(
                "an FLV file has room for one sound: choose MP4 or MKV, or record the mix alone",
            ),
            Self::Flv if !h264 => Some(
                "few players take HEVC or AV1 out of an FLV file: choose MP4 or MKV, or an H.264 encoder",
            ),
            Self::Flv => None,
        }
    }

    /// Chapter marks go into the file itself when it is closed. Of the others a plain MP4 made by [`remux`] has them.
    pub const fn holds_chapters(self) -> bool {
        matches!(self, Self::Mkv)
    }
}

/// A track of a file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSpec {
    /// Which packets it takes.
    pub track: Track,
    /// What decoders need.
    pub parameters: Arc<CodecParameters>,
    /// What a person calls it; may be empty.
    pub name: String,
}

impl TrackSpec {
    /// The pictures, or the mix, without a name.
    pub fn plain(parameters: Arc<CodecParameters>) -> Self {
        Self {
            track: parameters.track(),
            parameters,
            name: String::new(),
        }
    }
}

/// A mark in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// From the beginning of the file.
    pub at: Duration,
    /// What it is called.
    pub title: String,
}

/// Bytes for the file, in the order they came.
#[derive(Debug, Default)]
pub struct Bytes {
    /// To be appended.
    pub tail: Vec<u8>,
    /// To be written over what is in the file already (after `tail` is), at a distance from its beginning.
    pub patches: Vec<(u64, Vec<u8>)>,
}

/// Why packets do not fit into a file.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// FFmpeg's reason.
    #[error("{what} failed")]
    Ffmpeg {
        /// What was done.
        what: &'static str,
        /// Its reason.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// Sizes, times or parameters that no encoder gives.
    #[error("this cannot be written into a file: {0}")]
    Packet(String),
}

/// A file in the making. Times of packets count from the file's beginning; they come in one order of decode time.
pub trait Container: Send {
    /// Takes a packet. Some of what came before may be in `out` afterwards, in pieces.
    fn push(&mut self, packet: &EncodedPacket, out: &mut Bytes) -> Result<(), ContainerError>;

    /// Ends what has been begun: with all bytes given until now, the file plays to this point.
    fn flush(&mut self, out: &mut Bytes) -> Result<(), ContainerError>;

    /// Ends the file: what was held back, length, index, marks. Nothing follows.
    fn finish(&mut self, chapters: &[Chapter], out: &mut Bytes) -> Result<(), ContainerError>;
}

/// Begins a file for these tracks (pictures first) with a title, where it has a place for one.
pub fn open(
    format: Format,
    tracks: &[TrackSpec],
    title: &str,
) -> Result<Box<dyn Container>, ContainerError> {
    match format {
        Format::Mp4 | Format::Mkv => Ok(Box::new(ffmpeg::Muxer::open(format, tracks, title)?)),
        Format::Flv => Ok(Box::new(flv::FlvContainer::new(tracks))),
    }
}
