//! JPEG pictures of a camera, decoded by FFmpeg into planes: no way over RGB. Runs on the source's thread.
//!
//! Measured on 1920x1080 with 4:2:2 chroma (CPU time a picture, one core): FFmpeg 4.2 to 5.2 ms at 70 to 130 KB, 8 ms at
//! 320 KB; zune-jpeg 4.5 to 5.8 and 7.3 to 9.9 ms for interleaved samples, which would have to be taken apart after it.

use std::sync::Arc;

use bytes::Bytes;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{self as ffmpeg, Dictionary, codec, decoder, frame};

use crate::capture::media_file::picture::{Picture, Pictures, color_of, share_plane};
use crate::media::pool::BufferPool;
use crate::media::video::{FrameData, Plane, Resolution};

/// A compressed picture in memory of our own: decoding reads a little past the end, and most of a driver's buffers must
/// be given back before that much time has gone by.
pub(super) struct JpegBytes(ffmpeg::Packet);

impl JpegBytes {
    pub(super) fn copy(data: &[u8]) -> Self {
        Self(ffmpeg::Packet::copy(data))
    }
}

/// Decodes one camera's pictures.
pub(super) struct MjpegDecoder {
    decoder: decoder::Video,
    /// For layouts other than 4:2:2 and 4:2:0.
    others: Pictures,
    pool: BufferPool,
}

impl MjpegDecoder {
    pub(super) fn new() -> Result<Self, ffmpeg::Error> {
        ffmpeg::init()?;
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let codec = decoder::find(codec::Id::MJPEG).ok_or(ffmpeg::Error::DecoderNotFound)?;
        let mut options = Dictionary::new();
        // a picture that is cut short is an error, not a picture with a grey half
        options.set("err_detect", "explode");
        options.set("threads", "1");
        let context = codec::Context::new_with_codec(codec);
        let decoder = context.decoder().open_as_with(codec, options)?.video()?;
        Ok(Self {
            decoder,
            others: Pictures::new(),
            pool: BufferPool::new(4),
        })
    }

    /// One whole JPEG picture; what follows its end is ignored. `None` when it is broken.
    pub(super) fn decode(&mut self, picture: &JpegBytes) -> Option<Picture> {
        const START: [u8; 2] = [0xff, 0xd8];
        if !picture.0.data()?.starts_with(&START) {
            return None;
        }
        let mut decoded = frame::Video::empty();
        let sent = self.decoder.send_packet(&picture.0);
        match sent.and_then(|()| self.decoder.receive_frame(&mut decoded)) {
            Ok(()) if !decoded.is_corrupt() => self.picture(decoded),
            Ok(()) => None,
            Err(_) => {
                // whatever is left of it must not come out in place of the next one
                self.decoder.flush();
                None
            }
        }
    }

    fn picture(&mut self, decoded: frame::Video) -> Option<Picture> {
        if decoded.format() != Pixel::YUVJ422P && decoded.format() != Pixel::YUV422P {
            return self.others.convert(decoded).ok();
        }
        let resolution = Resolution::new(decoded.width(), decoded.height());
        let color = color_of(&decoded);
        let (width, rows) = (resolution.width as usize, resolution.height as usize);
        let half = width.div_ceil(2);
        let decoded = Arc::new(decoded);
        let y = share_plane(&decoded, 0, width, rows)?;
        let u = share_plane(&decoded, 1, half, rows)?;
        let v = share_plane(&decoded, 2, half, rows)?;
        let chroma = half * rows.div_ceil(2);
        let mut buffer = self.pool.get(chroma * 2);
        let (to_u, to_v) = buffer.split_at_mut(chroma);
        halve(&u, half, rows, to_u);
        halve(&v, half, rows, to_v);
        let bytes: Bytes = buffer.freeze();
        let plane = |data| Plane { data, stride: half };
        let (u, v) = (plane(bytes.slice(..chroma)), plane(bytes.slice(chroma..)));
        Some(Picture {
            resolution,
            data: FrameData::I420 { y, u, v },
            color,
        })
    }
}

/// Half as many rows, each the mean of two; an odd last row stands alone.
fn halve(from: &Plane, width: usize, rows: usize, to: &mut [u8]) {
    for (n, out) in to.chunks_exact_mut(width).enumerate() {
        let row = |k: usize| &from.data[k * from.stride..k * from.stride + width];
        let (upper, lower) = (row(2 * n), row((2 * n + 1).min(rows - 1)));
        for ((out, a), b) in out.iter_mut().zip(upper).zip(lower) {
            *out = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::*;

    #[test]
    fn chroma_rows_are_the_mean_of_two() {
        let from = Plane {
            data: vec![10, 20, 99, 13, 20, 99, 7, 8].into(),
            stride: 3,
        };
        let mut to = [0; 4];
        halve(&from, 2, 3, &mut to);
        assert_eq!(to, [12, 20, 7, 8], "the third row has no partner");
    }

    proptest! {
        /// Bytes from a device are hostile.
        #[test]
        fn no_bytes_make_a_picture_out_of_nothing(mut data in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = MjpegDecoder::new().unwrap();
            data.splice(0..0, [0xff, 0xd8]);
            prop_assert!(decoder.decode(&JpegBytes::copy(&data)).is_none());
        }
    }
}
