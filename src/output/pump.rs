//! The running stream: packets out of the queue, through interleaver, muxer and session, onto the socket; the server's
//! words the other way. Runs in the output's task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::connect::limit_kernel_backlog;
use super::error::OutputError;
use super::link::{Link, rejection};
use super::rtmp::Shared;
use super::tagger::Tagger;
use crate::flv::tag::FlvTag;
use crate::media::packet::{CodecParameters, EncodedPacket, Track};
use crate::rtmp::session::SessionEvent;

/// Bytes taken out of the queue ahead of the socket. What has left the queue cannot be dropped any more.
const BATCH: usize = 32 << 10;
/// How much media the kernel may hold unsent: enough to keep the link busy between two wake-ups.
const KERNEL_BACKLOG: Duration = Duration::from_millis(120);
/// ... but at least this many bytes.
const MIN_KERNEL_BACKLOG: u32 = 16 << 10;

/// Media of one connection.
pub(super) struct Pump<'a> {
    shared: &'a Shared,
    link: Link,
    tagger: Tagger,
    tags: Vec<FlvTag>,
    /// Parameters of picture and sound seen last; their rates set the kernel's share.
    video: Option<Arc<CodecParameters>>,
    audio: Option<Arc<CodecParameters>>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(shared: &'a Shared, link: Link, start_ms: u32) -> Self {
        Self {
            shared,
            link,
            tagger: Tagger::new(start_ms),
            tags: Vec::new(),
            video: None,
            audio: None,
        }
    }

    /// Sends until asked to stop (`Ok`) or the connection is lost.
    pub(super) async fn run(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), OutputError> {
        let began = Instant::now();
        self.send(stop).await.map_err(|error| {
            if began.elapsed() < self.shared.options.limits.settled {
                self.link.soon_after_start(error)
            } else {
                error
            }
        })
    }

    async fn send(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), OutputError> {
        let stall = self.shared.options.limits.stall;
        loop {
            self.fill(BATCH)?;
            self.write()?;
            if self.link.pending() == 0 && self.shared.queue.is_ready() {
                // More than one batch was waiting. Other tasks of the runtime and the server's words get their turn.
                tokio::task::yield_now().await;
                self.receive()?;
                continue;
            }
            let stalled = sleep_until(self.link.progress() + stall);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                ready = self.link.ready() => {
                    ready.map_err(OutputError::Lost)?;
                    self.receive()?;
                }
                () = self.shared.queue.pushed(), if self.link.pending() == 0 => {}
                () = stalled, if self.link.pending() > 0 => {
                    return Err(OutputError::Stalled { seconds: stall.as_secs() });
                }
            }
        }
    }

    /// Sends what is left with a goodbye.
    pub(super) async fn finish(mut self) {
        // A failure here ends the connection as well as a goodbye does.
        self.fill(usize::MAX).ok();
        self.tagger.finish(&mut self.tags);
        self.publish_tags().ok();
        let sent = self.link.close().await;
        self.shared.count(sent);
    }

    /// Moves packets from the queue to the socket's buffer until that holds `limit` bytes.
    fn fill(&mut self, limit: usize) -> Result<(), OutputError> {
        if self.shared.queue.is_overflowed() {
            return Err(OutputError::Stalled {
                seconds: self.shared.options.limits.stall.as_secs(),
            });
        }
        while self.link.pending() < limit
            && let Some(packet) = self.shared.queue.pop()
        {
            self.watch_rate(&packet);
            self.tagger.push(packet, &mut self.tags);
            self.publish_tags()?;
        }
        Ok(())
    }

    fn publish_tags(&mut self) -> Result<(), OutputError> {
        self.tags
            .drain(..)
            .try_for_each(|tag| self.link.publish(&tag))
    }

    fn write(&mut self) -> Result<(), OutputError> {
        let sent = self.link.write_some().map_err(OutputError::Lost)?;
        self.shared.count(sent);
        Ok(())
    }

    fn receive(&mut self) -> Result<(), OutputError> {
        let received = self.link.receive();
        for event in self.link.take_events() {
            match event {
                SessionEvent::Acked(total) => self.shared.acknowledged(total),
                SessionEvent::Rejected {
                    code,
                    description,
                    busy,
                    ..
                } => return Err(rejection(code, description, busy)),
                SessionEvent::PeerClosed { code, description } => {
                    return Err(OutputError::Ended { code, description });
                }
                SessionEvent::Status { code, description } => {
                    tracing::info!(code, description, "server");
                }
                SessionEvent::HandshakeDone
                | SessionEvent::Connected { .. }
                | SessionEvent::Publishing { .. } => {}
            }
        }
        received.map_err(|e| OutputError::Lost(io::Error::from(e)))
    }

    /// Sets the kernel's share when the nominal rate is known or changes.
    fn watch_rate(&mut self, packet: &EncodedPacket) {
        let known = match packet.track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        };
        if known
            .as_ref()
            .is_some_and(|k| Arc::ptr_eq(k, &packet.parameters))
        {
            return;
        }
        *known = Some(Arc::clone(&packet.parameters));
        let parameters = [&self.video, &self.audio];
        let bps = parameters
            .into_iter()
            .flatten()
            .map(|p| nominal_bps(p))
            .sum();
        limit_kernel_backlog(self.link.socket(), kernel_share(bps));
    }
}

const fn nominal_bps(parameters: &CodecParameters) -> u64 {
    let (CodecParameters::H264 { bitrate, .. } | CodecParameters::Aac { bitrate, .. }) = parameters;
    bitrate.bps() as u64
}

fn kernel_share(bps: u64) -> u32 {
    let bytes = u128::from(bps) * KERNEL_BACKLOG.as_millis() / 8000;
    u32::try_from(bytes)
        .unwrap_or(u32::MAX)
        .max(MIN_KERNEL_BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_holds_an_eighth_of_a_second_but_never_too_little() {
        assert_eq!(kernel_share(6_000_000), 90_000);
        assert_eq!(kernel_share(500_000), MIN_KERNEL_BACKLOG);
        assert_eq!(kernel_share(u64::MAX), u32::MAX);
    }
}
