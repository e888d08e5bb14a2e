//! Text to glyphs in place: lines, directions (UAX #9), fonts by grapheme cluster, then shaping with kerning, ligatures
//! and joining forms. Overlay thread.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::sync::Arc;

use harfrust::{Direction, Feature, ShapeOptions, UnicodeBuffer};
use unicode_bidi::BidiInfo;
use unicode_segmentation::UnicodeSegmentation as _;

use super::fonts::{Face, Fonts, is_invisible};

/// A glyph on a line.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub(super) face: Arc<Face>,
    pub(super) id: u32,
    /// Of its origin, in pixels from the line's left edge.
    pub(super) x: f32,
    /// Of its origin, in pixels below the baseline.
    pub(super) y: f32,
}

/// A line of text.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) glyphs: Vec<Glyph>,
    /// In pixels.
    pub(super) width: f32,
    /// Above the baseline, in pixels.
    pub(super) ascent: f32,
    /// Below the baseline, in pixels.
    pub(super) descent: f32,
    /// Upper and lower end of its letters, in pixels from the baseline, both positive.
    pub(super) body: [f32; 2],
}

/// A text in glyphs.
#[derive(Debug, Default)]
pub(super) struct Shaped {
    pub(super) lines: Vec<Line>,
    /// What no font of the system has; left out.
    pub(super) missing: BTreeSet<String>,
}

/// Sets `text` in `face`, `em` pixels high, with other fonts for what it lacks.
pub(super) fn shape(
    fonts: &mut Fonts,
    face: &Arc<Face>,
    bold: bool,
    text: &str,
    em: f32,
) -> Shaped {
    let mut shaped = Shaped::default();
    for line in text.lines() {
        let line = line.replace('\t', "    ");
        let mut setter = Setter {
            fonts,
            face,
            bold,
            em,
            line: Line {
                ascent: face.ascent * em,
                descent: face.descent * em,
                body: face.body.map(|v| v * em),
                ..Line::default()
            },
            missing: &mut shaped.missing,
        };
        setter.set(&line);
        let done = setter.line;
        shaped.lines.push(done);
    }
    shaped
}

struct Setter<'a> {
    fonts: &'a mut Fonts,
    face: &'a Arc<Face>,
    bold: bool,
    em: f32,
    line: Line,
    missing: &'a mut BTreeSet<String>,
}

impl Setter<'_> {
    fn set(&mut self, text: &str) {
        let bidi = BidiInfo::new(text, None);
        for paragraph in &bidi.paragraphs {
            let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let backwards = levels[run.start].is_rtl();
                let mut parts = self.parts(&text[run]);
                if backwards {
                    parts.reverse();
                }
                for (face, part) in parts {
                    self.push(&face, &part, backwards);
                }
            }
        }
    }

    /// Pieces of one font each.
    fn parts(&mut self, text: &str) -> Vec<(Arc<Face>, String)> {
        let mut parts: Vec<(Arc<Face>, String)> = Vec::new();
        for cluster in text.graphemes(true) {
            if cluster.chars().all(is_invisible) {
                continue;
            }
            let face = self.fonts.for_cluster(cluster, self.face, self.bold);
            let Some(face) = face else {
                self.missing.insert(cluster.to_owned());
                continue;
            };
            match parts.last_mut() {
                Some((last, part)) if Arc::ptr_eq(last, &face) => part.push_str(cluster),
                _ => parts.push((face, cluster.to_owned())),
            }
        }
        parts
    }

    fn push(&mut self, face: &Arc<Face>, text: &str, backwards: bool) {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if backwards {
            Direction::RightToLeft
        } else {
            Direction::LeftToRight
        });
        // figures of one width: a clock must not tremble
        let features: Vec<_> = Feature::from_str("tnum").into_iter().collect();
        let glyphs = face
            .shaper()
            .shape(buffer, ShapeOptions::new().features(&features));
        let scale = self.em / face.em;
        let line = &mut self.line;
        for (info, position) in glyphs.glyph_infos().iter().zip(glyphs.glyph_positions()) {
            line.glyphs.push(Glyph {
                face: Arc::clone(face),
                id: info.glyph_id,
                x: line.width + position.x_offset as f32 * scale,
                y: -(position.y_offset as f32) * scale,
            });
            line.width += position.x_advance as f32 * scale;
        }
        line.ascent = line.ascent.max(face.ascent * self.em);
        line.descent = line.descent.max(face.descent * self.em);
        for (end, of_face) in line.body.iter_mut().zip(face.body) {
            *end = end.max(of_face * self.em);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(text: &str) -> Shaped {
        let mut fonts = Fonts::built_in();
        let (face, _) = fonts.choose("", true, false);
        shape(&mut fonts, &face, true, text, 50.0)
    }

    #[test]
    fn lines_and_widths_add_up() {
        let shaped = built_in("开播\nKaibo 开播\n");
        assert_eq!(shaped.lines.len(), 2);
        let [han, both] = &shaped.lines[..] else {
            panic!("two lines");
        };
        assert_eq!((han.glyphs.len(), both.glyphs.len()), (2, 8));
        assert!((han.width - 100.0).abs() < 0.5, "two em: {}", han.width);
        assert!(both.width > 200.0 && both.glyphs.windows(2).all(|g| g[0].x < g[1].x));
        assert!(shaped.missing.is_empty());
    }

    #[test]
    fn what_no_font_has_is_named_once_and_left_out() {
        let shaped = built_in("A😀B😀ü\u{200d}");
        assert_eq!(shaped.lines[0].glyphs.len(), 2);
        let missing: Vec<_> = shaped.missing.iter().map(String::as_str).collect();
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing.iter().any(|m| m.contains('😀')));
    }

    #[test]
    fn figures_have_one_width() {
        let width = |text: &str| built_in(text).lines[0].width;
        assert!((width("11:11:11") - width("00:00:00")).abs() < 0.01);
    }
}
