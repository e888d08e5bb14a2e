//! Steps that change each pixel by itself, packed for `shaders/common/point.wgsl`: up to [`PointOps::MOST`] of them, in any
//! order, are one pass, or no pass at all behind a filter that [runs them](super::VideoFilter::runs_points). Pure data.

use std::sync::Arc;

use crate::gpu::pass::PointKinds;
use crate::gpu::shader::uniform;
use crate::media::video::Resolution;

/// What a step does; the numbers are those of the shader (`POINT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PointKind {
    /// Three rows of a matrix from (red, green, blue, 1).
    Matrix = 1,
    /// Exponent.
    Gamma = 2,
    /// More colour where there is little of it.
    Vibrance = 3,
    /// Shadows, highlights.
    Tone = 4,
    /// Strength of a colour table and how its picture is laid out.
    Table = 5,
    /// Key's Cb and Cr, distance of full transparency, softness; direction of the spill and its share.
    ChromaKey = 6,
    /// Key colour, distance; softness.
    ColorKey = 7,
    /// Lowest and highest luma kept, softness.
    LumaKey = 8,
    /// Strength, radius, softness.
    Vignette = 9,
}

impl PointKind {
    /// The result can be seen through.
    pub const fn adds_alpha(self) -> bool {
        matches!(self, Self::ChromaKey | Self::ColorKey | Self::LumaKey)
    }
}

/// A colour table: one picture of square tiles, one tile for each step of blue, red to the right, green downwards.
#[derive(Debug, PartialEq, Eq)]
pub struct ColorTable {
    /// Steps of red and green.
    pub cells: u32,
    /// Steps of blue.
    pub slices: u32,
    /// Tiles side by side.
    pub columns: u32,
    /// Size of the picture.
    pub resolution: Resolution,
    /// Its RGBA.
    pub rgba: bytes::Bytes,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct PointStep {
    /// What it does.
    pub kind: PointKind,
    /// Its numbers; see [`PointKind`].
    pub rows: [[f32; 4]; 3],
    /// The table of [`PointKind::Table`].
    pub table: Option<Arc<ColorTable>>,
}

impl PointStep {
    /// A step with one row of numbers.
    pub const fn new(kind: PointKind, row: [f32; 4]) -> Self {
        Self::rows(kind, [row, [0.0; 4], [0.0; 4]])
    }

    /// A step with three rows of numbers.
    pub const fn rows(kind: PointKind, rows: [[f32; 4]; 3]) -> Self {
        Self {
            kind,
            rows,
            table: None,
        }
    }
}

/// Steps as the shader takes them.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PointNumbers {
    head: [f32; 4],
    rows: [[[f32; 4]; 3]; PointOps::MOST],
}

/// Steps of one pass, in order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointOps {
    /// What each does; constants of the pipeline.
    kinds: PointKinds,
    numbers: PointNumbers,
}

uniform! {
    /// What the pass of steps alone takes.
    pub(in crate::render) PointUniform {
        /// The steps.
        after: PointNumbers,
    }
}

impl PointUniform {
    /// Steps on a picture of this size.
    pub(super) fn new(steps: &PointOps, picture: Resolution) -> Self {
        Self {
            after: steps.numbers(picture),
        }
    }
}

impl PointOps {
    /// Most steps of one pass.
    pub const MOST: usize = 8;

    /// No step.
    pub const NONE: Self = Self {
        kinds: [0; Self::MOST],
        numbers: PointNumbers {
            head: [0.0; 4],
            rows: [[[0.0; 4]; 3]; Self::MOST],
        },
    };

    /// There is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.kinds[0] == 0
    }

    /// Adds a step; false when there is no room, or another colour table.
    #[must_use]
    pub fn push(&mut self, step: &PointStep) -> bool {
        let has_table = self.kinds.contains(&(PointKind::Table as u8));
        if has_table && step.table.is_some() {
            return false;
        }
        let Some(at) = self.kinds.iter().position(|k| *k == 0) else {
            return false;
        };
        self.kinds[at] = step.kind as u8;
        self.numbers.rows[at] = step.rows;
        true
    }

    /// The result can be seen through.
    pub fn adds_alpha(&self) -> bool {
        let keys = [
            PointKind::ChromaKey,
            PointKind::ColorKey,
            PointKind::LumaKey,
        ];
        self.kinds
            .iter()
            .any(|k| keys.iter().any(|key| *key as u8 == *k))
    }

    /// What each step does, for the pipeline.
    pub const fn kinds(&self) -> PointKinds {
        self.kinds
    }

    /// The steps' numbers, for the uniform, on a picture of this size.
    #[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
    pub fn numbers(&self, picture: Resolution) -> PointNumbers {
        let mut numbers = self.numbers;
        numbers.head[0] = picture.width as f32 / picture.height.max(1) as f32;
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_pass_and_no_more() {
        let mut ops = PointOps::NONE;
        assert!(ops.is_empty() && !ops.adds_alpha());
        let gamma = PointStep::new(PointKind::Gamma, [0.5, 0.0, 0.0, 0.0]);
        for _ in 0..PointOps::MOST {
            assert!(ops.push(&gamma));
        }
        assert!(!ops.push(&gamma), "full");
        assert_eq!(ops.kinds(), [PointKind::Gamma as u8; PointOps::MOST]);
        assert!(!ops.adds_alpha());
        let mut keyed = PointOps::NONE;
        assert!(keyed.push(&PointStep::new(PointKind::LumaKey, [0.0; 4])));
        assert!(keyed.adds_alpha());
    }
}
