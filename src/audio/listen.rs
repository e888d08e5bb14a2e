//! Listening in: the mix, or one input before its gain and mute, on its way to an output of this machine. On the audio
//! thread, and only while somebody listens.
//!
//! The output's clock is another one than ours. How much waits in its ring is measured at each block, and the resampler
//! that converts to its rate makes a little more or less of each ([`Drift`]), so that the delay stays what it is.

use std::time::Duration;

use crossbeam_channel::Receiver;

use super::chain::fader::Fader;
use super::clock::{BLOCK_FRAMES, Frame};
use super::drift::Drift;
use super::resample::Resampler;
use super::{Listen, ListenStats, ListenTo};
use crate::media::audio::{AudioFormat, ENGINE_RATE};
use crate::media::playback::{PLAYBACK_LEVEL, PlaybackSink};

/// With this much more waiting than aimed at, blocks are left out until it is right: the output stood still for a while.
const TOO_MUCH: Duration = Duration::from_millis(150);

/// Somebody listens.
pub(super) struct Listening {
    to: ListenTo,
    /// What is listened to from the next block on, after this one has faded out.
    next: Option<Listen>,
    gain: Fader,
    /// New outputs, from whoever opens them.
    sinks: Receiver<PlaybackSink>,
    out: Option<Out>,
    frames: Vec<Frame>,
    dropped: u64,
}

/// An output.
struct Out {
    sink: PlaybackSink,
    resampler: Resampler,
    drift: Drift,
    /// Too much waits: blocks are left out until it is as much as it should be.
    skipping: bool,
    made: Vec<Frame>,
}

impl Listening {
    pub(super) fn new(listen: Listen) -> Self {
        Self {
            to: listen.to,
            next: None,
            gain: fade_in(listen.gain_db),
            sinks: listen.sinks,
            out: None,
            frames: vec![[0.0; 2]; BLOCK_FRAMES],
            dropped: 0,
        }
    }

    /// Listens to something else, or louder, at the same output.
    pub(super) fn set(&mut self, listen: Listen) {
        if !self.sinks.same_channel(&listen.sinks) {
            (self.sinks, self.out) = (listen.sinks.clone(), None);
        }
        if self.to == listen.to {
            self.next = None;
            self.gain.set(listen.gain_db, 0.0, true);
        } else {
            self.gain.set(listen.gain_db, 0.0, false);
            self.next = Some(listen);
        }
    }

    /// What [`feed`](Self::feed) takes next.
    pub(super) const fn to(&self) -> ListenTo {
        self.to
    }

    /// Takes the next block of what is listened to.
    pub(super) fn feed(&mut self, heard: &[Frame]) {
        if let Some(sink) = self.sinks.try_iter().last() {
            self.out = Out::new(sink);
        }
        self.out.take_if(|out| out.sink.is_abandoned());
        self.frames.clear();
        self.frames.extend_from_slice(heard);
        self.gain.process(&mut self.frames);
        if let Some(next) = self.next.take() {
            self.to = next.to;
            self.gain = fade_in(next.gain_db);
        }
        let Some(out) = &mut self.out else {
            return;
        };
        for sample in self.frames.as_flattened_mut() {
            *sample = sample.clamp(-1.0, 1.0);
        }
        if !out.push(&self.frames) {
            self.dropped += 1;
        }
    }

    pub(super) fn stats(&self) -> ListenStats {
        let out = self.out.as_ref();
        let queued = out.map_or(Duration::ZERO, |o| o.format().duration_of(o.sink.queued()));
        ListenStats {
            queued_ms: u32::try_from(queued.as_millis()).unwrap_or(u32::MAX),
            drift_ppm: out.and_then(|o| o.drift.ppm()),
            dropped: self.dropped,
            ran_dry: out.map_or(0, |o| o.sink.ran_dry()),
        }
    }
}

impl Out {
    fn new(sink: PlaybackSink) -> Option<Self> {
        let resampler = Resampler::new(ENGINE_RATE, sink.rate(), 2);
        if resampler.is_none() {
            tracing::warn!(rate = sink.rate(), "an output of this rate cannot be used");
        }
        Some(Self {
            sink,
            resampler: resampler?,
            drift: Drift::default(),
            skipping: false,
            made: Vec::new(),
        })
    }

    const fn format(&self) -> AudioFormat {
        AudioFormat {
            rate: self.sink.rate(),
            channels: 2,
        }
    }

