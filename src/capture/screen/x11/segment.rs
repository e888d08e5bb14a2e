//! Memory shared with the X server: it writes a picture there, and the picture goes on as [`Bytes`] without a copy.
//!
//! In: a size. Out: buffers that the server can fill and that come back by themselves when the last reader lets go.
//! Owned by the source's thread; the readers may drop their share on any thread.
#![expect(
    unsafe_code,
    reason = "memory shared with another process exists only as a raw mapping"
)]

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use x11rb::connection::Connection as _;
use x11rb::errors::{ConnectionError, ReplyOrIdError};
use x11rb::protocol::shm;

use super::connection::Connection;

/// Pictures that may be on their way at once: one in the slot, two with the renderer, one being filled, and room for
/// a reader that is slow. Beyond that a grab is skipped.
const MOST: usize = 6;

/// Segments of one size, all attached to one connection.
#[derive(Debug)]
pub(super) struct SegmentPool {
    home: Arc<Mutex<Home>>,
    ids: Vec<shm::Seg>,
    len: usize,
}

#[derive(Debug)]
struct Home {
    idle: Vec<Segment>,
    /// Cleared when the pool ends; what comes back later is freed.
    open: bool,
}

#[derive(Debug)]
struct Segment {
    id: shm::Seg,
    memory: Mapping,
}

impl SegmentPool {
    /// A pool of segments of `len` bytes; makes the first one, so that a server that refuses is noticed.
    pub(super) fn new(connection: &Connection, len: usize) -> Result<Self, ReplyOrIdError> {
        let mut pool = Self {
            home: Arc::new(Mutex::new(Home {
                idle: Vec::with_capacity(MOST),
                open: true,
            })),
            ids: Vec::with_capacity(MOST),
            len,
        };
        let first = pool.make(connection)?;
        pool.home.lock().idle.push(first);
        Ok(pool)
    }

    /// A buffer that nobody reads; `None` when all are on their way.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<SharedBuffer>, ReplyOrIdError> {
        let idle = self.home.lock().idle.pop();
        let segment = match idle {
            Some(segment) => segment,
            None if self.ids.len() < MOST => self.make(connection)?,
            None => return Ok(None),
        };
        Ok(Some(SharedBuffer {
            segment: Some(segment),
            home: Arc::clone(&self.home),
        }))
    }

    fn make(&mut self, connection: &Connection) -> Result<Segment, ReplyOrIdError> {
        let failed = |e: rustix::io::Errno| ConnectionError::from(io::Error::from(e));
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create("kaibo-screen", flags).map_err(failed)?;
        ftruncate(&file, self.len as u64).map_err(failed)?;
        // whoever else gets the file cannot take the memory away under a reader
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL).map_err(failed)?;
        let memory = Mapping::new(&file, self.len).map_err(failed)?;
        let id = connection.generate_id()?;
        shm::attach_fd(connection, id, file, false)?.check()?;
        self.ids.push(id);
        Ok(Segment { id, memory })
    }

    /// Ends the pool, and lets the server forget its segments. Pictures on their way stay valid.
    pub(super) fn close(self, connection: &Connection) -> Result<(), ConnectionError> {
        for id in &self.ids {
            shm::detach(connection, *id)?;
        }
        Ok(())
    }
}

impl Drop for SegmentPool {
    fn drop(&mut self) {
        let mut home = self.home.lock();
        home.open = false;
        home.idle.clear();
    }
}

/// A segment in use.
#[derive(Debug)]
pub(super) struct SharedBuffer {
    /// Taken only in `drop`.
    segment: Option<Segment>,
    home: Arc<Mutex<Home>>,
}

impl SharedBuffer {
    const HELD: &str = "a buffer has its segment until it is dropped";

    /// What the server calls it.
    pub(super) fn id(&self) -> shm::Seg {
        self.segment.as_ref().expect(Self::HELD).id
    }

    /// Ends writing: the contents as shared bytes, without a copy.
    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for SharedBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.segment.as_ref().expect(Self::HELD).memory.bytes()
    }
}

impl DerefMut for SharedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.segment.as_mut().expect(Self::HELD).memory.bytes_mut()
    }
}

impl Drop for SharedBuffer {
    fn drop(&mut self) {
        let segment = self.segment.take();
        let mut home = self.home.lock();
        if home.open {
            home.idle.extend(segment);
        }
    }
}

/// Memory of a file, mapped for reading and writing.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory with one owner, like a `Box<[u8]>`.
unsafe impl Send for Mapping {}
// SAFETY: shared references give read access only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &std::os::fd::OwnedFd, len: usize) -> rustix::io::Result<Self> {
        // SAFETY: the kernel picks the place, so nothing that exists is mapped over; `len` is the file's length,
        // and a seal keeps everybody from shrinking it.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// The server writes only between a request and its reply, during which the source holds the only buffer.
    const fn bytes(&self) -> &[u8] {
        // SAFETY: `start` to `start + len` is mapped, initialised by the kernel, and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes it the only reference in this process.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, unmapped only here, and no reference outlives `self`.
        unsafe { munmap(self.start.as_ptr().cast(), self.len) }.ok(); // nothing could be done about it
    }
}
