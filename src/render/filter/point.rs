//! Steps that change each pixel by itself, packed for `shaders/common/point.wgsl`: up to [`PointOps::MOST`] of them, in any
//! order, are one pass, or no pass at all behind a filter that [runs them](super::VideoFilter::runs_points). Pure data.

use std::sync::Arc;

use crate::gpu::shader::uniform;
use crate::media::video::Resolution;

/// What a step does; the numbers are those of the shader (`POINT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum PointKind {
    /// Three rows of a matrix from (red, green, blue, 1).
    Matrix = 1,
    /// Exponent.
    Gamma = 2,
    /// More colour where there is little of it.
    Vibrance = 3,
    /// Shadows, highlights.
    Tone = 4,
    /// Strength of a colour table.
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
    /// Steps of each colour.
    pub cells: u32,
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
pub struct PointOps {
    head: [u32; 4],
    kinds: [u32; 8],
    rows: [[[f32; 4]; 3]; 8],
}

uniform! {
    /// What the pass of steps alone takes.
    pub(in crate::render) PointUniform {
        /// Cells and columns of the colour table, size of its picture.
        table: [f32; 4],
        /// The steps.
        after: PointOps,
    }
}

impl PointUniform {
    /// Steps with the figures of their colour table: cells, columns, width, height (zeros without one).
    pub(super) const fn new(table: [f32; 4], after: PointOps) -> Self {
        Self { table, after }
    }
}

impl PointOps {
    /// Most steps of one pass.
    pub const MOST: usize = 8;

    /// No step.
    pub const NONE: Self = Self {
        head: [0; 4],
        kinds: [0; 8],
        rows: [[[0.0; 4]; 3]; 8],
    };

    /// There is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.head[0] == 0
    }

    /// Adds a step; false when there is no room.
    #[must_use]
    pub fn push(&mut self, step: &PointStep) -> bool {
        let at = self.head[0] as usize;
        if at >= Self::MOST {
            return false;
        }
        self.kinds[at] = step.kind as u32;
        self.rows[at] = step.rows;
        self.head[0] += 1;
        self.head[2] |= u32::from(step.kind.adds_alpha());
        true
    }

    /// The result can be seen through.
    pub const fn adds_alpha(&self) -> bool {
        self.head[2] != 0
    }

    /// With the aspect of the picture that it is used on.
    #[must_use]
    pub fn on(mut self, picture: Resolution) -> Self {
        self.head[1] = picture.width * 1000 / picture.height.max(1);
        self
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
        assert_eq!(ops.head[0] as usize, PointOps::MOST);
        assert!(!ops.adds_alpha());
        let mut keyed = PointOps::NONE;
        assert!(keyed.push(&PointStep::new(PointKind::LumaKey, [0.0; 4])));
        assert!(keyed.adds_alpha());
    }
}
