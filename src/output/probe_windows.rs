//! Windows 10 1703 and later: `SIO_TCP_INFO`, version 0 (mstcpip.h). What waits in the socket's send buffer before it is sent
//! is not told; that buffer is small beside what is in flight, and the send queue holds the rest.

use std::ffi::c_void;
use std::os::windows::io::AsRawSocket as _;
use std::ptr;
use std::time::Duration;

use tokio::net::TcpStream;
use windows_sys::Win32::Networking::WinSock::{SIO_TCP_INFO, SOCKET, TCP_INFO_v0, WSAIoctl};

use super::KernelView;

/// The connection now. `None` when the system does not tell, as for a connection that is gone.
pub(in crate::output) fn look(stream: &TcpStream) -> Option<KernelView> {
    let info = info(stream)?;
    let micros = |us: u32| (us > 0 && us < u32::MAX).then(|| Duration::from_micros(us.into()));
    Some(KernelView {
        unconfirmed: u64::from(info.BytesInFlight),
        beyond_gaps: 0, // not told
        rtt: micros(info.RttUs),
        min_rtt: micros(info.MinRttUs),
        window_limited: Duration::ZERO,
    })
}

/// Bytes sent and not confirmed.
pub(in crate::output) fn unconfirmed(stream: &TcpStream) -> Option<u64> {
    info(stream).map(|info| u64::from(info.BytesInFlight))
}

/// Nothing to set here.
pub(in crate::output) const fn quicken(_: &TcpStream) {}

/// Nothing to set here: the system has no such limit for one connection.
pub(in crate::output) const fn pace(_: &TcpStream, _: u32) {}

#[expect(unsafe_code, reason = "no crate of ours wraps SIO_TCP_INFO")]
fn info(stream: &TcpStream) -> Option<TCP_INFO_v0> {
    let version: u32 = 0;
    let mut info = TCP_INFO_v0::default();
    let mut written = 0;
    // SAFETY: the socket is open as long as `stream` is borrowed; input and output are given with their sizes, are
    // borrowed for the call, and without an OVERLAPPED the call has ended when it returns.
    let result = unsafe {
        WSAIoctl(
            SOCKET::try_from(stream.as_raw_socket()).ok()?,
            SIO_TCP_INFO,
            (&raw const version).cast::<c_void>(),
            u32::try_from(size_of::<u32>()).ok()?,
            (&raw mut info).cast::<c_void>(),
            u32::try_from(size_of::<TCP_INFO_v0>()).ok()?,
            &raw mut written,
            ptr::null_mut(),
            None,
        )
    };
    (result == 0).then_some(info)
}
