//! What a camera can deliver, and which of it suits a show best. Pure.

use serde::{Deserialize, Serialize};

use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// Layout of a camera's pictures on the wire. In the order in which "auto" prefers them where size and rate are equal:
/// fewest bytes without loss first, compressed after uncompressed, without colour last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraFormat {
    /// Luma plane, interleaved half-size chroma plane.
    Nv12,
    /// Luma plane, half-size Cb plane, half-size Cr plane.
    I420,
    /// Packed Y0 Cb Y1 Cr.
    Yuyv,
    /// Packed Cb Y0 Cr Y1.
    Uyvy,
    /// Three bytes a pixel, blue first.
    Bgr24,
    /// Three bytes a pixel, red first.
    Rgb24,
    /// A JPEG picture each.
    Mjpeg,
    /// Luma alone.
    Grey,
}

impl CameraFormat {
    /// All of them, best first.
    pub const ALL: [Self; 8] = [
        Self::Nv12,
        Self::I420,
        Self::Yuyv,
        Self::Uyvy,
        Self::Bgr24,
        Self::Rgb24,
        Self::Mjpeg,
        Self::Grey,
    ];

    /// As camera makers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nv12 => "NV12",
            Self::I420 => "I420",
            Self::Yuyv => "YUYV",
            Self::Uyvy => "UYVY",
            Self::Bgr24 => "BGR24",
            Self::Rgb24 => "RGB24",
            Self::Mjpeg => "MJPEG",
            Self::Grey => "GREY",
        }
    }

    /// The V4L2 code (`videodev2.h`).
    pub const fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Nv12 => b"NV12",
            Self::I420 => b"YU12",
            Self::Yuyv => b"YUYV",
            Self::Uyvy => b"UYVY",
            Self::Bgr24 => b"BGR3",
            Self::Rgb24 => b"RGB3",
            Self::Mjpeg => b"MJPG",
            Self::Grey => b"GREY",
        }
    }

    /// The format of a V4L2 code; `None` for one we cannot read.
    pub fn of_fourcc(code: [u8; 4]) -> Option<Self> {
        match &code {
            b"JPEG" => Some(Self::Mjpeg),
            _ => Self::ALL.into_iter().find(|f| f.fourcc() == code),
        }
    }
}

/// One thing a camera can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraMode {
    /// Layout.
    pub format: CameraFormat,
    /// Picture size.
    pub size: Resolution,
    /// Pictures a second.
    pub rate: FrameRate,
}

impl std::fmt::Display for CameraMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { format, size, rate } = self;
        write!(f, "{size}, {} fps, {}", rate_words(*rate), format.name())
    }
}

/// Text that is no camera mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not FORMAT:WIDTHxHEIGHT@FPS (for example mjpeg:1280x720@30)")]
pub struct CameraModeError(String);

impl std::str::FromStr for CameraMode {
    type Err = CameraModeError;

    fn from_str(text: &str) -> Result<Self, CameraModeError> {
        let parse = || {
            let (format, rest) = text.trim().split_once(':')?;
            let (size, rate) = rest.split_once('@')?;
            let named = |f: &CameraFormat| f.name().eq_ignore_ascii_case(format.trim());
            Some(Self {
                format: CameraFormat::ALL.into_iter().find(named)?,
                size: size.parse().ok()?,
                rate: rate.parse().ok()?,
            })
        };
        parse().ok_or_else(|| CameraModeError(text.to_owned()))
    }
}

/// "30", "29.97", "12.5".
pub fn rate_words(rate: FrameRate) -> String {
    let rounded = (rate.as_f64() * 100.0).round() / 100.0;
    rounded.to_string()
}

/// `num / den` pictures a second in lowest terms; `None` outside 1 to 240.
pub fn rate_of(num: u32, den: u32) -> Option<FrameRate> {
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 {
        return None;
    }
    FrameRate::new(num / a, den / a).ok()
}

