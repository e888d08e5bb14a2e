//! Composed pictures: the filters of a scene, its layers in one pass, and in a fade two such pictures, one laid over the
//! other. Render thread.

use super::layer::layer_draw;
use super::{Job, LayerUniform, Recorder};
use crate::gpu::PassError;
use crate::gpu::pass::{Blend, Draw, PassContext, Variant};
use crate::gpu::shader::LAYER;
use crate::gpu::texture::{GpuFrame, PictureKey, PictureKind, Sampling};
use crate::media::time::MediaTime;
use crate::render::filter::FilterChain;
use crate::render::geometry::pixels;
use crate::render::overlay::Placed;
use crate::render::plan::{Drawn, is_active};
use crate::render::scene::Scene;

/// The scene below one that fades in.
pub(in crate::render) struct Leaving<'a> {
    pub(in crate::render) scene: &'a Scene,
    pub(in crate::render) drawn: &'a [Drawn],
    pub(in crate::render) overlays: &'a [Placed],
    /// How much is seen of the other one, 0 to 1.
    pub(in crate::render) share: f32,
}

/// The running filters of a scene.
#[derive(Default)]
pub(super) struct Chains {
    pub(super) layers: Vec<FilterChain>,
    pub(super) whole: FilterChain,
}

impl Chains {
    pub(super) fn sync(&mut self, scene: &Scene, at_once: bool) {
        self.whole.sync(None, &scene.filters, at_once);
        self.layers
            .resize_with(scene.layers.len(), FilterChain::default);
        for (chain, layer) in self.layers.iter_mut().zip(&scene.layers) {
            chain.sync(Some(&layer.source), &layer.filters, at_once);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &FilterChain> {
        self.layers.iter().chain(std::iter::once(&self.whole))
    }
}

/// A scene with the pictures of its layers.
struct Part<'a> {
    scene: &'a Scene,
    drawn: &'a [Drawn],
    overlays: &'a [Placed],
    inputs: &'a [GpuFrame],
}

/// The filters of each layer.
pub(super) fn filter_layers(
    cx: &mut PassContext<'_>,
    chains: &mut Chains,
    drawn: &[Drawn],
    inputs: &mut [GpuFrame],
) {
    for (layer, input) in drawn.iter().zip(inputs) {
        if layer.filtered {
            *input = chains.layers[layer.index].apply(cx, input.clone());
        }
    }
}

/// The pass that lays a composed picture over another.
pub(super) fn variant() -> Variant {
    Variant {
        layer: Some(Blend::Over),
        ..Variant::plain(&LAYER, PictureKind::Rgb)
    }
}

impl Recorder<'_, '_> {
    /// The composed picture, with what fades out below it; into the preview where there is one.
    pub(super) fn compose_all(
        &mut self,
        job: &Job<'_>,
        inputs: &[GpuFrame],
        mut below: Vec<GpuFrame>,
    ) -> Result<GpuFrame, PassError> {
        let preview = job.preview.as_ref();
        let above = Part {
            scene: job.scene,
            drawn: job.drawn,
            overlays: job.overlays,
            inputs,
        };
        let Some(leaving) = &job.leaving else {
            return self.compose(&above, false, preview);
        };
        let upper = self.compose(&above, false, None)?;
        filter_layers(self.cx, self.leaving, leaving.drawn, &mut below);
        let part = Part {
            scene: leaving.scene,
            drawn: leaving.drawn,
            overlays: leaving.overlays,
            inputs: &below,
        };
        let lower = self.compose(&part, true, None)?;
        self.lay_over(&lower, &upper, leaving.share)?;
        self.copy_to_preview(&lower, preview);
        Ok(lower)
    }

    /// All layers in one pass, then the filters of the whole picture; into the preview where there is one.
    fn compose(
        &mut self,
        part: &Part<'_>,
        leaving: bool,
        preview: Option<&GpuFrame>,
    ) -> Result<GpuFrame, PassError> {
        let filtered = is_active(&part.scene.filters);
        let pts = part
            .drawn
            .iter()
            .find_map(|d| d.frame.as_ref())
            .map_or(MediaTime::ZERO, |f| f.pts);
        let target = match preview {
            Some(preview) if !filtered => preview.clone(),
            _ => self
                .cx
                .pool
                .get(PictureKey::target(PictureKind::Rgb, self.output), pts)?,
        };
        let mut draws: Vec<_> = part
            .drawn
            .iter()
            .zip(part.inputs)
            .map(|(layer, input)| layer_draw(layer, input, self.output))
            .collect();
        let overlays = self.sprites.draws(part.overlays, self.output);
        if !filtered {
            draws.extend(overlays);
            self.cx.draw("compose", target.picture().view(), &draws)?;
            return Ok(target);
        }
        self.cx.draw("compose", target.picture().view(), &draws)?;
        let chains = if leaving {
            &mut *self.leaving
        } else {
            &mut *self.chains
        };
        let composed = chains.whole.apply(self.cx, target);
        if !overlays.is_empty() {
            let view = composed.picture().view();
            self.cx.draw_onto("watermarks", view, &overlays)?;
        }
        self.copy_to_preview(&composed, preview);
        Ok(composed)
    }

    fn copy_to_preview(&mut self, composed: &GpuFrame, preview: Option<&GpuFrame>) {
        if let Some(preview) = preview {
            let (from, to) = (
                &composed.picture().planes()[0],
                &preview.picture().planes()[0],
            );
            self.cx.encoder.copy_texture_to_texture(
                from.as_image_copy(),
                to.as_image_copy(),
                to.size(),
            );
        }
    }

    /// Draws `upper` onto `below`, as far as its share goes.
    fn lay_over(
        &mut self,
        below: &GpuFrame,
        upper: &GpuFrame,
        share: f32,
    ) -> Result<(), PassError> {
        let [width, height] = [self.output.width, self.output.height].map(pixels);
        let mut uniform = LayerUniform::filling([0.0, 0.0, width, height], self.output);
        uniform.show([0.0, 0.0, 1.0, 1.0], share);
        let draw = Draw {
            variant: variant(),
            input: upper,
            sampling: Sampling::Nearest,
            uniform,
            viewport: None,
        };
        self.cx.draw_onto("fade", below.picture().view(), &[draw])?;
        *self.cx.passes += 1;
        Ok(())
    }
}
