//! Colour: white balance, exposure, brightness, contrast, saturation, hue, shadows, highlights, vibrance, gamma, in this
//! order. All that is linear becomes one matrix; steps of `shaders/common/point.wgsl`.

use serde::{Deserialize, Serialize};

use super::point::{PointKind, PointStep};
use super::{Built, FilterSettings, Param, param};

/// Settings of the colour filter; the default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorSettings {
    /// −100 (bluer) to 100 (yellower).
    pub temperature: f32,
    /// −100 (greener) to 100 (pinker).
    pub tint: f32,
    /// −3 to 3 stops.
    pub exposure: f32,
    /// −1 to 1; added to each channel.
    pub brightness: f32,
    /// 0 to 2; about mid grey.
    pub contrast: f32,
    /// 0 (grey) to 2.
    pub saturation: f32,
    /// −180 to 180 degrees; luma stays.
    pub hue: f32,
    /// −100 (darker) to 100 (lighter); black stays.
    pub shadows: f32,
    /// −100 (darker) to 100 (lighter); white stays.
    pub highlights: f32,
    /// −100 to 100; saturation of what is not colourful yet.
    pub vibrance: f32,
    /// 0.2 to 5; above 1 lightens the middle.
    pub gamma: f32,
}

impl Default for ColorSettings {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            tint: 0.0,
            exposure: 0.0,
            brightness: 0.0,
            contrast: 1.0,
            saturation: 1.0,
            hue: 0.0,
            shadows: 0.0,
            highlights: 0.0,
            vibrance: 0.0,
            gamma: 1.0,
        }
    }
}

impl FilterSettings for ColorSettings {
    const NAME: &'static str = "Colour";

    const PARAMS: &'static [Param<Self>] = &[
        param!(
            temperature,
            "Temperature",
            -100.0..=100.0,
            "",
            "From bluer to yellower light"
        ),
        param!(
            tint,
            "Tint",
            -100.0..=100.0,
            "",
            "From greener to pinker light"
        ),
        param!(
            exposure,
            "Exposure",
            -3.0..=3.0,
            "EV",
            "Light in stops: 1 is twice as much"
        ),
        param!(
            brightness,
            "Brightness",
            -1.0..=1.0,
            "",
            "Adds to or takes from all colours"
        ),
        param!(
            contrast,
            "Contrast",
            0.0..=2.0,
            "",
            "Spreads colours away from mid grey"
        ),
        param!(
            saturation,
            "Saturation",
            0.0..=2.0,
            "",
            "From grey (0) to twice as colourful (2)"
        ),
        param!(hue, "Hue", -180.0..=180.0, "°", "Turns all colours"),
        param!(
            shadows,
            "Shadows",
            -100.0..=100.0,
            "",
            "Lightens or darkens the dark parts"
        ),
        param!(
            highlights,
            "Highlights",
            -100.0..=100.0,
            "",
            "Lightens or darkens the bright parts"
        ),
        param!(
            vibrance,
            "Vibrance",
            -100.0..=100.0,
            "",
            "Saturation of pale colours only"
        ),
        param!(
            gamma,
            "Gamma",
            0.2..=5.0,
            "",
            "Above 1 lightens the middle, black and white stay"
        ),
    ];

    fn build(&self) -> Built {
        Built::Points(self.steps())
    }
}

impl ColorSettings {
    /// The steps, none for what changes nothing.
    pub(super) fn steps(&self) -> Vec<PointStep> {
        let neutral = Self::default();
        let mut steps = Vec::new();
        let matrix = self.matrix();
        if matrix != neutral.matrix() {
            steps.push(PointStep::rows(PointKind::Matrix, matrix));
        }
        if (self.shadows, self.highlights) != (0.0, 0.0) {
            let row = [self.shadows / 100.0, self.highlights / 100.0, 0.0, 0.0];
            steps.push(PointStep::new(PointKind::Tone, row));
        }
        if self.vibrance != 0.0 {
            let row = [self.vibrance / 100.0, 0.0, 0.0, 0.0];
            steps.push(PointStep::new(PointKind::Vibrance, row));
        }
        let exponent = 1.0 / self.gamma.max(0.01); // a settings file may say 0
        if (exponent - 1.0).abs() > f32::EPSILON {
            let row = [exponent, 0.0, 0.0, 0.0];
            steps.push(PointStep::new(PointKind::Gamma, row));
        }
        steps
    }

    /// Everything linear, from (red, green, blue, 1).
    pub(super) fn matrix(&self) -> [[f32; 4]; 3] {
        let [warm, pink] = [self.temperature, self.tint].map(|v| v / 100.0);
        let gains = [
            1.0 + 0.25 * warm + 0.08 * pink,
            1.0 - 0.16 * pink,
            1.0 - 0.25 * warm + 0.08 * pink,
        ];
        // as bright as before, on grey
        let luma: f32 = gains.iter().zip(LUMA).map(|(g, l)| g * l).sum();
        // stops are of light; a stored value is about its 2.2th root
        let light = (self.exposure / 2.2).exp2();
        let offset = 0.5 - 0.5 * self.contrast + self.brightness;
        let color = chroma_turn(self.hue, self.saturation);
        color.map(|row| {
            let mut out = [0.0; 4];
            for c in 0..3 {
                out[c] = row[c] * gains[c] / luma * light * self.contrast;
                out[3] += row[c] * offset;
            }
            out
        })
    }
}

/// Luma weights of ITU-R BT.709-6, item 3.2.
const LUMA: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// Turns and stretches (Cb, Cr), luma stays: the matrix on RGB.
fn chroma_turn(degrees: f32, saturation: f32) -> [[f32; 3]; 3] {
    let (cb_span, cr_span) = (1.8556, 1.5748);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [red, green, blue] = LUMA;
    let mut out = [[0.0; 3]; 3];
    for c in 0..3 {
        let unit = |n: usize| f32::from(u8::from(n == c));
        let y = LUMA[c];
        let (cb, cr) = ((unit(2) - y) / cb_span, (unit(0) - y) / cr_span);
        let (cb, cr) = (
            (cb * cos - cr * sin) * saturation,
            (cb * sin + cr * cos) * saturation,
        );
        let (r, b) = (y + cr * cr_span, y + cb * cb_span);
        out[0][c] = r;
        out[1][c] = (y - red * r - blue * b) / green;
        out[2][c] = b;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_under_hue_and_saturation_and_no_setting_is_no_step() {
        assert!(ColorSettings::default().steps().is_empty());
        let turned = ColorSettings {
            hue: 70.0,
            saturation: 1.6,
            ..ColorSettings::default()
        };
        for row in turned.matrix() {
            let grey: f32 = row[..3].iter().sum();
            assert!((grey - 1.0).abs() < 1e-5 && row[3].abs() < 1e-6, "{row:?}");
        }
        let whole = chroma_turn(360.0, 1.0);
        for (r, row) in whole.iter().enumerate() {
            for (c, v) in row.iter().enumerate() {
                assert!((v - f32::from(u8::from(r == c))).abs() < 1e-5);
            }
        }
    }
}
