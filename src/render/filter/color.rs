//! Colour: brightness, contrast, saturation, gamma. One pass of `shaders/filter/color.wgsl`; the pattern for filters.

use serde::{Deserialize, Serialize};

use super::{FilterSettings, FilterSpec, Param, Updated, VideoFilter};
use crate::gpu::PassError;
use crate::gpu::pass::PassContext;
use crate::gpu::shader::{FILTER_COLOR, uniform};
use crate::gpu::texture::GpuFrame;

/// Settings of the colour filter; the default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorSettings {
    /// −1 to 1; added to each channel.
    pub brightness: f32,
    /// 0 to 2; about mid grey.
    pub contrast: f32,
    /// 0 (grey) to 2.
    pub saturation: f32,
    /// 0.2 to 5; above 1 lightens the middle.
    pub gamma: f32,
}

impl Default for ColorSettings {
    fn default() -> Self {
        Self {
            brightness: 0.0,
            contrast: 1.0,
            saturation: 1.0,
            gamma: 1.0,
        }
    }
}

impl FilterSettings for ColorSettings {
    const PARAMS: &'static [Param<Self>] = &[
        Param {
            label: "Brightness",
            help: "Adds to or takes from all colours",
            range: -1.0..=1.0,
            unit: "",
            get: |s| s.brightness,
            set: |s, v| s.brightness = v,
        },
        Param {
            label: "Contrast",
            help: "Spreads colours away from mid grey",
            range: 0.0..=2.0,
            unit: "",
            get: |s| s.contrast,
            set: |s, v| s.contrast = v,
        },
        Param {
            label: "Saturation",
            help: "From grey (0) to twice as colourful (2)",
            range: 0.0..=2.0,
            unit: "",
            get: |s| s.saturation,
            set: |s, v| s.saturation = v,
        },
        Param {
            label: "Gamma",
            help: "Above 1 lightens the middle, black and white stay",
            range: 0.2..=5.0,
            unit: "",
            get: |s| s.gamma,
            set: |s, v| s.gamma = v,
        },
    ];

    fn build(&self) -> Box<dyn VideoFilter> {
        Box::new(ColorFilter { settings: *self })
    }
}

uniform! {
    /// Settings as the shader takes them.
    pub(in crate::render) ColorUniform {
        /// Added to each channel.
        brightness: f32,
        /// Factor about mid grey.
        contrast: f32,
        /// 0 grey, 1 unchanged.
        saturation: f32,
        /// 1 / gamma.
        exponent: f32,
    }
}

struct ColorFilter {
    settings: ColorSettings,
}

impl VideoFilter for ColorFilter {
    fn apply(&mut self, cx: &mut PassContext<'_>, input: GpuFrame) -> Result<GpuFrame, PassError> {
        let ColorSettings {
            brightness,
            contrast,
            saturation,
            gamma,
        } = self.settings;
        if self.settings == ColorSettings::default() {
            return Ok(input);
        }
        let exponent = 1.0 / gamma.max(0.01); // a settings file may say 0
        let has_gamma = (exponent - 1.0).abs() > f32::EPSILON;
        let uniform = ColorUniform {
            brightness,
            contrast,
            saturation,
            exponent,
        };
        cx.filter(
            &input,
            &FILTER_COLOR,
            has_gamma.then_some("COLOR_GAMMA"),
            uniform,
        )
    }

    fn update(&mut self, spec: &FilterSpec) -> Updated {
        match spec.settings() {
            Some(settings) => {
                self.settings = *settings;
                Updated::Live
            }
            None => Updated::Rebuild,
        }
    }
}
