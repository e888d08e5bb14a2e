//! The replay buffer: the last seconds of the stream's packets in memory, shared with the other outputs and not copied,
//! into a file at one press. Packets come on encoder threads; a file is written on a thread of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::part::Part;
use super::{RecordConfig, RecordNews, as_output_error};
use crate::container::TrackSpec;
use crate::flv::interleave::Interleaver;
use crate::media::packet::{EncodedPacket, PacketSink, Track};
use crate::output::{
    Output, OutputContext, OutputError, OutputEvent, OutputListener, OutputState, OutputStats,
};
use crate::stage::{self, StopFlag};

/// Most bytes a buffer holds: 600 s at 3 Mbit/s, or a minute at 35.
pub const MOST_BYTES: usize = 256 << 20;
/// What a packet costs besides its payload.
const PACKET_COST: usize = 128;

/// Figures of the replay buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReplayStats {
    /// Milliseconds in it.
    pub held_ms: u64,
    /// Milliseconds it holds at most.
    pub most_ms: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// A file is being written.
    pub saving: bool,
    /// Times it had to let go of seconds because of its bound in bytes.
    pub short: u64,
}

/// Packets of the last seconds; begins with a keyframe.
#[derive(Debug)]
struct Ring {
    packets: VecDeque<EncodedPacket>,
    /// How many packets have left at the front, ever.
    gone: u64,
    /// Running numbers of the keyframes in it.
    keys: VecDeque<u64>,
    bytes: usize,
    keep: Duration,
    most_bytes: usize,
    short: u64,
}

impl Ring {
    const fn new(keep: Duration, most_bytes: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            gone: 0,
            keys: VecDeque::new(),
            bytes: 0,
            keep,
            most_bytes,
            short: 0,
        }
    }

    fn push(&mut self, packet: &EncodedPacket) {
        let is_key = packet.track == Track::Video && packet.keyframe;
        if self.keys.is_empty() && !is_key {
            return; // nothing can be decoded before a keyframe
        }
        if is_key {
            self.keys.push_back(self.gone + self.packets.len() as u64);
        }
        self.bytes += packet.data.len() + PACKET_COST;
        self.packets.push_back(packet.clone());
        while self.second_is_enough() {
            self.drop_front();
        }
        while self.bytes > self.most_bytes {
            self.short += 1;
            self.drop_front();
        }
    }

    /// What follows the second keyframe is as long as was asked for.
    fn second_is_enough(&self) -> bool {
        let second = self.keys.get(1).and_then(|n| self.at(*n));
        let newest = self.packets.back();
        second.zip(newest).is_some_and(|(second, newest)| {
            (newest.dts + newest.duration).saturating_since(second.dts) >= self.keep
        })
    }

    fn at(&self, number: u64) -> Option<&EncodedPacket> {
        let index = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        self.packets.get(index)
    }

    /// Lets go of everything before the second keyframe; of everything if there is none.
    fn drop_front(&mut self) {
        self.keys.pop_front();
        let until = self.keys.front().copied();
        let until = until.unwrap_or(self.gone + self.packets.len() as u64);
        while self.gone < until
            && let Some(packet) = self.packets.pop_front()
        {
            self.bytes -= packet.data.len() + PACKET_COST;
            self.gone += 1;
        }
    }

    fn held(&self) -> Duration {
        let ends = self.packets.front().zip(self.packets.back());
        ends.map_or(Duration::ZERO, |(first, last)| {
            (last.dts + last.duration).saturating_since(first.dts)
        })
    }
}

/// A replay buffer attached to the stream's packets.
pub struct ReplayBuffer {
    ring: Mutex<Ring>,
    listener: OutputListener,
    saving: Arc<AtomicBool>,
    stopped: AtomicBool,
}

