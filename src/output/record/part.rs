//! One file of a recording: packets in, whole fragments on the disk out. At each moment what is in the file plays; a
//! failed write is undone to the last whole fragment. On the recording thread.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use super::sidecar::Sidecar;
use crate::container::{self, Bytes, Container, Format, TrackSpec};
use crate::media::packet::{CodecParameters, EncodedPacket, Track};
use crate::stage::{StopFlag, spawn};

/// A fragment is at most this long: with the time a packet takes from its picture to here, less than a second is lost
/// when the program is killed.
const FRAGMENT: Duration = Duration::from_millis(250);
/// How often the disk is asked to keep what it has: what power loss costs at most, on a disk that is quick.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Where bytes go: a file, or in tests something that fails.
pub(super) trait Medium: Write + Seek + Send {
    /// Cuts the file off at `len`.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
    /// The same file for another thread, which asks the disk to keep what was written.
    fn second(&self) -> io::Result<Option<File>> {
        Ok(None)
    }
}

impl Medium for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn second(&self) -> io::Result<Option<File>> {
        self.try_clone().map(Some)
    }
}

/// Begins a thread that has the disk keep the file each time it is told to: that may take as long as the disk likes, and
/// no fragment should wait for it. The recording thread tells it (bound 1; when full the disk is busy keeping already);
/// it ends when the sender is dropped, after a last time.
fn keeper(file: File) -> Option<Sender<()>> {
    let (tell, told) = bounded(1);
    let keep = move |(), _: &StopFlag| {
        while told.recv().is_ok() {
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "the disk does not keep the recording");
            }
        }
        Ok(())
    };
    let ready = || Ok::<_, Infallible>(());
    match spawn("rec-sync", &StopFlag::new(), ready, keep, |_| {}) {
        Ok(_) => Some(tell),
        Err(error) => {
            tracing::warn!(%error, "a power cut may cost more than a second");
            None
        }
    }
}

/// A file being written.
pub(super) struct Part<M: Medium> {
    medium: M,
    path: PathBuf,
    container: Box<dyn Container>,
    format: Format,
    tracks: Vec<TrackSpec>,
    out: Bytes,
    sidecar: Option<Sidecar>,
    /// Bytes of whole fragments in the file.
    written: u64,
    /// A write failed: what stands behind `written` is half a fragment.
    torn: bool,
    /// Time of the newest packet's end, from the file's beginning.
    end: Duration,
    /// `end` as of the last flush.
    flushed: Duration,
    flushed_at: Instant,
    keeper: Option<Sender<()>>,
    kept_at: Instant,
    pictures: u64,
}

impl<M: Medium> Part<M> {
    pub(super) fn begin(
        medium: M,
        path: PathBuf,
        format: Format,
        tracks: Vec<TrackSpec>,
        title: &str,
    ) -> io::Result<Self> {
        let container = container::open(format, &tracks, title).map_err(wrong)?;
        let sidecar = Sidecar::create(&path).map_err(|error| {
            tracing::warn!(%error, "no marker beside the recording: an interruption will not be noticed");
        });
        let second = medium.second().unwrap_or_else(|error| {
            tracing::warn!(%error, "a power cut may cost more than a second");
            None
        });
        let now = Instant::now();
        Ok(Self {
            medium,
            path,
            container,
            format,
            tracks,
            out: Bytes::default(),
            sidecar: sidecar.ok(),
            written: 0,
            torn: false,
            end: Duration::ZERO,
            flushed: Duration::ZERO,
            flushed_at: now,
            keeper: second.and_then(keeper),
            kept_at: now,
            pictures: 0,
        })
    }

    /// Takes a packet whose times count from the file's beginning. Returns the bytes that reached the system.
    pub(super) fn push(&mut self, packet: &EncodedPacket) -> io::Result<u64> {
        let is_picture = packet.track == Track::Video;
        let at = since_zero(packet);
        let due = at.saturating_sub(self.flushed) >= FRAGMENT;
        // a fragment begins with each keyframe: players jump there
        let bytes = if due || is_picture && packet.keyframe && self.pictures > 0 {
            self.flush()?
        } else {
            0
        };
        self.container.push(packet, &mut self.out).map_err(wrong)?;
        self.end = self.end.max(at + packet.duration);
        self.pictures += u64::from(is_picture);
        Ok(bytes)
    }

