//! The composed picture, once, in system memory.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use bytes::Bytes;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use crate::media::video::Resolution;

/// A picture of what viewers see (before the conversion for the encoder).
#[derive(Clone)]
pub struct Screenshot {
    /// Size in pixels.
    pub resolution: Resolution,
    /// Bytes from row to row.
    pub stride: usize,
    /// RGBA, opaque.
    pub data: Bytes,
}

/// Gets the picture, on the render thread: hand it on, do not work on it there.
pub type ScreenshotCallback = Box<dyn FnOnce(Result<Screenshot, super::RenderError>) + Send>;

/// Why a screenshot was not saved.
#[derive(Debug, thiserror::Error)]
#[error("the screenshot could not be saved as {path}")]
pub struct SaveError {
    path: String,
    #[source]
    source: image::ImageError,
}

impl Screenshot {
    /// The pixels without padding.
    pub fn to_rgba(&self) -> Vec<u8> {
        let row = self.resolution.width as usize * 4;
        let rows = self
            .data
            .chunks(self.stride)
            .take(self.resolution.height as usize);
        rows.flat_map(|r| r.get(..row).unwrap_or_default())
            .copied()
            .collect()
    }

    /// Writes a PNG file. Takes some tens of milliseconds: not for the render thread.
    pub fn save_png(&self, path: &Path) -> Result<(), SaveError> {
        let fail = |source| SaveError {
            path: path.display().to_string(),
            source,
        };
        let file = File::create(path).map_err(|e| fail(image::ImageError::IoError(e)))?;
        let Resolution { width, height } = self.resolution;
        PngEncoder::new(BufWriter::new(file))
            .write_image(&self.to_rgba(), width, height, ExtendedColorType::Rgba8)
            .map_err(fail)
    }
}

impl std::fmt::Debug for Screenshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Screenshot({})", self.resolution)
    }
}
