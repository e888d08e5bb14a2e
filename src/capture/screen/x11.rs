//! X11 screen.
use super::super::{SourceContext, SourceError, VideoDevice, VideoSource};
use super::ScreenSettings;
pub(super) fn open(
    _settings: &ScreenSettings,
    _cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    Err(SourceError::NotFound {
        what: "screen".to_owned(),
    })
}
pub(super) fn list() -> Vec<VideoDevice> {
    Vec::new()
}
