//! Plays a media file against the time that its caller tells: decoded pictures and sound go out when they are due. Runs on
//! the source's thread.

#[cfg(test)]
mod tests;

mod alone;
mod control;

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ffmpeg_next::frame;

pub(in crate::capture) use alone::open_sound;

use super::demux::{Demuxer, Kind};
use super::picture::{Picture, Pictures};
use super::rotate::Turn;
use super::sound::Sound;
use super::track::Track;
use super::{MediaFileSettings, SourceContext, SourceError};
use crate::media::SourceId;
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioSink;
use crate::media::time::{FrameRate, MediaTime, Ticker};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};

/// What [`Player::step`] did.
pub(super) struct Step {
    pub(super) frame: Option<VideoFrame>,
    /// When there is something to do again.
    pub(super) wake: MediaTime,
}

/// Plays a file against a time that the caller tells.
pub(super) struct Player {
    id: SourceId,
    demuxer: Demuxer,
    video: Option<Track>,
    audio: Option<Track>,
    pictures: Pictures,
    sound: Sound,
    pub(super) sink: Option<AudioSink>,
    pub(super) description: String,
    /// Decoded pictures with their media times, oldest first.
    ready: VecDeque<(i64, frame::Video)>,
    /// Where media time zero lies on the session's clock; `None` before the first picture or sound is there.
    start: Option<MediaTime>,
    seq: u64,
    /// Empty pictures in place of missing ones, unless nobody looks.
    blanks: Ticker,
    blank: bool,
    shown: bool,
    pub(super) finished: bool,
    /// Since when it stands still.
    paused: Option<MediaTime>,
    /// A person went to another place: its picture is shown even while it stands still.
    sought: bool,
    /// Where to, in nanoseconds of the file; what is decoded before it is left out.
    from_ns: i64,
    /// When its first picture or sound is to be seen or heard; as soon as may be when absent.
    pub(super) begin: Option<MediaTime>,
    /// Pictures that came broken.
    corrupt: u64,
}

