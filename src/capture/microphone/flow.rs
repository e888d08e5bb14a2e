//! What the callback of a stream tells the rest of the program, in atomics: no allocation, no lock, no logging there.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::media::time::MediaTime;

/// So many errors without a sample between them mean that the stream is dead: ALSA calls back 100,000 a second when
/// the server behind its plug-in has died.
const ERRORS_IN_A_ROW: u64 = 50;

/// Counters and flags of one stream.
#[derive(Debug)]
pub(super) struct Flow {
    blocks: AtomicU64,
    refused: AtomicU64,
    errors: AtomicU64,
    errors_in_a_row: AtomicU64,
    /// Nanoseconds on the media clock; `i64::MIN` before the first block.
    last: AtomicI64,
    lost: AtomicBool,
    closed: AtomicBool,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            blocks: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            errors_in_a_row: AtomicU64::new(0),
            last: AtomicI64::new(i64::MIN),
            lost: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }
}

impl Flow {
    /// A block came.
    pub(super) fn block(&self, now: MediaTime) {
        self.last.store(now.as_nanos(), Ordering::Relaxed);
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.errors_in_a_row.store(0, Ordering::Relaxed);
    }

    /// The ring had no room for it.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// An error was called back; a fatal one ends the stream, others only when nothing else comes any more.
    pub(super) fn error(&self, fatal: bool) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let row = self.errors_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if fatal || row >= ERRORS_IN_A_ROW {
            self.lose();
        }
    }

    /// Something to count that is no failure: a glitch, a notice.
    pub(super) fn glitch(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The stream is gone.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Nothing is pushed from now on, even if the stream lives on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// When the last block came.
    pub(super) fn last(&self) -> Option<MediaTime> {
        let ns = self.last.load(Ordering::Relaxed);
        (ns != i64::MIN).then_some(MediaTime::from_nanos(ns))
    }

    /// Blocks that came, blocks the ring had no room for, errors and glitches.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (get(&self.blocks), get(&self.refused), get(&self.errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_errors_is_a_loss_and_glitches_are_not() {
        let flow = Flow::default();
        for _ in 0..1000 {
            flow.glitch();
        }
        for _ in 0..49 {
            flow.error(false);
        }
        flow.block(MediaTime::ZERO);
        for _ in 0..49 {
            flow.error(false);
        }
        assert!(!flow.is_lost());
        flow.error(false);
        assert!(flow.is_lost());
        assert_eq!(flow.counts(), (1, 0, 1099));
        let flow = Flow::default();
        flow.error(true);
        assert!(flow.is_lost());
    }
}
