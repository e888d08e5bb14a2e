//! An FLV file that can be played at any moment of its making: tags in, bytes on the disk out, whole tags only. Runs on
//! the recording thread.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use crate::flv::tag::{FlvTag, TagKind, file_header};

/// What is not yet written is at most this old.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// ... and at most this large.
const BUFFER: usize = 256 << 10;

/// Where the bytes go: a file, or in tests something that fails.
pub(super) trait Medium: Write + Seek {
    /// Cuts the file off at `len`.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Medium for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Writes tags. Buffers up to a second; a failed write is undone to the last whole tag by [`Self::close`].
#[derive(Debug)]
pub(super) struct FlvFile<M: Medium> {
    medium: M,
    buffer: Vec<u8>,
    /// Bytes safely in the file.
    written: u64,
    flushed_at: Instant,
    /// A write failed: what stands behind `written` is half a tag.
    torn: bool,
    duration_at: Option<u64>,
    size_at: Option<u64>,
    audio: TrackTime,
    video: TrackTime,
}

#[derive(Debug, Default, Clone, Copy)]
struct TrackTime {
    last_ms: u32,
    step_ms: u32,
}

impl TrackTime {
    fn add(&mut self, ms: u32) {
        if ms > self.last_ms {
            self.step_ms = ms - self.last_ms;
        }
        self.last_ms = ms;
    }

    /// When the last picture or sound ends, taken to be as long as the one before.
    const fn end_ms(self) -> u32 {
        self.last_ms + self.step_ms
    }
}

impl<M: Medium> FlvFile<M> {
    /// Begins a file with picture and sound.
    pub(super) fn new(medium: M, now: Instant) -> Self {
        let mut buffer = Vec::with_capacity(BUFFER * 2);
        buffer.extend_from_slice(&file_header(true, true));
        Self {
            medium,
            buffer,
            written: 0,
            flushed_at: now,
            torn: false,
            duration_at: None,
            size_at: None,
            audio: TrackTime::default(),
            video: TrackTime::default(),
        }
    }

    /// Appends a tag; writes when a keyframe is complete or the buffer is full. Returns the bytes that reached the
    /// system.
    pub(super) fn append(&mut self, tag: &FlvTag, now: Instant) -> io::Result<u64> {
        if tag.kind == TagKind::Script && self.duration_at.is_none() {
            let body_at = self.written + self.buffer.len() as u64 + 11;
            self.duration_at = number_offset(&tag.body, b"duration").map(|o| body_at + o);
            self.size_at = number_offset(&tag.body, b"filesize").map(|o| body_at + o);
        }
        tag.write(&mut self.buffer)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        match tag.kind {
            TagKind::Audio => self.audio.add(tag.timestamp_ms),
            TagKind::Video => self.video.add(tag.timestamp_ms),
            TagKind::Script => {}
        }
        if tag.keyframe || self.buffer.len() >= BUFFER {
            return self.flush(now);
        }
        Ok(0)
    }

    /// When [`Self::flush`] is due at the latest.
    pub(super) fn flush_due(&self) -> Instant {
        self.flushed_at + FLUSH_EVERY
    }

    /// Hands everything to the system: from then on it survives the end of this process.
    pub(super) fn flush(&mut self, now: Instant) -> io::Result<u64> {
        let bytes = self.buffer.len() as u64;
        self.flushed_at = now;
        if let Err(e) = self.medium.write_all(&self.buffer) {
            self.torn = true;
            return Err(e);
        }
        self.buffer.clear();
        self.written += bytes;
        Ok(bytes)
    }

