//! Screens as sources. X11 is in `x11.rs`; other systems get files of their own behind `cfg`.

#[cfg(all(target_os = "linux", feature = "screen-x11"))]
mod x11;

use serde::{Deserialize, Serialize};

use super::{SourceContext, SourceError, VideoDevice, VideoSource};

/// Which screen, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenSettings {
    /// X display (":0"); the `DISPLAY` environment variable when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// Draw the mouse pointer.
    pub cursor: bool,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self {
            display: None,
            cursor: true,
        }
    }
}

/// Opens the screen.
pub fn open(
    settings: &ScreenSettings,
    cx: &SourceContext,
) -> Result<Box<dyn VideoSource>, SourceError> {
    #[cfg(all(target_os = "linux", feature = "screen-x11"))]
    return x11::open(settings, cx);
    #[cfg(not(all(target_os = "linux", feature = "screen-x11")))]
    {
        let _ = (settings, cx);
        Err(SourceError::NotBuilt {
            what: "the screen".to_owned(),
            feature: "screen-x11",
        })
    }
}

/// Screens that are there now.
pub fn list() -> Vec<VideoDevice> {
    #[cfg(all(target_os = "linux", feature = "screen-x11"))]
    return x11::list();
    #[cfg(not(all(target_os = "linux", feature = "screen-x11")))]
    Vec::new()
}
