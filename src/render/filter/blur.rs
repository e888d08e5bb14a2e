//! Gaussian blur, of the whole picture or of what lies around a sharp oval (a person before a blurred room). Three passes
//! on a smaller picture, whose size falls with the radius, and one at full size, which also runs per-pixel steps behind it.

use serde::{Deserialize, Serialize};

use super::point::{PointNumbers, PointOps};
use super::{Built, FilterSettings, Param, VideoFilter, param};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext, Variant};
use crate::gpu::shader::{FILTER_BLUR, FILTER_BLUR_MIX, FILTER_SHRINK, uniform};
use crate::gpu::texture::GpuFrame;
use crate::media::video::Resolution;

/// Settings of the blur; at no radius it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlurSettings {
    /// 0 to 100 thousandths of the picture's height (the Gaussian's standard deviation).
    pub radius: f32,
    /// 0 (none) to 100 per cent of the picture: height of the oval that stays sharp.
    pub sharp: f32,
    /// Middle of the oval, per cent of the width.
    pub x: f32,
    /// Middle of the oval, per cent of the height.
    pub y: f32,
}

impl Default for BlurSettings {
    fn default() -> Self {
        Self {
            radius: 0.0,
            sharp: 0.0,
            x: 50.0,
            y: 50.0,
        }
    }
}

impl FilterSettings for BlurSettings {
    const NAME: &'static str = "Blur";

    const PASSES: Option<&'static str> = Some("filter/blur");

    const PARAMS: &'static [Param<Self>] = &[
        param!(
            radius,
            "Radius",
            0.0..=100.0,
            "‰",
            "Of the picture's height"
        ),
        param!(
            sharp,
            "Sharp oval",
            0.0..=100.0,
            "%",
            "Keeps an oval of this height sharp"
        ),
        param!(x, "Left", 0.0..=100.0, "%", "Where it lies across"),
        param!(y, "Top", 0.0..=100.0, "%", "Where it lies downwards"),
    ];

    fn start() -> Self {
        Self {
            radius: 15.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.radius <= 0.0
    }

    fn build(&self) -> Built {
        Built::Passes(Box::new(Blur(*self)))
    }
}

uniform! {
    /// The smaller picture.
    pub(in crate::render) ShrinkUniform {
        /// Pixels for one of the smaller picture.
        step: [f32; 4],
    }
}

uniform! {
    /// One direction.
    pub(in crate::render) BlurUniform {
        /// From sample to sample, falling off.
        step: [f32; 4],
    }
}

uniform! {
    /// The pass at full size.
    pub(in crate::render) BlurMixUniform {
        /// Middle and half sides of the sharp oval.
        sharp: [f32; 4],
        /// Steps that follow.
        after: PointNumbers,
    }
}

/// Standard deviation in texels of the smaller picture: its shader reads 8 texels either way.
const SIGMA: f32 = 3.0;

struct Blur(BlurSettings);

/// Size of the picture that is blurred, and the standard deviation in its texels.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sides of a texture, and smaller"
)]
fn working(size: Resolution, radius: f32) -> (Resolution, f32) {
    let sigma = (radius.clamp(0.0, 100.0) / 1000.0 * size.height as f32).max(0.3);
    let shrink = (sigma / SIGMA).max(1.0);
    let side = |v: u32| ((v as f32 / shrink).round() as u32).max(1);
    let small = Resolution::new(side(size.width), side(size.height));
    (small, sigma * small.height as f32 / size.height as f32)
}

impl VideoFilter for Blur {
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        after: &PointOps,
    ) -> Result<GpuFrame, PassError> {
        let size = input.resolution();
        let (small, sigma) = working(size, self.0.radius);
        #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
        let [x, y] = [small.width, small.height].map(|v| 1.0 / v as f32);
        let fall = 1.0 / (2.0 * sigma * sigma);
        let at_work = |shader| FilterPass {
            size: Some(small),
            ..FilterPass::plain(shader)
        };
        let across = BlurUniform {
            step: [x, 0.0, fall, 0.0],
        };
        let down = BlurUniform {
            step: [0.0, y, fall, 0.0],
        };
        let mut blurred = input.clone();
        if small != size {
            #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
            let scale = [(size.width, small.width), (size.height, small.height)]
                .map(|(from, to)| from as f32 / to as f32);
            let step = [scale[0], scale[1], 0.0, 0.0];
            blurred = cx.filter(&input, at_work(&FILTER_SHRINK), ShrinkUniform { step })?;
        }
        blurred = cx.filter(&blurred, at_work(&FILTER_BLUR), across)?;
        blurred = cx.filter(&blurred, at_work(&FILTER_BLUR), down)?;
        let [sharp, left, top] =
            [self.0.sharp, self.0.x, self.0.y].map(|v| v.clamp(0.0, 100.0) / 100.0);
        // heads and shoulders are about as wide as high
        #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
        let narrow = size.height as f32 / size.width.max(1) as f32;
        let uniform = BlurMixUniform {
            sharp: [left, top, sharp * narrow * 0.5, sharp * 0.5],
            after: after.numbers(size),
        };
        let plain = FilterPass::plain(&FILTER_BLUR_MIX);
        let pass = FilterPass {
            variant: Variant {
                points: after.kinds(),
                ..plain.variant
            },
            extras: &[&blurred],
            ..plain
        };
        cx.filter(&input, pass, uniform)
    }

    fn runs_points(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_is_as_wide_at_every_size_and_never_read_too_far() {
        for size in [
            Resolution::HD,
            Resolution::new(3840, 2160),
            Resolution::new(64, 36),
        ] {
            for radius in [0.5, 5.0, 15.0, 100.0] {
                let (small, sigma) = working(size, radius);
                assert!(sigma <= SIGMA * 1.1, "{size} {radius}: {sigma}");
                assert!(small.width <= size.width && small.width >= 1);
            }
        }
        let share = |size: Resolution| {
            let (small, sigma) = working(size, 15.0);
            f64::from(sigma) / f64::from(small.height)
        };
        let (a, b) = (share(Resolution::HD), share(Resolution::new(3840, 2160)));
        assert!((a - b).abs() < 0.0005, "{a} {b}");
    }
}