/// The mode that suits a show of this size and rate best; `None` when there is none at all.
///
/// First comes how much of the show's picture and rate it fills, each at most wholly: 1280x720 with 30 pictures a second
/// beats 1280x720 with 10. Then whether it covers the show's size, then the fewest pixels to spare, then the rate that
/// is reached with the least to spare, then the format ([`CameraFormat`]'s order, so uncompressed where it reaches the
/// rate).
pub fn best_mode(modes: &[CameraMode], size: Resolution, rate: FrameRate) -> Option<CameraMode> {
    let key = |mode: &CameraMode| {
        let share = |have: f64, want: f64| (have / want.max(1.0)).min(1.0);
        let width = share(f64::from(mode.size.width), f64::from(size.width));
        let height = share(f64::from(mode.size.height), f64::from(size.height));
        // 29.97 for 30 is no loss that anybody sees
        let pace = share(mode.rate.as_f64() * 1.002, rate.as_f64());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a share of 1 in thousandths"
        )]
        let filled = (width * height * pace * 1000.0).round() as i64;
        let small = mode.size.width < size.width || mode.size.height < size.height;
        #[expect(clippy::cast_possible_truncation, reason = "at most 240 in hundredths")]
        let spare = ((mode.rate.as_f64() - rate.as_f64()).abs() * 100.0).round() as i64;
        (-filled, small, mode.size.pixels(), spare, mode.format)
    };
    modes.iter().copied().min_by_key(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_assert, proptest};

    use super::*;

    /// "NV12 1280x720 30".
    fn mode(text: &str) -> CameraMode {
        text.replacen(' ', ":", 1)
            .replacen(' ', "@", 1)
            .parse()
            .unwrap()
    }

    fn chosen(modes: &[&str], size: &str, rate: &str) -> String {
        let modes: Vec<_> = modes.iter().map(|m| mode(m)).collect();
        let best = best_mode(&modes, size.parse().unwrap(), rate.parse().unwrap()).unwrap();
        let Some(at) = modes.iter().position(|m| *m == best) else {
            panic!("{best} was not offered")
        };
        modes_text(&modes[at])
    }

    fn modes_text(mode: &CameraMode) -> String {
        format!("{} {} {}", mode.format.name(), mode.size, mode.rate)
    }

    #[test]
    fn uncompressed_is_taken_where_it_reaches_the_rate() {
        // a usual USB 2 webcam
        let webcam = [
            "YUYV 640x480 30",
            "YUYV 1280x720 10",
            "YUYV 1920x1080 5",
            "MJPEG 640x480 30",
            "MJPEG 1280x720 30",
            "MJPEG 1280x720 60",
            "MJPEG 1920x1080 30",
        ];
        assert_eq!(chosen(&webcam, "1280x720", "30"), "MJPEG 1280x720 30");
        assert_eq!(chosen(&webcam, "1280x720", "60"), "MJPEG 1280x720 60");
        assert_eq!(chosen(&webcam, "1280x720", "10"), "YUYV 1280x720 10");
        assert_eq!(chosen(&webcam, "640x480", "30"), "YUYV 640x480 30");
        assert_eq!(chosen(&webcam, "1920x1080", "30"), "MJPEG 1920x1080 30");
        assert_eq!(chosen(&webcam, "3840x2160", "30"), "MJPEG 1920x1080 30");
    }

    #[test]
    fn larger_is_made_smaller_rather_than_smaller_larger() {
        let modes = ["YUYV 640x360 30", "YUYV 1920x1080 30", "YUYV 1600x900 30"];
        assert_eq!(chosen(&modes, "1280x720", "30"), "YUYV 1600x900 30");
        // the rate is not sold for the size
        let modes = ["NV12 320x240 60", "NV12 1280x720 30"];
        assert_eq!(chosen(&modes, "1280x720", "60"), "NV12 1280x720 30");
    }

    #[test]
    fn ntsc_counts_as_the_whole_rate_and_colour_counts() {
        let modes = ["YUYV 1280x720 30000/1001", "MJPEG 1280x720 30"];
        assert_eq!(chosen(&modes, "1280x720", "30"), "MJPEG 1280x720 30");
        let modes = ["YUYV 1280x720 30000/1001", "MJPEG 1280x720 60"];
        assert_eq!(chosen(&modes, "1280x720", "30"), "YUYV 1280x720 30000/1001");
        let modes = ["GREY 1280x720 30", "MJPEG 1280x720 30"];
        assert_eq!(chosen(&modes, "1280x720", "30"), "MJPEG 1280x720 30");
        assert_eq!(best_mode(&[], Resolution::HD, FrameRate::FPS_30), None);
    }

    #[test]
    fn rates_are_in_lowest_terms() {
        assert_eq!(rate_of(60, 2), Some(FrameRate::FPS_30));
        assert_eq!(
            rate_of(742_500, 12_375).map(rate_words),
            Some("60".to_owned())
        );
        assert_eq!(
            rate_of(10_000_000, 333_333).map(rate_words),
            Some("30".to_owned())
        );
        assert_eq!(rate_of(25, 2).map(rate_words), Some("12.5".to_owned()));
        assert_eq!(
            (rate_of(0, 1), rate_of(1, 0), rate_of(1, 2)),
            (None, None, None)
        );
    }

    #[test]
    fn codes_and_formats_belong_together() {
        for format in CameraFormat::ALL {
            assert_eq!(CameraFormat::of_fourcc(format.fourcc()), Some(format));
        }
        assert_eq!(CameraFormat::of_fourcc(*b"H264"), None);
        for bad in [
            "",
            "mjpeg",
            "mjpeg:1280x720",
            "h264:1280x720@30",
            "nv12:0x0@30",
        ] {
            assert!(bad.parse::<CameraMode>().is_err(), "{bad}");
        }
    }

    fn any_mode() -> impl Strategy<Value = CameraMode> {
        let sides = (16_u32..4096, 16_u32..4096);
        (
            prop::sample::select(CameraFormat::ALL.to_vec()),
            sides,
            1_u32..240,
        )
            .prop_map(|(format, (w, h), fps)| CameraMode {
                format,
                size: Resolution::new(w, h),
                rate: FrameRate::new(fps, 1).unwrap(),
            })
    }

    proptest! {
        /// Whatever else is offered: what is exactly wanted is never passed over for less of it.
        #[test]
        fn the_exact_mode_is_never_passed_over(others in prop::collection::vec(any_mode(), 0..20), at in any::<u8>()) {
            let exact = mode("NV12 1280x720 30");
            let mut modes = others;
            modes.insert(usize::from(at) % (modes.len() + 1), exact);
            let best = best_mode(&modes, exact.size, exact.rate).unwrap();
            prop_assert!(best == exact, "{best}");
        }
    }
}
