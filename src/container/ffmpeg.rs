//! MP4 in fragments, and Matroska, by FFmpeg's muxers writing into memory: packets in, bytes of the file and of
//! corrections at its beginning out. Every call only moves bytes; on the recording thread.

use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::ptr;

use ffmpeg_next::ffi;

use super::{Bytes, Chapter, Container, ContainerError, Format, TrackSpec};
use crate::media::packet::{CodecParameters, EncodedPacket, Track};
use crate::media::parameter_sets;
use crate::media::time::duration_nanos;

/// Ticks per second of an MP4's video track; divides every usual frame rate.
const VIDEO_TIMESCALE: c_int = 90_000;
/// FFmpeg collects this many bytes before it calls back; larger writes pass through.
const IO_BUFFER: usize = 64 * 1024;
/// - `empty_moov`: the header needs no media; `default_base_moof`: places count from each fragment, as players of today
///   expect it;
/// - `frag_custom`: a fragment ends where we flush;
/// - `frag_discont`: decode times are taken as given instead of starting at 0 in each track, so that sound and picture
///   keep their distance. FFmpeg clears it after a fragment, so it is set again for each.
const MOVFLAGS: &CStr = c"empty_moov+default_base_moof+frag_custom+frag_discont";

/// What FFmpeg's I/O callbacks work on.
#[derive(Debug, Default)]
struct Memory {
    out: Bytes,
    /// Where the next byte goes.
    position: u64,
    /// Bytes in the file, `out` included.
    end: u64,
}

impl Memory {
    fn write(&mut self, data: &[u8]) {
        let inside = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let (over, new) = data.split_at(inside.min(data.len()));
        if !over.is_empty() {
            self.out.patches.push((self.position, over.to_vec()));
        }
        self.out.tail.extend_from_slice(new);
        self.position += data.len() as u64;
        self.end += new.len() as u64;
    }

    fn seek(&mut self, offset: i64, whence: c_int) -> i64 {
        const SEEK_SET: c_int = 0;
        const SEEK_CUR: c_int = 1;
        const SEEK_END: c_int = 2;
        let end = i64::try_from(self.end).unwrap_or(i64::MAX);
        let base = match whence & !ffi::AVSEEK_FORCE {
            ffi::AVSEEK_SIZE => return end,
            SEEK_SET => 0,
            SEEK_CUR => i64::try_from(self.position).unwrap_or(i64::MAX),
            SEEK_END => end,
            _ => return i64::from(ffi::AVERROR_EXTERNAL),
        };
        match base.checked_add(offset).map(u64::try_from) {
            // a gap would be bytes nobody wrote
            Some(Ok(at)) if at <= self.end => {
                self.position = at;
                i64::try_from(at).unwrap_or(i64::MAX)
            }
            _ => i64::from(ffi::AVERROR_EXTERNAL),
        }
    }
}

/// A muxer of FFmpeg. Not shared; moves between threads.
pub(super) struct Muxer {
    context: *mut ffi::AVFormatContext,
    packet: *mut ffi::AVPacket,
    /// From `Box::into_raw`, because FFmpeg keeps the address.
    memory: *mut Memory,
    tracks: Vec<MuxedTrack>,
    format: Format,
    /// Nothing was written since the last flush.
    fresh: bool,
}

#[derive(Debug, Clone, Copy)]
struct MuxedTrack {
    track: Track,
    timescale: i64,
    /// Decode time of the packet before, in ticks.
    last: Option<i64>,
}

#[expect(
    unsafe_code,
    reason = "libavformat has no safe muxer with callbacks for its bytes"
)]
// SAFETY: the context, its I/O context and the packet are owned by this value alone and touched only through `&mut
// self`; libavformat keeps no thread-local state for a muxer.
unsafe impl Send for Muxer {}

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

#[expect(unsafe_code, reason = "a callback from C")]
unsafe extern "C" fn write<P: BytePointer>(opaque: *mut c_void, data: P, len: c_int) -> c_int {
    let Ok(size) = usize::try_from(len) else {
        return ffi::AVERROR_EXTERNAL;
    };
    // SAFETY: `opaque` is the memory of the muxer that owns this I/O context; the muxer makes no reference to it while a
    // call into FFmpeg runs. `data` holds `len` bytes for the length of this call.
    let (memory, data) = unsafe {
        (
            &mut *opaque.cast::<Memory>(),
            std::slice::from_raw_parts(data.address(), size),
        )
    };
    memory.write(data);
    len
}

#[expect(unsafe_code, reason = "a callback from C")]
unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `write`.
    let memory = unsafe { &mut *opaque.cast::<Memory>() };
    memory.seek(offset, whence)
}

fn check(code: c_int, what: &'static str) -> Result<(), ContainerError> {
    if code < 0 {
        return Err(failed(what, code));
    }
    Ok(())
}

fn failed(what: &'static str, code: c_int) -> ContainerError {
    ContainerError::Ffmpeg {
        what,
        source: ffmpeg_next::Error::from(code),
    }
}

