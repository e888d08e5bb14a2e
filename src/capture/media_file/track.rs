//! One stream of a file through its decoder: frames in presentation order with media times that go on over the laps of
//! a loop. Runs on the source's thread.

use ffmpeg_next::codec::threading;
use ffmpeg_next::{self as ffmpeg, Frame, codec, decoder};

use super::demux::{Demuxer, Fetch, Kind};
use crate::capture::SourceError;

/// A stream being decoded.
pub(super) struct Track {
    kind: Kind,
    decoder: decoder::Opened,
    codec_name: String,
    offset_ns: i64,
    /// The decoder is being drained; what follows is another lap, or nothing.
    draining: Option<After>,
    ended: bool,
    last_ns: i64,
    /// This lap gave a frame; a stream that gives none in a whole lap is not tried again.
    fruitful: bool,
    /// Packets the decoder refused.
    refused: u64,
}

#[derive(Clone, Copy)]
enum After {
    Lap(i64),
    End,
}

impl Track {
    /// Packets taken in one go without a frame coming out; broken stretches of a file are passed in steps.
    const MOST_FED: usize = 256;

    /// Opens the decoder of the file's best stream of that kind; `None` when there is no such stream.
    pub(super) fn open(demuxer: &Demuxer, kind: Kind) -> Result<Option<Self>, SourceError> {
        let Some(stream) = demuxer.stream(kind) else {
            return Ok(None);
        };
        let id = stream.parameters.id();
        let unusable = |reason: String| SourceError::Unsupported {
            what: demuxer.what().to_owned(),
            reason,
        };
        let failed = |e: ffmpeg::Error| unusable(format!("its {id:?} stream does not open ({e})"));
        // the decoders inside FFmpeg leave the transparency of WebM out
        let with_alpha = stream.alpha.then(|| match id {
            codec::Id::VP9 => decoder::find_by_name("libvpx-vp9"),
            codec::Id::VP8 => decoder::find_by_name("libvpx"),
            _ => None,
        });
        let Some(codec) = with_alpha.flatten().or_else(|| decoder::find(id)) else {
            return Err(unusable(format!(
                "FFmpeg on this machine cannot decode {id:?}"
            )));
        };
        let mut context = codec::Context::new_with_codec(codec);
        context
            .set_parameters(stream.parameters.clone())
            .map_err(failed)?;
        if kind == Kind::Video {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            context.set_threading(threading::Config {
                kind: threading::Type::Frame,
                ..threading::Config::count(cores.min(4))
            });
        }
        Ok(Some(Self {
            kind,
            decoder: context.decoder().open().map_err(failed)?,
            codec_name: codec.name().to_owned(),
            offset_ns: 0,
            draining: None,
            ended: false,
            last_ns: 0,
            fruitful: false,
            refused: 0,
        }))
    }

    pub(super) fn codec_name(&self) -> &str {
        &self.codec_name
    }

    /// Packets the decoder refused.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// The file is read from another place: nothing of what was decoded counts any more.
    pub(super) fn restart(&mut self) {
        self.decoder.flush();
        self.offset_ns = 0;
        self.draining = None;
        self.ended = false;
        self.last_ns = 0;
        self.fruitful = true;
    }

    /// Nothing more comes.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Decodes on until there is a frame; its time in nanoseconds after the beginning of the first lap. `None` when
    /// there is nothing at the moment, or nothing any more.
    pub(super) fn decode(
        &mut self,
        demuxer: &mut Demuxer,
        frame: &mut Frame,
    ) -> Result<Option<i64>, SourceError> {
        let mut fed = 0;
        while !self.ended && fed < Self::MOST_FED {
            match self.decoder.receive_frame(frame) {
                Ok(()) => {
                    self.fruitful = true;
                    let stamp = frame.timestamp().or_else(|| frame.pts());
                    let at_ns = stamp.map_or(self.last_ns, |stamp| {
                        demuxer.nanos(self.kind, stamp) + self.offset_ns
                    });
                    self.last_ns = at_ns;
                    return Ok(Some(at_ns));
                }
                Err(ffmpeg::Error::Eof) => self.drained(),
                Err(_) if self.draining.is_some() => self.drained(),
                // hungry, or stumbled over something broken: both mean the next packet
                Err(_) => {
                    fed += 1;
                    if !self.feed(demuxer)? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Gives the decoder its next packet; false when there is none at the moment.
    fn feed(&mut self, demuxer: &mut Demuxer) -> Result<bool, SourceError> {
        match demuxer.fetch(self.kind)? {
            Fetch::Packet(packet) => {
                // broken packets are skipped: the file plays as far as it can
                if let Err(error) = self.decoder.send_packet(&packet) {
                    self.refused += 1;
                    demuxer.is_damaged("what cannot be read of it is left out");
                    if self.refused.is_power_of_two() {
                        let refused = self.refused;
                        tracing::debug!(file = demuxer.what(), %error, refused, "broken packet");
                    }
                }
            }
            Fetch::Lap { offset_ns } => self.drain(After::Lap(offset_ns)),
            Fetch::End => self.drain(After::End),
            Fetch::Later => return Ok(false),
        }
        Ok(true)
    }

    fn drain(&mut self, after: After) {
        self.draining = Some(after);
        self.decoder.send_eof().ok(); // refused only when it is drained already
    }

    fn drained(&mut self) {
        match self.draining.take() {
            Some(After::Lap(offset_ns)) if self.fruitful => {
                self.decoder.flush();
                self.offset_ns = offset_ns;
                self.fruitful = false;
            }
            _ => self.ended = true,
        }
    }
}
