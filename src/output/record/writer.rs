//! The recording thread: packets out of the queue into one order of time, cut into files at keyframes, written to the
//! disk; pauses, splits and marks as they are asked for. Whatever the disk does, only this thread waits for it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::part::{Medium, Part};
use super::{Order, RecordConfig, RecordNews, Shared, free_bytes};
use crate::container::TrackSpec;
use crate::flv::interleave::Interleaver;
use crate::media::packet::{CodecParameters, EncodedPacket, Track};
use crate::media::time::{MediaTime, duration_nanos};
use crate::output::{OutputError, OutputEvent};
use crate::stage::StopFlag;

/// How often the room on the disk is looked at.
const LOOK_AT_SPACE: Duration = Duration::from_secs(2);
/// The user is warned when the disk is full in less than this at the present rate.
const WARN_BEFORE: Duration = Duration::from_secs(600);
/// How long the thread sleeps at most when nothing comes.
const IDLE: Duration = Duration::from_millis(500);

/// What the track with everything is called beside those of single inputs.
const MIX: &str = "Mix";

/// A disk: makes files and tells the room on it. Another one in tests.
pub(super) trait Disk: Send + 'static {
    type File: Medium;
    fn create(&mut self, config: &RecordConfig) -> io::Result<(Self::File, PathBuf)>;
    fn free(&self, path: &Path) -> Option<u64>;
}

/// The real one.
#[derive(Debug)]
pub(super) struct SystemDisk;

impl Disk for SystemDisk {
    type File = File;

    fn create(&mut self, config: &RecordConfig) -> io::Result<(File, PathBuf)> {
        config.place.create()
    }

    fn free(&self, path: &Path) -> Option<u64> {
        free_bytes(path)
    }
}

/// The recording thread's own things.
pub(super) struct Writer<D: Disk> {
    shared: Arc<Shared>,
    disk: D,
    config: RecordConfig,
    interleaver: Interleaver,
    /// Made at the start, so that a bad place is told at once; used by the first packet.
    ready: Option<(D::File, PathBuf)>,
    part: Option<Part<D::File>>,
    video: Option<Arc<CodecParameters>>,
    audio: Option<Arc<CodecParameters>>,
    /// Names of the inputs that have a track of their own, and what is known of their sound.
    inputs: Vec<(String, Option<Arc<CodecParameters>>)>,
    /// Media time that is zero in the file.
    origin: MediaTime,
    paused: bool,
    /// Nothing is written before the next keyframe: at the start, after a pause.
    await_key: bool,
    split_asked: bool,
    /// Bytes since the last keyframe, and in the longest such stretch.
    gop: (u64, u64),
    /// Media time and bytes in files that are closed.
    closed: (Duration, u64),
    look_at: Instant,
    /// Bytes as of the last look at the room.
    looked: Option<(Instant, u64)>,
    told_slow: bool,
    told_low: bool,
}

impl<D: Disk> Writer<D> {
    pub(super) fn new(
        shared: Arc<Shared>,
        disk: D,
        config: RecordConfig,
        ready: (D::File, PathBuf),
    ) -> Self {
        let inputs = config.inputs.iter().map(|name| (name.clone(), None));
        Self {
            inputs: inputs.collect(),
            shared,
            disk,
            config,
            interleaver: Interleaver::default(),
            ready: Some(ready),
            part: None,
            video: None,
            audio: None,
            origin: MediaTime::ZERO,
            paused: false,
            await_key: true,
            split_asked: false,
            gop: (0, 0),
            closed: (Duration::ZERO, 0),
            look_at: Instant::now(),
            looked: None,
            told_slow: false,
            told_low: false,
        }
    }

    /// Writes until asked to stop or the disk refuses; the file is closed properly either way.
    pub(super) fn run(mut self, stop: &StopFlag) -> Result<(), OutputError> {
        let mut result = Ok(());
        while result.is_ok() && !stop.is_stopped() {
            let due = self.part.as_ref().map(Part::flush_due);
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            let shared = Arc::clone(&self.shared);
            shared
                .queue
                .wait_pushed(wait, || stop.is_stopped() || shared.has_orders());
            self.obey();
            result = self
                .drain()
                .and_then(|()| self.flush_if_due())
                .and_then(|()| self.look_at_space());
        }
        if result.is_ok() {
            result = self.drain();
            while let Some(packet) = self.interleaver.flush() {
                result = result.and_then(|()| self.take(packet));
            }
        }
        let closed = self.close_part();
        if let Some((file, path)) = self.ready.take() {
            drop(file);
            std::fs::remove_file(path).ok(); // nothing came to record
        }
        result.and(closed)
    }

