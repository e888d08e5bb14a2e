//! Who decides: our controller with the real send queue, and baselines written anew from the published behaviour of
//! other programs (their numbers, none of their code).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kaibo::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use kaibo::media::time::MediaTime;
use kaibo::output::adapt::{AdaptLimits, AdaptPreset, BitrateController, LinkSample};
use kaibo::output::send_queue::{Flow, QueueLimits, SendQueue, Verdict};

pub(crate) const CEILING: f64 = 4.5e6;
pub(crate) const FLOOR: f64 = 0.2e6;
pub(crate) const AUDIO: f64 = 0.128e6;

/// One encoded piece.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Piece {
    /// Seconds.
    pub(crate) dts: f64,
    pub(crate) bytes: f64,
    pub(crate) video: bool,
    pub(crate) key: bool,
}

/// What a sender sees of its link; peers look only at what they look at.
pub(crate) struct View {
    pub(crate) now: f64,
    pub(crate) written: f64,
    pub(crate) acked: f64,
    pub(crate) rtt: f64,
    pub(crate) min_rtt: f64,
    /// Media time between the oldest unconfirmed and the newest written piece.
    pub(crate) on_the_way: f64,
    pub(crate) produced: f64,
    pub(crate) keyframe_age: f64,
}

/// A sender's policy: its queue and its rate.
pub(crate) trait Sender {
    fn push(&mut self, piece: Piece) -> bool;
    fn pop(&mut self) -> Option<Piece>;
    /// Bytes the kernel may hold unsent.
    fn kernel(&self) -> f64;
    /// Bytes that may be on their way.
    fn window(&self) -> f64 {
        f64::INFINITY
    }
    /// Video bit/s, and half the frame rate; called each 50 ms.
    fn tick(&mut self, view: &View) -> (f64, bool);
}

/// Ours.
pub(crate) struct Kaibo {
    queue: SendQueue,
    controller: BitrateController,
    pub(crate) limits: AdaptLimits,
    rate: f64,
    min_rtt: f64,
    parameters: Arc<CodecParameters>,
    room: Bytes,
}

impl Kaibo {
    pub(crate) fn new(preset: AdaptPreset) -> Self {
        let bitrate = |bps: f64| Bitrate::from_bps(bps as u32);
        let limits = AdaptLimits {
            preset,
            floor: bitrate(FLOOR),
            ceiling: bitrate(CEILING),
            audio: bitrate(AUDIO),
            pixel_rate: 0,
            shrink: false,
        };
        let mut queue = SendQueue::new(QueueLimits::STREAM);
        queue.reset(MediaTime::ZERO);
        Self {
            queue,
            controller: BitrateController::new(&limits),
            limits,
            rate: 0.6 * CEILING,
            min_rtt: 0.0,
            parameters: Arc::new(CodecParameters::Aac {
                asc: Bytes::new(),
                sample_rate: 48_000,
                channels: 2,
                bitrate: Bitrate::default(),
            }),
            room: Bytes::from(vec![0; 4 << 20]),
        }
    }
}

impl Sender for Kaibo {
    fn push(&mut self, p: Piece) -> bool {
        let at = MediaTime::from_nanos((p.dts * 1e9) as i64);
        let verdict = self.queue.push(EncodedPacket {
            track: if p.video { Track::Video } else { Track::Audio },
            pts: at,
            dts: at,
            duration: Duration::from_millis(33),
            keyframe: p.key || !p.video,
            drop: match (p.video, p.key) {
                (true, false) => DropClass::Reference,
                _ => DropClass::Never,
            },
            data: self.room.slice(..p.bytes as usize),
            parameters: Arc::clone(&self.parameters),
            generation: 0,
        });
        verdict == Verdict::NeedKeyframe
    }

    fn pop(&mut self) -> Option<Piece> {
        self.queue.pop().map(|p| Piece {
            dts: p.dts.as_nanos() as f64 / 1e9,
            bytes: p.data.len() as f64,
            video: p.track == Track::Video,
            key: p.keyframe,
        })
    }

    fn kernel(&self) -> f64 {
        (0.12 * (self.rate + AUDIO) / 8.0).max(16_384.0)
    }

    /// As `output::window` does for a path that keeps its length.
    fn window(&self) -> f64 {
        ((self.min_rtt + 0.1) * (self.rate + AUDIO) / 8.0).max(16_384.0)
    }

