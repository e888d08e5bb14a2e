//! A connection to an X server that never blocks for ever.
//!
//! In: a display name. Out: a connection on which every wait for the server ends after [`ANSWER_WITHIN`]; a server that
//! is frozen, or behind a dead network, is then an I/O error like one that is gone.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::errors::ConnectError;
use x11rb::reexports::x11rb_protocol::parse_display::{ConnectAddress, parse_display};
use x11rb::reexports::x11rb_protocol::xauth;
use x11rb::rust_connection::{DefaultStream, PollMode, RustConnection, Stream};
use x11rb::utils::RawFdContainer;

/// Longest wait for the server to answer or to take more.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Display 0 listens here, if it listens to the network at all.
const FIRST_PORT: u16 = 6000;

/// A connection with bounded waits.
pub(super) type Connection = RustConnection<BoundedStream>;

/// A stream whose waits are bounded.
#[derive(Debug)]
pub(super) struct BoundedStream(DefaultStream);

impl Stream for BoundedStream {
    fn poll(&self, mode: PollMode) -> io::Result<()> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, mode.readable());
        events.set(PollFlags::OUT, mode.writable());
        let timeout = Timespec {
            tv_sec: ANSWER_WITHIN.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        loop {
            match poll(&mut [PollFd::new(&self.0, events)], Some(&timeout)) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the X server does not answer",
                    ));
                }
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn read(&self, buf: &mut [u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.0.read(buf, fds)
    }

    fn write(&self, buf: &[u8], fds: &mut Vec<RawFdContainer>) -> io::Result<usize> {
        self.0.write(buf, fds)
    }

    fn write_vectored(
        &self,
        bufs: &[io::IoSlice<'_>],
        fds: &mut Vec<RawFdContainer>,
    ) -> io::Result<usize> {
        self.0.write_vectored(bufs, fds)
    }
}

/// Waits until the server has said something that has not been read, at most `timeout`.
pub(super) fn wait_for_words(connection: &Connection, timeout: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: timeout.as_secs().cast_signed(),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let stream = &connection.stream().0;
    match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// A fresh connection and what must be known about it.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Connection,
    /// Index of the screen that the display's name means.
    pub(super) screen: usize,
    /// On this computer, so that memory can be shared.
    pub(super) local: bool,
}

/// Connects to `display`, or to the one in the variable `DISPLAY`.
pub(super) fn connect(display: Option<&str>) -> Result<Connected, ConnectError> {
    let parsed = parse_display(display)?;
    let screen = usize::from(parsed.screen);
    if parsed.display.checked_add(FIRST_PORT).is_none() {
        // x11rb 0.13.2 would overflow computing the port
        return Err(io::Error::new(io::ErrorKind::NotFound, "no such display number").into());
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address to connect to");
    for address in parsed.connect_instruction() {
        let opened = match &address {
            ConnectAddress::Hostname(host, port) => {
                connect_tcp(host, *port).and_then(DefaultStream::from_tcp_stream)
            }
            _ => DefaultStream::connect(&address),
        };
        let (stream, (family, peer)) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                failure = e;
                continue;
            }
        };
        // an unreadable authority file is like none: the server may let us in without
        let (name, data) = xauth::get_auth(family, &peer, parsed.display)
            .unwrap_or(None)
            .unwrap_or_default();
        let connection = RustConnection::connect_to_stream_with_auth_info(
            BoundedStream(stream),
            screen,
            name,
            data,
        )?;
        return Ok(Connected {
            connection,
            screen,
            local: matches!(address, ConnectAddress::Socket(_)),
        });
    }
    Err(failure.into())
}

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_WITHIN) {
            Ok(stream) => return Ok(stream),
            Err(e) => failure = e,
        }
    }
    Err(failure)
}
