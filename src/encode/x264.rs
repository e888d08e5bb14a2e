//! libx264 through FFmpeg.
use super::{EncodeError, VideoEncoder, VideoEncoderSettings, VideoFormat};
pub(super) fn open(
    _settings: &VideoEncoderSettings,
    _format: VideoFormat,
    _generation: u32,
) -> Result<Box<dyn VideoEncoder>, EncodeError> {
    Err(EncodeError::Missing {
        name: "libx264".to_owned(),
        hint: "",
    })
}
