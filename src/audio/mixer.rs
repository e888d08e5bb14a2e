//! The mix as plain arithmetic: inputs and the present time in, blocks of 1024 frames out. No thread, no clock of its
//! own; [`stage`](super::stage) drives it.
//!
//! Block `k` is heard from `origin + k · 1024 / 48000` s on and is made a little ([`Pace`]) after its last sample was
//! captured, so that all sources have had time to deliver. **Lip sync**: the picture shown at a tick was captured a
//! little earlier, so sound is delayed as much: block `k` is read from the inputs' time lines `delay` earlier. Stamps of
//! blocks never change by it. A change of the delay of more than 15 ms is made by a cross-fade of 10 ms from the old
//! reading place to the new one; smaller ones are not worth a fade.
//!
//! **Looking ahead**: the limiter gives sound back [`LOOKAHEAD`] later than it gets it, and noise suppression reads up to
//! 20 ms beyond the block. Both are read that much further along the inputs' time lines instead of being heard later;
//! blocks are made later for it ([`Pace`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::Role;
use super::clock::{BLOCK_FRAMES, BLOCK_STEP, Frame, SampleClock, frames_in_nanos};
use super::input::{Input, InputCounts};
use super::master::{LOOKAHEAD, Master, MasterSettings};
use super::meter::Meter;
use super::pace::Pace;
use super::timeline::offset;
use super::tracks::TrackTap;
use super::{AudioStats, InputMix, Levels, ListenTo};
use crate::media::SourceId;
use crate::media::audio::{AudioBlock, AudioFormat};
use crate::media::ring::AudioTap;
use crate::media::time::MediaTime;

/// The delay is changed when it is off by more than this: 15 ms.
const DELAY_STEP_FRAMES: i64 = 720;
/// Largest delay: 500 ms. Inputs keep as much sound behind the reading place.
const MAX_DELAY_FRAMES: i64 = 24_000;
/// Largest offset of an input: 2 s.
const MOST_OFFSET_MS: i32 = 2000;
/// More sources than any scene has; the rest is refused.
const MAX_INPUTS: usize = 32;

/// Mixes all inputs. The audio thread drives it by the clock; tests and measurements drive it in virtual time.
pub struct Mixer {
    clock: SampleClock,
    inputs: Vec<Input>,
    mixes: BTreeMap<SourceId, InputMix>,
    /// Blocks wait so long for the sound that is to be heard earliest.
    lead: i64,
    /// The talk key is held.
    talking: bool,
    /// Blocks made.
    made: i64,
    delay: i64,
    /// The delay before, when the next block must fade from it.
    fade_from: Option<i64>,
    pace: Pace,
    master: Master,
    /// What the limiter looks ahead at is not what comes before the next block: at the start, and after a skip.
    ahead_is_stale: bool,
    meter: Meter,
    mix: Vec<Frame>,
    voice: Vec<Frame>,
    listen: Option<ListenTo>,
    /// The input that is listened to.
    heard: Vec<Frame>,
    /// Inputs that are recorded alone besides.
    tracks: Vec<TrackTap>,
    block: AudioBlock,
    /// Losses of inputs that have ended.
    ended: InputCounts,
}

impl Mixer {
    /// Block 0 begins at `origin`.
    pub fn new(origin: MediaTime) -> Self {
        Self {
            clock: SampleClock::new(origin),
            inputs: Vec::new(),
            mixes: BTreeMap::new(),
            lead: 0,
            talking: false,
            made: 0,
            delay: 0,
            fade_from: None,
            pace: Pace::default(),
            master: Master::default(),
            ahead_is_stale: true,
            meter: Meter::default(),
            mix: vec![[0.0; 2]; BLOCK_FRAMES],
            voice: vec![[0.0; 2]; BLOCK_FRAMES],
            listen: None,
            heard: vec![[0.0; 2]; BLOCK_FRAMES],
            tracks: Vec::new(),
            block: AudioBlock {
                pts: origin,
                samples: silence(),
                format: AudioFormat::ENGINE,
            },
            ended: InputCounts::default(),
        }
    }

    /// When the next block must be made.
    pub fn due(&self) -> MediaTime {
        let end = (self.made + 1) * BLOCK_STEP - self.delay;
        self.clock.time(end + self.pace.frames() + self.lead)
    }

    /// Adds an input. Text for the log when it cannot be used.
    pub fn add(&mut self, tap: AudioTap) -> Result<(), String> {
        if self.inputs.len() >= MAX_INPUTS {
            return Err(format!("more than {MAX_INPUTS} sound sources"));
        }
        let mix = self.mixes.get(&tap.source).copied().unwrap_or_default();
        let from = self.cursor() - MAX_DELAY_FRAMES;
        let input = Input::new(tap, &mix, self.talking, from).map_err(|e| e.to_string())?;
        self.pace.joined(input.strip.most_ahead());
        self.inputs.push(input);
        Ok(())
    }

    /// How sources are mixed, now and when they appear. One that is to be heard earlier makes blocks due later.
    pub fn set_mixes(&mut self, mixes: BTreeMap<SourceId, InputMix>) {
        let earliest = mixes.values().map(offset_frames).min();
        self.lead = earliest.map_or(0, |offset| (-offset).max(0));
        self.mixes = mixes;
        self.turn();
    }