impl Player {
    /// Decoded pictures kept ready.
    const AHEAD: usize = 2;
    /// Sound is pushed when less than the first of it lies ahead, up to the second. The ring holds 500 ms.
    const LEAD: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(200));
    /// From opening to the first picture: the sound's lead.
    const PREROLL: Duration = Duration::from_millis(100);
    /// Sample frames pushed at once.
    const BLOCK: usize = 1024;
    /// Behind by more than this (a machine too slow for the file, or put to sleep), the file goes on from where it is
    /// instead of catching up.
    const LATEST: Duration = Duration::from_secs(1);
    /// Pictures decoded in one step: on the way to another place there may be hundreds.
    const MOST_DECODED: u32 = 16;
    /// Late pictures left out in one step.
    const MOST_SKIPPED: u32 = 8;
    /// A first picture further away than this is preceded by an empty one.
    const SOON: Duration = Duration::from_millis(300);

    /// Opens a file; its sound goes into `sink`, or a ring of its own.
    pub(super) fn open(
        path: &Path,
        looped: bool,
        settings: &MediaFileSettings,
        cx: &SourceContext,
    ) -> Result<Self, SourceError> {
        let tracks = [settings.picture_track, settings.sound_track];
        let mut demuxer = Demuxer::open(path, looped, tracks)?;
        let opened = [Kind::Video, Kind::Audio].map(|kind| Track::open(&demuxer, kind));
        let [video, audio] = match opened {
            // one stream that cannot be decoded does not silence the other
            [Ok(Some(video)), Err(e)] => [Some(video), without(&mut demuxer, Kind::Audio, &e)],
            [Err(e), Ok(Some(audio))] => [without(&mut demuxer, Kind::Video, &e), Some(audio)],
            [video, audio] => [video?, audio?],
        };
        Ok(Self::new(demuxer, video, audio, cx))
    }

    fn new(
        demuxer: Demuxer,
        video: Option<Track>,
        audio: Option<Track>,
        cx: &SourceContext,
    ) -> Self {
        let description = describe(&demuxer, video.as_ref(), audio.as_ref());
        let turn = demuxer.stream(Kind::Video).map_or(Turn::None, |s| s.turn);
        Self {
            id: cx.id,
            demuxer,
            video,
            audio,
            pictures: Pictures::of_file(turn, cx.resolution),
            sound: Sound::default(),
            sink: None,
            description,
            ready: VecDeque::with_capacity(Self::AHEAD + 1),
            start: None,
            seq: 0,
            blanks: Ticker::new(MediaTime::ZERO, cx.rate),
            blank: true,
            shown: false,
            finished: false,
            paused: None,
            sought: false,
            from_ns: i64::MIN,
            begin: None,
            corrupt: 0,
        }
    }

    /// Gives its sound a way out: a ring that is open already, or a new one.
    pub(super) fn connect(&mut self, sink: Option<AudioSink>, cx: &SourceContext) {
        if self.audio.is_none() {
            return; // a ring that nobody fills would be waited for
        }
        self.sink = sink.or_else(|| cx.open_audio_sink(AudioFormat::ENGINE));
        if self.sink.is_none() {
            tracing::warn!(file = self.demuxer.what(), "no room for its sound");
        }
    }

    /// Does what is due at `now`: pushes sound, gives the newest due picture.
    pub(super) fn step(&mut self, now: MediaTime) -> Result<Step, SourceError> {
        if self.paused.is_some() {
            return self.stand(now);
        }
        self.fill_pictures()?;
        self.fill_sound()?;
        let Some(start) = self.started(now) else {
            self.finished = self.exhausted() && !self.demuxer.holds();
            return Ok(Step {
                frame: None,
                wake: if self.is_searching() {
                    now
                } else {
                    now + Self::LEAD.0
                },
            });
        };
        self.push_sound(start, now)?;
        let frame = match self.due_picture(start, now)? {
            Some(frame) => Some(frame),
            None => self.blank(start, now),
        };
        let end = start.offset_nanos(self.demuxer.end_ns());
        self.finished = self.exhausted() && !self.demuxer.holds() && now >= end;
        Ok(Step {
            frame,
            wake: self.wake(start, now),
        })
    }

    /// Ties media time to the clock, at the beginning and after falling far behind.
    fn started(&mut self, now: MediaTime) -> Option<MediaTime> {
        let picture = self.ready.front().map(|(at, _)| (*at).max(self.from_ns));
        let next = picture.into_iter().chain(self.sound.next_ns()).min();
        match (self.start, next) {
            (None, Some(_)) if self.is_searching() => {}
            (None, Some(first)) => {
                let soon = now + Self::PREROLL;
                let begin = self.begin.take().filter(|at| *at + Self::PREROLL > now);
                self.sought = false;
                self.start = Some(begin.unwrap_or(soon).offset_nanos(-first));
            }
            (Some(start), Some(next)) => {
                let late = now.saturating_since(start.offset_nanos(next));
                if late > Self::LATEST {
                    tracing::debug!(file = self.demuxer.what(), ?late, "fell behind");
                    self.start = Some(start + late);
                }
            }
            (_, None) => {}
        }
        self.start
    }

    fn fill_pictures(&mut self) -> Result<(), SourceError> {
        let Some(track) = &mut self.video else {
            return Ok(());
        };
        let still = self.demuxer.stream(Kind::Video).is_some_and(|s| s.still);
        let mut decoded = 0;
        while self.ready.len() < Self::AHEAD
            && decoded < Self::MOST_DECODED
            && !(still && (self.shown || !self.ready.is_empty()))
        {
            let mut frame = frame::Video::empty();
            match track.decode(&mut self.demuxer, &mut frame)? {
                Some(at_ns) => {
                    decoded += 1;
                    self.corrupt += u64::from(frame.is_corrupt());
                    self.ready.push_back((at_ns, frame));
                }
                None => break,
            }
            // on the way to another place only the last picture before it counts
            if self.ready.get(1).is_some_and(|(at, _)| *at <= self.from_ns) {
                self.ready.pop_front();
            }
        }
        Ok(())
    }

    /// Between two places of the file: what is decoded lies before the one that was asked for.
    fn is_searching(&self) -> bool {
        let before = |(at, _): &(i64, frame::Video)| *at < self.from_ns;
        // a cover belongs to every place
        let still = self.demuxer.stream(Kind::Video).is_some_and(|s| s.still);
        let more = !still && self.video.as_ref().is_some_and(|v| !v.ended());
        more && match self.ready.len() {
            0 => self.from_ns > i64::MIN,
            1 => self.ready.front().is_some_and(before),
            _ => false,
        }
    }

    /// Decodes sound until some is there.
    fn fill_sound(&mut self) -> Result<(), SourceError> {
        let Some(track) = &mut self.audio else {
            return Ok(());
        };
        while self.sound.next_ns().is_none() && !track.ended() {
            let mut frame = frame::Audio::empty();
            let result = match track.decode(&mut self.demuxer, &mut frame)? {
                Some(at_ns) if at_ns < self.from_ns => Ok(()),
                Some(at_ns) => self.sound.add(&frame, at_ns),
                None if track.ended() => self.sound.finish(),
                None => break,
            };
            result.map_err(|e| SourceError::Unsupported {
                what: self.demuxer.what().to_owned(),
                reason: format!("its sound cannot be converted ({e})"),
            })?;
        }
        Ok(())
    }

    fn push_sound(&mut self, start: MediaTime, now: MediaTime) -> Result<(), SourceError> {
        let due = |sound: &mut Sound, lead| {
            let next = sound.next_ns()?;
            (start.offset_nanos(next) <= now + lead).then_some(())
        };
        if due(&mut self.sound, Self::LEAD.0).is_none() {
            return Ok(());
        }
        while due(&mut self.sound, Self::LEAD.1).is_some() {
            let sink = &mut self.sink;
            self.sound.take(Self::BLOCK, |at_ns, samples| {
                if let Some(sink) = sink {
                    sink.push(start.offset_nanos(at_ns), samples); // a full ring counts it
                }
            });
            self.fill_sound()?;
        }
        Ok(())
    }

    /// The newest picture that is due; older ones are left out, and their numbers with them.
    fn due_picture(
        &mut self,
        start: MediaTime,
        now: MediaTime,
    ) -> Result<Option<VideoFrame>, SourceError> {
        let mut skipped = 0;
        let due = |at_ns: i64| start.offset_nanos(at_ns) <= now;
        while skipped < Self::MOST_SKIPPED && self.ready.get(1).is_some_and(|(at, _)| due(*at)) {
            self.ready.pop_front();
            skipped += 1;
            self.seq += 1;
            self.fill_pictures()?;
        }
        let from_ns = self.from_ns;
        let Some(at_ns) = self.ready.front().map(|(at, _)| (*at).max(from_ns)) else {
            return Ok(None);
        };
        if !due(at_ns) {
            return Ok(None);
        }
        self.pop_picture(start.offset_nanos(at_ns))
    }

    /// The first of the decoded pictures, as one of `pts`.
    fn pop_picture(&mut self, pts: MediaTime) -> Result<Option<VideoFrame>, SourceError> {
        let Some((_, frame)) = self.ready.pop_front() else {
            return Ok(None);
        };
        let Picture {
            resolution,
            data,
            color,
        } = self
            .pictures
            .convert(frame)
            .map_err(|e| SourceError::Unsupported {
                what: self.demuxer.what().to_owned(),
                reason: format!("its pictures cannot be converted ({e})"),
            })?;
        self.shown = true;
        Ok(Some(self.frame(pts, resolution, data, color)))
    }

    fn frame(
        &mut self,
        pts: MediaTime,
        resolution: Resolution,
        data: FrameData,
        color: ColorSpec,
    ) -> VideoFrame {
        let seq = self.seq;
        self.seq += 1;
        VideoFrame {
            pts,
            source: self.id,
            seq,
            resolution,
            data,
            color,
        }
    }

    /// An empty (transparent) picture: at the show's rate where the file has no picture, so that the source counts as
    /// delivering and shows nothing; once where the first picture comes late.
    fn blank(&mut self, start: MediaTime, now: MediaTime) -> Option<VideoFrame> {
        static EMPTY: [u8; 16 * 16 * 4] = [0; 16 * 16 * 4];
        if self.video.is_some() {
            let far = |(at, _): &(i64, _)| start.offset_nanos(*at) > now + Self::SOON;
            if self.shown || !self.ready.front().is_some_and(far) {
                return None;
            }
            self.shown = true;
        } else if !self.blank || self.finished || self.blanks.next_due() > now {
            return None;
        }
        let pts = self.blanks.advance(now).at;
        let plane = Plane {
            data: Bytes::from_static(&EMPTY),
            stride: 64,
        };
        let size = Resolution::new(16, 16);
        Some(self.frame(pts, size, FrameData::Rgba(plane), ColorSpec::default()))
    }

    /// Everything was given out.
    pub(super) fn exhausted(&mut self) -> bool {
        let over = |track: &Option<Track>| track.as_ref().is_none_or(Track::ended);
        // a cover is decoded once, and never to its end
        let still = self.demuxer.stream(Kind::Video).is_some_and(|s| s.still);
        self.ready.is_empty()
            && self.sound.next_ns().is_none()
            && ((still && self.shown) || over(&self.video))
            && over(&self.audio)
    }

    fn wake(&mut self, start: MediaTime, now: MediaTime) -> MediaTime {
        let picture = self.ready.front().map(|(at, _)| start.offset_nanos(*at));
        let sound = self
            .sound
            .next_ns()
            .map(|at| start.offset_nanos(at) - Self::LEAD.0);
        let blank = (self.video.is_none() && self.blank).then(|| self.blanks.next_due());
        let waiting = picture.into_iter().chain(sound).chain(blank);
        waiting.min().unwrap_or_else(|| {
            let end = start.offset_nanos(self.demuxer.end_ns());
            let later = now + Self::LEAD.0;
            if end > now { end.min(later) } else { later }
        })
    }
}

