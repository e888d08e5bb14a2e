//! The composed picture in the window: drawn straight from the engine's preview texture by a pipeline of its own;
//! nothing is copied. The bind group is made once and again when the engine replaced the texture.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eframe::egui;
use eframe::egui_wgpu::{Callback, CallbackResources, CallbackTrait, RenderState};
use eframe::wgpu;

use crate::gpu::shader::WINDOW_PREVIEW;
use crate::render::preview::PreviewTexture;

/// A picture the window can draw.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Pixels.
    pub size: egui::Vec2,
    /// Where it lies.
    pub content: Content,
}

/// Where a picture lies.
#[derive(Debug, Clone)]
pub enum Content {
    /// In a texture that egui manages.
    Managed(egui::TextureId),
    /// In the engine's preview texture.
    Engine(Arc<Quad>),
}

impl Picture {
    /// Draws it into `rect`.
    pub fn paint(&self, painter: &egui::Painter, rect: egui::Rect) {
        match &self.content {
            Content::Managed(texture) => {
                let uv = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
                painter.image(*texture, rect, uv, egui::Color32::WHITE);
            }
            Content::Engine(quad) => {
                painter.add(Callback::new_paint_callback(rect, Draw(Arc::clone(quad))));
            }
        }
    }
}

/// The pipeline with a texture bound to it.
#[derive(Debug)]
pub struct Quad {
    pipeline: wgpu::RenderPipeline,
    bind_group: wgpu::BindGroup,
}

struct Draw(Arc<Quad>);

impl CallbackTrait for Draw {
    fn paint(
        &self,
        _: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        _: &CallbackResources,
    ) {
        // egui has set the viewport to the picture's rectangle.
        pass.set_pipeline(&self.0.pipeline);
        pass.set_bind_group(0, &self.0.bind_group, &[]);
        pass.draw(0..3, 0..1);
    }
}

/// Follows the engine's preview texture.
pub struct PreviewView {
    target: Arc<PreviewTexture>,
    device: wgpu::Device,
    pipeline: wgpu::RenderPipeline,
    sampler: wgpu::Sampler,
    shown: Option<(u32, Picture)>,
}

impl PreviewView {
    /// Follows `target`, which lies on the same device as `renderer`.
    pub fn new(target: Arc<PreviewTexture>, renderer: &RenderState) -> Self {
        let device = renderer.device.clone();
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("preview in the window"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Self {
            target,
            pipeline: pipeline(&device, renderer.target_format),
            device,
            sampler,
            shown: None,
        }
    }

    /// Whether anybody can see the window: the engine does no preview work otherwise.
    pub fn set_visible(&self, visible: bool) {
        self.target.visible.store(visible, Ordering::Relaxed);
    }

    /// Whether the left half is to be shown without filters.
    pub fn set_compare(&self, compare: bool) {
        self.target.compare.store(compare, Ordering::Relaxed);
    }

    /// The picture to draw now; `None` until the engine has made one.
    pub fn picture(&mut self) -> Option<Picture> {
        // Acquire: a new generation is published after its texture.
        let generation = self.target.generation.load(Ordering::Acquire);
        if self
            .shown
            .as_ref()
            .is_none_or(|(shown, _)| *shown != generation)
        {
            let texture = self.target.texture.load_full()?;
            self.shown = Some((generation, self.bind(&texture)));
        }
        self.shown.as_ref().map(|(_, picture)| picture.clone())
    }

    fn bind(&self, texture: &wgpu::Texture) -> Picture {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("preview in the window"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: wgpu::BindingResource::TextureView(&view),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::Sampler(&self.sampler),
                },
            ],
        });
        #[expect(clippy::cast_precision_loss, reason = "texture sides are below 2^24")]
        let size = egui::vec2(texture.width() as f32, texture.height() as f32);
        Picture {
            size,
            content: Content::Engine(Arc::new(Quad {
                pipeline: self.pipeline.clone(),
                bind_group,
            })),
        }
    }
}

fn pipeline(device: &wgpu::Device, format: wgpu::TextureFormat) -> wgpu::RenderPipeline {
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(WINDOW_PREVIEW.name),
        source: wgpu::ShaderSource::Wgsl(WINDOW_PREVIEW.code.into()),
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(WINDOW_PREVIEW.name),
        layout: None,
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vs"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fs"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(format.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

/// The largest rectangle of `size`'s aspect in the middle of `area`.
pub fn letterbox(area: egui::Rect, size: egui::Vec2) -> egui::Rect {
    let scale = (area.width() / size.x.max(1.0)).min(area.height() / size.y.max(1.0));
    egui::Rect::from_center_size(area.center(), size * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Rect, pos2, vec2};

    #[test]
    fn the_picture_keeps_its_aspect() {
        let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(400.0, 400.0));
        let wide = letterbox(area, vec2(1280.0, 720.0));
        assert_eq!(
            wide,
            Rect::from_min_size(pos2(10.0, 107.5), vec2(400.0, 225.0))
        );
        let upright = letterbox(area, vec2(720.0, 1280.0));
        assert_eq!(
            upright,
            Rect::from_min_size(pos2(97.5, 20.0), vec2(225.0, 400.0))
        );
    }
}
