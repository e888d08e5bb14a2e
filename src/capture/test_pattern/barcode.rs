//! The barcode in the test pattern: the capture time and a frame number, readable after encoding, scaling and filters.
//!
//! Two rows of 34 cells. In a picture of 1280x720 a cell is 16 px square and the first one has its top left corner at
//! (32, 24); in other sizes all of it is scaled by width/1280 and height/720. A quiet border of half a cell surrounds it.
//!
//! | row | first cell | 32 cells, most significant bit first | last cell |
//! |---|---|---|---|
//! | 0 | white | `CLOCK_MONOTONIC` in milliseconds, modulo 2^32 | black |
//! | 1 | black | 16 bits frame number, 16 bits check | white |
//!
//! In: numbers, or a luma plane. Out: cells, or numbers. Pure; no thread.

use super::canvas::Area;
use crate::media::video::Resolution;

/// Rows of the code.
pub const ROWS: usize = 2;
/// Cells in a row: one reference cell at each end and 32 bits.
pub const COLS: usize = 34;
/// Size the layout is given for.
const NOMINAL: (f64, f64) = (1280.0, 720.0);
const CELL: f64 = 16.0;
const LEFT: f64 = 32.0;
const TOP: f64 = 24.0;
/// Least difference of luma between white and black that is taken for a barcode.
const MIN_CONTRAST: i32 = 40;

/// What a barcode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Capture time: `CLOCK_MONOTONIC` in milliseconds, modulo 2^32 (49.7 days).
    pub monotonic_ms: u32,
    /// Number of the frame, modulo 2^16.
    pub frame: u16,
}

impl Mark {
    /// The cells, true for white.
    pub fn cells(self) -> [[bool; COLS]; ROWS] {
        let words = [
            self.monotonic_ms,
            u32::from(self.frame) << 16 | u32::from(self.check()),
        ];
        let mut rows = [[false; COLS]; ROWS];
        for (r, (row, word)) in rows.iter_mut().zip(words).enumerate() {
            row[0] = r == 0;
            row[COLS - 1] = r == 1;
            for (i, cell) in row[1..COLS - 1].iter_mut().enumerate() {
                *cell = word >> (31 - i) & 1 == 1;
            }
        }
        rows
    }

    /// Mixes all bits, so that a misread cell passes once in 65,536 times.
    const fn check(self) -> u16 {
        let frame = (self.frame as u32).wrapping_mul(40_503);
        let mut h = self.monotonic_ms.wrapping_mul(2_654_435_761) ^ frame.wrapping_add(0x9e37);
        h ^= h >> 15;
        h = h.wrapping_mul(2_246_822_519);
        h ^= h >> 13;
        (h & 0xffff) as u16
    }
}

/// The pixels of a cell.
pub(super) fn cell_area(size: Resolution, row: usize, col: usize) -> Area {
    let (x, y) = (col as f64, row as f64);
    area(size, x, y, x + 1.0, y + 1.0)
}

/// The pixels of the code with its quiet border.
pub(super) fn border_area(size: Resolution) -> Area {
    area(size, -0.5, -0.5, COLS as f64 + 0.5, ROWS as f64 + 0.5)
}

/// The area between two corners given in cells.
fn area(size: Resolution, left: f64, top: f64, right: f64, bottom: f64) -> Area {
    let (sx, sy) = scale(size);
    let x = |col: f64| ((LEFT + col * CELL) * sx).round() as i32;
    let y = |row: f64| ((TOP + row * CELL) * sy).round() as i32;
    Area::between(x(left), y(top), x(right), y(bottom))
}

fn scale(size: Resolution) -> (f64, f64) {
    (
        f64::from(size.width) / NOMINAL.0,
        f64::from(size.height) / NOMINAL.1,
    )
}

/// Reads the barcode out of a luma plane of `size`; `None` when there is none or it is damaged.
pub fn read(luma: &[u8], stride: usize, size: Resolution) -> Option<Mark> {
    let at = |row, col| cell_luma(luma, stride, size, row, col);
    let white = (at(0, 0)? + at(1, COLS - 1)?) / 2;
    let black = (at(1, 0)? + at(0, COLS - 1)?) / 2;
    if white - black < MIN_CONTRAST {
        return None;
    }
    let threshold = (white + black) / 2;
    let word = |row| {
        (1..COLS - 1).try_fold(0_u32, |word, col| {
            Some(word << 1 | u32::from(at(row, col)? > threshold))
        })
    };
    let (monotonic_ms, second) = (word(0)?, word(1)?);
    let mark = Mark {
        monotonic_ms,
        frame: (second >> 16) as u16,
    };
    (u32::from(mark.check()) == second & 0xffff).then_some(mark)
}

/// Mean luma of the middle half of a cell, which blur and chroma do not reach.
fn cell_luma(luma: &[u8], stride: usize, size: Resolution, row: usize, col: usize) -> Option<i32> {
    let (sx, sy) = scale(size);
    let x = (LEFT + (col as f64 + 0.5) * CELL) * sx;
    let y = (TOP + (row as f64 + 0.5) * CELL) * sy;
    let (rx, ry) = ((CELL * sx / 4.0).max(1.0), (CELL * sy / 4.0).max(1.0));
    let span = |centre: f64, radius: f64, end: u32| {
        let from = (centre - radius).max(0.0) as usize;
        from..((centre + radius) as usize + 1).min(end as usize)
    };
    let (xs, ys) = (span(x, rx, size.width), span(y, ry, size.height));
    let (mut sum, mut count) = (0_i32, 0_i32);
    for y in ys {
        for &v in luma.get(y * stride..)?.get(xs.clone())? {
            sum += i32::from(v);
            count += 1;
        }
    }
    (count > 0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_the_layout() {
        let mark = Mark {
            monotonic_ms: 0x8000_0001,
            frame: 0xffff,
        };
        let [time, number] = mark.cells();
        assert_eq!(
            (time[0], time[33], number[0], number[33]),
            (true, false, false, true)
        );
        assert!(time[1] && time[32] && time[2..32].iter().all(|c| !c));
        assert!(number[1..17].iter().all(|c| *c));
        // values of another implementation of the same check
        let check = |monotonic_ms, frame| {
            Mark {
                monotonic_ms,
                frame,
            }
            .check()
        };
        assert_eq!((check(0, 0), check(1, 2)), (0x128b, 0x1d23));
        assert_eq!(check(123_456_789, 4711), 0x10dc);
        assert_eq!(check(u32::MAX, u16::MAX), 0x0e2b);
    }

    #[test]
    fn damage_and_absence_are_seen() {
        let size = Resolution::HD;
        let mut luma = vec![16; 1280 * 720];
        assert_eq!(read(&luma, 1280, size), None, "no contrast");
        let mark = Mark {
            monotonic_ms: 123_456_789,
            frame: 4711,
        };
        for (row, cells) in mark.cells().iter().enumerate() {
            for (col, white) in cells.iter().enumerate() {
                let a = cell_area(size, row, col);
                for y in a.top..a.bottom {
                    for x in a.left..a.right {
                        luma[y as usize * 1280 + x as usize] = if *white { 235 } else { 16 };
                    }
                }
            }
        }
        assert_eq!(read(&luma, 1280, size), Some(mark));
        let a = cell_area(size, 0, 9);
        for y in a.top..a.bottom {
            for x in a.left..a.right {
                let v = &mut luma[y as usize * 1280 + x as usize];
                *v = 251 - *v;
            }
        }
        assert_eq!(read(&luma, 1280, size), None, "one flipped cell");
        assert_eq!(read(&luma[..1000], 1280, size), None, "a plane too short");
    }
}
