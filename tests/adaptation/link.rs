//! A link in virtual time: TCP without losses over a bottleneck with a finite buffer, fed by a kernel send buffer. All in
//! steps of [`STEP`]; bytes are fluid.

use std::collections::VecDeque;

/// Seconds per step.
pub(crate) const STEP: f64 = 0.005;

/// Capacity over time and the rest of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Seconds.
    pub(crate) length: f64,
    /// Bit/s at each tenth of a second.
    pub(crate) capacity: Vec<f64>,
    /// Bottleneck buffer in bytes.
    pub(crate) buffer: f64,
    /// Round trip without queue, seconds.
    pub(crate) rtt: f64,
    /// What the picture needs at most, bit/s at each second; empty: more than it gets.
    pub(crate) content: Vec<f64>,
}

impl Scenario {
    pub(crate) fn new(name: &'static str, length: f64, capacity: impl Fn(f64) -> f64) -> Self {
        let tenths = (length * 10.0) as usize;
        Self {
            name,
            length,
            capacity: (0..=tenths).map(|i| capacity(i as f64 / 10.0)).collect(),
            buffer: 150_000.0,
            rtt: 0.04,
            content: Vec::new(),
        }
    }

    pub(crate) fn at(&self, t: f64) -> f64 {
        self.capacity[((t * 10.0) as usize).min(self.capacity.len() - 1)]
    }

    pub(crate) fn content_at(&self, t: f64) -> f64 {
        let last = self.content.len().saturating_sub(1);
        self.content
            .get((t as usize).min(last))
            .copied()
            .unwrap_or(f64::INFINITY)
    }
}

/// Kernel and path. Places are bytes since the start.
pub(crate) struct Path {
    /// Written by the application, sent into the path, out of the bottleneck, acknowledged.
    pub(crate) written: f64,
    pub(crate) sent: f64,
    pub(crate) served: f64,
    pub(crate) acked: f64,
    /// (time, place) of what left the bottleneck and is not acknowledged.
    pipe: VecDeque<(f64, f64)>,
    /// (time, place) of what was sent and is not acknowledged, for the round trip time.
    sent_at: VecDeque<(f64, f64)>,
    pub(crate) rtt: f64,
}

impl Path {
    pub(crate) fn new(rtt: f64) -> Self {
        Self {
            written: 0.0,
            sent: 0.0,
            served: 0.0,
            acked: 0.0,
            pipe: VecDeque::new(),
            sent_at: VecDeque::new(),
            rtt,
        }
    }

    pub(crate) fn unsent(&self) -> f64 {
        self.written - self.sent
    }

    pub(crate) fn step(&mut self, now: f64, s: &Scenario) {
        let capacity = s.at(now) / 8.0;
        // the window: what the path and its buffer hold; acknowledgements clock the rest
        let room = (s.buffer - (self.sent - self.served)).max(0.0);
        let put = self.unsent().min(room);
        if put > 0.0 {
            self.sent += put;
            self.sent_at.push_back((now, self.sent));
        }
        let out = (self.sent - self.served).min(capacity * STEP);
        if out > 0.0 {
            self.served += out;
            self.pipe.push_back((now + s.rtt, self.served));
        }
        while let Some((at, place)) = self.pipe.front().copied() {
            if at > now {
                break;
            }
            self.acked = place;
            self.pipe.pop_front();
        }
        while let Some((at, place)) = self.sent_at.front().copied() {
            if place > self.acked {
                break;
            }
            self.rtt += (now - at - self.rtt) / 8.0;
            self.sent_at.pop_front();
        }
    }
}

/// Seeded noise.
pub(crate) fn lte(seed: u64) -> Scenario {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rate: f64 = 3e6;
    let mut target: f64 = 3e6;
    let steps: Vec<f64> = (0..=360)
        .map(|i| {
            if i % 24 == 0 {
                target = 0.5e6 * 16_f64.powf(random.f64()); // a new place: 0.5 to 8 Mbit/s
            }
            rate += (target - rate) * 0.3 + rate * 0.25 * (random.f64() - 0.5);
            rate = rate.clamp(0.5e6, 8e6);
            rate
        })
        .collect();
    Scenario::new("LTE-like, 20 seeds", 180.0, |t| steps[(t * 2.0) as usize])
}

/// Every link of the table but the LTE-like ones.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut random = fastrand::Rng::with_seed(1);
    let gaps: Vec<bool> = (0..=1200).map(|_| random.f64() < 0.05).collect();
    let bloated = Scenario {
        buffer: 3.0 * 2e6 / 8.0,
        ..Scenario::new("bufferbloat, 2 Mbit/s with 3 s", 120.0, |_| 2e6)
    };
    let quiet = Scenario {
        content: (0..120)
            .map(|t| if t % 40 < 20 { 0.4e6 } else { 9e6 })
            .collect(),
        ..Scenario::new("still scene 20 s, motion 20 s", 120.0, |_| 6e6)
    };
    let step = |t: f64| {
        if (40.0..80.0).contains(&t) {
            1.5e6
        } else {
            6e6
        }
    };
    let ramp = |t: f64| {
        let part = if t < 60.0 { t / 60.0 } else { 2.0 - t / 60.0 };
        6e6 - 5e6 * part
    };
    vec![
        Scenario::new("constant 6 Mbit/s", 120.0, |_| 6e6),
        Scenario::new("constant 2 Mbit/s", 120.0, |_| 2e6),
        Scenario::new("step 6, 1.5, 6", 120.0, step),
        Scenario::new("ramp 6, 1, 6", 120.0, ramp),
        Scenario::new("square 4/2, 10 s each", 120.0, |t| {
            if t % 20.0 < 10.0 { 4e6 } else { 2e6 }
        }),
        Scenario::new("3 s blackout each 30 s", 120.0, |t| {
            if t % 30.0 > 27.0 { 0.0 } else { 6e6 }
        }),
        Scenario::new("one 10 s blackout", 120.0, |t| {
            if (50.0..60.0).contains(&t) { 0.0 } else { 6e6 }
        }),
        Scenario::new("Wi-Fi gaps, 100 ms at 5 %", 120.0, |t| {
            if gaps[(t * 10.0) as usize] { 0.0 } else { 5e6 }
        }),
        bloated,
        quiet,
    ]
}
