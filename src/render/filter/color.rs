//! Colour: brightness, contrast, saturation, gamma.

use serde::{Deserialize, Serialize};

/// Settings of the colour filter; the default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorSettings {
    /// −1 to 1; added to each channel.
    pub brightness: f32,
    /// 0 to 2; about mid grey.
    pub contrast: f32,
    /// 0 (grey) to 2.
    pub saturation: f32,
    /// 0.2 to 5; above 1 lightens the middle.
    pub gamma: f32,
}

impl Default for ColorSettings {
    fn default() -> Self {
        Self {
            brightness: 0.0,
            contrast: 1.0,
            saturation: 1.0,
            gamma: 1.0,
        }
    }
}
