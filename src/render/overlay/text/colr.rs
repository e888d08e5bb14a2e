//! Outline emoji (OpenType COLR, versions 0 and 1): layers of outlines filled with colours and gradients. In: a font and a
//! glyph. Out: premultiplied pixels. Overlay thread.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use skrifa::color::{Brush, Color, ColorPainter, ColorStop, CompositeMode, Extend, Transform};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::raw::types::BoundingBox;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

use super::budget;

/// Rows and columns of an affine map: `x' = a x + c y + e`, `y' = b x + d y + f`.
type Affine = [f32; 6];

/// Palette entries that fonts may have; the colour of the text itself is the last one.
const TEXT_COLOR: u16 = 0xffff;
/// Nested layers and clips of a hostile font.
const DEEPEST: usize = 32;
/// Pixels in all nested layers and clips together, of up to 16 bytes each.
const MOST_PIXELS: usize = 32_000_000;

/// Draws the glyph into `width` by `height` pixels with its origin at `origin`, at `scale` pixels per unit; `None` when the
/// font has no colours for it.
pub(super) fn paint(
    font: &FontRef<'_>,
    id: GlyphId,
    [width, height]: [usize; 2],
    origin: [f32; 2],
    scale: f32,
) -> Option<Vec<[f32; 4]>> {
    let glyph = font.color_glyphs().get(id)?;
    if !budget::allows(font, id, width * height) {
        return None;
    }
    let palettes = font.color_palettes();
    let palette = palettes.get(0);
    let mut painter = Painter {
        font,
        colors: palette.as_ref().map_or(&[], |p| p.colors()),
        size: [width, height],
        transforms: vec![[scale, 0.0, 0.0, -scale, origin[0], origin[1]]],
        clips: Vec::new(),
        layers: vec![vec![[0.0; 4]; width * height]],
        deepest: DEEPEST.min(MOST_PIXELS / (width * height).max(1)),
        too_deep: 0,
        clips_too_deep: 0,
    };
    glyph.paint(LocationRef::default(), &mut painter).ok()?;
    painter.layers.into_iter().next()
}

struct Painter<'a> {
    font: &'a FontRef<'a>,
    colors: &'a [Color],
    size: [usize; 2],
    transforms: Vec<Affine>,
    /// Coverage that is left, each within the one before.
    clips: Vec<Vec<f32>>,
    /// Premultiplied.
    layers: Vec<Vec<[f32; 4]>>,
    /// Layers, and clips, that there may be.
    deepest: usize,
    /// Layers that were not pushed.
    too_deep: usize,
    /// Clips that were not pushed.
    clips_too_deep: usize,
}

