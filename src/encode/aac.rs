//! AAC.
use super::{AudioEncoder, AudioEncoderSettings, EncodeError};
pub(super) fn open(
    _settings: &AudioEncoderSettings,
    _generation: u32,
) -> Result<Box<dyn AudioEncoder>, EncodeError> {
    Err(EncodeError::Missing {
        name: "aac".to_owned(),
        hint: "",
    })
}
