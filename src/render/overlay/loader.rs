//! Watermarks into pixels: decides what has changed (settings, text, files) and makes only that anew. No clock and no
//! thread of its own; the time is an argument.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use image::RgbaImage;
use jiff::Zoned;

use super::motion::{Frame, Ready};
use super::spec::{Content, ImageSettings, LONGEST_TEXT, TextSettings, Watermark};
use super::sprite::{Strip, premultiply, resize, rotate};
use super::text::template::{Facts, Template, time_zone};
use super::text::{self, Fonts};
use crate::capture::still::file::{StillFrame, StillReader};
use crate::media::disk::read_start;
use crate::media::video::Resolution;

/// Something about a watermark that the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlayProblem {
    /// Which one, from 0.
    pub index: usize,
    /// What happened and what to do.
    pub message: String,
}

/// What an update found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The watermarks, when they are others than before.
    pub ready: Option<Vec<Ready>>,
    /// All that is wrong now.
    pub problems: Vec<OverlayProblem>,
    /// When to look again.
    pub wake: Option<Duration>,
}

/// How often files are looked at.
const FILES: Duration = Duration::from_secs(1);
/// Pixels an animation may take, in bytes.
const MOST_BYTES: usize = 128 << 20;
/// Pictures of an animation.
const MOST_FRAMES: usize = 1000;
/// Pixels of an animation that are decoded, in all its pictures: some ten seconds of work.
const MOST_DECODED: u64 = 2_000_000_000;
/// Longest side of a scaled image.
const LONGEST: f32 = 8192.0;

/// Keeps what was made of each watermark.
#[derive(Debug, Default)]
pub struct Loader {
    /// Listed when the first text comes.
    fonts: Option<Fonts>,
    items: Vec<Item>,
    output: Option<Resolution>,
    shown: Vec<Watermark>,
}

#[derive(Debug, Default)]
struct Item {
    /// What `frames` were made of.
    made_of: Option<MadeOf>,
    /// The file as it was when it was read.
    stamp: Option<Stamp>,
    /// The text of a file.
    file_text: String,
    frames: Arc<Vec<Frame>>,
    problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct MadeOf {
    content: Content,
    /// Filled in.
    text: String,
    rotation: f32,
    stamp: Option<Stamp>,
}

/// Tells whether a file has changed: its time and length; `None` when it is not there.
type Stamp = Option<(Option<SystemTime>, u64)>;

fn stamp(path: &Path) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok(), data.len()))
}

impl Loader {
    /// Looks at everything and makes anew what has changed. `wanted` is asked between the pictures of an animation: what
    /// is wanted no more is left as it was.
    pub fn update(
        &mut self,
        watermarks: &[Watermark],
        output: Resolution,
        now: &Zoned,
        facts: &Facts,
        wanted: &dyn Fn(&Watermark) -> bool,
    ) -> Loaded {
        let mut changed = self.shown != watermarks;
        if self.output.replace(output) != Some(output) {
            self.items.clear();
            changed = true;
        }
        self.items.resize_with(watermarks.len(), Item::default);
        let moment = Moment { output, now, facts };
        let mut loaded = Loaded::default();
        let mut wake = |after: Duration| {
            loaded.wake = Some(loaded.wake.map_or(after, |w| w.min(after)));
        };
        for (watermark, item) in watermarks.iter().zip(&mut self.items) {
            if !watermark.visible {
                continue;
            }
            match &watermark.content {
                Content::Text(text) => {
                    if text.file.is_some() {
                        wake(FILES);
                    }
                    let fonts = self.fonts.get_or_insert_with(Fonts::of_system);
                    let made = item.make_text(fonts, watermark, text, &moment);
                    changed |= made.changed;
                    if made.alive {
                        wake(to_next_second(now));
                    }
                }
                Content::Image(image) => {
                    wake(FILES);
                    changed |= item.make_image(watermark, image, output, &|| wanted(watermark));
                }
            }
        }
        for (index, (item, watermark)) in self.items.iter().zip(watermarks).enumerate() {
            let told = item.problems.iter().filter(|_| watermark.visible);
            loaded.problems.extend(told.map(|message| OverlayProblem {
                index,
                message: message.clone(),
            }));
        }
        if changed {
            watermarks.clone_into(&mut self.shown);
            let ready = watermarks.iter().zip(&self.items).map(ready);
            loaded.ready = Some(ready.collect());
        }
        loaded
    }
}

