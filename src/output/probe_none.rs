//! Systems without a probe of their own: the server's RTMP acknowledgements tell what has arrived.

use tokio::net::TcpStream;

use super::KernelView;

/// Nothing is known here.
pub(in crate::output) const fn look(_: &TcpStream) -> Option<KernelView> {
    None
}

/// Nothing to set here.
pub(in crate::output) const fn quicken(_: &TcpStream) {}

/// Nothing is known here.
pub(in crate::output) const fn unconfirmed(_: &TcpStream) -> Option<u64> {
    None
}

/// Nothing to set here.
pub(in crate::output) const fn pace(_: &TcpStream, _: u32) {}
