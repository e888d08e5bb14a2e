//! Beauty: skin smoothing that leaves pores, hair, eyes, text and the room alone, whitening, ruddiness, and sharpening of
//! what is not smoothed.
//!
//! Everything that looks beyond a pixel happens on a working picture 180 pixels on its short side, whatever the size of the
//! input: so a look is the same at every size, and three of the four passes cost little. Its steps: average down with a skin
//! probability; an edge-preserving mean, along rows and then along columns, that also notices texture such as hair or wood;
//! the variance that noise does not explain, as a guided filter takes it, tells edges. At full size each pixel then moves
//! towards the smoothed colour as far as skin, texture and edges allow, unless it is far from it by itself (a hair).
//! "Edge" is judged on red less a little green, in which blemishes hardly show: so they go and shadows stay.
//! Render thread.

use serde::{Deserialize, Serialize};

use super::point::{PointNumbers, PointOps};
use super::{Built, FilterSettings, Param, VideoFilter, param};
use crate::gpu::PassError;
use crate::gpu::pass::{FilterPass, PassContext, Quality, Variant};
use crate::gpu::shader::{
    FILTER_BEAUTY, FILTER_BEAUTY_ACROSS, FILTER_BEAUTY_DOWN, FILTER_BEAUTY_SHRINK, ShaderSource,
    uniform,
};
use crate::gpu::texture::GpuFrame;
use crate::media::video::Resolution;

/// Settings of the beauty filter, each 0 to 100; the default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BeautySettings {
    /// The switch; the numbers stay while it is off.
    pub on: bool,
    /// How even skin becomes.
    pub smoothing: f32,
    /// How much lighter skin becomes.
    pub whitening: f32,
    /// How much rosier skin becomes.
    pub ruddiness: f32,
    /// How much sharper everything but skin becomes.
    pub sharpening: f32,
}

impl Default for BeautySettings {
    fn default() -> Self {
        Self::preset(0.0, 0.0, 0.0, 0.0)
    }
}

impl BeautySettings {
    /// Hardly to be noticed: what the switch turns on.
    pub const NATURAL: Self = Self::preset(50.0, 20.0, 10.0, 15.0);
    /// Light and crisp.
    pub const CLEAR: Self = Self::preset(60.0, 40.0, 5.0, 35.0);
    /// Warm cheeks.
    pub const ROSY: Self = Self::preset(60.0, 25.0, 45.0, 20.0);
    /// All of it.
    pub const STRONG: Self = Self::preset(100.0, 60.0, 30.0, 40.0);

    /// The presets with their names in English (the panel translates).
    pub const PRESETS: [(&'static str, Self); 4] = [
        ("Natural", Self::NATURAL),
        ("Clear", Self::CLEAR),
        ("Rosy", Self::ROSY),
        ("Strong", Self::STRONG),
    ];

    const fn preset(smoothing: f32, whitening: f32, ruddiness: f32, sharpening: f32) -> Self {
        Self {
            on: true,
            smoothing,
            whitening,
            ruddiness,
            sharpening,
        }
    }

    fn amounts(&self) -> [f32; 4] {
        let Self {
            on: _,
            smoothing,
            whitening,
            ruddiness,
            sharpening,
        } = *self;
        // a settings file may say anything
        [smoothing, whitening, ruddiness, sharpening].map(|v| v.clamp(0.0, 100.0) / 100.0)
    }
}

impl FilterSettings for BeautySettings {
    const NAME: &'static str = "Beauty";

    const PASSES: Option<&'static str> = Some("filter/beauty");

    const PARAMS: &'static [Param<Self>] = &[
        param!(
            smoothing,
            "Smoothing",
            0.0..=100.0,
            "",
            "Evens skin out; hair, eyes and text stay sharp"
        ),
        param!(
            whitening,
            "Whitening",
            0.0..=100.0,
            "",
            "Lightens skin without washing it out"
        ),
        param!(
            ruddiness,
            "Ruddiness",
            0.0..=100.0,
            "",
            "Gives skin a rosier tone"
        ),
        param!(
            sharpening,
            "Sharpening",
            0.0..=100.0,
            "",
            "Sharpens everything that is not smoothed"
        ),
    ];

