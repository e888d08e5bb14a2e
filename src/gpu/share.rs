//! Sharing a device with a window. Reconfiguring a window's surface fails while another thread submits (wgpu-core 30
//! waits for an idle queue first and gives up when it is not idle afterwards): so the window holds submissions for the
//! length of one paint, and the render stage waits its turn, but never long.
//!
//! In: calls from the window's thread and the render thread. Out: nothing but order between them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Order between a window that paints and a stage that submits, on one device.
#[derive(Debug, Default)]
pub struct WindowShare {
    held: Mutex<bool>,
    released: Condvar,
    failed_calls: AtomicU32,
}

impl WindowShare {
    /// Longest wait of a submission for the window: about a frame. A window that hangs must not stop the stream.
    pub const PATIENCE: Duration = Duration::from_millis(50);

    /// The window is about to reconfigure its surface: nobody submits until [`release`](Self::release).
    pub fn hold(&self) {
        *self.held.lock() = true;
    }

    /// The window is done.
    pub fn release(&self) {
        let mut held = self.held.lock();
        if std::mem::take(&mut *held) {
            self.released.notify_all();
        }
    }

    /// Waits, at most [`PATIENCE`](Self::PATIENCE), until the window does not hold. Submit while the guard lives.
    pub fn turn(&self) -> MutexGuard<'_, bool> {
        let mut held = self.held.lock();
        if *held {
            self.released
                .wait_while_for(&mut held, |held| *held, Self::PATIENCE);
        }
        held
    }

    /// A graphics call of the window failed.
    pub(super) fn count_failure(&self) {
        self.failed_calls.fetch_add(1, Ordering::Relaxed);
    }

    /// How many graphics calls of the window failed so far.
    pub fn failed_calls(&self) -> u32 {
        self.failed_calls.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_window_that_hangs_stops_nobody() {
        let share = WindowShare::default();
        share.hold();
        let before = Instant::now();
        drop(share.turn());
        assert!(before.elapsed() >= WindowShare::PATIENCE);
        share.release();
        assert!(!*share.turn());
    }

    #[test]
    fn a_submission_waits_for_the_window() {
        let share = Arc::new(WindowShare::default());
        share.hold();
        let (tx, rx) = crossbeam_channel::bounded(1);
        let stage = {
            let share = Arc::clone(&share);
            std::thread::Builder::new()
                .spawn(move || tx.send(*share.turn()))
                .unwrap()
        };
        share.release();
        // true would mean that the turn came by patience
        assert_eq!(rx.recv(), Ok(false));
        stage.join().unwrap().unwrap();
    }
}
