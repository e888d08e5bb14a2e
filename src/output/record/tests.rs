//! Recordings on a disk that pauses, fills up, or has little room.

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::part::Medium;
use super::*;
use crate::media::packet::{Bitrate, CodecParameters, DropClass, Track};
use crate::media::time::{FrameRate, MediaTime};
use crate::media::video::Resolution;
use crate::output::tuning::TuningHandle;

const LIMIT: Duration = Duration::from_secs(10);

/// A file that does each write only when told to, and as it is told to.
struct Slow {
    data: Arc<Mutex<Cursor<Vec<u8>>>>,
    orders: Receiver<io::Result<()>>,
    begun: Sender<()>,
}

impl Write for Slow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.begun.try_send(()).ok(); // full: nobody counts any more
        self.orders.recv().unwrap_or(Ok(())).inspect_err(|_| {
            // as a disk that fills up in the middle of a write
            self.data.lock().write_all(&buf[..buf.len() / 2]).unwrap();
        })?;
        self.data.lock().write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Slow {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.data.lock().seek(pos)
    }
}

impl Medium for Slow {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.data.lock().get_mut().truncate(len);
        Ok(())
    }
}

struct OneFile {
    file: Option<Slow>,
    free: Option<u64>,
    folder: PathBuf,
}

impl Disk for OneFile {
    type File = Slow;

    fn create(&mut self, _: &RecordConfig) -> io::Result<(Slow, PathBuf)> {
        let file = self.file.take().ok_or(io::ErrorKind::StorageFull)?;
        Ok((file, self.folder.join("show.flv")))
    }

    fn free(&self, _: &Path) -> Option<u64> {
        self.free
    }
}

struct Recording {
    output: Arc<Recorder>,
    events: Receiver<OutputEvent>,
    orders: Sender<io::Result<()>>,
    begun: Receiver<()>,
    data: Arc<Mutex<Cursor<Vec<u8>>>>,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn record(free: Option<u64>, keep_free: u64) -> Recording {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (tell, events) = bounded(100);
    let (orders, given) = bounded(1);
    let (begin, begun) = bounded(100);
    let data = Arc::<Mutex<Cursor<Vec<u8>>>>::default();
    let disk = OneFile {
        file: Some(Slow {
            data: Arc::clone(&data),
            orders: given,
            begun: begin,
        }),
        free,
        folder: folder.path().to_owned(),
    };
    let cx = OutputContext {
        clock: MediaClock::start(),
        runtime: runtime.handle().clone(),
        listener: Arc::new(move |event| drop(tell.try_send(event))),
        tuning: TuningHandle::default(),
    };
    let config = RecordConfig {
        keep_free,
        ..RecordConfig::file("show.flv".into())
    };
    Recording {
        output: Recorder::start_on(disk, config, cx).unwrap(),
        events,
        orders,
        begun,
        data,
        _folder: folder,
        _runtime: runtime,
    }
}

fn failure(events: &Receiver<OutputEvent>) -> OutputError {
    loop {
        if let OutputEvent::Failed { error } = events.recv_timeout(LIMIT).unwrap() {
            return error;
        }
    }
}

/// 25 fps with a keyframe every second, and sound in as many packets.
fn packets() -> impl Iterator<Item = EncodedPacket> {
    let picture = Arc::new(CodecParameters::H264 {
        avcc: Bytes::from_static(&[1, 100, 0, 30]),
        resolution: Resolution::HD,
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(1000),
    });
    let sound = Arc::new(CodecParameters::Aac {
        asc: Bytes::from_static(&[0x11, 0x90]),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(96),
    });
    (0_i64..).map(move |i| {
        let (number, is_picture) = (i / 2, i % 2 == 0);
        let at = MediaTime::from_millis(number * 40);
        let keyframe = is_picture && number % 25 == 0;
        EncodedPacket {
            track: if is_picture {
                Track::Video
            } else {
                Track::Audio
            },
            pts: at,
            dts: at,
            duration: Duration::from_millis(40),
            keyframe,
            drop: if is_picture && !keyframe {
                DropClass::Reference
            } else {
                DropClass::Never
            },
            data: Bytes::from_static(&[0; 100]),
            parameters: Arc::clone(if is_picture { &picture } else { &sound }),
            generation: 0,
        }
    })
}

/// Sizes of the tags of an FLV file; panics on a torn one.
fn tags(mut file: &[u8]) -> usize {
    let mut count = 0;
    file = &file[13..];
    while !file.is_empty() {
        let len = u32::from_be_bytes([0, file[1], file[2], file[3]]) as usize;
        let total = u32::from_be_bytes(file[11 + len..15 + len].try_into().unwrap());
        assert_eq!(total as usize, len + 11);
        file = &file[15 + len..];
        count += 1;
    }
    count
}

#[test]
fn a_disk_that_pauses_costs_pictures_and_is_told_once() {
    let r = record(None, 0);
    let mut packets = packets();
    packets.by_ref().take(60).for_each(|p| r.output.push(&p));
    r.begun.recv_timeout(LIMIT).unwrap(); // stuck in the first write
    let started = Instant::now();
    packets.by_ref().take(600).for_each(|p| r.output.push(&p));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "push never waits"
    );
    let stats = r.output.stats();
    assert!(stats.dropped > 100 && stats.dropped < 220, "{stats:?}");
    drop(r.orders); // the disk is back
    packets.take(60).for_each(|p| r.output.push(&p));
    assert!(r.output.join_until(Instant::now() + LIMIT));
    assert_eq!(r.output.stats().state, OutputState::Stopped);
    let told: Vec<_> = r.events.try_iter().collect();
    let slow = |e: &&OutputEvent| matches!(e, OutputEvent::Degraded { .. });
    assert_eq!(told.iter().filter(slow).count(), 1, "{told:?}");
}

