//! The queue between the encoders and one output: packets in on encoder threads, packets out on the output's task or
//! thread, in the same order. [`SendQueue`] is the policy alone, without threads or clocks (time is the packets' own
//! decode time); [`SharedQueue`] puts a lock around it and wakes the consumer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::media::packet::{DropClass, EncodedPacket, Track};
use crate::media::time::MediaTime;

/// While pictures wait for a keyframe that was asked for, ask again after this much media time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How much sound is kept back for the first keyframe.
const GATE_LIMIT: Duration = Duration::from_secs(2);

/// Bounds of a queue. `discard_over` and `cut_over` are judged from the oldest queued *picture* to the newest packet,
/// with what lies behind the queue: sound is never dropped and costs little to send, so its age alone must not cut the
/// picture again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Over this, pictures that nothing refers to are dropped.
    pub discard_over: Duration,
    /// Over this, pictures are dropped up to the next keyframe.
    pub cut_over: Duration,
    /// After such a cut the pictures begin with a keyframe that is younger than this.
    pub fresh_under: Duration,
    /// Over this (any packet), the consumer counts as dead.
    pub hard_span: Duration,
    /// Over this many bytes, the consumer counts as dead.
    pub hard_bytes: usize,
}

impl QueueLimits {
    /// For a live connection with the usual longest delay of 2.5 s.
    pub const STREAM: Self = Self::stream(Duration::from_millis(2500));
    /// For a live connection on which no picture shall be later than `max_delay`: a fifth of that is left for the way.
    pub const fn stream(max_delay: Duration) -> Self {
        let fifth = max_delay.checked_div(5).expect("five is not zero");
        Self {
            discard_over: fifth.saturating_mul(2),
            cut_over: fifth.saturating_mul(4),
            fresh_under: fifth.saturating_mul(3),
            hard_span: Duration::from_secs(15),
            hard_bytes: 16 << 20,
        }
    }
    /// For a file: a disk may pause for seconds, and then only whole GOPs are worth dropping.
    pub const RECORDING: Self = Self {
        discard_over: Duration::from_secs(5),
        cut_over: Duration::from_secs(5),
        fresh_under: Duration::from_secs(5),
        hard_span: Duration::from_secs(60),
        hard_bytes: 128 << 20,
    };
}

/// What lies between the queue and the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// How long what lies behind the queue will take, or has taken already.
    pub behind: Duration,
    /// What the link carries, while it is full.
    pub bytes_per_second: Option<u64>,
}

impl Flow {
    /// A free way.
    pub const NOTHING: Self = Self {
        behind: Duration::ZERO,
        bytes_per_second: None,
    };
}

/// What the caller of [`SendQueue::push`] has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Ask the encoder for a keyframe now: pictures wait for one.
    NeedKeyframe,
    /// The hard limit is passed: nothing more is taken until [`SendQueue::reset`]; treat the consumer as lost.
    Overflow,
}

/// What went through and what was lost, since the queue was made. Never reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Packets handed to the consumer.
    pub passed: u64,
    /// Pictures dropped because the consumer was too slow.
    pub dropped: u64,
    /// Packets (of either track) not sent because no connection was there, or before its first keyframe.
    pub skipped: u64,
    /// Times the picture was cut up to a keyframe.
    pub cuts: u64,
    /// Milliseconds of pictures dropped up to a keyframe: so long the picture stood still.
    pub frozen_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// No consumer: packets are skipped.
    Closed,
    /// A fresh consumer: sound is kept back until the first keyframe is there.
    Gate,
    /// Normal.
    Open,
    /// Hard limit passed.
    Overflowed,
}

/// A bounded queue of encoded packets. Starts closed; [`Self::reset`] opens it.
///
/// Decode order never changes, and after a dropped reference picture no picture passes before the next keyframe.
/// Sound is never dropped while open, and a keyframe only if a newer one takes its place or it is too late itself.
#[derive(Debug)]
pub struct SendQueue {
    limits: QueueLimits,
    packets: VecDeque<EncodedPacket>,
    bytes: usize,
    newest: MediaTime,
    /// Time of the newest picture: with look-ahead pictures come later than the sound of their time, which no link is
    /// to blame for.
    newest_video: MediaTime,
    flow: Flow,
    newest_keyframe: MediaTime,
    /// Bytes of pictures pushed since the queue was made.
    video_bytes: u64,
    intake: Intake,
    /// A reference was dropped (or nothing was sent yet): pictures are dropped until a keyframe.
    waiting: bool,
    /// When a keyframe was last asked for, while waiting.
    asked: Option<MediaTime>,
    counters: QueueCounters,
}

