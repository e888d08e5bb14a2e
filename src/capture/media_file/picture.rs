//! Decoded pictures as [`FrameData`]: shared without a copy where the renderer knows the layout, converted by swscale
//! into pooled buffers where it does not. Runs on the source's thread.

use std::sync::Arc;

use bytes::Bytes;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::{self as ffmpeg, color, ffi, frame};

use super::hdr::{Hdr, ToneMap};
use super::rotate::Turn;
use crate::media::pool::BufferPool;
use crate::media::video::{ColorMatrix, ColorRange, ColorSpec, FrameData, Plane, Resolution};

/// A picture the renderer can take.
pub(in crate::capture) struct Picture {
    pub(in crate::capture) resolution: Resolution,
    pub(in crate::capture) data: FrameData,
    pub(in crate::capture) color: ColorSpec,
}

/// Converts one file's pictures.
pub(in crate::capture) struct Pictures {
    scaler: Option<Scaler>,
    pool: BufferPool,
    /// How each picture is turned.
    turn: Turn,
    /// High dynamic range is made this size before it is mapped, if it is larger: mapping costs per pixel.
    most: Option<Resolution>,
    tone: Option<ToneMap>,
}

struct Scaler {
    context: scaling::Context,
    color: ColorSpec,
}

impl Pictures {
    pub(in crate::capture) fn new() -> Self {
        Self {
            scaler: None,
            // one on show, one being uploaded, one to write into, and one to spare
            pool: BufferPool::new(4),
            turn: Turn::None,
            most: None,
            tone: None,
        }
    }

    /// For a file that is to be turned, in a show of that size.
    pub(super) fn of_file(turn: Turn, show: Resolution) -> Self {
        Self {
            turn,
            most: Some(show),
            // each plane of a mapped or turned picture is a buffer of its own
            pool: BufferPool::new(12),
            ..Self::new()
        }
    }

    pub(in crate::capture) fn convert(
        &mut self,
        frame: frame::Video,
    ) -> Result<Picture, ffmpeg::Error> {
        let resolution = Resolution::new(frame.width(), frame.height());
        if resolution.pixels() == 0 {
            return Err(ffmpeg::Error::InvalidData);
        }
        let picture = match Hdr::of(&frame) {
            Some(hdr) => self.mapped(&frame, hdr)?,
            None => {
                let color = color_of(&frame);
                let frame = Arc::new(frame);
                let data = match share(&frame) {
                    Some(data) => data,
                    None => self.scale(&frame, color, target_of(frame.format()), resolution)?,
                };
                Picture {
                    resolution,
                    data,
                    color,
                }
            }
        };
        Ok(self.turned(picture))
    }

    /// A picture of high dynamic range as one that any screen shows.
    fn mapped(&mut self, frame: &frame::Video, hdr: Hdr) -> Result<Picture, ffmpeg::Error> {
        let size = Resolution::new(frame.width(), frame.height());
        let size = self.most.map_or(size, |most| within(size, most));
        let planes = self.planes(frame, color_of(frame), Pixel::YUV420P10LE, size)?;
        let planes: [Plane; 3] = planes.try_into().map_err(|_other| ffmpeg::Error::Bug)?;
        if self.tone.as_ref().is_none_or(|tone| tone.hdr != hdr) {
            self.tone = Some(ToneMap::new(hdr));
        }
        let whole = (size.width as usize, size.height as usize);
        let tone = self.tone.as_ref().expect("made above");
        let data = tone.apply(&planes, whole, &self.pool);
        Ok(Picture {
            resolution: size,
            data: data.ok_or(ffmpeg::Error::Bug)?,
            color: ColorSpec::BT709_LIMITED,
        })
    }

    fn turned(&self, picture: Picture) -> Picture {
        if self.turn == Turn::None {
            return picture;
        }
        let turned = self
            .turn
            .apply(&picture.data, picture.resolution, &self.pool);
        match turned {
            Some(data) => Picture {
                resolution: self.turn.of_size(picture.resolution),
                data,
                ..picture
            },
            None => picture,
        }
    }

    fn scale(
        &mut self,
        frame: &frame::Video,
        color: ColorSpec,
        target: Pixel,
        size: Resolution,
    ) -> Result<FrameData, ffmpeg::Error> {
        let mut planes = self.planes(frame, color, target, size)?.into_iter();
        let mut plane = || planes.next().ok_or(ffmpeg::Error::Bug);
        Ok(match target {
            Pixel::YUV420P => FrameData::I420 {
                y: plane()?,
                u: plane()?,
                v: plane()?,
            },
            Pixel::RGBA => FrameData::Rgba(plane()?),
            _ => FrameData::Bgra(plane()?),
        })
    }

