//! An FLV file: the tags of the stream's own muxer, whole tags only. Plays at any moment of its making; duration and size
//! are entered at its beginning when it ends.

use super::{Bytes, Chapter, Container, ContainerError, TrackSpec};
use crate::flv::mux::FlvMuxer;
use crate::flv::tag::{FlvTag, TagKind, file_header};
use crate::media::packet::{EncodedPacket, Track};

#[derive(Debug)]
pub(super) struct FlvContainer {
    muxer: FlvMuxer,
    tags: Vec<FlvTag>,
    header: Option<[u8; 13]>,
    /// Bytes given so far.
    given: u64,
    duration_at: Option<u64>,
    size_at: Option<u64>,
    audio: TrackTime,
    video: TrackTime,
}

#[derive(Debug, Default, Clone, Copy)]
struct TrackTime {
    last_ms: u32,
    step_ms: u32,
}

impl TrackTime {
    fn add(&mut self, ms: u32) {
        if ms > self.last_ms {
            self.step_ms = ms - self.last_ms;
        }
        self.last_ms = ms;
    }

    /// When the last picture or sound ends, taken to be as long as the one before.
    const fn end_ms(self) -> u32 {
        self.last_ms + self.step_ms
    }
}

impl FlvContainer {
    pub(super) fn new(tracks: &[TrackSpec]) -> Self {
        let sound = tracks.iter().any(|t| t.track == Track::Audio);
        Self {
            muxer: FlvMuxer::new(0).with_audio(sound),
            tags: Vec::new(),
            header: Some(file_header(sound, true)),
            given: 0,
            duration_at: None,
            size_at: None,
            audio: TrackTime::default(),
            video: TrackTime::default(),
        }
    }

    fn give(&mut self, out: &mut Bytes) -> Result<(), ContainerError> {
        let before = out.tail.len();
        if let Some(header) = self.header.take() {
            out.tail.extend_from_slice(&header);
        }
        for tag in self.tags.drain(..) {
            if tag.kind == TagKind::Script && self.duration_at.is_none() {
                let body_at = self.given + (out.tail.len() - before) as u64 + 11;
                self.duration_at = number_offset(&tag.body, b"duration").map(|o| body_at + o);
                self.size_at = number_offset(&tag.body, b"filesize").map(|o| body_at + o);
            }
            tag.write(&mut out.tail)
                .map_err(|e| ContainerError::Packet(e.to_string()))?;
            match tag.kind {
                TagKind::Audio => self.audio.add(tag.timestamp_ms),
                TagKind::Video => self.video.add(tag.timestamp_ms),
                TagKind::Script => {}
            }
        }
        self.given += (out.tail.len() - before) as u64;
        Ok(())
    }
}

impl Container for FlvContainer {
    fn push(&mut self, packet: &EncodedPacket, out: &mut Bytes) -> Result<(), ContainerError> {
        self.muxer.push(packet, &mut self.tags);
        self.give(out)
    }

    fn flush(&mut self, out: &mut Bytes) -> Result<(), ContainerError> {
        self.give(out)
    }

    fn finish(&mut self, _: &[Chapter], out: &mut Bytes) -> Result<(), ContainerError> {
        self.muxer.flush(&mut self.tags);
        self.give(out)?;
        let seconds = f64::from(self.audio.end_ms().max(self.video.end_ms())) / 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        let size = self.given as f64;
        for (at, value) in [(self.duration_at, seconds), (self.size_at, size)] {
            if let Some(at) = at {
                out.patches.push((at, value.to_be_bytes().to_vec()));
            }
        }
        Ok(())
    }
}

/// Where the value of the AMF0 number called `name` (any case) stands in a script body.
fn number_offset(body: &[u8], name: &[u8]) -> Option<u64> {
    const NUMBER: u8 = 0;
    let window = name.len() + 3;
    let at = body.windows(window).position(|w| {
        usize::from(u16::from_be_bytes([w[0], w[1]])) == name.len()
            && w[2..window - 1].eq_ignore_ascii_case(name)
            && w[window - 1] == NUMBER
    })?;
    (at + window + 8 <= body.len()).then_some((at + window) as u64)
}
