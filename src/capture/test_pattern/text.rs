//! Text for the test pattern: strings and digits turned into coverage pictures, once, when the source is opened.
//!
//! In: the embedded font (a subset of Noto Sans SC Bold: ASCII, `·`, `×`, `开`, `播`). Out: coverage. Pure; no thread.

use rusttype::{Font, Scale, point};

use super::canvas::Coverage;

/// Licence: assets/fonts/OFL.txt.
const FONT: &[u8] = include_bytes!("../../../assets/fonts/NotoSansSC-Bold-subset.otf");

/// Characters of a clock.
const CLOCK: &str = "0123456789:.";

/// The embedded font.
pub(in crate::capture) struct Typeface {
    font: Font<'static>,
}

/// Characters of a clock or counter in cells of one height, so that drawing a number is a few copies.
#[derive(Debug)]
pub(in crate::capture) struct Digits {
    cells: Vec<Coverage>,
}

impl Typeface {
    pub(in crate::capture) fn load() -> Self {
        Self {
            font: Font::try_from_bytes(FONT).expect("the embedded font is checked by the tests"),
        }
    }

    /// It can write this character.
    pub(in crate::capture) fn has(&self, c: char) -> bool {
        self.font.glyph(c).id().0 != 0
    }

    /// Scale at which capitals and digits are `height` pixels high. The font's capitals are 0.733 em (OS/2 table).
    fn scale(&self, height: f32) -> Scale {
        const CAP_HEIGHT: f32 = 0.733;
        let v = self.font.v_metrics_unscaled();
        let line = (v.ascent - v.descent) / f32::from(self.font.units_per_em());
        Scale::uniform((height / CAP_HEIGHT * line).max(1.0))
    }

    /// One line of text whose capitals are `height` pixels high; the picture is cut to the ink.
    pub(in crate::capture) fn line(&self, text: &str, height: f32) -> Coverage {
        let glyphs: Vec<_> = self
            .font
            .layout(text, self.scale(height), point(0.0, 0.0))
            .collect();
        let boxes = || glyphs.iter().filter_map(|g| g.pixel_bounding_box());
        let left = boxes().map(|b| b.min.x).min().unwrap_or(0);
        let right = boxes().map(|b| b.max.x).max().unwrap_or(0);
        let top = boxes().map(|b| b.min.y).min().unwrap_or(0);
        let bottom = boxes().map(|b| b.max.y).max().unwrap_or(0);
        let mut picture = Coverage::blank((right - left) as usize, (bottom - top) as usize);
        picture.rise = -top;
        for glyph in &glyphs {
            if let Some(b) = glyph.pixel_bounding_box() {
                picture.draw(glyph, b.min.x - left, b.min.y - top);
            }
        }
        picture
    }

    /// The characters of [`CLOCK`], each centred in a cell: digits in cells of the same width.
    pub(in crate::capture) fn digits(&self, height: f32) -> Digits {
        let scale = self.scale(height);
        let advance = |c| self.font.glyph(c).scaled(scale).h_metrics().advance_width;
        let digit = CLOCK.chars().filter(char::is_ascii_digit).map(advance);
        let digit = digit.fold(0.0, f32::max);
        let rows = height.ceil() as usize + 4;
        let cells = CLOCK.chars().map(|c| {
            let width = if c.is_ascii_digit() {
                digit
            } else {
                advance(c)
            };
            let indent = (width - advance(c)) / 2.0;
            let mut cell = Coverage::blank(width.ceil() as usize, rows);
            let glyph = self.font.glyph(c).scaled(scale);
            cell.rise = (height + 2.0).round() as i32;
            let glyph = glyph.positioned(point(indent, cell.rise as f32));
            if let Some(b) = glyph.pixel_bounding_box() {
                cell.draw(&glyph, b.min.x, b.min.y);
            }
            cell
        });
        Digits {
            cells: cells.collect(),
        }
    }
}

impl Digits {
    /// The cell of a character of [`CLOCK`]; anything else is shown as a zero.
    pub(in crate::capture) fn cell(&self, c: u8) -> &Coverage {
        let i = CLOCK.bytes().position(|known| known == c).unwrap_or(0);
        &self.cells[i]
    }

    /// Width of a text of such characters.
    pub(in crate::capture) fn width(&self, text: &[u8]) -> usize {
        text.iter().map(|&c| self.cell(c).width).sum()
    }

    /// Height of all cells.
    pub(in crate::capture) fn height(&self) -> usize {
        self.cells[0].height
    }

    /// Rows above the baseline in all cells.
    pub(in crate::capture) fn rise(&self) -> i32 {
        self.cells[0].rise
    }
}

impl Coverage {
    fn blank(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            rise: 0,
            data: vec![0; width * height],
        }
    }

    fn draw(&mut self, glyph: &rusttype::PositionedGlyph<'_>, left: i32, top: i32) {
        glyph.draw(|x, y, v| {
            let (x, y) = (left + x as i32, top + y as i32);
            if x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height {
                let p = &mut self.data[y as usize * self.width + x as usize];
                *p = (*p).max((v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_what_is_written() {
        let face = Typeface::load();
        for c in "Kaibo 开播 TEST PATTERN 0123456789:.×·".chars() {
            assert_ne!(face.font.glyph(c).id().0, 0, "{c:?} is missing");
        }
        let name = face.line("Kaibo 开播", 40.0);
        assert!(
            name.width > 200 && name.height >= 40,
            "{}x{}",
            name.width,
            name.height
        );
        assert!(name.data.contains(&255));
    }

    #[test]
    fn digits_have_the_asked_height_and_differ() {
        let digits = Typeface::load().digits(60.0);
        let inked = |c: u8| {
            let cell = digits.cell(c);
            let full = |row: &[u8]| row.iter().any(|&v| v > 127);
            cell.data.chunks(cell.width).filter(|r| full(r)).count()
        };
        // round digits overshoot a little
        assert!((59..=63).contains(&inked(b'0')), "{}", inked(b'0'));
        for (a, b) in (b'0'..=b'9').zip(b'1'..=b'9') {
            assert_eq!(digits.cell(a).width, digits.cell(b).width);
            assert_ne!(digits.cell(a).data, digits.cell(b).data);
        }
        assert!(inked(b'.') > 0 && digits.cell(b'.').width < digits.cell(b'0').width);
        // a size of nothing does not panic
        Typeface::load().digits(0.0);
        assert_eq!(Typeface::load().line("", 10.0).data.len(), 0);
    }
}