    fn tick(&mut self, v: &View) -> (f64, bool) {
        let span = |s: f64| Duration::from_secs_f64(s.max(0.0));
        self.min_rtt = v.min_rtt;
        let sample = LinkSample {
            now: span(v.now),
            media: self.queue.queued() + span(v.on_the_way),
            backlog_bytes: self.queue.bytes() as u64 + (v.written - v.acked) as u64,
            delivered_bytes: v.acked as u64,
            produced_bytes: v.produced as u64,
            keyframe_age: span(v.keyframe_age),
            rtt: Some(span(v.rtt)),
            min_rtt: Some(span(v.min_rtt)),
            server_slow: false,
        };
        let d = self.controller.tick(&sample, &self.limits);
        if self.queue.is_overflowed() {
            self.queue
                .reset(MediaTime::from_nanos((v.now * 1e9) as i64)); // as a new connection does
        }
        let full = d.capacity.filter(|_| d.delay_ms > 0);
        let ahead = full.map_or(0.0, |c| (v.written - v.acked) * 8.0 / f64::from(c.bps()));
        let flow = Flow {
            behind: span(v.on_the_way.max(ahead)),
            bytes_per_second: full.map(|c| u64::from(c.bps() / 8)),
        };
        self.queue.set_flow(QueueLimits::STREAM, flow);
        self.rate = f64::from(d.bitrate.bps());
        (self.rate, d.half_rate)
    }
}

/// The queue that others have: pieces, a rule when to drop.
#[derive(Default)]
struct Fifo {
    pieces: VecDeque<Piece>,
    newest: f64,
    waiting: bool,
}

impl Fifo {
    fn push(&mut self, p: Piece) {
        self.newest = self.newest.max(p.dts);
        if p.video && p.key {
            self.waiting = false;
        }
        if !(p.video && self.waiting) {
            self.pieces.push_back(p);
        }
    }

    /// Media seconds from the first queued picture that is no keyframe.
    fn span(&self) -> f64 {
        let first = self.pieces.iter().find(|p| p.video && !p.key);
        first.map_or(0.0, |p| self.newest - p.dts)
    }

    fn drop_pictures(&mut self) {
        self.pieces.retain(|p| !p.video || p.key);
        self.waiting = true;
    }
}

/// How much the kernel holds for those who leave it to the kernel: what Linux grows a send buffer to on such paths.
const KERNEL: f64 = 500_000.0;

/// OBS Studio: fixed rate, or "dynamically change bitrate".
#[derive(Default)]
pub(crate) struct Obs {
    fifo: Fifo,
    dynamic: bool,
    rate: f64,
    before_raise: f64,
    next_raise: f64,
    /// (time, bytes written).
    sent: VecDeque<(f64, f64)>,
    last_cut: f64,
}

impl Obs {
    pub(crate) fn new(dynamic: bool) -> Self {
        Self {
            dynamic,
            rate: CEILING,
            before_raise: CEILING,
            ..Self::default()
        }
    }
}

impl Sender for Obs {
    fn push(&mut self, p: Piece) -> bool {
        self.fifo.push(p);
        if !self.dynamic && self.fifo.pieces.len() >= 5 && self.fifo.span() > 0.9 {
            self.fifo.drop_pictures();
        }
        false // waits for the next keyframe, does not ask
    }

    fn pop(&mut self) -> Option<Piece> {
        self.fifo.pieces.pop_front()
    }

    fn kernel(&self) -> f64 {
        KERNEL
    }

    fn tick(&mut self, v: &View) -> (f64, bool) {
        if !self.dynamic {
            return (CEILING, false);
        }
        self.sent.push_back((v.now, v.written));
        while self.sent.front().is_some_and(|(at, _)| v.now - at > 1.5) {
            self.sent.pop_front();
        }
        let (t0, b0) = self.sent[0];
        let window = v.now - t0;
        let late = self.fifo.span() >= 0.2 && self.fifo.pieces.len() >= 5;
        if late && v.now - self.last_cut >= 1.0 {
            let estimate = ((v.written - b0) * 8.0 / window.max(0.1) - AUDIO).max(50e3);
            if window < 1.0 {
                self.rate = self.rate.min(self.before_raise);
            } else if estimate < self.rate {
                self.rate = ((estimate / 1e5).floor() * 1e5).max(50e3);
            }
            self.last_cut = v.now;
            self.next_raise = v.now + 4.0;
        } else if self.rate < CEILING && v.now >= self.next_raise {
            self.before_raise = self.rate;
            self.rate = (self.rate + CEILING / 10.0).min(CEILING);
            self.next_raise = v.now + 4.0;
        }
        (self.rate, false)
    }
}

