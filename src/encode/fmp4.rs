//! Fragmented MP4 for browsers, muxed by FFmpeg: H.264 and AAC packets in, one init segment and then one fragment per
//! packet out. Nothing is held back: what [`Fmp4Muxer::write`] is given it returns.
//!
//! Used by whoever owns the muxer (the serving task of a publisher); every call only moves bytes in memory.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::time::Duration;

use bytes::Bytes;
use ffmpeg_next::ffi;

use super::EncodeError;
use crate::media::packet::{CodecParameters, Track};
use crate::media::time::MediaTime;

/// Ticks per second of the video track; divides every usual frame rate.
const VIDEO_TIMESCALE: c_int = 90_000;
/// FFmpeg collects this many bytes before it calls back; larger writes pass through.
const IO_BUFFER: usize = 32 * 1024;
/// - `empty_moov`: the header needs no media; `default_base_moof`: what Media Source Extensions ask for.
/// - `frag_custom`: a fragment ends where we flush; with the other modes a packet waits for its successor.
/// - `frag_discont`: decode times are taken as given instead of starting at 0 in each track, so that sound and picture
///   keep their distance. FFmpeg clears it after a fragment and would then move each packet to the end of the one
///   before it (by the whole length of a gap), so it is set again for every packet.
/// - `skip_trailer`: no random access index, which would grow for as long as the stream runs.
const MOVFLAGS: &CStr = c"empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer";

/// One access unit for the muxer. Times count from any common zero that is not after the first packet.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Which stream.
    pub track: Track,
    /// When it is shown or heard.
    pub pts: MediaTime,
    /// When it is decoded. Before the end (`dts + duration`) of the packet before it in the same track it is moved to
    /// that end, and `pts` with it where it must: rather claim a `duration` too short than too long.
    pub dts: MediaTime,
    /// How long it lasts, as far as is known.
    pub duration: Duration,
    /// Decoding can start here.
    pub keyframe: bool,
    /// AVCC NAL units or a raw AAC frame.
    pub data: &'a [u8],
}

/// The codec as browsers want it named (RFC 6381): "avc1.64001f", "mp4a.40.2". `None` when the parameters are broken.
pub fn codec_string(parameters: &CodecParameters) -> Option<String> {
    match parameters {
        CodecParameters::H264 { avcc, .. } => match avcc.as_ref() {
            [1, profile, compatibility, level, ..] => {
                Some(format!("avc1.{profile:02x}{compatibility:02x}{level:02x}"))
            }
            _ => None,
        },
        // the watch page plays H.264 only
        CodecParameters::Hevc { .. } | CodecParameters::Av1 { .. } => None,
        CodecParameters::Aac { asc, .. } => match asc.as_ref() {
            // Object type 31 escapes to a longer form that no pusher of AAC-LC or HE-AAC uses.
            [first, _, ..] if (1..31).contains(&(first >> 3)) => {
                Some(format!("mp4a.40.{}", first >> 3))
            }
            _ => None,
        },
    }
}

/// A muxer for one picture track, one sound track, or both. Not shared; moves between threads.
pub struct Fmp4Muxer {
    context: *mut ffi::AVFormatContext,
    packet: *mut ffi::AVPacket,
    /// Where FFmpeg's writes land: from `Box::into_raw`, because FFmpeg keeps the address.
    written: *mut Vec<u8>,
    tracks: Vec<MuxedTrack>,
}

#[derive(Debug, Clone, Copy)]
struct MuxedTrack {
    track: Track,
    timescale: i64,
    /// Where the packet before ended, in ticks.
    end: i64,
}

#[expect(
    unsafe_code,
    reason = "libavformat has no safe muxer with a write callback"
)]
// SAFETY: the context, its I/O context and the packet are owned by this value alone and touched only through `&mut
// self`; libavformat keeps no thread-local state for a muxer.
unsafe impl Send for Fmp4Muxer {}

impl std::fmt::Debug for Fmp4Muxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fmp4Muxer")
            .field("tracks", &self.tracks)
            .finish_non_exhaustive()
    }
}

/// The byte pointer of FFmpeg's write callback: `*mut` before FFmpeg 7, `*const` since.
trait BytePointer {
    fn address(self) -> *const u8;
}

impl BytePointer for *mut u8 {
    fn address(self) -> *const u8 {
        self.cast_const()
    }
}

impl BytePointer for *const u8 {
    fn address(self) -> *const u8 {
        self
    }
}

/// FFmpeg's write callback: appends to the `Vec<u8>` that `opaque` points to.
#[expect(unsafe_code, reason = "a callback from C")]
unsafe extern "C" fn append<P: BytePointer>(opaque: *mut c_void, data: P, len: c_int) -> c_int {
    let Ok(size) = usize::try_from(len) else {
        return ffi::AVERROR_EXTERNAL;
    };
    // SAFETY: `opaque` is the Vec of the muxer that owns this I/O context; the muxer makes no reference to it while a
    // call into FFmpeg runs. `data` holds `len` bytes for the length of this call.
    let (written, data) = unsafe {
        (
            &mut *opaque.cast::<Vec<u8>>(),
            std::slice::from_raw_parts(data.address(), size),
        )
    };
    written.extend_from_slice(data);
    len
}

