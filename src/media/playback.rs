//! The carrier from the audio stage to an output of this machine: a lock-free ring of stereo frames. The reading side is
//! a real-time callback: it allocates nothing, takes no lock and never waits; where nothing is there it gets silence.
//! The writing side sees how much is queued, and makes a little more or less so that this stays as it is: two clocks
//! meet here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::audio::AudioFormat;

/// What the writing side aims at, so that neither side's bursts run it dry.
pub const PLAYBACK_LEVEL: Duration = Duration::from_millis(50);
/// What it holds at most.
const CAPACITY: Duration = Duration::from_millis(400);
/// Playing begins, and begins again after it ran dry, with this much.
const BEGIN_WITH: Duration = Duration::from_millis(70);

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
    /// Gives `count` frames to `put(i, frame)`: sound while there is some, silence behind it.
    pub fn read(&mut self, count: usize, mut put: impl FnMut(usize, [f32; 2])) {
        self.playing |= self.samples.slots() >= self.begin_with;
        let have = if self.playing {
            (self.samples.slots() / 2).min(count)
        } else {
            0
        };
        if let Ok(chunk) = self.samples.read_chunk(have * 2) {
            let (a, b) = chunk.as_slices();
            let mut samples = a.iter().chain(b).copied();
            let mut i = 0;
            while let (Some(left), Some(right)) = (samples.next(), samples.next()) {
                put(i, [left, right]);
                i += 1;
            }
            chunk.commit_all();
        }
        (have..count).for_each(|i| put(i, [0.0; 2]));
        if self.playing && have < count {
            self.playing = false;
            self.dry.fetch_add(1, Ordering::Relaxed);
        }
    }
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
        assert_eq!(read(&mut tap, 60), [[0.5, -0.5]; 60]);
        let rest = read(&mut tap, 50);
        assert_eq!(rest[39], [0.25, 0.0]);
        assert_eq!(rest[40..], [[0.0; 2]; 10]);
        assert_eq!(sink.ran_dry(), 1);
        assert!(sink.push(&[[0.5; 2]; 30]));
        assert_eq!(read(&mut tap, 30), [[0.0; 2]; 30], "it gathers first");
        assert!(sink.push(&[[0.5; 2]; 370]) && !sink.push(&[[0.5; 2]]));
        assert!(!sink.is_abandoned());
        drop(tap);
        assert!(sink.is_abandoned());
    }
}
