//! Glyphs to pixels: letters by rusttype, emoji in their colours, then from back to front box, shadow, outline, letters.
//! Overlay thread.

use image::{Rgba, RgbaImage};
use rusttype::{GlyphId, Scale, point};

use super::super::spec::{Align, Background, Color, Outline, Shadow, TextSettings};
use super::emoji::{coloured, is_modest};
use super::field::{blur, distance};
use super::shape::{Glyph, Line, Shaped};

/// A painted text.
pub(super) struct Painted {
    /// Premultiplied.
    pub(super) image: RgbaImage,
    /// Room at left, top, right, bottom for what is not counted as the text: outline and shadow.
    pub(super) inset: [i32; 4],
}

/// Most pixels of a painted text: a marquee of 2000 Chinese characters at 5 % of 1080 lines. Painting takes some 40 bytes a
/// pixel.
const MOST_PIXELS: f32 = 8e6;

/// The text would fill more memory than a watermark may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for its size and is not shown: make it shorter or smaller")]
pub(super) struct TooLong;

/// Letters and emoji of a text apart, as they are coloured differently.
struct Ink {
    width: usize,
    height: usize,
    /// Coverage of the letters, 0 to 1.
    letters: Vec<f32>,
    /// Premultiplied emoji.
    emoji: RgbaImage,
    has_emoji: bool,
}

/// Paints `shaped`, set at `em` pixels, as `look` says. `None` when there is nothing to see.
pub(super) fn paint(
    shaped: &Shaped,
    look: &TextSettings,
    em: f32,
) -> Result<Option<Painted>, TooLong> {
    let share = |per_cent: f32| per_cent / 100.0 * em;
    let width = shaped.lines.iter().map(|l| l.width).fold(0.0, f32::max);
    let baselines = baselines(&shaped.lines, look.line_spacing);
    let (Some(lowest), Some(last)) = (baselines.last(), shaped.lines.last()) else {
        return Ok(None);
    };
    let height = lowest + last.body[1];
    if width < 0.5 {
        return Ok(None);
    }
    let outline = look.outline.map_or(0.0, |o| share(o.width));
    let shadow = look
        .shadow
        .map_or(0.0, |s| share(s.x.abs().max(s.y.abs()) + s.blur));
    let padding = look.background.map_or(0.0, |b| share(b.padding));
    // a third of a letter more, for accents above the body and what hangs below it or leans over
    let reach = (outline + shadow + em * 0.35).ceil() + 1.0;
    let room = padding.ceil().max(reach);
    let pixels = (width + 2.0 * room) * (height + 2.0 * room);
    if pixels > MOST_PIXELS {
        return Err(TooLong);
    }
    let origin = [room, room];
    let mut ink = Ink::new(
        (width + 2.0 * room).ceil() as usize,
        (height + 2.0 * room).ceil() as usize,
    );
    for (line, baseline) in shaped.lines.iter().zip(&baselines) {
        let spare = width - line.width;
        let indent = match look.align {
            Align::Left => 0.0,
            Align::Center => spare / 2.0,
            Align::Right => spare,
        };
        for glyph in &line.glyphs {
            let x = origin[0] + indent + glyph.x;
            let y = (origin[1] + baseline).round() + glyph.y;
            ink.draw(glyph, [x, y], em);
        }
    }
    let text = [origin[0], origin[1], width, height];
    let image = ink.finish(look, em, text);
    let inset = (room - padding).floor() as i32;
    Ok(Some(Painted {
        image,
        inset: [inset; 4],
    }))
}

/// Of each line, from the upper edge of the first.
fn baselines(lines: &[Line], spacing: f32) -> Vec<f32> {
    let mut at = 0.0;
    let mut last: Option<&Line> = None;
    lines
        .iter()
        .map(|line| {
            at += match last {
                None => line.body[0],
                Some(above) => (above.descent + line.ascent) * spacing,
            };
            last = Some(line);
            at
        })
        .collect()
}

