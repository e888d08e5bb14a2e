//! One stream to many viewers: units in, the newest group of pictures kept, a bounded queue for each viewer out.
//!
//! The publisher's task pushes, viewers' tasks pop; nobody waits for anybody.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The kept group of pictures is given up beyond this (viewers then start at the next keyframe).
const GOP_BYTES: usize = 16 << 20;
/// As [`GOP_BYTES`], in time since its keyframe arrived.
const GOP_AGE: Duration = Duration::from_secs(20);
/// A viewer's queue is emptied beyond this; more than [`GOP_BYTES`], which it may begin with.
const QUEUE_BYTES: usize = 24 << 20;
/// A viewer's queue is emptied when its oldest unit has waited this long.
const QUEUE_AGE: Duration = Duration::from_secs(3);

/// What is handed on; cheap to clone.
pub(super) trait Unit: Clone {
    /// Bytes of payload.
    fn size(&self) -> usize;
    /// A viewer can start here.
    fn starts_gop(&self) -> bool;
}

/// The sending side; belongs to one stream.
#[derive(Debug)]
pub(super) struct Fanout<U> {
    gop: VecDeque<U>,
    gop_bytes: usize,
    gop_started: Option<Instant>,
    viewers: Vec<Arc<Queue<U>>>,
    /// Units thrown away for slow viewers who have left.
    dropped_before: u64,
}

impl<U> Default for Fanout<U> {
    fn default() -> Self {
        Self {
            gop: VecDeque::new(),
            gop_bytes: 0,
            gop_started: None,
            viewers: Vec::new(),
            dropped_before: 0,
        }
    }
}

impl<U: Unit> Fanout<U> {
    /// Hands a unit to everybody and keeps it for those who come later.
    pub(super) fn push(&mut self, unit: &U, now: Instant) {
        self.keep(unit, now);
        let dropped_before = &mut self.dropped_before;
        self.viewers.retain(|viewer| {
            let here = viewer.push(unit, now);
            if !here {
                *dropped_before += viewer.dropped.load(Ordering::Relaxed);
            }
            here
        });
    }

    fn keep(&mut self, unit: &U, now: Instant) {
        if unit.starts_gop() {
            self.gop.clear();
            self.gop_bytes = 0;
            self.gop_started = Some(now);
        }
        let Some(started) = self.gop_started else {
            return;
        };
        self.gop.push_back(unit.clone());
        self.gop_bytes += unit.size();
        if self.gop_bytes > GOP_BYTES || now.saturating_duration_since(started) > GOP_AGE {
            self.gop.clear();
            self.gop_bytes = 0;
            self.gop_started = None;
        }
    }

    /// A new viewer: gets `headers`, then everything since the newest keyframe, then what comes.
    pub(super) fn join(
        &mut self,
        headers: impl IntoIterator<Item = U>,
        now: Instant,
    ) -> Subscription<U> {
        let queue = Arc::new(Queue {
            state: Mutex::new(QueueState {
                headers: headers.into_iter().collect(),
                units: self.gop.iter().map(|u| (now, u.clone())).collect(),
                bytes: self.gop_bytes,
                waiting: self.gop.is_empty(),
                closed: false,
                waker: None,
            }),
            dropped: AtomicU64::new(0),
        });
        self.viewers.push(Arc::clone(&queue));
        Subscription { queue }
    }

    /// How many are watching.
    pub(super) fn viewers(&self) -> usize {
        self.viewers
            .iter()
            .filter(|v| !v.state.lock().closed)
            .count()
    }

    /// Units thrown away because a viewer was too slow, over all viewers.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped_before
            + self
                .viewers
                .iter()
                .map(|v| v.dropped.load(Ordering::Relaxed))
                .sum::<u64>()
    }
}

impl<U> Drop for Fanout<U> {
    fn drop(&mut self) {
        for viewer in &self.viewers {
            viewer.close();
        }
    }
}

/// One viewer's queue. Sent by the publisher's task, received by the viewer's; bounded in bytes and in waiting time;
/// when full it is emptied and goes on at the next keyframe.
#[derive(Debug)]
struct Queue<U> {
    state: Mutex<QueueState<U>>,
    /// Units thrown away here.
    dropped: AtomicU64,
}

