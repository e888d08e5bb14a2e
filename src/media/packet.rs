//! Encoded packets: what encoders make and outputs send. Payloads are shared by all outputs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::time::{FrameRate, MediaTime};
use super::video::Resolution;

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
pub struct Bitrate(u32);

impl Bitrate {
    /// From bits per second.
    pub const fn from_bps(bps: u32) -> Self {
        Self(bps)
    }

    /// From kilobits (1000 bits) per second.
    pub const fn from_kbps(kbps: u32) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// Bits per second.
    pub const fn bps(self) -> u32 {
        self.0
    }

    /// Kilobits (1000 bits) per second, rounded down.
    pub const fn kbps(self) -> u32 {
        self.0 / 1000
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.kbps())
    }
}

/// Which elementary stream a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// The picture.
    Video,
    /// The sound: everything mixed.
    Audio,
    /// The sound of one input alone, beside the mix; in recordings only. Counts from 0.
    Input(u8),
}

/// What a send queue may do with a packet when the link is too slow. It is OBS's `drop_priority`, said as an enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropClass {
    /// Sound and keyframes.
    Never,
    /// Nothing refers to it; may be dropped alone.
    Discardable,
    /// Later pictures refer to it: dropping it means dropping up to the next keyframe.
    Reference,
}

/// What a decoder must know before the first packet; made once per encoder generation.
#[derive(Clone, PartialEq, Eq)]
pub enum CodecParameters {
    /// H.264.
    H264 {
        /// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15), 4-byte NAL lengths.
        avcc: Bytes,
        /// Coded picture size.
        resolution: Resolution,
        /// Nominal rate.
        rate: FrameRate,
        /// Nominal bitrate.
        bitrate: Bitrate,
    },
    /// HEVC; pushed as Enhanced RTMP.
    Hevc {
        /// `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15), 4-byte NAL lengths.
        hvcc: Bytes,
        /// Coded picture size.
        resolution: Resolution,
        /// Nominal rate.
        rate: FrameRate,
        /// Nominal bitrate.
        bitrate: Bitrate,
    },
    /// AV1; pushed as Enhanced RTMP. Packets hold OBUs with sizes, without temporal delimiters.
    Av1 {
        /// `AV1CodecConfigurationRecord` (AV1 in ISOBMFF, 2.3).
        av1c: Bytes,
        /// Coded picture size.
        resolution: Resolution,
        /// Nominal rate.
        rate: FrameRate,
        /// Nominal bitrate.
        bitrate: Bitrate,
    },
    /// AAC-LC.
    Aac {
        /// `AudioSpecificConfig` (ISO/IEC 14496-3).
        asc: Bytes,
        /// Samples per second.
        sample_rate: u32,
        /// Channels.
        channels: u16,
        /// Nominal bitrate.
        bitrate: Bitrate,
    },
}

impl CodecParameters {
    /// The bytes that go into a sequence header.
    pub const fn extradata(&self) -> &Bytes {
        match self {
            Self::H264 { avcc, .. } => avcc,
            Self::Hevc { hvcc, .. } => hvcc,
            Self::Av1 { av1c, .. } => av1c,
            Self::Aac { asc, .. } => asc,
        }
    }

    /// The track these parameters describe.
    pub const fn track(&self) -> Track {
        match self {
            Self::H264 { .. } | Self::Hevc { .. } | Self::Av1 { .. } => Track::Video,
            Self::Aac { .. } => Track::Audio,
        }
    }

    /// Size, nominal rate and nominal bitrate of pictures; `None` for sound.
    pub const fn picture(&self) -> Option<(Resolution, FrameRate, Bitrate)> {
        match self {
            Self::H264 {
                resolution,
                rate,
                bitrate,
                ..
            }
            | Self::Hevc {
                resolution,
                rate,
                bitrate,
                ..
            }
            | Self::Av1 {
                resolution,
                rate,
                bitrate,
                ..
            } => Some((*resolution, *rate, *bitrate)),
            Self::Aac { .. } => None,
        }
    }

