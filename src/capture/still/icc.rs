//! Colours of picture files by their ICC profile, as sRGB: what screens and the rest of the program take pixels for.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// What became of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colors {
    /// No profile, or sRGB itself: as they are.
    #[default]
    Srgb,
    /// Turned into sRGB from a wider or other space.
    Converted,
    /// The profile is broken or for another kind of picture: taken for sRGB.
    Unknown,
}

impl Colors {
    /// For the panel; nothing where there is nothing to be said.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Srgb => "",
            Self::Converted => ", colours by its profile",
            Self::Unknown => ", colour profile not usable: taken for sRGB",
        }
    }
}

/// Turns the colours of `image` into sRGB.
pub(super) fn to_srgb(image: DynamicImage, profile: Option<&[u8]>) -> (image::RgbaImage, Colors) {
    let Some(profile) = profile.filter(|p| !is_srgb(p)) else {
        return (image.into_rgba8(), Colors::Srgb);
    };
    match converted(&image, profile) {
        Some(done) => (done, Colors::Converted),
        None => (image.into_rgba8(), Colors::Unknown),
    }
}

/// Names itself so, in ASCII or UTF-16, among its first tags.
fn is_srgb(profile: &[u8]) -> bool {
    /// The description is one of the first tags.
    const START: usize = 8192;
    let start = &profile[..profile.len().min(START)];
    let has = |name: &[u8]| start.windows(name.len()).any(|w| w == name);
    has(b"sRGB IEC61966") || has(b"\0s\0R\0G\0B\0 \0I\0E\0C") || has(b"s\0R\0G\0B")
}

fn converted(image: &DynamicImage, profile: &[u8]) -> Option<image::RgbaImage> {
    let from = ColorProfile::new_from_slice(profile).ok()?;
    let (to, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let (width, height) = (image.width(), image.height());
    let mut out = vec![0; width as usize * height as usize * 4];
    match from.color_space {
        DataColorSpace::Rgb => {
            let pixels = image.to_rgba8().into_raw();
            let transform = from.create_transform_8bit(Layout::Rgba, &to, Layout::Rgba, options);
            transform.ok()?.transform(&pixels, &mut out).ok()?;
        }
        DataColorSpace::Gray if !image.color().has_color() => {
            let pixels = image.to_luma_alpha8().into_raw();
            let transform =
                from.create_transform_8bit(Layout::GrayAlpha, &to, Layout::Rgba, options);
            transform.ok()?.transform(&pixels, &mut out).ok()?;
        }
        _ => return None,
    }
    image::RgbaImage::from_raw(width, height, out)
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn one(color: [u8; 4]) -> DynamicImage {
        RgbaImage::from_pixel(2, 2, Rgba(color)).into()
    }

    #[test]
    fn wider_spaces_become_srgb_and_srgb_stays() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        // P3's (200, 100, 50) is sRGB's (213, 94, 34): computed with the matrices of both (CSS Color 4, section 10)
        let (out, colors) = to_srgb(one([200, 100, 50, 77]), Some(&p3));
        assert_eq!(colors, Colors::Converted);
        let got = out.get_pixel(1, 1).0;
        for (got, want) in got.into_iter().zip([213_u8, 94, 34, 77]) {
            assert!(got.abs_diff(want) <= 3, "{got} is not {want}");
        }
        let grey = to_srgb(one([128, 128, 128, 255]), Some(&p3)).0;
        assert!(
            grey.get_pixel(0, 0).0[..3]
                .iter()
                .all(|v| v.abs_diff(128) <= 1)
        );
        let mut srgb = b"....desc....sRGB IEC61966-2.1".to_vec();
        srgb.resize(500, 0);
        let (out, colors) = to_srgb(one([200, 100, 50, 77]), Some(&srgb));
        assert_eq!(
            (out.get_pixel(0, 0).0, colors),
            ([200, 100, 50, 77], Colors::Srgb)
        );
    }

    #[test]
    fn grey_profiles_and_broken_ones() {
        let gamma = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let grey = DynamicImage::from(image::GrayImage::from_pixel(2, 2, image::Luma([55])));
        // linear 55/255 is sRGB's 0.4983 (IEC 61966-2-1)
        let (out, colors) = to_srgb(grey, Some(&gamma));
        assert_eq!(colors, Colors::Converted);
        let got = out.get_pixel(0, 0).0;
        assert!(
            got[0].abs_diff(127) <= 2 && got[0] == got[2] && got[3] == 255,
            "{got:?}"
        );
        for broken in [&b"rubbish"[..], &gamma[..90], &gamma] {
            let (out, colors) = to_srgb(one([1, 2, 3, 4]), Some(broken));
            assert_eq!(
                (out.get_pixel(0, 0).0, colors),
                ([1, 2, 3, 4], Colors::Unknown)
            );
        }
    }
}