    fn obey(&mut self) {
        for order in self.shared.take_orders() {
            match order {
                Order::Pause => self.paused = true,
                Order::Resume if self.paused => {
                    self.paused = false;
                    self.await_key = true;
                    (self.shared.listener)(OutputEvent::NeedKeyframe);
                }
                Order::Resume => {}
                Order::Split => {
                    self.split_asked = self.part.is_some();
                    (self.shared.listener)(OutputEvent::NeedKeyframe);
                }
                Order::Mark(title) => self.mark(&title),
                Order::Inputs(names) => {
                    let known = self.inputs.iter().find_map(|(_, p)| p.clone());
                    let named = |name| (name, known.clone());
                    self.inputs = names.into_iter().map(named).collect();
                    // the file that was begun for others ends at the next keyframe
                    (self.shared.listener)(OutputEvent::NeedKeyframe);
                }
            }
        }
        self.shared.figures.lock().paused = self.paused;
    }

    fn mark(&mut self, title: &str) {
        if let Some(part) = &mut self.part {
            let mut figures = self.shared.figures.lock();
            figures.marks += 1;
            let numbered = format!("{}", figures.marks);
            part.mark(if title.is_empty() { &numbered } else { title });
        }
    }

    fn drain(&mut self) -> Result<(), OutputError> {
        if self.shared.queue.is_overflowed() {
            let stuck = io::Error::new(
                io::ErrorKind::TimedOut,
                "the disk took nothing for too long",
            );
            return Err(self.error(stuck));
        }
        while let Some(packet) = self.shared.queue.pop() {
            self.learn(&packet);
            self.interleaver.push(packet);
            while let Some(packet) = self.interleaver.pop() {
                self.take(packet)?;
            }
        }
        if !self.told_slow && self.shared.queue.level().counters.cuts > 0 {
            self.told_slow = true;
            (self.shared.listener)(OutputEvent::Degraded {
                error: OutputError::SlowDisk { path: self.path() },
            });
        }
        Ok(())
    }

    /// What sounds are like is known before the keyframe that begins a file leaves the interleaver.
    fn learn(&mut self, packet: &EncodedPacket) {
        let known = match packet.track {
            Track::Video => return,
            Track::Audio => &mut self.audio,
            Track::Input(n) => match self.inputs.get_mut(usize::from(n)) {
                Some((_, known)) => known,
                None => return,
            },
        };
        let before = known.replace(Arc::clone(&packet.parameters));
        if before.is_some_and(|b| !b.goes_on_with(&packet.parameters)) {
            // until then the sound is left out: a file for the new one begins there
            (self.shared.listener)(OutputEvent::NeedKeyframe);
        }
    }

    /// One packet, in order of decode time.
    fn take(&mut self, packet: EncodedPacket) -> Result<(), OutputError> {
        if self.paused {
            return Ok(());
        }
        let is_key = packet.track == Track::Video && packet.keyframe;
        if is_key {
            self.video = Some(Arc::clone(&packet.parameters));
        }
        if self.await_key {
            if !is_key {
                return Ok(());
            }
            self.await_key = false;
            // the time line goes on where it stopped
            let end = self.part.as_ref().map_or(Duration::ZERO, Part::end);
            self.origin = packet.dts.offset_nanos(-duration_nanos(end));
        }
        if is_key {
            self.gop = (0, self.gop.1.max(self.gop.0));
            if self.split_is_due() {
                self.close_part()?;
                self.origin = packet.dts;
            }
        }
        self.gop.0 += packet.data.len() as u64;
        if self.part.is_none() {
            self.begin_part()?;
        }
        if self.part.as_ref().is_some_and(|part| !part.takes(&packet)) {
            self.shared.figures.lock().left_out += 1;
            return Ok(());
        }
        let origin = self.origin.as_nanos();
        let moved = EncodedPacket {
            dts: packet.dts.offset_nanos(-origin),
            pts: packet.pts.offset_nanos(-origin),
            ..packet
        };
        let Some(part) = &mut self.part else {
            return Ok(());
        };
        match part.push(&moved) {
            Ok(bytes) => {
                self.count(bytes);
                Ok(())
            }
            Err(e) => Err(self.error(e)),
        }
    }

    fn tracks(&self) -> Vec<TrackSpec> {
        let plain = self.video.iter().chain(&self.audio).cloned();
        let mut tracks: Vec<_> = plain.map(TrackSpec::plain).collect();
        for (n, (name, known)) in (0..).zip(&self.inputs) {
            // one that was not heard yet is encoded as the mix is
            let known = known.clone().or_else(|| self.audio.clone());
            tracks.extend(known.map(|parameters| TrackSpec {
                track: Track::Input(n),
                parameters,
                name: name.clone(),
            }));
        }
        if !self.inputs.is_empty()
            && let Some(mix) = tracks.iter_mut().find(|t| t.track == Track::Audio)
        {
            MIX.clone_into(&mut mix.name);
        }
        tracks
    }

