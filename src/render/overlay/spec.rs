//! What watermarks are: plain data, saved in the scene, checked by [`Watermark::problems`]. Lengths are per cent (of the
//! picture, or of the font size where that is said), so that a watermark looks alike at every output size.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::text::template::{Template, time_zone};
pub use crate::media::color::Color;

/// A text or an image that lies on the finished picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watermark {
    /// Shown at all.
    pub visible: bool,
    /// Corner, edge or middle that it is put to.
    pub anchor: Anchor,
    /// Distance from the anchor's side edge, per cent of the picture's width.
    pub margin_x: f32,
    /// Distance from the anchor's upper or lower edge, per cent of the picture's height.
    pub margin_y: f32,
    /// 0 (not drawn) to 1.
    pub opacity: f32,
    /// Clockwise, in degrees.
    pub rotation: f32,
    /// What it does to the picture below.
    pub blend: BlendMode,
    /// Slow movement about its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Shown only now and then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What is shown.
    pub content: Content,
}

/// What a watermark shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Text.
    Text(TextSettings),
    /// A picture file.
    Image(ImageSettings),
}

/// A text and how it looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextSettings {
    /// The text, with `{time:%H:%M:%S}`, `{date}`, `{elapsed}`, `{fps}`, `{bitrate}` filled in; `{{` is a brace.
    pub text: String,
    /// Takes the text from this file instead, and again when the file changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Name of a font family, or path of a font file; a good one of the system when empty.
    pub font: String,
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
    /// Font size, per cent of the picture's height.
    pub size: f32,
    /// Colour of the letters.
    pub color: Color,
    /// Line around the letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
    /// Shadow below the letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Box behind the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// How lines of different lengths stand to each other.
    pub align: Align,
    /// Distance of lines, 1 is the font's own.
    pub line_spacing: f32,
    /// Marquee: per cent of the picture's width per second, to the left; negative to the right; 0 stands still.
    pub scroll: f32,
    /// Time zone of `{time}` and `{date}`: a name such as `Asia/Shanghai`, an offset such as `+08:00`; the system's when
    /// empty.
    pub time_zone: String,
}

/// A line around letters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outline {
    /// Its colour.
    pub color: Color,
    /// Per cent of the font size.
    pub width: f32,
}

/// A shadow below letters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shadow {
    /// Its colour.
    pub color: Color,
    /// To the right, per cent of the font size.
    pub x: f32,
    /// Downwards, per cent of the font size.
    pub y: f32,
    /// How soft, per cent of the font size.
    pub blur: f32,
}

/// A box behind a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Its colour.
    pub color: Color,
    /// Room about the text, per cent of the font size.
    pub padding: f32,
    /// Rounding of its corners, per cent of the font size.
    pub radius: f32,
}

/// A picture file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSettings {
    /// PNG, JPEG, WebP or GIF; loaded again when it changes.
    pub path: PathBuf,
    /// Height, per cent of the picture's height; its own size in pixels when 0.
    pub size: f32,
}

/// Corner, edge or middle of the picture.
#[expect(missing_docs, reason = "each is what its name says")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    TopLeft,
    Top,
    #[default]
    TopRight,
    Left,
    Center,
    Right,
    BottomLeft,
    Bottom,
    BottomRight,
}

impl Anchor {
    /// All nine, row by row.
    pub const ALL: [Self; 9] = [
        Self::TopLeft,
        Self::Top,
        Self::TopRight,
        Self::Left,
        Self::Center,
        Self::Right,
        Self::BottomLeft,
        Self::Bottom,
        Self::BottomRight,
    ];

    /// 0 (left, top), 1 (middle) or 2 (right, bottom) across and down.
    pub const fn cell(self) -> [u8; 2] {
        match self {
            Self::TopLeft => [0, 0],
            Self::Top => [1, 0],
            Self::TopRight => [2, 0],
            Self::Left => [0, 1],
            Self::Center => [1, 1],
            Self::Right => [2, 1],
            Self::BottomLeft => [0, 2],
            Self::Bottom => [1, 2],
            Self::BottomRight => [2, 2],
        }
    }
}

/// What a watermark does to the picture below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlendMode {
    /// Lies over it.
    #[default]
    Normal,
    /// Darkens it.
    Multiply,
    /// Lightens it.
    Screen,
    /// Adds to it.
    Add,
}

/// Slow movement within bounds, so that a watermark cannot be cut away by a fixed crop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drift {
    /// How far to each side, per cent of the picture's width.
    pub x: f32,
    /// How far up and down, per cent of the picture's height.
    pub y: f32,
    /// Seconds for one way there and back.
    pub period: f32,
}

/// Shown for a while, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Seconds from one appearance to the next.
    pub every: f32,
    /// Seconds that it stays.
    pub show: f32,
}

/// How lines of different lengths stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Left edges in line.
    #[default]
    Left,
    /// Middles in line.
    Center,
    /// Right edges in line.
    Right,
}

impl Default for Watermark {
    fn default() -> Self {
        Self {
            visible: true,
            anchor: Anchor::default(),
            margin_x: 3.0,
            margin_y: 4.0,
            opacity: 1.0,
            rotation: 0.0,
            blend: BlendMode::Normal,
            drift: None,
            schedule: None,
            content: Content::Text(TextSettings::default()),
        }
    }
}

impl Default for TextSettings {
    fn default() -> Self {
        Self {
            text: String::new(),
            file: None,
            font: String::new(),
            bold: true,
            italic: false,
            size: 5.0,
            color: Color::WHITE,
            outline: Some(Outline::default()),
            shadow: None,
            background: None,
            align: Align::Left,
            line_spacing: 1.0,
            scroll: 0.0,
            time_zone: String::new(),
        }
    }
}

