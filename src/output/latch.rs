//! "It has ended", for whoever waits in a thread.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Closed once, never opened again.
#[derive(Debug, Default)]
pub(super) struct Latch {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Latch {
    /// Lets all waiters go.
    pub(super) fn close(&self) {
        *self.closed.lock() = true;
        self.changed.notify_all();
    }

    /// Whether [`Self::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        *self.closed.lock()
    }

    /// Waits for [`Self::close`]; false when `deadline` came first.
    pub(super) fn wait_until(&self, deadline: Instant) -> bool {
        let mut closed = self.closed.lock();
        while !*closed {
            if self.changed.wait_until(&mut closed, deadline).timed_out() {
                return *closed;
            }
        }
        true
    }
}