#[test]
fn a_full_disk_ends_the_recording_with_a_whole_file_and_nothing_else() {
    let r = record(None, 0);
    let mut packets = packets();
    packets.by_ref().take(60).for_each(|p| r.output.push(&p));
    r.orders.send(Ok(())).unwrap();
    r.begun.recv_timeout(LIMIT).unwrap();
    packets.by_ref().take(200).for_each(|p| r.output.push(&p));
    r.orders
        .send(Err(io::ErrorKind::StorageFull.into()))
        .unwrap();
    drop(r.orders);
    let text = failure(&r.events).full_text();
    assert!(
        text.contains("the disk is full") && text.contains("show.flv"),
        "{text}"
    );
    packets.take(120).for_each(|p| r.output.push(&p));
    assert!(r.output.join_until(Instant::now() + LIMIT));
    assert_eq!(
        r.output.stats().state,
        OutputState::Failed { message: text }
    );
    let data = r.data.lock();
    assert_eq!(data.get_ref().len() as u64, r.output.stats().sent_bytes);
    assert!(tags(data.get_ref()) > 3);
}

#[test]
fn a_recording_ends_before_the_disk_is_full() {
    let r = record(Some(40_000_000), 50_000_000);
    drop(r.orders);
    packets().take(100).for_each(|p| r.output.push(&p));
    let text = failure(&r.events).full_text();
    assert!(text.contains("only 40 MB are free"), "{text}");
    assert!(r.output.join_until(Instant::now() + LIMIT));

    // a warning long before
    let r = record(Some(80_000_000), 50_000_000);
    drop(r.orders);
    packets().take(100).for_each(|p| r.output.push(&p));
    let free = loop {
        let event = r.events.recv_timeout(LIMIT).unwrap();
        if let OutputEvent::Record(RecordNews::LowSpace { free, .. }) = event {
            break free;
        }
    };
    assert_eq!(free, 80_000_000);
    assert!(r.output.join_until(Instant::now() + LIMIT));
    assert_eq!(r.output.stats().state, OutputState::Stopped);
    assert!(tags(r.data.lock().get_ref()) > 90, "all of it is there");
}
