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
        let (eights, rest) = out.as_chunks_mut::<8>();
        let (upper_eights, upper_rest) = upper.as_chunks::<8>();
        let (lower_eights, lower_rest) = lower.as_chunks::<8>();
        for ((out, a), b) in eights.iter_mut().zip(upper_eights).zip(lower_eights) {
            *out = mean(u64::from_le_bytes(*a), u64::from_le_bytes(*b)).to_le_bytes();
        }
        for ((out, a), b) in rest.iter_mut().zip(upper_rest).zip(lower_rest) {
            *out = u16::midpoint(u16::from(*a) + 1, u16::from(*b)) as u8;
        }
    }
}

/// The mean of eight bytes each, rounded up: what both have, less half of where they differ. Eight at once, as builds
/// without optimisation make no vector code of bytes (11 ms a picture instead of under 1).
const fn mean(a: u64, b: u64) -> u64 {
    (a | b) - (((a ^ b) >> 1) & 0x7f7f_7f7f_7f7f_7f7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::*;
    use crate::media::video::{ColorMatrix, ColorRange};

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
        #[test]
        fn means_are_those_of_the_bytes(a in any::<[u8; 8]>(), b in any::<[u8; 8]>()) {
            let got = mean(u64::from_le_bytes(a), u64::from_le_bytes(b)).to_le_bytes();
            for ((a, b), got) in a.into_iter().zip(b).zip(got) {
                prop_assert!(u16::from(got) == (u16::from(a) + u16::from(b)).div_ceil(2));
            }
        }

        /// Bytes from a device are hostile.
        #[test]
        fn no_bytes_make_a_picture_out_of_nothing(mut data in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut decoder = MjpegDecoder::new().unwrap();
            data.splice(0..0, [0xff, 0xd8]);
            prop_assert!(decoder.decode(&JpegBytes::copy(&data)).is_none());
        }
    }

    /// A JPEG picture with ramps: luma from left to right, Cb from top to bottom, Cr flat.
    fn jpeg(format: Pixel, width: u32, height: u32) -> Vec<u8> {
        ffmpeg::init().unwrap();
        let codec = ffmpeg::encoder::find(codec::Id::MJPEG).unwrap();
        let context = codec::Context::new_with_codec(codec);
        let mut encoder = context.encoder().video().unwrap();
        encoder.set_width(width);
        encoder.set_height(height);
        encoder.set_format(format);
        encoder.set_time_base((1, 30));
        encoder.set_qmin(2);
        encoder.set_qmax(2);
        let mut encoder = encoder.open_as(codec).unwrap();
        let mut picture = frame::Video::new(format, width, height);
        for index in 0..3 {
            let (stride, columns) = (picture.stride(index), picture.plane_width(index) as usize);
            let rows = picture.plane_height(index) as usize;
            for (y, row) in picture
                .data_mut(index)
                .chunks_mut(stride)
                .take(rows)
                .enumerate()
            {
                for (x, v) in row[..columns].iter_mut().enumerate() {
                    *v = ramp(index, x as f64 / columns as f64, y as f64 / rows as f64);
                }
            }
        }
        picture.set_pts(Some(0));
        encoder.send_frame(&picture).unwrap();
        encoder.send_eof().unwrap();
        let mut packet = ffmpeg::Packet::empty();
        encoder.receive_packet(&mut packet).unwrap();
        packet.data().unwrap().to_vec()
    }

    fn ramp(plane: usize, x: f64, y: f64) -> u8 {
        match plane {
            0 => (30.0 + 180.0 * x) as u8,
            1 => (60.0 + 120.0 * y) as u8,
            _ => 150,
        }
    }

    #[test]
    fn pictures_of_cameras_come_out_as_planes_and_broken_ones_do_not() {
        let mut decoder = MjpegDecoder::new().unwrap();
        for format in [Pixel::YUVJ422P, Pixel::YUVJ420P] {
            let data = jpeg(format, 160, 96);
            let cut = JpegBytes::copy(&data[..data.len() / 2]);
            assert!(decoder.decode(&cut).is_none(), "half a {format:?} picture");
            // cameras pad their buffers
            let padded = JpegBytes::copy(&[data, vec![0; 100]].concat());
            let picture = decoder.decode(&padded).unwrap();
            assert_eq!(picture.resolution, Resolution::new(160, 96));
            assert_eq!(picture.color.range, ColorRange::Full);
            assert_eq!(picture.color.matrix, ColorMatrix::Bt601);
            let FrameData::I420 { y, u, v } = &picture.data else {
                panic!("not planes")
            };
            for (index, (plane, width, height)) in [(y, 160, 96), (u, 80, 48), (v, 80, 48)]
                .into_iter()
                .enumerate()
            {
                for row in 0..height {
                    for column in 0..width {
                        let got = plane.data[row * plane.stride + column];
                        let at = |n: usize, of: usize| n as f64 / of as f64;
                        let wanted = ramp(index, at(column, width), at(row, height));
                        let off = got.abs_diff(wanted);
                        assert!(
                            off <= 6,
                            "{format:?} plane {index} at {column},{row}: {got} for {wanted}"
                        );
                    }
                }
            }
        }
    }
}
