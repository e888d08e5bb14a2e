//! The carrier from a sound source (often a real-time callback) to the audio stage: two lock-free SPSC rings.
//!
//! One ring holds samples, the other a header (time, count) per block. The writing side allocates nothing, takes no
//! lock and never waits. When full, the new block is refused and counted; the reader sees the gap by its time stamps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::SourceId;
use super::audio::AudioFormat;
use super::time::MediaTime;

#[derive(Debug, Clone, Copy)]
struct Header {
    pts: MediaTime,
    samples: usize,
}

/// The writing end, held by the source. Real-time safe.
#[derive(Debug)]
pub struct AudioSink {
    headers: rtrb::Producer<Header>,
    samples: rtrb::Producer<f32>,
    overrun: Arc<AtomicU64>,
    format: AudioFormat,
}

/// The reading end, held by the audio stage.
#[derive(Debug)]
pub struct AudioTap {
    /// The source that writes.
    pub source: SourceId,
    /// Format of what it writes; fixed for the tap's life (a source that changes format opens a new pair).
    pub format: AudioFormat,
    headers: rtrb::Consumer<Header>,
    samples: rtrb::Consumer<f32>,
    overrun: Arc<AtomicU64>,
}

/// Makes a pair that holds `capacity` of sound.
pub fn audio_ring(
    source: SourceId,
    format: AudioFormat,
    capacity: Duration,
) -> (AudioSink, AudioTap) {
    let samples = format.frames_in(capacity).max(1) * usize::from(format.channels.max(1));
    // callbacks are 2.5 ms or longer in practice; a header every 64 sample frames is ample
    let headers = (samples / 128).max(16);
    let (hp, hc) = rtrb::RingBuffer::new(headers);
    let (sp, sc) = rtrb::RingBuffer::new(samples);
    let overrun = Arc::new(AtomicU64::new(0));
    let sink = AudioSink {
        headers: hp,
        samples: sp,
        overrun: Arc::clone(&overrun),
        format,
    };
    (
        sink,
        AudioTap {
            source,
            format,
            headers: hc,
            samples: sc,
            overrun,
        },
    )
}

impl AudioSink {
    /// Format that must be pushed.
    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// Copies a block of interleaved samples whose first one is at `pts`. Returns false, and counts an overrun, when
    /// there is no room for all of it.
    pub fn push(&mut self, pts: MediaTime, samples: &[f32]) -> bool {
        self.push_with(pts, samples.len(), |dst, from| {
            dst.copy_from_slice(&samples[from..from + dst.len()]);
        })
    }

    /// As [`push`](Self::push) for `len` samples that `fill(part, offset)` writes, once or twice (where the ring wraps).
    /// Lets a callback convert its own sample type without a buffer.
    pub fn push_with(
        &mut self,
        pts: MediaTime,
        len: usize,
        mut fill: impl FnMut(&mut [f32], usize),
    ) -> bool {
        if len == 0 {
            return true;
        }
        let room = !self.headers.is_full();
        match self.samples.write_chunk(len) {
            Ok(mut chunk) if room => {
                let (a, b) = chunk.as_mut_slices();
                let split = a.len();
                fill(a, 0);
                if !b.is_empty() {
                    fill(b, split);
                }
                chunk.commit_all();
                // checked above, and this is the only writer
                self.headers.push(Header { pts, samples: len }).is_ok()
            }
            _ => {
                self.overrun.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}

impl AudioTap {
    /// Moves the oldest block's samples to the end of `out` and returns the time of its first one.
    pub fn pop_into(&mut self, out: &mut Vec<f32>) -> Option<MediaTime> {
        let header = self.headers.pop().ok()?;
        if let Ok(chunk) = self.samples.read_chunk(header.samples) {
            let (a, b) = chunk.as_slices();
            out.extend_from_slice(a);
            out.extend_from_slice(b);
            chunk.commit_all();
        }
        Some(header.pts)
    }

    /// The source is gone and everything it wrote has been read.
    pub fn is_finished(&self) -> bool {
        self.headers.is_empty() && self.headers.is_abandoned()
    }

    /// Blocks refused because the ring was full.
    pub fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_times_and_a_full_ring_refuses() {
        let format = AudioFormat {
            rate: 1000,
            channels: 2,
        };
        let (mut sink, mut tap) = audio_ring(SourceId(1), format, Duration::from_millis(100));
        assert!(sink.push(MediaTime::from_millis(1), &[0.5; 120]));
        assert!(
            !sink.push(MediaTime::from_millis(61), &[0.1; 120]),
            "80 of 200 samples are left"
        );
        assert!(sink.push(MediaTime::from_millis(61), &[0.2; 80]));
        assert_eq!(tap.overrun(), 1);
        let mut out = Vec::new();
        assert_eq!(tap.pop_into(&mut out), Some(MediaTime::from_millis(1)));
        assert_eq!(tap.pop_into(&mut out), Some(MediaTime::from_millis(61)));
        assert_eq!((out.len(), out[0], out[199]), (200, 0.5, 0.2));
        assert_eq!(tap.pop_into(&mut out), None);
        assert!(!tap.is_finished());
        drop(sink);
        assert!(tap.is_finished());
    }

    #[test]
    fn push_with_fills_across_the_wrap() {
        let format = AudioFormat {
            rate: 100,
            channels: 1,
        };
        let (mut sink, mut tap) = audio_ring(SourceId(1), format, Duration::from_secs(1));
        let mut out = Vec::new();
        assert!(sink.push(MediaTime::ZERO, &[0.0; 70]));
        tap.pop_into(&mut out);
        let mut next = 0.0;
        assert!(sink.push_with(MediaTime::ZERO, 60, |dst, from| {
            for (i, s) in dst.iter_mut().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "under 60")]
                {
                    *s = (from + i) as f32;
                }
                next = *s + 1.0;
            }
        }));
        out.clear();
        tap.pop_into(&mut out);
        assert_eq!((out.len(), out[59], next), (60, 59.0, 60.0));
    }
}
