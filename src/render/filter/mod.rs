//! Filters on a layer or on the whole picture.
//!
//! Adding one: a file here (settings with serde defaults, its [`Param`] table, a [`VideoFilter`] or steps of
//! `shaders/common/point.wgsl`), a shader under `shaders/filter/` with its line in `gpu::shader`, and one line in the list
//! below. The panel draws its sliders from the table, so no window code changes. Filters run on the render thread.

pub mod beauty;
pub mod blur;
mod chain;
pub mod color;
mod cover;
pub mod key;
pub mod look;
pub mod lut;
pub mod pixelate;
pub mod point;
pub mod sharpen;
pub mod tables;
pub mod vignette;

use serde::{Deserialize, Serialize};

use crate::gpu::PassError;
use crate::gpu::pass::PassContext;
use crate::gpu::texture::GpuFrame;
use crate::gpu::timer::PassTime;
use crate::media::video::Resolution;
pub(super) use chain::FilterChain;
use point::{PointOps, PointStep};

/// Most filters of a layer, and of the whole picture.
pub const MOST_FILTERS: usize = 16;

/// A filter with passes of its own, at work.
pub trait VideoFilter: Send {
    /// Records passes from `input` into a picture of the pool, the last of which also does `after` (empty unless
    /// [`runs_points`](Self::runs_points)). Returns `input` untouched, and records nothing, when nothing is to be changed.
    fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
        after: &PointOps,
    ) -> Result<GpuFrame, PassError>;

    /// Its last pass can do per-pixel steps that follow it.
    fn runs_points(&self) -> bool {
        false
    }

    /// The part of a picture of this size (left, top, right, bottom in pixels) that nobody may see: it is covered while the
    /// filter cannot run.
    fn hidden(&self, size: Resolution) -> Option<[f32; 4]> {
        let _ = size;
        None
    }
}

/// What a filter's settings become.
pub enum Built {
    /// Steps that change each pixel by itself: neighbours in the chain share one pass.
    Points(Vec<PointStep>),
    /// Passes of its own.
    Passes(Box<dyn VideoFilter>),
}

/// One number of a filter as the panel shows it. `S` is the filter's settings struct.
pub struct Param<S> {
    /// Name in the settings file.
    pub field: &'static str,
    /// Name, in English (the panel translates).
    pub label: &'static str,
    /// What it does, one line.
    pub help: &'static str,
    /// Lowest and highest value.
    pub range: std::ops::RangeInclusive<f32>,
    /// Unit behind the number, or "".
    pub unit: &'static str,
    /// Reads the value.
    pub get: fn(&S) -> f32,
    /// Writes the value.
    pub set: fn(&mut S, f32),
}

/// A [`Param`] of a field of the same settings: `param!(field, "Label", range, "unit", "help")`.
macro_rules! param {
    ($field:ident, $label:literal, $range:expr, $unit:literal, $help:literal) => {
        $crate::render::filter::Param {
            field: stringify!($field),
            label: $label,
            range: $range,
            unit: $unit,
            help: $help,
            get: |s| s.$field,
            set: |s, v| s.$field = v,
        }
    };
}
pub(crate) use param;

/// Settings of one kind of filter; the default changes nothing.
pub trait FilterSettings: Default + PartialEq + Sized + 'static {
    /// What it is called in English (the panel translates).
    const NAME: &'static str;

    /// What the names of its passes begin with, if it has passes of its own.
    const PASSES: Option<&'static str> = None;

    /// The numbers a person can turn.
    const PARAMS: &'static [Param<Self>];

    /// Starts the filter.
    fn build(&self) -> Built;

    /// The settings of one that was just added: where the default shows nothing, something that shows.
    fn start() -> Self {
        Self::default()
    }

    /// They change nothing: no pass is run for them.
    fn is_noop(&self) -> bool {
        *self == Self::default()
    }

    /// Why they cannot be used (a file that is missing or broken), in words. Waits for files.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A number of some filter, as [`FilterSpec::visit_params`] shows it.
#[derive(Debug, Clone)]
pub struct ParamValue {
    /// See [`Param::field`].
    pub field: &'static str,
    /// See [`Param::label`].
    pub label: &'static str,
    /// See [`Param::help`].
    pub help: &'static str,
    /// See [`Param::range`].
    pub range: std::ops::RangeInclusive<f32>,
    /// See [`Param::unit`].
    pub unit: &'static str,
    /// Its value now.
    pub value: f32,
}

fn visit<S: FilterSettings>(settings: &mut S, each: &mut dyn FnMut(&ParamValue) -> Option<f32>) {
    for param in S::PARAMS {
        let Param {
            field,
            label,
            help,
            range,
            unit,
            get,
            set,
        } = param;
        let value = ParamValue {
            field,
            label,
            help,
            range: range.clone(),
            unit,
            value: get(settings),
        };
        if let Some(new) = each(&value).filter(|v| v.is_finite()) {
            set(settings, new.clamp(*range.start(), *range.end()));
        }
    }
}

