//! Filters on a layer or on the whole picture.

pub mod color;

use serde::{Deserialize, Serialize};

/// A filter with its settings. Plain data, saved in the settings file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FilterSpec {
    /// Brightness, contrast, saturation, gamma.
    Color(color::ColorSettings),
}

impl FilterSpec {
    /// The settings change nothing: the filter's pass is not run.
    pub fn is_noop(&self) -> bool {
        match self {
            Self::Color(s) => *s == color::ColorSettings::default(),
        }
    }
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
