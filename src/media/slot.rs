//! The carrier between a video source and the renderer: one frame, the newest.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// Holds the newest value; a new one replaces the old one, so neither side ever waits for the other.
///
/// Sent by the source's thread, read by the render thread. Bound: one. When full: the older value is replaced and, if
/// nobody had looked at it, counted in [`replaced`](Self::replaced).
#[derive(Debug)]
pub struct LatestSlot<T> {
    inner: Mutex<Inner<T>>,
    replaced: AtomicU64,
    stored: AtomicU64,
}

#[derive(Debug)]
struct Inner<T> {
    value: Option<T>,
    seen: bool,
    /// When the newest value came.
    arrived: Option<Instant>,
}

impl<T> Default for LatestSlot<T> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                value: None,
                seen: false,
                arrived: None,
            }),
            replaced: AtomicU64::new(0),
            stored: AtomicU64::new(0),
        }
    }
}

impl<T: Clone> LatestSlot<T> {
    /// Puts a newer value in.
    pub fn store(&self, value: T) {
        self.store_at(value, Instant::now());
    }

    /// As [`store`](Self::store), at another time than now (tests).
    pub fn store_at(&self, value: T, now: Instant) {
        let old = {
            let mut inner = self.inner.lock();
            if inner.value.is_some() && !inner.seen {
                self.replaced.fetch_add(1, Ordering::Relaxed);
            }
            inner.seen = false;
            inner.arrived = Some(now);
            inner.value.replace(value)
        };
        drop(old); // freeing a frame's buffer happens outside the lock
        self.stored.fetch_add(1, Ordering::Relaxed);
    }

    /// The newest value, left in place; `None` before the first one.
    pub fn latest(&self) -> Option<T> {
        let mut inner = self.inner.lock();
        inner.seen = true;
        inner.value.clone()
    }

    /// When the newest value that a source made came.
    pub fn arrived(&self) -> Option<Instant> {
        self.inner.lock().arrived
    }

    /// Puts something in that no source made, in place of what is missing: it counts nowhere.
    pub fn stand_in(&self, value: T) {
        let old = {
            let mut inner = self.inner.lock();
            inner.seen = true;
            inner.value.replace(value)
        };
        drop(old);
    }

    /// Empties the slot, so that the reader shows its placeholder.
    pub fn clear(&self) {
        let old = self.inner.lock().value.take();
        drop(old);
    }

    /// Values replaced before anybody looked at them.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Values stored since the start.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_wins_and_unseen_ones_are_counted() {
        let slot = LatestSlot::default();
        assert_eq!(slot.latest(), None);
        slot.store(1);
        slot.store(2);
        assert_eq!((slot.latest(), slot.latest()), (Some(2), Some(2)));
        slot.store(3);
        assert_eq!(
            (slot.latest(), slot.replaced(), slot.stored()),
            (Some(3), 1, 3)
        );
        slot.clear();
        assert_eq!(slot.latest(), None);
        slot.stand_in(0);
        slot.store(4);
        let counted = (slot.latest(), slot.replaced(), slot.stored());
        assert_eq!(counted, (Some(4), 1, 4), "what stands in is not counted");
    }
}
