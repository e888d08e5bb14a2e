//! What all FFmpeg encoders share: start-up, finding an encoder, options, our buffers as FFmpeg frames, time in codec
//! ticks. Runs on the thread of the encoder that calls.

use std::ffi::c_void;
use std::sync::OnceLock;

use bytes::Bytes;
use ffmpeg_next::{self as ffmpeg, Dictionary, Rational, codec, encoder, ffi, format, frame};

use super::EncodeError;
use crate::media::time::MediaTime;
use crate::media::video::{Plane, Resolution};

/// Time base of the video encoders: microseconds, so that any frame rate and any late tick is told exactly. The
/// nominal frame rate is told separately.
pub(super) const TIME_BASE: Rational = Rational(1, 1_000_000);

/// Makes FFmpeg ready and silences its writing to standard error: what goes wrong comes back as errors.
pub(super) fn init() -> Result<(), EncodeError> {
    static DONE: OnceLock<Result<(), ffmpeg::Error>> = OnceLock::new();
    DONE.get_or_init(|| {
        let done = ffmpeg::init();
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        done
    })
    .map_err(|source| EncodeError::Codec {
        what: "starting FFmpeg",
        source,
    })
}

/// A fresh context of the encoder called `name`, with that encoder's own defaults.
pub(super) fn encoder_context(
    name: &str,
    hint: &'static str,
) -> Result<encoder::encoder::Encoder, EncodeError> {
    init()?;
    let found = encoder::find_by_name(name).ok_or_else(|| EncodeError::Missing {
        name: name.to_owned(),
        hint,
    })?;
    Ok(codec::Context::new_with_codec(found).encoder())
}

/// Whether FFmpeg has an encoder of this name.
pub(super) fn has_encoder(name: &str) -> bool {
    init().is_ok() && encoder::find_by_name(name).is_some()
}

/// Encoder options by their names in FFmpeg.
pub(super) fn options(pairs: &[(&str, &str)]) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    for (key, value) in pairs {
        options.set(key, value);
    }
    options
}

/// The header bytes of an opened encoder.
#[expect(unsafe_code, reason = "ffmpeg-next has no accessor for extradata")]
pub(super) fn extradata(context: &codec::Context) -> Bytes {
    // SAFETY: an opened encoder's extradata is null or `extradata_size` readable bytes that live as long as the
    // context, which is borrowed here; they are copied out at once.
    unsafe {
        let raw = &*context.as_ptr();
        match usize::try_from(raw.extradata_size) {
            Ok(len) if !raw.extradata.is_null() => {
                Bytes::copy_from_slice(std::slice::from_raw_parts(raw.extradata, len))
            }
            _ => Bytes::new(),
        }
    }
}

/// How many samples of silence an opened sound encoder puts before the first of ours.
#[expect(
    unsafe_code,
    reason = "ffmpeg-next has no accessor for initial_padding"
)]
pub(super) fn initial_padding(context: &codec::Context) -> usize {
    // SAFETY: a plain integer field of a context that is borrowed here
    let padding = unsafe { (*context.as_ptr()).initial_padding };
    usize::try_from(padding).unwrap_or(0)
}

/// Sets the target rate and the decoder buffer that the encoder may assume, both in bits. May be called on a running
/// encoder; whether it listens is the encoder's own matter.
#[expect(
    unsafe_code,
    reason = "ffmpeg-next has no setters for rc_buffer_size and flags"
)]
pub(super) fn set_rate_control(context: &mut codec::Context, bits_per_second: u32, buffer: u32) {
    // SAFETY: the context is valid and borrowed mutably; these are plain integer fields, which the encoders read only
    // inside `avcodec_send_frame`, called on this same thread.
    unsafe {
        let raw = &mut *context.as_mut_ptr();
        raw.bit_rate = i64::from(bits_per_second);
        raw.rc_max_rate = i64::from(bits_per_second);
        raw.rc_buffer_size = i32::try_from(buffer).unwrap_or(i32::MAX);
    }
}

/// A frame whose planes are ours: no byte is copied, and each plane's buffer is kept alive until FFmpeg lets go of it.
///
/// `rows` and `row_bytes` describe each plane; a plane shorter than that is refused, because FFmpeg would read past it.
#[expect(
    unsafe_code,
    reason = "ffmpeg-next cannot build a frame around foreign buffers"
)]
pub(super) fn borrow_planes(
    format: format::Pixel,
    resolution: Resolution,
    planes: &[(&Plane, usize, usize)],
) -> Result<frame::Video, EncodeError> {
    let mut frame = frame::Video::empty();
    frame.set_format(format);
    frame.set_width(resolution.width);
    frame.set_height(resolution.height);
    for (i, (plane, rows, row_bytes)) in planes.iter().enumerate() {
        let needed = plane.stride * rows.saturating_sub(1) + row_bytes;
        let stride = i32::try_from(plane.stride).ok();
        let (true, Some(stride)) = (
            plane.stride >= *row_bytes && plane.data.len() >= needed,
            stride,
        ) else {
            return Err(EncodeError::Input(format!(
                "plane {i} has {} bytes in rows of {}, {needed} are needed",
                plane.data.len(),
                plane.stride
            )));
        };
        let owner = Box::new(plane.data.clone());
        let (data, len) = (owner.as_ptr().cast_mut(), owner.len());
        let owner = Box::into_raw(owner);
        // SAFETY: `data` is `len` readable bytes owned by `owner`, which `release` frees when FFmpeg drops the last
        // reference; the buffer is marked read-only, so FFmpeg never writes through the pointer. The frame is ours and
        // has room for 8 planes (the callers pass at most 3); it frees `buf` when dropped.
        unsafe {
            let flags = ffi::AV_BUFFER_FLAG_READONLY;
            let buffer = ffi::av_buffer_create(data, len, Some(release), owner.cast(), flags);
            if buffer.is_null() {
                drop(Box::from_raw(owner));
                return Err(EncodeError::Codec {
                    what: "wrapping a picture",
                    source: ffmpeg::Error::Other {
                        errno: ffmpeg::error::ENOMEM,
                    },
                });
            }
            let raw = &mut *frame.as_mut_ptr();
            raw.buf[i] = buffer;
            raw.data[i] = data;
            raw.linesize[i] = stride;
        }
    }
    Ok(frame)
}

/// Frees the owner of a plane in [`borrow_planes`].
#[expect(unsafe_code, reason = "called by FFmpeg")]
unsafe extern "C" fn release(owner: *mut c_void, _data: *mut u8) {
    // SAFETY: `owner` came from `Box::into_raw` in `borrow_planes`, and FFmpeg calls this once per buffer.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

/// Media time in [`TIME_BASE`] ticks, rounded down.
pub(super) const fn ticks(time: MediaTime) -> i64 {
    time.as_micros()
}

/// [`TIME_BASE`] ticks as media time.
pub(super) const fn time(ticks: i64) -> MediaTime {
    MediaTime::from_nanos(ticks.saturating_mul(1_000))
}

/// Whether an error only says "nothing more for now".
pub(super) fn is_drained(error: ffmpeg::Error) -> bool {
    matches!(
        error,
        ffmpeg::Error::Eof
            | ffmpeg::Error::Other {
                errno: ffmpeg::error::EAGAIN
            }
    )
}
