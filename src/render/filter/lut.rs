//! Colour tables from files: `.cube` (3D, as Adobe's Cube LUT Specification 1.0 has it) and the 512x512 PNG layout of
//! GPUImage's lookup filter (64 tiles of 64x64, blue by tile). A per-pixel step. Files are hostile: sizes are bounded
//! and every number is checked. [`tables`] reads them on threads of their own; until one is read the filter does nothing.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::point::{ColorTable, PointKind, PointStep};
use super::tables::{self, TableState};
use super::{Built, FilterSettings, Param, param};
use crate::media::video::Resolution;

/// Settings of the colour table; without a file or strength it changes nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LutSettings {
    /// The file, `.cube` or `.png`.
    pub path: PathBuf,
    /// 0 to 100.
    pub strength: f32,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LutError {
    /// It cannot be read.
    #[error("the colour table cannot be read from {}: check the path", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no colour table: {reason}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

impl FilterSettings for LutSettings {
    const NAME: &'static str = "Colour table";

    const PARAMS: &'static [Param<Self>] = &[param!(
        strength,
        "Strength",
        0.0..=100.0,
        "",
        "How much of the table"
    )];

    fn start() -> Self {
        Self {
            strength: 100.0,
            ..Self::default()
        }
    }

    fn is_noop(&self) -> bool {
        self.path.as_os_str().is_empty() || self.strength <= 0.0
    }

    fn check(&self) -> Result<(), String> {
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        tables::wait_for(&self.path)
    }

    fn build(&self) -> Built {
        let Some(TableState::Ready(table)) = self.state().filter(|_| !self.is_noop()) else {
            return Built::Points(Vec::new()); // the panel says why
        };
        let strength = (self.strength / 100.0).clamp(0.0, 1.0);
        Built::Points(vec![step(table, strength)])
    }
}

/// The step that looks colours up; see `shaders/common/table.wgsl`.
#[expect(clippy::cast_precision_loss, reason = "sides of a texture")]
fn step(table: std::sync::Arc<ColorTable>, strength: f32) -> PointStep {
    let [cells, slices, columns] = [table.cells, table.slices, table.columns].map(|v| v as f32);
    let [width, height] = [table.resolution.width, table.resolution.height].map(|v| v as f32);
    let rows = [
        [strength, cells - 1.0, slices - 1.0, columns],
        [1.0 / width, 1.0 / height, cells, 1.0 / columns],
        [0.0; 4],
    ];
    PointStep {
        table: Some(table),
        ..PointStep::rows(PointKind::Table, rows)
    }
}

impl LutSettings {
    /// How far the table is; `None` without a file. Does not wait; any thread.
    pub fn state(&self) -> Option<TableState> {
        (!self.path.as_os_str().is_empty()).then(|| tables::get(&self.path))
    }
}

/// Largest file: a table of 65 steps with long numbers is about 10 MB.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
const TOO_LARGE: &str = "it is larger than 64 MB";
/// Most steps of a `.cube` file; the specification allows 256, files have 17 to 65.
const MOST_STEPS: u32 = 128;
/// Side of GPUImage's picture.
const PNG_SIDE: u32 = 512;

/// Reads a colour table. Waits for the disk, so not on the render thread.
pub fn load(path: &Path) -> Result<ColorTable, LutError> {
    let io = |source| LutError::Io {
        path: path.to_owned(),
        source,
    };
    let bad = |reason| LutError::Bad {
        path: path.to_owned(),
        reason,
    };
    // before opening: opening a pipe waits for somebody to write into it
    let known = std::fs::metadata(path).map_err(io)?;
    if !known.is_file() {
        return Err(bad("it is not a file".to_owned()));
    }
    if known.len() > LARGEST_FILE {
        return Err(bad(TOO_LARGE.to_owned()));
    }
    let mut data = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut data))
        .map_err(io)?;
    let read = if data.len() as u64 > LARGEST_FILE {
        Err(TOO_LARGE.to_owned()) // it grew
    } else if data.starts_with(b"\x89PNG") {
        png(&data)
    } else {
        match std::str::from_utf8(&data) {
            Ok(text) => cube(text),
            Err(e) => Err(format!(
                "it is neither a .cube text nor a PNG picture ({e})"
            )),
        }
    };
    read.map_err(bad)
}

