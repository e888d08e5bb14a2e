//! Runs a sender over a link and takes its measure.

use std::collections::VecDeque;

use super::link::{Path, STEP, Scenario};
use super::peers::{AUDIO, CEILING, Piece, Sender, View};

const FPS: f64 = 30.0;
/// Seconds between keyframes.
const GOP: usize = 60;
/// A keyframe takes as much as this many pictures.
const KEY: f64 = 6.0;
/// The encoder nears a new rate with this time constant.
const LAG: f64 = 0.35;
/// Seconds of media the viewer starts with, and starts again with after a stall.
const VIEWER: f64 = 2.0;

/// The measure of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Score {
    pub(crate) used: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
    /// Share of pictures that never came.
    pub(crate) missing: f64,
    /// Longest time the picture stood still.
    pub(crate) frozen: f64,
    /// Share of the time the viewer waits.
    pub(crate) stalled: f64,
    /// Reversals of the rate per minute.
    pub(crate) turns: f64,
    /// Rate at each 50 ms.
    pub(crate) rates: Vec<f64>,
}

struct Encoder {
    rate: f64,
    next: f64,
    in_gop: usize,
    index: usize,
    key_wanted: bool,
    produced: f64,
    key_at: f64,
    next_audio: f64,
}

impl Encoder {
    fn step(&mut self, now: f64, target: f64, half: bool, content: f64, out: &mut Vec<Piece>) {
        self.rate += (target - self.rate) * STEP / LAG;
        while self.next_audio <= now {
            out.push(Piece {
                dts: self.next_audio,
                bytes: AUDIO / 8.0 / 47.0,
                video: false,
                key: false,
            });
            self.next_audio += 1.0 / 47.0;
        }
        if now < self.next {
            return;
        }
        self.next += 1.0 / FPS;
        self.index += 1;
        if half && self.index.is_multiple_of(2) {
            return;
        }
        let key = self.key_wanted || self.in_gop == 0;
        self.key_wanted = false;
        self.in_gop = if key { 1 } else { (self.in_gop + 1) % GOP };
        let mean = self.rate.min(content) / 8.0 / FPS * if half { 2.0 } else { 1.0 };
        let plain = GOP as f64 / (GOP as f64 - 1.0 + KEY);
        let bytes = mean * plain * if key { KEY } else { 1.0 };
        if key {
            self.key_at = now;
        }
        self.produced += bytes;
        out.push(Piece {
            dts: now,
            bytes,
            video: true,
            key,
        });
    }
}

/// Runs to the end of the scenario.
pub(crate) fn run(s: &Scenario, sender: &mut dyn Sender) -> Score {
    let mut path = Path::new(s.rtt);
    let mut encoder = Encoder {
        rate: 0.6 * CEILING,
        next: 0.0,
        in_gop: 0,
        index: 0,
        key_wanted: false,
        produced: 0.0,
        key_at: 0.0,
        next_audio: 0.0,
    };
    let (mut target, mut half) = (0.6 * CEILING, false);
    let (mut next_tick, mut pieces) = (0.0, Vec::new());
    let mut partial: Option<(Piece, f64)> = None;
    let mut on_the_way: VecDeque<(f64, Piece)> = VecDeque::new();
    let mut arrivals = Vec::new();
    let mut newest_written = 0.0;
    let mut unacked: VecDeque<(f64, f64)> = VecDeque::new();
    let (mut could, mut made) = (0.0, 0_usize);
    let mut score = Score::default();
    let steps = (s.length / STEP) as usize;
    for i in 0..steps {
        let now = i as f64 * STEP;
        encoder.step(now, target, half, s.content_at(now), &mut pieces);
        for piece in pieces.drain(..) {
            made += usize::from(piece.video);
            encoder.key_wanted |= sender.push(piece);
        }
        while room(sender, &path) > 0.0 {
            let Some((piece, left)) = partial
                .take()
                .or_else(|| sender.pop().map(|p| (p, p.bytes)))
            else {
                break;
            };
            let put = left.min(room(sender, &path));
            path.written += put;
            if put < left {
                partial = Some((piece, left - put));
                break;
            }
            newest_written = piece.dts;
            on_the_way.push_back((path.written, piece));
            unacked.push_back((path.written, piece.dts));
        }
        path.step(now, s);
        while let Some((end, piece)) = on_the_way.front().copied() {
            if end > path.served + 1e-6 {
                break;
            }
            arrivals.push((now + s.rtt / 2.0, piece));
            on_the_way.pop_front();
        }
        while unacked
            .front()
            .is_some_and(|(end, _)| *end <= path.acked + 1e-6)
        {
            unacked.pop_front();
        }
        let wish = (CEILING.min(s.content_at(now)) + AUDIO).min(s.at(now));
        could += wish * STEP;
        if now >= next_tick {
            next_tick += 0.05;
            let oldest = unacked.front().map(|(_, dts)| *dts);
            let view = View {
                now,
                written: path.written,
                acked: path.acked,
                rtt: path.rtt,
                min_rtt: s.rtt,
                on_the_way: oldest.map_or(0.0, |dts| newest_written - dts),
                produced: encoder.produced,
                keyframe_age: now - encoder.key_at,
            };
            (target, half) = sender.tick(&view);
            score.rates.push(target);
        }
    }
    score.used = path.served * 8.0 / could;
    measure(&mut score, &arrivals, made, s);
    score
}

/// Bytes that may be written now.
fn room(sender: &dyn Sender, path: &Path) -> f64 {
    let window = sender.window() - (path.written - path.acked);
    window.min(sender.kernel() - path.unsent())
}

fn measure(score: &mut Score, arrivals: &[(f64, Piece)], made: usize, s: &Scenario) {
    let pictures: Vec<_> = arrivals.iter().filter(|(_, p)| p.video).collect();
    let mut delays: Vec<f64> = pictures.iter().map(|(at, p)| at - p.dts).collect();
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    (score.p50, score.p95, score.max) = (at(0.5), at(0.95), at(1.0));
    // what never came, and what was still queued at the end
    score.missing = 1.0 - pictures.len() as f64 / made as f64;
    let gap = |w: &[&(f64, Piece)]| w[1].1.dts - w[0].1.dts - 1.0 / FPS;
    score.frozen = pictures.windows(2).map(gap).fold(0.0, f64::max);
    score.stalled = stalled(&pictures, s.length);
    score.turns = turns(&score.rates) / s.length * 60.0;
}

/// A viewer who starts with two seconds, stops when dry, and goes on with two seconds again. A hole in the stamps keeps
/// the old picture up: it is frozen, not stalled.
fn stalled(pictures: &[&(f64, Piece)], length: f64) -> f64 {
    let mut waited = 0.0;
    let Some((first, piece)) = pictures.first().copied().copied() else {
        return 1.0;
    };
    let mut shift = first - piece.dts + VIEWER;
    for (at, p) in pictures {
        if at - p.dts > shift {
            waited += at - p.dts - shift + VIEWER;
            shift = at - p.dts + VIEWER;
        }
    }
    waited / length
}

/// Reversals of a change of more than 3 %.
pub(crate) fn turns(rates: &[f64]) -> f64 {
    let (mut count, mut direction, mut extreme) = (0, 0_i8, rates[0]);
    for &rate in rates {
        let step: i8 = match rate / extreme {
            q if q > 1.03 => 1,
            q if q < 0.97 => -1,
            _ => 0,
        };
        if step != 0 && step != direction {
            count += i32::from(direction != 0);
            direction = step;
        }
        if step != 0 || (rate > extreme) == (direction > 0) {
            extreme = rate;
        }
    }
    f64::from(count)
}
