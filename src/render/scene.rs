//! What is shown: layers bottom to top, each a source placed on the picture, then filters on the whole. Plain data.

use serde::{Deserialize, Serialize};

use super::filter::FilterSpec;
use super::overlay::Watermark;
use crate::capture::SourceSpec;

/// A picture made of layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scene {
    /// Bottom to top.
    #[serde(rename = "layer")]
    pub layers: Vec<Layer>,
    /// Applied to the composed picture, in order.
    #[serde(rename = "filter", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
    /// On the finished picture, bottom to top.
    #[serde(rename = "watermark", skip_serializing_if = "Vec::is_empty")]
    pub watermarks: Vec<Watermark>,
}

/// One source on the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Where its picture comes from.
    pub source: SourceSpec,
    /// Where it lies.
    #[serde(default)]
    pub placement: Placement,
    /// 0 (not drawn) to 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub opacity: f32,
    /// Shown at all.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub visible: bool,
    /// Applied to this layer before it is placed, in order.
    #[serde(default, rename = "filter", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
}

impl Layer {
    /// A layer that shows the whole source as large as it fits.
    pub fn new(source: SourceSpec) -> Self {
        Self {
            source,
            placement: Placement::default(),
            opacity: 1.0,
            visible: true,
            filters: Vec::new(),
        }
    }
}

/// Where and how a layer lies on the picture. Lengths are shares of the picture (0 to 1), so that a scene fits every
/// output size; rotation is about the rectangle's centre.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Placement {
    /// Left edge, share of the picture's width.
    pub x: f32,
    /// Top edge, share of the picture's height.
    pub y: f32,
    /// Share of the picture's width.
    pub width: f32,
    /// Share of the picture's height.
    pub height: f32,
    /// Clockwise, in degrees.
    pub rotation: f32,
    /// Cut away from the source before it is placed.
    pub crop: Crop,
    /// How a source of another aspect fills the rectangle.
    pub fit: Fit,
    /// Left and right changed, as in a mirror.
    #[serde(skip_serializing_if = "is_false")]
    pub mirror: bool,
    /// Upside down.
    #[serde(skip_serializing_if = "is_false")]
    pub flip: bool,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            x: 0.0,
            y: 0.0,
            width: 1.0,
            height: 1.0,
            rotation: 0.0,
            crop: Crop::default(),
            fit: Fit::Contain,
            mirror: false,
            flip: false,
        }
    }
}

/// Shares of the source's size (0 to 1) cut from each side.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crop {
    /// From the left.
    pub left: f32,
    /// From the top.
    pub top: f32,
    /// From the right.
    pub right: f32,
    /// From the bottom.
    pub bottom: f32,
}

/// How a source of another aspect ratio fills its rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Whole source visible, bars where the aspect differs.
    #[default]
    Contain,
    /// Rectangle filled, the source's overhang cut.
    Cover,
    /// Rectangle filled, aspect not kept.
    Stretch,
}

const fn one() -> f32 {
    1.0
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(v: &bool) -> bool {
    !*v
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(v: &f32) -> bool {
    (*v - 1.0).abs() < f32::EPSILON
}