    /// Whether a decoder opened for `self` decodes pictures or sound of `other` once it has seen its parameter sets in the
    /// stream: for pictures the same codec and size, for sound the very same parameters (it has no sets in the stream).
    pub fn goes_on_with(&self, other: &Self) -> bool {
        match (self.picture(), other.picture()) {
            (Some((size, ..)), Some((new, ..))) => size == new && self.codec() == other.codec(),
            _ => self.extradata() == other.extradata(),
        }
    }

    const fn codec(&self) -> &'static str {
        match self {
            Self::H264 { .. } => "H264",
            Self::Hevc { .. } => "HEVC",
            Self::Av1 { .. } => "AV1",
            Self::Aac { .. } => "AAC",
        }
    }
}

impl fmt::Debug for CodecParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = self.codec();
        if let Some((resolution, rate, bitrate)) = self.picture() {
            return write!(f, "{codec}({resolution}, {rate} fps, {bitrate})");
        }
        match self {
            Self::Aac {
                sample_rate,
                channels,
                bitrate,
                ..
            } => write!(
                f,
                "{codec}({sample_rate} Hz, {channels} channels, {bitrate})"
            ),
            _ => f.write_str(codec),
        }
    }
}

/// One access unit as an encoder made it.
#[derive(Clone)]
pub struct EncodedPacket {
    /// Which stream.
    pub track: Track,
    /// When it is shown or heard.
    pub pts: MediaTime,
    /// When it must be decoded; never after `pts`, and never going back within a track.
    pub dts: MediaTime,
    /// How long it is shown or heard.
    pub duration: Duration,
    /// Decoding can start here.
    pub keyframe: bool,
    /// What a full queue may do with it.
    pub drop: DropClass,
    /// AVCC or HVCC NAL units (4-byte lengths, no parameter sets), AV1 OBUs, or a raw AAC frame (no ADTS).
    pub data: Bytes,
    /// What the decoder needs; a new `Arc` with other contents means a new sequence header before this packet.
    pub parameters: Arc<CodecParameters>,
    /// Grows by one whenever the encoder was opened anew.
    pub generation: u32,
}

impl fmt::Debug for EncodedPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedPacket")
            .field("track", &self.track)
            .field("pts", &self.pts)
            .field("dts", &self.dts)
            .field("keyframe", &self.keyframe)
            .field("drop", &self.drop)
            .field("len", &self.data.len())
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Takes packets from the encoders. [`push`](Self::push) is called on encoder threads and must never wait.
pub trait PacketSink: Send + Sync {
    /// Takes one packet; what happens when there is no room is the sink's own, counted policy.
    fn push(&self, packet: &EncodedPacket);
}

/// Fans packets out to every attached [`PacketSink`]. Encoders hold it for as long as they run; outputs come and go.
#[derive(Default)]
pub struct PacketBus {
    sinks: arc_swap::ArcSwap<Vec<Arc<dyn PacketSink>>>,
}

impl PacketBus {
    /// A bus nobody listens to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a listener; it gets every packet from now on.
    pub fn attach(&self, sink: &Arc<dyn PacketSink>) {
        self.sinks.rcu(|old| {
            let mut sinks = Vec::clone(old);
            sinks.push(Arc::clone(sink));
            sinks
        });
    }

    /// Removes a listener that was attached.
    pub fn detach(&self, sink: &Arc<dyn PacketSink>) {
        self.sinks.rcu(|old| {
            old.iter()
                .filter(|s| !Arc::ptr_eq(s, sink))
                .cloned()
                .collect::<Vec<_>>()
        });
    }

    /// Hands a packet to all listeners.
    pub fn push(&self, packet: &EncodedPacket) {
        for sink in self.sinks.load().iter() {
            sink.push(packet);
        }
    }
}

impl fmt::Debug for PacketBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketBus({} sinks)", self.sinks.load().len())
    }
}
