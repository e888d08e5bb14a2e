//! One input of the mix: takes blocks out of its ring, converts them, and lays them where their time stamps say.
//!
//! Blocks that follow each other are laid end to end, whatever their stamps' jitter; a stamp that is off by 70 ms, or
//! by 15 ms for half a second, starts a new run at its own place. What lies between two runs is silence and counted as
//! a gap. Stamps that move away slowly are the input's own clock: its sound is stretched after them ([`Drift`]). What
//! comes after its time has been mixed is dropped and counted; an input that is late for half a second on end is moved
//! later, because sound a little late beats no sound.

use std::time::Duration;

use super::chain::Strip;
use super::clock::{Frame, SampleClock};
use super::drift::Drift;
use super::mixer::offset_frames;
use super::pick::Pick;
use super::resample::{Converter, FormatError, whole};
use super::timeline::{Timeline, fade_in, offset};
use super::{InputMix, InputStats};
use crate::media::SourceId;
use crate::media::audio::{AudioFormat, ENGINE_RATE};
use crate::media::ring::AudioTap;
use crate::media::time::MediaTime;

/// Stamps off by less than this are jitter: 70 ms, as in OBS.
const SNAP_FRAMES: i64 = 3360;
/// Stamps off by more than this ...
const ASTRAY_FRAMES: i64 = 720;
/// ... on the same side for this long are not jitter.
const ASTRAY_FOR: Duration = Duration::from_millis(500);
/// Sound further ahead of the present than this is dropped: what the ring holds.
const LEAD_FRAMES: i64 = 24_000;
/// Lateness is judged over this much sound.
const JUDGED_OVER: Duration = Duration::from_millis(500);
/// So many stretches in a row with a quarter of the blocks late: the input is moved later.
const LATE_STRETCHES: u32 = 2;
/// Room that a moved input gets, 20 ms.
const MARGIN_FRAMES: i64 = 960;
/// A moved input that had its shift and this much more (5 ms) to spare ...
const SPARE_FRAMES: i64 = 240;
/// ... for so many stretches in a row (10 s) goes back.
const EARLY_STRETCHES: u32 = 20;
/// Edges of gaps are faded over 2.5 ms.
const FADE_FRAMES: usize = 120;
/// An input that delivered within this time is in the middle of its sound.
const FLOWING: Duration = Duration::from_millis(100);
/// An input that delivered within this time is active.
const ACTIVE: Duration = Duration::from_secs(1);

/// What one input lost, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct InputCounts {
    /// Blocks its full ring refused.
    pub(super) overruns: u64,
    /// Blocks stamped too far in the future.
    pub(super) ahead: u64,
    /// Blocks of which some came after their time had been mixed.
    pub(super) late: u64,
    /// Frames of silence between runs.
    pub(super) gap_frames: u64,
}

/// An input.
pub(super) struct Input {
    tap: AudioTap,
    converter: Converter,
    drift: Drift,
    timeline: Timeline,
    run: Option<Run>,
    /// Later than its stamps by this much, because it comes late.
    shift: i64,
    /// Later than its stamps by this much, because somebody wants it so.
    offset: i64,
    /// What was mixed when the offset changed last: what lies before it comes late without a fault.
    settled: i64,
    lateness: Lateness,
    /// End of the last run.
    last_end: Option<i64>,
    /// What comes next follows silence: fade it in.
    broken: bool,
    last_delivery: Option<MediaTime>,
    counts: InputCounts,
    /// By how many frames the latest block since the last drain came late.
    late_by: i64,
    pub(super) strip: Strip,
    pick: Pick,
    samples: Vec<f32>,
    frames: Vec<Frame>,
}

/// Blocks laid end to end.
struct Run {
    /// Position of its first frame.
    anchor: i64,
    /// Frames taken, at the input's rate.
    taken: u64,
    /// Frames laid.
    laid: i64,
    /// Which side stamps have been astray on, and since how many frames (at the input's rate).
    astray: Option<(bool, u64)>,
}

impl Input {
    /// Sound begins to be taken at position `from`.
    pub(super) fn new(
        tap: AudioTap,
        mix: &InputMix,
        talking: bool,
        from: i64,
    ) -> Result<Self, FormatError> {
        let converter = Converter::new(tap.format)?;
        let mut timeline = Timeline::default();
        timeline.trim_before(from);
        Ok(Self {
            tap,
            converter,
            drift: Drift::default(),
            timeline,
            run: None,
            shift: 0,
            offset: offset_frames(mix),
            settled: i64::MIN,
            lateness: Lateness::default(),
            last_end: None,
            broken: false,
            last_delivery: None,
            counts: InputCounts::default(),
            late_by: 0,
            strip: Strip::new(mix, talking),
            pick: Pick::new(mix.channels),
            samples: Vec::new(),
            frames: Vec::new(),
        })
    }

