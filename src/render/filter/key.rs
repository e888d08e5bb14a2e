//! Keying: a hue (green screen), a colour or a brightness becomes transparent; per-pixel steps. Of use on a layer, where
//! what lies below shows through.

use serde::{Deserialize, Serialize};

use super::point::{PointKind, PointStep};
use super::{Built, FilterSettings, Param, param};

/// Settings of the green screen key; at no tolerance it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChromaKeySettings {
    /// The screen's colour, 0 to 255.
    pub red: f32,
    /// The same.
    pub green: f32,
    /// The same.
    pub blue: f32,
    /// 0 to 100: how different a colour may be and still is the screen.
    pub tolerance: f32,
    /// 0 to 100: how gradually.
    pub softness: f32,
    /// 0 to 100: how much of the screen's light on the person is taken out.
    pub spill: f32,
}

impl Default for ChromaKeySettings {
    fn default() -> Self {
        Self {
            red: 0.0,
            green: 177.0,
            blue: 64.0,
            tolerance: 0.0,
            softness: 15.0,
            spill: 50.0,
        }
    }
}

impl FilterSettings for ChromaKeySettings {
    const NAME: &'static str = "Chroma key";

    const PARAMS: &'static [Param<Self>] = &[
        param!(red, "Red", 0.0..=255.0, "", "Red of the key colour"),
        param!(green, "Green", 0.0..=255.0, "", "Green of the key colour"),
        param!(blue, "Blue", 0.0..=255.0, "", "Blue of the key colour"),
        param!(
            tolerance,
            "Tolerance",
            0.0..=100.0,
            "",
            "How different a colour may be and still goes"
        ),
        param!(
            softness,
            "Softness",
            0.0..=100.0,
            "",
            "How gradually it goes"
        ),
        param!(
            spill,
            "Spill",
            0.0..=100.0,
            "",
            "Takes the screen's light off the person"
        ),
    ];

    fn start() -> Self {
        Self {
            tolerance: 35.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.tolerance <= 0.0
    }

    fn build(&self) -> Built {
        let [r, g, b] = [self.red, self.green, self.blue].map(|v| v / 255.0);
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b; // BT.709
        let (cb, cr) = ((b - y) / 1.8556, (r - y) / 1.5748);
        let length = cb.hypot(cr).max(0.001);
        // chroma spans half a unit; the tolerance's whole range is that of a saturated screen
        let near = self.tolerance / 100.0 * 0.5;
        let soft = (self.softness / 100.0 * 0.3).max(0.005);
        let rows = [
            [cb, cr, near, soft],
            [cb / length, cr / length, self.spill / 100.0, 0.0],
            [0.0; 4],
        ];
        Built::Points(vec![PointStep::rows(PointKind::ChromaKey, rows)])
    }
}

/// Settings of the colour key; at no tolerance it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorKeySettings {
    /// The colour, 0 to 255.
    pub red: f32,
    /// The same.
    pub green: f32,
    /// The same.
    pub blue: f32,
    /// 0 to 100: how different a colour may be.
    pub tolerance: f32,
    /// 0 to 100: how gradually.
    pub softness: f32,
}

impl Default for ColorKeySettings {
    fn default() -> Self {
        Self {
            red: 255.0,
            green: 0.0,
            blue: 255.0,
            tolerance: 0.0,
            softness: 5.0,
        }
    }
}

impl FilterSettings for ColorKeySettings {
    const NAME: &'static str = "Colour key";

    const PARAMS: &'static [Param<Self>] = &[
        param!(red, "Red", 0.0..=255.0, "", "Red of the key colour"),
        param!(green, "Green", 0.0..=255.0, "", "Green of the key colour"),
        param!(blue, "Blue", 0.0..=255.0, "", "Blue of the key colour"),
        param!(
            tolerance,
            "Tolerance",
            0.0..=100.0,
            "",
            "How different a colour may be and still goes"
        ),
        param!(
            softness,
            "Softness",
            0.0..=100.0,
            "",
            "How gradually it goes"
        ),
    ];

    fn start() -> Self {
        Self {
            tolerance: 15.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.tolerance <= 0.0
    }

    fn build(&self) -> Built {
        let [r, g, b] = [self.red, self.green, self.blue].map(|v| v / 255.0);
        let soft = (self.softness / 100.0).max(0.005);
        let rows = [
            [r, g, b, self.tolerance / 100.0],
            [soft, 0.0, 0.0, 0.0],
            [0.0; 4],
        ];
        Built::Points(vec![PointStep::rows(PointKind::ColorKey, rows)])
    }
}

/// Settings of the brightness key; from 0 to 100 it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LumaKeySettings {
    /// 0 to 100: what is darker goes.
    pub dark: f32,
    /// 0 to 100: what is brighter goes.
    pub bright: f32,
    /// 0 to 100: how gradually.
    pub softness: f32,
}

impl Default for LumaKeySettings {
    fn default() -> Self {
        Self {
            dark: 0.0,
            bright: 100.0,
            softness: 5.0,
        }
    }
}

impl FilterSettings for LumaKeySettings {
    const NAME: &'static str = "Luma key";

    const PARAMS: &'static [Param<Self>] = &[
        param!(dark, "Darkest", 0.0..=100.0, "%", "What is darker goes"),
        param!(
            bright,
            "Brightest",
            0.0..=100.0,
            "%",
            "What is brighter goes"
        ),
        param!(
            softness,
            "Softness",
            0.0..=100.0,
            "",
            "How gradually it goes"
        ),
    ];

    fn start() -> Self {
        Self {
            dark: 10.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.dark <= 0.0 && self.bright >= 100.0
    }

    fn build(&self) -> Built {
        let soft = (self.softness / 100.0).max(0.005);
        // an open end lets everything through
        let low = if self.dark <= 0.0 {
            -1.0
        } else {
            self.dark / 100.0
        };
        let high = if self.bright >= 100.0 {
            2.0
        } else {
            self.bright / 100.0
        };
        Built::Points(vec![PointStep::new(
            PointKind::LumaKey,
            [low, high, soft, 0.0],
        )])
    }
}
