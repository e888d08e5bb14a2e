//! Recording: the same packets as the stream, into files, on a thread of its own. A slow disk costs pictures of the
//! recording only, a full one ends it; encoders and other outputs never notice. What is in a file plays at every moment.
//!
//! [`replay`] keeps the last seconds in memory and writes them when asked.

mod name;
mod part;
pub mod replay;
pub mod settings;
mod sidecar;
#[cfg_attr(not(unix), path = "space_none.rs")]
#[cfg_attr(unix, path = "space_unix.rs")]
mod space;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use self::name::{Place, expand};
pub use self::sidecar::{chapters_of, settle, unfinished};
pub use self::space::free_bytes;
use self::writer::{Disk, SystemDisk, Writer, disk_error};
use super::latch::Latch;
use super::rate::RateMeter;
use super::send_queue::{QueueLimits, SharedQueue, Verdict};
use super::{
    Output, OutputContext, OutputError, OutputEvent, OutputListener, OutputState, OutputStats,
};
use crate::container::Format;
#[cfg(doc)]
use crate::media::packet::Track;
use crate::media::packet::{EncodedPacket, PacketSink};
use crate::media::time::MediaClock;
use crate::stage::{self, StageExit, StageHandle, StartError, StopFlag};

/// Most orders that wait for the recording thread; more are ignored.
const MAX_ORDERS: usize = 64;

/// When a new file begins. Always at a keyframe, and no packet is lost between two files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// After this much media time.
    pub after: Option<Duration>,
    /// Before the file is larger than this.
    pub bytes: Option<u64>,
}

/// What is recorded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordConfig {
    /// Where the files go.
    pub place: Place,
    /// Their kind.
    pub format: Format,
    /// Their title, in the file.
    pub title: String,
    /// When a new one begins.
    pub split: Split,
    /// Bytes that are left free on the disk; 0: it may be filled.
    pub keep_free: u64,
    /// Names of the inputs whose sound gets a track of its own beside the mix, in the order of [`Track::Input`].
    pub inputs: Vec<String>,
}

impl RecordConfig {
    /// Into one file, of the kind its name says (MP4 when it says none).
    pub fn file(path: PathBuf) -> Self {
        Self {
            format: Format::of(&path).unwrap_or_default(),
            place: Place::File(path),
            title: String::new(),
            split: Split::default(),
            keep_free: 0,
            inputs: Vec::new(),
        }
    }
}

/// What a recording can be told while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Leave out what comes from now on.
    Pause,
    /// Go on, with the next keyframe; the time line has no hole.
    Resume,
    /// Begin a new file at the next keyframe, which is asked for.
    Split,
    /// Set a chapter mark; its number is its name when none is given.
    Mark(String),
    /// From the next keyframe on, in a new file, these inputs have tracks of their own.
    Inputs(Vec<String>),
}

/// What a recording tells besides its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordNews {
    /// A file was begun.
    Began {
        /// Which.
        path: PathBuf,
    },
    /// A file is complete.
    Closed {
        /// Which.
        path: PathBuf,
    },
    /// The disk fills up.
    LowSpace {
        /// Bytes free.
        free: u64,
        /// Until the recording has to end, as far as one can tell.
        minutes: Option<u64>,
    },
    /// The replay buffer was written into a file.
    ReplaySaved {
        /// Which.
        path: PathBuf,
        /// How long it is.
        length: Duration,
    },
    /// It was not.
    ReplayFailed {
        /// Why, in words.
        reason: String,
    },
}

/// Figures of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct RecordStats {
    /// The file being written.
    pub file: PathBuf,
    /// Its kind.
    pub format: Format,
    /// Milliseconds recorded, in all files.
    pub recorded_ms: u64,
    /// Bytes in all files.
    pub bytes: u64,
    /// Files so far.
    pub parts: u32,
    /// Nothing is written.
    pub paused: bool,
    /// Chapter marks set.
    pub marks: u32,
    /// Bytes free on the disk, where the system tells.
    pub free_bytes: Option<u64>,
    /// Packets of sound left out because the file was begun for sound of another kind.
    pub left_out: u64,
    /// Seconds until the disk has no room left, at the present rate.
    pub left_s: Option<u64>,
}

struct Shared {
    queue: SharedQueue,
    listener: OutputListener,
    clock: MediaClock,
    format: Format,
    orders: Mutex<Vec<Order>>,
    figures: Mutex<Figures>,
    ended: Latch,
}

struct Figures {
    path: PathBuf,
    state: OutputState,
    written: u64,
    length: Duration,
    rate: RateMeter,
    parts: u32,
    marks: u32,
    paused: bool,
    free: Option<u64>,
    left: Option<Duration>,
    left_out: u64,
}

impl Shared {
    fn news(&self, news: RecordNews) {
        (self.listener)(OutputEvent::Record(news));
    }

    fn has_orders(&self) -> bool {
        !self.orders.lock().is_empty()
    }

    fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.orders.lock())
    }

    /// Tells the engine how the writing ended.
    fn report(&self, result: Result<(), OutputError>) -> Result<(), String> {
        let Err(error) = result else {
            self.figures.lock().state = OutputState::Stopped;
            return Ok(());
        };
        Err(self.fail(error))
    }

    fn fail(&self, error: OutputError) -> String {
        let message = error.full_text();
        self.figures.lock().state = OutputState::Failed {
            message: message.clone(),
        };
        self.queue.close();
        (self.listener)(OutputEvent::Failed { error });
        message
    }

    fn finish(&self, how: &StageExit) {
        if matches!(how, StageExit::Panicked(_)) {
            self.fail(OutputError::Internal);
        }
        self.queue.close();
        self.ended.close();
    }
}

