//! The connection to a PulseAudio server, or to PipeWire in its place; for microphones and for outputs.

use std::ffi::CStr;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::{Duration, Instant};

use pulseaudio::Client;

use crate::capture::SoundKind;

/// How long the server may take to answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A server has answered since the program began.
static WAS_THERE: AtomicBool = AtomicBool::new(false);

/// Whether a server has answered since the program began: then it will come back.
pub(crate) fn was_there() -> bool {
    WAS_THERE.load(Ordering::Relaxed)
}

/// A connection to the server.
pub(crate) struct Server {
    pub(crate) client: Client,
    /// Dropped after the client.
    _hang_up: HangUp,
}

/// Ends the connection. The crate's reactor thread sees that nobody needs it only when something wakes it: the end of
/// its socket does. Without that each connection would leave a thread and a socket behind.
struct HangUp(UnixStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        self.0.shutdown(Shutdown::Both).ok(); // the server may be gone already
    }
}

impl Server {
    /// Connects to the server that the environment names (`PULSE_SERVER=unix:PATH`, `PULSE_RUNTIME_PATH`,
    /// `XDG_RUNTIME_DIR`); `None` when none answers.
    pub(crate) fn connect() -> Option<Self> {
        let path = pulseaudio::socket_path_from_env()?;
        let socket = UnixStream::connect(path).ok()?;
        // for the handshake, which is made before the socket stops blocking
        socket.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        socket.set_write_timeout(Some(ANSWER_WITHIN)).ok()?;
        let hang_up = HangUp(socket.try_clone().ok()?);
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        match Client::new_unix(c"Kaibo", socket, cookie) {
            Ok(client) => {
                WAS_THERE.store(true, Ordering::Relaxed);
                Some(Self {
                    client,
                    _hang_up: hang_up,
                })
            }
            Err(error) => {
                tracing::debug!(%error, "the sound server does not let us in");
                None
            }
        }
    }

    /// What the server calls its default: a source, or for desktop sound a sink.
    pub(crate) fn default_name(&self, kind: SoundKind) -> Option<String> {
        let info = within(ANSWER_WITHIN, self.client.server_info())?.ok()?;
        let name = match kind {
            SoundKind::Microphone => info.default_source_name,
            SoundKind::Desktop => info.default_sink_name,
        };
        name.as_deref().map(text)
    }
}

/// Waits for a future on this thread, for `limit` at most.
pub(crate) fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + limit;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// A name of the server as text.
pub(crate) fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_has_an_end() {
        assert_eq!(within(ANSWER_WITHIN, std::future::ready(7)), Some(7));
        let never = std::future::pending::<()>();
        assert_eq!(within(Duration::from_millis(1), never), None);
    }
}
