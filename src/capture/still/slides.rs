//! A slide show: the pictures of a folder by name, each for a while, one fading into the next if wanted, from the first
//! again after the last. All come in the show's size, on nothing, so that nothing moves between them. On the source's
//! thread.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::imageops::{self, FilterType};
use image::{RgbaImage, imageops::overlay};

use super::file::{StillFrame, StillReader};
use super::{Picture, StillSettings, is_picture, picture};
use crate::capture::{SourceContext, SourceError, SourceSpec, VideoSource};
use crate::media::time::{MediaTime, duration_nanos};
use crate::media::video::{ColorSpec, Resolution, VideoFrame};

/// Pictures of a folder; more are left out.
const MOST: usize = 10_000;

pub(super) fn open(
    settings: &StillSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    let mut slides = Slides {
        settings: settings.clone(),
        cx: cx.clone(),
        files: Vec::new(),
        at: 0,
        now: None,
        next: None,
        due: cx.clock.now(),
        seq: 0,
        trouble: None,
    };
    slides.list()?;
    slides.next = slides.load();
    if slides.next.is_none() {
        let reason = slides.trouble.take();
        return Err(SourceError::Unsupported {
            what: slides.name(),
            reason: reason.unwrap_or_else(|| "none of its pictures can be shown".to_owned()),
        });
    }
    Ok(Box::new(slides))
}

struct Slides {
    settings: StillSettings,
    cx: SourceContext,
    files: Vec<PathBuf>,
    /// The one to be loaded next.
    at: usize,
    /// What is shown.
    now: Option<RgbaImage>,
    /// What comes, decoded ahead.
    next: Option<RgbaImage>,
    /// When it begins to come.
    due: MediaTime,
    seq: u64,
    trouble: Option<String>,
}

impl Slides {
    fn name(&self) -> String {
        let path = &self.settings.path;
        let name = path.file_name().unwrap_or(path.as_os_str());
        format!("the folder {}", name.to_string_lossy())
    }

    /// Looks what there is: pictures may come and go while it runs.
    fn list(&mut self) -> Result<(), SourceError> {
        let what = self.name();
        let entries = std::fs::read_dir(&self.settings.path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => SourceError::NotFound { what: what.clone() },
            std::io::ErrorKind::PermissionDenied => SourceError::Denied { what: what.clone() },
            _ => SourceError::Failed {
                what: format!("reading {what}"),
                source: Box::new(e),
            },
        })?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        self.files = paths.filter(|path| is_picture(path)).take(MOST).collect();
        self.files.sort();
        if self.files.is_empty() {
            return Err(SourceError::Unsupported {
                what,
                reason: "there is no PNG, JPEG, WebP or GIF in it".to_owned(),
            });
        }
        Ok(())
    }

    /// The next picture that can be read, in the show's size; those that cannot are told of. `None` if there is none.
    fn load(&mut self) -> Option<RgbaImage> {
        for _ in 0..=self.files.len() {
            if self.at >= self.files.len() {
                self.at = 0;
                // what is there now; if the folder is gone, what was there
                self.list().ok();
            }
            let path = self.files.get(self.at)?.clone();
            self.at += 1;
            let first = StillReader::open(&path).and_then(|mut reader| reader.next_frame());
            match first {
                Ok(Some(StillFrame { image, .. })) => return Some(self.fitted(&image)),
                Ok(None) => {}
                Err(error) => self.trouble = Some(format!("{error}: it is left out")),
            }
        }
        None
    }

    /// As large as it fits on the show, nothing around it.
    fn fitted(&self, image: &RgbaImage) -> RgbaImage {
        let Resolution { width, height } = self.cx.resolution;
        let scale = |a: u32, b: u32| f64::from(a) / f64::from(b.max(1));
        let scale = scale(width, image.width()).min(scale(height, image.height()));
        let side = |v: u32, most: u32| ((f64::from(v) * scale).round() as u32).clamp(1, most);
        let (w, h) = (side(image.width(), width), side(image.height(), height));
        let scaled = imageops::resize(image, w, h, FilterType::Triangle);
        if (w, h) == (width, height) {
            return scaled;
        }
        let mut canvas = RgbaImage::new(width, height);
        let left = i64::from((width - w) / 2);
        overlay(&mut canvas, &scaled, left, i64::from((height - h) / 2));
        canvas
    }

    fn frame(&mut self, pts: MediaTime, picture: Picture) -> VideoFrame {
        let seq = self.seq;
        self.seq += 1;
        VideoFrame {
            pts,
            source: self.cx.id,
            seq,
            resolution: picture.resolution,
            data: picture.data,
            color: ColorSpec::default(),
        }
    }

    /// What is shown at `now`, if it is something new; and when to look again.
    fn step(&mut self, now: MediaTime) -> (Option<VideoFrame>, MediaTime) {
        if now < self.due {
            return (None, self.due);
        }
        let fade = Duration::from_millis(self.settings.fade_ms.into());
        let gone = now.saturating_since(self.due);
        if let (Some(old), Some(new)) = (&self.now, &self.next)
            && gone < fade
        {
            let mixed = mixed(old, new, gone.as_secs_f32() / fade.as_secs_f32());
            let frame = self.frame(now, picture(mixed));
            let wake = now.offset_nanos(duration_nanos(self.cx.rate.interval()));
            return (Some(frame), wake);
        }
        let Some(new) = self.next.take() else {
            return (None, now.offset_nanos(duration_nanos(super::LOOK)));
        };
        let frame = self.frame(now, picture(new.clone()));
        self.now = Some(new);
        let interval = Duration::from_millis(self.settings.interval_ms.into());
        self.due = now.offset_nanos(duration_nanos(interval));
        (Some(frame), now)
    }
}

