//! Squares of one colour over a part of the picture: a number plate, a chat, a face. One pass.

use serde::{Deserialize, Serialize};

use super::point::PointOps;
use super::{Built, FilterSettings, FilterSpec, Param, Updated, VideoFilter, param};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext};
use crate::gpu::shader::{FILTER_PIXELATE, uniform};
use crate::gpu::texture::GpuFrame;

/// Settings of the pixelated part; without a size it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PixelateSettings {
    /// Left edge, per cent of the width.
    pub x: f32,
    /// Top edge, per cent of the height.
    pub y: f32,
    /// Per cent of the width.
    pub width: f32,
    /// Per cent of the height.
    pub height: f32,
    /// Side of a square, per cent of the height.
    pub square: f32,
}

impl Default for PixelateSettings {
    fn default() -> Self {
        Self {
            x: 40.0,
            y: 40.0,
            width: 0.0,
            height: 0.0,
            square: 3.0,
        }
    }
}

impl FilterSettings for PixelateSettings {
    const NAME: &'static str = "Pixelate";

    const PARAMS: &'static [Param<Self>] = &[
        param!(x, "Left", 0.0..=100.0, "%", "Where it lies across"),
        param!(y, "Top", 0.0..=100.0, "%", "Where it lies downwards"),
        param!(width, "Width", 0.0..=100.0, "%", "How wide the part is"),
        param!(height, "Height", 0.0..=100.0, "%", "How high the part is"),
        param!(
            square,
            "Squares",
            0.5..=20.0,
            "%",
            "Side of a square, of the picture's height"
        ),
    ];

    fn start() -> Self {
        Self {
            width: 20.0,
            height: 20.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.width <= 0.0 || self.height <= 0.0
    }

    fn build(&self) -> Built {
        Built::Passes(Box::new(Pixelate(*self)))
    }
}

uniform! {
    /// What the pass takes.
    pub(in crate::render) PixelateUniform {
        /// Left, top, right, bottom.
        area: [f32; 4],
        /// Sides of a square.
        square: [f32; 4],
    }
}

struct Pixelate(PixelateSettings);

impl VideoFilter for Pixelate {
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        _: &PointOps,
    ) -> Result<GpuFrame, PassError> {
        let PixelateSettings {
            x,
            y,
            width,
            height,
            square,
        } = self.0;
        let [x, y, width, height, square] =
            [x, y, width, height, square.max(0.5)].map(|v| v / 100.0);
        let size = input.resolution();
        #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
        let narrow = size.height as f32 / size.width.max(1) as f32;
        let uniform = PixelateUniform {
            area: [x, y, x + width, y + height],
            square: [square * narrow, square, 0.0, 0.0],
        };
        cx.filter(&input, FilterPass::plain(&FILTER_PIXELATE), uniform)
    }

    fn update(&mut self, spec: &FilterSpec) -> Updated {
        match spec.settings() {
            Some(settings) => {
                self.0 = *settings;
                Updated::Live
            }
            None => Updated::Rebuild,
        }
    }
}
