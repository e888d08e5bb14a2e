//! Reads a media file: compressed packets out of the best picture and sound stream, in laps when it loops. Runs on the
//! source's thread; a read that hangs is cut off by a watchdog.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ffmpeg_next::codec::packet::side_data::Type as SideData;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{self as ffmpeg, Packet, Rational, codec, format, media};

use super::rotate::Turn;
use crate::capture::SourceError;
use crate::media::video::Resolution;

/// The two streams that are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Video = 0,
    Audio = 1,
}

/// What is known about a stream before anything is decoded.
pub(super) struct Stream {
    index: usize,
    pub(super) time_base: Rational,
    pub(super) parameters: codec::Parameters,
    pub(super) frame_rate: Rational,
    /// One picture for the whole file (the cover of a song).
    pub(super) still: bool,
    /// How its pictures are to be turned.
    pub(super) turn: Turn,
    /// Its transparency lies beside its pictures (WebM), where only some decoders look.
    pub(super) alpha: bool,
}

impl Stream {
    fn of(stream: &format::stream::Stream<'_>) -> Self {
        let matrix = stream
            .side_data()
            .find(|d| d.kind() == SideData::DisplayMatrix);
        Self {
            index: stream.index(),
            time_base: stream.time_base(),
            parameters: stream.parameters(),
            frame_rate: stream.avg_frame_rate(),
            still: stream.disposition().contains(Disposition::ATTACHED_PIC),
            turn: matrix.map_or(Turn::None, |d| Turn::of_matrix(d.data())),
            alpha: stream.metadata().get("alpha_mode") == Some("1"),
        }
    }

    /// Picture size as the file tells it.
    #[expect(unsafe_code, reason = "ffmpeg-next has no accessor for the size")]
    pub(super) fn resolution(&self) -> Option<Resolution> {
        // SAFETY: plain integer fields of parameters that `self` keeps alive
        let (width, height) = unsafe {
            let raw = &*self.parameters.as_ptr();
            (raw.width, raw.height)
        };
        let side = |v: i32| u32::try_from(v).ok().filter(|v| *v > 0);
        Some(Resolution::new(side(width)?, side(height)?))
    }
}

/// What comes next in one stream.
pub(super) enum Fetch {
    /// Bytes for the decoder.
    Packet(Packet),
    /// The file begins again: drain the decoder; what follows is this much later than its own time stamps say.
    Lap { offset_ns: i64 },
    /// Nothing at the moment.
    Later,
    /// Nothing any more.
    End,
}

enum Entry {
    Packet(Packet),
    Lap { offset_ns: i64 },
}

/// A file being read.
pub(super) struct Demuxer {
    what: String,
    path: PathBuf,
    input: Input,
    watchdog: Watchdog,
    streams: [Option<Stream>; 2],
    queues: [VecDeque<Entry>; 2],
    queued_bytes: [usize; 2],
    /// All tracks of each kind, in words.
    names: [Vec<String>; 2],
    /// As the file says; 0 when it does not.
    length_ns: i64,
    looped: bool,
    /// Where the file's own time line begins.
    start_ns: i64,
    offset_ns: i64,
    /// The same of the lap before.
    before_ns: i64,
    end_ns: i64,
    over: bool,
    /// What the user should know of the file.
    trouble: Option<String>,
    /// That was said.
    troubled: bool,
    /// Reads in a row that failed.
    bad: u32,
}

impl Demuxer {
    /// A read may take this long (a disk that spins up takes seconds).
    const READ_LIMIT: Duration = Duration::from_secs(8);
    /// As far as keyframes of broadcast formats are usually apart, in microseconds.
    const KEYFRAMES_APART_US: i64 = 6_000_000;
    /// Compressed bytes of one stream that may wait for the other one's next packet. Files are interleaved within a
    /// second or so; this is far more, and keeps a malformed one from filling the memory.
    const QUEUE_LIMIT: usize = 32 << 20;
    /// A lap shorter than this is a still picture: it is held, not read again and again.
    const SHORTEST_LAP_NS: i64 = 100_000_000;
    /// A file that ends this much before it says is cut off.
    const MISSING_NS: i64 = 2_000_000_000;
    /// Failed reads in a row after which the rest of the file is given up.
    const MOST_BAD: u32 = 50;