    /// The talk key is held or let go.
    pub fn set_talking(&mut self, talking: bool) {
        if talking != self.talking {
            self.talking = talking;
            self.turn();
        }
    }

    fn turn(&mut self) {
        let cursor = self.cursor();
        for input in &mut self.inputs {
            let mix = self.mixes.get(&input.source());
            let before = input.strip.most_ahead();
            input.set_mix(&mix.copied().unwrap_or_default(), self.talking, cursor);
            let ahead = input.strip.most_ahead();
            if ahead > before {
                self.pace.joined(ahead);
            }
        }
    }

    /// Limiter, loudness, ducking.
    pub fn set_master(&mut self, settings: &MasterSettings) {
        self.master.set(settings);
    }

    /// Loudness is measured anew: a show begins.
    pub fn reset_loudness(&mut self) {
        self.master.loudness.reset();
    }

    /// How much later than captured sound shall be heard. A smaller delay makes the next block due later.
    pub fn set_delay(&mut self, nanos: i64) {
        let wanted = frames_in_nanos(nanos).clamp(0, MAX_DELAY_FRAMES);
        if (wanted - self.delay).abs() > DELAY_STEP_FRAMES {
            self.fade_from.get_or_insert(self.delay);
            self.delay = wanted;
        }
    }

    /// Takes what the inputs' rings hold.
    pub(super) fn collect(&mut self, now: MediaTime) {
        let cursor = self.oldest_heard();
        for input in &mut self.inputs {
            let late = input.drain(&self.clock, cursor, now);
            if late > 0 {
                self.pace.late(late);
            }
        }
    }

