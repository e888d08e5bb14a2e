//! Encoded packets into FLV tags: metadata and sequence headers first and whenever parameters change, millisecond
//! timestamps from zero per connection. One muxer per connection or file, on its thread or task.

use std::sync::Arc;

use bytes::Bytes;

use super::amf0::{Amf0Value, Properties, write_str};
use super::enhanced::{self, FourCc};
use super::tag::{
    FlvTag, TagKind, aac_frame, aac_sequence_header, avc_access_unit, avc_sequence_header,
};
use crate::media::packet::{CodecParameters, EncodedPacket, Track};
use crate::media::time::MediaTime;

/// How long pictures are kept back at the start for the parameters of an announced but silent sound track, in
/// milliseconds of media time.
pub const AUDIO_WAIT_MS: i64 = 500;

/// Most packets kept back at the start.
const MAX_PENDING: usize = 256;

/// Turns packets, already in their final order (see [`super::interleave`]), into tags.
///
/// A stream begins with `onMetaData`, the sequence headers of sound and picture, and a keyframe; what comes before the
/// first keyframe is left out. The decode time of that keyframe becomes `start_ms`, for both tracks, so that the
/// spacing between sound and picture stays; with B-frames the composition time carries their delay. Timestamps are
/// rounded down to milliseconds, never go back within a track, and wrap at 2^32.
#[derive(Debug)]
pub struct FlvMuxer {
    start_ms: u32,
    has_audio: bool,
    stage: Stage,
    /// Milliseconds since the first keyframe of the last picture and the last sound.
    last_ms: [i64; 2],
    video: Option<Arc<CodecParameters>>,
    audio: Option<Arc<CodecParameters>>,
    /// New picture parameters came without a keyframe: nothing can be decoded before the next one.
    await_keyframe: bool,
    skipped: u64,
}

#[derive(Debug)]
enum Stage {
    /// No keyframe yet.
    Idle,
    /// A keyframe came, the sound's parameters did not.
    Pending(Vec<EncodedPacket>),
    /// Tags flow; the time is the first keyframe's.
    Running(MediaTime),
}

impl Default for FlvMuxer {
    fn default() -> Self {
        Self::new(0)
    }
}

impl FlvMuxer {
    /// A muxer for one connection or file with picture and sound. `start_ms` is the first tag's timestamp (0 but in
    /// tests of wrap-around).
    pub const fn new(start_ms: u32) -> Self {
        Self {
            start_ms,
            has_audio: true,
            stage: Stage::Idle,
            last_ms: [0; 2],
            video: None,
            audio: None,
            await_keyframe: false,
            skipped: 0,
        }
    }

    /// Whether there is a sound track to wait for. If there is, the first picture waits for its parameters, up to
    /// [`AUDIO_WAIT_MS`] of media time; sound that comes later still gets its header then.
    #[must_use]
    pub const fn with_audio(mut self, has_audio: bool) -> Self {
        self.has_audio = has_audio;
        self
    }

    /// Packets left out because nothing could be decoded from them: before the first keyframe, or after a change of
    /// picture parameters without one.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Appends the tags for `packet`: before the first media, and again after a change of parameters, `onMetaData`
    /// and the sequence headers. Pictures before the first keyframe are left out.
    pub fn push(&mut self, packet: &EncodedPacket, out: &mut Vec<FlvTag>) {
        if matches!(packet.track, Track::Input(_)) {
            self.skipped += 1; // FLV has one sound
            return;
        }
        match &mut self.stage {
            Stage::Running(origin) => {
                let origin = *origin;
                self.media(packet, origin, out);
            }
            Stage::Idle => match packet.track {
                Track::Video if packet.keyframe => {
                    self.video = Some(Arc::clone(&packet.parameters));
                    if self.has_audio && self.audio.is_none() {
                        self.stage = Stage::Pending(vec![packet.clone()]);
                    } else {
                        self.begin(packet.dts, std::slice::from_ref(packet), out);
                    }
                }
                Track::Video => self.skipped += 1,
                Track::Audio | Track::Input(_) => {
                    self.audio = Some(Arc::clone(&packet.parameters));
                    self.skipped += 1;
                }
            },
            Stage::Pending(pending) => {
                let full = pending.len() >= MAX_PENDING;
                let Some(origin) = pending.first().map(|p| p.dts) else {
                    return;
                };
                let waited_ms = packet.dts.nanos_since(origin) / 1_000_000;
                pending.push(packet.clone());
                if packet.track == Track::Audio {
                    self.audio = Some(Arc::clone(&packet.parameters));
                }
                if self.audio.is_some() || waited_ms >= AUDIO_WAIT_MS || full {
                    let pending = std::mem::take(pending);
                    self.begin(origin, &pending, out);
                }
            }
        }
    }

