//! The carrier from the audio stage to an output of this machine: a lock-free ring of stereo frames. The reading side is
//! a real-time callback: it allocates nothing, takes no lock and never waits; where nothing is there it gets silence.
//! The writing side sees how much is queued, and makes a little more or less so that this stays as it is: two clocks
//! meet here.
//!
//! Nothing begins or ends with a click: sound rises and falls over 10 ms where it begins, runs dry, or is hushed because
//! the output is about to be closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::audio::AudioFormat;

/// What the writing side aims at, so that neither side's bursts run it dry.
pub const PLAYBACK_LEVEL: Duration = Duration::from_millis(50);
/// What it holds at most.
const CAPACITY: Duration = Duration::from_millis(400);
/// Playing begins, and begins again after it ran dry, with this much.
const BEGIN_WITH: Duration = Duration::from_millis(70);
/// How long it rises and falls.
const RAMP: Duration = Duration::from_millis(10);

/// The writing end, held by the audio stage.
#[derive(Debug)]
pub struct PlaybackSink {
    samples: rtrb::Producer<f32>,
    capacity: usize,
    rate: u32,
    dry: Arc<AtomicU64>,
}

/// The reading end, held by the output's callback.
#[derive(Debug)]
pub struct PlaybackTap {
    samples: rtrb::Consumer<f32>,
    playing: bool,
    begin_with: usize,
    dry: Arc<AtomicU64>,
    hushed: Arc<AtomicBool>,
    gain: f32,
    /// Frames that it rises and falls.
    ramp: usize,
}

/// Lets an output fall silent, from any thread.
#[derive(Debug)]
pub struct Hush(Arc<AtomicBool>);

impl Hush {
    /// What the output reads from now on falls to silence within 10 ms, and stays silent.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes a pair for stereo at `rate` Hz.
pub fn playback_ring(rate: u32) -> (PlaybackSink, PlaybackTap) {
    let format = AudioFormat { rate, channels: 2 };
    let capacity = format.frames_in(CAPACITY) * 2;
    let (producer, consumer) = rtrb::RingBuffer::new(capacity);
    let dry = Arc::new(AtomicU64::new(0));
    let sink = PlaybackSink {
        samples: producer,
        capacity,
        rate,
        dry: Arc::clone(&dry),
    };
    let tap = PlaybackTap {
        samples: consumer,
        playing: false,
        begin_with: format.frames_in(BEGIN_WITH) * 2,
        dry,
        hushed: Arc::new(AtomicBool::new(false)),
        gain: 0.0,
        ramp: format.frames_in(RAMP).max(1),
    };
    (sink, tap)
}

impl PlaybackSink {
    /// Samples a second that the output takes.
    pub const fn rate(&self) -> u32 {
        self.rate
    }

    /// Frames that wait.
    pub fn queued(&self) -> usize {
        (self.capacity - self.samples.slots()) / 2
    }

    /// The output is gone.
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// Times that nothing was there for the output.
    pub fn ran_dry(&self) -> u64 {
        self.dry.load(Ordering::Relaxed)
    }

    /// Puts frames behind the others; false, and nothing is put, when there is no room.
    pub fn push(&mut self, frames: &[[f32; 2]]) -> bool {
        let samples = frames.as_flattened();
        let Ok(mut chunk) = self.samples.write_chunk(samples.len()) else {
            return false;
        };
        let (a, b) = chunk.as_mut_slices();
        let split = a.len();
        a.copy_from_slice(&samples[..split]);
        b.copy_from_slice(&samples[split..]);
        chunk.commit_all();
        true
    }
}

impl PlaybackTap {
    /// The hand that lets it fall silent.
    pub fn hush(&self) -> Hush {
        Hush(Arc::clone(&self.hushed))
    }

