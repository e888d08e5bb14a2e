//! What runs in cpal's callback: samples in, stamped blocks in the ring out. No allocation, no lock, no logging.

use std::sync::Arc;
use std::time::Duration;

use cpal::{Data, FromSample, I24, InputCallbackInfo, SampleFormat, SizedSample, U24};

use super::flow::Flow;
use crate::media::ring::AudioSink;
use crate::media::time::{MediaClock, MediaTime, SourceClock, duration_nanos};

/// Blocks looked at, and left out, before the stream's time is tied to ours: single stamps are up to 11 ms off. At
/// 20 ms a block that is 180 ms.
const WARM_UP: usize = 9;

/// The data callback's state.
pub(super) struct Capture {
    sink: AudioSink,
    clock: MediaClock,
    flow: Arc<Flow>,
    stamps: Stamps,
}

impl Capture {
    pub(super) fn new(sink: AudioSink, clock: MediaClock, flow: Arc<Flow>) -> Self {
        Self {
            sink,
            clock,
            flow,
            stamps: Stamps::default(),
        }
    }

    /// The data callback.
    pub(super) fn take(&mut self, data: &Data, info: &InputCallbackInfo) {
        if self.flow.is_closed() || data.len() == 0 {
            return;
        }
        let now = self.clock.now();
        self.flow.block(now);
        let stamp = info.timestamp();
        // the stream's own clock has an origin of its own; the age of the sample has not
        let captured = now - stamp.callback.saturating_duration_since(stamp.capture);
        let format = self.sink.format();
        let duration = format.duration_of(data.len() / usize::from(format.channels.max(1)));
        let Some(pts) = self.stamps.next(captured, duration) else {
            return;
        };
        if !push(&mut self.sink, pts, data) {
            self.flow.refuse();
        }
    }
}

/// Times of blocks: tied to the media clock by the median of the first few stamps, from then on counted as long as
/// stamps agree within 70 ms ([`SourceClock`]).
#[derive(Debug, Default)]
struct Stamps {
    clock: SourceClock,
    seen: usize,
    /// Stamps less the sound before them.
    origins: [i64; WARM_UP],
    counted: Duration,
    anchored: bool,
}

impl Stamps {
    /// The time of a block stamped with `captured`; none while warming up.
    fn next(&mut self, captured: MediaTime, duration: Duration) -> Option<MediaTime> {
        if self.seen < WARM_UP {
            self.origins[self.seen] = (captured - self.counted).as_nanos();
            self.seen += 1;
            self.counted += duration;
            return None;
        }
        let stamp = if self.anchored {
            captured
        } else {
            self.anchored = true;
            self.clock = SourceClock::for_audio();
            self.origins.sort_unstable();
            let origin = MediaTime::from_nanos(self.origins[WARM_UP / 2]);
            origin.offset_nanos(duration_nanos(self.counted))
        };
        Some(self.clock.map(stamp.as_nanos(), stamp, duration).pts)
    }
}

/// Whether [`push`] knows the format.
pub(super) const fn is_convertible(format: SampleFormat) -> bool {
    !matches!(
        format,
        SampleFormat::DsdU8 | SampleFormat::DsdU16 | SampleFormat::DsdU32
    )
}

/// Converts into the ring; false when there was no room.
fn push(sink: &mut AudioSink, pts: MediaTime, data: &Data) -> bool {
    match data.sample_format() {
        SampleFormat::F32 => match data.as_slice::<f32>() {
            Some(samples) => sink.push(pts, samples),
            None => false,
        },
        SampleFormat::I8 => convert::<i8>(sink, pts, data),
        SampleFormat::I16 => convert::<i16>(sink, pts, data),
        SampleFormat::I24 => convert::<I24>(sink, pts, data),
        SampleFormat::I32 => convert::<i32>(sink, pts, data),
        SampleFormat::I64 => convert::<i64>(sink, pts, data),
        SampleFormat::U8 => convert::<u8>(sink, pts, data),
        SampleFormat::U16 => convert::<u16>(sink, pts, data),
        SampleFormat::U24 => convert::<U24>(sink, pts, data),
        SampleFormat::U32 => convert::<u32>(sink, pts, data),
        SampleFormat::U64 => convert::<u64>(sink, pts, data),
        SampleFormat::F64 => convert::<f64>(sink, pts, data),
        _ => false,
    }
}

fn convert<T>(sink: &mut AudioSink, pts: MediaTime, data: &Data) -> bool
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let Some(samples) = data.as_slice::<T>() else {
        return false;
    };
    sink.push_with(pts, samples.len(), |dst, from| {
        for (to, sample) in dst.iter_mut().zip(&samples[from..]) {
            *to = f32::from_sample_(*sample);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: Duration = Duration::from_millis(20);

    #[test]
    fn the_first_stamps_jitter_does_not_stay() {
        let mut stamps = Stamps::default();
        let start = MediaTime::from_millis(1000);
        // the first is off by a whole piece, the others by up to 11 ms around 3 ms
        let jitter_ms = [20, 3, -8, 14, 3, 4, 2, 3, 12];
        for (k, jitter) in jitter_ms.iter().enumerate() {
            let at = start + PIECE * u32::try_from(k).unwrap();
            assert_eq!(
                stamps.next(at.offset_nanos(jitter * 1_000_000), PIECE),
                None
            );
        }
        let anchored = start + PIECE * 9 + Duration::from_millis(3);
        let jittery = start + PIECE * 9 + Duration::from_millis(14);
        assert_eq!(stamps.next(jittery, PIECE), Some(anchored));
        assert_eq!(stamps.next(jittery, PIECE), Some(anchored + PIECE));
        // a loss of 200 ms is followed
        let later = start + PIECE * 21;
        assert_eq!(stamps.next(later, PIECE), Some(later));
    }
}
