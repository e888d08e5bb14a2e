//! Memory-mapped streaming through the `v4l` crate, without what its own `next` gets wrong: it waits for ever or, after
//! one time-out, fails for ever; its drop panics when a device that is going away refuses to stop.
//!
//! So the driver is asked by `poll` whether there is a picture before `next` is called, and one buffer is kept out of the
//! queue from the start: `next` gives back the buffer of the picture before (at first that one) and then takes a picture
//! that is there. Runs on the source's thread.

use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use v4l::Device;
use v4l::buffer::{Metadata, Type};
use v4l::io::mmap;
use v4l::io::traits::{CaptureStream as _, Stream as _};

use super::ioctl::errno;

/// One buffer is ours, the others are filled in turn: room for two late wake-ups.
const BUFFERS: u32 = 4;
/// Wake-ups without a picture after which the device is taken for broken: it would be asked in a circle.
const MOST_EMPTY: u32 = 100;

/// A device that is streaming; stops when dropped.
pub(super) struct MmapStream {
    inner: ManuallyDrop<mmap::Stream<'static>>,
    /// The driver took our buffer, but had no picture: the next one only brings the count in step again.
    out_of_step: bool,
    empty: u32,
}

impl MmapStream {
    /// Pictures that can wait for us.
    pub(super) const MOST_WAITING: u32 = BUFFERS - 1;

    /// Takes buffers and starts.
    pub(super) fn start(device: &Device) -> io::Result<Self> {
        let mut inner = mmap::Stream::with_buffers(device, Type::VideoCapture, BUFFERS)?;
        inner.set_timeout(Duration::from_millis(100));
        let mut stream = Self {
            inner: ManuallyDrop::new(inner),
            out_of_step: false,
            empty: 0,
        };
        let mut queued = 0;
        // the driver may have given more buffers or fewer; it refuses the first number there is none for
        for index in 1..32 {
            match stream.inner.queue(index) {
                Ok(()) => queued += 1,
                Err(e) if e.raw_os_error() == Some(errno::EINVAL) && queued > 0 => break,
                Err(e) => return Err(e),
            }
        }
        stream.inner.start()?;
        Ok(stream)
    }

    /// Waits for a picture, at most `timeout`, and hands its bytes to `take`; `None` when none came.
    pub(super) fn next<T>(
        &mut self,
        timeout: Duration,
        take: impl FnOnce(&[u8], &Metadata) -> T,
    ) -> io::Result<Option<T>> {
        if self.out_of_step && timeout.is_zero() {
            return Ok(None);
        }
        let wait = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        match self.inner.handle().poll(POLLIN, wait) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(errno::EINTR) => return Ok(None),
            Err(e) => return Err(e),
        }
        if self.out_of_step {
            return match self.inner.dequeue() {
                Ok(_) => {
                    self.out_of_step = false;
                    Ok(None)
                }
                Err(e) => self.nothing(e),
            };
        }
        let taken = self.inner.next().map(|(data, meta)| {
            let used = (meta.bytesused as usize).min(data.len());
            take(&data[..used], meta)
        });
        match taken {
            Ok(taken) => {
                self.empty = 0;
                Ok(Some(taken))
            }
            Err(e) => {
                self.out_of_step = true;
                self.nothing(e)
            }
        }
    }

    /// Whether an error only means that there was no picture after all.
    fn nothing<T>(&mut self, error: io::Error) -> io::Result<Option<T>> {
        let harmless = error.kind() == io::ErrorKind::TimedOut
            || matches!(error.raw_os_error(), Some(errno::EAGAIN | errno::EINTR));
        self.empty += 1;
        if harmless && self.empty < MOST_EMPTY {
            Ok(None)
        } else {
            Err(error)
        }
    }
}

/// `<poll.h>`
const POLLIN: i16 = 1;

impl Drop for MmapStream {
    #[expect(unsafe_code, reason = "a drop that may panic must be caught here")]
    fn drop(&mut self) {
        // The crate's drop stops once more, which then succeeds; only a device that is gone or broken refuses.
        let stopped = self.inner.stop();
        let gone = |e: &io::Error| e.raw_os_error() == Some(errno::ENODEV);
        if let Err(e) = &stopped
            && !gone(e)
        {
            // dropping would panic, twice even, which ends the program; the mapping and the descriptor stay behind
            tracing::warn!(error = %e, "a camera did not stop: its memory is left behind");
            return;
        }
        // SAFETY: dropped here only, and not used afterwards
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe {
            ManuallyDrop::drop(&mut self.inner);
        }));
        if dropped.is_err() {
            tracing::warn!("a camera's memory could not be given back");
        }
    }
}
