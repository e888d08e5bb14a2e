//! Sounds of single inputs beside the mix, for a recording: what each goes into the mix with, in; AAC packets onto a bus
//! of their own, out. On the audio thread. Whatever fails here is told in the log and costs a track, never the mix.

use std::fmt;
use std::sync::Arc;

use super::clock::{BLOCK_FRAMES, Frame};
use super::encoder::OpenEncoder;
use super::master::LOOKAHEAD;
use super::outgoing::Outgoing;
use crate::encode::{AudioEncoder, AudioEncoderSettings, EncodeError, open_audio};
use crate::media::SourceId;
use crate::media::audio::{AudioBlock, AudioFormat};
use crate::media::packet::{EncodedPacket, PacketBus, Track};
use crate::media::time::MediaTime;

/// What has a track of its own, how it is encoded, and where to.
#[derive(Clone)]
pub struct TrackPlan {
    /// The sources of each track; several are mixed.
    pub inputs: Vec<Vec<SourceId>>,
    /// As the mix is encoded.
    pub settings: AudioEncoderSettings,
    /// Gets packets with [`Track::Input`], each before the mix's packet of the same time.
    pub bus: Arc<PacketBus>,
}

impl fmt::Debug for TrackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackPlan")
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

/// The sound of one track as the mixer makes it: kept back by what the limiter of the mix takes, so that both are heard
/// at the same time.
#[derive(Debug)]
pub(super) struct TrackTap {
    sources: Vec<SourceId>,
    frames: Vec<Frame>,
}

impl TrackTap {
    pub(super) fn new(sources: Vec<SourceId>) -> Self {
        Self {
            sources,
            frames: vec![[0.0; 2]; LOOKAHEAD + BLOCK_FRAMES],
        }
    }

    /// The same track for other sources.
    pub(super) fn of(self, sources: Vec<SourceId>) -> Self {
        Self { sources, ..self }
    }

    pub(super) fn hears(&self, source: SourceId) -> bool {
        self.sources.contains(&source)
    }

    /// Where the next `count` frames are summed up: a block, or what comes before the first one.
    pub(super) fn begin(&mut self, count: usize) -> &mut [Frame] {
        self.frames.copy_within(count.., 0);
        let new = self.frames.len() - count;
        let room = &mut self.frames[new..];
        room.fill([0.0; 2]);
        room
    }

    /// Adds to the newest frames.
    pub(super) fn add(&mut self, voice: &[Frame]) {
        let new = self.frames.len() - voice.len();
        for (sum, frame) in self.frames[new..].iter_mut().zip(voice) {
            *sum = [sum[0] + frame[0], sum[1] + frame[1]];
        }
    }

    /// The block that belongs to the mix's newest one.
    pub(super) fn block(&self) -> &[Frame] {
        &self.frames[..BLOCK_FRAMES]
    }
}

/// The encoders of the tracks.
pub(super) struct Tracks {
    plan: TrackPlan,
    lanes: Vec<Option<Lane>>,
    out: Vec<EncodedPacket>,
}

struct Lane {
    encoder: Box<dyn AudioEncoder>,
    outgoing: Option<Outgoing>,
    block: AudioBlock,
}

impl Tracks {
    pub(super) fn new(plan: TrackPlan) -> Self {
        Self::new_with(plan, &mut (Box::new(open_audio) as OpenEncoder))
    }

    fn new_with(plan: TrackPlan, open: &mut OpenEncoder) -> Self {
        let lanes = plan.inputs.iter().map(|_| {
            Lane::open(&plan.settings, open)
                .inspect_err(|error| tracing::warn!(%error, "a sound has no track of its own"))
                .ok()
        });
        Self {
            lanes: lanes.collect(),
            plan,
            out: Vec::new(),
        }
    }

    /// Another plan: encoders that it needs as well go on.
    pub(super) fn change(&mut self, plan: TrackPlan) {
        let same =
            (plan.inputs.len(), &plan.settings) == (self.plan.inputs.len(), &self.plan.settings);
        if same && Arc::ptr_eq(&plan.bus, &self.plan.bus) {
            self.plan = plan;
            return;
        }
        self.finish();
        *self = Self::new(plan);
    }