/// `share` (0 to 1) of `new`, the rest of `old`; both of one size, straight alpha.
fn mixed(old: &RgbaImage, new: &RgbaImage, share: f32) -> RgbaImage {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 256"
    )]
    let new_weight = (share.clamp(0.0, 1.0) * 256.0) as u32;
    let mut out = old.clone();
    let pixels = out.as_chunks_mut::<4>().0.iter_mut();
    for (a, b) in pixels.zip(new.as_chunks::<4>().0) {
        let weights = [
            u32::from(a[3]) * (256 - new_weight),
            u32::from(b[3]) * new_weight,
        ];
        let total = (weights[0] + weights[1]).max(1);
        let mix = |x: u8, y: u8| {
            let sum = u32::from(x) * weights[0] + u32::from(y) * weights[1];
            u8::try_from((sum + total / 2) / total).unwrap_or(u8::MAX)
        };
        let alpha = u8::try_from((weights[0] + weights[1] + 128) >> 8).unwrap_or(u8::MAX);
        *a = [mix(a[0], b[0]), mix(a[1], b[1]), mix(a[2], b[2]), alpha];
    }
    out
}

impl VideoSource for Slides {
    fn next(&mut self, timeout: Duration) -> Result<Option<VideoFrame>, SourceError> {
        let now = self.cx.clock.now();
        let (frame, wake) = self.step(now);
        if frame.is_some() {
            // in a fade: one for each tick of the show
            std::thread::sleep(self.cx.clock.until(wake).min(timeout));
            return Ok(frame);
        }
        // while nothing is due
        if self.next.is_none() && self.settings.interval_ms > 0 {
            self.next = self.load();
        }
        let wait = self.cx.clock.until(wake).min(timeout);
        std::thread::sleep(wait.max(Duration::from_millis(1)));
        Ok(None)
    }

    fn describe(&self) -> String {
        let (count, size) = (self.files.len(), self.cx.resolution);
        format!("{size}, slide show of {count} pictures")
    }

    fn may_be_still(&self) -> bool {
        true
    }

    fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    fn adjust(&mut self, spec: &SourceSpec) {
        let SourceSpec::Still(settings) = spec else {
            return;
        };
        let length = |s: &StillSettings| i64::from(s.interval_ms) * 1_000_000;
        let change = length(settings) - length(&self.settings);
        self.due = self.due.offset_nanos(change);
        self.settings.clone_from(settings);
    }
}