const fn no_memory(what: &'static str) -> ContainerError {
    ContainerError::Ffmpeg {
        what,
        source: ffmpeg_next::Error::Other {
            errno: ffmpeg_next::error::ENOMEM,
        },
    }
}

fn bad_packet() -> ContainerError {
    ContainerError::Packet("a packet's size or time is out of range".to_owned())
}

impl Muxer {
    pub(super) fn open(
        format: Format,
        tracks: &[TrackSpec],
        title: &str,
    ) -> Result<Self, ContainerError> {
        const WHAT: &str = "beginning the recording";
        let name = match format {
            Format::Mkv => c"matroska",
            Format::Mp4 | Format::Flv => c"mp4",
        };
        let mut muxer = Self {
            context: ptr::null_mut(),
            packet: ptr::null_mut(),
            memory: Box::into_raw(Box::default()),
            tracks: Vec::new(),
            format,
            fresh: true,
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
                    name.as_ptr(),
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
                muxer.memory.cast(),
                None,
                Some(write::<_>),
                Some(seek),
            );
            if io.is_null() {
                ffi::av_free(buffer);
                return Err(no_memory(WHAT));
            }
            (*muxer.context).pb = io;
            (*muxer.context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
            (*muxer.context).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED;
            if let Ok(title) = CString::new(title)
                && !title.is_empty()
            {
                let metadata = &raw mut (*muxer.context).metadata;
                ffi::av_dict_set(metadata, c"title".as_ptr(), title.as_ptr(), 0);
            }
        }
        for track in tracks {
            muxer.add_stream(track)?;
        }
        muxer.write_header()?;
        Ok(muxer)
    }

    fn add_stream(&mut self, spec: &TrackSpec) -> Result<(), ContainerError> {
        const WHAT: &str = "describing a track";
        let parameters = &*spec.parameters;
        let name = CString::new(spec.name.replace('\0', "")).unwrap_or_default();
        let bad = || ContainerError::Packet("codec parameters are out of range".to_owned());
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
            // players begin with the mix
            if !matches!(spec.track, Track::Input(_)) {
                (*stream).disposition = ffi::AV_DISPOSITION_DEFAULT;
            }
            if !name.is_empty() {
                // Matroska's name of it, MP4's
                for key in [c"title", c"handler_name"] {
                    let metadata = &raw mut (*stream).metadata;
                    ffi::av_dict_set(metadata, key.as_ptr(), name.as_ptr(), 0);
                }
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
                    if self.format == Format::Mp4
                        && let CodecParameters::Hevc { .. } = parameters
                    {
                        // "hvc1" rather than FFmpeg's "hev1", which Apple's players do not know
                        par.codec_tag = u32::from_le_bytes(*b"hvc1");
                    }
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
            track: spec.track,
            timescale: 1,
            last: None,
        });
        Ok(())
    }

    fn write_header(&mut self) -> Result<(), ContainerError> {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the context is complete; the dictionary is freed on both paths; each stream index is below the
        // number of streams made.
        unsafe {
            let mut options = ptr::null_mut();
            if self.format == Format::Mp4 {
                ffi::av_dict_set(&raw mut options, c"movflags".as_ptr(), MOVFLAGS.as_ptr(), 0);
                // An edit list would move the first packet to zero in players that obey it.
                ffi::av_dict_set(&raw mut options, c"use_editlist".as_ptr(), c"0".as_ptr(), 0);
            }
            let code = ffi::avformat_write_header(self.context, &raw mut options);
            ffi::av_dict_free(&raw mut options);
            check(code, "beginning the recording")?;
            for (i, track) in self.tracks.iter_mut().enumerate() {
                track.timescale = i64::from((**(*self.context).streams.add(i)).time_base.den);
            }
        }
        Ok(())
    }

    /// Index, decode, presentation and end time of a packet in ticks of its track.
    fn ticks(
        &mut self,
        packet: &EncodedPacket,
    ) -> Result<Option<(c_int, [i64; 3])>, ContainerError> {
        let found = self.tracks.iter_mut().enumerate();
        let Some((index, track)) = found.into_iter().find(|(_, t)| t.track == packet.track) else {
            return Ok(None);
        };
        let timescale = i128::from(track.timescale);
        let ticks = |ns: i64| {
            let scaled = (i128::from(ns) * timescale + 500_000_000).div_euclid(1_000_000_000);
            i64::try_from(scaled).map_err(|_too_late| bad_packet())
        };
        let dts_ns = packet.dts.as_nanos();
        let end_ns = dts_ns.saturating_add(duration_nanos(packet.duration));
        let dts = ticks(dts_ns)?.max(track.last.map_or(i64::MIN, |last| last + 1));
        let pts = ticks(packet.pts.as_nanos())?.max(dts);
        let end = ticks(end_ns)?.max(dts + 1);
        track.last = Some(dts);
        let index = c_int::try_from(index).expect("a handful of tracks");
        Ok(Some((index, [dts, pts, end])))
    }

    /// Hands over what FFmpeg has written by now.
    fn give(&mut self, out: &mut Bytes) {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: `memory` lives until `Drop`; no FFmpeg function runs while it is borrowed.
        let memory = unsafe { &mut *self.memory };
        out.tail.append(&mut memory.out.tail);
        out.patches.append(&mut memory.out.patches);
    }

    fn add_chapter(&mut self, id: i64, start: i64, end: i64, title: &CStr) {
        #[expect(unsafe_code, reason = "libavformat has no function for it")]
        // SAFETY: the array and the chapter are allocated as avformat_free_context frees them; on failure
        // av_dynarray_add frees the array, and the count is set to what it says.
        unsafe {
            let chapter = ffi::av_mallocz(size_of::<ffi::AVChapter>()).cast::<ffi::AVChapter>();
            if chapter.is_null() {
                return; // a file without this mark
            }
            (*chapter).id = id;
            (*chapter).time_base = ffi::AVRational { num: 1, den: 1000 };
            (*chapter).start = start;
            (*chapter).end = end;
            let metadata = &raw mut (*chapter).metadata;
            ffi::av_dict_set(metadata, c"title".as_ptr(), title.as_ptr(), 0);
            let context = &mut *self.context;
            let mut count = c_int::try_from(context.nb_chapters).unwrap_or(0);
            ffi::av_dynarray_add(
                (&raw mut context.chapters).cast(),
                &raw mut count,
                chapter.cast(),
            );
            context.nb_chapters = c_uint::try_from(count).unwrap_or(0);
        }
    }

    fn add_chapters(&mut self, chapters: &[Chapter]) {
        let ms = |c: &Chapter| i64::try_from(c.at.as_millis()).unwrap_or(i64::MAX);
        let file_end = self.tracks.iter().filter_map(|t| {
            let last = t.last?.checked_mul(1000)?;
            last.checked_div(t.timescale)
        });
        let file_end = file_end.max().unwrap_or(0);
        for (i, chapter) in chapters.iter().enumerate() {
            let end = chapters.get(i + 1).map_or(file_end, ms).max(ms(chapter));
            let title = chapter.title.replace('\0', "");
            if let Ok(title) = CString::new(title) {
                let id = i64::try_from(i).unwrap_or(0) + 1;
                self.add_chapter(id, ms(chapter), end, &title);
            }
        }
    }
}

