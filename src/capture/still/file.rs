//! Picture files: PNG (animated, too), JPEG, WebP and GIF as RGBA, one picture after another. Files are hostile: sizes and
//! memory are bounded, and what is broken is an error in words. No thread of its own.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder as _, DynamicImage, Frames, ImageDecoder, ImageError, ImageFormat,
    ImageReader, Limits, RgbaImage,
};

use super::icc::{self, Colors};
use crate::media::disk::read_start;

/// Why a picture file cannot be shown. Texts are for the user.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// There is no such file.
    #[error("{} was not found: check the path", .0.display())]
    NotFound(PathBuf),
    /// The system does not let us read it.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// None of the formats we know.
    #[error("{} is no PNG, JPEG, WebP or GIF", .0.display())]
    Format(PathBuf),
    /// Too many pixels.
    #[error(
        "{} is too large with {width} by {height} pixels: save it with at most 16384 a side and 64 million in all",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// In pixels, as the file says.
        width: u32,
        /// In pixels, as the file says.
        height: u32,
    },
    /// Few enough pixels, but with too much about them.
    #[error("{} takes more than 256 MB to show: save it smaller, with 8 bits a colour", .0.display())]
    Heavy(PathBuf),
    /// Too many bytes.
    #[error("{} is longer than 256 MB: save it smaller", .0.display())]
    Long(PathBuf),
    /// The decoder gave up.
    #[error("{} is broken or cut off: save it again from where it came", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        #[source]
        source: ImageError,
    },
}

/// One picture of a file.
#[derive(Debug, Clone)]
pub struct StillFrame {
    /// Straight alpha.
    pub image: RgbaImage,
    /// How long it is shown; zero for a file of one picture.
    pub shown: Duration,
}

/// A file being read, picture by picture.
pub struct StillReader {
    path: PathBuf,
    format: ImageFormat,
    bytes: Arc<[u8]>,
    frames: Source,
}

enum Source {
    One(Option<RgbaImage>, Colors),
    Many(Frames<'static>),
}

/// Longest side.
const SIDE: u32 = 16_384;
/// Pixels of a picture.
const PIXELS: u64 = 64_000_000;
/// Memory a decoder may take: a picture of that many pixels.
const MEMORY: u64 = 256 << 20;
/// Whole pictures that a decoder of an animation holds: the one before, the new part of it, and the one it gives away.
const HELD: u64 = 3;
/// Longest file.
const FILE: u64 = 256 << 20;

impl StillReader {
    /// Opens a file; a single picture is decoded here, an animation as it is read.
    pub fn open(path: &Path) -> Result<Self, StillError> {
        let bytes: Arc<[u8]> = read(path)?.into();
        let format =
            image::guess_format(&bytes).map_err(|_unknown| StillError::Format(path.to_owned()))?;
        Ok(Self {
            path: path.to_owned(),
            frames: source(path, &bytes, format)?,
            format,
            bytes,
        })
    }

    /// Begins with the first picture again, out of memory: the file itself is not looked at.
    ///
    /// # Errors
    ///
    /// As decoding it brings.
    pub fn restart(&mut self) -> Result<(), StillError> {
        self.frames = source(&self.path, &self.bytes, self.format)?;
        Ok(())
    }

    /// What became of its colours.
    pub const fn colors(&self) -> Colors {
        match &self.frames {
            Source::One(_, colors) => *colors,
            Source::Many(_) => Colors::Srgb,
        }
    }

