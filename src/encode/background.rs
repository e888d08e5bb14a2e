//! Work that others must not notice: the thread that asks, and those it starts afterwards, get what the rest leaves.

/// Makes the present thread give way to others where the system can do that for a thread (Linux). Encoders that a thread
/// opens afterwards take it over for their own threads.
#[cfg(target_os = "linux")]
pub(super) fn step_back() {
    /// Half of the way to the least: enough to come after the stream, not so little that a busy machine starves it.
    const NICE: libc::c_int = 10;
    #[expect(unsafe_code, reason = "the standard library has no priorities")]
    // SAFETY: no pointers; 0 names the calling thread, as Linux has it (setpriority(2), notes).
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    if done != 0 {
        tracing::debug!("a thread in the background keeps its usual priority");
    }
}

/// Nothing: other systems have no such thing for a thread and those it starts.
#[cfg(not(target_os = "linux"))]
pub(super) const fn step_back() {}
