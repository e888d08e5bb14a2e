//! Filters on a layer or on the whole picture.
//!
//! Adding one: a file here (settings with serde defaults, its [`Param`] table, a [`VideoFilter`]), a shader under
//! `shaders/filter/`, its line in `gpu::shader::ALL`, and one line in the list at the end of this file. The panel draws its
//! sliders from the table, so no window code changes. Filters run on the render thread.

pub mod color;

use serde::{Deserialize, Serialize};

use crate::gpu::PassError;
use crate::gpu::pass::PassContext;
use crate::gpu::texture::GpuFrame;

/// A filter at work.
pub trait VideoFilter: Send {
    /// Records passes from `input` into a picture of the pool. Returns `input` untouched, and records nothing, when the
    /// settings change nothing.
    fn apply(&mut self, cx: &mut PassContext<'_>, input: GpuFrame) -> Result<GpuFrame, PassError>;

    /// Takes new settings.
    fn update(&mut self, spec: &FilterSpec) -> Updated;
}

/// Whether new settings could be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// They hold from the next picture on.
    Live,
    /// The filter must be built anew from them.
    Rebuild,
}

/// One number of a filter as the panel shows it. `S` is the filter's settings struct.
pub struct Param<S> {
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

/// Settings of one kind of filter; the default changes nothing.
pub trait FilterSettings: Default + PartialEq + Sized + 'static {
    /// The numbers a person can turn.
    const PARAMS: &'static [Param<Self>];

    /// Starts the filter.
    fn build(&self) -> Box<dyn VideoFilter>;
}

/// A number of some filter, as [`FilterSpec::visit_params`] shows it.
#[derive(Debug, Clone)]
pub struct ParamValue {
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
            label,
            help,
            range,
            unit,
            get,
            set,
        } = param;
        let value = ParamValue {
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
                    $(Self::$variant(s) => *s == <$settings>::default(),)*
                }
            }

            /// The settings, if they are of this kind.
            pub fn settings<S: 'static>(&self) -> Option<&S> {
                let settings: &dyn std::any::Any = match self {
                    $(Self::$variant(s) => s,)*
                };
                settings.downcast_ref()
            }

            /// Starts the filter.
            pub fn build(&self) -> Box<dyn VideoFilter> {
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
    /// Brightness, contrast, saturation, gamma.
    Color(color::ColorSettings),
}

/// The running filters of a layer or of the whole picture.
#[derive(Default)]
pub struct FilterChain {
    specs: Vec<FilterSpec>,
    filters: Vec<Box<dyn VideoFilter>>,
}

impl FilterChain {
    /// Makes the chain what `specs` say, keeping what can be kept.
    pub fn sync(&mut self, specs: &[FilterSpec]) {
        if self.specs == specs {
            return;
        }
        self.filters.truncate(specs.len());
        for (n, spec) in specs.iter().enumerate() {
            match self.filters.get_mut(n) {
                None => self.filters.push(spec.build()),
                Some(filter) => {
                    if filter.update(spec) == Updated::Rebuild {
                        *filter = spec.build();
                    }
                }
            }
        }
        self.specs = specs.to_vec();
    }

    /// Runs all filters in order.
    pub fn apply(
        &mut self,
        cx: &mut PassContext<'_>,
        input: GpuFrame,
    ) -> Result<GpuFrame, PassError> {
        self.filters
            .iter_mut()
            .try_fold(input, |frame, filter| filter.apply(cx, frame))
    }
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
        assert_eq!(labels, ["Brightness", "Contrast", "Saturation", "Gamma"]);
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
