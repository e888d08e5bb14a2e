//! A layer as a quad: its place for the shader, and how finely its picture is read. Render thread.

use crate::gpu::pass::{Blend, Draw, Variant};
use crate::gpu::shader::{LAYER, uniform};
use crate::gpu::texture::{GpuFrame, Sampling};
use crate::media::video::Resolution;
use crate::render::geometry::{Quad, pixels};
use crate::render::plan::Drawn;

uniform! {
    /// One layer's place, as its shader takes it.
    pub(in crate::render) LayerUniform {
        /// Unit square to clip space, x.
        clip_x: [f32; 4],
        /// Unit square to clip space, y.
        clip_y: [f32; 4],
        /// Part of the picture that is shown.
        uv: [f32; 4],
        /// Where the picture may be read.
        bounds: [f32; 4],
        /// Size in output pixels, opacity.
        size_opacity: [f32; 4],
    }
}

impl LayerUniform {
    /// All of a picture on `area` (left, top, right, bottom in pixels) of an output of this size.
    pub(in crate::render) fn filling(
        [left, top, right, bottom]: [f32; 4],
        output: Resolution,
    ) -> Self {
        let [width, height] = [output.width, output.height].map(pixels);
        let size = [right - left, bottom - top];
        Self {
            clip_x: [2.0 * size[0] / width, 0.0, 2.0 * left / width - 1.0, 0.0],
            clip_y: [0.0, -2.0 * size[1] / height, 1.0 - 2.0 * top / height, 0.0],
            uv: [0.0, 0.0, 1.0, 1.0],
            bounds: [0.0, 0.0, 1.0, 1.0],
            size_opacity: [size[0], size[1], 1.0, 0.0],
        }
    }

    /// Only the part `uv` of the picture (left, top, width, height as shares), faded.
    pub(super) const fn show(&mut self, uv: [f32; 4], opacity: f32) {
        self.uv = uv;
        self.size_opacity[2] = opacity;
    }
}

/// How many samples across and down are averaged for an output pixel, so that each source pixel counts about as much as
/// the next and fine lines do not flicker. One sample between pixels is the mean of two across: exact where it falls on
/// their border, which it does where an even number of them makes one.
pub(super) fn taps(quad: &Quad, source: Resolution) -> u8 {
    /// One sample for so many pixels still is a fair mean.
    const ENOUGH: f32 = 1.25;
    /// Up to here one sample will do: what a full-HD source on a 720p picture costs counts on software adapters.
    const FEW: f32 = 2.0;
    /// 64 samples; 4K becomes 384 lines.
    const MOST: f32 = 8.0;
    let shrink = quad.shrink(source);
    let pairs = shrink / 2.0;
    let taps = match () {
        () if shrink <= FEW => 1.0,
        () if (pairs - pairs.round()).abs() < 0.01 => pairs.round(),
        () => (shrink / ENOUGH).ceil(),
    };
    taps.min(MOST) as u8
}

/// The draw of a layer that shows `input`.
pub(super) fn layer_draw<'a>(
    layer: &Drawn,
    input: &'a GpuFrame,
    output: Resolution,
) -> Draw<'a, LayerUniform> {
    let quad = &layer.quad;
    let source = input.resolution();
    let [clip_x, clip_y] = quad.clip(output);
    let kind = input.picture().key().kind;
    let soft = !quad.is_upright();
    let replaces = kind.is_opaque() && layer.opacity >= 1.0 && !soft;
    Draw {
        variant: Variant {
            taps: taps(quad, source),
            option: soft.then_some("LAYER_SOFT_EDGE"),
            layer: Some(if replaces {
                Blend::Replace
            } else {
                Blend::Over
            }),
            ..Variant::plain(&LAYER, kind)
        },
        input,
        sampling: if quad.is_pixel_exact(source) {
            Sampling::Nearest
        } else {
            Sampling::Linear
        },
        uniform: LayerUniform {
            clip_x,
            clip_y,
            uv: quad.directed_uv(),
            bounds: quad.bounds(source),
            size_opacity: [quad.size[0], quad.size[1], layer.opacity, 0.0],
        },
        viewport: None,
    }
}