    fn planes(
        &mut self,
        frame: &frame::Video,
        color: ColorSpec,
        target: Pixel,
        size: Resolution,
    ) -> Result<Vec<Plane>, ffmpeg::Error> {
        let (width, height) = (frame.width(), frame.height());
        let source = scaling::context::Definition {
            format: frame.format(),
            width,
            height,
        };
        let result = scaling::context::Definition {
            format: target,
            width: size.width,
            height: size.height,
        };
        let fits = |s: &Scaler| {
            *s.context.input() == source && *s.context.output() == result && s.color == color
        };
        if !self.scaler.as_ref().is_some_and(fits) {
            let context = scaling::Context::get(
                source.format,
                width,
                height,
                target,
                size.width,
                size.height,
                scaling::Flags::BILINEAR,
            )?;
            let mut scaler = Scaler { context, color };
            scaler.keep_colors();
            self.scaler = Some(scaler);
        }
        let scaler = self.scaler.as_mut().expect("made above");
        let (width, height) = (size.width as usize, size.height as usize);
        let half = (width.div_ceil(2), height.div_ceil(2));
        let layout: &[(usize, usize)] = match target {
            Pixel::YUV420P => &[(width, height), half, half],
            Pixel::YUV420P10LE => &[
                (width * 2, height),
                (half.0 * 2, half.1),
                (half.0 * 2, half.1),
            ],
            _ => &[(width * 4, height)],
        };
        Ok(scaler.run(frame, layout, &self.pool))
    }
}

/// `size`, or the largest of its shape that is no larger than `most` each way; sides stay even.
fn within(size: Resolution, most: Resolution) -> Resolution {
    let fits = |a: u32, b: u32| f64::from(a.max(1)) / f64::from(b.max(1));
    // an upright picture is shown upright
    let scale = fits(most.width, size.width).min(fits(most.height, size.height));
    if scale >= 1.0 {
        return size;
    }
    let side = |v: u32| ((f64::from(v) * scale / 2.0).round() as u32 * 2).max(2);
    Resolution::new(side(size.width), side(size.height))
}

impl Scaler {
    /// Range and matrix stay those of the source: the renderer converts them, from the frame's [`ColorSpec`].
    #[expect(unsafe_code, reason = "ffmpeg-next does not wrap colour details")]
    fn keep_colors(&mut self) {
        let matrix = match self.color.matrix {
            ColorMatrix::Bt601 => ffi::SWS_CS_ITU601,
            ColorMatrix::Bt709 => ffi::SWS_CS_ITU709,
        };
        let full = i32::from(self.color.range == ColorRange::Full);
        const ONE: i32 = 1 << 16;
        // SAFETY: the context is valid and ours; the coefficient tables are static. A refusal (-1) means that the two
        // formats need no such conversion.
        unsafe {
            let table = ffi::sws_getCoefficients(matrix);
            let context = self.context.as_mut_ptr();
            ffi::sws_setColorspaceDetails(context, table, full, table, full, 0, ONE, ONE);
        }
    }

    /// Converts into planes of (bytes per row, rows), all in one pooled buffer.
    #[expect(
        unsafe_code,
        reason = "ffmpeg-next scales into FFmpeg's own buffers only"
    )]
    fn run(
        &mut self,
        frame: &frame::Video,
        layout: &[(usize, usize)],
        pool: &BufferPool,
    ) -> Vec<Plane> {
        // swscale writes whole vectors: rows are padded to 64 bytes, and the end of the buffer as well
        let aligned = |bytes: usize| bytes.next_multiple_of(64);
        let total: usize = layout.iter().map(|(row, rows)| aligned(*row) * rows).sum();
        let mut buffer = pool.get(total + 64);
        let mut data = [std::ptr::null_mut::<u8>(); 4];
        let mut strides = [0; 4];
        let mut places = Vec::with_capacity(3);
        let mut at = 0;
        for (i, (row, rows)) in layout.iter().enumerate() {
            let len = aligned(*row) * rows;
            data[i] = buffer[at..at + len].as_mut_ptr();
            strides[i] = i32::try_from(aligned(*row)).unwrap_or(0);
            places.push((at, len, aligned(*row)));
            at += len;
        }
        // SAFETY: source pointers and strides are those of a decoded frame of the size the context was made for
        // (checked by the caller); each target plane has room for its rows at its stride, and `buffer` outlives the
        // call. Both arrays have the four entries swscale may look at.
        unsafe {
            let source = &*frame.as_ptr();
            ffi::sws_scale(
                self.context.as_mut_ptr(),
                source.data.as_ptr().cast::<*const u8>(),
                source.linesize.as_ptr(),
                0,
                source.height,
                data.as_ptr(),
                strides.as_ptr(),
            );
        }
        let bytes = buffer.freeze();
        places
            .into_iter()
            .map(|(at, len, stride)| Plane {
                data: bytes.slice(at..at + len),
                stride,
            })
            .collect()
    }
}

