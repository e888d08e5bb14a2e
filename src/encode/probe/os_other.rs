//! What the operating system tells of processes, elsewhere than on Unix.

use std::process::{Command, ExitStatus};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Wall time stands in for processor time: it is never less for the one thread that encodes.
pub(super) fn cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// How a child ended that did not answer, for people.
pub(super) fn how_it_ended(status: ExitStatus) -> String {
    status.to_string()
}

/// Whether somebody else ended it: cannot be told here.
pub(super) const fn was_told_to_end(_: ExitStatus) -> bool {
    false
}

/// A child of a program with a window would open a console.
pub(super) fn without_window(command: &mut Command) {
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt as _;
        command.creation_flags(0x0800_0000); // CREATE_NO_WINDOW
    }
    #[cfg(not(windows))]
    let _ = command;
}