fn check(code: c_int, what: &'static str) -> Result<(), EncodeError> {
    if code < 0 {
        return Err(EncodeError::Codec {
            what,
            source: ffmpeg_next::Error::from(code),
        });
    }
    Ok(())
}

const fn no_memory(what: &'static str) -> EncodeError {
    EncodeError::Codec {
        what,
        source: ffmpeg_next::Error::Other {
            errno: ffmpeg_next::error::ENOMEM,
        },
    }
}

impl Fmp4Muxer {
    /// Opens a muxer for these tracks (at most one of each kind) and returns it with the init segment.
    pub fn open(tracks: &[&CodecParameters]) -> Result<(Self, Bytes), EncodeError> {
        const WHAT: &str = "opening the MP4 muxer";
        if tracks.is_empty() || tracks.iter().any(|t| codec_string(t).is_none()) {
            return Err(EncodeError::Bitstream(
                "no usable codec parameters for MP4".to_owned(),
            ));
        }
        let mut muxer = Self {
            context: ptr::null_mut(),
            packet: ptr::null_mut(),
            written: Box::into_raw(Box::default()),
            tracks: Vec::new(),
        };
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: every pointer is checked before use; what was allocated is freed by `Drop`, also on early return.
        unsafe {
            muxer.packet = ffi::av_packet_alloc();
            if muxer.packet.is_null() {
                return Err(no_memory(WHAT));
            }
            check(
                ffi::avformat_alloc_output_context2(
                    &raw mut muxer.context,
                    ptr::null(),
                    c"mp4".as_ptr(),
                    ptr::null(),
                ),
                WHAT,
            )?;
            let buffer = ffi::av_malloc(IO_BUFFER);
            if buffer.is_null() {
                return Err(no_memory(WHAT));
            }
            let io = ffi::avio_alloc_context(
                buffer.cast(),
                c_int::try_from(IO_BUFFER).expect("a small constant"),
                1,
                muxer.written.cast(),
                None,
                Some(append::<_>),
                None,
            );
            if io.is_null() {
                ffi::av_free(buffer);
                return Err(no_memory(WHAT));
            }
            (*muxer.context).pb = io;
            (*muxer.context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
            (*muxer.context).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED;
        }
        for parameters in tracks {
            muxer.add_stream(parameters)?;
        }
        let init = muxer.write_header()?;
        Ok((muxer, init))
    }

    fn add_stream(&mut self, parameters: &CodecParameters) -> Result<(), EncodeError> {
        const WHAT: &str = "describing a track to the MP4 muxer";
        let bad = || EncodeError::Bitstream("codec parameters out of range".to_owned());
        let extradata = parameters.extradata();
        let extra_len = c_int::try_from(extradata.len()).map_err(|_too_long| bad())?;
        let padding = usize::try_from(ffi::AV_INPUT_BUFFER_PADDING_SIZE).expect("a small constant");
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: `context` is open; the stream and its parameters belong to it. The extradata is allocated by
        // av_mallocz with the padding FFmpeg asks for, and freed with the stream.
        unsafe {
            let stream = ffi::avformat_new_stream(self.context, ptr::null());
            if stream.is_null() {
                return Err(no_memory(WHAT));
            }
            let par = &mut *(*stream).codecpar;
            match parameters {
                CodecParameters::H264 { resolution, .. }
                | CodecParameters::Hevc { resolution, .. }
                | CodecParameters::Av1 { resolution, .. } => {
                    par.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
                    par.codec_id = match parameters {
                        CodecParameters::Hevc { .. } => ffi::AVCodecID::AV_CODEC_ID_HEVC,
                        CodecParameters::Av1 { .. } => ffi::AVCodecID::AV_CODEC_ID_AV1,
                        _ => ffi::AVCodecID::AV_CODEC_ID_H264,
                    };
                    par.width = c_int::try_from(resolution.width).map_err(|_too_wide| bad())?;
                    par.height = c_int::try_from(resolution.height).map_err(|_too_high| bad())?;
                    (*stream).time_base = ffi::AVRational {
                        num: 1,
                        den: VIDEO_TIMESCALE,
                    };
                }
                CodecParameters::Aac {
                    sample_rate,
                    channels,
                    ..
                } => {
                    par.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
                    par.codec_id = ffi::AVCodecID::AV_CODEC_ID_AAC;
                    par.sample_rate = c_int::try_from(*sample_rate).map_err(|_too_high| bad())?;
                    par.frame_size = 1024;
                    ffi::av_channel_layout_default(&raw mut par.ch_layout, c_int::from(*channels));
                    (*stream).time_base = ffi::AVRational {
                        num: 1,
                        den: par.sample_rate,
                    };
                }
            }
            let copy = ffi::av_mallocz(extradata.len() + padding).cast::<u8>();
            if copy.is_null() {
                return Err(no_memory(WHAT));
            }
            ptr::copy_nonoverlapping(extradata.as_ptr(), copy, extradata.len());
            par.extradata = copy;
            par.extradata_size = extra_len;
        }
        self.tracks.push(MuxedTrack {
            track: parameters.track(),
            timescale: 1,
            end: 0,
        });
        Ok(())
    }

    fn write_header(&mut self) -> Result<Bytes, EncodeError> {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the context is complete; the dictionary is freed on both paths; each stream index is below the
        // number of streams made.
        unsafe {
            let mut options = ptr::null_mut();
            ffi::av_dict_set(&raw mut options, c"movflags".as_ptr(), MOVFLAGS.as_ptr(), 0);
            // An edit list would move the first packet to zero in players that obey it.
            ffi::av_dict_set(&raw mut options, c"use_editlist".as_ptr(), c"0".as_ptr(), 0);
            let code = ffi::avformat_write_header(self.context, &raw mut options);
            ffi::av_dict_free(&raw mut options);
            check(code, "writing the MP4 header")?;
            for (i, track) in self.tracks.iter_mut().enumerate() {
                track.timescale = i64::from((**(*self.context).streams.add(i)).time_base.den);
            }
        }
        Ok(self.take_written())
    }

    /// Muxes one packet and returns its fragment (`moof` and `mdat`).
    pub fn write(&mut self, sample: &Sample<'_>) -> Result<Bytes, EncodeError> {
        let Some((index, track)) = self
            .tracks
            .iter_mut()
            .enumerate()
            .find(|(_, t)| t.track == sample.track)
        else {
            return Err(EncodeError::Bitstream(
                "a packet of a track that was not announced".to_owned(),
            ));
        };
        let bad = || EncodeError::Bitstream("a packet's size or time is out of range".to_owned());
        if sample.data.is_empty() {
            return Err(bad());
        }
        let size = c_int::try_from(sample.data.len()).map_err(|_too_long| bad())?;
        let timescale = i128::from(track.timescale);
        let ticks = |ns: i128| {
            let scaled = (ns * timescale + 500_000_000).div_euclid(1_000_000_000);
            i64::try_from(scaled).map_err(|_too_late| bad())
        };
        let dts = ticks(i128::from(sample.dts.as_nanos()))?;
        let end = ticks(
            i128::from(sample.dts.as_nanos())
                + i128::try_from(sample.duration.as_nanos()).map_err(|_too_long| bad())?,
        )?;
        let dts = dts.max(track.end);
        let end = end.max(dts + 1);
        let pts = ticks(i128::from(sample.pts.as_nanos()))?.max(dts);
        track.end = end;
        let index = c_int::try_from(index).expect("at most two tracks");
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the packet borrows `sample.data` without a reference count, so libavformat copies what it keeps
        // (documented for av_write_frame); the pointer is cleared before the borrow ends. A null packet flushes.
        unsafe {
            let packet = &mut *self.packet;
            packet.stream_index = index;
            packet.data = sample.data.as_ptr().cast_mut();
            packet.size = size;
            packet.dts = dts;
            packet.pts = pts;
            packet.duration = end - dts;
            packet.flags = if sample.keyframe {
                ffi::AV_PKT_FLAG_KEY
            } else {
                0
            };
            let code = ffi::av_opt_set(
                (*self.context).priv_data,
                c"movflags".as_ptr(),
                c"+frag_discont".as_ptr(),
                0,
            );
            check(code, "setting up an MP4 fragment")?;
            let code = ffi::av_write_frame(self.context, self.packet);
            let packet = &mut *self.packet;
            packet.data = ptr::null_mut();
            packet.size = 0;
            check(code, "muxing a packet into MP4")?;
            check(
                ffi::av_write_frame(self.context, ptr::null_mut()),
                "ending an MP4 fragment",
            )?;
        }
        Ok(self.take_written())
    }

    fn take_written(&mut self) -> Bytes {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: `pb` was set when the muxer was opened and lives until `Drop`, as does `written`; after the call no
        // FFmpeg function runs that could write to it.
        unsafe {
            ffi::avio_flush((*self.context).pb);
            Bytes::from(std::mem::take(&mut *self.written))
        }
    }
}

impl Drop for Fmp4Muxer {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: pointers are null or owned here. The I/O context is freed by us (its buffer first, which FFmpeg may
        // have replaced), then the format context with its streams; the muxer's own data is freed with it. No trailer
        // is written: nobody would read it.
        unsafe {
            ffi::av_packet_free(&raw mut self.packet);
            if !self.context.is_null() {
                let mut io = (*self.context).pb;
                ffi::avformat_free_context(self.context);
                if !io.is_null() {
                    ffi::av_freep((&raw mut (*io).buffer).cast());
                    ffi::avio_context_free(&raw mut io);
                }
            }
            drop(Box::from_raw(self.written));
        }
    }
}

#[cfg(test)]
#[path = "fmp4_tests.rs"]
mod tests;