impl Ink {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            letters: vec![0.0; width * height],
            emoji: RgbaImage::new(width as u32, height as u32),
            has_emoji: false,
        }
    }

    fn draw(&mut self, glyph: &Glyph, [x, y]: [f32; 2], em: f32) {
        if let Some(picture) = coloured(&glyph.face, glyph.id, em) {
            let left = (x + picture.left).round() as i64;
            let top = (y - picture.top).round() as i64;
            image::imageops::overlay(&mut self.emoji, &picture.image, left, top);
            self.has_emoji = true;
            return;
        }
        let Some(font) = &glyph.face.outlines else {
            return;
        };
        let Ok(id) = u16::try_from(glyph.id) else {
            return;
        };
        if usize::from(id) >= font.glyph_count() {
            return;
        }
        let v = font.v_metrics_unscaled();
        // rusttype's scale is the height from descent to ascent
        let scale = Scale::uniform(em * (v.ascent - v.descent) / glyph.face.em);
        let outline = font
            .glyph(GlyphId(id))
            .scaled(scale)
            .positioned(point(x, y));
        let Some(bounds) = outline.pixel_bounding_box() else {
            return;
        };
        // rounded outwards to whole pixels on both sides
        let side = |from: i32, to: i32| to as f32 - from as f32;
        let width = side(bounds.min.x, bounds.max.x);
        if !is_modest(width - 2.0, side(bounds.min.y, bounds.max.y) - 2.0, em) {
            return;
        }
        outline.draw(|dx, dy, coverage| {
            let (x, y) = (bounds.min.x + dx as i32, bounds.min.y + dy as i32);
            if x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height {
                let v = &mut self.letters[y as usize * self.width + x as usize];
                *v = v.max(coverage.clamp(0.0, 1.0));
            }
        });
    }

    /// What letters and emoji cover together.
    fn shape(&self) -> Vec<f32> {
        if !self.has_emoji {
            return self.letters.clone();
        }
        let emoji = self.emoji.pixels().map(|p| f32::from(p.0[3]) / 255.0);
        self.letters
            .iter()
            .zip(emoji)
            .map(|(l, e)| l.max(e))
            .collect()
    }

    fn finish(self, look: &TextSettings, em: f32, text: [f32; 4]) -> RgbaImage {
        let share = |per_cent: f32| per_cent / 100.0 * em;
        let mut canvas = Canvas(vec![[0.0; 4]; self.width * self.height]);
        if let Some(Background {
            color,
            padding,
            radius,
        }) = look.background
        {
            let [x, y, w, h] = text;
            let padding = share(padding);
            let area = [
                x - padding,
                y - padding,
                w + 2.0 * padding,
                h + 2.0 * padding,
            ];
            canvas.cover(
                &rounded(self.width, self.height, area, share(radius)),
                color,
            );
        }
        let mut shape = self.shape();
        let outline = look
            .outline
            .filter(|o| o.width > 0.0 && o.color.0[3] > 0)
            .map(|Outline { color, width }| {
                let radius = share(width);
                let distance = distance(&shape, self.width, self.height);
                let stroke: Vec<f32> = distance
                    .iter()
                    .map(|d| (radius + 0.5 - d).clamp(0.0, 1.0))
                    .collect();
                (stroke, color)
            });
        if let Some(Shadow {
            color,
            x,
            y,
            blur: soft,
        }) = look.shadow
        {
            let cast = outline.as_ref().map_or(&shape, |(stroke, _)| stroke);
            let (dx, dy) = (share(x).round() as i32, share(y).round() as i32);
            let mut moved = shifted(cast, self.width, self.height, dx, dy);
            blur(&mut moved, self.width, self.height, share(soft));
            canvas.cover(&moved, color);
        }
        if let Some((stroke, color)) = outline {
            canvas.cover(&stroke, color);
            shape.clear();
        }
        canvas.cover(&self.letters, look.color);
        if self.has_emoji {
            canvas.over(&self.emoji);
        }
        canvas.into_image(self.width as u32, self.height as u32)
    }
}

/// Premultiplied, 0 to 1.
struct Canvas(Vec<[f32; 4]>);

impl Canvas {
    fn cover(&mut self, coverage: &[f32], color: Color) {
        let [r, g, b, a] = color.0.map(|v| f32::from(v) / 255.0);
        for (pixel, coverage) in self.0.iter_mut().zip(coverage).filter(|(_, c)| **c > 0.0) {
            let alpha = a * coverage;
            put(pixel, [r * alpha, g * alpha, b * alpha, alpha]);
        }
    }

    fn over(&mut self, image: &RgbaImage) {
        for (pixel, Rgba(over)) in self.0.iter_mut().zip(image.pixels()) {
            if over[3] > 0 {
                put(pixel, over.map(|v| f32::from(v) / 255.0));
            }
        }
    }

    fn into_image(self, width: u32, height: u32) -> RgbaImage {
        let bytes = self
            .0
            .into_iter()
            .flat_map(|pixel| pixel.map(|v| (v * 255.0 + 0.5) as u8))
            .collect();
        RgbaImage::from_raw(width, height, bytes).expect("made of that many pixels")
    }
}

fn put(pixel: &mut [f32; 4], over: [f32; 4]) {
    for (p, o) in pixel.iter_mut().zip(over) {
        *p = o + *p * (1.0 - over[3]);
    }
}

fn shifted(source: &[f32], width: usize, height: usize, dx: i32, dy: i32) -> Vec<f32> {
    let mut out = vec![0.0; source.len()];
    for y in 0..height as i32 {
        for x in 0..width as i32 {
            let (sx, sy) = (x - dx, y - dy);
            if sx >= 0 && sy >= 0 && sx < width as i32 && sy < height as i32 {
                out[y as usize * width + x as usize] = source[sy as usize * width + sx as usize];
            }
        }
    }
    out
}

/// Coverage of a rectangle (left, top, width, height) with rounded corners.
fn rounded(width: usize, height: usize, area: [f32; 4], radius: f32) -> Vec<f32> {
    let [left, top, w, h] = area;
    let radius = radius.min(w / 2.0).min(h / 2.0);
    let middle = [left + w / 2.0, top + h / 2.0];
    let inner = [w / 2.0 - radius, h / 2.0 - radius];
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            // signed distance to a rounded box
            let dx = (x as f32 + 0.5 - middle[0]).abs() - inner[0];
            let dy = (y as f32 + 0.5 - middle[1]).abs() - inner[1];
            let outside = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0);
            out.push((radius + 0.5 - outside).clamp(0.0, 1.0));
        }
    }
    out
}
