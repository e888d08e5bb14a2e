//! Processor time of this process.

use std::time::Duration;

/// Of all threads since the start.
pub(super) fn time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let part = |v: i64| u64::try_from(v).unwrap_or_default();
    Duration::from_secs(part(t.tv_sec)) + Duration::from_nanos(part(t.tv_nsec))
}