impl ReplayBuffer {
    /// An empty buffer of this length.
    pub fn start(keep: Duration, cx: OutputContext) -> Arc<Self> {
        (cx.listener)(OutputEvent::NeedKeyframe);
        Arc::new(Self {
            ring: Mutex::new(Ring::new(keep, MOST_BYTES)),
            listener: cx.listener,
            saving: Arc::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Another length; what is too old goes with the next packet.
    pub fn set_length(&self, keep: Duration) {
        self.ring.lock().keep = keep;
    }

    /// How much it holds.
    pub fn replay_stats(&self) -> ReplayStats {
        let ring = self.ring.lock();
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        ReplayStats {
            held_ms: ms(ring.held()),
            most_ms: ms(ring.keep),
            bytes: ring.bytes as u64,
            saving: self.saving.load(Ordering::Relaxed),
            short: ring.short,
        }
    }

    /// Writes what it holds into a file, on a thread of its own; news tell how it went.
    pub fn save(&self, config: RecordConfig) {
        let tell = Arc::clone(&self.listener);
        let failed = |reason: &str| {
            let reason = reason.to_owned();
            tell(OutputEvent::Record(RecordNews::ReplayFailed { reason }));
        };
        let packets: Vec<_> = self.ring.lock().packets.iter().cloned().collect();
        if packets.is_empty() {
            return failed("nothing is in the replay buffer yet: wait a few seconds");
        }
        if self.saving.swap(true, Ordering::Relaxed) {
            return failed("the replay before is still being written: try again in a moment");
        }
        let (saving, listener) = (Arc::clone(&self.saving), Arc::clone(&self.listener));
        let save = move |(), _: &StopFlag| {
            let news = match write(packets, &config) {
                Ok(saved) => saved,
                Err(e) => RecordNews::ReplayFailed {
                    reason: e.full_text(),
                },
            };
            listener(OutputEvent::Record(news));
            Ok(())
        };
        let ready = || Ok::<_, std::convert::Infallible>(());
        let done = move |_: &stage::StageExit| saving.store(false, Ordering::Relaxed);
        if let Err(e) = stage::spawn("replay", &StopFlag::new(), ready, save, done) {
            self.saving.store(false, Ordering::Relaxed);
            failed(&e.to_string());
        }
    }
}

/// The tracks of packets that begin with a keyframe, pictures first.
fn tracks(packets: &[EncodedPacket]) -> Vec<TrackSpec> {
    let of = |track: Track| packets.iter().find(|p| p.track == track);
    let found = [of(Track::Video), of(Track::Audio)].into_iter().flatten();
    found
        .map(|p| TrackSpec::plain(Arc::clone(&p.parameters)))
        .collect()
}

/// The newest stretch of packets that fits into one file: new parameters begin another one.
fn one_stretch(packets: &mut Vec<EncodedPacket>, config: &RecordConfig) {
    if config.format.takes_new_parameters() {
        return;
    }
    let picture = |p: &&EncodedPacket| p.track == Track::Video;
    let Some(last) = packets.iter().rev().find(picture) else {
        return;
    };
    let newest = Arc::clone(&last.parameters);
    let other = |p: &EncodedPacket| {
        p.track == Track::Video
            && !Arc::ptr_eq(&p.parameters, &newest)
            && !newest.goes_on_with(&p.parameters)
    };
    if let Some(at) = packets.iter().rposition(other) {
        packets.drain(..=at);
        let key = |p: &EncodedPacket| p.track == Track::Video && p.keyframe;
        let first = packets.iter().position(key).unwrap_or(packets.len());
        packets.drain(..first);
    }
}

fn write(
    mut packets: Vec<EncodedPacket>,
    config: &RecordConfig,
) -> Result<RecordNews, OutputError> {
    one_stretch(&mut packets, config);
    let Some(origin) = packets.first().map(|p| p.dts.as_nanos()) else {
        return Err(OutputError::Internal);
    };
    let wanted = config.place.wanted();
    let (file, path) = (config.place.create()).map_err(|e| as_output_error(wanted, e))?;
    let failed = |e| as_output_error(path.clone(), e);
    let tracks = tracks(&packets);
    let mut interleaver = Interleaver::new(tracks.len() > 1);
    let begun = Part::begin(file, path.clone(), config.format, tracks, &config.title);
    let mut part = begun.map_err(failed)?;
    for packet in packets {
        interleaver.push(packet);
    }
    while let Some(packet) = interleaver.flush() {
        let moved = EncodedPacket {
            dts: packet.dts.offset_nanos(-origin),
            pts: packet.pts.offset_nanos(-origin),
            ..packet
        };
        if moved.dts.as_nanos() >= 0 {
            part.push(&moved).map_err(failed)?;
        }
    }
    let length = part.end();
    part.close().map_err(failed)?;
    Ok(RecordNews::ReplaySaved { path, length })
}

impl PacketSink for ReplayBuffer {
    fn push(&self, packet: &EncodedPacket) {
        self.ring.lock().push(packet);
    }
}

impl Output for ReplayBuffer {
    fn stats(&self) -> OutputStats {
        let stopped = self.stopped.load(Ordering::Relaxed);
        OutputStats {
            target: "replay".to_owned(),
            state: if stopped {
                OutputState::Stopped
            } else {
                OutputState::Live
            },
            sent_bytes: 0,
            kbps: 0,
            queued_ms: 0,
            queued_bytes: 0,
            dropped: 0,
            frozen_ms: 0,
            reconnects: 0,
            connect_ms: None,
            acked_bytes: 0,
            rtt_ms: None,
            adapt: None,
            asks: None,
        }
    }

    fn request_stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// A file that is being written holds its own packets, and nothing waits for it but the end of the program.
    fn has_ended(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) && !self.saving.load(Ordering::Relaxed)
    }

    fn join_until(&self, deadline: Instant) -> bool {
        /// How often the writing thread is looked at: a replay takes tenths of a second.
        const LOOK: Duration = Duration::from_millis(10);
        self.request_stop();
        while !self.has_ended() && Instant::now() < deadline {
            StopFlag::new().sleep(LOOK);
        }
        self.has_ended()
    }
}