/// What a layout unknown to the renderer becomes: RGBA where there is transparency, BGRA where there is RGB, else I420.
#[expect(unsafe_code, reason = "ffmpeg-next has no accessor for the flags")]
fn target_of(format: Pixel) -> Pixel {
    // SAFETY: the descriptor is a static table entry
    let flags = format
        .descriptor()
        .map_or(0, |d| unsafe { (*d.as_ptr()).flags });
    let has = |flag: i32| flags & u64::from(flag.cast_unsigned()) != 0;
    if has(ffi::AV_PIX_FMT_FLAG_ALPHA) {
        Pixel::RGBA
    } else if has(ffi::AV_PIX_FMT_FLAG_RGB) || has(ffi::AV_PIX_FMT_FLAG_PAL) {
        Pixel::BGRA
    } else {
        Pixel::YUV420P
    }
}

/// The file's own words about colour; unsaid, what is usual at that size.
pub(in crate::capture) fn color_of(frame: &frame::Video) -> ColorSpec {
    use color::Space;
    let matrix = match frame.color_space() {
        Space::BT709 | Space::SMPTE240M | Space::BT2020NCL | Space::BT2020CL => ColorMatrix::Bt709,
        Space::BT470BG | Space::SMPTE170M | Space::FCC => ColorMatrix::Bt601,
        _ if frame.height() >= 720 => ColorMatrix::Bt709,
        _ => ColorMatrix::Bt601,
    };
    let name = frame.format().descriptor().map_or("", |d| d.name());
    let full = match frame.color_range() {
        color::Range::JPEG => true,
        color::Range::MPEG => false,
        // gray pictures come from image formats, which have no limited range
        color::Range::Unspecified => name.starts_with("gray"),
    };
    let range = if full || name.starts_with("yuvj") {
        ColorRange::Full
    } else {
        ColorRange::Limited
    };
    ColorSpec { matrix, range }
}

/// The frame's own buffers, where the renderer knows their layout.
fn share(frame: &Arc<frame::Video>) -> Option<FrameData> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let plane = |index, row_bytes, rows| share_plane(frame, index, row_bytes, rows);
    Some(match frame.format() {
        Pixel::YUV420P | Pixel::YUVJ420P => FrameData::I420 {
            y: plane(0, width, height)?,
            u: plane(1, half_width, half_height)?,
            v: plane(2, half_width, half_height)?,
        },
        Pixel::NV12 => FrameData::Nv12 {
            y: plane(0, width, height)?,
            uv: plane(1, half_width * 2, half_height)?,
        },
        Pixel::YUYV422 => FrameData::Yuyv422(plane(0, half_width * 4, height)?),
        Pixel::BGRA | Pixel::BGRZ => FrameData::Bgra(plane(0, width * 4, height)?),
        Pixel::RGBA => FrameData::Rgba(plane(0, width * 4, height)?),
        _ => return None,
    })
}

/// One plane of a frame as [`Bytes`] that keep the frame alive; `None` for rows from bottom to top, or where FFmpeg does
/// not tell how long the buffer is.
#[expect(
    unsafe_code,
    reason = "ffmpeg-next does not tell a plane's real length"
)]
pub(in crate::capture) fn share_plane(
    frame: &Arc<frame::Video>,
    index: usize,
    row_bytes: usize,
    rows: usize,
) -> Option<Plane> {
    // SAFETY: the frame is valid and nobody writes to it any more: decoders hand out finished pictures and only read
    // them afterwards. Buffers are checked for null.
    let (stride, available) = unsafe {
        let raw = &*frame.as_ptr();
        let begin = raw.data[index].addr();
        let buffers = raw.buf.iter().filter_map(|b| b.as_ref());
        let mut ends = buffers.filter_map(|b| {
            let first = b.data.addr();
            #[expect(clippy::useless_conversion, reason = "i32 before FFmpeg 5")]
            let end = first + usize::try_from(b.size).ok()?;
            (first..end).contains(&begin).then(|| end - begin)
        });
        (usize::try_from(raw.linesize[index]).ok()?, ends.next()?)
    };
    let least = stride * (rows - 1) + row_bytes;
    if stride < row_bytes || available < least {
        return None;
    }
    let owner = SharedPlane {
        frame: Arc::clone(frame),
        index,
        len: available.min(stride * rows),
    };
    Some(Plane {
        data: Bytes::from_owner(owner),
        stride,
    })
}

struct SharedPlane {
    frame: Arc<frame::Video>,
    index: usize,
    len: usize,
}

impl AsRef<[u8]> for SharedPlane {
    #[expect(unsafe_code, reason = "see share_plane")]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `share_plane` saw that `len` bytes from here on belong to one of the frame's buffers; the frame lives
        // as long as `self`, and its data is not written any more
        unsafe {
            let raw = &*self.frame.as_ptr();
            std::slice::from_raw_parts(raw.data[self.index], self.len)
        }
    }
}