    fn start() -> Self {
        Self::NATURAL
    }

    fn build(&self) -> Built {
        Built::Passes(Box::new(BeautyFilter { settings: *self }))
    }

    fn is_noop(&self) -> bool {
        !self.on || self.amounts() == [0.0; 4]
    }
}

uniform! {
    /// Step 1.
    pub(in crate::render) BeautyShrinkUniform {
        /// Pixels for one of the working picture.
        step: [f32; 4],
    }
}

uniform! {
    /// Step 2.
    pub(in crate::render) BeautyAcrossUniform {
        /// One over the range.
        step: [f32; 4],
        /// From, to, at most.
        texture: [f32; 4],
    }
}

uniform! {
    /// Step 3.
    pub(in crate::render) BeautyDownUniform {
        /// One over the range.
        step: [f32; 4],
        /// From, to, at most.
        texture: [f32; 4],
        /// Noise, softness.
        edge: [f32; 4],
        /// One over the range, gain.
        skin: [f32; 4],
    }
}

uniform! {
    /// Step 4.
    pub(in crate::render) BeautyUniform {
        /// Smoothing, whitening, ruddiness, sharpening.
        amount: [f32; 4],
        /// Distance of samples in pixels, own detail from and one over its width.
        shape: [f32; 4],
        /// Steps that follow.
        after: PointNumbers,
    }
}

// Levels of 255 on the guide (see the shaders), tuned on charts of six skin tones with noise and on footage.
/// Two places are alike within this difference.
const RANGE: f32 = 12.0;
/// Mean difference of neighbours where texture begins and is certain, along rows and along columns (which were smoothed).
const TEXTURE_ACROSS: [f32; 2] = [5.5, 8.5];
const TEXTURE_DOWN: [f32; 2] = [4.5, 7.0];
/// A single edge is not texture.
const TEXTURE_MOST: f32 = 10.0;
/// Variance that noise explains, and how much more of it is an edge.
const NOISE: f32 = 14.0;
const EDGE: f32 = 40.0;
/// A pixel this far from its smoothed colour is something of its own: from, wholly.
const OWN: [f32; 2] = [34.0, 70.0];
/// At full smoothing a share of every pixel's own stays: skin without pores is plastic.
const MOST: f32 = 0.82;
/// The toned part: range of what is alike, and how little skin around is enough.
const MASK_RANGE: f32 = 20.0;
const MASK_GAIN: f32 = 1.5;
/// Short side of the working picture.
const WORKING_SIDE: u32 = 180;

struct BeautyFilter {
    settings: BeautySettings,
}

/// Size of the working picture for an input.
fn working_size(input: Resolution, side: u32) -> Resolution {
    let short = input.width.min(input.height).max(1);
    let side = side.min(short);
    let scaled = |v: u32| ((v * side + short / 2) / short).max(1);
    Resolution::new(scaled(input.width), scaled(input.height))
}

const fn levels(v: f32) -> f32 {
    v / 255.0
}

impl BeautyFilter {
    /// Steps 1 to 3: the smoothed colour with what may move towards it, and the skin that is toned.
    fn smooth(
        cx: &mut PassContext<'_>,
        input: &GpuFrame,
        size: Resolution,
        tone: bool,
    ) -> Result<GpuFrame, PassError> {
        let full = input.resolution();
        #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
        let scale = [(full.width, size.width), (full.height, size.height)]
            .map(|(from, to)| from as f32 / to as f32);
        let at_work = |shader| FilterPass {
            size: Some(size),
            ..FilterPass::plain(shader)
        };
        let plain = at_work(&FILTER_BEAUTY_SHRINK);
        let by_four = full.width == size.width * 4 && full.height == size.height * 4;
        let shrink = FilterPass {
            variant: Variant {
                option: by_four.then_some("BEAUTY_BY_FOUR"),
                ..plain.variant
            },
            ..plain
        };
        let small = cx.filter(
            input,
            shrink,
            BeautyShrinkUniform {
                step: [scale[0], scale[1], 0.0, 0.0],
            },
        )?;
        let step = [1.0 / levels(RANGE), 0.0, 0.0, 0.0];
        let texture = |[from, to]: [f32; 2]| [from, to, TEXTURE_MOST, 0.0].map(levels);
        let across = cx.filter(
            &small,
            at_work(&FILTER_BEAUTY_ACROSS),
            BeautyAcrossUniform {
                step,
                texture: texture(TEXTURE_ACROSS),
            },
        )?;
        let plain = at_work(&FILTER_BEAUTY_DOWN);
        let down = FilterPass {
            variant: Variant {
                option: (!tone).then_some("BEAUTY_PLAIN"),
                ..plain.variant
            },
            extras: &[&small],
            ..plain
        };
        cx.filter(
            &across,
            down,
            BeautyDownUniform {
                step,
                texture: texture(TEXTURE_DOWN),
                edge: [levels(levels(NOISE)), levels(levels(EDGE)), 0.0, 0.0],
                skin: [1.0 / levels(MASK_RANGE), MASK_GAIN, 0.0, 0.0],
            },
        )
    }
}

