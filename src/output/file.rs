//! FLV recording.
use super::{Output, OutputContext, OutputError};
use std::path::Path;
use std::sync::Arc;
pub(super) fn start(path: &Path, _cx: OutputContext) -> Result<Arc<dyn Output>, OutputError> {
    Err(OutputError::File {
        path: path.to_owned(),
        source: std::io::Error::other("not yet"),
    })
}
