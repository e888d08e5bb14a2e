//! Pictures against PNG files in `tests/snapshots/`. `UPDATE_SNAPSHOTS=1` rewrites them; a failure leaves `NAME.new.png`
//! and `NAME.diff.png` beside them.

use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};
use kaibo::render::screenshot::Screenshot;

/// Snapshots are in the repository: small ones only.
const LARGEST_FILE: u64 = 16 * 1024;

fn path(name: &str, ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(format!("{name}{ending}.png"))
}

fn save(image: &RgbImage, path: &Path) {
    image.save_with_format(path, ImageFormat::Png).unwrap();
}

/// How different two pictures may be.
#[derive(Clone, Copy)]
pub(crate) struct Tolerance {
    /// Mean difference of all samples.
    pub(crate) mean: f64,
    /// A pixel this different (in any channel) is an outlier.
    pub(crate) outlier: u8,
    /// How many of them there may be.
    pub(crate) outliers: usize,
}

pub(crate) fn check(name: &str, shot: &Screenshot, tolerance: Tolerance) {
    let rgb: Vec<u8> = shot
        .to_rgba()
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    let new = RgbImage::from_raw(shot.resolution.width, shot.resolution.height, rgb).unwrap();
    let file = path(name, "");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        save(&new, &file);
        let len = std::fs::metadata(&file).unwrap().len();
        assert!(
            len <= LARGEST_FILE,
            "{name} has {len} bytes: make it simpler"
        );
        return;
    }
    let old = image::open(&file)
        .unwrap_or_else(|e| panic!("{}: {e}", file.display()))
        .to_rgb8();
    assert_eq!(old.dimensions(), new.dimensions(), "{name}");
    let difference = |x, y| -> [u8; 3] {
        let (a, b): (&Rgb<u8>, &Rgb<u8>) = (old.get_pixel(x, y), new.get_pixel(x, y));
        [0, 1, 2].map(|c| a.0[c].abs_diff(b.0[c]))
    };
    let all: Vec<[u8; 3]> = new
        .enumerate_pixels()
        .map(|(x, y, _)| difference(x, y))
        .collect();
    let mean = all.iter().flatten().map(|v| f64::from(*v)).sum::<f64>() / (all.len() * 3) as f64;
    let outliers = all
        .iter()
        .filter(|d| d.iter().any(|v| *v > tolerance.outlier))
        .count();
    if mean > tolerance.mean || outliers > tolerance.outliers {
        save(&new, &path(name, ".new"));
        let strong = |x, y| Rgb(difference(x, y).map(|v| v.saturating_mul(8)));
        save(
            &RgbImage::from_fn(new.width(), new.height(), strong),
            &path(name, ".diff"),
        );
        panic!(
            "{name}: mean difference {mean:.2}, {outliers} outliers: see {}",
            path(name, ".diff").display()
        );
    }
}
