//! What the operating system knows about a connection: how much the far end has not confirmed, round trip times, who
//! holds data back. Called from the output's task; two system calls.

#[cfg_attr(target_os = "linux", path = "probe_linux.rs")]
#[cfg_attr(target_os = "macos", path = "probe_macos.rs")]
#[cfg_attr(windows, path = "probe_windows.rs")]
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos", windows)),
    path = "probe_none.rs"
)]
mod system;

use std::time::Duration;

pub(super) use system::{look, pace, quicken, unconfirmed};

/// A connection as the system sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KernelView {
    /// Bytes handed over that the far end has not confirmed, sent or not.
    pub(super) unconfirmed: u64,
    /// Of these, about how many have arrived behind a gap: a lost segment holds back the confirmation of all that follow.
    pub(super) beyond_gaps: u64,
    /// Smoothed round trip time.
    pub(super) rtt: Option<Duration>,
    /// Smallest round trip time of the last minutes.
    pub(super) min_rtt: Option<Duration>,
    /// How long in all the far end's receive window was what held data back.
    pub(super) window_limited: Duration,
}