    /// The next picture; `None` after the last one.
    pub fn next_frame(&mut self) -> Result<Option<StillFrame>, StillError> {
        match &mut self.frames {
            Source::One(image, _) => Ok(image.take().map(|image| StillFrame {
                image,
                shown: Duration::ZERO,
            })),
            Source::Many(frames) => match frames.next() {
                None => Ok(None),
                Some(Err(error)) => Err(wrong(&self.path, error)),
                Some(Ok(frame)) => Ok(Some(StillFrame {
                    shown: shown(frame.delay()),
                    image: frame.into_buffer(),
                })),
            },
        }
    }
}

fn source(path: &Path, bytes: &Arc<[u8]>, format: ImageFormat) -> Result<Source, StillError> {
    let fail = |error| wrong(path, error);
    let cursor = || Cursor::new(Arc::clone(bytes));
    let single =
        || one(path, bytes, format).map(|(image, colors)| Source::One(Some(image), colors));
    match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(cursor()).map_err(fail)?;
            fits(path, &decoder, HELD)?;
            decoder.set_limits(limits()).map_err(fail)?;
            Ok(Source::Many(decoder.into_frames()))
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(cursor()).map_err(fail)?;
            if !decoder.has_animation() {
                return single();
            }
            fits(path, &decoder, HELD)?;
            Ok(Source::Many(decoder.into_frames()))
        }
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(cursor(), limits()).map_err(fail)?;
            if !decoder.is_apng().map_err(fail)? {
                return single();
            }
            fits(path, &decoder, HELD)?;
            Ok(Source::Many(decoder.apng().map_err(fail)?.into_frames()))
        }
        ImageFormat::Jpeg => single(),
        _ => Err(StillError::Format(path.to_owned())),
    }
}

/// What the header promises can be decoded with `held` whole pictures in memory. The decoders themselves limit only what
/// they need beside the picture they are given to fill.
fn fits(path: &Path, decoder: &impl ImageDecoder, held: u64) -> Result<(), StillError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > SIDE || height > SIDE || pixels > PIXELS {
        return Err(StillError::TooLarge {
            path: path.to_owned(),
            width,
            height,
        });
    }
    // an animation's pictures are RGBA of 8 bits, whatever is in the file
    let whole = if held > 1 {
        pixels * 4
    } else {
        decoder.total_bytes()
    };
    if whole * held > MEMORY {
        return Err(StillError::Heavy(path.to_owned()));
    }
    Ok(())
}

/// Delays of 10 ms and less mean "as fast as possible" in old files; every browser shows such pictures for 100 ms.
fn shown(delay: image::Delay) -> Duration {
    let delay = Duration::from(delay);
    if delay <= Duration::from_millis(10) {
        Duration::from_millis(100)
    } else {
        delay
    }
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    limits
}

fn read(path: &Path) -> Result<Vec<u8>, StillError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => StillError::NotFound(path.to_owned()),
        _ => StillError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    // one more than is taken: a file may have grown since it was looked at
    let bytes = read_start(path, FILE + 1).map_err(failed)?;
    if bytes.len() as u64 > FILE {
        return Err(StillError::Long(path.to_owned()));
    }
    Ok(bytes)
}