    /// `tracks`: which of the picture and of the sound streams, from 0; the best when absent or not there.
    pub(super) fn open(
        path: &Path,
        looped: bool,
        tracks: [Option<usize>; 2],
    ) -> Result<Self, SourceError> {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let what = format!("the file {}", name.to_string_lossy());
        check_path(path, &what)?;
        ffmpeg::init().map_err(|e| SourceError::Failed {
            what: "starting FFmpeg".to_owned(),
            source: Box::new(e),
        })?;
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let watchdog = Watchdog::default();
        let input = open_input(path, &what, &watchdog)?;
        let kinds = [media::Type::Video, media::Type::Audio];
        let [picture, sound] = tracks;
        let streams = [(kinds[0], picture), (kinds[1], sound)].map(|(kind, chosen)| {
            let nth = chosen.and_then(|n| all_of(&input, kind).nth(n));
            let stream = nth.or_else(|| input.streams().best(kind))?;
            Some(Stream::of(&stream))
        });
        let names = kinds.map(|kind| all_of(&input, kind).map(|s| name_of(&s)).collect());
        if streams.iter().all(Option::is_none) {
            return Err(SourceError::Unsupported {
                what,
                reason: "it has neither picture nor sound; choose a video or sound file".to_owned(),
            });
        }
        Ok(Self {
            start_ns: start_ns(&input),
            length_ns: input.duration().max(0).saturating_mul(1000),
            names,
            what,
            path: path.to_owned(),
            input,
            watchdog,
            streams,
            queues: [VecDeque::new(), VecDeque::new()],
            queued_bytes: [0; 2],
            looped,
            offset_ns: 0,
            before_ns: 0,
            end_ns: 0,
            over: false,
            trouble: None,
            troubled: false,
            bad: 0,
        })
    }

