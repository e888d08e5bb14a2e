//! Test pattern.
use super::{SourceContext, SourceError, VideoSource};
pub(super) fn open(_cx: &SourceContext) -> Result<Box<dyn VideoSource>, SourceError> {
    Err(SourceError::NotFound {
        what: "test".to_owned(),
    })
}
