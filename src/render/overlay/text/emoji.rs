//! Coloured glyphs: outlines in layers (`colr`), or bitmaps (CBDT, sbix) scaled to size. In: a font and a glyph. Out: premultiplied pixels and where they
//! lie. Overlay thread.

use image::{ImageFormat, Rgba, RgbaImage};
use skrifa::bitmap::{BitmapData, BitmapGlyph, Origin};
use skrifa::instance::{LocationRef, Size};
use skrifa::{GlyphId, MetadataProvider as _};

use super::super::sprite::{premultiply, resize};
use super::colr;
use super::fonts::Face;

/// A glyph in its own colours.
pub(super) struct Coloured {
    /// Premultiplied.
    pub(super) image: RgbaImage,
    /// Left edge, in pixels from the glyph's origin.
    pub(super) left: f32,
    /// Upper edge, in pixels above the baseline.
    pub(super) top: f32,
}

/// The glyph in colour at `em` pixels, when its font has it so.
pub(super) fn coloured(face: &Face, id: u32, em: f32) -> Option<Coloured> {
    outlined(face, id, em).or_else(|| bitmap(face, id, em))
}

fn outlined(face: &Face, id: u32, em: f32) -> Option<Coloured> {
    let id = GlyphId::new(id);
    let metrics = face
        .tables
        .glyph_metrics(Size::new(em), LocationRef::default());
    let advance = metrics.advance_width(id).unwrap_or(em).clamp(0.0, 4.0 * em);
    // a little about the letter's own place, as accents and tails reach out of it
    let room = (em * 0.3).ceil();
    let (rise, fall) = ((em * 1.3).ceil(), (em * 0.5).ceil());
    let size = [(advance + 2.0 * room).ceil(), rise + fall].map(|v| v as usize);
    let pixels = colr::paint(&face.tables, id, size, [room, rise], em / face.em)?;
    let bytes = pixels
        .into_iter()
        .flat_map(|p| p.map(|v| (v * 255.0 + 0.5) as u8))
        .collect();
    Some(Coloured {
        image: RgbaImage::from_raw(size[0] as u32, size[1] as u32, bytes)?,
        left: -room,
        top: rise,
    })
}

fn bitmap(face: &Face, id: u32, em: f32) -> Option<Coloured> {
    let strikes = face.tables.bitmap_strikes();
    let glyph = strikes.glyph_for_size(Size::new(em), GlyphId::new(id))?;
    let mut image = decode(&glyph)?;
    premultiply(&mut image);
    let scale = em / glyph.ppem_y.max(1.0);
    let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
    let image = resize(&image, side(image.width()), side(image.height()));
    let units = em / face.em;
    let left = glyph.bearing_x * units + glyph.inner_bearing_x * scale;
    let edge = glyph.bearing_y * units + glyph.inner_bearing_y * scale;
    let top = match glyph.placement_origin {
        Origin::TopLeft => edge,
        Origin::BottomLeft => edge + image.height() as f32,
    };
    Some(Coloured { image, left, top })
}

/// Straight alpha.
fn decode(glyph: &BitmapGlyph<'_>) -> Option<RgbaImage> {
    match &glyph.data {
        BitmapData::Png(bytes) => {
            let image = image::load_from_memory_with_format(bytes, ImageFormat::Png).ok()?;
            Some(image.into_rgba8())
        }
        BitmapData::Bgra(bytes) => {
            let pixels: Vec<u8> = bytes
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|[b, g, r, a]| straight([*r, *g, *b, *a]).0)
                .collect();
            RgbaImage::from_raw(glyph.width, glyph.height, pixels)
        }
        BitmapData::Mask(_) => None, // black and white bitmaps: the outlines are better
    }
}

/// Bitmaps of this kind are premultiplied.
fn straight([r, g, b, a]: [u8; 4]) -> Rgba<u8> {
    let divided = |c: u8| (u16::from(c) * 255 / u16::from(a.max(1))).min(255) as u8;
    Rgba([divided(r), divided(g), divided(b), a])
}