impl Painter<'_> {
    fn transform(&self) -> Affine {
        self.transforms
            .last()
            .copied()
            .unwrap_or([1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    }

    fn clip(&mut self, draw: impl FnOnce(&mut Pen)) {
        if self.clips.len() >= self.deepest.max(1) {
            self.clips_too_deep += 1;
            return;
        }
        let [width, height] = self.size;
        let mut pen = Pen {
            raster: Rasterizer::new(width, height),
            transform: self.transform(),
            limit: [width as f32 - 0.01, height as f32],
            start: point(0.0, 0.0),
            at: point(0.0, 0.0),
        };
        draw(&mut pen);
        let mut mask = vec![0.0; width * height];
        pen.raster
            .for_each_pixel(|i, coverage| mask[i] = coverage.min(1.0));
        if let Some(outer) = self.clips.last() {
            for (v, outer) in mask.iter_mut().zip(outer) {
                *v *= outer;
            }
        }
        self.clips.push(mask);
    }

    fn color(&self, index: u16, alpha: f32) -> [f32; 4] {
        let [r, g, b, a] = match self.colors.get(usize::from(index)) {
            _ if index == TEXT_COLOR => [255; 4],
            Some(c) => [c.red, c.green, c.blue, c.alpha],
            None => [0; 4],
        };
        let alpha = f32::from(a) / 255.0 * alpha.clamp(0.0, 1.0);
        let [r, g, b] = [r, g, b].map(|v| f32::from(v) / 255.0 * alpha);
        [r, g, b, alpha]
    }

    fn along(&self, stops: &[ColorStop], extend: Extend, t: f32) -> [f32; 4] {
        let t = match extend {
            Extend::Repeat => t.rem_euclid(1.0),
            Extend::Reflect => 1.0 - (t.rem_euclid(2.0) - 1.0).abs(),
            _ => t.clamp(0.0, 1.0),
        };
        let of = |stop: &ColorStop| self.color(stop.palette_index, stop.alpha);
        let after = stops.iter().position(|s| s.offset >= t);
        match after {
            None => stops.last().map_or([0.0; 4], of),
            Some(0) => of(&stops[0]),
            Some(i) => {
                let (low, high) = (&stops[i - 1], &stops[i]);
                let share = (t - low.offset) / (high.offset - low.offset).max(1e-6);
                let (a, b) = (of(low), of(high));
                std::array::from_fn(|c| a[c] + (b[c] - a[c]) * share)
            }
        }
    }

    /// The brush's colour at a place in its own coordinates.
    fn brush(&self, brush: &Brush<'_>, [x, y]: [f32; 2]) -> [f32; 4] {
        match *brush {
            Brush::Solid {
                palette_index,
                alpha,
            } => self.color(palette_index, alpha),
            Brush::LinearGradient {
                p0,
                p1,
                color_stops,
                extend,
            } => {
                let (dx, dy) = (p1.x - p0.x, p1.y - p0.y);
                let t = ((x - p0.x) * dx + (y - p0.y) * dy) / (dx * dx + dy * dy).max(1e-6);
                self.along(color_stops, extend, t)
            }
            Brush::RadialGradient {
                c0,
                r0,
                c1,
                r1,
                color_stops,
                extend,
            } => {
                let t = radial(
                    [x - c0.x, y - c0.y],
                    [c1.x - c0.x, c1.y - c0.y],
                    r0,
                    r1 - r0,
                );
                t.map_or([0.0; 4], |t| self.along(color_stops, extend, t))
            }
            Brush::SweepGradient {
                c0,
                start_angle,
                end_angle,
                color_stops,
                extend,
            } => {
                let angle = (-(y - c0.y)).atan2(x - c0.x).to_degrees().rem_euclid(360.0);
                let span = end_angle - start_angle;
                let t = (angle - start_angle) / if span.abs() < 1e-6 { 1e-6 } else { span };
                self.along(color_stops, extend, t)
            }
        }
    }
}

/// How far along a gradient between two circles a place lies: the larger solution with a radius that is not negative (CSS
/// and COLR: two-point conical gradients). `d` is the place, `c` the second middle, both seen from the first.
fn radial(d: [f32; 2], c: [f32; 2], r0: f32, dr: f32) -> Option<f32> {
    let a = c[0] * c[0] + c[1] * c[1] - dr * dr;
    let b = d[0] * c[0] + d[1] * c[1] + r0 * dr;
    let e = d[0] * d[0] + d[1] * d[1] - r0 * r0;
    let valid = |t: f32| (r0 + t * dr >= 0.0).then_some(t);
    if a.abs() < 1e-6 {
        return (b.abs() > 1e-6).then(|| e / (2.0 * b)).and_then(valid);
    }
    let root = b * b - a * e;
    if root < 0.0 {
        return None;
    }
    let root = root.sqrt();
    let (t0, t1) = ((b + root) / a, (b - root) / a);
    valid(t0.max(t1)).or_else(|| valid(t0.min(t1)))
}

impl ColorPainter for Painter<'_> {
    fn push_transform(&mut self, t: Transform) {
        let [a, b, c, d, e, f] = self.transform();
        self.transforms.push([
            a * t.xx + c * t.yx,
            b * t.xx + d * t.yx,
            a * t.xy + c * t.yy,
            b * t.xy + d * t.yy,
            a * t.dx + c * t.dy + e,
            b * t.dx + d * t.dy + f,
        ]);
    }

    fn pop_transform(&mut self) {
        self.transforms.pop();
    }

    fn push_clip_glyph(&mut self, id: GlyphId) {
        let outline = self.font.outline_glyphs().get(id);
        self.clip(|pen| {
            let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::default());
            if let Some(outline) = outline {
                // a broken outline clips to what of it could be read
                outline.draw(settings, pen).ok();
            }
        });
    }

    fn push_clip_box(&mut self, b: BoundingBox<f32>) {
        self.clip(|pen| {
            pen.move_to(b.x_min, b.y_min);
            pen.line_to(b.x_max, b.y_min);
            pen.line_to(b.x_max, b.y_max);
            pen.line_to(b.x_min, b.y_max);
            pen.close();
        });
    }

    fn pop_clip(&mut self) {
        if self.clips_too_deep > 0 {
            self.clips_too_deep -= 1;
        } else {
            self.clips.pop();
        }
    }

    fn fill(&mut self, brush: Brush<'_>) {
        let Some(back) = inverse(self.transform()) else {
            return;
        };
        let Some(mut layer) = self.layers.pop() else {
            return;
        };
        let clip = self.clips.last();
        for (i, pixel) in layer.iter_mut().enumerate() {
            let coverage = clip.map_or(1.0, |c| c[i]);
            if coverage > 0.0 {
                let x = (i % self.size[0]) as f32 + 0.5;
                let y = (i / self.size[0]) as f32 + 0.5;
                let color = self.brush(&brush, map(back, x, y)).map(|v| v * coverage);
                *pixel = mix(CompositeMode::SrcOver, color, *pixel);
            }
        }
        self.layers.push(layer);
    }

    fn push_layer(&mut self, _mode: CompositeMode) {
        if self.layers.len() >= self.deepest {
            self.too_deep += 1;
            return;
        }
        self.layers
            .push(vec![[0.0; 4]; self.size[0] * self.size[1]]);
    }

    fn pop_layer_with_mode(&mut self, mode: CompositeMode) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        if self.layers.len() < 2 {
            return;
        }
        let Some(above) = self.layers.pop() else {
            return;
        };
        if let Some(below) = self.layers.last_mut() {
            for (below, above) in below.iter_mut().zip(above) {
                *below = mix(mode, above, *below);
            }
        }
    }
}

