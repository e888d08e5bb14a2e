//! Watermarks into pixels: decides what has changed (settings, text, files) and makes only that anew. No clock and no
//! thread of its own; the time is an argument.

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

#[cfg(test)]
mod tests {
    use image::Rgba;
    use image::codecs::gif::GifEncoder;

    use super::*;

    const OUT: Resolution = Resolution::new(640, 360);

    fn at(second: &str) -> Zoned {
        let second: jiff::Timestamp = second.parse().unwrap();
        second.to_zoned(jiff::tz::TimeZone::UTC)
    }

    fn text(text: &str) -> Watermark {
        Watermark {
            content: Content::Text(TextSettings {
                text: text.to_owned(),
                time_zone: "UTC".to_owned(),
                ..TextSettings::default()
            }),
            ..Watermark::default()
        }
    }

    fn image(path: &Path) -> Watermark {
        Watermark {
            content: Content::Image(ImageSettings {
                path: path.to_owned(),
                size: 10.0,
            }),
            ..Watermark::default()
        }
    }

    fn loader() -> Loader {
        Loader {
            fonts: Some(Fonts::built_in()),
            ..Loader::default()
        }
    }

    fn update(loader: &mut Loader, watermarks: &[Watermark], second: &str) -> Loaded {
        loader.update(watermarks, OUT, &at(second), &Facts::default(), &|_| true)
    }

    #[test]
    fn pixels_are_made_when_the_text_changes_and_not_otherwise() {
        let mut loader = loader();
        let marks = [text("{time:%H:%M:%S}"), text("still")];
        let first = update(&mut loader, &marks, "2026-01-01T10:00:00.25Z");
        let first_ready = first.ready.unwrap();
        let wake = first.wake.unwrap();
        assert!(
            (wake.as_millis()).abs_diff(752) <= 1,
            "{wake:?}: the next second"
        );
        let again = update(&mut loader, &marks, "2026-01-01T10:00:00.9Z");
        assert!(again.ready.is_none(), "the same second");
        let next = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
        let next_ready = next.ready.unwrap();
        assert!(!Arc::ptr_eq(&first_ready[0].frames, &next_ready[0].frames));
        assert!(Arc::ptr_eq(&first_ready[1].frames, &next_ready[1].frames));
        // a change of place makes no pixels
        let mut moved = marks.clone();
        moved[1].margin_x = 20.0;
        let placed = update(&mut loader, &moved, "2026-01-01T10:00:01Z");
        assert!(Arc::ptr_eq(
            &placed.ready.unwrap()[1].frames,
            &next_ready[1].frames
        ));
        // nothing alive: no reason to wake
        assert_eq!(
            update(&mut loader, &marks[1..], "2026-01-01T10:00:02Z").wake,
            None
        );
    }

    #[test]
    fn a_text_file_is_read_again_and_its_loss_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("title.txt");
        std::fs::write(&path, "\u{feff}one\n").unwrap();
        let mut mark = text("");
        if let Content::Text(text) = &mut mark.content {
            text.file = Some(path.clone());
        }
        let marks = [mark];
        let mut loader = loader();
        let first = update(&mut loader, &marks, "2026-01-01T10:00:00Z");
        assert!(first.problems.is_empty() && first.wake == Some(FILES));
        assert_eq!(loader.items[0].file_text, "one");
        std::fs::write(&path, "two {fps}").unwrap();
        let second = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
        assert!(second.ready.is_some());
        assert_eq!(loader.items[0].made_of.as_ref().unwrap().text, "two 0");
        std::fs::remove_file(&path).unwrap();
        let gone = update(&mut loader, &marks, "2026-01-01T10:00:02Z");
        assert!(gone.ready.is_none(), "what it said stays");
        assert!(
            gone.problems[0].message.contains("title.txt"),
            "{:?}",
            gone.problems
        );
        std::fs::write(&path, "two {fps}").unwrap();
        let back = update(&mut loader, &marks, "2026-01-01T10:00:03Z");
        assert!(back.problems.is_empty(), "{:?}", back.problems);
    }

    #[test]
    fn an_image_is_scaled_loaded_again_and_its_loss_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        let save = |width, color| {
            RgbaImage::from_pixel(width, 100, Rgba(color))
                .save(&path)
                .unwrap();
        };
        save(200, [255, 0, 0, 128]);
        let marks = [image(&path)];
        let mut loader = loader();
        let first = update(&mut loader, &marks, "2026-01-01T10:00:00Z")
            .ready
            .unwrap();
        let sprite = |ready: &[Ready]| Arc::clone(&ready[0].frames[0].strip.tiles[0].1);
        let red = sprite(&first);
        assert_eq!((red.width, red.height), (72, 36), "a tenth of 360");
        assert_eq!(red.rgba[..4], [128, 0, 0, 128], "premultiplied");
        save(300, [0, 255, 0, 255]);
        let second = update(&mut loader, &marks, "2026-01-01T10:00:01Z")
            .ready
            .unwrap();
        assert_eq!(sprite(&second).rgba[..4], [0, 255, 0, 255]);
        assert_eq!(sprite(&second).width, 108);
        // half written: told, and the last good one stays
        std::fs::write(&path, b"\x89PNG\r\n\x1a\nbroken").unwrap();
        let broken = update(&mut loader, &marks, "2026-01-01T10:00:02Z");
        assert!(broken.problems[0].message.contains("logo.png"));
        assert_eq!(sprite(&broken.ready.unwrap()).width, 108);
        let quiet = update(&mut loader, &marks, "2026-01-01T10:00:03Z");
        assert!(
            quiet.ready.is_none() && quiet.problems.len() == 1,
            "read once"
        );
        // another size of the picture
        let big = loader.update(
            &marks,
            Resolution::new(1280, 720),
            &at("2026-01-01T10:00:04Z"),
            &Facts::default(),
            &|_| true,
        );
        assert!(big.ready.is_some());
    }

    #[test]
    fn a_long_animation_is_cut_and_one_that_is_not_wanted_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.gif");
        let mut encoder = GifEncoder::new(std::fs::File::create(&path).unwrap());
        for n in 0..=MOST_FRAMES {
            let image = RgbaImage::from_pixel(1, 1, Rgba([(n % 256) as u8, 0, 0, 255]));
            encoder.encode_frame(image::Frame::new(image)).unwrap();
        }
        drop(encoder);
        let mut mark = image(&path);
        if let Content::Image(image) = &mut mark.content {
            image.size = 0.0; // its own
        }
        let marks = [mark];
        let mut loader = loader();
        let asked = std::cell::Cell::new(0);
        let twice = |_: &Watermark| asked.replace(asked.get() + 1) < 2;
        let now = at("2026-01-01T10:00:00Z");
        loader.update(&marks, OUT, &now, &Facts::default(), &twice);
        assert_eq!(asked.get(), 3, "not decoded further");
        assert!(loader.items[0].frames.is_empty());
        let whole = update(&mut loader, &marks, "2026-01-01T10:00:01Z");
        assert_eq!(loader.items[0].frames.len(), MOST_FRAMES);
        assert!(whole.ready.is_some() && whole.problems[0].message.contains("1000 pictures"));
    }

    #[test]
    fn hidden_ones_cost_nothing() {
        let mut mark = image(Path::new("/no/such.png"));
        mark.visible = false;
        let mut loader = Loader::default();
        let hidden = update(&mut loader, &[mark], "2026-01-01T10:00:00Z");
        assert!(hidden.problems.is_empty() && hidden.wake.is_none() && loader.fonts.is_none());
    }
}