    /// Whether a new file has to begin with this keyframe.
    fn split_is_due(&mut self) -> bool {
        let Some(part) = &self.part else {
            return false;
        };
        let limits = &self.config.split;
        let long = limits.after.is_some_and(|limit| part.end() >= limit);
        // the next stretch may be as large as the largest so far, and somewhat larger
        let room = self.gop.1 + self.gop.1 / 4 + (1 << 16);
        let large = limits
            .bytes
            .is_some_and(|limit| part.bytes() + room >= limit);
        let changed = !self.config.format.takes_new_parameters() && !part.fits(&self.tracks());
        std::mem::take(&mut self.split_asked) || long || large || changed
    }

    fn begin_part(&mut self) -> Result<(), OutputError> {
        let made = match self.ready.take() {
            Some(made) => Ok(made),
            None => self.disk.create(&self.config),
        };
        let wanted = self.config.place.wanted();
        let failed = |path: PathBuf| move |source: io::Error| disk_error(path, source);
        let (file, path) = made.map_err(failed(wanted))?;
        let tracks = self.tracks();
        let begun = Part::begin(
            file,
            path.clone(),
            self.config.format,
            tracks,
            &self.config.title,
        );
        self.part = Some(begun.map_err(failed(path.clone()))?);
        {
            let mut figures = self.shared.figures.lock();
            figures.path.clone_from(&path);
            figures.parts += 1;
        }
        self.shared.news(RecordNews::Began { path });
        Ok(())
    }

    fn close_part(&mut self) -> Result<(), OutputError> {
        let Some(part) = self.part.take() else {
            return Ok(());
        };
        let (path, length) = (part.path().to_owned(), part.end());
        let bytes = part.close().map_err(|e| disk_error(path.clone(), e))?;
        self.closed.0 += length;
        self.count(bytes);
        self.shared.news(RecordNews::Closed { path });
        Ok(())
    }

    fn flush_if_due(&mut self) -> Result<(), OutputError> {
        let Some(part) = &mut self.part else {
            return Ok(());
        };
        if Instant::now() < part.flush_due() {
            return Ok(());
        }
        let flushed = part.flush();
        let bytes = flushed.map_err(|e| self.error(e))?;
        self.count(bytes);
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.closed.1 += bytes;
        let length = self.closed.0 + self.part.as_ref().map_or(Duration::ZERO, Part::end);
        let mut figures = self.shared.figures.lock();
        figures.written = self.closed.1;
        figures.length = length;
        if bytes > 0 {
            figures.rate.add(Instant::now(), bytes);
        }
    }

    /// Ends the recording while there is still room to close its file, and warns before that.
    fn look_at_space(&mut self) -> Result<(), OutputError> {
        let now = Instant::now();
        if now < self.look_at {
            return Ok(());
        }
        self.look_at = now + LOOK_AT_SPACE;
        let path = self.path();
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let Some(free) = self.disk.free(folder.unwrap_or(Path::new("."))) else {
            return Ok(());
        };
        let written = self.closed.1;
        let rate = self.looked.map_or(0.0, |(at, before)| {
            (written.saturating_sub(before)) as f64 / now.duration_since(at).as_secs_f64().max(0.1)
        });
        // over half a minute, so that one large fragment does not look like a flood
        if self
            .looked
            .is_none_or(|(at, _)| at.elapsed() > Duration::from_secs(30))
        {
            self.looked = Some((now, written));
        }
        let room = free.saturating_sub(self.config.keep_free);
        let left = (rate > 0.0).then(|| room as f64 / rate);
        {
            let mut figures = self.shared.figures.lock();
            figures.free = Some(free);
            if let Some(left) = left {
                figures.left = Duration::try_from_secs_f64(left).ok();
            }
        }
        if room == 0 && self.config.keep_free > 0 {
            return Err(OutputError::LowSpace {
                path,
                free_mb: free / 1_000_000,
            });
        }
        let soon = left.is_some_and(|left| left < WARN_BEFORE.as_secs_f64());
        if (soon || room < self.config.keep_free) && !self.told_low {
            self.told_low = true;
            let minutes = left.map(|left| Duration::from_secs_f64(left.min(1e9)).as_secs() / 60);
            self.shared.news(RecordNews::LowSpace { free, minutes });
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.shared.figures.lock().path.clone()
    }

    fn error(&self, source: io::Error) -> OutputError {
        disk_error(self.path(), source)
    }
}

/// What the disk said, in words.
pub(super) fn disk_error(path: PathBuf, source: io::Error) -> OutputError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match source.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => OutputError::DiskFull { path, source },
        _ => OutputError::File { path, source },
    }
}
