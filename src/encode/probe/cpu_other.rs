//! Processor time of this process: wall time stands in for it, which is never less for the one thread that encodes.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Since the first call.
pub(super) fn time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
