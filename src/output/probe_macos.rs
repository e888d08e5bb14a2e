//! macOS: `TCP_CONNECTION_INFO` (netinet/tcp.h).

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use tokio::net::TcpStream;

use super::KernelView;

/// The connection now. `None` when the system does not tell, as for a connection that is gone.
pub(in crate::output) fn look(stream: &TcpStream) -> Option<KernelView> {
    let info = info(stream)?;
    let rtt = Duration::from_millis(u64::from(info.tcpi_srtt));
    Some(KernelView {
        unconfirmed: u64::from(info.tcpi_snd_sbbytes),
        beyond_gaps: 0, // not told
        rtt: Some(rtt).filter(|rtt| !rtt.is_zero()),
        min_rtt: None,
        window_limited: Duration::ZERO,
    })
}

/// Bytes in the socket's send buffer: written and not confirmed.
pub(in crate::output) fn unconfirmed(stream: &TcpStream) -> Option<u64> {
    info(stream).map(|info| u64::from(info.tcpi_snd_sbbytes))
}

/// Nothing to set here.
pub(in crate::output) const fn quicken(_: &TcpStream) {}

/// Nothing to set here: the system has no such limit for one connection.
pub(in crate::output) const fn pace(_: &TcpStream, _: u32) {}

#[expect(unsafe_code, reason = "no crate of ours wraps TCP_CONNECTION_INFO")]
fn info(stream: &TcpStream) -> Option<libc::tcp_connection_info> {
    let mut info = MaybeUninit::<libc::tcp_connection_info>::zeroed();
    let size = libc::socklen_t::try_from(size_of::<libc::tcp_connection_info>()).ok()?;
    let mut len = size;
    // SAFETY: the descriptor is open as long as `stream` is borrowed; the kernel writes at most `len` bytes, which
    // `info` has, and stores how many it wrote in `len`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CONNECTION_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // SAFETY: the structure is made of integers, for which all zeros are valid; the kernel has written it whole.
    (result == 0 && len == size).then(|| unsafe { info.assume_init() })
}
