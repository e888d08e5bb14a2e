//! Unsharp mask on luma: finer detail by the pixels beside each. One pass, which also runs per-pixel steps behind it.

use serde::{Deserialize, Serialize};

use super::point::{PointNumbers, PointOps};
use super::{Built, FilterSettings, Param, VideoFilter, param};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext, Variant};
use crate::gpu::shader::{FILTER_SHARPEN, uniform};
use crate::gpu::texture::GpuFrame;

/// Settings of the sharpening; at no strength it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SharpenSettings {
    /// 0 to 100.
    pub strength: f32,
}

impl FilterSettings for SharpenSettings {
    const NAME: &'static str = "Sharpen";

    const PASSES: Option<&'static str> = Some("filter/sharpen");

    const PARAMS: &'static [Param<Self>] = &[param!(
        strength,
        "Strength",
        0.0..=100.0,
        "",
        "How much sharper"
    )];

    fn start() -> Self {
        Self { strength: 30.0 }
    }

    fn is_noop(&self) -> bool {
        self.strength <= 0.0
    }

    fn build(&self) -> Built {
        Built::Passes(Box::new(Sharpen(*self)))
    }
}

uniform! {
    /// What the pass takes.
    pub(in crate::render) SharpenUniform {
        /// Distance of samples, strength, most change.
        step: [f32; 4],
        /// Steps that follow.
        after: PointNumbers,
    }
}

/// A pixel changes by at most this share of the whole range: edges do not ring.
const MOST: f32 = 0.15;
/// At full strength the detail is doubled and a half.
const GAIN: f32 = 1.5;

struct Sharpen(SharpenSettings);

impl VideoFilter for Sharpen {
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        after: &PointOps,
    ) -> Result<GpuFrame, PassError> {
        let size = input.resolution();
        // as fine on the screen at any size
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let reach = (size.height / 720).max(1) as f32;
        let strength = (self.0.strength / 100.0).clamp(0.0, 1.0) * GAIN;
        let uniform = SharpenUniform {
            step: [reach, 0.0, strength, MOST],
            after: after.numbers(size),
        };
        let plain = FilterPass::plain(&FILTER_SHARPEN);
        let variant = Variant {
            points: after.kinds(),
            ..plain.variant
        };
        cx.filter(&input, FilterPass { variant, ..plain }, uniform)
    }

    fn runs_points(&self) -> bool {
        true
    }
}
