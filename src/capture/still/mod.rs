//! Stills as sources: a picture file (PNG, JPEG, WebP, animated GIF, WebP and PNG with their own timing) and a plain
//! colour. [`mod@file`] reads the files; the source's thread decodes, scales and keeps the time.

pub mod file;
pub mod icc;
mod slides;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use image::RgbaImage;
use image::imageops::{self, FilterType};
use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoSource};
use crate::media::color::Color;
use crate::media::time::{MediaTime, duration_nanos};
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use file::{StillError, StillFrame, StillReader};

/// Which picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StillSettings {
    /// The file; read again when it changes. Or a folder: a slide show of its pictures.
    pub path: PathBuf,
    /// How long each picture of a slide show is shown, in milliseconds: at least 100.
    #[serde(skip_serializing_if = "is_usual")]
    pub interval_ms: u32,
    /// How long one fades into the next after that, in milliseconds; 0 changes at once.
    #[serde(skip_serializing_if = "is_none")]
    pub fade_ms: u32,
}

const INTERVAL_MS: u32 = 5000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_usual(ms: &u32) -> bool {
    *ms == INTERVAL_MS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_none(ms: &u32) -> bool {
    *ms == 0
}

impl Default for StillSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            interval_ms: INTERVAL_MS,
            fade_ms: 0,
        }
    }
}

/// A picture by its ending.
pub(super) fn is_picture(path: &Path) -> bool {
    slides::ends_like_a_picture(path)
}

/// Which colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorSettings {
    /// `#rrggbb`, or `#rrggbbaa` to let the layers below through.
    pub color: Color,
}

impl Default for ColorSettings {
    fn default() -> Self {
        Self {
            color: Color::BLACK,
        }
    }
}

/// How often the file is looked at for a change.
const LOOK: Duration = Duration::from_secs(1);

/// When a file was written, and its length.
type Stamp = Option<(Option<SystemTime>, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok(), data.len()))
}

pub(super) fn open(
    settings: &StillSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    if settings.path.is_dir() {
        return slides::open(settings, cx);
    }
    let mut still = Still {
        path: settings.path.clone(),
        cx: cx.clone(),
        reader: None,
        waiting: VecDeque::new(),
        due: cx.clock.now(),
        seen: None,
        next_look: cx.clock.now() + LOOK,
        seq: 0,
        description: String::new(),
    };
    still.start()?;
    Ok(Box::new(still))
}

pub(super) fn open_color(settings: ColorSettings, cx: &SourceContext) -> Box<dyn VideoSource> {
    Box::new(Plain {
        color: settings.color,
        cx: cx.clone(),
        shown: false,
    })
}

struct Still {
    path: PathBuf,
    cx: SourceContext,
    /// Present while there are pictures to come.
    reader: Option<StillReader>,
    /// The next pictures, decoded ahead, and for how long each is shown; two at most.
    waiting: VecDeque<(Picture, Duration)>,
    /// When the next one is to be shown.
    due: MediaTime,
    /// The file as it was when it was read; `None` when it could not be, so that it is tried again.
    seen: Stamp,
    next_look: MediaTime,
    seq: u64,
    description: String,
}

struct Picture {
    resolution: Resolution,
    data: FrameData,
}

impl Still {
    /// Reads the file; what was shown before stays when that fails.
    fn start(&mut self) -> Result<(), SourceError> {
        self.seen = stamp(&self.path);
        let mut reader = StillReader::open(&self.path).map_err(|error| {
            if matches!(error, StillError::Unreadable { .. }) {
                self.seen = None;
            }
            self.wrong(error)
        })?;
        let first = reader.next_frame().map_err(|e| self.wrong(e))?;
        let Some(StillFrame { image, shown }) = first else {
            return Err(SourceError::Unsupported {
                what: self.name(),
                reason: "it has no picture: choose another file".to_owned(),
            });
        };
        let (width, height) = image.dimensions();
        // an animation of one picture, or one that is cut off after it, is a still
        let second = match shown > Duration::ZERO {
            true => reader.next_frame().ok().flatten(),
            false => None,
        };
        let kind = match second {
            Some(_) => "animation",
            None => "picture",
        };
        let colors = reader.colors().words();
        self.description = format!("{width}x{height}, {kind}{colors}");
        self.reader = second.is_some().then_some(reader);
        let pictures = [Some(StillFrame { image, shown }), second];
        self.waiting = pictures
            .into_iter()
            .flatten()
            .map(|frame| (self.picture(frame.image), frame.shown))
            .collect();
        Ok(())
    }

