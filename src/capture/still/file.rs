//! Picture files: PNG (animated, too), JPEG, WebP and GIF as RGBA, one picture after another. Files are hostile: sizes and
//! memory are bounded, and what is broken is an error in words. No thread of its own.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder as _, DynamicImage, Frames, ImageDecoder as _, ImageError, ImageFormat,
    ImageReader, Limits, RgbaImage,
};

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
    /// Too many pixels or bytes.
    #[error("{} is too large: at most 16384 pixels a side and 64 million in all", .0.display())]
    TooLarge(PathBuf),
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
    frames: Source,
}

enum Source {
    One(Option<RgbaImage>),
    Many(Frames<'static>),
}

/// Longest side.
const SIDE: u32 = 16_384;
/// Memory a decoder may take: a picture of 64 million pixels.
const MEMORY: u64 = 256 << 20;
/// Longest file.
const FILE: u64 = 256 << 20;

impl StillReader {
    /// Opens a file; a single picture is decoded here, an animation as it is read.
    pub fn open(path: &Path) -> Result<Self, StillError> {
        let bytes = read(path)?;
        let format =
            image::guess_format(&bytes).map_err(|_unknown| StillError::Format(path.to_owned()))?;
        let fail = |error| wrong(path, error);
        let cursor = || Cursor::new(bytes.clone());
        let frames = match format {
            ImageFormat::Gif => {
                let mut decoder = GifDecoder::new(cursor()).map_err(fail)?;
                decoder.set_limits(limits()).map_err(fail)?;
                Source::Many(decoder.into_frames())
            }
            ImageFormat::WebP => {
                let mut decoder = WebPDecoder::new(cursor()).map_err(fail)?;
                decoder.set_limits(limits()).map_err(fail)?;
                if decoder.has_animation() {
                    Source::Many(decoder.into_frames())
                } else {
                    Source::One(Some(one(&bytes, format).map_err(fail)?))
                }
            }
            ImageFormat::Png => {
                let decoder = PngDecoder::with_limits(cursor(), limits()).map_err(fail)?;
                if decoder.is_apng().map_err(fail)? {
                    Source::Many(decoder.apng().map_err(fail)?.into_frames())
                } else {
                    Source::One(Some(one(&bytes, format).map_err(fail)?))
                }
            }
            ImageFormat::Jpeg => Source::One(Some(one(&bytes, format).map_err(fail)?)),
            _ => return Err(StillError::Format(path.to_owned())),
        };
        Ok(Self {
            path: path.to_owned(),
            frames,
        })
    }

    /// The next picture; `None` after the last one.
    pub fn next_frame(&mut self) -> Result<Option<StillFrame>, StillError> {
        match &mut self.frames {
            Source::One(image) => Ok(image.take().map(|image| StillFrame {
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
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
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
        return Err(StillError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// A single picture, turned as its camera says.
fn one(bytes: &[u8], format: ImageFormat) -> Result<RgbaImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgba8())
}

fn wrong(path: &Path, source: ImageError) -> StillError {
    match source {
        ImageError::Limits(_) => StillError::TooLarge(path.to_owned()),
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
        // a header that promises 60000 x 60000 pixels
        let mut huge = whole;
        huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        std::fs::write(&path, huge).unwrap();
        assert!(pictures(&path).is_err());
    }
}
