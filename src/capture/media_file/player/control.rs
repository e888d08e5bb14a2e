//! What a person does to a file that plays: stand still, go on, go elsewhere; and where it stands.

use std::time::Duration;

use super::{Kind, Player, SourceError, Step, Track};
use crate::capture::play::Playback;
use crate::media::time::{MediaTime, duration_nanos};

impl Player {
    /// Stands still from `now` on. Sound that has been given away is heard to its end: 200 ms at most.
    pub(in crate::capture::media_file) const fn pause(&mut self, now: MediaTime) {
        if self.paused.is_none() {
            self.paused = Some(now);
        }
    }

    /// Shows its first picture though it stands still.
    pub(in crate::capture::media_file) const fn show_one(&mut self) {
        self.sought = true;
    }

    /// Goes on where it stood.
    pub(in crate::capture::media_file) fn resume(&mut self, now: MediaTime) {
        if let Some(since) = self.paused.take() {
            self.start = self.start.map(|start| start + now.saturating_since(since));
        }
    }

    pub(in crate::capture::media_file) const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Goes to another place of the file; false when that cannot be searched, and plays on as it did.
    pub(in crate::capture::media_file) fn seek(&mut self, to: Duration) -> bool {
        /// Before the end, so that something is left to be seen.
        const REST_NS: i64 = 100_000_000;
        let length = self.demuxer.length_ns();
        let most = if length > 0 {
            length - REST_NS
        } else {
            i64::MAX
        };
        let to_ns = duration_nanos(to).min(most).max(0);
        if !self.demuxer.seek(to_ns) {
            return false;
        }
        for track in [&mut self.video, &mut self.audio].into_iter().flatten() {
            track.restart();
        }
        self.ready.clear();
        self.sound = super::Sound::default();
        self.start = None;
        self.begin = None;
        self.shown = false;
        self.finished = false;
        self.from_ns = to_ns;
        self.sought = true;
        true
    }

    /// A step while it stands still: nothing, but for the picture of a place that was gone to.
    pub(super) fn stand(&mut self, now: MediaTime) -> Result<Step, SourceError> {
        let mut step = Step {
            frame: None,
            wake: now + Self::LEAD.0,
        };
        if !self.sought {
            return Ok(step);
        }
        self.fill_pictures()?;
        if self.is_searching() {
            step.wake = now;
            return Ok(step);
        }
        self.sought = false;
        step.frame = self.pop_picture(now)?;
        Ok(step)
    }

    /// Where it stands, in the file's own time.
    fn position_ns(&self, now: MediaTime) -> i64 {
        let now = self.paused.unwrap_or(now);
        let at = match self.start {
            Some(start) => now.nanos_since(start),
            None => self.from_ns,
        };
        let length = match self.demuxer.length_ns() {
            0 => i64::MAX,
            length => length,
        };
        self.demuxer.in_lap(at.max(0)).clamp(0, length)
    }

    /// Where it stands.
    pub(in crate::capture::media_file) fn position(&self, now: MediaTime) -> Duration {
        Duration::from_nanos(self.position_ns(now).unsigned_abs())
    }

    /// Where it stands; the list is filled in by who has it.
    pub(in crate::capture::media_file) fn playback(&self, now: MediaTime) -> Playback {
        let milliseconds = |ns: i64| ns.unsigned_abs() / 1_000_000;
        Playback {
            id: self.id,
            position_ms: milliseconds(self.position_ns(now)),
            length_ms: milliseconds(self.demuxer.length_ns()),
            paused: self.is_paused(),
            file: String::new(),
            index: 0,
            count: 1,
            pictures: self.demuxer.names(Kind::Video).to_vec(),
            sounds: self.demuxer.names(Kind::Audio).to_vec(),
        }
    }

    /// Begins again at the end, or not.
    pub(in crate::capture::media_file) const fn set_looped(&mut self, looped: bool) {
        self.demuxer.set_looped(looped);
    }

    /// What the user should know of the file, once.
    pub(in crate::capture::media_file) fn take_trouble(&mut self) -> Option<String> {
        if self.corrupt > 0 {
            self.demuxer.is_damaged("some of its pictures are broken");
        }
        self.demuxer.take_trouble()
    }

    /// Packets and pictures that were broken.
    pub(in crate::capture::media_file) fn corrupt(&self) -> u64 {
        let refused = |track: &Option<Track>| track.as_ref().map_or(0, Track::refused);
        self.corrupt + refused(&self.video) + refused(&self.audio)
    }

    /// When the file ends, as far as it was read; `None` before it has begun.
    pub(in crate::capture::media_file) fn end(&self) -> Option<MediaTime> {
        let start = self.start?;
        Some(start.offset_nanos(self.demuxer.end_ns()))
    }

    /// All of it has been read.
    pub(in crate::capture::media_file) fn is_near_its_end(&self) -> bool {
        self.demuxer.is_over()
    }
}
