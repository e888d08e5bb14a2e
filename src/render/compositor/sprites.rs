//! Watermarks as quads: their pixels on the GPU, uploaded once, and the draws that put them on the composed picture one to
//! one. Render thread.

use std::collections::HashMap;

use super::LayerUniform;
use crate::gpu::context::GpuContext;
use crate::gpu::pass::{Blend, Draw, Variant};
use crate::gpu::shader::LAYER;
use crate::gpu::texture::{GpuFrame, PictureKind, Sampling, TexturePool};
use crate::gpu::upload::upload;
use crate::media::SourceId;
use crate::media::time::MediaTime;
use crate::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use crate::render::geometry::pixels;
use crate::render::overlay::Placed;
use crate::render::overlay::spec::BlendMode;

/// Sprites on the GPU, by their numbers.
#[derive(Debug, Default)]
pub(in crate::render) struct Sprites {
    uploaded: HashMap<u64, GpuFrame>,
}

impl Sprites {
    /// Has all of `placed` on the GPU, and nothing else. One that the adapter does not take is left out: never the whole
    /// picture for a watermark.
    pub(in crate::render) fn upload<'a>(
        &mut self,
        gpu: &GpuContext,
        pool: &mut TexturePool,
        placed: impl Iterator<Item = &'a Placed> + Clone,
    ) {
        self.uploaded
            .retain(|id, _| placed.clone().any(|p| p.sprite.id == *id));
        for one in placed {
            let sprite = &one.sprite;
            if self.uploaded.contains_key(&sprite.id) {
                continue;
            }
            let frame = VideoFrame {
                pts: MediaTime::ZERO,
                source: SourceId(0),
                seq: 0,
                resolution: Resolution::new(sprite.width, sprite.height),
                data: FrameData::Rgba(Plane {
                    data: sprite.rgba.clone(),
                    stride: sprite.width as usize * 4,
                }),
                color: ColorSpec::default(),
            };
            match upload(gpu, pool, &frame) {
                Ok(picture) => {
                    self.uploaded.insert(sprite.id, picture);
                }
                Err(error) => tracing::debug!(error = %error, "watermark not uploaded"),
            }
        }
    }

    /// One draw for each of `placed`, in order.
    pub(in crate::render) fn draws(
        &self,
        placed: &[Placed],
        output: Resolution,
    ) -> Vec<Draw<'_, LayerUniform>> {
        placed
            .iter()
            .filter_map(|one| {
                let input = self.uploaded.get(&one.sprite.id)?;
                Some(draw(one, one.area()?, input, output))
            })
            .collect()
    }
}

fn draw<'a>(
    placed: &Placed,
    [left, top, right, bottom]: [i32; 4],
    input: &'a GpuFrame,
    output: Resolution,
) -> Draw<'a, LayerUniform> {
    let [width, height] = [placed.sprite.width, placed.sprite.height].map(pixels);
    let size = [(right - left) as f32, (bottom - top) as f32];
    let area = [left, top, right, bottom].map(|v| v as f32);
    let mut uniform = LayerUniform::filling(area, output);
    uniform.show(
        [
            (left - placed.x) as f32 / width,
            (top - placed.y) as f32 / height,
            size[0] / width,
            size[1] / height,
        ],
        placed.opacity,
    );
    Draw {
        variant: Variant {
            option: Some("LAYER_PREMULTIPLIED"),
            layer: Some(match placed.blend {
                BlendMode::Normal => Blend::Over,
                BlendMode::Multiply => Blend::Multiply,
                BlendMode::Screen => Blend::Screen,
                BlendMode::Add => Blend::Add,
            }),
            ..Variant::plain(&LAYER, PictureKind::Rgba)
        },
        input,
        sampling: Sampling::Nearest,
        uniform,
        viewport: None,
    }
}