impl SendQueue {
    /// An empty, closed queue.
    pub const fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            packets: VecDeque::new(),
            bytes: 0,
            newest: MediaTime::ZERO,
            newest_video: MediaTime::ZERO,
            flow: Flow::NOTHING,
            newest_keyframe: MediaTime::ZERO,
            video_bytes: 0,
            intake: Intake::Closed,
            waiting: true,
            asked: None,
            counters: QueueCounters {
                passed: 0,
                dropped: 0,
                skipped: 0,
                cuts: 0,
                frozen_ms: 0,
            },
        }
    }

    /// Empties and opens the queue for a fresh consumer; pictures start with the next keyframe. The caller asks for
    /// that keyframe itself, at `now`; if it does not come, [`Verdict::NeedKeyframe`] repeats the wish.
    pub fn reset(&mut self, now: MediaTime) {
        self.clear();
        self.newest = now;
        self.flow = Flow::NOTHING;
        self.intake = Intake::Gate;
        self.waiting = true;
        self.asked = Some(now);
    }

    /// Empties the queue and skips everything until [`Self::reset`].
    pub fn close(&mut self) {
        self.clear();
        self.intake = Intake::Closed;
    }

    /// New limits, and what lies behind the queue; both count from the next packet on.
    pub const fn set_flow(&mut self, limits: QueueLimits, flow: Flow) {
        self.limits = limits;
        self.flow = flow;
    }

    fn clear(&mut self) {
        self.counters.skipped += self.packets.len() as u64;
        self.packets.clear();
        self.bytes = 0;
    }

    /// Takes one packet and applies the policy.
    pub fn push(&mut self, packet: EncodedPacket) -> Verdict {
        if packet.track == Track::Video {
            self.video_bytes += packet.data.len() as u64;
            if packet.keyframe {
                self.newest_keyframe = packet.dts;
            }
        }
        match self.intake {
            Intake::Closed => {
                self.counters.skipped += 1;
                return Verdict::Fine;
            }
            Intake::Overflowed => {
                self.counters.skipped += 1;
                return Verdict::Overflow;
            }
            Intake::Gate | Intake::Open => {}
        }
        self.newest = self.newest.max(packet.dts);
        if packet.track == Track::Video {
            self.newest_video = self.newest_video.max(packet.dts);
        }
        if packet.track == Track::Video && packet.keyframe {
            self.take_keyframe(packet);
        } else if packet.track == Track::Video && self.waiting {
            if self.intake == Intake::Gate {
                self.counters.skipped += 1;
            } else {
                self.counters.dropped += 1;
                self.counters.frozen_ms += millis(packet.duration);
            }
        } else {
            self.enqueue(packet);
        }
        self.apply_policy()
    }

    fn take_keyframe(&mut self, packet: EncodedPacket) {
        self.waiting = false;
        self.asked = None;
        if self.intake == Intake::Gate {
            // Sound from before the first picture would make the stream begin without one.
            let start = packet.dts;
            self.retain(|p| p.dts + p.duration > start, |c| &mut c.skipped);
            self.intake = Intake::Open;
        }
        self.enqueue(packet);
    }

    fn enqueue(&mut self, packet: EncodedPacket) {
        self.bytes += packet.data.len();
        self.packets.push_back(packet);
    }

    fn apply_policy(&mut self) -> Verdict {
        while self.intake == Intake::Gate && self.queued() > GATE_LIMIT {
            if let Some(old) = self.packets.pop_front() {
                self.bytes -= old.data.len();
                self.counters.skipped += 1;
            }
        }
        if self.lateness(|p| p.drop == DropClass::Discardable) > self.limits.discard_over {
            self.retain(|p| p.drop != DropClass::Discardable, |c| &mut c.dropped);
        }
        self.cut();
        if self.queued() > self.limits.hard_span || self.bytes > self.limits.hard_bytes {
            self.intake = Intake::Overflowed;
            return Verdict::Overflow;
        }
        let may_ask = self
            .asked
            .is_none_or(|at| self.newest.saturating_since(at) >= ASK_AGAIN);
        // Behind a way that is itself late a keyframe would be late, too; it is asked for when it has a chance.
        if self.waiting && may_ask && self.flow.behind <= self.limits.fresh_under {
            self.asked = Some(self.newest);
            return Verdict::NeedKeyframe;
        }
        Verdict::Fine
    }

    /// When the oldest picture is too late: drops all pictures before the first keyframe that is fresh enough; without
    /// one, all of them, and waits for the next keyframe.
    fn cut(&mut self) {
        let is_video = |p: &EncodedPacket| p.track == Track::Video;
        let too_late = self.lateness(is_video) > self.limits.cut_over
            || self.arrival() > self.limits.cut_over && self.packets.iter().any(is_video);
        if !too_late {
            return;
        }
        let is_key = |p: &EncodedPacket| p.track == Track::Video && p.keyframe;
        let key = self.packets.iter().position(|p| {
            let late = self.newest_video.saturating_since(p.dts) + self.flow.behind;
            is_key(p) && late <= self.limits.fresh_under
        });
        // with that much before it, no queued picture is fresh on arrival
        let key = key.filter(|_| self.arrival() <= self.limits.cut_over);
        let end = key.unwrap_or(self.packets.len());
        let late = self.packets.iter().take(end);
        let frozen: u64 = late
            .filter(|p| p.track == Track::Video)
            .map(|p| millis(p.duration))
            .sum();
        self.counters.frozen_ms += frozen;
        let mut index = 0;
        self.retain(
            |p| {
                index += 1;
                index > end || p.track != Track::Video
            },
            |c| &mut c.dropped,
        );
        self.waiting |= key.is_none();
        self.counters.cuts += 1;
    }

    fn retain(
        &mut self,
        mut keep: impl FnMut(&EncodedPacket) -> bool,
        counter: impl Fn(&mut QueueCounters) -> &mut u64,
    ) {
        let Self {
            packets,
            bytes,
            counters,
            ..
        } = self;
        packets.retain(|p| {
            let kept = keep(p);
            if !kept {
                *bytes -= p.data.len();
                *counter(counters) += 1;
            }
            kept
        });
    }

    /// The oldest packet. `None` when there is none, or the first keyframe is not there yet.
    pub fn pop(&mut self) -> Option<EncodedPacket> {
        if self.intake != Intake::Open {
            return None;
        }
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.data.len();
        self.counters.passed += 1;
        Some(packet)
    }

    /// Decode time of the keyframe that [`Self::pop`] would give; `None` when it would give something else.
    pub fn keyframe_ahead(&self) -> Option<MediaTime> {
        let first = self.packets.front();
        let key = first.filter(|p| p.track == Track::Video && p.keyframe);
        key.filter(|_| self.intake == Intake::Open).map(|p| p.dts)
    }

    /// Media time from the oldest queued packet to the newest one seen.
    pub fn queued(&self) -> Duration {
        self.packets
            .front()
            .map_or(Duration::ZERO, |p| self.newest.saturating_since(p.dts))
    }

    /// How late the oldest wanted picture is: from its time to the newest picture, and what lies behind the queue. Zero
    /// when there is none.
    fn lateness(&self, wanted: impl Fn(&EncodedPacket) -> bool) -> Duration {
        let oldest = self.packets.iter().find(|p| wanted(p));
        oldest.map_or(Duration::ZERO, |p| {
            self.newest_video.saturating_since(p.dts) + self.flow.behind
        })
    }

    /// How late the newest packet will be, at what the link carries now.
    fn arrival(&self) -> Duration {
        let queued = self.flow.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_micros(self.bytes as u64 * 1_000_000 / rate.max(1))
        });
        self.flow.behind + queued
    }

    /// Payload bytes queued.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Packets queued.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// [`Self::pop`] would give something, or the consumer has to learn of an overflow.
    pub fn is_ready(&self) -> bool {
        match self.intake {
            Intake::Closed | Intake::Gate => false,
            Intake::Open => !self.packets.is_empty(),
            Intake::Overflowed => true,
        }
    }

    /// The hard limit was passed since the last [`Self::reset`].
    pub fn is_overflowed(&self) -> bool {
        self.intake == Intake::Overflowed
    }

    /// What went through and what was lost.
    pub const fn counters(&self) -> QueueCounters {
        self.counters
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// What a queue holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLevel {
    /// Media time waiting.
    pub queued: Duration,
    /// Payload bytes waiting.
    pub bytes: usize,
    /// Bytes of pictures that came, since the start.
    pub video_bytes: u64,
    /// From the newest keyframe to the newest packet.
    pub keyframe_age: Duration,
    /// Sums since the start.
    pub counters: QueueCounters,
}

