//! Pictures from the GPU back into system memory without ever waiting for it. Render thread; the only place that polls
//! the device.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;

use crate::media::pool::BufferPool;

const WAITING: u8 = 0;
const MAPPED: u8 = 1;
const FAILED: u8 = 2;

/// A few buffers that take turns. Bound: the number of buffers. When all are in flight the picture is skipped and
/// counted. `T` says what a picture is.
#[derive(Debug)]
pub struct ReadbackRing<T> {
    device: wgpu::Device,
    free: Vec<wgpu::Buffer>,
    in_flight: VecDeque<InFlight<T>>,
    pool: BufferPool,
    skipped: u64,
}

#[derive(Debug)]
struct InFlight<T> {
    buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
    tag: T,
}

/// A picture that came back.
#[derive(Debug)]
pub struct Readback<T, D = Bytes> {
    /// The buffer's bytes, or what was made of them; `None` when mapping failed (the device was lost).
    pub data: Option<D>,
    /// What it is.
    pub tag: T,
}

impl<T> ReadbackRing<T> {
    /// Buffers of the encoder's ring (architecture: edge 4).
    pub const BUFFERS: usize = 3;

    /// `BUFFERS` buffers of `size` bytes, and pooled output.
    pub fn new(device: &wgpu::Device, label: &str, size: u64) -> Self {
        Self::with_buffers(device, label, size, Self::BUFFERS)
    }

    /// As [`new`](Self::new) with `count` buffers.
    pub fn with_buffers(device: &wgpu::Device, label: &str, size: u64, count: usize) -> Self {
        let make = |_| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        Self {
            device: device.clone(),
            free: (0..count).map(make).collect(),
            in_flight: VecDeque::new(),
            // the encoder's queue of 3, the one it works on, the one kept for still scenes
            pool: BufferPool::new(5),
            skipped: 0,
        }
    }

    /// A buffer to copy into, or `None` (counted) when all are in flight. Give it back with
    /// [`submitted`](Self::submitted) after submitting the copy.
    pub fn begin(&mut self) -> Option<wgpu::Buffer> {
        let buffer = self.free.pop();
        if buffer.is_none() {
            self.skipped += 1;
        }
        buffer
    }

    /// The copy into `buffer` was submitted: have it mapped when it is done.
    pub fn submitted(&mut self, buffer: wgpu::Buffer, tag: T) {
        let state = Arc::new(AtomicU8::new(WAITING));
        let done = Arc::clone(&state);
        // may run on a window's thread, inside its submit: only a flag
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            done.store(
                if result.is_ok() { MAPPED } else { FAILED },
                Ordering::Release,
            );
        });
        self.in_flight.push_back(InFlight { buffer, state, tag });
    }

    /// Takes back a buffer whose copy was not submitted after all.
    pub fn cancel(&mut self, buffer: wgpu::Buffer) {
        self.free.push(buffer);
    }

    /// Looks, without waiting, for the oldest picture; call until `None`.
    pub fn poll(&mut self) -> Option<Readback<T>> {
        self.poll_as(|bytes, _, pool| {
            let mut out = pool.get(bytes.len());
            out.copy_from_slice(bytes);
            out.freeze()
        })
    }

    /// As [`poll`](Self::poll), with what `make` makes of the bytes, which it sees in place; the pool is this ring's.
    pub fn poll_as<D>(
        &mut self,
        make: impl FnOnce(&[u8], &T, &BufferPool) -> D,
    ) -> Option<Readback<T, D>> {
        let oldest = self.in_flight.front()?;
        if oldest.state.load(Ordering::Acquire) == WAITING {
            #[expect(
                clippy::disallowed_methods,
                reason = "the one place that polls; does not block"
            )]
            let polled = self.device.poll(wgpu::PollType::Poll);
            polled.ok(); // a lost device is reported by its own callback
        }
        let state = oldest.state.load(Ordering::Acquire);
        if state == WAITING {
            return None;
        }
        let InFlight { buffer, tag, .. } = self.in_flight.pop_front()?;
        let mut data = None;
        if state == MAPPED {
            if let Ok(mapped) = buffer.get_mapped_range(..) {
                data = Some(make(&mapped, &tag, &self.pool));
            }
            buffer.unmap();
        }
        self.free.push(buffer);
        Some(Readback { data, tag })
    }

    /// Pictures on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Pictures skipped because all buffers were in flight.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }
}