    /// Appends what is still kept back; at the end of a stream that never got its sound.
    pub fn flush(&mut self, out: &mut Vec<FlvTag>) {
        if let Stage::Pending(pending) = &mut self.stage {
            let pending = std::mem::take(pending);
            if let Some(first) = pending.first() {
                self.begin(first.dts, &pending, out);
            }
        }
    }

    fn begin(&mut self, origin: MediaTime, packets: &[EncodedPacket], out: &mut Vec<FlvTag>) {
        self.stage = Stage::Running(origin);
        self.metadata(0, out);
        if let Some(audio) = self.audio.clone() {
            self.sequence_header(&audio, 0, out);
        }
        if let Some(video) = self.video.clone() {
            self.sequence_header(&video, 0, out);
        }
        for packet in packets {
            self.media(packet, origin, out);
        }
    }

    fn media(&mut self, packet: &EncodedPacket, origin: MediaTime, out: &mut Vec<FlvTag>) {
        if packet.track == Track::Audio && packet.dts < origin {
            // sound from before the first picture
            self.skipped += 1;
            return;
        }
        let natural_ms = packet.dts.nanos_since(origin).div_euclid(1_000_000);
        let last_ms = self.last_ms[usize::from(packet.track == Track::Audio)];
        let ms = natural_ms.max(last_ms);
        self.update_parameters(packet, ms, out);
        if packet.track == Track::Video {
            if packet.keyframe {
                self.await_keyframe = false;
            } else if self.await_keyframe {
                self.skipped += 1;
                return;
            }
        }
        self.last_ms[usize::from(packet.track == Track::Audio)] = ms;
        let (kind, body) = match packet.track {
            Track::Audio | Track::Input(_) => (TagKind::Audio, aac_frame(&packet.data)),
            Track::Video => {
                // both times rounded down before they are subtracted, so that decode plus composition is the
                // presentation time to the millisecond
                let pts_ms = packet.pts.nanos_since(origin).div_euclid(1_000_000);
                let composition_ms = u32::try_from((pts_ms - ms).max(0)).unwrap_or(u32::MAX);
                let (keyframe, data) = (packet.keyframe, &packet.data);
                let body = match four_cc(&packet.parameters) {
                    None => avc_access_unit(keyframe, composition_ms, data),
                    Some(codec) => enhanced::picture(codec, keyframe, composition_ms, data),
                };
                (TagKind::Video, body)
            }
        };
        out.push(FlvTag {
            kind,
            timestamp_ms: self.wire_ms(ms),
            header: false,
            keyframe: packet.track == Track::Video && packet.keyframe,
            body,
        });
    }

    /// Sends headers anew if the packet's parameters say something new.
    fn update_parameters(&mut self, packet: &EncodedPacket, ms: i64, out: &mut Vec<FlvTag>) {
        let known = match packet.track {
            Track::Video => &mut self.video,
            Track::Audio | Track::Input(_) => &mut self.audio,
        };
        if known
            .as_ref()
            .is_some_and(|k| Arc::ptr_eq(k, &packet.parameters))
        {
            return;
        }
        let old = known.replace(Arc::clone(&packet.parameters));
        let header_changed = old
            .as_ref()
            .is_none_or(|old| !same_header(old, &packet.parameters));
        let shape_changed = old.is_none_or(|old| !same_shape(&old, &packet.parameters));
        if shape_changed {
            self.metadata(ms, out);
        }
        if header_changed {
            self.await_keyframe |= packet.track == Track::Video;
            let parameters = Arc::clone(&packet.parameters);
            self.sequence_header(&parameters, ms, out);
        }
    }

    fn sequence_header(&mut self, parameters: &CodecParameters, ms: i64, out: &mut Vec<FlvTag>) {
        let (kind, body) = match parameters {
            CodecParameters::H264 { avcc, .. } => (TagKind::Video, avc_sequence_header(avcc)),
            CodecParameters::Hevc { hvcc: config, .. } => (
                TagKind::Video,
                enhanced::sequence_start(FourCc::Hvc1, config),
            ),
            CodecParameters::Av1 { av1c: config, .. } => (
                TagKind::Video,
                enhanced::sequence_start(FourCc::Av01, config),
            ),
            CodecParameters::Aac { asc, .. } => (TagKind::Audio, aac_sequence_header(asc)),
        };
        self.header_tag(kind, ms, body, out);
    }