    /// Decodes the picture after those that were shown; from the first again, out of memory, at the end.
    fn advance(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let mut next = reader.next_frame();
        if let Err(error) = &next {
            // cut off: as far as it goes, then again
            tracing::debug!(error = %error, "animation is cut off");
        }
        if !matches!(next, Ok(Some(_))) {
            next = reader.restart().and_then(|()| reader.next_frame());
        }
        match next {
            Ok(Some(StillFrame { image, shown })) => {
                let picture = self.picture(image);
                self.waiting.push_back((picture, shown));
            }
            // the last picture stays until the file changes
            Ok(None) | Err(_) => self.reader = None,
        }
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        format!("picture {}", name.to_string_lossy())
    }

    fn wrong(&self, error: StillError) -> SourceError {
        match error {
            StillError::NotFound(_) => SourceError::NotFound { what: self.name() },
            // it may be just being written
            error @ (StillError::Unreadable { .. } | StillError::Broken { .. }) => {
                SourceError::Failed {
                    what: format!("reading {}", self.name()),
                    source: Box::new(error),
                }
            }
            error => SourceError::Unsupported {
                what: self.name(),
                reason: error.to_string(),
            },
        }
    }

    /// At most twice the size of the show, scaled here with every pixel counted: a photograph of 50 million pixels would
    /// shimmer when a graphics card makes it that small in one step, and fill its memory.
    fn picture(&self, image: RgbaImage) -> Picture {
        let most = Resolution::new(self.cx.resolution.width * 2, self.cx.resolution.height * 2);
        let (width, height) = image.dimensions();
        let image = if width > most.width || height > most.height {
            let scale = (f64::from(most.width) / f64::from(width))
                .min(f64::from(most.height) / f64::from(height));
            let side = |v: u32| ((f64::from(v) * scale).round() as u32).max(1);
            imageops::resize(&image, side(width), side(height), FilterType::Triangle)
        } else {
            image
        };
        picture(image)
    }

    /// The file has changed since it was read.
    fn has_changed(&mut self, now: MediaTime) -> bool {
        if now < self.next_look {
            return false;
        }
        self.next_look = now + LOOK;
        let there = stamp(&self.path);
        there.is_some() && there != self.seen
    }
}

/// Opaque pictures as BGRA, which need no blending; others with their alpha.
fn picture(image: RgbaImage) -> Picture {
    let resolution = Resolution::new(image.width(), image.height());
    let stride = image.width() as usize * 4;
    let opaque = image.pixels().all(|p| p.0[3] == 255);
    let mut bytes = image.into_raw();
    if opaque {
        for pixel in bytes.as_chunks_mut::<4>().0 {
            pixel.swap(0, 2);
        }
    }
    let plane = Plane {
        data: Bytes::from(bytes),
        stride,
    };
    let data = if opaque {
        FrameData::Bgra(plane)
    } else {
        FrameData::Rgba(plane)
    };
    Picture { resolution, data }
}

impl VideoSource for Still {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        let now = self.cx.clock.now();
        if self.has_changed(now) {
            // half written: what is shown stays, and it is looked at again
            if self.start().is_ok() {
                self.due = now;
            }
        }
        let wait = if self.waiting.is_empty() {
            timeout
        } else {
            self.cx.clock.until(self.due)
        };
        std::thread::sleep(wait.min(timeout));
        if wait > timeout {
            return Ok(None);
        }
        let Some((picture, shown)) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let frame = VideoFrame {
            pts: self.due,
            source: self.cx.id,
            seq: self.seq,
            resolution: picture.resolution,
            data: picture.data,
            color: ColorSpec::default(),
        };
        self.seq += 1;
        // a machine that is too slow shows it later, not faster afterwards
        self.due = self
            .due
            .max(now - shown)
            .offset_nanos(duration_nanos(shown));
        if self.waiting.is_empty() {
            self.advance();
        }
        Ok(Some(frame))
    }

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn may_be_still(&self) -> bool {
        true
    }
}

struct Plain {
    color: Color,
    cx: SourceContext,
    shown: bool,
}

impl VideoSource for Plain {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        if std::mem::replace(&mut self.shown, true) {
            std::thread::sleep(timeout);
            return Ok(None);
        }
        // as large as the show, so that the usual fit fills it
        let Resolution { width, height } = self.cx.resolution;
        let Color(rgba) = self.color;
        let picture = picture(RgbaImage::from_pixel(width, height, image::Rgba(rgba)));
        Ok(Some(VideoFrame {
            pts: self.cx.clock.now(),
            source: self.cx.id,
            seq: 0,
            resolution: picture.resolution,
            data: picture.data,
            color: ColorSpec::default(),
        }))
    }

    fn describe(&self) -> String {
        self.color.to_string()
    }

    fn may_be_still(&self) -> bool {
        true
    }
}
