//! Two tracks into one order by decode time, which goes back by no more than pictures may lead the sound. Packets in,
//! packets out; pure logic, used by the thread or task of one output.

use std::collections::VecDeque;
use std::time::Duration;

use crate::media::packet::{EncodedPacket, Track};
use crate::media::time::{MediaTime, duration_nanos};

/// How much media time of one track is held back for the other. An encoder that looks ahead delivers its pictures half a
/// second to a second behind the sound, and a sound that is to be heard 2 s earlier makes all sound wait that long; the
/// two must still meet. 3 s leaves room for that on a slow machine, and bounds what a silent track costs in delay. Both encoders go by the clock, so the bound is met only in trouble.
pub const HOLD: Duration = Duration::from_secs(3);

/// How far pictures may lead the sound where delay counts most. A block of sound is known only when its last sample is, and
/// its encoder holds it back for one more: pictures that wait for it are 60 to 80 ms late for nothing, since each track
/// has times of its own. Below 250 ms, from which on SRS takes a step back in time for an error and makes up times
/// (`CONST_MAX_JITTER_MS` in its `srs_app_source.cpp`).
pub const LEAD: Duration = Duration::from_millis(200);

/// Most packets held of one track, whatever their times say: more than 3 s of the highest picture rate,
/// and of as many sounds as a recording has.
const MAX_HELD: usize = 2048;

/// Orders packets of two tracks by decode time.
///
/// A packet waits until nothing earlier can come of the other track (its newest packet ends at or past it), but never
/// longer than the hold time of its own track. Pictures may be let go [`LEAD`] earlier
/// ([`pictures_first`](Self::pictures_first)).
/// A packet that comes after later ones have left (its track was silent longer than that) is moved forward to the last
/// time that left, and counted: order matters more to servers than a short shift.
#[derive(Debug)]
pub struct Interleaver {
    video: Lane,
    audio: Lane,
    hold_ns: i64,
    lead_ns: i64,
    both: bool,
    last_out: Option<MediaTime>,
    late: u64,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<EncodedPacket>,
    newest: Option<MediaTime>,
    /// Where the newest packet ends: nothing earlier can follow.
    end: Option<MediaTime>,
    /// The last that left.
    out: Option<MediaTime>,
}

impl Lane {
    fn head(&self) -> Option<MediaTime> {
        self.queue.front().map(|p| p.dts)
    }
}

impl Default for Interleaver {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Interleaver {
    /// Empty. `both` false: there is only one track, so nothing is ever held.
    pub fn new(both: bool) -> Self {
        Self {
            video: Lane::default(),
            audio: Lane::default(),
            hold_ns: duration_nanos(HOLD),
            lead_ns: 0,
            both,
            last_out: None,
            late: 0,
        }
    }

    /// Pictures need not wait for sound that is at most [`LEAD`] behind.
    #[must_use]
    pub fn pictures_first(mut self) -> Self {
        self.lead_ns = duration_nanos(LEAD);
        self
    }

    /// Takes a packet; within a track they come in decode order.
    pub fn push(&mut self, packet: EncodedPacket) {
        let lane = self.lane_mut(packet.track);
        // the sound of an input comes before the mix of the same time: pictures wait for that one
        if !matches!(packet.track, Track::Input(_)) {
            lane.newest = lane.newest.max(Some(packet.dts));
            lane.end = lane.end.max(Some(packet.dts + packet.duration));
        }
        lane.queue.push_back(packet);
    }

    /// The next packet in order, if it is known to be the next.
    pub fn pop(&mut self) -> Option<EncodedPacket> {
        let track = self.next_track()?;
        let (lane, other, lead_ns) = match track {
            Track::Video => (&self.video, &self.audio, self.lead_ns),
            Track::Audio | Track::Input(_) => (&self.audio, &self.video, 0),
        };
        let head = lane.head()?;
        let held = lane.newest.map_or(0, |t| t.nanos_since(head));
        let ready = !self.both
            || other.end.is_some_and(|t| t.offset_nanos(lead_ns) >= head)
            || held >= self.hold_ns
            || lane.queue.len() > MAX_HELD;
        ready.then(|| self.take(track)).flatten()
    }

    /// The next packet, without waiting for any other: call it until `None` at the end of a stream.
    pub fn flush(&mut self) -> Option<EncodedPacket> {
        let track = self.next_track()?;
        self.take(track)
    }