impl Container for Muxer {
    fn push(&mut self, packet: &EncodedPacket, out: &mut Bytes) -> Result<(), ContainerError> {
        if packet.data.is_empty() {
            return Err(bad_packet());
        }
        // in each keyframe, so that wherever a player jumps to after a change of encoder it has the right ones
        let with_sets = parameter_sets::in_band(packet);
        let data = with_sets.as_ref().unwrap_or(&packet.data);
        let size = c_int::try_from(data.len()).map_err(|_too_long| bad_packet())?;
        let Some((index, [dts, pts, end])) = self.ticks(packet)? else {
            return Ok(()); // a track that came after the file was begun: the next file has it
        };
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the packet borrows `data` without a reference count, so libavformat copies what it keeps (documented
        // for av_write_frame); the pointer is cleared before the borrow ends.
        unsafe {
            if std::mem::take(&mut self.fresh) && self.format == Format::Mp4 {
                let code = ffi::av_opt_set(
                    (*self.context).priv_data,
                    c"movflags".as_ptr(),
                    c"+frag_discont".as_ptr(),
                    0,
                );
                check(code, "setting up an MP4 fragment")?;
            }
            let raw = &mut *self.packet;
            raw.stream_index = index;
            raw.data = data.as_ptr().cast_mut();
            raw.size = size;
            raw.dts = dts;
            raw.pts = pts;
            raw.duration = end - dts;
            raw.flags = if packet.keyframe || packet.track != Track::Video {
                ffi::AV_PKT_FLAG_KEY
            } else {
                0
            };
            let code = ffi::av_write_frame(self.context, self.packet);
            let raw = &mut *self.packet;
            raw.data = ptr::null_mut();
            raw.size = 0;
            check(code, "putting a packet into the recording")?;
        }
        self.give(out);
        Ok(())
    }

    fn flush(&mut self, out: &mut Bytes) -> Result<(), ContainerError> {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the context is open; a null packet ends a fragment or cluster.
        unsafe {
            check(
                ffi::av_write_frame(self.context, ptr::null_mut()),
                "ending a fragment of the recording",
            )?;
            ffi::avio_flush((*self.context).pb);
        }
        self.fresh = true;
        self.give(out);
        Ok(())
    }

    fn finish(&mut self, chapters: &[Chapter], out: &mut Bytes) -> Result<(), ContainerError> {
        if self.format.holds_chapters() {
            self.add_chapters(chapters);
        }
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: the header was written when this was opened, and `finish` is the last call.
        unsafe {
            check(
                ffi::av_write_trailer(self.context),
                "ending the recording's file",
            )?;
            ffi::avio_flush((*self.context).pb);
        }
        self.give(out);
        Ok(())
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "libavformat")]
        // SAFETY: pointers are null or owned here. The I/O context is freed by us (its buffer first, which FFmpeg may
        // have replaced), then the format context with its streams; the muxer's own data is freed with it.
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
            drop(Box::from_raw(self.memory));
        }
    }
}
