//! Fonts are hostile: how much work a coloured glyph would be, before any of it is done. In: a font and a glyph. Out: yes or
//! no. Overlay thread.
//!
//! The paints of a glyph form a graph in which a few bytes can stand for any number of visits (a group of groups of
//! groups), and skrifa's walk cannot be left before its end.

use skrifa::raw::TableProvider as _;
use skrifa::raw::tables::colr::{Colr, Paint};
use skrifa::{FontRef, GlyphId};

/// Paint operations of a glyph; the richest emoji have some 300.
const MOST: u64 = 10_000;
/// Operations times pixels: some seconds.
const MOST_PIXELS: u64 = 2_000_000_000;
/// Paints within paints; skrifa's own limit.
const DEEPEST: usize = 64;

/// The coloured glyph can be painted on so many pixels with bounded work.
pub(super) fn allows(font: &FontRef<'_>, id: GlyphId, pixels: usize) -> bool {
    let left = MOST.min(MOST_PIXELS / (pixels as u64).max(1));
    let Ok(colr) = font.colr() else {
        return true; // nothing to paint
    };
    if let Ok(Some((paint, _))) = colr.v1_base_glyph(id) {
        return Walk { colr, left }.paint(&paint, 0).is_some();
    }
    match colr.v0_base_glyph(id) {
        Ok(Some(layers)) => layers.len() as u64 <= left,
        _ => true,
    }
}

struct Walk<'a> {
    colr: Colr<'a>,
    left: u64,
}

impl<'a> Walk<'a> {
    /// `None` when there is more than is left. What is broken is no work: painting ends there.
    fn paint(&mut self, paint: &Paint<'a>, depth: usize) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        if depth >= DEEPEST {
            return None;
        }
        if let Paint::ColrLayers(layers) = paint {
            let first = layers.first_layer_index() as usize;
            for index in first..first + usize::from(layers.num_layers()) {
                let Ok((layer, _)) = self.colr.v1_layer(index) else {
                    break;
                };
                self.paint(&layer, depth + 1)?;
            }
            return Some(());
        }
        for below in below(&self.colr, paint).into_iter().flatten() {
            self.paint(&below, depth + 1)?;
        }
        Some(())
    }
}

/// The paints that `paint` is made of, but for layers.
fn below<'a>(colr: &Colr<'a>, paint: &Paint<'a>) -> [Option<Paint<'a>>; 2] {
    let one = match paint {
        Paint::Composite(p) => return [p.backdrop_paint().ok(), p.source_paint().ok()],
        Paint::ColrGlyph(p) => {
            let glyph = colr.v1_base_glyph(p.glyph_id().into());
            return [glyph.ok().flatten().map(|(paint, _)| paint), None];
        }
        Paint::Glyph(p) => p.paint(),
        Paint::Transform(p) => p.paint(),
        Paint::VarTransform(p) => p.paint(),
        Paint::Translate(p) => p.paint(),
        Paint::VarTranslate(p) => p.paint(),
        Paint::Scale(p) => p.paint(),
        Paint::VarScale(p) => p.paint(),
        Paint::ScaleAroundCenter(p) => p.paint(),
        Paint::VarScaleAroundCenter(p) => p.paint(),
        Paint::ScaleUniform(p) => p.paint(),
        Paint::VarScaleUniform(p) => p.paint(),
        Paint::ScaleUniformAroundCenter(p) => p.paint(),
        Paint::VarScaleUniformAroundCenter(p) => p.paint(),
        Paint::Rotate(p) => p.paint(),
        Paint::VarRotate(p) => p.paint(),
        Paint::RotateAroundCenter(p) => p.paint(),
        Paint::VarRotateAroundCenter(p) => p.paint(),
        Paint::Skew(p) => p.paint(),
        Paint::VarSkew(p) => p.paint(),
        Paint::SkewAroundCenter(p) => p.paint(),
        Paint::VarSkewAroundCenter(p) => p.paint(),
        // layers are walked by their caller; the others are colours
        _ => return [None, None],
    };
    [one.ok(), None]
}

#[cfg(test)]
mod tests {
    use skrifa::raw::{FontData, FontRead as _};

    use super::*;

    fn be24(v: usize) -> [u8; 3] {
        let [_, bytes @ ..] = u32::try_from(v).unwrap().to_be_bytes();
        bytes
    }

    /// Glyph 1: `depth` composites, each with the next one twice, down to a colour. 2 to the power of `depth` visits.
    fn doubling(depth: usize) -> Vec<u8> {
        let mut out = vec![0; 34];
        out[1] = 1; // version
        out[17] = 34; // where the list of glyphs is; no layers, clips and variations
        out.extend(1_u32.to_be_bytes());
        out.extend(1_u16.to_be_bytes());
        out.extend(10_u32.to_be_bytes());
        for _ in 0..depth {
            // source and backdrop are the next paint, eight bytes on
            out.push(32);
            out.extend(be24(8));
            out.push(3);
            out.extend(be24(8));
        }
        out.extend([2, 0, 0, 0x40, 0]);
        out
    }

    fn visits(depth: usize) -> Option<u64> {
        let bytes = doubling(depth);
        let colr = Colr::read(FontData::new(&bytes)).unwrap();
        let (paint, _) = colr.v1_base_glyph(GlyphId::new(1)).unwrap().unwrap();
        let mut walk = Walk { colr, left: MOST };
        walk.paint(&paint, 0)?;
        Some(MOST - walk.left)
    }

    #[test]
    fn a_graph_that_doubles_and_doubles_is_refused() {
        assert_eq!(visits(0), Some(1));
        assert_eq!(visits(5), Some(63));
        assert_eq!(visits(12), Some(8191));
        assert_eq!(visits(13), None);
        assert_eq!(visits(60), None, "and at once");
    }
}