    /// Takes out the held packets of `from` and later, one track after the other; each in its order.
    pub fn split_off(&mut self, from: MediaTime) -> Vec<EncodedPacket> {
        let mut out = Vec::new();
        for lane in [&mut self.video, &mut self.audio] {
            let at = lane.queue.partition_point(|p| p.dts < from);
            out.extend(lane.queue.drain(at..));
        }
        out
    }

    /// Forgets what is held and what has left: the next packet begins a new stream.
    pub fn clear(&mut self) {
        let lead_ns = self.lead_ns;
        *self = Self::new(self.both);
        self.lead_ns = lead_ns;
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.video.queue.len() + self.audio.queue.len()
    }

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets that came too late and were moved forward in time.
    pub const fn late(&self) -> u64 {
        self.late
    }

    const fn lane_mut(&mut self, track: Track) -> &mut Lane {
        match track {
            Track::Video => &mut self.video,
            Track::Audio | Track::Input(_) => &mut self.audio,
        }
    }

    /// Whose head has the lower decode time. Pictures go first at a tie, so that a stream can begin with one.
    fn next_track(&self) -> Option<Track> {
        match (self.video.head(), self.audio.head()) {
            (None, None) => None,
            (Some(_), None) => Some(Track::Video),
            (None, Some(_)) => Some(Track::Audio),
            (Some(video), Some(audio)) if video <= audio => Some(Track::Video),
            (Some(_), Some(_)) => Some(Track::Audio),
        }
    }

