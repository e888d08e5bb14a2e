//! Squares of one colour over a part of the picture: a number plate, a chat, a face. Each is the mean of all
//! pixels that it hides, and has at least 8 of them each way. One small pass and one at full size.

use serde::{Deserialize, Serialize};

use super::point::PointOps;
use super::{Built, FilterSettings, Param, VideoFilter, param};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext};
use crate::gpu::shader::{FILTER_PIXELATE, FILTER_PIXELATE_MEAN, uniform};
use crate::gpu::texture::GpuFrame;
use crate::media::video::Resolution;

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

    const PASSES: Option<&'static str> = Some("filter/pixelate");

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
    /// What both passes take.
    pub(in crate::render) PixelateUniform {
        /// Left, top, right, bottom in pixels.
        area: [f32; 4],
        /// Side of a square in pixels, nothing, size of the picture.
        square: [f32; 4],
    }
}

/// Smallest side of a square in pixels: lettering can be made out through smaller ones.
const SMALLEST: f32 = 8.0;

/// Where the squares lie on a picture of this size, and how many they are; `None` when they are beside it. The part grows
/// to whole pixels.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of a texture, and smaller"
)]
fn layout(settings: &PixelateSettings, size: Resolution) -> Option<(PixelateUniform, Resolution)> {
    let [width, height] = [size.width, size.height].map(|v| v as f32);
    let share = |v: f32, of: f32| (v / 100.0 * of).clamp(0.0, of);
    // what rounding adds or takes is no pixel
    let low = |v: f32, of: f32| (share(v, of) + 0.01).floor();
    let high = |v: f32, of: f32| (share(v, of) - 0.01).ceil();
    let [left, top] = [low(settings.x, width), low(settings.y, height)];
    let right = high(settings.x + settings.width, width);
    let bottom = high(settings.y + settings.height, height);
    let side = share(settings.square, height).round().max(SMALLEST);
    let count = |from: f32, to: f32| ((to - from) / side).ceil().max(0.0) as u32;
    let squares = Resolution::new(count(left, right), count(top, bottom));
    let uniform = PixelateUniform {
        area: [left, top, right, bottom],
        square: [side, 0.0, width, height],
    };
    (squares.width > 0 && squares.height > 0).then_some((uniform, squares))
}

struct Pixelate(PixelateSettings);

impl VideoFilter for Pixelate {
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        _: &PointOps,
    ) -> Result<GpuFrame, PassError> {
        let Some((uniform, squares)) = layout(&self.0, input.resolution()) else {
            return Ok(input);
        };
        let mean = FilterPass {
            size: Some(squares),
            ..FilterPass::plain(&FILTER_PIXELATE_MEAN)
        };
        let squares = cx.filter(&input, mean, uniform)?;
        let pass = FilterPass {
            extras: &[&squares],
            ..FilterPass::plain(&FILTER_PIXELATE)
        };
        cx.filter(&input, pass, uniform)
    }

    fn hidden(&self, size: Resolution) -> Option<[f32; 4]> {
        layout(&self.0, size).map(|(uniform, _)| uniform.area)
    }
}