    /// Ends the file: writes what is left, enters duration and size at its beginning. After a failed write it keeps
    /// the whole tags before it and ends the file there. Returns the bytes that were left.
    pub(super) fn close(mut self, now: Instant) -> io::Result<u64> {
        let flushed = if self.torn { Ok(0) } else { self.flush(now) };
        if self.torn {
            self.medium.truncate(self.written)?;
        }
        let seconds = f64::from(self.audio.end_ms().max(self.video.end_ms())) / 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        let size = self.written as f64;
        for (offset, value) in [(self.duration_at, seconds), (self.size_at, size)] {
            if let Some(at) = offset.filter(|at| at + 8 <= self.written) {
                self.medium.seek(SeekFrom::Start(at))?;
                self.medium.write_all(&value.to_be_bytes())?;
            }
        }
        self.medium.flush()?;
        flushed
    }
}

/// Where the value of the AMF0 number called `name` (any case) stands in a script body.
fn number_offset(body: &[u8], name: &[u8]) -> Option<u64> {
    const NUMBER: u8 = 0;
    let window = name.len() + 3;
    let at = body.windows(window).position(|w| {
        usize::from(u16::from_be_bytes([w[0], w[1]])) == name.len()
            && w[2..window - 1].eq_ignore_ascii_case(name)
            && w[window - 1] == NUMBER
    })?;
    (at + window + 8 <= body.len()).then_some((at + window) as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::Bytes;

    use super::*;

    /// A disk with room for `room` bytes.
    struct Disk {
        data: Cursor<Vec<u8>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let at = usize::try_from(self.data.position()).unwrap();
            let n = buf.len().min(self.room.saturating_sub(at));
            if n == 0 && !buf.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.data.write(&buf[..n])
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

    impl Medium for &mut Disk {
        fn truncate(&mut self, len: u64) -> io::Result<()> {
            self.data.get_mut().truncate(usize::try_from(len).unwrap());
            Ok(())
        }
    }

    fn tag(kind: TagKind, timestamp_ms: u32, keyframe: bool, body: &[u8]) -> FlvTag {
        FlvTag {
            kind,
            timestamp_ms,
            header: false,
            keyframe,
            body: Bytes::copy_from_slice(body),
        }
    }

    fn metadata() -> FlvTag {
        let mut body = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x02".to_vec();
        body.extend(b"\x00\x08duration\x00\0\0\0\0\0\0\0\0");
        body.extend(b"\x00\x08fileSize\x00\0\0\0\0\0\0\0\0\x00\x00\x09");
        tag(TagKind::Script, 0, false, &body)
    }

    /// Kinds, times and sizes of the tags; panics on a torn file.
    fn parse(mut file: &[u8]) -> Vec<(u8, u32, usize)> {
        assert_eq!(file[..13], file_header(true, true));
        file = &file[13..];
        let mut tags = Vec::new();
        while !file.is_empty() {
            let len = u32::from_be_bytes([0, file[1], file[2], file[3]]) as usize;
            let ms = u32::from_be_bytes([file[7], file[4], file[5], file[6]]);
            let total = u32::from_be_bytes(file[11 + len..15 + len].try_into().unwrap());
            assert_eq!(total as usize, len + 11);
            tags.push((file[0], ms, len));
            file = &file[15 + len..];
        }
        tags
    }

    fn write_some(disk: &mut Disk) -> (io::Result<()>, io::Result<()>) {
        let now = Instant::now();
        let mut file = FlvFile::new(disk, now);
        let mut result = Ok(0);
        file.append(&metadata(), now).unwrap();
        for i in 0..30 {
            let picture = tag(TagKind::Video, i * 40, i % 10 == 0, &[7; 100]);
            result = result.and_then(|_| file.append(&picture, now));
            let sound = tag(TagKind::Audio, i * 40 + 5, false, &[8; 10]);
            result = result.and_then(|_| file.append(&sound, now));
        }
        (result.map(|_| ()), file.close(now).map(|_| ()))
    }

    fn numbers(data: &[u8]) -> (f64, f64) {
        let value = |name: &[u8]| {
            let at = usize::try_from(number_offset(data, name).unwrap()).unwrap();
            f64::from_be_bytes(data[at..at + 8].try_into().unwrap())
        };
        (value(b"duration"), value(b"filesize"))
    }

    #[test]
    fn a_finished_file_knows_its_length() {
        let mut disk = Disk {
            data: Cursor::default(),
            room: usize::MAX,
        };
        let (wrote, closed) = write_some(&mut disk);
        assert!(wrote.is_ok() && closed.is_ok());
        let data = disk.data.into_inner();
        assert_eq!(parse(&data).len(), 61);
        assert_eq!(numbers(&data), (1.205, data.len() as f64));
    }

    #[test]
    fn keyframes_are_on_the_disk_at_once() {
        let mut disk = Disk {
            data: Cursor::default(),
            room: usize::MAX,
        };
        let now = Instant::now();
        let mut file = FlvFile::new(&mut disk, now);
        assert_eq!(file.append(&metadata(), now).unwrap(), 0);
        let key = tag(TagKind::Video, 0, true, &[1; 50]);
        assert!(file.append(&key, now).unwrap() > 50);
        assert_eq!(file.flush_due(), now + FLUSH_EVERY);
        let later = now + Duration::from_secs(3);
        let next = tag(TagKind::Video, 40, false, &[1; 50]);
        assert_eq!(file.append(&next, later).unwrap(), 0);
        drop(file); // as if killed
        assert_eq!(parse(disk.data.get_ref()).len(), 2);
    }

    #[test]
    fn a_full_disk_leaves_a_whole_file() {
        for room in [800, 1500, 2000, 3000] {
            let mut disk = Disk {
                data: Cursor::default(),
                room,
            };
            let (wrote, closed) = write_some(&mut disk);
            let error = wrote.and(closed).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let data = disk.data.into_inner();
            let tags = parse(&data);
            assert!(tags.len() >= 2 && data.len() <= room);
            assert_eq!(numbers(&data).1, data.len() as f64);
        }
    }
}