    fn take(&mut self, track: Track) -> Option<EncodedPacket> {
        let lead_ns = self.lead_ns;
        let earliest = self.last_out.map(|t| t.offset_nanos(-lead_ns));
        let lane = self.lane_mut(track);
        let mut packet = lane.queue.pop_front()?;
        let earliest = earliest.max(lane.out);
        let late = earliest.filter(|&earliest| packet.dts < earliest);
        if let Some(earliest) = late {
            packet.dts = earliest;
            packet.pts = packet.pts.max(earliest);
        }
        lane.out = Some(packet.dts);
        self.late += u64::from(late.is_some());
        self.last_out = self.last_out.max(Some(packet.dts));
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::media::packet::{Bitrate, CodecParameters, DropClass};

    fn packet(track: Track, ms: i64) -> EncodedPacket {
        EncodedPacket {
            track,
            pts: MediaTime::from_millis(ms),
            dts: MediaTime::from_millis(ms),
            duration: Duration::ZERO,
            keyframe: false,
            drop: DropClass::Never,
            data: Bytes::new(),
            parameters: Arc::new(CodecParameters::Aac {
                asc: Bytes::new(),
                sample_rate: 48_000,
                channels: 2,
                bitrate: Bitrate::from_kbps(128),
            }),
            generation: 0,
        }
    }

    #[test]
    fn what_is_held_can_go_elsewhere() {
        let mut i = Interleaver::default();
        for ms in [0, 20, 40, 60] {
            i.push(packet(Track::Audio, ms));
        }
        i.push(packet(Track::Video, 0));
        assert_eq!(drain(&mut i).len(), 2);
        let taken: Vec<_> = i
            .split_off(MediaTime::from_millis(33))
            .iter()
            .map(|p| p.dts.as_millis())
            .collect();
        assert_eq!(taken, [40, 60]);
        assert_eq!(i.flush().map(|p| p.dts.as_millis()), Some(20));
        assert!(i.is_empty());
    }

    fn drain(i: &mut Interleaver) -> Vec<(Track, i64)> {
        std::iter::from_fn(|| i.pop())
            .map(|p| (p.track, p.dts.as_millis()))
            .collect()
    }

    #[test]
    fn a_packet_waits_for_the_other_track() {
        let mut i = Interleaver::default();
        i.push(packet(Track::Video, 0));
        assert_eq!(drain(&mut i), []);
        i.push(packet(Track::Audio, 10));
        assert_eq!(drain(&mut i), [(Track::Video, 0)]);
        i.push(packet(Track::Video, 33));
        assert_eq!(drain(&mut i), [(Track::Audio, 10)]);
        // the other track has been past this time already, so nothing earlier can come
        i.push(packet(Track::Audio, 31));
        assert_eq!(drain(&mut i), [(Track::Audio, 31)]);
    }

    #[test]
    fn a_packet_does_not_wait_for_what_cannot_come_before_it() {
        let mut i = Interleaver::default();
        let mut sound = packet(Track::Audio, 0);
        sound.duration = Duration::from_millis(21);
        i.push(sound);
        i.push(packet(Track::Video, 21));
        assert_eq!(drain(&mut i), [(Track::Audio, 0), (Track::Video, 21)]);
        i.push(packet(Track::Video, 22));
        assert_eq!(drain(&mut i), []);
    }

    #[test]
    fn pictures_may_lead_the_sound_but_not_the_sound_the_pictures() {
        let mut i = Interleaver::default().pictures_first();
        i.push(packet(Track::Video, 0));
        assert_eq!(drain(&mut i), [], "sound has not begun");
        i.push(packet(Track::Audio, 0));
        assert_eq!(drain(&mut i), [(Track::Video, 0), (Track::Audio, 0)]);
        i.push(packet(Track::Video, 200));
        i.push(packet(Track::Video, 233));
        assert_eq!(drain(&mut i), [(Track::Video, 200)]);
        i.push(packet(Track::Audio, 21));
        assert_eq!(drain(&mut i), [(Track::Audio, 21)], "with the time it has");
        i.push(packet(Track::Audio, 300));
        assert_eq!(
            drain(&mut i),
            [(Track::Video, 233)],
            "sound waits for pictures"
        );
        assert_eq!(i.late(), 0);
    }

    #[test]
    fn a_silent_track_costs_the_hold_time_and_no_more() {
        let mut i = Interleaver::default();
        let mut out = Vec::new();
        for k in 0..100 {
            i.push(packet(Track::Video, k * 40));
            out.extend(drain(&mut i));
            assert!(i.len() <= 75, "{} held", i.len());
        }
        assert_eq!(out.len(), 25);
        // sound comes back with old times: moved, counted, order kept
        i.push(packet(Track::Audio, 100));
        assert_eq!(drain(&mut i), [(Track::Audio, 960)]);
        assert_eq!(i.late(), 1);
    }

    #[test]
    fn one_track_alone_is_never_held() {
        let mut i = Interleaver::new(false);
        i.push(packet(Track::Video, 0));
        assert_eq!(drain(&mut i), [(Track::Video, 0)]);
    }

    #[test]
    fn standing_times_do_not_grow_the_queue_for_ever() {
        let mut i = Interleaver::default();
        for _ in 0..10_000 {
            i.push(packet(Track::Video, 5));
            drain(&mut i);
            assert!(i.len() <= MAX_HELD);
        }
    }

    #[test]
    fn flush_gives_everything_in_order() {
        let mut i = Interleaver::default();
        for ms in [0, 33, 66] {
            i.push(packet(Track::Video, ms));
        }
        i.push(packet(Track::Audio, 50));
        let times: Vec<i64> = std::iter::from_fn(|| i.flush())
            .map(|p| p.dts.as_millis())
            .collect();
        assert_eq!(times, [0, 33, 50, 66]);
        assert!(i.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_time_never_goes_back(
            steps in prop::collection::vec((any::<bool>(), 0i64..400), 1..200)
        ) {
            let mut i = Interleaver::default();
            let (mut video, mut audio) = (0, 0);
            let mut out = Vec::new();
            for (is_video, step) in &steps {
                let (track, clock) = if *is_video { (Track::Video, &mut video) } else { (Track::Audio, &mut audio) };
                *clock += step;
                i.push(packet(track, *clock));
                while let Some(p) = i.pop() { out.push(p); }
                for track in [Track::Video, Track::Audio] {
                    let lane = i.lane_mut(track);
                    let span = lane.head().zip(lane.newest).map_or(0, |(h, n)| n.nanos_since(h));
                    prop_assert!(span < duration_nanos(HOLD), "held {span} ns");
                }
            }
            while let Some(p) = i.flush() { out.push(p); }
            prop_assert_eq!(out.len(), steps.len());
            prop_assert!(out.windows(2).all(|w| w[0].dts <= w[1].dts));
            prop_assert!(out.iter().all(|p| p.dts <= p.pts));
        }
    }
}
