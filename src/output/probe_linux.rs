//! Linux: `SIOCOUTQ` and `TCP_INFO` (tcp(7), linux/tcp.h).

use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use tokio::net::TcpStream;

use super::KernelView;

/// Places in `struct tcp_info`, which only ever grows at its end; in bytes.
const SND_MSS: usize = 16;
const SACKED: usize = 28;
const RTT: usize = 68;
const MIN_RTT: usize = 148;
const RWND_LIMITED: usize = 176;
/// As much of it as is read.
const SIZE: usize = 192;
/// `TCP_RTO_MAX_MS` (Linux 6.15): longest time between two retransmissions.
const TCP_RTO_MAX_MS: c_int = 44;
/// A link that returns is noticed this fast, instead of up to two minutes later.
const RETRANSMIT: Duration = Duration::from_secs(1);

/// The connection now. `None` when the system does not tell, as for a connection that is gone.
pub(in crate::output) fn look(stream: &TcpStream) -> Option<KernelView> {
    let info = tcp_info(stream)?;
    let number = |at: usize| {
        let bytes = info.get(at..at + 4)?.try_into().ok()?;
        Some(u64::from(u32::from_ne_bytes(bytes)))
    };
    let micros = |at: usize| number(at).filter(|&us| us > 0 && us < u64::from(u32::MAX));
    let beyond = number(SACKED).zip(number(SND_MSS));
    let limited = info.get(RWND_LIMITED..RWND_LIMITED + 8);
    let limited = limited.and_then(|b| Some(u64::from_ne_bytes(b.try_into().ok()?)));
    Some(KernelView {
        unconfirmed: unconfirmed(stream)?,
        beyond_gaps: beyond.map_or(0, |(packets, size)| packets * size),
        rtt: micros(RTT).map(Duration::from_micros),
        min_rtt: micros(MIN_RTT).map(Duration::from_micros),
        window_limited: Duration::from_micros(limited.unwrap_or(0)),
    })
}

/// Makes the system try a silent link once a second. Kernels before 6.15 do not know this, which only costs time.
#[expect(unsafe_code, reason = "no crate of ours wraps TCP_RTO_MAX_MS")]
pub(in crate::output) fn quicken(stream: &TcpStream) {
    let value = c_int::try_from(RETRANSMIT.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the descriptor is open as long as `stream` is borrowed; the value is read within the call, and its size
    // is given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_RTO_MAX_MS,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if result != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "no TCP_RTO_MAX_MS");
    }
}

/// Sends no faster than this, so that a keyframe is not one burst (socket(7); TCP paces by itself where the queueing
/// discipline does not).
#[expect(unsafe_code, reason = "no crate of ours wraps SO_MAX_PACING_RATE")]
pub(in crate::output) fn pace(stream: &TcpStream, bytes_per_second: u32) {
    // SAFETY: the descriptor is open as long as `stream` is borrowed; the value is read within the call, and its size
    // is given.
    let result = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const bytes_per_second).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if result != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "no pacing");
    }
}

/// `struct tcp_info` as bytes, as many as this kernel has.
#[expect(
    unsafe_code,
    reason = "no crate of ours wraps TCP_INFO with its newer fields"
)]
fn tcp_info(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut info = [0_u8; SIZE];
    let mut len = SIZE as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `stream` is borrowed; the kernel writes at most `len` bytes, which
    // `info` has, and stores how many it wrote in `len`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    let len = usize::try_from(len).ok()?;
    (result == 0).then(|| info[..len.min(SIZE)].to_vec())
}

/// Bytes in the socket's send queue: written and not confirmed.
#[expect(unsafe_code, reason = "no crate of ours wraps SIOCOUTQ")]
pub(in crate::output) fn unconfirmed(stream: &TcpStream) -> Option<u64> {
    let mut bytes: c_int = 0;
    // SAFETY: the descriptor is open as long as `stream` is borrowed; SIOCOUTQ (the number of TIOCOUTQ) stores one int.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (result == 0)
        .then_some(bytes)
        .and_then(|b| u64::try_from(b).ok())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_system_tells_what_the_far_end_has_not_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        quicken(&stream);
        let idle = look(&stream).unwrap();
        assert_eq!(idle.unconfirmed, 0);
        assert!(idle.min_rtt.unwrap() < Duration::from_secs(1), "{idle:?}");
        // more than the far end's receive buffer takes: the rest stays here, and it is the window that holds it
        let mut sent = 0_u64;
        let full = Duration::from_millis(300);
        while tokio::time::timeout(full, stream.writable()).await.is_ok() {
            sent += stream.try_write(&[7; 64 << 10]).unwrap_or(0) as u64;
        }
        let full = look(&stream).unwrap();
        assert!(
            full.unconfirmed > 0 && full.unconfirmed < sent,
            "{full:?}, {sent}"
        );
        let mut buffer = vec![0; 64 << 10];
        let mut read = 0;
        while read < sent {
            read += far.read(&mut buffer).await.unwrap() as u64;
        }
        let left = look(&stream).unwrap();
        assert!(left.unconfirmed < full.unconfirmed, "{left:?}");
        assert!(left.window_limited > Duration::ZERO, "{left:?}");
    }
}
