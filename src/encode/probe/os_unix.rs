//! What the operating system tells of processes, on Unix.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Processor time of all threads of this process.
pub(super) fn cpu_time() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let part = |v: i64| u64::try_from(v).unwrap_or_default();
    Duration::from_secs(part(t.tv_sec)) + Duration::from_nanos(part(t.tv_nsec))
}

/// How a child ended that did not answer, for people.
pub(super) fn how_it_ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(11) => "segmentation fault".to_owned(),
        Some(6) => "abort".to_owned(),
        Some(4) => "illegal instruction".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

/// Somebody ended it (a person at the terminal, the system short of memory): hang-up, interrupt, kill, terminate.
pub(super) fn was_told_to_end(status: ExitStatus) -> bool {
    matches!(status.signal(), Some(1 | 2 | 9 | 15))
}

/// Children have no windows here.
pub(super) const fn without_window(_: &mut Command) {}
