//! Media file.
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoSource};
/// Which file, and how it is played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaFileSettings {
    /// The file.
    pub path: PathBuf,
    /// Start again at the end.
    #[serde(rename = "loop")]
    pub looped: bool,
}
impl Default for MediaFileSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            looped: true,
        }
    }
}
pub(super) fn open(
    _settings: &MediaFileSettings,
    _cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    Err(SourceError::NotFound {
        what: "file".to_owned(),
    })
}