/// A single picture, turned as its camera says, its colours as its profile says.
fn one(path: &Path, bytes: &[u8], format: ImageFormat) -> Result<(RgbaImage, Colors), StillError> {
    let fail = |error| wrong(path, error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(fail)?;
    fits(path, &decoder, 1)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    image.apply_orientation(orientation);
    Ok(icc::to_srgb(image, profile.as_deref()))
}

fn wrong(path: &Path, source: ImageError) -> StillError {
    match source {
        ImageError::Limits(_) => StillError::Heavy(path.to_owned()),
        source => StillError::Broken {
            path: path.to_owned(),
            source,
        },
    }
}

impl std::fmt::Debug for StillReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StillReader({})", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use image::codecs::gif::{GifEncoder, Repeat};
    use image::{Delay, Frame, Rgba};

    use super::*;

    fn pictures(path: &Path) -> Result<Vec<StillFrame>, StillError> {
        let mut reader = StillReader::open(path)?;
        let mut all = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            all.push(frame);
        }
        Ok(all)
    }

    #[test]
    fn every_format_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let image = RgbaImage::from_fn(8, 6, |x, _| {
            Rgba([200, 40, 10, if x < 4 { 255 } else { 0 }])
        });
        for (name, format) in [
            ("a.png", ImageFormat::Png),
            ("b.webp", ImageFormat::WebP),
            ("c.jpg", ImageFormat::Jpeg),
        ] {
            let path = folder.path().join(name);
            let dynamic = DynamicImage::from(image.clone());
            if format == ImageFormat::Jpeg {
                DynamicImage::from(dynamic.to_rgb8())
                    .save_with_format(&path, format)
                    .unwrap();
            } else {
                dynamic.save_with_format(&path, format).unwrap();
            }
            let all = pictures(&path).unwrap();
            assert_eq!((all.len(), all[0].shown), (1, Duration::ZERO), "{name}");
            assert_eq!(all[0].image.dimensions(), (8, 6), "{name}");
            if format == ImageFormat::Jpeg {
                assert!(all[0].image.get_pixel(2, 2).0[0].abs_diff(200) < 12);
            } else {
                assert_eq!(all[0].image, image, "{name}");
            }
        }
    }

    #[test]
    fn animations_bring_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let mut encoder = GifEncoder::new(File::create(&path).unwrap());
        encoder.set_repeat(Repeat::Infinite).unwrap();
        for (n, ms) in [(0, 200), (1, 70), (2, 0)] {
            let image = RgbaImage::from_pixel(4, 4, Rgba([n * 100, 0, 0, 255]));
            let delay = Delay::from_numer_denom_ms(ms, 1);
            encoder
                .encode_frame(Frame::from_parts(image, 0, 0, delay))
                .unwrap();
        }
        drop(encoder);
        let all = pictures(&path).unwrap();
        let times: Vec<_> = all.iter().map(|f| f.shown.as_millis()).collect();
        assert_eq!(times, [200, 70, 100]);
        assert!(all[2].image.get_pixel(0, 0).0[0] > 150);
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        let says = |want: &str| {
            let message = pictures(&path).unwrap_err().to_string();
            assert!(
                message.contains(want) && message.contains("logo.png"),
                "{message}"
            );
        };
        says("not found");
        std::fs::write(&path, "hello").unwrap();
        says("no PNG");
        RgbaImage::new(300, 300).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        says("broken");
    }

    /// The beginning of a PNG of RGBA pixels that has a header and no pixels.
    fn png(side: u32, bits: u8, animated: bool) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8; 4], data: &[u8]| {
            let body = [kind, data].concat();
            out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            out.extend(&body);
            out.extend(crc(&body).to_be_bytes());
        };
        let side = side.to_be_bytes();
        let kind = [bits, 6, 0, 0, 0];
        chunk(b"IHDR", &[&side[..], &side, &kind].concat());
        if animated {
            chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
        }
        chunk(b"IDAT", &[0x78, 0x9c]);
        chunk(b"IEND", &[]);
        out
    }

    /// CRC-32 (PNG specification, annex D).
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        !bytes
            .iter()
            .fold(!0, |crc, b| (0..8).fold(crc ^ u32::from(*b), step))
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_before_anything_is_decoded() {
        let gif = |side: u16| {
            let side = side.to_le_bytes();
            [&b"GIF89a"[..], &side, &side, &[0, 0, 0, 0x2c, 0]].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb");
        for (bytes, want) in [
            (png(60_000, 8, false), "60000 by 60000"),
            (png(16_000, 8, false), "16000 by 16000"),
            (png(60_000, 8, true), "60000 by 60000"),
            (png(7_000, 16, false), "256 MB"),
            (png(7_000, 8, true), "256 MB"),
            (gif(60_000), "60000 by 60000"),
            (gif(7_000), "256 MB"),
            // small enough: only the pixels are missing
            (png(4_000, 8, false), "broken"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let message = pictures(&path).unwrap_err().to_string();
            assert!(message.contains(want), "{message}, not {want}");
        }
    }
}