fn ready((watermark, item): (&Watermark, &Item)) -> Ready {
    Ready {
        watermark: watermark.clone(),
        frames: Arc::clone(&item.frames),
        scroll: match &watermark.content {
            Content::Text(text) => text.scroll,
            Content::Image(_) => 0.0,
        },
    }
}

/// The clock on the picture changes with the one on the wall.
fn to_next_second(now: &Zoned) -> Duration {
    let gone = u64::try_from(now.subsec_nanosecond()).unwrap_or(0);
    // a little after it, so that the second has begun
    Duration::from_nanos(1_000_000_000_u64.saturating_sub(gone)) + Duration::from_millis(2)
}

/// What a text is filled in with, and how large the picture is.
struct Moment<'a> {
    output: Resolution,
    now: &'a Zoned,
    facts: &'a Facts,
}

struct MadeText {
    changed: bool,
    /// It says something else from second to second.
    alive: bool,
}

impl Item {
    fn make_text(
        &mut self,
        fonts: &mut Fonts,
        watermark: &Watermark,
        settings: &TextSettings,
        moment: &Moment<'_>,
    ) -> MadeText {
        let Moment { output, now, facts } = *moment;
        let mut problems = Vec::new();
        let template = match &settings.file {
            None => &settings.text,
            Some(path) => {
                self.read_text(path, &mut problems);
                &self.file_text
            }
        };
        // a text that is no template is shown as it stands; settings with such a one are refused before they come here
        let template = Template::parse(template).unwrap_or_else(|_| Template::literal(template));
        let text = match time_zone(&settings.time_zone) {
            Ok(zone) => template.fill(&now.with_time_zone(zone), facts),
            Err(_) => template.fill(now, facts),
        };
        let alive = template.changes();
        let made_of = MadeOf {
            content: watermark.content.clone(),
            text,
            rotation: watermark.rotation,
            stamp: None,
        };
        if self.made_of.as_ref() == Some(&made_of) {
            // problems of the file come and go without the text
            self.problems.retain(|p| !p.contains(FILE_PROBLEM));
            self.problems.extend(problems);
            return MadeText {
                changed: false,
                alive,
            };
        }
        let rendered = text::render(fonts, settings, &made_of.text, output);
        problems.extend(rendered.problems);
        if let Some((image, inset)) = &rendered.picture {
            problems.extend(too_large(image, *inset, settings, output));
        }
        self.problems = problems;
        let frame = |(image, inset): (RgbaImage, [i32; 4])| Frame {
            strip: turned(image, inset, watermark.rotation),
            shown: Duration::ZERO,
        };
        self.frames = Arc::new(rendered.picture.map(frame).into_iter().collect());
        self.made_of = Some(made_of);
        MadeText {
            changed: true,
            alive,
        }
    }

    /// The text of the file; what it said last while it cannot be read.
    fn read_text(&mut self, path: &Path, problems: &mut Vec<String>) {
        let now = stamp(path);
        if now.is_some() && self.stamp == Some(now) {
            return;
        }
        match read_start(path, LONGEST_TEXT as u64 * 4) {
            Ok(bytes) => {
                self.stamp = Some(now);
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_start_matches('\u{feff}').trim_end();
                self.file_text = text.chars().take(LONGEST_TEXT).collect();
            }
            Err(error) => {
                self.stamp = None;
                problems.push(format!(
                    "{FILE_PROBLEM} {} cannot be read ({error}): it is tried again each second",
                    path.display()
                ));
            }
        }
    }

