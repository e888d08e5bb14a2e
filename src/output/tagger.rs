//! Packets of one connection into FLV tags in their final order. Runs in the output's task.

use crate::flv::interleave::Interleaver;
use crate::flv::mux::FlvMuxer;
use crate::flv::tag::FlvTag;
use crate::media::packet::EncodedPacket;
use crate::media::time::MediaTime;

/// Interleaver and muxer of one connection; a new one starts from time zero with all headers. Pictures go first: who
/// watches live waits for no sound that is not known yet.
#[derive(Debug)]
pub(super) struct Tagger {
    interleaver: Interleaver,
    muxer: FlvMuxer,
}

impl Tagger {
    /// `start_ms` is the first tag's time (0 but in tests of wrap-around).
    pub(super) fn new(start_ms: u32) -> Self {
        Self {
            interleaver: Interleaver::default().pictures_first(),
            muxer: FlvMuxer::new(start_ms),
        }
    }

    /// Takes a packet and appends the tags that are due.
    pub(super) fn push(&mut self, packet: EncodedPacket, out: &mut Vec<FlvTag>) {
        self.interleaver.push(packet);
        while let Some(packet) = self.interleaver.pop() {
            self.muxer.push(&packet, out);
        }
    }

    /// Takes out what is held of `from` and later.
    pub(super) fn split_off(&mut self, from: MediaTime) -> Vec<EncodedPacket> {
        self.interleaver.split_off(from)
    }

    /// Appends what was held back.
    pub(super) fn finish(&mut self, out: &mut Vec<FlvTag>) {
        while let Some(packet) = self.interleaver.flush() {
            self.muxer.push(&packet, out);
        }
        self.muxer.flush(out);
    }
}