    /// Takes what the inputs' rings hold. To be called before [`mix`](Self::mix).
    pub fn drain(&mut self, now: MediaTime) {
        self.collect(now);
        let cursor = self.oldest_heard();
        let end = self.cursor() + BLOCK_STEP;
        let mut spare: Option<i64> = None;
        for input in &self.inputs {
            spare = match (spare, input.spare(end, now)) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        self.pace.block(spare);
        let ended = &mut self.ended;
        self.inputs.retain(|input| {
            let finished = input.is_finished(cursor);
            if finished {
                ended.add(input.counts());
            }
            !finished
        });
    }

    /// Makes the next block.
    pub fn mix(&mut self) -> &AudioBlock {
        let fade_from = self.fade_from.take().map(|delay| self.place(delay));
        let new = self.cursor();
        if std::mem::take(&mut self.ahead_is_stale) {
            let before = new - offset(LOOKAHEAD);
            self.compose(before, None, LOOKAHEAD);
            self.master.limiter.process(&mut self.mix[..LOOKAHEAD]);
        }
        self.compose(new, fade_from, BLOCK_FRAMES);
        self.meter.push(&self.mix);
        self.master.limiter.process(&mut self.mix);
        self.master.loudness.push(&self.mix);
        self.block.pts = self.clock.time(self.made * BLOCK_STEP);
        self.made += 1;
        let behind = self.cursor() - MAX_DELAY_FRAMES;
        for input in &mut self.inputs {
            input.timeline_mut().trim_before(behind);
        }
        let Self { block, mix, .. } = self;
        if Arc::get_mut(&mut block.samples).is_none() {
            // somebody still reads the last one
            block.samples = silence();
        }
        if let Some(samples) = Arc::get_mut(&mut block.samples) {
            samples.copy_from_slice(mix.as_flattened());
        }
        block
    }

    /// The newest block.
    pub(super) const fn block(&self) -> &AudioBlock {
        &self.block
    }

    /// Inputs that are heard alone besides, from the next block on.
    pub(super) fn set_tracks(&mut self, tracks: &[Vec<SourceId>]) {
        let mut before = std::mem::take(&mut self.tracks).into_iter();
        let taps = tracks.iter().map(|sources| match before.next() {
            Some(tap) => tap.of(sources.clone()),
            None => TrackTap::new(sources.clone()),
        });
        self.tracks = taps.collect();
    }

    /// Their blocks: each as it goes into the mix, before ducking and limiter.
    pub(super) fn tracks(&self) -> &[TrackTap] {
        &self.tracks
    }

    /// What [`heard`](Self::heard) is from the next block on.
    pub(super) const fn listen(&mut self, to: Option<ListenTo>) {
        self.listen = to;
    }

    /// The last block of what is listened to.
    pub(super) fn heard(&self) -> &[Frame] {
        match self.listen {
            Some(ListenTo::Input(_)) => &self.heard,
            _ => &self.mix,
        }
    }

    /// Makes `mix` the sum of `frames` frames of all inputs: speech first, because music may have to step back for it.
    fn compose(&mut self, from: i64, fade_from: Option<i64>, frames: usize) {
        let Self {
            inputs,
            master,
            mix,
            voice,
            heard,
            listen,
            tracks,
            ..
        } = self;
        for track in tracks.iter_mut() {
            track.begin(frames);
        }
        let (mix, voice) = (&mut mix[..frames], &mut voice[..frames]);
        mix.fill([0.0; 2]);
        if listen.is_some() {
            heard.fill([0.0; 2]);
        }
        let mut hear = |input: &mut Input, voice: &mut [Frame]| {
            let listened = *listen == Some(ListenTo::Input(input.source()));
            let tap = listened.then_some(&mut heard[..frames]);
            let sounds = hear(input, from, fade_from, voice, tap);
            if sounds {
                let source = input.source();
                let tracks = tracks.iter_mut().filter(|t| t.hears(source));
                tracks.for_each(|t| t.add(voice));
            }
            sounds
        };
        let is_speech = |input: &Input| input.strip.role() == Role::Speech;
        for input in inputs.iter_mut().filter(|i| is_speech(i)) {
            if hear(input, voice) {
                add(voice, mix);
            }
        }
        let ducked = master.ducking.listen(mix);
        for input in inputs.iter_mut().filter(|i| !is_speech(i)) {
            if !hear(input, voice) {
                continue;
            }
            if let Some(gains) = ducked
                && input.strip.role() == Role::Music
            {
                for (frame, gain) in voice.iter_mut().zip(gains) {
                    *frame = frame.map(|s| s * gain);
                }
            }
            add(voice, mix);
        }
    }

    /// Leaves out `blocks` blocks.
    pub fn skip(&mut self, blocks: i64) {
        self.made += blocks;
        self.ahead_is_stale = true;
    }

    /// Fills in what the mixer knows.
    pub fn report(&self, now: MediaTime, stats: &mut AudioStats) {
        let mut counts = self.ended;
        for input in &self.inputs {
            counts.add(input.counts());
        }
        let cursor = self.cursor();
        let queued = self
            .inputs
            .iter()
            .map(|i| i.waiting(cursor + self.lead))
            .max();
        stats.levels = self.levels();
        stats.active_inputs = self.inputs.iter().filter(|i| i.is_active(now)).count();
        stats.inputs.clear();
        stats.inputs.extend(self.inputs.iter().map(Input::stats));
        stats.overruns = counts.overruns;
        stats.ahead = counts.ahead;
        stats.late = counts.late;
        stats.gap_ms = counts.gap_frames / 48;
        stats.clipped = self.meter.clipped();
        stats.limited = self.master.limiter.active_blocks;
        stats.limiter_db = self.master.limiter.gain_db();
        stats.ducking_db = self.master.ducking.gain_db();
        stats.loudness = self.master.loudness.reading();
        stats.queued_ms = u32::try_from(queued.unwrap_or(0).max(0) / 48).unwrap_or(u32::MAX);
        stats.alignment_ms = i32::try_from(self.pace.frames() / 48).unwrap_or(0);
        stats.delay_ms = u32::try_from(self.delay / 48).unwrap_or(0);
    }

    /// Levels of the last blocks.
    fn levels(&self) -> Levels {
        self.meter.levels()
    }

    /// Nothing before this is heard any more.
    fn oldest_heard(&self) -> i64 {
        let stale = if self.ahead_is_stale {
            offset(LOOKAHEAD)
        } else {
            0
        };
        self.place(self.delay.max(self.fade_from.unwrap_or(0))) - stale
    }

    /// Where in the inputs what is read for the next block begins.
    const fn cursor(&self) -> i64 {
        self.place(self.delay)
    }

    /// The same with another delay.
    const fn place(&self, delay: i64) -> i64 {
        self.made * BLOCK_STEP - delay + LOOKAHEAD as i64
    }
}

impl InputCounts {
    const fn add(&mut self, other: Self) {
        self.overruns += other.overruns;
        self.ahead += other.ahead;
        self.late += other.late;
        self.gap_frames += other.gap_frames;
    }
}

/// By how many frames a sound is heard later than captured.
pub(super) fn offset_frames(mix: &InputMix) -> i64 {
    frames_in_nanos(i64::from(mix.offset_ms.clamp(-MOST_OFFSET_MS, MOST_OFFSET_MS)) * 1_000_000)
}

/// Fills `voice` with what is heard of an input, and `tap` with the same before its gain and mute; false when that is
/// silence. Its meter is told of whole blocks.
fn hear(
    input: &mut Input,
    from: i64,
    fade_from: Option<i64>,
    voice: &mut [Frame],
    tap: Option<&mut [Frame]>,
) -> bool {
    input.settle(from, from + offset(voice.len()));
    let sounds = input.render(from, fade_from, voice, tap);
    if voice.len() == BLOCK_FRAMES {
        if sounds {
            input.strip.measure(voice);
        } else {
            input.strip.meter.push_silence();
        }
    }
    sounds
}

fn add(voice: &[Frame], mix: &mut [Frame]) {
    for (sum, frame) in mix.iter_mut().zip(voice) {
        *sum = [sum[0] + frame[0], sum[1] + frame[1]];
    }
}

fn silence() -> Arc<[f32]> {
    std::iter::repeat_n(0.0, BLOCK_FRAMES * 2).collect()
}

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod offset_tests;
#[cfg(test)]
mod tests;