    /// False when the block was left out.
    fn push(&mut self, frames: &[Frame]) -> bool {
        let queued = self.format().duration_of(self.sink.queued());
        let more = if self.skipping {
            Duration::ZERO
        } else {
            TOO_MUCH
        };
        self.skipping = queued > PLAYBACK_LEVEL + more;
        if self.skipping {
            self.drift.restart();
            return false;
        }
        let short = PLAYBACK_LEVEL.as_secs_f64() - queued.as_secs_f64();
        let length = AudioFormat::ENGINE.duration_of(frames.len()).as_secs_f64();
        if let Some(stretch) = self.drift.add(short, length) {
            self.resampler.stretch(stretch);
        }
        self.made.clear();
        let samples = frames.as_flattened().iter().copied();
        self.resampler.push(samples, &mut self.made);
        self.sink.push(&self.made)
    }
}

/// From silence to a gain.
fn fade_in(gain_db: f32) -> Fader {
    let mut gain = Fader::SILENT;
    gain.set(gain_db, 0.0, true);
    gain
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;
    use crate::media::playback::playback_ring;

    /// An output whose clock is off for half an hour: how far the queue strays from its level in ms after the first 20 s,
    /// and what the ear gets.
    fn listen(rate: u32, ppm: f64) -> (f64, ListenStats, Vec<f32>) {
        let (sinks, received) = bounded(4);
        let (sink, mut tap) = playback_ring(rate);
        sinks.send(sink).unwrap();
        let mut listening = Listening::new(Listen {
            to: ListenTo::Mix,
            gain_db: -6.0206,
            sinks: received,
        });
        let (mut worst, mut asked, mut heard) = (0.0_f64, 0.0, Vec::new());
        let seconds = 1024.0 / 48_000.0;
        let blocks = 84_375; // 30 min
        let mut phase = 0_u32;
        for k in 0..blocks {
            let block: Vec<Frame> = (0..1024)
                .map(|_| {
                    phase = (phase + 1) % 48;
                    let angle = f64::from(phase) * std::f64::consts::TAU / 48.0;
                    #[expect(clippy::cast_possible_truncation, reason = "test tone")]
                    let s = angle.sin() as f32;
                    [s; 2]
                })
                .collect();
            listening.feed(&block);
            asked += f64::from(rate) * (1.0 + ppm * 1e-6) * seconds;
            while asked >= 480.0 {
                asked -= 480.0;
                tap.read(480, |_, frame| {
                    if k > blocks - 200 {
                        heard.push(frame[0]);
                    }
                });
            }
            if k > 940 && k % 23 == 0 {
                let level = f64::from(listening.stats().queued_ms);
                worst = worst.max((level - 60.0).abs());
            }
        }
        (worst, listening.stats(), heard)
    }

    #[test]
    fn the_delay_neither_grows_nor_runs_out_whatever_the_outputs_clock() {
        for (rate, ppm) in [(48_000, 300.0), (44_100, -300.0)] {
            let (worst, stats, heard) = listen(rate, ppm);
            assert!(worst < 30.0, "{rate} Hz, {ppm} ppm: {worst} ms, {stats:?}");
            assert_eq!((stats.dropped, stats.ran_dry), (0, 0), "{stats:?}");
            let found = f64::from(stats.drift_ppm.unwrap());
            assert!((found - ppm).abs() < 60.0, "{ppm}: {found}");
            let loudest = heard.iter().map(|s| s.abs()).fold(0.0, f32::max);
            assert!((0.49..0.51).contains(&loudest), "{loudest}");
        }
    }

    #[test]
    fn listening_to_something_else_does_not_click() {
        let (sinks, received) = bounded(4);
        let (sink, mut tap) = playback_ring(48_000);
        sinks.send(sink).unwrap();
        let to = |to| Listen {
            to,
            gain_db: 0.0,
            sinks: received.clone(),
        };
        let mut listening = Listening::new(to(ListenTo::Mix));
        let mut heard = Vec::new();
        for k in 0..40 {
            // one of them plays a constant, the other its opposite
            let level = if listening.to() == ListenTo::Mix {
                0.5
            } else {
                -0.5
            };
            listening.feed(&[[level; 2]; BLOCK_FRAMES]);
            if k > 3 {
                tap.read(BLOCK_FRAMES, |_, frame| heard.push(frame[0]));
            }
            match k {
                15 => listening.set(to(ListenTo::Input(crate::media::SourceId(1)))),
                30 => listening.set(to(ListenTo::Mix)),
                _ => {}
            }
        }
        let near = |level: f32| heard.iter().filter(|s| (**s - level).abs() < 1e-3).count();
        assert!(near(0.5) > 15_000 && near(-0.5) > 12_000);
        let steps = heard.windows(2).map(|w| (w[1] - w[0]).abs());
        let worst = steps.fold(0.0, f32::max);
        assert!(worst < 0.005, "{worst}");
    }
}
