//! What the engine tells: things that happened, in words for the user.

use serde::Serialize;

use crate::media::time::MediaTime;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Still running, recovering by itself.
    Degraded,
    /// What was asked for does not happen.
    Fatal,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: MediaTime,
    /// How bad.
    pub severity: Severity,
    /// What; for programs.
    #[serde(flatten)]
    pub kind: EventKind,
    /// What happened and what to do; for people.
    pub message: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A source delivers.
    SourceUp {
        /// Its name.
        source: String,
    },
    /// A source stopped delivering.
    SourceLost {
        /// Its name.
        source: String,
    },
    /// A file that does not loop reached its end.
    SourceEnded {
        /// Its name.
        source: String,
    },
    /// The stream is live.
    OutputConnected,
    /// The connection was lost or not made; it is tried again.
    OutputLost,
    /// The stream will not be tried again.
    OutputFailed {
        /// The server refused (rather than: could not be reached).
        rejected: bool,
    },
    /// The stream ended as asked.
    StreamStopped,
    /// A recording began.
    RecordingStarted,
    /// A recording ended; the file is complete.
    RecordingStopped,
    /// A recording could not go on.
    RecordingFailed,
    /// The encoder was opened anew.
    EncoderRebuilt,
    /// The encoder cannot be opened or kept failing.
    EncoderFailed,
    /// The encoder cannot keep up; pictures are skipped.
    EncoderOverloaded,
    /// A stage of the engine ended by itself.
    StageFailed {
        /// Its name.
        stage: String,
    },
    /// Graphics device lost.
    GpuLost,
    /// The built-in server listens (address in the message), or could not.
    ServerStarted,
    /// The built-in server could not listen.
    ServerFailed,
    /// Settings were refused, or apply only later.
    Settings,
    /// A picture was saved.
    ScreenshotSaved,
    /// Events were lost because nobody read them.
    EventsLost {
        /// How many.
        count: u64,
    },
}
