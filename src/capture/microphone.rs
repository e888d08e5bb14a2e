//! Microphone.
use super::{AudioDevice, AudioSource, AudioSpec, SourceContext, SourceError};
pub(super) fn open(
    _spec: &AudioSpec,
    _cx: &SourceContext,
) -> Result<Option<Box<dyn AudioSource>>, SourceError> {
    Ok(None)
}
pub(super) fn list() -> Vec<AudioDevice> {
    Vec::new()
}
