//! Recording: the same packets as the stream, into an FLV file, on a thread of its own. A slow disk costs pictures of
//! the recording only, a full one ends it; encoders and other outputs never notice.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::flv_file::FlvFile;
use super::latch::Latch;
use super::rate::RateMeter;
use super::send_queue::{QueueLimits, SharedQueue, Verdict};
use super::tagger::Tagger;
use super::{
    Output, OutputContext, OutputError, OutputEvent, OutputListener, OutputState, OutputStats,
};
use crate::flv::tag::FlvTag;
use crate::media::packet::{EncodedPacket, PacketSink};
use crate::media::time::MediaClock;
use crate::stage::{self, StageExit, StageHandle, StartError, StopFlag};

/// Most files of one name in one folder.
const MAX_NUMBER: u32 = 9_999;

/// Starts a recording at `path`, or at the next free name (`show (2).flv`) if that exists: an earlier recording is
/// never overwritten. [`OutputStats::target`] tells the name taken.
pub(super) fn start(path: &Path, cx: OutputContext) -> Result<Arc<dyn Output>, OutputError> {
    let (file, path) = create_free(path).map_err(|source| OutputError::File {
        path: path.to_owned(),
        source,
    })?;
    let shared = Arc::new(Shared {
        queue: SharedQueue::new(QueueLimits::RECORDING),
        listener: cx.listener,
        clock: cx.clock,
        path,
        figures: Mutex::new(Figures {
            state: OutputState::Live,
            written: 0,
            rate: RateMeter::default(),
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
        move || Ok::<_, OutputError>(Writer::new(init, file)),
        move |writer, stop| run.report(writer.run(stop)),
        move |how| exit.finish(how),
    )
    .map_err(|e| match e {
        StartError::Init(e) => e,
        StartError::Thread { source, .. } => OutputError::File {
            path: shared.path.clone(),
            source,
        },
        StartError::Panicked { .. } => OutputError::Internal,
    })?;
    (shared.listener)(OutputEvent::NeedKeyframe);
    Ok(Arc::new(FileOutput {
        shared,
        stop,
        stage,
    }))
}

fn create_free(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut candidate = path.to_owned();
    for number in 2..=MAX_NUMBER {
        let tried = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&candidate);
        match tried {
            Ok(file) => return Ok((file, candidate)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(" ({number})"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        candidate = path.with_file_name(name);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

struct Shared {
    queue: SharedQueue,
    listener: OutputListener,
    clock: MediaClock,
    path: PathBuf,
    figures: Mutex<Figures>,
    ended: Latch,
}

struct Figures {
    state: OutputState,
    written: u64,
    rate: RateMeter,
}

impl Shared {
    fn error(&self, source: io::Error) -> OutputError {
        OutputError::File {
            path: self.path.clone(),
            source,
        }
    }

    /// Tells the engine how the writing ended.
    fn report(&self, result: io::Result<()>) -> Result<(), String> {
        let Err(source) = result else {
            self.figures.lock().state = OutputState::Stopped;
            return Ok(());
        };
        Err(self.fail(self.error(source)))
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

/// The recording thread's own things.
struct Writer {
    shared: Arc<Shared>,
    file: FlvFile<File>,
    tagger: Tagger,
    tags: Vec<FlvTag>,
    told_slow: bool,
}

impl Writer {
    fn new(shared: Arc<Shared>, file: File) -> Self {
        Self {
            shared,
            file: FlvFile::new(file, Instant::now()),
            tagger: Tagger::new(0),
            tags: Vec::new(),
            told_slow: false,
        }
    }

    /// Writes until asked to stop or the disk refuses; the file is closed properly either way.
    fn run(mut self, stop: &StopFlag) -> io::Result<()> {
        let mut result = Ok(());
        while result.is_ok() && !stop.is_stopped() {
            let until_flush = self
                .file
                .flush_due()
                .saturating_duration_since(Instant::now());
            self.shared
                .queue
                .wait_pushed(until_flush, || stop.is_stopped());
            result = self.drain();
            if result.is_ok() && Instant::now() >= self.file.flush_due() {
                let flushed = self.file.flush(Instant::now());
                result = flushed.map(|bytes| self.count(bytes));
            }
        }
        if result.is_ok() {
            result = self.drain();
        }
        self.tagger.finish(&mut self.tags);
        if result.is_ok() {
            result = self.write_tags();
        }
        let closed = self.file.close(Instant::now());
        result.and(closed)
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.shared.queue.is_overflowed() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the disk took nothing for too long",
            ));
        }
        while let Some(packet) = self.shared.queue.pop() {
            self.tagger.push(packet, &mut self.tags);
            self.write_tags()?;
        }
        if !self.told_slow && self.shared.queue.level().counters.cuts > 0 {
            self.told_slow = true;
            (self.shared.listener)(OutputEvent::Degraded {
                error: OutputError::SlowDisk {
                    path: self.shared.path.clone(),
                },
            });
        }
        Ok(())
    }

    fn write_tags(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let mut sum = 0;
        for tag in self.tags.drain(..) {
            sum += self.file.append(&tag, now)?;
        }
        self.count(sum);
        Ok(())
    }

    fn count(&self, bytes: u64) {
        if bytes > 0 {
            let mut figures = self.shared.figures.lock();
            figures.written += bytes;
            figures.rate.add(Instant::now(), bytes);
        }
    }
}

/// The engine's hand on a recording.
struct FileOutput {
    shared: Arc<Shared>,
    stop: StopFlag,
    /// Dropping it asks the thread to stop.
    stage: StageHandle,
}

impl PacketSink for FileOutput {
    fn push(&self, packet: &EncodedPacket) {
        if self.shared.queue.push(packet) == Verdict::NeedKeyframe {
            (self.shared.listener)(OutputEvent::NeedKeyframe);
        }
    }
}

impl Output for FileOutput {
    fn stats(&self) -> OutputStats {
        let level = self.shared.queue.level();
        let mut figures = self.shared.figures.lock();
        OutputStats {
            target: self.shared.path.display().to_string(),
            state: figures.state.clone(),
            sent_bytes: figures.written,
            kbps: figures.rate.kbps(Instant::now()),
            queued_ms: u32::try_from(level.queued.as_millis()).unwrap_or(u32::MAX),
            queued_bytes: level.bytes as u64,
            dropped: level.counters.dropped,
            reconnects: 0,
            connect_ms: None,
            acked_bytes: 0,
        }
    }

    fn request_stop(&self) {
        self.stop.stop();
        self.shared.queue.wake();
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
