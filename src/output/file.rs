//! Recording: the same packets as the stream, into an FLV file, on a thread of its own. A slow disk costs pictures of
//! the recording only, a full one ends it; encoders and other outputs never notice.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::flv_file::{FlvFile, Medium};
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
    write_to(file, path, cx)
}

fn write_to<M: Medium + Send + 'static>(
    medium: M,
    path: PathBuf,
    cx: OutputContext,
) -> Result<Arc<dyn Output>, OutputError> {
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
        move || Ok::<_, OutputError>(Writer::new(init, medium)),
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

    /// `bytes` went to the system.
    fn count(&self, bytes: u64) {
        if bytes > 0 {
            let mut figures = self.figures.lock();
            figures.written += bytes;
            figures.rate.add(Instant::now(), bytes);
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
struct Writer<M: Medium> {
    shared: Arc<Shared>,
    file: FlvFile<M>,
    tagger: Tagger,
    tags: Vec<FlvTag>,
    told_slow: bool,
}

impl<M: Medium> Writer<M> {
    fn new(shared: Arc<Shared>, medium: M) -> Self {
        Self {
            shared,
            file: FlvFile::new(medium, Instant::now()),
            tagger: Tagger::new(0),
            tags: Vec::new(),
            told_slow: false,
        }
    }

    /// Writes until asked to stop or the disk refuses; the file is closed properly either way.
    fn run(mut self, stop: &StopFlag) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
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
                result = flushed.map(|bytes| shared.count(bytes));
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
        result.and(closed.map(|bytes| shared.count(bytes)))
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
        self.shared.count(sum);
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Seek, SeekFrom, Write};
    use std::time::Duration;

    use bytes::Bytes;
    use crossbeam_channel::{Receiver, Sender, bounded};

    use super::*;
    use crate::media::packet::{Bitrate, CodecParameters, DropClass, Track};
    use crate::media::time::{FrameRate, MediaTime};
    use crate::media::video::Resolution;
    use crate::output::tuning::TuningHandle;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A disk that does each write only when told to, and as it is told to.
    struct Disk {
        data: Cursor<Vec<u8>>,
        orders: Receiver<io::Result<()>>,
        begun: Sender<()>,
    }

    impl Write for Disk {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.begun.try_send(()).ok(); // full: nobody counts any more
            self.orders.recv().unwrap_or(Ok(()))?;
            self.data.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
            self.data.seek(pos)
        }
    }

    impl Medium for Disk {
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.data.get_mut().truncate(usize::try_from(len).unwrap());
            Ok(())
        }
    }

    struct Recording {
        output: Arc<dyn Output>,
        events: Receiver<OutputEvent>,
        orders: Sender<io::Result<()>>,
        begun: Receiver<()>,
        _runtime: tokio::runtime::Runtime,
    }

    fn record() -> Recording {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let (tell, events) = bounded(100);
        let (orders, given) = bounded(1);
        let (begin, begun) = bounded(100);
        let disk = Disk {
            data: Cursor::default(),
            orders: given,
            begun: begin,
        };
        let cx = OutputContext {
            clock: MediaClock::start(),
            runtime: runtime.handle().clone(),
            listener: Arc::new(move |event| drop(tell.try_send(event))),
            tuning: TuningHandle::default(),
        };
        Recording {
            output: write_to(disk, "show.flv".into(), cx).unwrap(),
            events,
            orders,
            begun,
            _runtime: runtime,
        }
    }

    /// 25 fps with a keyframe every second, without sound.
    fn pictures() -> impl Iterator<Item = EncodedPacket> {
        let parameters = Arc::new(CodecParameters::H264 {
            avcc: Bytes::from_static(&[1, 100, 0, 30]),
            resolution: Resolution::HD,
            rate: FrameRate::FPS_30,
            bitrate: Bitrate::from_kbps(1000),
        });
        (0_i64..).map(move |i| EncodedPacket {
            track: Track::Video,
            pts: MediaTime::from_millis(i * 40),
            dts: MediaTime::from_millis(i * 40),
            duration: Duration::from_millis(40),
            keyframe: i % 25 == 0,
            drop: if i % 25 == 0 {
                DropClass::Never
            } else {
                DropClass::Reference
            },
            data: Bytes::from_static(&[0; 100]),
            parameters: Arc::clone(&parameters),
            generation: 0,
        })
    }

    #[test]
    fn a_disk_that_pauses_costs_pictures_and_is_told_once() {
        let r = record();
        let mut pictures = pictures();
        pictures.by_ref().take(30).for_each(|p| r.output.push(&p));
        r.begun.recv_timeout(LIMIT).unwrap(); // stuck in the first write
        let started = Instant::now();
        pictures.by_ref().take(300).for_each(|p| r.output.push(&p));
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "push never waits"
        );
        let stats = r.output.stats();
        assert!(stats.dropped > 100 && stats.dropped < 220, "{stats:?}");
        drop(r.orders); // the disk is back
        pictures.take(30).for_each(|p| r.output.push(&p));
        assert!(r.output.join_until(Instant::now() + LIMIT));
        assert_eq!(r.output.stats().state, OutputState::Stopped);
        let told: Vec<_> = r.events.try_iter().collect();
        let slow = |e: &&OutputEvent| matches!(e, OutputEvent::Degraded { .. });
        assert_eq!(told.iter().filter(slow).count(), 1, "{told:?}");
    }

    #[test]
    fn a_full_disk_ends_the_recording_and_nothing_else() {
        let r = record();
        r.orders.send(Ok(())).unwrap();
        pictures().take(120).for_each(|p| r.output.push(&p));
        r.orders
            .send(Err(io::ErrorKind::StorageFull.into()))
            .unwrap();
        drop(r.orders);
        let failed = loop {
            if let OutputEvent::Failed { error } = r.events.recv_timeout(LIMIT).unwrap() {
                break error;
            }
        };
        let text = failed.full_text();
        assert!(text.contains("show.flv: no storage space"), "{text}");
        pictures().take(60).for_each(|p| r.output.push(&p));
        assert!(r.output.join_until(Instant::now() + LIMIT));
        assert_eq!(
            r.output.stats().state,
            OutputState::Failed { message: text }
        );
    }
}
