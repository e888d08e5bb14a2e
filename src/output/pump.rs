//! The running stream: packets out of the queue, through interleaver, muxer and session, onto the socket; the server's
//! words the other way. Runs in the output's task.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::adapt::BitrateController;
use super::error::OutputError;
use super::link::{Ghost, Link, rejection};
use super::moving::{Move, Step};
use super::rtmp::Shared;
use super::send_queue::QueueLimits;
use super::slow::SlowWatch;
use super::tagger::Tagger;
use super::watch::Watch;
use crate::flv::tag::FlvTag;
use crate::media::packet::EncodedPacket;
use crate::rtmp::session::SessionEvent;

/// Bytes taken out of the queue ahead of the socket. What has left the queue cannot be dropped any more.
const BATCH: usize = 32 << 10;
/// With as much on its way as may be, acknowledgements are looked for this often: a few segments of a fast link.
const ACKNOWLEDGED: Duration = Duration::from_millis(8);

/// Media of one connection.
pub(super) struct Pump<'a> {
    shared: &'a Shared,
    link: Link,
    tagger: Tagger,
    tags: Vec<FlvTag>,
    watch: Watch,
    controller: &'a mut BitrateController,
    /// To another connection, without a break.
    moving: Move<'a>,
}

/// How sending ended.
pub(super) enum Outcome {
    /// As asked.
    Stopped,
    /// The next packet is a keyframe, and this connection waits for it.
    Moved(Box<Link>),
}

impl<'a> Pump<'a> {
    /// `controller` knows the links before this one.
    pub(super) fn new(
        shared: &'a Shared,
        link: Link,
        start_ms: u32,
        controller: &'a mut BitrateController,
        slow: &'a mut SlowWatch,
    ) -> Self {
        Self {
            shared,
            link,
            tagger: Tagger::new(start_ms),
            tags: Vec::new(),
            watch: Watch::new(Instant::now()),
            controller,
            moving: Move::new(shared, slow),
        }
    }

    /// Sends until asked to stop, until it is time for another connection, or until this one is lost.
    pub(super) async fn run(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Outcome, OutputError> {
        let began = Instant::now();
        self.send(stop).await.map_err(|error| {
            if began.elapsed() < self.shared.options.limits.settled {
                self.link.soon_after_start(error)
            } else {
                error
            }
        })
    }

    async fn send(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Outcome, OutputError> {
        let stall = self.shared.options.limits.stall;
        loop {
            let room = self.link.room();
            if room > 0 {
                self.fill(BATCH.min(room))?;
            }
            let full = self.write(room)? == room;
            if self.shared.queue.keyframe_ahead().is_some()
                && let Some(link) = self.moving.take_ready()
            {
                return Ok(Outcome::Moved(link));
            }
            self.look(stall)?;
            let nothing_pending = self.link.pending() == 0;
            let more = self.shared.queue.is_ready();
            if !full && nothing_pending && more {
                // More than one batch was waiting. Other tasks of the runtime and the server's words get their turn.
                tokio::task::yield_now().await;
                self.receive()?;
                continue;
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(Outcome::Stopped),
                step = self.moving.step() => self.moving_told(step),
                ready = self.link.ready_for(!full && !nothing_pending) => {
                    ready.map_err(OutputError::Lost)?;
                    self.receive()?;
                }
                () = sleep(ACKNOWLEDGED), if full && (more || !nothing_pending) => {}
                () = self.shared.queue.pushed(), if nothing_pending && !(full && more) => {}
                () = sleep_until(self.watch.next()) => {}
            }
        }
    }

    /// Looks at the link when it is time to.
    fn look(&mut self, stall: Duration) -> Result<(), OutputError> {
        let now = Instant::now();
        if now < self.watch.next() {
            return Ok(());
        }
        let tuning = self.shared.tuning.get();
        let queue = self.shared.queue.level();
        let look = self
            .watch
            .look(now, &mut self.link, &queue, &tuning, self.controller);
        // the way itself cannot be shortened by leaving pictures out
        let limits = QueueLimits::stream(tuning.max_delay + look.rtt);
        self.shared.queue.set_flow(limits, look.flow);
        self.shared.looked(&look);
        self.moving
            .look(now, look.decision.as_ref(), &tuning, &self.link);
        let untaken = if self.link.pending() > 0 {
            self.link.progress()
        } else {
            now
        };
        if now.saturating_duration_since(untaken.min(self.watch.progress())) >= stall {
            return Err(OutputError::Stalled {
                seconds: stall.as_secs(),
            });
        }
        Ok(())
    }

    /// What the move to another connection came to.
    fn moving_told(&self, step: Step) {
        match step {
            // the next picture shall be one that the new connection can begin with
            Step::Ready => self.shared.want_keyframe(),
            Step::Asks(host) => self.shared.ask_redirect(host),
            Step::Nothing => {}
        }
    }

    /// Begins with sound that the connection before this one held for pictures that come here.
    pub(super) fn take_over(&mut self, held: Vec<EncodedPacket>) {
        for packet in held {
            self.tagger.push(packet, &mut self.tags);
        }
    }

    /// Sends what is left with a goodbye, and closes. Returns when the server knows, or has had time to,
    /// with the packets of the keyframe that waits and later: an encoder that looks ahead is behind the sound.
    pub(super) async fn retire(mut self) -> Vec<EncodedPacket> {
        let from = self.shared.queue.keyframe_ahead();
        let held = from.map_or_else(Vec::new, |from| self.tagger.split_off(from));
        self.tagger.finish(&mut self.tags);
        self.publish_tags().ok();
        let sent = self.link.say_goodbye().await;
        self.shared.count(sent);
        // what the system still spaces out must not come after the first words of the next connection: the server has
        // heard all when it closes
        self.link.heard_out().await;
        self.link.linger().await;
        held
    }

    /// Ends without a word, as nothing gets through.
    pub(super) fn into_ghost(self) -> Ghost {
        self.link.into_ghost()
    }

    /// Sends what is left with a goodbye.
    pub(super) async fn finish(mut self) {
        self.moving.give_up();
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
            && !(self.moving.is_ready() && self.shared.queue.keyframe_ahead().is_some())
            && let Some(packet) = self.shared.queue.pop()
        {
            self.tagger.push(packet, &mut self.tags);
            self.publish_tags()?;
        }
        Ok(())
    }

    fn publish_tags(&mut self) -> Result<(), OutputError> {
        let Self {
            tags, link, watch, ..
        } = self;
        tags.drain(..).try_for_each(|tag| {
            link.publish(&tag)?;
            watch.sent(link, tag.timestamp_ms);
            Ok(())
        })
    }

    /// Gives the system what is pending, up to `room` bytes; returns how many it took.
    fn write(&mut self, room: usize) -> Result<usize, OutputError> {
        let sent = self.link.write_up_to(room).map_err(OutputError::Lost)?;
        self.shared.count(sent);
        Ok(sent)
    }

    fn receive(&mut self) -> Result<(), OutputError> {
        let received = self.link.receive();
        for event in self.link.take_events() {
            match event {
                SessionEvent::Acked(total) => {
                    self.shared.acknowledged(total);
                }
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
                SessionEvent::ReconnectWanted {
                    redirect,
                    description,
                } => {
                    tracing::info!(description, "the server asks for a new connection");
                    self.moving.server_asks(self.link.url(), redirect.as_ref());
                }
                SessionEvent::HandshakeDone
                | SessionEvent::Connected { .. }
                | SessionEvent::Publishing { .. } => {}
            }
        }
        received.map_err(|e| OutputError::Lost(io::Error::from(e)))
    }
}