impl VideoFilter for BeautyFilter {
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        after: &PointOps,
    ) -> Result<GpuFrame, PassError> {
        let side = match cx.quality {
            Quality::Full => WORKING_SIDE,
            Quality::Medium => WORKING_SIDE * 2 / 3,
            Quality::Low => WORKING_SIDE / 2,
        };
        let size = working_size(input.resolution(), side);
        let [smoothing, whitening, ruddiness, sharpening] = self.settings.amounts();
        let tone = whitening > 0.0 || ruddiness > 0.0;
        let smoothed = Self::smooth(cx, &input, size, tone)?;
        // fine detail is as fine on the screen at any size
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let reach = (input.resolution().height.min(input.resolution().width) / 720).max(1) as f32;
        let uniform = BeautyUniform {
            amount: [smoothing * MOST, whitening, ruddiness, sharpening * 1.5],
            shape: [reach, 0.0, levels(OWN[0]), 1.0 / levels(OWN[1] - OWN[0])],
            after: after.numbers(input.resolution()),
        };
        let plain = FilterPass::plain(&FILTER_BEAUTY);
        let pass = FilterPass {
            variant: Variant {
                fragment: fragment(&FILTER_BEAUTY, tone, sharpening > 0.0),
                option: (reach < 1.5).then_some("BEAUTY_NEAR"),
                points: after.kinds(),
                ..plain.variant
            },
            extras: &[&smoothed],
            ..plain
        };
        cx.filter(&input, pass, uniform)
    }

    fn runs_points(&self) -> bool {
        true
    }
}

fn fragment(shader: &ShaderSource, tone: bool, sharpen: bool) -> &'static str {
    shader.fragments[usize::from(tone) + 2 * usize::from(sharpen)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_picture_has_the_same_size_at_every_resolution() {
        let size = |w, h| working_size(Resolution::new(w, h), WORKING_SIDE);
        let wide = Resolution::new(320, 180);
        assert_eq!(
            [size(1280, 720), size(1920, 1080), size(3840, 2160)],
            [wide; 3]
        );
        assert_eq!(size(1080, 1920), Resolution::new(180, 320));
        assert_eq!(size(160, 90), Resolution::new(160, 90), "never larger");
        assert_eq!(size(1, 1), Resolution::new(1, 1));
    }

    #[test]
    fn nothing_wanted_is_nothing_done() {
        assert!(BeautySettings::default().is_noop());
        let off = BeautySettings {
            on: false,
            ..BeautySettings::STRONG
        };
        assert!(off.is_noop());
        for (name, preset) in BeautySettings::PRESETS {
            assert!(!preset.is_noop(), "{name}");
        }
    }

    #[test]
    fn entry_points_are_by_kind_of_work() {
        let name = |tone, sharpen| fragment(&FILTER_BEAUTY, tone, sharpen);
        assert_eq!(name(false, false), "smooth_only");
        assert_eq!(name(true, false), "smooth_tone");
        assert_eq!(name(false, true), "smooth_sharpen");
        assert_eq!(name(true, true), "smooth_tone_sharpen");
    }
}