/// A picture by its ending.
pub(super) fn ends_like_a_picture(path: &Path) -> bool {
    let known = ["png", "apng", "jpg", "jpeg", "webp", "gif"];
    let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|e| known.iter().any(|p| e == *p))
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;
    use image::Rgba;

    use super::*;
    use crate::media::SourceId;
    use crate::media::time::{FrameRate, MediaClock};
    use crate::media::video::FrameData;

    fn context() -> SourceContext {
        SourceContext {
            id: SourceId(5),
            clock: MediaClock::start(),
            rate: FrameRate::FPS_30,
            resolution: Resolution::new(64, 36),
            taps: bounded(1).0,
        }
    }

    fn at(slides: &mut Slides, ms: i64) -> Option<[u8; 4]> {
        let frame = slides.step(MediaTime::from_millis(ms)).0?;
        assert_eq!(frame.resolution, Resolution::new(64, 36));
        Some(match frame.data {
            FrameData::Bgra(p) => {
                let at = p.stride * 18 + 32 * 4;
                [p.data[at + 2], p.data[at + 1], p.data[at], 255]
            }
            FrameData::Rgba(p) => {
                let at = p.stride * 18 + 32 * 4;
                p.data[at..at + 4].try_into().unwrap()
            }
            other => panic!("{:?}", other.format()),
        })
    }

    fn slides(folder: &Path, fade_ms: u32) -> Slides {
        let settings = StillSettings {
            path: folder.to_owned(),
            interval_ms: 2000,
            fade_ms,
        };
        let mut slides = Slides {
            settings,
            cx: context(),
            files: Vec::new(),
            at: 0,
            now: None,
            next: None,
            due: MediaTime::ZERO,
            seq: 0,
            trouble: None,
        };
        slides.list().unwrap();
        slides.next = slides.load();
        slides
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, size: (u32, u32), color: [u8; 4]| {
            let image = RgbaImage::from_pixel(size.0, size.1, Rgba(color));
            image.save(folder.path().join(name)).unwrap();
        };
        save("1.png", (128, 72), [250, 0, 0, 255]);
        save("3.png", (10, 30), [0, 0, 250, 255]);
        std::fs::write(folder.path().join("2.png"), b"broken").unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"no picture").unwrap();
        folder
    }

    #[test]
    fn pictures_come_one_after_another_and_a_broken_one_is_told_of() {
        let folder = folder();
        let mut s = slides(folder.path(), 0);
        assert_eq!(at(&mut s, 0), Some([250, 0, 0, 255]));
        s.next = s.load();
        let trouble = s.trouble.take().unwrap();
        assert!(trouble.contains("2.png"), "{trouble}");
        assert_eq!(at(&mut s, 1999), None);
        assert_eq!(
            at(&mut s, 2000),
            Some([0, 0, 250, 255]),
            "an upright one, whole"
        );
        s.next = s.load();
        assert_eq!(
            at(&mut s, 4000),
            Some([250, 0, 0, 255]),
            "from the first again"
        );
    }

    #[test]
    fn one_fades_into_the_next() {
        let folder = folder();
        let mut s = slides(folder.path(), 1000);
        assert_eq!(
            at(&mut s, 0),
            Some([250, 0, 0, 255]),
            "the first comes at once"
        );
        s.next = s.load();
        assert_eq!(at(&mut s, 2000), Some([250, 0, 0, 255]));
        let [r, g, b, _] = at(&mut s, 2500).unwrap();
        assert!(r.abs_diff(125) <= 1 && g == 0 && b.abs_diff(125) <= 1);
        assert_eq!(at(&mut s, 3000), Some([0, 0, 250, 255]));
    }

    #[test]
    fn a_folder_of_broken_pictures_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.jpg"), b"nothing").unwrap();
        let settings = StillSettings {
            path: folder.path().to_owned(),
            ..StillSettings::default()
        };
        let error = open(&settings, &context()).err().unwrap().to_string();
        assert!(error.contains("a.jpg"), "{error}");
    }
}
