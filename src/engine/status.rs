//! What the engine shows: a snapshot of everything, published about five times a second.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::recorder::Sample;
use crate::audio::AudioStats;
use crate::capture::supervisor::SourceStats;
use crate::capture::{AudioDevice, VideoDevice};
use crate::encode::probe::Reports;
use crate::encode::stage::EncoderStats;
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::output::OutputStats;
use crate::output::record::RecordStats;
use crate::output::record::replay::ReplayStats;
use crate::playback::OutputDevice;
use crate::render::RenderStats;

/// Where the show stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EngineState {
    /// Capture and preview only.
    #[default]
    Previewing,
    /// Encoders run, the server has not accepted yet.
    Connecting,
    /// On air.
    Live {
        /// Since when.
        since: MediaTime,
    },
    /// Was on air, the connection is being made again.
    Reconnecting {
        /// Counts from 1.
        attempt: u32,
        /// When the next try begins.
        retry_at: MediaTime,
    },
    /// Saying goodbye.
    Stopping,
    /// The last wish to go live failed.
    Failed {
        /// What happened and what to do.
        reason: String,
    },
}

impl EngineState {
    /// Going live, live, or coming back: the big button says Stop.
    pub const fn is_on(&self) -> bool {
        matches!(
            self,
            Self::Connecting | Self::Live { .. } | Self::Reconnecting { .. }
        )
    }
}

/// A plain MP4 in the making.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Mp4Progress {
    /// Of which recording.
    pub from: PathBuf,
    /// Part done, 0 to 1.
    pub done: f32,
    /// Recordings that wait for theirs.
    pub waiting: usize,
}

/// One source with its figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceStatus {
    /// What a person calls it.
    pub name: String,
    /// Figures.
    #[serde(flatten)]
    pub stats: SourceStats,
}

/// One live sound with its figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SoundStatus {
    /// Its id in [`AudioStats::inputs`](crate::audio::AudioStats::inputs).
    pub id: SourceId,
    /// What a person calls it.
    pub name: String,
    /// Figures.
    #[serde(flatten)]
    pub stats: SourceStats,
}

/// Everything about the show at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// When this was taken.
    pub at: MediaTime,
    /// Where the show stands.
    #[serde(flatten)]
    pub engine: EngineState,
    /// Picture sources.
    pub sources: Vec<SourceStatus>,
    /// Live sounds, in the order of the settings.
    pub sounds: Vec<SoundStatus>,
    /// Render stage.
    pub render: RenderStats,
    /// Audio stage.
    pub audio: AudioStats,
    /// Video encoder, while it runs.
    pub encoder: Option<EncoderStats>,
    /// The recording's own video encoder, while there is one.
    pub record_encoder: Option<EncoderStats>,
    /// The stream, while there is one.
    pub stream: Option<OutputStats>,
    /// Further destinations of the same stream.
    pub more: Vec<OutputStats>,
    /// The recording, while there is one.
    pub recording: Option<OutputStats>,
    /// The last two minutes, a sample a second: for graphs.
    #[serde(skip)]
    pub graph: Arc<Vec<Sample>>,
    /// More of it: time, parts, room on the disk.
    pub record: Option<RecordStats>,
    /// The replay buffer, while it is on.
    pub replay: Option<ReplayStats>,
    /// The plain MP4 being made of a recording.
    pub mp4: Option<Mp4Progress>,
    /// Recordings that were interrupted, until they are dealt with.
    pub unfinished: Vec<PathBuf>,
    /// Where recordings go, and the bytes free there, where the system tells; looked at now and then.
    pub record_folder: PathBuf,
    /// See [`Self::record_folder`].
    pub record_free: Option<u64>,
    /// Pages that play the stream, when the built-in server has it.
    pub watch_url: Option<String>,
    /// What was found out about encoders; empty until then.
    #[serde(skip)]
    pub encoders: Arc<Reports>,
    /// Picture sources to choose from.
    #[serde(skip)]
    pub video_devices: Vec<VideoDevice>,
    /// Sound inputs to choose from.
    #[serde(skip)]
    pub audio_devices: Vec<AudioDevice>,
    /// Outputs to listen in on.
    #[serde(skip)]
    pub outputs: Vec<OutputDevice>,
    /// The output that is listened to, while it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// Adapter that draws, in words: "llvmpipe (software)".
    pub gpu: String,
    /// Notices lost because the engine's own queue was full.
    pub notices_lost: u64,
}
