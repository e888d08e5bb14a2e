//! How a connection ends in good order: the last words go out, the server gets time to hear them. Runs in the output's task.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::probe;
use super::Link;

/// How long a goodbye may be on its way before another connection asks for the same name.
const HEARD: Duration = Duration::from_millis(300);
/// Time for the last bytes of a stream that ends, congestion or not.
const LAST_WORDS: Duration = Duration::from_millis(1200);
/// Time for the server to close its side after that.
const LINGER: Duration = Duration::from_millis(300);

impl Link {
    /// Says goodbye behind what is pending, sends it as far as the server takes it within a second, closes. Returns the
    /// bytes sent.
    pub(in crate::output) async fn close(mut self) -> usize {
        let sent = self.say_goodbye().await;
        self.linger().await;
        sent
    }

    /// Says goodbye behind what is pending, sends it as far as the server takes it within a second. Returns the bytes
    /// sent; [`Self::linger`] must follow.
    pub(in crate::output) async fn say_goodbye(&mut self) -> usize {
        self.session.finish(&mut self.out);
        probe::pace(self.socket(), u32::MAX); // the last words are not to be spread out
        let mut sent = 0;
        let flush = async {
            loop {
                sent += self.write_some()?;
                if self.pending() == 0 && !self.transport.has_unsent() {
                    return Ok(());
                }
                self.ready().await?;
                self.receive_last_words()?;
            }
        };
        let flushed: Result<io::Result<()>, _> =
            timeout_at(Instant::now() + LAST_WORDS, flush).await;
        let left = self.pending();
        tracing::debug!(sent, left, ok = ?flushed, "goodbye");
        sent
    }

    /// Waits until the server's system has everything, for a moment.
    pub(in crate::output) async fn heard_out(&self) {
        let deadline = Instant::now() + HEARD;
        while probe::unconfirmed(self.socket()).is_some_and(|bytes| bytes > 0)
            && Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Closing with unread bytes would reset the connection and take the last media with it, so the server's own close
    /// is waited for a moment. It may be gone already, which is just as well.
    pub(in crate::output) async fn linger(mut self) {
        let linger = async {
            self.out.clear();
            self.sent = 0;
            self.transport.shutdown().await?;
            loop {
                self.ready().await?;
                self.receive_last_words()?;
            }
        };
        let ended: Result<io::Result<()>, _> = timeout_at(Instant::now() + LINGER, linger).await;
        tracing::debug!(ended = ?ended, "closed");
    }

    /// Empties the socket's receive side; answers to a goodbye mean nothing any more.
    fn receive_last_words(&mut self) -> io::Result<()> {
        loop {
            match self.transport.try_read(&mut self.inbox) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }
}