    /// Gives `count` frames to `put(i, frame)`: sound while there is some, silence behind it.
    pub fn read(&mut self, count: usize, mut put: impl FnMut(usize, [f32; 2])) {
        self.playing |= self.samples.slots() >= self.begin_with;
        let have = if self.playing {
            (self.samples.slots() / 2).min(count)
        } else {
            0
        };
        let ends = have < count;
        let step = 1.0 / small(self.ramp);
        let step = if self.hushed.load(Ordering::Relaxed) {
            -step
        } else {
            step
        };
        if let Ok(chunk) = self.samples.read_chunk(have * 2) {
            let (a, b) = chunk.as_slices();
            let mut samples = a.iter().chain(b).copied();
            let mut i = 0;
            while let (Some(left), Some(right)) = (samples.next(), samples.next()) {
                self.gain = (self.gain + step).clamp(0.0, 1.0);
                let left_over = have - i;
                let gain = if ends && left_over <= self.ramp {
                    self.gain * small(left_over - 1) / small(self.ramp)
                } else {
                    self.gain
                };
                put(i, [left * gain, right * gain]);
                i += 1;
            }
            chunk.commit_all();
        }
        (have..count).for_each(|i| put(i, [0.0; 2]));
        if self.playing && ends {
            self.playing = false;
            self.gain = 0.0;
            self.dry.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A count of frames of a ramp.
#[expect(clippy::cast_precision_loss, reason = "a count of some hundreds")]
const fn small(frames: usize) -> f32 {
    frames as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_silence_and_playing_begins_with_enough() {
        let (mut sink, mut tap) = playback_ring(1000); // begins with 70 frames, holds 400
        let read = |tap: &mut PlaybackTap, count| {
            let mut out = vec![[9.0; 2]; count];
            tap.read(count, |i, frame| out[i] = frame);
            out
        };
        assert!(sink.push(&[[0.5, -0.5]; 60]));
        assert_eq!(
            read(&mut tap, 10),
            [[0.0; 2]; 10],
            "too little to begin with"
        );
        assert!(sink.push(&[[0.25, 0.0]; 40]));
        assert_eq!((sink.queued(), sink.rate()), (100, 1000));
        let first = read(&mut tap, 60);
        assert!((first[0][0] - 0.05).abs() < 1e-6, "it rises over 10 frames");
        assert_eq!(first[10..], [[0.5, -0.5]; 50]);
        let rest = read(&mut tap, 50);
        assert_eq!(rest[..30], [[0.25, 0.0]; 30]);
        assert_eq!(rest[39..], [[0.0; 2]; 11], "and falls before it runs dry");
        assert_eq!(sink.ran_dry(), 1);
        assert!(sink.push(&[[0.5; 2]; 30]));
        assert_eq!(read(&mut tap, 30), [[0.0; 2]; 30], "it gathers first");
        assert!(sink.push(&[[0.5; 2]; 370]) && !sink.push(&[[0.5; 2]]));
        assert!(!sink.is_abandoned());
        drop(tap);
        assert!(sink.is_abandoned());
    }

    #[test]
    fn beginning_hushing_and_running_dry_do_not_click() {
        // a constant, in which each step is one of the gain
        let (mut sink, mut tap) = playback_ring(48_000);
        let hush = tap.hush();
        let mut out = Vec::new();
        let mut read = |tap: &mut PlaybackTap, count| {
            tap.read(count, |_, frame| out.push(frame[0]));
            out.last().copied()
        };
        assert!(sink.push(&[[0.5; 2]; 9600]));
        assert_eq!(read(&mut tap, 4800), Some(0.5));
        assert_eq!(read(&mut tap, 9600), Some(0.0), "dry");
        assert!(sink.push(&[[0.5; 2]; 9600]));
        assert_eq!(read(&mut tap, 4800), Some(0.5));
        hush.now();
        assert_eq!(read(&mut tap, 512), Some(0.0), "within 10 ms");
        assert_eq!(read(&mut tap, 9600), Some(0.0));
        let steps = out.windows(2).map(|w| (w[1] - w[0]).abs());
        let worst = steps.fold(0.0, f32::max);
        assert!(worst < 1.1 * 0.5 / 480.0, "{worst}");
    }
}