/// A running recording: the engine's hand on it.
pub struct Recorder {
    shared: Arc<Shared>,
    stop: StopFlag,
    /// Dropping it asks the thread to stop.
    stage: StageHandle,
}

impl Recorder {
    /// Starts a recording. Its first file is made at once and never over an older one; it is taken away again when
    /// nothing came.
    ///
    /// # Errors
    ///
    /// The file cannot be made, or there is no thread.
    pub fn start(config: RecordConfig, cx: OutputContext) -> Result<Arc<Self>, OutputError> {
        Self::start_on(SystemDisk, config, cx)
    }

    fn start_on<D: Disk>(
        mut disk: D,
        config: RecordConfig,
        cx: OutputContext,
    ) -> Result<Arc<Self>, OutputError> {
        if let Some(reason) = config.format.refuses(true, config.inputs.len()) {
            return Err(OutputError::Unfit { reason });
        }
        let wanted = config.place.wanted();
        let ready = disk
            .create(&config)
            .map_err(|e| disk_error(wanted.clone(), e))?;
        let shared = Arc::new(Shared {
            queue: SharedQueue::new(QueueLimits::RECORDING),
            listener: cx.listener,
            clock: cx.clock,
            format: config.format,
            orders: Mutex::default(),
            figures: Mutex::new(Figures {
                path: ready.1.clone(),
                state: OutputState::Live,
                written: 0,
                length: Duration::ZERO,
                rate: RateMeter::default(),
                parts: 0,
                marks: 0,
                paused: false,
                free: None,
                left: None,
                left_out: 0,
            }),
            ended: Latch::default(),
        });
        shared.queue.reset(shared.clock.now());
        let stop = StopFlag::new();
        let (init, run, exit) = (
            Arc::clone(&shared),
            Arc::clone(&shared),
            Arc::clone(&shared),
        );
        let stage = stage::spawn(
            "rec",
            &stop,
            move || Ok::<_, OutputError>(Writer::new(init, disk, config, ready)),
            move |writer, stop| run.report(writer.run(stop)),
            move |how| exit.finish(how),
        )
        .map_err(|e| match e {
            StartError::Init(e) => e,
            StartError::Thread { source, .. } => OutputError::File {
                path: wanted,
                source,
            },
            StartError::Panicked { .. } => OutputError::Internal,
        })?;
        (shared.listener)(OutputEvent::NeedKeyframe);
        Ok(Arc::new(Self {
            shared,
            stop,
            stage,
        }))
    }

    /// Tells it to do something; it is done within the next packets. Never waits.
    pub fn order(&self, order: Order) {
        let mut orders = self.shared.orders.lock();
        if orders.len() < MAX_ORDERS {
            orders.push(order);
        }
        drop(orders);
        self.shared.queue.wake();
    }

    /// How far it is.
    pub fn record_stats(&self) -> RecordStats {
        let figures = self.shared.figures.lock();
        RecordStats {
            file: figures.path.clone(),
            format: self.shared.format,
            recorded_ms: u64::try_from(figures.length.as_millis()).unwrap_or(u64::MAX),
            bytes: figures.written,
            parts: figures.parts,
            paused: figures.paused,
            marks: figures.marks,
            free_bytes: figures.free,
            left_out: figures.left_out,
            left_s: figures.left.map(|d| d.as_secs()),
        }
    }
}

impl PacketSink for Recorder {
    fn push(&self, packet: &EncodedPacket) {
        if self.shared.queue.push(packet) == Verdict::NeedKeyframe {
            (self.shared.listener)(OutputEvent::NeedKeyframe);
        }
    }
}

impl Output for Recorder {
    fn stats(&self) -> OutputStats {
        let level = self.shared.queue.level();
        let mut figures = self.shared.figures.lock();
        OutputStats {
            target: figures.path.display().to_string(),
            state: figures.state.clone(),
            sent_bytes: figures.written,
            kbps: figures.rate.kbps(Instant::now()),
            queued_ms: u32::try_from(level.queued.as_millis()).unwrap_or(u32::MAX),
            queued_bytes: level.bytes as u64,
            dropped: level.counters.dropped,
            frozen_ms: level.counters.frozen_ms,
            reconnects: 0,
            connect_ms: None,
            acked_bytes: 0,
            rtt_ms: None,
            adapt: None,
            asks: None,
        }
    }

    fn request_stop(&self) {
        self.stop.stop();
        self.shared.queue.wake();
    }

    fn has_ended(&self) -> bool {
        self.shared.ended.is_closed()
    }

    fn join_until(&self, deadline: Instant) -> bool {
        self.request_stop();
        let ended = self.shared.ended.wait_until(deadline);
        if !ended {
            tracing::error!(
                stage = self.stage.name(),
                "the disk is stuck; recording left behind"
            );
        }
        ended
    }
}

/// An error of the disk as one of an output, for whoever writes a file without a [`Recorder`].
fn as_output_error(path: PathBuf, source: io::Error) -> OutputError {
    disk_error(path, source)
}

#[cfg(test)]
mod tests;
