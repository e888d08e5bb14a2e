//! What the stages tell the controller, and how it travels.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::capture::supervisor::SourceEvent;
use crate::capture::{AudioDevice, VideoDevice};
use crate::container::remux::RemuxError;
use crate::encode::probe::Reports;
use crate::encode::stage::EncoderEvent;
use crate::media::SourceId;
use crate::output::OutputEvent;
use crate::playback::{OutputDevice, PlaybackEvent};
use crate::render::overlay::OverlayProblem;
use crate::stage::StageExit;

/// The folder of recordings, as it was looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordFolder {
    pub(super) folder: PathBuf,
    pub(super) free: Option<u64>,
    pub(super) unfinished: Vec<PathBuf>,
}

/// Something a stage has to say.
#[derive(Debug)]
pub(super) enum Notice {
    /// From a source's thread.
    Source(SourceId, SourceEvent),
    /// From an output; the number tells a running one from one that was replaced.
    Output(u32, OutputEvent),
    /// From the thread of the video encoder with this number.
    Encoder(u32, EncoderEvent),
    /// From that of the recording.
    RecordEncoder(u32, EncoderEvent),
    /// A stage of ours ended without being asked to.
    Exited(&'static str, StageExit),
    /// Encoders were tried out, for what the text tells.
    Encoders(String, Arc<Reports>),
    /// Devices were listed.
    Devices(Vec<VideoDevice>, Vec<AudioDevice>, Vec<OutputDevice>),
    /// From the output with this number that is listened to.
    Playback(u32, PlaybackEvent),
    /// Something about a watermark.
    Overlay(OverlayProblem),
    /// The flight recorder was written, or why not.
    Recorder(Result<PathBuf, String>),
    /// A plain MP4 was made of a recording, or why not.
    Mp4(PathBuf, Result<PathBuf, RemuxError>),
    /// What was found in the folder of recordings: interrupted ones, bytes free.
    Recordings(RecordFolder),
    /// The picture was saved, or why not.
    Screenshot(Result<PathBuf, String>),
}

/// The sending end. Stages to controller (edge 10): bound 256; when full the notice is dropped and counted (the
/// counters in the status still tell).
#[derive(Debug, Clone)]
pub(super) struct NoticeSender {
    tx: Sender<Notice>,
    lost: Arc<AtomicU64>,
}

impl NoticeSender {
    pub(super) fn channel() -> (Self, Receiver<Notice>) {
        let (tx, rx) = bounded(256);
        (
            Self {
                tx,
                lost: Arc::default(),
            },
            rx,
        )
    }

    pub(super) fn send(&self, notice: Notice) {
        if self.tx.try_send(notice).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