fn png(data: &[u8]) -> Result<ColorTable, String> {
    let mut reader =
        image::ImageReader::with_format(std::io::Cursor::new(data), image::ImageFormat::Png);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(PNG_SIDE);
    limits.max_image_height = Some(PNG_SIDE);
    reader.limits(limits);
    let wanted =
        "it must be 512x512 pixels, 8x8 tiles of 64x64 (the layout of GPUImage's lookup picture)";
    let picture = reader.decode().map_err(|e| format!("{wanted} ({e})"))?;
    if (picture.width(), picture.height()) != (PNG_SIDE, PNG_SIDE) {
        return Err(format!(
            "{wanted}, and is {}x{}",
            picture.width(),
            picture.height()
        ));
    }
    let picture = picture.to_rgb8();
    Ok(tiles(64, |r, g, b| {
        let pixel = picture.get_pixel(b % 8 * 64 + r, b / 8 * 64 + g);
        pixel.0.map(|v| f32::from(v) / 255.0)
    }))
}

/// Reads a `.cube` text.
fn cube(text: &str) -> Result<ColorTable, String> {
    let mut steps = None;
    let (mut low, mut high) = ([0.0_f32; 3], [1.0_f32; 3]);
    let mut values: Vec<[f32; 3]> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: &str| format!("line {number}: {what}");
        let line = line.trim();
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|w| !w.starts_with('#')) else {
            continue;
        };
        match first {
            "TITLE" => {}
            "LUT_1D_SIZE" => return Err(wrong("a table of one dimension; choose a 3D one")),
            "LUT_3D_SIZE" => {
                let size = words.next().and_then(|w| w.parse().ok());
                let size = size.filter(|s| (2..=MOST_STEPS).contains(s));
                steps = Some(size.ok_or_else(|| wrong("LUT_3D_SIZE must be 2 to 128"))?);
            }
            "DOMAIN_MIN" => {
                low = triple(words).ok_or_else(|| wrong("three numbers must follow"))?;
            }
            "DOMAIN_MAX" => {
                high = triple(words).ok_or_else(|| wrong("three numbers must follow"))?;
            }
            _ if first.starts_with(|c: char| c.is_ascii_alphabetic()) => {} // a keyword of some program
            _ => {
                let value = triple(std::iter::once(first).chain(words));
                values.push(value.ok_or_else(|| wrong("three numbers must stand here"))?);
                let most = steps.map_or(0, |s: u32| s.pow(3)) as usize;
                if values.len() > most {
                    return Err(wrong("more colours than LUT_3D_SIZE says"));
                }
            }
        }
    }
    let cells = steps.ok_or("LUT_3D_SIZE is missing")?;
    let wanted = cells.pow(3) as usize;
    if values.len() != wanted {
        return Err(format!("{} colours instead of {wanted}", values.len()));
    }
    if (low, high) != ([0.0; 3], [1.0; 3]) {
        return Err("only tables from 0 to 1 (DOMAIN_MIN, DOMAIN_MAX) can be used".to_owned());
    }
    // red runs fastest
    Ok(tiles(cells, |r, g, b| {
        values[((b * cells + g) * cells + r) as usize]
    }))
}

/// Exactly three finite numbers.
fn triple<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<[f32; 3]> {
    let mut next = || words.next()?.parse::<f32>().ok().filter(|v| v.is_finite());
    let values = [next()?, next()?, next()?];
    words.next().is_none().then_some(values)
}

/// Steps of blue in the picture of a table: as many as a byte has, or half of them for large tables. What lies between two
/// steps of red and green the adapter mixes; for blue that would be a second sample.
const fn slices(cells: u32) -> u32 {
    if cells > 64 { 128 } else { 256 }
}

