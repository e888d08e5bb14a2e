//! What a device can deliver, out of the kernel's enumerations. Devices that scale to any size are listed with the sizes
//! people use.

use v4l::Device;
use v4l::format::FourCC;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture as _;

use super::ioctl;
use crate::capture::camera::mode::{CameraFormat, CameraMode, rate_of};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// Offered of a device that takes any size.
const SIZES: [(u32, u32); 8] = [
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (1280, 720),
    (1280, 960),
    (1920, 1080),
    (3840, 2160),
];
/// Offered of a device that takes any rate.
const RATES: [(u32, u32); 9] = [
    (5, 1),
    (10, 1),
    (15, 1),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (50, 1),
    (60, 1),
];
/// A list longer than this is a broken driver's.
const MOST: usize = 2000;

/// Everything the device offers that we can read. Empty where the driver does not say.
pub(super) fn modes(device: &Device) -> Vec<CameraMode> {
    let mut modes: Vec<CameraMode> = Vec::new();
    for code in ioctl::formats(device) {
        let Some(format) = CameraFormat::of_fourcc(code) else {
            continue;
        };
        for size in sizes(device, code) {
            for rate in rates(device, code, size) {
                let mode = CameraMode { format, size, rate };
                if modes.len() < MOST && !modes.contains(&mode) {
                    modes.push(mode);
                }
            }
        }
    }
    modes
}

fn sizes(device: &Device, code: [u8; 4]) -> Vec<Resolution> {
    let found = device
        .enum_framesizes(FourCC::new(&code))
        .unwrap_or_default();
    let sizes = found.into_iter().flat_map(|f| match f.size {
        FrameSizeEnum::Discrete(d) => vec![Resolution::new(d.width, d.height)],
        FrameSizeEnum::Stepwise(s) => {
            let fits = |n: u32, (min, max, step): (u32, u32, u32)| {
                (min..=max).contains(&n) && (n - min).is_multiple_of(step.max(1))
            };
            let usual = SIZES.into_iter().filter(|(w, h)| {
                fits(*w, (s.min_width, s.max_width, s.step_width))
                    && fits(*h, (s.min_height, s.max_height, s.step_height))
            });
            usual.map(|(w, h)| Resolution::new(w, h)).collect()
        }
    });
    let side = 16..=8192;
    sizes
        .filter(|s| side.contains(&s.width) && side.contains(&s.height))
        .collect()
}

fn rates(device: &Device, code: [u8; 4], size: Resolution) -> Vec<FrameRate> {
    let found = device.enum_frameintervals(FourCC::new(&code), size.width, size.height);
    let found = found.unwrap_or_default();
    if found.is_empty() {
        // a device that does not say (capture cards): asked for the usual rate, it delivers what the signal has
        return vec![FrameRate::FPS_30];
    }
    let rates = found.into_iter().flat_map(|f| match f.interval {
        FrameIntervalEnum::Discrete(t) => rate_of(t.denominator, t.numerator)
            .into_iter()
            .collect::<Vec<_>>(),
        FrameIntervalEnum::Stepwise(s) => {
            let seconds = |num: u32, den: u32| f64::from(num) / f64::from(den.max(1));
            let least = seconds(s.min.numerator, s.min.denominator);
            let most = seconds(s.max.numerator, s.max.denominator);
            let usual = RATES.into_iter().filter(|(num, den)| {
                let interval = seconds(*den, *num);
                interval >= least * 0.999 && interval <= most * 1.001
            });
            usual.filter_map(|(num, den)| rate_of(num, den)).collect()
        }
    });
    rates.collect()
}