    /// The file, in words.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn stream(&self, kind: Kind) -> Option<&Stream> {
        self.streams[kind as usize].as_ref()
    }

    /// Stops reading a stream that cannot be used.
    pub(super) fn leave_out(&mut self, kind: Kind) {
        self.streams[kind as usize] = None;
        self.queues[kind as usize].clear();
    }

    /// All of it has been read.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// Where the last packet read so far ends, in nanoseconds after the beginning of the first lap.
    pub(super) const fn end_ns(&self) -> i64 {
        self.end_ns
    }

    /// Length of the file as it says itself, in nanoseconds; 0 when it does not.
    pub(super) const fn length_ns(&self) -> i64 {
        self.length_ns
    }

    /// The file's own time of what is at `at_ns` on the time line of all laps.
    pub(super) const fn in_lap(&self, at_ns: i64) -> i64 {
        if at_ns >= self.offset_ns {
            at_ns - self.offset_ns
        } else {
            at_ns - self.before_ns
        }
    }

    /// All tracks of a kind, in words.
    pub(super) fn names(&self, kind: Kind) -> &[String] {
        &self.names[kind as usize]
    }

    /// Begins again at the end, or not.
    pub(super) const fn set_looped(&mut self, looped: bool) {
        self.looped = looped;
    }

    /// What the user should know of the file, once.
    pub(super) const fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Something in the file is broken.
    pub(super) fn is_damaged(&mut self, how: &str) {
        if !std::mem::replace(&mut self.troubled, true) {
            let what = &self.what;
            self.trouble = Some(format!("{what} is damaged or cut off: {how}"));
        }
    }

    /// Reads on from here (nanoseconds after the beginning of the file), or a little before; what was read is forgotten,
    /// and time stamps are those of the file again. False when the file cannot be searched.
    pub(super) fn seek(&mut self, to_ns: i64) -> bool {
        let us = self.start_ns.saturating_add(to_ns) / 1000;
        // where a search may end behind the keyframe it wants, it begins as much earlier as keyframes are apart
        let us = if seeks_exactly(&self.input) {
            us
        } else {
            us.saturating_sub(Self::KEYFRAMES_APART_US)
        };
        self.watchdog.allow(Self::READ_LIMIT);
        let found = us > self.start_ns / 1000 && self.input.seek(us, ..us).is_ok();
        if !found && !self.rewind() {
            return false;
        }
        self.queues.iter_mut().for_each(VecDeque::clear);
        self.queued_bytes = [0; 2];
        (self.offset_ns, self.before_ns) = (0, 0);
        self.end_ns = to_ns;
        self.over = false;
        self.bad = 0;
        true
    }

    /// A still picture that is to be shown for ever.
    pub(super) const fn holds(&self) -> bool {
        self.looped && self.over
    }

    /// A time stamp of `kind`'s stream in nanoseconds after the beginning of the file.
    pub(super) fn nanos(&self, kind: Kind, stamp: i64) -> i64 {
        self.stream(kind).map_or(0, |s| {
            rescale(stamp, s.time_base).saturating_sub(self.start_ns)
        })
    }

    /// The next packet of one stream; reads on until there is one.
    pub(super) fn fetch(&mut self, kind: Kind) -> Result<Fetch, SourceError> {
        let (this, other) = (kind as usize, 1 - kind as usize);
        loop {
            match self.queues[this].pop_front() {
                Some(Entry::Packet(packet)) => {
                    self.queued_bytes[this] -= packet.size();
                    return Ok(Fetch::Packet(packet));
                }
                Some(Entry::Lap { offset_ns }) => return Ok(Fetch::Lap { offset_ns }),
                None if self.over => return Ok(Fetch::End),
                None if self.queued_bytes[other] > Self::QUEUE_LIMIT => return Ok(Fetch::Later),
                None => {}
            }
            if !self.read()? {
                return Ok(Fetch::Later);
            }
        }
    }

    /// Reads one packet into its queue; false when there is none at the moment.
    fn read(&mut self) -> Result<bool, SourceError> {
        let mut packet = Packet::empty();
        self.watchdog.allow(Self::READ_LIMIT);
        match packet.read(&mut self.input) {
            Ok(()) => {
                self.bad = 0;
                self.sort_in(packet);
                Ok(true)
            }
            Err(ffmpeg::Error::Eof) => {
                self.end_lap();
                Ok(true)
            }
            Err(ffmpeg::Error::Exit) => Err(SourceError::Stalled {
                what: self.what.clone(),
                seconds: Self::READ_LIMIT.as_secs(),
            }),
            Err(ffmpeg::Error::Other {
                errno: ffmpeg::error::EAGAIN,
            }) => Ok(false),
            Err(ffmpeg::Error::Other {
                errno: ffmpeg::error::EIO | ffmpeg::error::ENODEV,
            }) => Err(SourceError::Lost {
                what: self.what.clone(),
            }),
            Err(error) => {
                self.bad += 1;
                if self.bad > Self::MOST_BAD {
                    tracing::warn!(file = %self.what, %error, "the rest of the file cannot be read");
                    self.is_damaged("the rest of it cannot be read");
                    self.end_lap();
                }
                Ok(true)
            }
        }
    }

    fn sort_in(&mut self, packet: Packet) {
        let at = |s: &Option<Stream>| s.as_ref().is_some_and(|s| s.index == packet.stream());
        let Some(queue) = self.streams.iter().position(at) else {
            return;
        };
        let Some(stream) = &self.streams[queue] else {
            return;
        };
        if let Some(stamp) = packet.pts().or_else(|| packet.dts()) {
            let mut duration = rescale(packet.duration(), stream.time_base);
            if duration == 0 && !stream.still && stream.frame_rate.numerator() > 0 {
                duration = rescale(1, stream.frame_rate.invert());
            }
            let begin = rescale(stamp, stream.time_base) - self.start_ns + self.offset_ns;
            self.end_ns = self.end_ns.max(begin.saturating_add(duration));
        }
        self.queued_bytes[queue] += packet.size();
        self.queues[queue].push_back(Entry::Packet(packet));
    }

    /// Begins anew when the file loops.
    fn end_lap(&mut self) {
        self.bad = 0;
        let length = self.end_ns - self.offset_ns;
        if self.length_ns - length > Self::MISSING_NS {
            let seconds = |ns: i64| ns / 1_000_000_000;
            let (there, whole) = (seconds(length), seconds(self.length_ns));
            self.is_damaged(&format!("{there} of {whole} s are there, and are played"));
        }
        if !self.looped || length < Self::SHORTEST_LAP_NS || !self.rewind() {
            self.over = true;
            return;
        }
        self.before_ns = std::mem::replace(&mut self.offset_ns, self.end_ns);
        for (queue, stream) in self.queues.iter_mut().zip(&self.streams) {
            if stream.as_ref().is_some_and(|s| !s.still) {
                queue.push_back(Entry::Lap {
                    offset_ns: self.offset_ns,
                });
            }
        }
    }

    fn rewind(&mut self) -> bool {
        let start_us = self.start_ns / 1000;
        self.watchdog.allow(Self::READ_LIMIT);
        if seeks_exactly(&self.input) && self.input.seek(start_us, ..start_us).is_ok() {
            return true;
        }
        match open_input(&self.path, &self.what, &self.watchdog) {
            Ok(input) => {
                self.input = input;
                true
            }
            Err(error) => {
                tracing::warn!(file = %self.what, %error, "the file cannot be played again");
                self.looped = false;
                false
            }
        }
    }
}

/// All streams of a kind, in the order of the file.
fn all_of(input: &Input, kind: media::Type) -> impl Iterator<Item = format::stream::Stream<'_>> {
    input
        .streams()
        .filter(move |s| s.parameters().medium() == kind)
}

/// Number, language and title of a track.
fn name_of(stream: &format::stream::Stream<'_>) -> String {
    let tags = stream.metadata();
    let tags = ["language", "title"].map(|key| tags.get(key).map(str::to_owned));
    let codec = format!("{:?}", stream.parameters().id()).to_lowercase();
    let words: Vec<String> = std::iter::once(codec)
        .chain(tags.into_iter().flatten().filter(|word| word != "und"))
        .collect();
    words.join(", ")
}

