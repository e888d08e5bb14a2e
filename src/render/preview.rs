//! Where the composed picture goes besides the encoder.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Where the composed picture goes besides the encoder.
#[derive(Clone)]
pub enum PreviewSink {
    /// Nowhere: no preview work is done.
    None,
    /// Into a texture on the shared device; the window registers it once (again when [`PreviewTexture::generation`]
    /// changed). Same queue, so submission order is the synchronisation.
    Texture(Arc<PreviewTexture>),
}

/// The preview texture and who wants it.
pub struct PreviewTexture {
    /// The newest texture (`Rgba8Unorm`, composed size); replaced when the size changes.
    pub texture: ArcSwapOption<wgpu::Texture>,
    /// Grows when `texture` was replaced.
    pub generation: std::sync::atomic::AtomicU32,
    /// False while the window is hidden or minimised: the renderer then does no preview work.
    pub visible: std::sync::atomic::AtomicBool,
    /// Called after each submitted preview picture, from the render thread; must not block.
    pub waker: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for PreviewTexture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviewTexture")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PreviewSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "PreviewSink::None",
            Self::Texture(_) => "PreviewSink::Texture",
        })
    }
}
