//! Watermarks: text and images that lie on the finished picture, above its filters.
//!
//! In: [`Watermark`]s (plain data, part of the scene) and the show's figures. Out: sprites at their places, tick by tick.
//! The [`worker`] (thread `overlay`) reads files and fonts, and makes pixels when something changed and not otherwise; the
//! render thread reads the finished ones from the [`OverlayBoard`], moves them by arithmetic (`motion`) and draws them
//! one to one: as quads in the composing pass, or on the processor where that spares the whole pass (`nv12`).
//!
//! A watermark that fails (a file gone or broken, a font not there) is left out or shown as it was; the user is told, and
//! the stream goes on.

mod loader;
mod motion;
pub(in crate::render) mod nv12;
pub mod spec;
mod sprite;
pub mod text;
pub mod worker;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::media::time::MediaTime;
use crate::media::video::Resolution;
pub use loader::{Loaded, Loader, OverlayProblem};
pub(in crate::render) use motion::Placed;
pub use motion::Ready;
pub use spec::Watermark;
use text::template::Facts;

/// Where the render thread finds the watermarks: written by the overlay thread, read once per tick.
#[derive(Debug, Default)]
pub struct OverlayBoard {
    ready: ArcSwap<Vec<Ready>>,
}

impl OverlayBoard {
    /// A board with `watermarks` as they are now, made on the calling thread, and what is wrong with them: for stills.
    pub fn of(watermarks: &[Watermark], output: Resolution) -> (Self, Vec<OverlayProblem>) {
        let now = jiff::Zoned::now();
        let loaded =
            Loader::default().update(watermarks, output, &now, &Facts::default(), &|_| true);
        let board = Self::default();
        board.show(loaded.ready.unwrap_or_default());
        (board, loaded.problems)
    }

    /// Shows these from the next tick on, bottom to top.
    pub fn show(&self, ready: Vec<Ready>) {
        self.ready.store(Arc::new(ready));
    }

    /// A board of its own with what is on this one now.
    pub(in crate::render) fn copy(&self) -> Self {
        Self {
            ready: ArcSwap::new(self.ready.load_full()),
        }
    }

    /// What is drawn at `now` on a picture of `output` size.
    pub(in crate::render) fn place(&self, now: MediaTime, output: Resolution) -> Vec<Placed> {
        let mut placed = Vec::new();
        for watermark in self.ready.load().iter() {
            watermark.place(now, output, &mut placed);
        }
        placed
    }
}