/// Goes on without a stream that cannot be decoded.
fn without(demuxer: &mut Demuxer, kind: Kind, error: &SourceError) -> Option<Track> {
    tracing::warn!(%error, "played without it");
    demuxer.leave_out(kind);
    None
}

fn describe(demuxer: &Demuxer, video: Option<&Track>, audio: Option<&Track>) -> String {
    let mut parts = Vec::new();
    if let (Some(track), Some(stream)) = (video, demuxer.stream(Kind::Video)) {
        if let Some(size) = stream.resolution() {
            parts.push(stream.turn.of_size(size).to_string());
        }
        let (num, den) = (
            stream.frame_rate.numerator(),
            stream.frame_rate.denominator(),
        );
        if let (Ok(num), Ok(den)) = (u32::try_from(num), u32::try_from(den))
            && let Ok(rate) = FrameRate::new(num, den)
        {
            let rate = format!("{:.2}", rate.as_f64());
            let rate = rate.trim_end_matches('0').trim_end_matches('.');
            parts.push(format!("{rate} fps"));
        }
        parts.push(track.codec_name().to_owned());
    }
    match audio {
        Some(track) => parts.push(format!("{} sound", track.codec_name())),
        None => parts.push("no sound".to_owned()),
    }
    parts.join(", ")
}