    fn metadata(&mut self, ms: i64, out: &mut Vec<FlvTag>) {
        let body = metadata_body(self.video.as_deref(), self.audio.as_deref());
        self.header_tag(TagKind::Script, ms, body, out);
    }

    fn header_tag(&mut self, kind: TagKind, ms: i64, body: Bytes, out: &mut Vec<FlvTag>) {
        match kind {
            TagKind::Video => self.last_ms[0] = ms,
            TagKind::Audio => self.last_ms[1] = ms,
            TagKind::Script => {}
        }
        out.push(FlvTag {
            kind,
            timestamp_ms: self.wire_ms(ms),
            header: true,
            keyframe: false,
            body,
        });
    }

    /// Milliseconds since the first keyframe as they are written, modulo 2^32.
    fn wire_ms(&self, ms: i64) -> u32 {
        let modulo = ms.rem_euclid(1 << 32);
        let low = u32::try_from(modulo).expect("a remainder of 2^32 fits into 32 bits");
        self.start_ms.wrapping_add(low)
    }
}

/// Whether `onMetaData` says the same of both but for the nominal bitrate, which moves while a stream adapts.
fn same_shape(a: &CodecParameters, b: &CodecParameters) -> bool {
    let shape = |p: &CodecParameters| p.picture().map(|(size, rate, _)| (size, rate, four_cc(p)));
    match (a, b) {
        (
            CodecParameters::Aac {
                sample_rate: rate_a,
                channels: channels_a,
                ..
            },
            CodecParameters::Aac {
                sample_rate: rate_b,
                channels: channels_b,
                ..
            },
        ) => rate_a == rate_b && channels_a == channels_b,
        _ => shape(a).is_some() && shape(a) == shape(b),
    }
}

/// Whether decoders are told the same.
fn same_header(a: &CodecParameters, b: &CodecParameters) -> bool {
    four_cc(a) == four_cc(b) && a.extradata() == b.extradata()
}

/// The codec's letters, for those that have no number in FLV.
const fn four_cc(parameters: &CodecParameters) -> Option<FourCc> {
    match parameters {
        CodecParameters::Hevc { .. } => Some(FourCc::Hvc1),
        CodecParameters::Av1 { .. } => Some(FourCc::Av01),
        CodecParameters::H264 { .. } | CodecParameters::Aac { .. } => None,
    }
}

/// Script body `onMetaData` with an ECMA array, as FLV has it; RTMP puts `@setDataFrame` in front.
fn metadata_body(video: Option<&CodecParameters>, audio: Option<&CodecParameters>) -> Bytes {
    let mut p: Properties = Vec::with_capacity(16);
    let mut put = |name: &str, value: Amf0Value| p.push((name.to_owned(), value));
    put("duration", 0.0.into());
    put("fileSize", 0.0.into());
    if let Some(parameters) = video
        && let Some((resolution, rate, bitrate)) = parameters.picture()
    {
        let codec = four_cc(parameters).map_or(7, FourCc::number);
        put("width", f64::from(resolution.width).into());
        put("height", f64::from(resolution.height).into());
        put("videocodecid", f64::from(codec).into());
        put("videodatarate", f64::from(bitrate.kbps()).into());
        put("framerate", rate.as_f64().into());
    }
    if let Some(CodecParameters::Aac {
        sample_rate,
        channels,
        bitrate,
        ..
    }) = audio
    {
        put("audiocodecid", 10.0.into());
        put("audiodatarate", f64::from(bitrate.kbps()).into());
        put("audiosamplerate", f64::from(*sample_rate).into());
        put("audiosamplesize", 16.0.into());
        put("audiochannels", f64::from(*channels).into());
        put("stereo", (*channels == 2).into());
    }
    put(
        "encoder",
        concat!("Kaibo ", env!("CARGO_PKG_VERSION")).into(),
    );
    let mut body = Vec::with_capacity(400);
    write_str("onMetaData", &mut body);
    Amf0Value::EcmaArray(p).write(&mut body);
    body.into()
}

#[cfg(test)]
#[path = "mux_tests.rs"]
mod tests;