/// A [`SendQueue`] between threads: any number of producers, one consumer, which waits either in a task
/// ([`Self::pushed`]) or in a thread ([`Self::wait_pushed`]).
#[derive(Debug)]
pub struct SharedQueue {
    queue: Mutex<SendQueue>,
    task: Notify,
    thread: Condvar,
}

impl SharedQueue {
    /// An empty, closed queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            queue: Mutex::new(SendQueue::new(limits)),
            task: Notify::new(),
            thread: Condvar::new(),
        }
    }

    /// See [`SendQueue::push`]. Holds the lock for the length of the policy, never for I/O.
    pub fn push(&self, packet: &EncodedPacket) -> Verdict {
        let verdict = self.queue.lock().push(packet.clone());
        self.task.notify_one();
        self.thread.notify_one();
        verdict
    }

    /// Wakes the consumer although nothing was pushed (it is asked to stop).
    pub fn wake(&self) {
        // Once through the lock: a thread on its way into `wait_pushed` has either seen the reason or sleeps by now.
        drop(self.queue.lock());
        self.task.notify_one();
        self.thread.notify_one();
    }

    /// Completes after a push (or at once, if one happened since the last wait). Cancel safe.
    pub async fn pushed(&self) {
        self.task.notified().await;
    }

    /// Blocks until something is there to pop, `timeout` has passed, or `unless` is true (looked at before sleeping;
    /// call [`Self::wake`] after it became true).
    pub fn wait_pushed(&self, timeout: Duration, unless: impl Fn() -> bool) {
        let mut queue = self.queue.lock();
        if !queue.is_ready() && !unless() {
            self.thread.wait_for(&mut queue, timeout);
        }
    }

    /// See [`SendQueue::pop`].
    pub fn pop(&self) -> Option<EncodedPacket> {
        self.queue.lock().pop()
    }

    /// See [`SendQueue::keyframe_ahead`].
    pub fn keyframe_ahead(&self) -> Option<MediaTime> {
        self.queue.lock().keyframe_ahead()
    }

    /// See [`SendQueue::is_ready`].
    pub fn is_ready(&self) -> bool {
        self.queue.lock().is_ready()
    }

    /// See [`SendQueue::reset`].
    pub fn reset(&self, now: MediaTime) {
        self.queue.lock().reset(now);
    }

    /// See [`SendQueue::set_flow`].
    pub fn set_flow(&self, limits: QueueLimits, flow: Flow) {
        self.queue.lock().set_flow(limits, flow);
    }

    /// See [`SendQueue::close`].
    pub fn close(&self) {
        self.queue.lock().close();
    }

    /// See [`SendQueue::is_overflowed`].
    pub fn is_overflowed(&self) -> bool {
        self.queue.lock().is_overflowed()
    }

    /// What it holds now.
    pub fn level(&self) -> QueueLevel {
        let queue = self.queue.lock();
        // sound that waits for the first keyframe waits for no link
        let gated = queue.intake == Intake::Gate;
        QueueLevel {
            queued: if gated {
                Duration::ZERO
            } else {
                queue.queued()
            },
            bytes: if gated { 0 } else { queue.bytes() },
            video_bytes: queue.video_bytes,
            keyframe_age: queue.newest.saturating_since(queue.newest_keyframe),
            counters: queue.counters(),
        }
    }
}

#[cfg(test)]
#[path = "send_queue_tests.rs"]
mod tests;