/// Lays a table out as tiles: red to the right, green downwards, a tile for each step of blue.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "steps of a table"
)]
fn tiles(cells: u32, value: impl Fn(u32, u32, u32) -> [f32; 3]) -> ColorTable {
    const COLUMNS: u32 = 16;
    let slices = slices(cells);
    let resolution = Resolution::new(COLUMNS * cells, slices / COLUMNS * cells);
    let mut rgba = Vec::with_capacity((resolution.width * resolution.height * 4) as usize);
    for y in 0..resolution.height {
        for x in 0..resolution.width {
            let (r, g) = (x % cells, y % cells);
            let slice = y / cells * COLUMNS + x / cells;
            let blue = slice as f32 * (cells - 1) as f32 / (slices - 1) as f32;
            let low = (blue as u32).min(cells - 2);
            let (from, to) = (value(r, g, low), value(r, g, low + 1));
            let part = blue - low as f32;
            rgba.extend([0, 1, 2].map(|c| byte(from[c] + (to[c] - from[c]) * part)));
            rgba.push(255);
        }
    }
    ColorTable {
        cells,
        slices,
        columns: COLUMNS,
        resolution,
        rgba: Bytes::from(rgba),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a byte"
)]
fn byte(v: f32) -> u8 {
    (v.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(steps: u32) -> String {
        let mut out = format!("TITLE \"x\"\n# comment\nLUT_3D_SIZE {steps}\n");
        for b in 0..steps {
            for g in 0..steps {
                for r in 0..steps {
                    let v = |n: u32| f64::from(n) / f64::from(steps - 1);
                    out.push_str(&format!("{} {} {}\n", v(r), v(g), v(b)));
                }
            }
        }
        out
    }

    #[test]
    fn a_cube_file_becomes_tiles() {
        let table = cube(&text(3)).unwrap();
        assert_eq!((table.cells, table.columns, table.slices), (3, 16, 256));
        assert_eq!(table.resolution, Resolution::new(48, 48));
        // red 2, green 1 of three steps; blue 17 of 256: the second tile of the second row
        let at = ((3 + 1) * 48 + 3 + 2) * 4;
        assert_eq!(&table.rgba[at..at + 4], [255, 128, 17, 255]);
        let large = cube(&text(65)).unwrap();
        assert_eq!(large.resolution, Resolution::new(1040, 520));
        assert!(large.resolution.width.max(large.resolution.height) <= 2048);
    }

    #[test]
    fn bad_files_are_refused_in_words() {
        let good = text(2);
        for (bad, want) in [
            (String::new(), "LUT_3D_SIZE is missing"),
            ("LUT_1D_SIZE 4\n".to_owned(), "one dimension"),
            ("LUT_3D_SIZE 9999\n".to_owned(), "2 to 128"),
            ("LUT_3D_SIZE x\n".to_owned(), "2 to 128"),
            (
                "LUT_3D_SIZE 2\n0 0 0\n".to_owned(),
                "1 colours instead of 8",
            ),
            (format!("{good}0 0 0\n"), "more colours"),
            (good.replacen("0 0 0", "0 0 nan", 1), "three numbers"),
            (good.replacen("0 0 0", "0 0", 1), "three numbers"),
            (format!("DOMAIN_MAX 2 2 2\n{good}"), "from 0 to 1"),
            ("0 0 0\n".to_owned(), "more colours"),
        ] {
            let reason = cube(&bad).unwrap_err();
            assert!(reason.contains(want), "{bad:?}: {reason}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.png");
        image::RgbImage::new(64, 64).save(&path).unwrap();
        let reason = load(&path).unwrap_err().to_string();
        assert!(reason.contains("512x512"), "{reason}");
        let reason = load(&dir.path().join("none.cube")).unwrap_err().to_string();
        assert!(reason.contains("check the path"), "{reason}");
        std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
        assert!(load(&path).is_err());
        let reason = load(dir.path()).unwrap_err().to_string();
        assert!(reason.contains("not a file"), "{reason}");
        let large = std::fs::File::create(&path).unwrap();
        large.set_len(LARGEST_FILE + 1).unwrap();
        let reason = load(&path).unwrap_err().to_string();
        assert!(reason.contains("larger than 64 MB"), "{reason}");
    }
}