    /// Takes the blocks of the tracks that begin at `pts`.
    pub(super) fn encode(&mut self, pts: MediaTime, taps: &[TrackTap]) {
        for (n, (lane, tap)) in (0..).zip(self.lanes.iter_mut().zip(taps)) {
            let Some(running) = lane else { continue };
            if let Err(error) = running.encode(pts, tap.block(), &mut self.out) {
                tracing::warn!(%error, "the track of a sound ends");
                *lane = None;
            }
            send(&self.plan.bus, n, &mut self.out);
        }
    }

    /// Hands over what the encoders still hold.
    pub(super) fn finish(&mut self) {
        for (n, lane) in (0..).zip(&mut self.lanes) {
            if let Some(mut lane) = lane.take()
                && let Err(error) = lane.encoder.flush(&mut self.out)
            {
                tracing::warn!(%error, "the end of a sound's track is missing");
            }
            send(&self.plan.bus, n, &mut self.out);
        }
    }
}

fn send(bus: &PacketBus, n: u8, packets: &mut Vec<EncodedPacket>) {
    for mut packet in packets.drain(..) {
        packet.track = Track::Input(n);
        bus.push(&packet);
    }
}

impl Lane {
    fn open(settings: &AudioEncoderSettings, open: &mut OpenEncoder) -> Result<Self, EncodeError> {
        Ok(Self {
            encoder: open(settings, 0)?,
            outgoing: Outgoing::new(settings.format()),
            block: AudioBlock {
                pts: MediaTime::ZERO,
                samples: std::iter::repeat_n(0.0, BLOCK_FRAMES * 2).collect(),
                format: AudioFormat::ENGINE,
            },
        })
    }

    fn encode(
        &mut self,
        pts: MediaTime,
        frames: &[Frame],
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        self.block.pts = pts;
        match Arc::get_mut(&mut self.block.samples) {
            Some(samples) => samples.copy_from_slice(frames.as_flattened()),
            None => self.block.samples = frames.as_flattened().into(), // somebody still reads the last one
        }
        let Some(outgoing) = &mut self.outgoing else {
            return self.encoder.encode(&self.block, out);
        };
        outgoing.push(&self.block);
        while let Some(block) = outgoing.pop() {
            self.encoder.encode(block, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::tests::{FAILING, bus, fakes};
    use super::*;

    #[test]
    fn a_tap_is_late_by_the_lookahead() {
        let mut tap = TrackTap::new(vec![SourceId(1)]);
        tap.begin(LOOKAHEAD);
        tap.add(&[[1.0; 2]; LOOKAHEAD]);
        tap.begin(BLOCK_FRAMES);
        tap.add(&[[2.0; 2]; BLOCK_FRAMES]);
        tap.add(&[[0.5; 2]; BLOCK_FRAMES]);
        assert_eq!(tap.block()[LOOKAHEAD - 1..=LOOKAHEAD], [[1.0; 2], [2.5; 2]]);
        tap.begin(BLOCK_FRAMES); // silence
        assert_eq!(tap.block()[LOOKAHEAD - 1..=LOOKAHEAD], [[2.5; 2], [0.0; 2]]);
    }

    #[test]
    fn packets_carry_their_number_and_a_failing_track_ends_alone() {
        let (bus, packets) = bus();
        let plan = |settings| TrackPlan {
            inputs: vec![vec![SourceId(1)], vec![SourceId(2), SourceId(3)]],
            settings,
            bus: Arc::clone(&bus),
        };
        let taps = [TrackTap::new(vec![]), TrackTap::new(vec![])];
        let good = AudioEncoderSettings::default();
        let mut tracks = Tracks::new_with(plan(good), &mut fakes());
        for k in 0..2 {
            tracks.encode(MediaTime::from_millis(k * 20), &taps);
        }
        tracks.finish();
        let made: Vec<_> = packets
            .try_iter()
            .map(|p| (p.track, p.pts.as_millis()))
            .collect();
        let of = |n, ms| (Track::Input(n), ms);
        assert_eq!(made, [of(0, 0), of(1, 0), of(0, 20), of(1, 20)]);
        let mut failing = Tracks::new_with(plan(FAILING), &mut fakes());
        failing.encode(MediaTime::ZERO, &taps);
        assert!(failing.lanes.iter().all(Option::is_none));
        failing.encode(MediaTime::ZERO, &taps);
    }
}
