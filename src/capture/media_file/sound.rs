//! Decoded sound as 48 kHz stereo `f32` with exact times. Runs on the source's thread.

use std::collections::VecDeque;

use ffmpeg_next::format::Sample;
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::software::resampling;
use ffmpeg_next::{self as ffmpeg, ChannelLayout, ffi, frame};

use crate::media::audio::{AudioFormat, ENGINE_RATE};
use crate::media::time::duration_nanos;

/// A run of samples in the engine's format.
struct Segment {
    /// Of the first sample, in media nanoseconds.
    at_ns: i64,
    samples: Vec<f32>,
}

/// Resamples one file's sound and holds what is not due yet.
#[derive(Default)]
pub(super) struct Sound {
    resampler: Option<resampling::Context>,
    segments: VecDeque<Segment>,
    /// Sample frames of the first segment that are gone.
    read: usize,
    /// Where the input's last frame ended; `None` before the first one.
    input_end_ns: Option<i64>,
    /// Time line of the output since the resampler began: its origin, and sample frames made.
    origin_ns: i64,
    made: usize,
    /// Where the sound taken so far ends.
    taken_ns: i64,
}

impl Sound {
    /// Time stamps further than this from where the last frame ended are a gap or a jump, not rounding.
    const JUMP_NS: i64 = 20_000_000;

    /// Takes one decoded frame whose first sample is at `at_ns`.
    pub(super) fn add(&mut self, frame: &frame::Audio, at_ns: i64) -> Result<(), ffmpeg::Error> {
        if frame.samples() == 0 || frame.rate() == 0 || frame.channels() == 0 {
            return Ok(());
        }
        let input = definition(frame);
        let jumped = self
            .input_end_ns
            .is_none_or(|end| (at_ns - end).abs() > Self::JUMP_NS);
        let same = |r: &resampling::Context| *r.input() == input;
        if jumped || !self.resampler.as_ref().is_some_and(same) {
            self.finish()?;
            self.resampler = Some(resampling::Context::get(
                input.format,
                input.channel_layout,
                input.rate,
                Sample::F32(Type::Packed),
                ChannelLayout::STEREO,
                ENGINE_RATE,
            )?);
            self.origin_ns = at_ns;
            self.made = 0;
            self.input_end_ns = Some(at_ns);
        }
        let length =
            i128::try_from(frame.samples()).unwrap_or(0) * 1_000_000_000 / i128::from(frame.rate());
        self.input_end_ns = self
            .input_end_ns
            .map(|end| end + i64::try_from(length).unwrap_or(0));
        self.convert(Some(frame))
    }

    /// The last samples out of the resampler, at the end of the file or before a jump.
    pub(super) fn finish(&mut self) -> Result<(), ffmpeg::Error> {
        if self.resampler.is_some() {
            self.convert(None)?;
        }
        self.resampler = None;
        self.input_end_ns = None;
        Ok(())
    }

    #[expect(
        unsafe_code,
        reason = "ffmpeg-next resamples into FFmpeg's own buffers only"
    )]
    fn convert(&mut self, frame: Option<&frame::Audio>) -> Result<(), ffmpeg::Error> {
        let Some(resampler) = &mut self.resampler else {
            return Ok(());
        };
        let count = frame.map_or(0, frame::Audio::samples);
        let count = i32::try_from(count).map_err(|_too_long| ffmpeg::Error::InvalidData)?;
        // SAFETY: the context is valid and initialised. The output has room for as many sample frames as FFmpeg says
        // can come, in the one packed plane the context was made for; the input is a decoded frame of the context's
        // input format with `count` samples, or null to drain.
        let samples = unsafe {
            let context = resampler.as_mut_ptr();
            let room = ffi::swr_get_out_samples(context, count);
            let room = usize::try_from(room).map_err(|_negative| ffmpeg::Error::from(room))?;
            let mut samples = vec![0f32; room * 2];
            let mut planes = [samples.as_mut_ptr().cast::<u8>()];
            let input = frame.map_or(std::ptr::null_mut(), |f| {
                (*f.as_ptr()).extended_data.cast::<*const u8>()
            });
            let room = i32::try_from(room).map_err(|_too_long| ffmpeg::Error::InvalidData)?;
            let made = ffi::swr_convert(context, planes.as_mut_ptr(), room, input, count);
            let made = usize::try_from(made).map_err(|_negative| ffmpeg::Error::from(made))?;
            samples.truncate(made * 2);
            samples
        };
        if !samples.is_empty() {
            let at_ns = self.origin_ns + nanos_of(self.made);
            self.made += samples.len() / 2;
            self.segments.push_back(Segment { at_ns, samples });
        }
        Ok(())
    }

    /// Time of the next sample that [`take`](Self::take) gives.
    pub(super) fn next_ns(&mut self) -> Option<i64> {
        loop {
            let segment = self.segments.front()?;
            let frames = segment.samples.len() / 2;
            let at_ns = segment.at_ns + nanos_of(self.read);
            // a jump back: what was played already is not played again
            let stale = frames_of(self.taken_ns - at_ns);
            self.read += if stale > 48 { stale } else { 0 };
            if self.read < frames {
                return Some(segment.at_ns + nanos_of(self.read));
            }
            self.read = 0;
            self.segments.pop_front();
        }
    }

    /// Gives at most `most` sample frames to `sink`, with the time of the first.
    pub(super) fn take(&mut self, most: usize, sink: impl FnOnce(i64, &[f32])) {
        let Some(at_ns) = self.next_ns() else { return };
        let Some(segment) = self.segments.front() else {
            return;
        };
        let end = segment.samples.len().min((self.read + most) * 2);
        sink(at_ns, &segment.samples[self.read * 2..end]);
        self.taken_ns = segment.at_ns + nanos_of(end / 2);
        self.read = end / 2;
    }
}

fn definition(frame: &frame::Audio) -> resampling::context::Definition {
    let layout = frame.channel_layout();
    let channels = i32::from(frame.channels());
    resampling::context::Definition {
        format: frame.format(),
        // files may not say where their channels belong
        channel_layout: if layout.channels() == channels && !layout.is_empty() {
            layout
        } else {
            ChannelLayout::default(channels)
        },
        rate: frame.rate(),
    }
}

fn nanos_of(frames: usize) -> i64 {
    duration_nanos(AudioFormat::ENGINE.duration_of(frames))
}

fn frames_of(ns: i64) -> usize {
    let ns = u64::try_from(ns).unwrap_or(0);
    AudioFormat::ENGINE.frames_in(std::time::Duration::from_nanos(ns))
}