/// LFLiveKit with adaptive bitrate on.
pub(crate) struct LfLiveKit {
    fifo: Fifo,
    rate: f64,
    samples: Vec<usize>,
    next: f64,
}

impl LfLiveKit {
    pub(crate) fn new() -> Self {
        Self {
            fifo: Fifo::default(),
            rate: CEILING,
            samples: Vec::new(),
            next: 0.0,
        }
    }
}

impl Sender for LfLiveKit {
    fn push(&mut self, p: Piece) -> bool {
        self.fifo.push(p);
        if self.fifo.pieces.len() > 600 {
            let first = self.fifo.pieces.iter().position(|p| p.video && !p.key);
            let Some(first) = first else {
                self.fifo.pieces.clear();
                return false;
            };
            let key = (first..self.fifo.pieces.len()).find(|&i| self.fifo.pieces[i].key);
            let end = key.unwrap_or(self.fifo.pieces.len());
            let mut i = 0;
            self.fifo.pieces.retain(|p| {
                i += 1;
                i <= first || i > end || !p.video
            });
            self.fifo.waiting |= key.is_none();
        }
        false
    }

    fn pop(&mut self) -> Option<Piece> {
        self.fifo.pieces.pop_front()
    }

    fn kernel(&self) -> f64 {
        KERNEL
    }

    fn tick(&mut self, v: &View) -> (f64, bool) {
        if v.now >= self.next {
            self.next += 1.0;
            self.samples.push(self.fifo.pieces.len());
            if self.samples.len() == 5 {
                if self.samples.is_sorted_by(|a, b| a < b) {
                    self.rate = (self.rate - 100e3).max(FLOOR);
                } else if self.samples.iter().all(|&n| n == 0) {
                    self.rate = (self.rate + 50e3).min(CEILING);
                }
                self.samples.clear();
            }
        }
        (self.rate, false)
    }
}

/// Moblin on RTMP: round trip and bytes in flight by acknowledgements, judged five times a second; drops nothing.
pub(crate) struct Moblin {
    fifo: Fifo,
    rate: f64,
    rtt: f64,
    in_flight: f64,
    next: f64,
    sent: VecDeque<(f64, f64)>,
}

impl Moblin {
    pub(crate) fn new() -> Self {
        Self {
            fifo: Fifo::default(),
            rate: 1e6,
            rtt: 0.04,
            in_flight: 0.0,
            next: 0.0,
            sent: VecDeque::new(),
        }
    }
}

impl Sender for Moblin {
    fn push(&mut self, p: Piece) -> bool {
        self.fifo.push(p);
        false
    }

    fn pop(&mut self) -> Option<Piece> {
        self.fifo.pieces.pop_front()
    }

    fn kernel(&self) -> f64 {
        KERNEL
    }

    fn tick(&mut self, v: &View) -> (f64, bool) {
        if v.now < self.next {
            return (self.rate, false);
        }
        self.next += 0.2;
        self.sent.push_back((v.now, v.acked));
        while self.sent.front().is_some_and(|(at, _)| v.now - at > 1.0) {
            self.sent.pop_front();
        }
        let (t0, b0) = self.sent[0];
        let going = (v.acked - b0) * 8.0 / (v.now - t0).max(0.2);
        let queued: f64 = self.fifo.pieces.iter().map(|p| p.bytes).sum();
        // acknowledged each 100 kB: what is in flight is known to within that
        let acked = (v.acked / 100e3).floor() * 100e3;
        let now_in_flight = (v.written - acked + queued) / 1400.0;
        let now_rtt = v.rtt;
        self.in_flight += (now_in_flight - self.in_flight) * 0.1;
        self.rtt += (now_rtt - self.rtt) * 0.1;
        if now_in_flight > 2.0 * 200.0 {
            self.rate = FLOOR;
        } else if self.in_flight > 100.0 || self.rtt > 0.25 {
            self.rate -= (self.rate * 0.1).max(250e3);
        } else if now_rtt > self.rtt + 0.05 {
            self.rate *= 0.9;
        } else if now_rtt <= self.rtt + 0.015 {
            let head_room = (1.0 - now_in_flight / 100.0).clamp(0.0, 1.0);
            self.rate += 100e3 * head_room;
        }
        self.rate = self
            .rate
            .min((going + 1e6).max(1.7 * going))
            .clamp(FLOOR, CEILING);
        (self.rate, false)
    }
}
