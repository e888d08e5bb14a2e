//! The composed picture in the window: its texture is registered with egui once and again when the engine replaced it;
//! nothing is copied.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eframe::egui;
use eframe::egui_wgpu::RenderState;
use eframe::wgpu;

use super::draft::Picture;
use crate::render::preview::PreviewTexture;

/// Follows the engine's preview texture.
pub struct PreviewView {
    target: Arc<PreviewTexture>,
    renderer: RenderState,
    shown: Option<Shown>,
}

struct Shown {
    generation: u32,
    picture: Picture,
}

impl PreviewView {
    /// Follows `target`, which lies on the same device as `renderer`.
    pub const fn new(target: Arc<PreviewTexture>, renderer: RenderState) -> Self {
        Self {
            target,
            renderer,
            shown: None,
        }
    }

    /// Whether anybody can see the window: the engine does no preview work otherwise.
    pub fn set_visible(&self, visible: bool) {
        self.target.visible.store(visible, Ordering::Relaxed);
    }

    /// The picture to draw now; `None` until the engine has made one.
    pub fn picture(&mut self) -> Option<Picture> {
        // Acquire: a new generation is published after its texture.
        let generation = self.target.generation.load(Ordering::Acquire);
        if self
            .shown
            .as_ref()
            .is_none_or(|shown| shown.generation != generation)
        {
            let texture = self.target.texture.load_full()?;
            let picture = self.register(&texture);
            self.shown = Some(Shown {
                generation,
                picture,
            });
        }
        self.shown.as_ref().map(|shown| shown.picture)
    }

    fn register(&self, texture: &wgpu::Texture) -> Picture {
        let view = texture.create_view(&wgpu::TextureViewDescriptor {
            label: Some("preview in the window"),
            ..Default::default()
        });
        let device = &self.renderer.device;
        let filter = wgpu::FilterMode::Linear;
        let mut renderer = self.renderer.renderer.write();
        let id = if let Some(shown) = &self.shown {
            let id = shown.picture.texture;
            renderer.update_egui_texture_from_wgpu_texture(device, &view, filter, id);
            id
        } else {
            renderer.register_native_texture(device, &view, filter)
        };
        #[expect(clippy::cast_precision_loss, reason = "texture sides are below 2^24")]
        let size = egui::vec2(texture.width() as f32, texture.height() as f32);
        Picture { texture: id, size }
    }
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
