//! The numbers of sound processors as one table: what a slider shows, what a settings file may hold, what the audio
//! thread takes. Plain data.

use std::ops::RangeInclusive;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Frequency; equal steps are equal ratios.
    Hertz,
    /// A level or a gain.
    Decibels,
    /// Time; equal steps are equal ratios.
    Milliseconds,
    /// Of the whole.
    Percent,
    /// So many to one.
    Ratio,
    /// Loudness against full scale.
    Lufs,
    /// A bare number; equal steps are equal ratios.
    Quality,
}

/// One number of a processor.
#[derive(Debug)]
pub struct Param<'a> {
    /// As in the settings file.
    pub field: &'static str,
    /// Where it is kept.
    pub value: &'a mut f32,
    /// Smallest and largest.
    pub range: RangeInclusive<f32>,
    /// What it counts.
    pub unit: Unit,
}

/// One processor with its switch and its numbers.
pub struct Stage<'a> {
    /// As in the settings file.
    pub name: &'static str,
    /// Whether it works.
    pub on: &'a mut bool,
    /// Its numbers.
    pub params: Vec<Param<'a>>,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("on", &self.on)
            .finish_non_exhaustive()
    }
}

impl<'a> Stage<'a> {
    pub(super) fn new<const N: usize>(
        name: &'static str,
        on: &'a mut bool,
        params: [Param<'a>; N],
    ) -> Self {
        Self {
            name,
            on,
            params: params.into(),
        }
    }
}

pub(super) const fn param<'a>(
    field: &'static str,
    value: &'a mut f32,
    range: RangeInclusive<f32>,
    unit: Unit,
) -> Param<'a> {
    Param {
        field,
        value,
        range,
        unit,
    }
}

/// Brings every number into its range; one that is none becomes the lowest.
pub(super) fn clamp(stages: Vec<Stage<'_>>) {
    for param in stages.into_iter().flat_map(|s| s.params) {
        let (low, high) = (*param.range.start(), *param.range.end());
        *param.value = if param.value.is_nan() {
            low
        } else {
            param.value.clamp(low, high)
        };
    }
}