    /// Mixes it otherwise from position `mixed` on; `talking`: the talk key is held.
    pub(super) fn set_mix(&mut self, mix: &InputMix, talking: bool, mixed: i64) {
        self.strip.set(mix, talking);
        self.pick.set(mix.channels);
        let offset = offset_frames(mix);
        if offset != self.offset {
            self.end_run(mixed);
            self.offset = offset;
            self.settled = mixed;
        }
    }

    /// Frames that wait to be heard behind position `cursor`, without those that wait because they are wanted later.
    pub(super) fn waiting(&self, cursor: i64) -> i64 {
        self.timeline.end() - cursor - self.offset.max(0)
    }

    pub(super) const fn source(&self) -> SourceId {
        self.tap.source
    }

    #[cfg(test)]
    pub(super) const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(super) fn timeline_mut(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// What the panel shows of it.
    pub(super) fn stats(&self) -> InputStats {
        InputStats {
            source: self.tap.source,
            drift_ppm: self.drift.ppm(),
            levels: self.strip.meter.levels(),
            clipped: self.strip.meter.clipped(),
            compression_db: self.strip.compression_db(),
            gate_open: self.strip.is_open(),
        }
    }

    pub(super) fn counts(&self) -> InputCounts {
        InputCounts {
            overruns: self.tap.overrun(),
            ..self.counts
        }
    }

    /// It delivered within the last second.
    pub(super) fn is_active(&self, now: MediaTime) -> bool {
        self.last_delivery
            .is_some_and(|t| now.saturating_since(t) < ACTIVE)
    }

    /// The source is gone and all it wrote lies before `mixed`.
    pub(super) fn is_finished(&self, mixed: i64) -> bool {
        self.tap.is_finished() && self.run.is_none() && self.timeline.end() <= mixed
    }

    /// Takes what the ring holds. `mixed` is the first position that has not been mixed yet. Returns by how many
    /// frames the latest of it came late, 0 when nothing did.
    pub(super) fn drain(&mut self, clock: &SampleClock, mixed: i64, now: MediaTime) -> i64 {
        let mixed = self.strip.read_to(mixed);
        let latest = clock.position(now) + LEAD_FRAMES;
        loop {
            self.samples.clear();
            let Some(pts) = self.tap.pop_into(&mut self.samples) else {
                break;
            };
            self.last_delivery = Some(now);
            let stamped = clock.position(pts);
            if stamped > latest {
                self.counts.ahead += 1;
                self.end_run(mixed);
                continue;
            }
            if stamped + self.shift > latest {
                self.end_run(mixed);
                self.shift = 0;
            }
            self.lay(stamped + self.shift + self.offset, mixed);
        }
        if self.tap.is_finished() {
            self.end_run(mixed);
        }
        std::mem::take(&mut self.late_by)
    }

    /// How many frames it has beyond `end`, if it delivers continuously.
    pub(super) fn spare(&self, end: i64, now: MediaTime) -> Option<i64> {
        let recent = self
            .last_delivery
            .is_some_and(|t| now.saturating_since(t) < FLOWING);
        (recent && self.run.is_some())
            .then(|| self.timeline.end() - self.shift - self.strip.needs(end))
    }

    /// Called before a block that ends at `end` is mixed: where the sound stops short of it, it fades out.
    pub(super) fn settle(&mut self, mixed: i64, end: i64) {
        let (mixed, end) = (self.strip.read_to(mixed), self.strip.needs(end));
        let have = self.timeline.end();
        if have > mixed && have < end {
            self.timeline
                .fade_out(mixed.max(have - offset(FADE_FRAMES)), have);
            self.broken = true;
        }
    }

    /// Fills `block` with what is heard of it from `from` on, fading over from what is at `old`, and `tap` with the same
    /// before its gain and mute. False when it is silent there.
    pub(super) fn render(
        &mut self,
        from: i64,
        old: Option<i64>,
        block: &mut [Frame],
        tap: Option<&mut [Frame]>,
    ) -> bool {
        let lowest = old.map_or(from, |old| old.min(from));
        if self.timeline.end() <= lowest {
            self.strip.rest();
            return false;
        }
        self.strip.render(&self.timeline, from, old, block, tap);
        true
    }

    /// Lays the block in `samples`, stamped with `position`.
    fn lay(&mut self, position: i64, mixed: i64) {
        let rate = self.tap.format.rate;
        let channels = usize::from(self.tap.format.channels);
        let count = (self.samples.len() / channels) as u64;
        let mut at = position;
        if let Some(run) = &mut self.run {
            let expected = run.anchor + whole(self.converter.length());
            if run.continues(position - expected, rate) {
                at = expected;
                self.follow_clock(position - expected, count);
            } else {
                self.end_run(mixed);
            }
        }
        let settling = at < self.settled;
        let change = if settling {
            0
        } else {
            self.lateness.judge(at - mixed, count, self.shift, rate)
        };
        if change != 0 {
            self.end_run(mixed);
            self.shift += change;
            at = position + change;
        }
        if at < mixed && !settling {
            self.counts.late += 1;
            self.late_by = self.late_by.max(mixed - at);
        }
        if self.run.is_none() {
            self.start_run(at, mixed);
        }
        self.frames.clear();
        self.converter.push(&self.samples, &mut self.frames);
        if let Some(run) = &mut self.run {
            run.taken += count;
        }
        self.write(mixed);
    }

    /// Stretches what comes so that it stays where its stamps are: this block's is `off` frames behind.
    fn follow_clock(&mut self, off: i64, count: u64) {
        let seconds = |frames: i64, rate: u32| frames as f64 / f64::from(rate);
        let length = seconds(i64::try_from(count).unwrap_or(0), self.tap.format.rate);
        if let Some(stretch) = self.drift.add(seconds(off, ENGINE_RATE), length) {
            self.converter.stretch(stretch);
        }
    }

    fn start_run(&mut self, at: i64, mixed: i64) {
        if let Some(end) = self.last_end {
            self.counts.gap_frames += u64::try_from(at - end).unwrap_or(0);
            let cut = at.max(mixed);
            if cut < self.timeline.end() {
                self.timeline.cut(cut);
                self.timeline
                    .fade_out(mixed.max(cut - offset(FADE_FRAMES)), cut);
            }
        }
        self.drift.restart();
        self.run = Some(Run {
            anchor: at,
            taken: 0,
            laid: 0,
            astray: None,
        });
    }

    fn end_run(&mut self, mixed: i64) {
        if self.run.is_none() {
            return;
        }
        self.frames.clear();
        self.converter.finish(&mut self.frames);
        self.write(mixed);
        if let Some(run) = self.run.take() {
            let end = run.anchor + run.laid;
            self.timeline
                .fade_out(mixed.max(end - offset(FADE_FRAMES)), end);
            self.last_end = Some(end);
            self.broken = true;
        }
    }

    /// Writes `frames` behind what the run has laid.
    fn write(&mut self, mixed: i64) {
        let Some(run) = &mut self.run else {
            return;
        };
        let at = run.anchor + run.laid;
        run.laid += offset(self.frames.len());
        let lost = usize::try_from(mixed - at)
            .unwrap_or(0)
            .min(self.frames.len());
        if lost > 0 {
            self.counts.gap_frames += lost as u64;
            self.broken = true;
        }
        let heard = &mut self.frames[lost..];
        if heard.is_empty() {
            return;
        }
        self.pick.apply(heard);
        if std::mem::take(&mut self.broken) {
            fade_in(heard, FADE_FRAMES);
        }
        self.timeline.write(at + offset(lost), heard);
    }
}

impl Run {
    /// Whether a block whose stamp lies `off` frames behind the run's end belongs there.
    fn continues(&mut self, off: i64, rate: u32) -> bool {
        if off.abs() < ASTRAY_FRAMES {
            self.astray = None;
            return true;
        }
        let later = off > 0;
        let since = match self.astray {
            Some((side, since)) if side == later => since,
            _ => self.taken,
        };
        self.astray = Some((later, since));
        off.abs() < SNAP_FRAMES && self.taken - since < frames_of(ASTRAY_FOR, rate)
    }
}

/// How late blocks come, and what to do about it.
#[derive(Default)]
struct Lateness {
    frames: u64,
    blocks: u32,
    late_blocks: u32,
    least_slack: Option<i64>,
    /// Stretches in a row that were late.
    late: u32,
    /// Stretches in a row that would not be late without the shift.
    early: u32,
}

impl Lateness {
    /// Takes a block that came `slack` frames before it would have been too late. Returns how much later the input
    /// must be moved (negative: back).
    fn judge(&mut self, slack: i64, count: u64, shift: i64, rate: u32) -> i64 {
        self.frames += count;
        self.blocks += 1;
        self.late_blocks += u32::from(slack < 0);
        let least = self.least_slack.map_or(slack, |s| s.min(slack));
        self.least_slack = Some(least);
        if self.frames < frames_of(JUDGED_OVER, rate) {
            return 0;
        }
        let late = self.late_blocks * 4 >= self.blocks;
        let early = shift > 0 && least - shift >= SPARE_FRAMES;
        *self = Self {
            late: if late { self.late + 1 } else { 0 },
            early: if early { self.early + 1 } else { 0 },
            ..Self::default()
        };
        if self.late >= LATE_STRETCHES {
            *self = Self::default();
            MARGIN_FRAMES - least
        } else if self.early >= EARLY_STRETCHES {
            *self = Self::default();
            -shift
        } else {
            0
        }
    }
}

fn frames_of(d: Duration, rate: u32) -> u64 {
    AudioFormat { rate, channels: 1 }.frames_in(d) as u64
}
