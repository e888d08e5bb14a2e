//! The test pattern: 75 % bars, a grey scale, a moving ball, a clock and a counter a person can read, the capture time
//! as a [barcode], and a white band that flashes with a beep each second of the monotonic clock.
//!
//! In: the session's clock, rate and picture size. Out: NV12 pictures (BT.709, limited range) captured
//! 3 ms before the renderer's tick, whose `pts` is the tick they were due at and also what the
//! barcode and the clock show; and 48 kHz stereo sound, made a little ahead of time. Runs on the source's thread.
//!
//! For instruments: the barcode's layout is in [`barcode`], the flash is the band [`flash_area`] for [`FLASH`], the
//! beep is [`PITCH`] Hz for [`BEEP`] at -12 dBFS. Both begin with the first picture at or after a whole second.

pub mod barcode;
mod beep;
pub(super) mod canvas;
mod picture;
pub(super) mod text;

use std::time::Duration;

use super::pacing::Pacer;
use super::{SourceContext, SourceError, VideoSource};
use crate::media::SourceId;
use crate::media::audio::AudioFormat;
use crate::media::pool::BufferPool;
use crate::media::ring::AudioSink;
use crate::media::time::{FrameRate, MediaClock, Tick};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
pub use beep::{BEEP, FLASH, PITCH};
use beep::{Beeper, Marks};
pub use canvas::{Area, Yuv};
use canvas::{chroma_stride, plane_lengths};
pub use picture::{BARS, Moment, Picture, flash_area};

/// Idle picture buffers that are kept: one shown, one waiting, one being drawn.
const BUFFERS: usize = 3;

struct TestPattern {
    id: SourceId,
    clock: MediaClock,
    rate: FrameRate,
    size: Resolution,
    pacer: Pacer,
    first: Option<u64>,
    marks: Marks,
    picture: Picture,
    pool: BufferPool,
    sound: Option<(AudioSink, Beeper)>,
}

pub(super) fn open(cx: &SourceContext) -> Result<Box<dyn VideoSource>, SourceError> {
    let marks = Marks {
        clock: cx.clock,
        rate: cx.rate,
    };
    let sound = cx
        .open_audio_sink(AudioFormat::ENGINE)
        .map(|sink| (sink, Beeper::new(marks, cx.clock.now())));
    if sound.is_none() {
        tracing::warn!(source = %cx.id, "the mixer takes no more sound: the test pattern is silent");
    }
    Ok(Box::new(TestPattern {
        id: cx.id,
        clock: cx.clock,
        rate: cx.rate,
        size: cx.resolution,
        picture: Picture::new(cx.resolution, cx.rate),
        pacer: Pacer::new(cx.clock, cx.rate),
        first: None,
        marks,
        pool: BufferPool::new(BUFFERS),
        sound,
    }))
}

impl TestPattern {
    /// Makes sound up to a frame ahead of the next picture; at low rates a good deal before it.
    fn push_sound(&mut self) {
        let ahead =
            (self.rate.interval() * 2).clamp(Duration::from_millis(50), Duration::from_millis(250));
        if let Some((sink, beeper)) = &mut self.sound {
            let now = self.clock.now();
            beeper.push_until(now, now + ahead, sink);
        }
    }

    fn draw(&self, tick: Tick, seq: u64) -> VideoFrame {
        let mut buffer = self.pool.get(Picture::len(self.size));
        let moment = Moment {
            monotonic_ns: self.clock.to_monotonic(tick.at),
            frame: seq,
            flash: self.marks.flash(tick.at),
        };
        self.picture.draw(&mut buffer, &moment);
        let data = buffer.freeze();
        let luma = plane_lengths(self.size).0;
        VideoFrame {
            pts: tick.at,
            source: self.id,
            seq,
            resolution: self.size,
            data: FrameData::Nv12 {
                y: Plane {
                    data: data.slice(..luma),
                    stride: self.size.width as usize,
                },
                uv: Plane {
                    data: data.slice(luma..),
                    stride: chroma_stride(self.size),
                },
            },
            color: ColorSpec::BT709_LIMITED,
        }
    }
}

impl VideoSource for TestPattern {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        // before the picture: the mixer waits for sound sooner than the renderer for a picture
        self.push_sound();
        let Some(tick) = self.pacer.wait(timeout) else {
            return Ok(None);
        };
        // skipped ticks leave gaps in the numbers
        let seq = tick.index - *self.first.get_or_insert(tick.index);
        Ok(Some(self.draw(tick, seq)))
    }

    fn describe(&self) -> String {
        let sound = if self.sound.is_some() {
            "with a beep each second"
        } else {
            "silent"
        };
        format!("{}, {} fps, NV12, {sound}", self.size, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::pacing::LEAD;
    use crate::media::time::MediaTime;

    #[test]
    fn frames_carry_their_tick_in_pts_and_barcode_and_sound_runs_ahead() {
        let (taps, tap) = crossbeam_channel::bounded(1);
        let cx = SourceContext {
            id: SourceId(3),
            clock: MediaClock::start(),
            rate: FrameRate::new(120, 1).unwrap(),
            resolution: Resolution::new(426, 240),
            taps,
        };
        let mut source = open(&cx).unwrap();
        let mut tap = tap.try_recv().unwrap();
        let mut last = None;
        for _ in 0..6 {
            let frame = source.next(Duration::from_millis(500)).unwrap().unwrap();
            let FrameData::Nv12 { y, .. } = &frame.data else {
                panic!("{:?}", frame.data.format());
            };
            let mark = barcode::read(&y.data, y.stride, frame.resolution).unwrap();
            let ms = cx.clock.to_monotonic(frame.pts).div_euclid(1_000_000);
            assert_eq!(i64::from(mark.monotonic_ms), ms & 0xffff_ffff);
            assert_eq!(u64::from(mark.frame), frame.seq);
            let index = cx
                .rate
                .frames_in((frame.pts + LEAD).saturating_since(MediaTime::ZERO));
            assert_eq!(
                frame.pts + LEAD,
                MediaTime::ZERO + cx.rate.frame_offset(index)
            );
            assert!(last.is_none_or(|l| l < frame.pts));
            last = Some(frame.pts);
        }
        let mut samples = Vec::new();
        let first = tap.pop_into(&mut samples).unwrap();
        while tap.pop_into(&mut samples).is_some() {}
        let end = first + AudioFormat::ENGINE.duration_of(samples.len() / 2);
        assert!(Some(end) > last, "sound is there before the picture is due");
    }

    #[test]
    fn without_room_for_its_sound_it_is_silent_and_says_so() {
        let (taps, _tap) = crossbeam_channel::bounded(0);
        let cx = SourceContext {
            id: SourceId(3),
            clock: MediaClock::start(),
            rate: FrameRate::FPS_30,
            resolution: Resolution::new(64, 36),
            taps,
        };
        assert_eq!(open(&cx).unwrap().describe(), "64x36, 30 fps, NV12, silent");
    }
}