impl Default for Outline {
    fn default() -> Self {
        Self {
            color: Color([0, 0, 0, 0xb0]),
            width: 4.0,
        }
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            color: Color([0, 0, 0, 0xa0]),
            x: 5.0,
            y: 5.0,
            blur: 6.0,
        }
    }
}

impl Default for Background {
    fn default() -> Self {
        Self {
            color: Color([0, 0, 0, 0x80]),
            padding: 30.0,
            radius: 25.0,
        }
    }
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            size: 12.0,
        }
    }
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            x: 5.0,
            y: 5.0,
            period: 60.0,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            every: 300.0,
            show: 15.0,
        }
    }
}

/// A wrong value: the field as in the settings file below the watermark, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `content.size`.
    pub field: &'static str,
    /// In words.
    pub reason: String,
}

#[derive(Default)]
struct Check(Vec<Problem>);

impl Check {
    fn fail(&mut self, field: &'static str, reason: String) {
        self.0.push(Problem { field, reason });
    }

    fn range(&mut self, field: &'static str, value: f32, low: f32, high: f32) {
        if !(low..=high).contains(&value) {
            self.fail(field, format!("{value} is not between {low} and {high}"));
        }
    }
}

/// Characters of a text, from the settings or from a file.
pub const LONGEST_TEXT: usize = 4000;

impl Watermark {
    /// Everything the renderer would refuse.
    pub fn problems(&self) -> Vec<Problem> {
        let Self {
            visible: _,
            anchor: _,
            margin_x,
            margin_y,
            opacity,
            rotation,
            blend: _,
            drift,
            schedule,
            content,
        } = self;
        let mut check = Check::default();
        check.range("margin_x", *margin_x, 0.0, 50.0);
        check.range("margin_y", *margin_y, 0.0, 50.0);
        check.range("opacity", *opacity, 0.0, 1.0);
        check.range("rotation", *rotation, -360.0, 360.0);
        if let Some(Drift { x, y, period }) = drift {
            check.range("drift.x", *x, 0.0, 100.0);
            check.range("drift.y", *y, 0.0, 100.0);
            check.range("drift.period", *period, 1.0, 3600.0);
        }
        if let Some(Schedule { every, show }) = schedule {
            check.range("schedule.every", *every, 1.0, 86_400.0);
            check.range("schedule.show", *show, 0.1, 86_400.0);
            if show > every {
                check.fail(
                    "schedule.show",
                    format!("{show} is longer than schedule.every ({every})"),
                );
            }
        }
        match content {
            Content::Text(text) => text.check(&mut check),
            Content::Image(image) => {
                check.range("content.size", image.size, 0.0, 200.0);
            }
        }
        check.0
    }
}

impl TextSettings {
    fn check(&self, check: &mut Check) {
        let Self {
            text,
            file: _,
            font: _,
            bold: _,
            italic: _,
            size,
            color: _,
            outline,
            shadow,
            background,
            align: _,
            line_spacing,
            scroll,
            time_zone: zone,
        } = self;
        if text.chars().count() > LONGEST_TEXT {
            check.fail(
                "content.text",
                format!("it is longer than {LONGEST_TEXT} characters"),
            );
        }
        if let Err(error) = Template::parse(text) {
            check.fail("content.text", error.to_string());
        }
        if let Err(error) = time_zone(zone) {
            check.fail("content.time_zone", error.to_string());
        }
        check.range("content.size", *size, 0.5, 50.0);
        check.range("content.line_spacing", *line_spacing, 0.5, 3.0);
        check.range("content.scroll", *scroll, -100.0, 100.0);
        if let Some(Outline { color: _, width }) = outline {
            check.range("content.outline.width", *width, 0.0, 30.0);
        }
        if let Some(Shadow {
            color: _,
            x,
            y,
            blur,
        }) = shadow
        {
            check.range("content.shadow.x", *x, -100.0, 100.0);
            check.range("content.shadow.y", *y, -100.0, 100.0);
            check.range("content.shadow.blur", *blur, 0.0, 100.0);
        }
        if let Some(Background {
            color: _,
            padding,
            radius,
        }) = background
        {
            check.range("content.background.padding", *padding, 0.0, 200.0);
            check.range("content.background.radius", *radius, 0.0, 200.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_name_field_reason_and_range() {
        let text = |change: fn(&mut TextSettings)| {
            let mut text = TextSettings::default();
            change(&mut text);
            Watermark {
                content: Content::Text(text),
                ..Watermark::default()
            }
        };
        let of = |change: fn(&mut Watermark)| {
            let mut watermark = Watermark::default();
            change(&mut watermark);
            watermark
        };
        let cases = [
            (of(|w| w.margin_x = 51.0), "margin_x", "0 and 50"),
            (of(|w| w.opacity = f32::NAN), "opacity", "0 and 1"),
            (
                of(|w| {
                    w.schedule = Some(Schedule {
                        every: 5.0,
                        show: 6.0,
                    });
                }),
                "schedule.show",
                "schedule.every",
            ),
            (text(|t| t.size = 90.0), "content.size", "0.5 and 50"),
            (
                text(|t| t.text = "{tme}".to_owned()),
                "content.text",
                "{time",
            ),
            (
                text(|t| t.time_zone = "Mars/Olympus".to_owned()),
                "content.time_zone",
                "Asia/Shanghai",
            ),
        ];
        for (watermark, field, reason) in cases {
            let problems = watermark.problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].field, field);
            assert!(problems[0].reason.contains(reason), "{problems:?}");
        }
        assert_eq!(Watermark::default().problems(), []);
    }
}