macro_rules! filters {
    ($($(#[$meta:meta])* $variant:ident($settings:ty),)*) => {
        /// A filter with its settings. Plain data, saved in the settings file.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub enum FilterSpec {
            $($(#[$meta])* $variant($settings),)*
        }

        impl FilterSpec {
            /// The settings change nothing: the filter's pass is not run.
            pub fn is_noop(&self) -> bool {
                match self {
                    $(Self::$variant(s) => FilterSettings::is_noop(s),)*
                }
            }

            /// The settings, if they are of this kind.
            pub fn settings<S: 'static>(&self) -> Option<&S> {
                let settings: &dyn std::any::Any = match self {
                    $(Self::$variant(s) => s,)*
                };
                settings.downcast_ref()
            }

            /// What a filter of each kind is called in English (the panel translates), as it is when it is added.
            pub fn kinds() -> Vec<(&'static str, Self)> {
                vec![$((<$settings>::NAME, Self::$variant(<$settings>::start())),)*]
            }

            /// What it is called in English (the panel translates).
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$settings>::NAME,)*
                }
            }

            /// Milliseconds that its passes took on the GPU, out of the times of a picture's passes; `None` when it had none of
            /// its own, or they were not measured. Filters of the same kind are counted together.
            pub fn time(&self, times: &[PassTime]) -> Option<f32> {
                let passes = match self {
                    $(Self::$variant(_) => <$settings>::PASSES,)*
                };
                let own = passes.map(|p| times.iter().filter(move |t| t.name.starts_with(p)));
                own.map(|own| own.map(|t| t.ms).sum()).filter(|ms: &f32| *ms > 0.0)
            }

            /// Why it cannot be used (a file that is missing or broken), in words. Waits for files.
            pub fn check(&self) -> Result<(), String> {
                match self {
                    $(Self::$variant(s) => s.check(),)*
                }
            }

            /// Starts the filter.
            pub fn build(&self) -> Built {
                match self {
                    $(Self::$variant(s) => s.build(),)*
                }
            }

            /// Shows each number to `each` and takes the new value that it returns, kept within the range.
            pub fn visit_params(&mut self, each: &mut dyn FnMut(&ParamValue) -> Option<f32>) {
                match self {
                    $(Self::$variant(s) => visit(s, each),)*
                }
            }
        }
    };
}

filters! {
    /// Skin smoothing, whitening, ruddiness, sharpening.
    Beauty(beauty::BeautySettings),
    /// White balance, exposure, contrast, saturation and the like.
    Color(color::ColorSettings),
    /// A ready look: black and white, sepia, film, cool, warm.
    Look(look::LookSettings),
    /// Colours by a table from a file.
    Lut(lut::LutSettings),
    /// Unsharp mask.
    Sharpen(sharpen::SharpenSettings),
    /// Gaussian blur, of all or of what lies around a sharp oval.
    Blur(blur::BlurSettings),
    /// Dark corners.
    Vignette(vignette::VignetteSettings),
    /// Squares over a part, for privacy.
    Pixelate(pixelate::PixelateSettings),
    /// Green screen: a hue becomes transparent.
    ChromaKey(key::ChromaKeySettings),
    /// A colour becomes transparent.
    ColorKey(key::ColorKeySettings),
    /// What is too dark or too bright becomes transparent.
    LumaKey(key::LumaKeySettings),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_shown_changed_and_kept_in_range() {
        let mut spec = FilterSpec::Color(color::ColorSettings::default());
        let mut labels = Vec::new();
        spec.visit_params(&mut |p| {
            labels.push(p.label);
            assert!(p.range.contains(&p.value), "{p:?}");
            (p.label == "Contrast").then_some(99.0)
        });
        assert_eq!(
            spec,
            FilterSpec::Color(color::ColorSettings {
                contrast: 2.0,
                ..color::ColorSettings::default()
            })
        );
        assert!(!spec.is_noop());
    }

    #[test]
    fn a_filters_time_is_that_of_all_its_passes() {
        let time = |name, ms| PassTime { name, ms };
        let times = [
            time("filter/beauty", 1.5),
            time("filter/blur", 4.0),
            time("filter/beauty_down", 0.5),
        ];
        let beauty = FilterSpec::Beauty(beauty::BeautySettings::NATURAL);
        assert_eq!(beauty.time(&times), Some(2.0));
        assert_eq!(beauty.time(&times[1..2]), None, "not measured");
        let color = FilterSpec::Color(color::ColorSettings::default());
        assert_eq!(color.time(&times), None, "no pass of its own");
    }

    #[test]
    fn settings_without_a_field_get_its_default() {
        let spec: FilterSpec = toml::from_str("kind = \"color\"\ngamma = 1.5").unwrap();
        assert_eq!(
            spec,
            FilterSpec::Color(color::ColorSettings {
                gamma: 1.5,
                ..color::ColorSettings::default()
            })
        );
    }
}
