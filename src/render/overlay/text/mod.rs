//! Text watermarks: a text and its look in, premultiplied pixels out. Overlay thread; rasterised when the text changes and
//! not otherwise.
//!
//! `template` fills in values, [`fonts`] finds fonts, `shape` sets the lines, `paint` draws them.

mod budget;
mod colr;
mod emoji;
pub mod families;
mod field;
pub mod fonts;
mod paint;
mod shape;
pub mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use image::RgbaImage;

use super::spec::TextSettings;
use crate::media::video::Resolution;
pub(in crate::render) use fonts::Fonts;

/// A text in pixels, and what was wrong on the way.
pub(super) struct Rendered {
    /// Premultiplied, with the room about the text; `None` when there is nothing to see.
    pub(super) picture: Option<(RgbaImage, [i32; 4])>,
    /// For the user.
    pub(super) problems: Vec<String>,
}

/// Draws `text` with the look of `settings` for a picture of `output` size.
pub(super) fn render(
    fonts: &mut Fonts,
    settings: &TextSettings,
    text: &str,
    output: Resolution,
) -> Rendered {
    let em = (output.height as f32 * settings.size / 100.0).max(1.0);
    let (face, font_error) = fonts.choose(&settings.font, settings.bold, settings.italic);
    let shaped = if settings.scroll == 0.0 {
        shape::shape(fonts, &face, settings.bold, text, em)
    } else {
        // a marquee is one line
        let line = text.lines().collect::<Vec<_>>().join("   ");
        shape::shape(fonts, &face, settings.bold, &line, em)
    };
    let mut problems: Vec<String> = font_error.iter().map(ToString::to_string).collect();
    if !shaped.missing.is_empty() {
        problems.push(missing(&shaped.missing));
    }
    let painted = paint::paint(&shaped, settings, em).unwrap_or_else(|too_long| {
        problems.push(too_long.to_string());
        None
    });
    Rendered {
        picture: painted.map(|p| (p.image, p.inset)),
        problems,
    }
}

/// The notice for what no font has.
fn missing(clusters: &BTreeSet<String>) -> String {
    const SHOWN: usize = 12;
    let some: Vec<&str> = clusters.iter().take(SHOWN).map(String::as_str).collect();
    let more = if clusters.len() > SHOWN { " …" } else { "" };
    let font = if clusters.iter().any(|c| fonts::is_emoji(c)) {
        "an emoji font (Debian, Ubuntu: fonts-noto-color-emoji)"
    } else {
        "a font for them (Debian, Ubuntu: fonts-noto-cjk, fonts-noto-core)"
    };
    format!(
        "no font has {}{more}, so it is left out: install {font} and start Kaibo again",
        some.join(" ")
    )
}
