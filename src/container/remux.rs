//! A recording into a plain MP4 that every player and editor opens at once: the packets are copied, nothing is encoded.
//! Runs on whichever thread asks, for as long as the disk takes; can be called off at any packet. The source stays as it
//! is, and the result appears under its name only when it is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ffmpeg_next::format::context::{Input, Output};
use ffmpeg_next::{Dictionary, Packet, Rational, codec, encoder, format, media};

use super::{Chapter, ContainerError};

/// Errors in a row after which a damaged file counts as ended.
const MOST_ERRORS: u32 = 32;

/// Why there is no MP4.
#[derive(Debug, thiserror::Error)]
pub enum RemuxError {
    /// It cannot be read.
    #[error("{} cannot be read as a recording", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// FFmpeg's reason.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// Nothing in it can be shown.
    #[error("{} has no picture or sound in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The result cannot be written.
    #[error("{} cannot be written: is there room on the disk?", path.display())]
    Target {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// It would not fit on the disk; nothing was begun.
    #[error(
        "it needs {needed_mb} MB and {free_mb} MB are free: make room, then make it again from the recording, which plays \
         as it is"
    )]
    NoRoom {
        /// Millions of bytes.
        needed_mb: u64,
        /// Millions of bytes.
        free_mb: u64,
    },
    /// The result cannot be muxed.
    #[error("no MP4 was made, the recording is as it was")]
    Mux(#[from] ContainerError),
    /// There is a file of this name.
    #[error("{} exists already: give another name, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// As asked.
    #[error("called off; the recording is as it was")]
    Cancelled,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remuxed {
    /// Packets copied.
    pub packets: u64,
    /// Packets left out because the file is torn there.
    pub damaged: u64,
}

/// Copies `from` into a plain MP4 at `to`, which must not exist. `chapters` are added to those that are in it.
/// `progress` is told the part done, from 0 to 1, at most a few hundred times; when it returns false, the work is called
/// off and nothing of it is left.
///
/// # Errors
///
/// See [`RemuxError`]; `from` is never changed.
pub fn to_mp4(
    from: &Path,
    to: &Path,
    chapters: &[Chapter],
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<Remuxed, RemuxError> {
    if to.exists() {
        return Err(RemuxError::Exists {
            path: to.to_owned(),
        });
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = to.with_file_name(name);
    let made = copy(from, &part, chapters, progress).and_then(|made| {
        publish(&part, to).map_err(|source| RemuxError::Target {
            path: to.to_owned(),
            source,
        })?;
        Ok(made)
    });
    if made.is_err() {
        std::fs::remove_file(&part).ok(); // it may not have been made
    }
    made
}

/// Gives the finished file its name, unless there is one meanwhile.
fn publish(part: &Path, to: &Path) -> std::io::Result<()> {
    // for writing: Windows flushes no file that was opened for reading
    let file = std::fs::OpenOptions::new().write(true).open(part)?;
    file.sync_all()?;
    match std::fs::hard_link(part, to) {
        Ok(()) => std::fs::remove_file(part),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Err(e),
        // a file system without links: the name was free a moment ago
        Err(_) => std::fs::rename(part, to),
    }
}

/// One track of the result.
struct Lane {
    index: usize,
    from_base: Rational,
    last: Option<i64>,
}

fn copy(
    from: &Path,
    part: &Path,
    chapters: &[Chapter],
    progress: &mut dyn FnMut(f32) -> bool,
) -> Result<Remuxed, RemuxError> {
    let unreadable = |source| RemuxError::Source {
        path: from.to_owned(),
        source,
    };
    let size = std::fs::metadata(from).map_or(0, |m| m.len());
    let mut input = format::input(from).map_err(unreadable)?;
    let mut output = format::output_as(part, "mp4").map_err(|e| RemuxError::Target {
        path: part.to_owned(),
        source: std::io::Error::other(e),
    })?;
    let mux = |what| move |source| ContainerError::Ffmpeg { what, source };
    let mut lanes = lanes(&input, &mut output).map_err(mux("describing the tracks"))?;
    if lanes.iter().all(Option::is_none) {
        return Err(RemuxError::Empty {
            path: from.to_owned(),
        });
    }
    add_chapters(&input, &mut output, chapters).map_err(mux("adding the chapters"))?;
    output.set_metadata(input.metadata().to_owned());
    output
        .write_header_with(Dictionary::new())
        .map_err(mux("beginning the MP4"))?;
    let mut made = Remuxed::default();
    let (mut errors, mut told) = (0, 0.0);
    let mut packet = Packet::empty();
    loop {
        match packet.read(&mut input) {
            Ok(()) => errors = 0,
            Err(ffmpeg_next::Error::Eof) => break,
            // the end of an interrupted recording may be torn in the middle of a packet
            Err(_) if made.packets > 0 => {
                errors += 1;
                made.damaged += 1; // so that the recording itself is kept
                if errors >= MOST_ERRORS {
                    break;
                }
                continue;
            }
            Err(e) => return Err(unreadable(e)),
        }
        let done =
            usize::try_from(packet.position()).map_or(0.0, |at| at as f32 / size.max(1) as f32);
        if done - told >= 0.005 {
            told = done;
        }
        if !progress(told.min(1.0)) {
            return Err(RemuxError::Cancelled);
        }
        let Some(Some(lane)) = lanes.get_mut(packet.stream()) else {
            continue;
        };
        if packet.is_corrupt() || packet.size() == 0 {
            made.damaged += 1;
            continue;
        }
        write(&mut packet, lane, &mut output).map_err(mux("copying a packet"))?;
        made.packets += 1;
    }
    output.write_trailer().map_err(mux("ending the MP4"))?;
    progress(1.0);
    Ok(made)
}

fn write(
    packet: &mut Packet,
    lane: &mut Lane,
    output: &mut Output,
) -> Result<(), ffmpeg_next::Error> {
    let to_base = output
        .stream(lane.index)
        .ok_or(ffmpeg_next::Error::StreamNotFound)?
        .time_base();
    packet.rescale_ts(lane.from_base, to_base);
    packet.set_stream(lane.index);
    packet.set_position(-1);
    // times of 1 ms become the same tick now and then: MP4 wants them to grow
    let least = lane.last.map_or(i64::MIN, |last| last + 1);
    let dts = packet
        .dts()
        .or(packet.pts())
        .unwrap_or(least.max(0))
        .max(least);
    packet.set_pts(Some(packet.pts().unwrap_or(dts).max(dts)));
    packet.set_dts(Some(dts));
    lane.last = Some(dts);
    packet.write_interleaved(output)
}

fn lanes(input: &Input, output: &mut Output) -> Result<Vec<Option<Lane>>, ffmpeg_next::Error> {
    let mut lanes = Vec::new();
    for stream in input.streams() {
        let kind = stream.parameters().medium();
        if !matches!(kind, media::Type::Video | media::Type::Audio) {
            lanes.push(None);
            continue;
        }
        let mut to = output.add_stream(encoder::find(codec::Id::None))?;
        to.set_parameters(stream.parameters());
        to.set_metadata(stream.metadata().to_owned()); // names of sounds
        // FFmpeg's own "hev1" is nothing that Apple's players know
        let tag = match stream.parameters().id() {
            codec::Id::HEVC => u32::from_le_bytes(*b"hvc1"),
            _ => 0,
        };
        #[expect(unsafe_code, reason = "ffmpeg-next has no setter")]
        // SAFETY: the parameters belong to the stream just made. A tag of the other container would be refused; 0 lets
        // the MP4 muxer choose.
        unsafe {
            (*to.parameters().as_mut_ptr()).codec_tag = tag;
            (*to.as_mut_ptr()).disposition = (*stream.as_ptr()).disposition;
        }
        lanes.push(Some(Lane {
            index: to.index(),
            from_base: stream.time_base(),
            last: None,
        }));
    }
    Ok(lanes)
}

/// Marks of the file itself and `more`, in order of time; each lasts until the next.
fn add_chapters(
    input: &Input,
    output: &mut Output,
    more: &[Chapter],
) -> Result<(), ffmpeg_next::Error> {
    let mut all: Vec<(i64, String)> = Vec::new();
    for chapter in input.chapters() {
        let base = chapter.time_base();
        let at = chapter.start() * 1000 * i64::from(base.numerator())
            / i64::from(base.denominator().max(1));
        let metadata = chapter.metadata();
        let title = metadata.get("title").unwrap_or_default();
        all.push((at, title.to_owned()));
    }
    for Chapter { at, title } in more {
        let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        all.push((at, title.clone()));
    }
    all.sort();
    all.dedup();
    let end = Duration::from_micros(u64::try_from(input.duration()).unwrap_or(0));
    let end = i64::try_from(end.as_millis()).unwrap_or(i64::MAX);
    for (i, (at, title)) in all.iter().enumerate() {
        let next = all.get(i + 1).map_or(end, |(next, _)| *next).max(*at + 1);
        let id = i64::try_from(i).unwrap_or(0);
        output.add_chapter(id, Rational(1, 1000), *at, next, title)?;
    }
    Ok(())
}