/// Premultiplied colours put together (W3C Compositing and Blending, chapters 9 and 10); modes that fonts hardly use are
/// taken for the usual one.
fn mix(mode: CompositeMode, s: [f32; 4], d: [f32; 4]) -> [f32; 4] {
    let (sa, da) = (s[3], d[3]);
    let each = |f: fn(f32, f32, f32, f32) -> f32| std::array::from_fn(|i| f(s[i], d[i], sa, da));
    match mode {
        CompositeMode::Clear => [0.0; 4],
        CompositeMode::Src => s,
        CompositeMode::Dest => d,
        CompositeMode::DestOver => each(|s, d, _, da| d + s * (1.0 - da)),
        CompositeMode::SrcIn => each(|s, _, _, da| s * da),
        CompositeMode::DestIn => each(|_, d, sa, _| d * sa),
        CompositeMode::SrcOut => each(|s, _, _, da| s * (1.0 - da)),
        CompositeMode::DestOut => each(|_, d, sa, _| d * (1.0 - sa)),
        CompositeMode::SrcAtop => each(|s, d, sa, da| s * da + d * (1.0 - sa)),
        CompositeMode::DestAtop => each(|s, d, sa, da| d * sa + s * (1.0 - da)),
        CompositeMode::Xor => each(|s, d, sa, da| s * (1.0 - da) + d * (1.0 - sa)),
        CompositeMode::Plus => each(|s, d, _, _| (s + d).min(1.0)),
        CompositeMode::Screen => each(|s, d, _, _| s + d - s * d),
        CompositeMode::Multiply => {
            let mut out: [f32; 4] = each(|s, d, sa, da| s * d + s * (1.0 - da) + d * (1.0 - sa));
            out[3] = sa + da - sa * da;
            out
        }
        _ => each(|s, d, sa, _| s + d * (1.0 - sa)),
    }
}

fn map([a, b, c, d, e, f]: Affine, x: f32, y: f32) -> [f32; 2] {
    [a * x + c * y + e, b * x + d * y + f]
}

fn inverse([a, b, c, d, e, f]: Affine) -> Option<Affine> {
    let det = a * d - b * c;
    if det.abs() < 1e-12 {
        return None;
    }
    let [ia, ib, ic, id] = [d / det, -b / det, -c / det, a / det];
    Some([ia, ib, ic, id, -(ia * e + ic * f), -(ib * e + id * f)])
}

/// An outline into coverage, through a transform.
struct Pen {
    raster: Rasterizer,
    transform: Affine,
    /// Farthest place to the right and down: the rasteriser would go on in the next row.
    limit: [f32; 2],
    start: Point,
    at: Point,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> Point {
        let [x, y] = map(self.transform, x, y);
        let within = |v: f32, most: f32| {
            if v.is_finite() {
                v.clamp(0.0, most)
            } else {
                0.0
            }
        };
        point(within(x, self.limit[0]), within(y, self.limit[1]))
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.close();
        self.start = self.place(x, y);
        self.at = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_line(self.at, to);
        self.at = to;
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        let (by, to) = (self.place(cx0, cy0), self.place(x, y));
        self.raster.draw_quad(self.at, by, to);
        self.at = to;
    }

    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let (by, and, to) = (self.place(cx0, cy0), self.place(cx1, cy1), self.place(x, y));
        self.raster.draw_cubic(self.at, by, and, to);
        self.at = to;
    }

    fn close(&mut self) {
        let (from, to) = (self.at, self.start);
        self.raster.draw_line(from, to);
        self.at = to;
    }
}
