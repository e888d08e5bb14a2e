//! Coloured glyphs: outlines in layers (`colr`), or bitmaps (CBDT, sbix) scaled to size. In: a font and a glyph. Out: premultiplied pixels and where they
//! lie. Overlay thread.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder as _, Limits, Rgba, RgbaImage};
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

/// Longest side of a bitmap in a font; those of the usual ones are 136 to 160.
const LONGEST: u32 = 1024;
/// Memory that decoding one may take beside its pixels.
const MOST_BYTES: u64 = 16 << 20;

/// What fonts are for: a glyph takes no more room than a box of four by four em. The widest that are in use (an Arabic
/// phrase in one character) are twelve em long and one high.
pub(super) fn is_modest(width: f32, height: f32, em: f32) -> bool {
    width * height <= 16.0 * em * em && width.max(height) <= 16.0 * em
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
    if !is_modest(size[0] as f32, size[1] as f32, em) {
        return None;
    }
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
    let scale = em / glyph.ppem_y.max(1.0);
    let fits = |width: u32, height: u32| {
        width.max(height) <= LONGEST && is_modest(width as f32 * scale, height as f32 * scale, em)
    };
    let mut image = decode(&glyph, fits)?;
    premultiply(&mut image);
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

/// Straight alpha; `None` also for what does not fit.
fn decode(glyph: &BitmapGlyph<'_>, fits: impl Fn(u32, u32) -> bool) -> Option<RgbaImage> {
    match &glyph.data {
        BitmapData::Png(bytes) => {
            let mut limits = Limits::default();
            limits.max_alloc = Some(MOST_BYTES);
            let decoder = PngDecoder::with_limits(Cursor::new(*bytes), limits).ok()?;
            let (width, height) = decoder.dimensions();
            if !fits(width, height) {
                return None;
            }
            Some(DynamicImage::from_decoder(decoder).ok()?.into_rgba8())
        }
        BitmapData::Bgra(bytes) if fits(glyph.width, glyph.height) => {
            let pixels: Vec<u8> = bytes
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|[b, g, r, a]| straight([*r, *g, *b, *a]).0)
                .collect();
            RgbaImage::from_raw(glyph.width, glyph.height, pixels)
        }
        // black and white bitmaps: the outlines are better
        BitmapData::Bgra(_) | BitmapData::Mask(_) => None,
    }
}

/// Bitmaps of this kind are premultiplied.
fn straight([r, g, b, a]: [u8; 4]) -> Rgba<u8> {
    let divided = |c: u8| (u16::from(c) * 255 / u16::from(a.max(1))).min(255) as u8;
    Rgba([divided(r), divided(g), divided(b), a])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(side: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        RgbaImage::new(side, side)
            .write_to(&mut out, image::ImageFormat::Png)
            .unwrap();
        out.into_inner()
    }

    fn glyph(bytes: &[u8]) -> BitmapGlyph<'_> {
        BitmapGlyph {
            data: BitmapData::Png(bytes),
            bearing_x: 0.0,
            bearing_y: 0.0,
            inner_bearing_x: 0.0,
            inner_bearing_y: 0.0,
            ppem_x: 100.0,
            ppem_y: 100.0,
            advance: None,
            width: 0,
            height: 0,
            placement_origin: Origin::TopLeft,
        }
    }

    #[test]
    fn a_bitmap_is_decoded_when_its_size_is_one_of_a_glyph() {
        let decoded = |side: u32| {
            let fits = |w: u32, h: u32| is_modest(w as f32, h as f32, 100.0);
            decode(&glyph(&png(side)), fits).map(|image| image.width())
        };
        assert_eq!(decoded(136), Some(136));
        assert_eq!(decoded(400), Some(400), "four em");
        assert_eq!(decoded(401), None);
    }

    #[test]
    fn a_long_phrase_in_one_character_is_modest_and_a_banner_is_not() {
        assert!(is_modest(12.0, 1.2, 1.0));
        assert!(!is_modest(17.0, 0.1, 1.0));
        assert!(!is_modest(5.0, 5.0, 1.0));
        assert!(!is_modest(f32::NAN, 1.0, 1.0));
    }
}
