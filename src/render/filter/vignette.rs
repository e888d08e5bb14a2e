//! Dark corners; a per-pixel step.

use serde::{Deserialize, Serialize};

use super::point::{PointKind, PointStep};
use super::{Built, FilterSettings, Param, param};

/// Settings of the vignette; at no strength it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VignetteSettings {
    /// 0 to 100: how dark the corners are.
    pub strength: f32,
    /// 0 (from the middle on) to 100 (only the corners).
    pub radius: f32,
    /// 0 to 100: how gradually.
    pub softness: f32,
}

impl Default for VignetteSettings {
    fn default() -> Self {
        Self {
            strength: 0.0,
            radius: 50.0,
            softness: 60.0,
        }
    }
}

impl FilterSettings for VignetteSettings {
    const NAME: &'static str = "Vignette";

    const PARAMS: &'static [Param<Self>] = &[
        param!(
            strength,
            "Strength",
            0.0..=100.0,
            "",
            "How dark the corners are"
        ),
        param!(
            radius,
            "Radius",
            0.0..=100.0,
            "%",
            "Where it begins, from the middle"
        ),
        param!(
            softness,
            "Softness",
            0.0..=100.0,
            "",
            "How gradually it begins"
        ),
    ];

    fn start() -> Self {
        Self {
            strength: 40.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.strength <= 0.0
    }

    fn build(&self) -> Built {
        let share = |v: f32| (v / 100.0).clamp(0.0, 1.0);
        let row = [
            share(self.strength),
            share(self.radius),
            share(self.softness).max(0.01),
            0.0,
        ];
        Built::Points(vec![PointStep::new(PointKind::Vignette, row)])
    }
}