#[derive(Debug)]
struct QueueState<U> {
    /// Sent before everything else, never dropped.
    headers: VecDeque<U>,
    units: VecDeque<(Instant, U)>,
    bytes: usize,
    /// Nothing is taken until a keyframe comes.
    waiting: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl<U> Queue<U> {
    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<U: Unit> Queue<U> {
    /// False when the viewer has left.
    fn push(&self, unit: &U, now: Instant) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        let late = state
            .units
            .front()
            .is_some_and(|(since, _)| now.saturating_duration_since(*since) > QUEUE_AGE);
        if late || state.bytes + unit.size() > QUEUE_BYTES {
            let lost = u64::try_from(state.units.len()).unwrap_or(u64::MAX);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            state.units.clear();
            state.bytes = 0;
            state.waiting = true;
        }
        if state.waiting && !unit.starts_gop() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        state.waiting = false;
        state.bytes += unit.size();
        state.units.push_back((now, unit.clone()));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// The receiving side; dropping it leaves the stream.
#[derive(Debug)]
pub(super) struct Subscription<U> {
    queue: Arc<Queue<U>>,
}

impl<U: Unit> Subscription<U> {
    /// The next unit; `None` when the stream has ended and everything was taken.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<U>> {
        let mut state = self.queue.state.lock();
        if let Some(header) = state.headers.pop_front() {
            return Poll::Ready(Some(header));
        }
        if let Some((_, unit)) = state.units.pop_front() {
            state.bytes = state.bytes.saturating_sub(unit.size());
            return Poll::Ready(Some(unit));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits for [`poll_next`](Self::poll_next). Cancelling loses nothing.
    pub(super) async fn next(&self) -> Option<U> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl<U> Drop for Subscription<U> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Picture {
        number: u32,
        keyframe: bool,
        size: usize,
    }

    impl Unit for Picture {
        fn size(&self) -> usize {
            self.size
        }
        fn starts_gop(&self) -> bool {
            self.keyframe
        }
    }

    const fn picture(number: u32, keyframe: bool) -> Picture {
        Picture {
            number,
            keyframe,
            size: 1000,
        }
    }

    /// Everything that is there now; the flag says whether the stream has ended.
    fn drain(viewer: &Subscription<Picture>) -> (Vec<u32>, bool) {
        let cx = Context::from_waker(Waker::noop());
        let mut numbers = Vec::new();
        loop {
            match viewer.poll_next(&cx) {
                Poll::Ready(Some(p)) => numbers.push(p.number),
                Poll::Ready(None) => return (numbers, true),
                Poll::Pending => return (numbers, false),
            }
        }
    }

    #[test]
    fn a_late_viewer_gets_headers_then_starts_at_the_newest_keyframe() {
        let now = Instant::now();
        let mut fanout = Fanout::default();
        fanout.push(&picture(0, false), now);
        let early = fanout.join([picture(100, false)], now);
        for n in 1..8 {
            fanout.push(&picture(n, n % 3 == 1), now);
        }
        let late = fanout.join([picture(100, false)], now);
        fanout.push(&picture(8, false), now);
        assert_eq!(
            drain(&early),
            (vec![100, 1, 2, 3, 4, 5, 6, 7, 8], false),
            "nothing before the first keyframe"
        );
        assert_eq!(drain(&late), (vec![100, 7, 8], false));
        assert_eq!(fanout.viewers(), 2);
        drop(early);
        assert_eq!(fanout.viewers(), 1);
        drop(fanout);
        assert_eq!(drain(&late), (vec![], true));
    }

    #[test]
    fn a_slow_viewer_loses_whole_groups_and_the_loss_is_counted() {
        let start = Instant::now();
        let mut fanout = Fanout::default();
        let viewer = fanout.join([], start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        fanout.push(&picture(0, true), at(0));
        for n in 1..5 {
            fanout.push(&picture(n, false), at(u64::from(n) * 1000));
        }
        // 4 comes after picture 0 has waited for more than 3 s: five lost, and 5 with them.
        fanout.push(&picture(5, false), at(5000));
        fanout.push(&picture(6, true), at(6000));
        fanout.push(&picture(7, false), at(7000));
        assert_eq!(drain(&viewer), (vec![6, 7], false));
        assert_eq!(fanout.dropped(), 6);
    }

    #[test]
    fn memory_is_bounded_by_bytes_too() {
        let now = Instant::now();
        let mut fanout = Fanout::default();
        let viewer = fanout.join([], now);
        let big = |n, keyframe| Picture {
            number: n,
            keyframe,
            size: 10 << 20,
        };
        fanout.push(&big(0, true), now);
        fanout.push(&big(1, false), now);
        let late = fanout.join([], now);
        assert_eq!(
            drain(&late),
            (vec![], false),
            "a group beyond its limit is not kept"
        );
        fanout.push(&big(2, false), now);
        fanout.push(&big(3, true), now);
        assert_eq!(drain(&viewer), (vec![3], false));
    }

    #[test]
    fn a_group_that_never_ends_is_given_up() {
        let start = Instant::now();
        let mut fanout = Fanout::default();
        fanout.push(&picture(0, true), start);
        fanout.push(&picture(1, false), start + Duration::from_secs(21));
        assert_eq!(drain(&fanout.join([], start)), (vec![], false));
    }
}