/// Nanoseconds of `stamp` ticks of `base` seconds.
fn rescale(stamp: i64, base: Rational) -> i64 {
    let ns = i128::from(stamp) * i128::from(base.numerator()) * 1_000_000_000
        / i128::from(base.denominator().max(1));
    i64::try_from(ns).unwrap_or(0)
}

/// Numbered pictures, as FFmpeg names them: `frame%04d.png`.
fn is_sequence(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let numbered = name.split_once('%').is_some_and(|(_, rest)| {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.starts_with('d')
    });
    numbered && !path.exists()
}

/// Refuses what FFmpeg would report in its own words, or wait for.
fn check_path(path: &Path, what: &str) -> Result<(), SourceError> {
    let what = || what.to_owned();
    let unsupported = |reason: &str| SourceError::Unsupported {
        what: what(),
        reason: reason.to_owned(),
    };
    if path.as_os_str().is_empty() {
        return Err(unsupported(
            "no file is chosen; choose a video or sound file",
        ));
    }
    if is_sequence(path) {
        return Ok(()); // FFmpeg looks for its files
    }
    let meta = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            SourceError::NotFound { what: what() }
        }
        std::io::ErrorKind::PermissionDenied => SourceError::Denied { what: what() },
        _ => SourceError::Failed {
            what: format!("looking at {}", what()),
            source: Box::new(e),
        },
    })?;
    if meta.is_dir() {
        return Err(unsupported("it is a folder; choose a video or sound file"));
    }
    if !meta.is_file() {
        return Err(unsupported(
            "it is a device or a pipe; choose a video or sound file",
        ));
    }
    if meta.len() == 0 {
        return Err(unsupported("it is empty"));
    }
    // ffmpeg-next takes paths as C strings in UTF-8 and panics on others
    if path.to_str().is_none_or(|p| p.contains('\0')) {
        return Err(unsupported("its path is not valid Unicode; rename it"));
    }
    Ok(())
}

fn open_input(path: &Path, what: &str, watchdog: &Watchdog) -> Result<Input, SourceError> {
    // "file:" keeps a colon in the name from being read as a protocol
    let mut url = OsString::from("file:");
    url.push(path);
    watchdog.allow(Demuxer::READ_LIMIT);
    format::input_with_interrupt(Path::new(&url), watchdog.callback()).map_err(|e| match e {
        ffmpeg::Error::Exit => SourceError::Stalled {
            what: what.to_owned(),
            seconds: Demuxer::READ_LIMIT.as_secs(),
        },
        ffmpeg::Error::Other {
            errno: ffmpeg::error::EACCES,
        } => SourceError::Denied {
            what: what.to_owned(),
        },
        ffmpeg::Error::InvalidData | ffmpeg::Error::Eof => SourceError::Unsupported {
            what: what.to_owned(),
            reason: "it is not a media file that FFmpeg can read, or it is damaged; choose another"
                .to_owned(),
        },
        other => SourceError::Failed {
            what: format!("opening {what}"),
            source: Box::new(other),
        },
    })
}

/// Formats of broadcast (MPEG-TS, MPEG-PS, Ogg) search by time stamps and may miss the first keyframe: these are opened
/// again instead.
#[expect(unsafe_code, reason = "ffmpeg-next has no accessor for the flags")]
fn seeks_exactly(input: &Input) -> bool {
    // SAFETY: an opened input has its format, a static table entry
    let flags = unsafe { (*(*input.as_ptr()).iformat).flags };
    flags & ffmpeg::ffi::AVFMT_TS_DISCONT == 0
}

#[expect(unsafe_code, reason = "ffmpeg-next has no accessor for start_time")]
fn start_ns(input: &Input) -> i64 {
    // SAFETY: a plain integer field of a context that `input` keeps alive
    let us = unsafe { (*input.as_ptr()).start_time };
    if us == ffmpeg::ffi::AV_NOPTS_VALUE {
        0
    } else {
        us.saturating_mul(1000)
    }
}

/// Cuts off calls into FFmpeg that take too long.
#[derive(Clone)]
struct Watchdog {
    since: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            until_ms: Arc::default(),
        }
    }
}

impl Watchdog {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The next call may take this long.
    fn allow(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.until_ms
            .store(self.now_ms().saturating_add(ms), Ordering::Relaxed);
    }

    /// Asked by FFmpeg between its own reads, on the thread that called it.
    fn callback(&self) -> impl FnMut() -> bool + Send + 'static {
        let dog = self.clone();
        move || dog.now_ms() > dog.until_ms.load(Ordering::Relaxed)
    }
}
