//! Ready looks, made of the same per-pixel steps as the colour filter, mixed in by strength.

use serde::{Deserialize, Serialize};

use super::color::ColorSettings;
use super::point::{PointKind, PointStep};
use super::{Built, FilterSettings, Param, param};

/// Which look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Grey.
    BlackWhite,
    /// Old photographs.
    Sepia,
    /// Soft contrast, faded blacks, warm light.
    #[default]
    Film,
    /// Bluish.
    Cool,
    /// Yellowish.
    Warm,
}

impl Look {
    /// All of them with their names in English (the panel translates).
    pub const ALL: [(&'static str, Self); 5] = [
        ("Black and white", Self::BlackWhite),
        ("Sepia", Self::Sepia),
        ("Film", Self::Film),
        ("Cool", Self::Cool),
        ("Warm", Self::Warm),
    ];

    /// Its linear part, from (red, green, blue, 1).
    fn matrix(self) -> [[f32; 4]; 3] {
        let graded = |settings: ColorSettings| settings.matrix();
        let neutral = ColorSettings::default();
        match self {
            Self::BlackWhite => graded(ColorSettings {
                saturation: 0.0,
                contrast: 1.08,
                ..neutral
            }),
            // the matrix of the CSS Filter Effects module, level 1, 9.2 ("sepia")
            Self::Sepia => [
                [0.393, 0.769, 0.189, 0.0],
                [0.349, 0.686, 0.168, 0.0],
                [0.272, 0.534, 0.131, 0.0],
            ],
            Self::Film => {
                let mut rows = graded(ColorSettings {
                    contrast: 0.88,
                    saturation: 0.86,
                    temperature: 12.0,
                    ..neutral
                });
                // blacks are lifted, a little more in blue
                for (row, lift) in rows.iter_mut().zip([0.01, 0.012, 0.03]) {
                    row[3] += lift;
                }
                rows
            }
            Self::Cool => graded(ColorSettings {
                temperature: -32.0,
                saturation: 0.96,
                ..neutral
            }),
            Self::Warm => graded(ColorSettings {
                temperature: 32.0,
                saturation: 1.04,
                ..neutral
            }),
        }
    }
}

/// Settings of a look; at no strength it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookSettings {
    /// Which one.
    pub look: Look,
    /// 0 to 100.
    pub strength: f32,
}

impl FilterSettings for LookSettings {
    const NAME: &'static str = "Look";

    const PARAMS: &'static [Param<Self>] = &[param!(
        strength,
        "Strength",
        0.0..=100.0,
        "",
        "How much of the look"
    )];

    fn start() -> Self {
        Self {
            strength: 100.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.strength <= 0.0
    }

    fn build(&self) -> Built {
        let share = (self.strength / 100.0).clamp(0.0, 1.0);
        let mut rows = self.look.matrix();
        for (r, row) in rows.iter_mut().enumerate() {
            for (c, v) in row.iter_mut().enumerate() {
                *v = *v * share + f32::from(u8::from(r == c)) * (1.0 - share);
            }
        }
        Built::Points(vec![PointStep::rows(PointKind::Matrix, rows)])
    }
}