    /// When [`Self::flush`] is due at the latest.
    pub(super) fn flush_due(&self) -> Instant {
        self.flushed_at + FRAGMENT
    }

    /// Hands everything to the system: from then on it survives the end of this process, and after the next
    /// [`SYNC_EVERY`] that of the system. Returns the bytes.
    pub(super) fn flush(&mut self) -> io::Result<u64> {
        self.flushed_at = Instant::now();
        self.flushed = self.end;
        self.container.flush(&mut self.out).map_err(wrong)?;
        let bytes = self.write()?;
        if self.kept_at.elapsed() >= SYNC_EVERY {
            self.kept_at = Instant::now();
            self.keep();
        }
        Ok(bytes)
    }

    fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.try_send(()).ok(); // full: it is at it
        }
    }

    fn write(&mut self) -> io::Result<u64> {
        let bytes = self.out.tail.len() as u64;
        if bytes > 0 {
            self.medium.write_all(&self.out.tail).inspect_err(|_| {
                self.torn = true;
            })?;
            self.out.tail.clear();
            self.written += bytes;
        }
        if !self.out.patches.is_empty() {
            for (at, bytes) in self.out.patches.drain(..) {
                self.medium.seek(SeekFrom::Start(at))?;
                self.medium.write_all(&bytes)?;
            }
            self.medium.seek(SeekFrom::End(0))?;
        }
        Ok(bytes)
    }

    /// Notes a mark at the newest packet.
    pub(super) fn mark(&mut self, title: &str) {
        let at = self.end;
        if let Some(sidecar) = &mut self.sidecar
            && let Err(error) = sidecar.mark(at, title)
        {
            tracing::warn!(%error, "a mark is not kept beside the recording");
        }
    }

    /// Ends the file. After a failed write it keeps the whole fragments before it. Returns the bytes that were left.
    pub(super) fn close(mut self) -> io::Result<u64> {
        let result = if self.torn {
            Ok(0)
        } else {
            let marks = self.sidecar.as_ref().map_or(&[][..], Sidecar::marks);
            let finished = self.container.finish(marks, &mut self.out);
            finished.map_err(wrong).and_then(|()| self.write())
        };
        if self.torn {
            self.medium.truncate(self.written)?;
        }
        self.keep();
        if self.written == 0 {
            // nothing was recorded: no file rather than an empty one
            std::fs::remove_file(&self.path).ok();
        }
        let kept =
            self.format.holds_chapters() && result.is_ok() && !self.torn || self.written == 0;
        if let Some(sidecar) = self.sidecar.take()
            && let Err(error) = sidecar.finish(kept)
        {
            tracing::warn!(%error, "the marker beside the recording could not be removed");
        }
        result
    }

    /// Whether players can decode the packet in this file. Sound at another rate or with other channels they cannot.
    pub(super) fn takes(&self, packet: &EncodedPacket) -> bool {
        let spec = self.tracks.iter().find(|t| t.track == packet.track);
        spec.is_none_or(|spec| {
            self.format.takes_new_parameters() || goes_on(&spec.parameters, &packet.parameters)
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Media time in it.
    pub(super) const fn end(&self) -> Duration {
        self.end
    }

    /// Bytes in it, and those that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.written + self.out.tail.len() as u64
    }

    /// Whether such tracks can go on in this file: another preset or bitrate can, another size or codec cannot.
    pub(super) fn fits(&self, tracks: &[TrackSpec]) -> bool {
        let same = |(a, b): (&TrackSpec, &TrackSpec)| {
            (a.track, &a.name) == (b.track, &b.name) && goes_on(&a.parameters, &b.parameters)
        };
        self.tracks.len() == tracks.len() && self.tracks.iter().zip(tracks).all(same)
    }
}

fn goes_on(a: &Arc<CodecParameters>, b: &Arc<CodecParameters>) -> bool {
    Arc::ptr_eq(a, b) || a.goes_on_with(b)
}

/// Decode time of a packet that counts from the file's beginning.
fn since_zero(packet: &EncodedPacket) -> Duration {
    Duration::from_nanos(u64::try_from(packet.dts.as_nanos()).unwrap_or(0))
}

fn wrong(error: container::ContainerError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
