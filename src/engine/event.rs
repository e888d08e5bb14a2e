//! What the engine tells: things that happened, in words for the user.

use std::collections::VecDeque;

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
    /// A source goes on, but something is wrong with it.
    SourceTrouble {
        /// Its name.
        source: String,
    },
    /// A file that does not loop reached its end.
    SourceEnded {
        /// Its name.
        source: String,
    },
    /// A live sound delivers.
    SoundUp {
        /// Its name.
        source: String,
    },
    /// A live sound stopped delivering: there is silence in its place.
    SoundLost {
        /// Its name.
        source: String,
        /// It is not there, or cannot be used; otherwise it is, and does not deliver now.
        absent: bool,
    },
    /// A sound file that does not loop reached its end.
    SoundEnded {
        /// Its name.
        source: String,
    },
    /// There is no microphone: the sound is silence.
    NoMicrophone,
    /// What somebody listens to is heard.
    MonitorUp,
    /// Nothing is heard by somebody who listens in; the stream is not touched.
    MonitorLost,
    /// What is listened to comes back into the stream.
    MonitorEcho,
    /// The stream is live.
    OutputConnected,
    /// The connection was lost or not made; it is tried again.
    OutputLost,
    /// The address or key carries a date after which the server refuses it.
    KeyExpires,
    /// Nothing gets through, the connection is kept for now.
    LinkSilent,
    /// It does again.
    LinkReturned,
    /// The server sends the stream to a host of somebody else: may it have the key?
    RedirectAsked {
        /// The host.
        host: String,
    },
    /// The stream went over to another server without a break.
    OutputMoved,
    /// What happened in the last minutes was written to a file, or could not be.
    RecorderExported,
    /// The stream will not be tried again.
    OutputFailed {
        /// The server refused (rather than: could not be reached).
        rejected: bool,
    },
    /// The stream ended as asked.
    StreamStopped,
    /// Something happened to a further destination; the stream itself goes on.
    MoreChanged {
        /// Its address with the key masked.
        target: String,
    },
    /// A recording began.
    RecordingStarted,
    /// It goes on in a new file.
    RecordingSplit,
    /// A recording ended; the file is complete.
    RecordingStopped,
    /// The disk fills up: the recording will have to end.
    DiskLow,
    /// A recording was interrupted, by a crash or a power cut. It plays.
    RecordingUnfinished,
    /// The replay buffer was written into a file, or why not.
    ReplaySaved,
    /// A plain MP4 was made of a recording.
    Mp4Made,
    /// It was not.
    Mp4Failed,
    /// A recording could not go on.
    RecordingFailed,
    /// The disk is too slow for the recording: pictures are missing in it.
    RecordingSlow,
    /// The encoder was opened anew.
    EncoderRebuilt,
    /// The encoder failed and another one took over.
    EncoderReplaced,
    /// The encoder could not keep up and was made faster: a cheaper preset, or another encoder.
    EncoderLowered,
    /// It has time to spare again: a better preset took over.
    EncoderRaised,
    /// The encoder cannot be opened or kept failing.
    EncoderFailed,
    /// The encoder cannot keep up; pictures are skipped.
    EncoderOverloaded,
    /// A stage of the engine failed and was started anew.
    StageRestarted {
        /// Its name.
        stage: String,
    },
    /// A stage of the engine failed for good.
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
    /// A watermark cannot be shown as it should.
    WatermarkProblem {
        /// Which one, from 0.
        index: usize,
    },
    /// A picture was saved.
    ScreenshotSaved,
    /// Events were lost because nobody read them.
    EventsLost {
        /// How many.
        count: u64,
    },
}

/// Events on their way to the one reader: bounded, the oldest is lost when nobody reads, and a marker says how many.
#[derive(Debug)]
pub(super) struct EventRing {
    events: VecDeque<Event>,
    capacity: usize,
    lost: u64,
}

impl EventRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity,
            lost: 0,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() == self.capacity {
            self.events.pop_front();
            self.lost += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn drain(&mut self) -> Vec<Event> {
        let count = std::mem::take(&mut self.lost);
        let marker = self
            .events
            .front()
            .filter(|_| count > 0)
            .map(|oldest| Event {
                at: oldest.at,
                severity: Severity::Notice,
                kind: EventKind::EventsLost { count },
                message: format!("{count} older messages were not read in time"),
            });
        marker.into_iter().chain(self.events.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_are_lost_and_counted() {
        let mut ring = EventRing::new(2);
        for ms in 0..5 {
            ring.push(Event {
                at: MediaTime::from_millis(ms),
                severity: Severity::Notice,
                kind: EventKind::StreamStopped,
                message: String::new(),
            });
        }
        let events = ring.drain();
        assert_eq!(events[0].kind, EventKind::EventsLost { count: 3 });
        assert_eq!(
            events[1..]
                .iter()
                .map(|e| e.at.as_millis())
                .collect::<Vec<_>>(),
            [3, 4]
        );
        assert!(ring.drain().is_empty());
    }
}