    /// Whether something changed.
    fn make_image(
        &mut self,
        watermark: &Watermark,
        settings: &ImageSettings,
        output: Resolution,
        wanted: &dyn Fn() -> bool,
    ) -> bool {
        let made_of = MadeOf {
            content: watermark.content.clone(),
            text: String::new(),
            rotation: watermark.rotation,
            stamp: Some(stamp(&settings.path)),
        };
        if self.made_of.as_ref() == Some(&made_of) {
            return false;
        }
        let same_file = self.made_of.as_ref().is_some_and(
            |old| matches!(&old.content, Content::Image(image) if image.path == settings.path),
        );
        self.made_of = Some(made_of);
        self.problems.clear();
        if settings.path.as_os_str().is_empty() {
            self.frames = Arc::default();
            return true;
        }
        match frames(watermark, settings, output, wanted) {
            Ok(None) => {
                self.made_of = None;
                return false;
            }
            Ok(Some((frames, problem))) => {
                self.frames = Arc::new(frames);
                self.problems.extend(problem);
            }
            Err(message) => {
                self.problems.push(message);
                // a file that is just being written, or was taken away: what it showed stays
                if !same_file {
                    self.frames = Arc::default();
                }
            }
        }
        true
    }
}

/// The notice for a text that cannot be seen as a whole.
fn too_large(
    image: &RgbaImage,
    inset: [i32; 4],
    settings: &TextSettings,
    output: Resolution,
) -> Option<String> {
    let side = |all: u32, low: i32, high: i32| i64::from(all) - i64::from(low + high);
    let width = side(image.width(), inset[0], inset[2]);
    let height = side(image.height(), inset[1], inset[3]);
    let wide = width > i64::from(output.width) && settings.scroll == 0.0;
    (wide || height > i64::from(output.height)).then(|| {
        format!(
            "the text is larger than the picture ({width}x{height} on {output}), so its end is cut off: make it smaller or \
             shorter, or let it run through"
        )
    })
}

const FILE_PROBLEM: &str = "the text file";

type Frames = (Vec<Frame>, Option<String>);

/// `None` when it is wanted no more.
fn frames(
    watermark: &Watermark,
    settings: &ImageSettings,
    output: Resolution,
    wanted: &dyn Fn() -> bool,
) -> Result<Option<Frames>, String> {
    let mut reader = StillReader::open(&settings.path).map_err(|e| e.to_string())?;
    let mut frames = Vec::new();
    let (mut bytes, mut decoded) = (0, 0);
    while let Some(StillFrame { mut image, shown }) =
        reader.next_frame().map_err(|e| e.to_string())?
    {
        if !wanted() {
            return Ok(None);
        }
        decoded += u64::from(image.width()) * u64::from(image.height());
        premultiply(&mut image);
        let image = scaled(&image, settings.size, output);
        let strip = turned(image, [0; 4], watermark.rotation);
        bytes += strip.bytes();
        frames.push(Frame { strip, shown });
        let too_much = match () {
            () if bytes > MOST_BYTES => "is too large at this size",
            () if frames.len() >= MOST_FRAMES || decoded > MOST_DECODED => "is too long",
            () => continue,
        };
        let message = format!(
            "the animation {} {too_much}: only its first {} pictures are shown",
            settings.path.display(),
            frames.len()
        );
        return Ok(Some((frames, Some(message))));
    }
    Ok(Some((frames, None)))
}

fn scaled(image: &RgbaImage, per_cent: f32, output: Resolution) -> RgbaImage {
    if per_cent <= 0.0 {
        return resize(image, image.width().min(8192), image.height().min(8192));
    }
    let height = (output.height as f32 * per_cent / 100.0).clamp(1.0, LONGEST);
    let width = height * image.width() as f32 / image.height().max(1) as f32;
    let width = width.clamp(1.0, LONGEST);
    resize(image, width.round() as u32, height.round() as u32)
}

fn turned(image: RgbaImage, inset: [i32; 4], rotation: f32) -> Strip {
    if rotation.rem_euclid(360.0) == 0.0 {
        Strip::new(image, inset)
    } else {
        let [left, top, right, bottom] = inset;
        let (sin, cos) = rotation.to_radians().sin_cos();
        let meant = [
            image.width() as f32 - (left + right) as f32,
            image.height() as f32 - (top + bottom) as f32,
        ];
        let turned = rotate(&image, rotation);
        // what is put to the edge is the turned text, not the turned room about it
        let room = |all: u32, a: f32, b: f32| {
            let meant = meant[0] * a.abs() + meant[1] * b.abs();
            ((all as f32 - meant) / 2.0).max(0.0) as i32
        };
        let x = room(turned.width(), cos, sin);
        let y = room(turned.height(), sin, cos);
        Strip::new(turned, [x, y, x, y])
    }
}
