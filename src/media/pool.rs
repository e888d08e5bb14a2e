//! Recycled byte buffers behind [`Bytes`], so that a steady stream of frames allocates nothing.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Hands out byte buffers and takes them back when the last [`Bytes`] that shares them is dropped.
///
/// Cheap to clone; clones share the buffers. At most `keep` idle buffers are held, more are freed.
#[derive(Debug, Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    idle: Mutex<Vec<Vec<u8>>>,
    keep: usize,
}

impl BufferPool {
    /// A pool that keeps at most `keep` idle buffers.
    pub fn new(keep: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                idle: Mutex::new(Vec::with_capacity(keep)),
                keep,
            }),
        }
    }

    /// A buffer of `len` bytes with unspecified (old) contents.
    pub fn get(&self, len: usize) -> PooledBuffer {
        let mut data = self.shared.idle.lock().pop().unwrap_or_default();
        if data.capacity() < len {
            data = vec![0; len];
        } else {
            data.resize(len, 0);
        }
        PooledBuffer {
            data,
            home: Arc::clone(&self.shared),
        }
    }

    /// Buffers waiting to be used again.
    pub fn idle(&self) -> usize {
        self.shared.idle.lock().len()
    }
}

/// A writable buffer out of a [`BufferPool`]; goes back when it, or the [`Bytes`] made from it, is dropped.
#[derive(Debug)]
pub struct PooledBuffer {
    data: Vec<u8>,
    home: Arc<Shared>,
}

impl PooledBuffer {
    /// Ends writing: the contents as shared bytes, without a copy.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Deref for PooledBuffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.data
    }
}

impl DerefMut for PooledBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let mut idle = self.home.idle.lock();
        if idle.len() < self.home.keep {
            idle.push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_when_the_last_share_goes() {
        let pool = BufferPool::new(1);
        let bytes = pool.get(64).freeze();
        let part = bytes.slice(8..16);
        drop(bytes);
        assert_eq!(pool.idle(), 0);
        drop(part);
        assert_eq!(pool.idle(), 1);
        let (a, b) = (pool.get(32), pool.get(128));
        assert_eq!((a.len(), b.len(), pool.idle()), (32, 128, 0));
        drop((a, b));
        assert_eq!(pool.idle(), 1, "no more than `keep` are held");
    }
}
