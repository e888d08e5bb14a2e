//! Distances and blurs of coverage pictures, for outlines and shadows. Pure.

/// How far each pixel's middle lies from the shape, in pixels; 0 within it. Exact Euclidean distance in two passes
/// (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", 2012); pixels that are partly covered
/// count as lying that much nearer, which keeps edges smooth.
pub(super) fn distance(coverage: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut field: Vec<f64> = coverage
        .iter()
        .map(|&c| match f64::from(c) {
            c if c < LEAST => FAR,
            c => (0.5 - c).max(0.0).powi(2),
        })
        .collect();
    let longest = width.max(height);
    let mut scratch = Scratch {
        values: vec![0.0; longest],
        places: vec![0; longest],
        borders: vec![0.0; longest + 1],
    };
    let mut column = vec![0.0; height];
    for x in 0..width {
        for (y, v) in column.iter_mut().enumerate() {
            *v = field[y * width + x];
        }
        scratch.pass(&mut column);
        for (y, v) in column.iter().enumerate() {
            field[y * width + x] = *v;
        }
    }
    for row in field.chunks_exact_mut(width) {
        scratch.pass(row);
    }
    field.iter().map(|v| v.sqrt() as f32).collect()
}

/// Rasterisers leave rounding errors in rows that a glyph does not touch: less than what 8 bits can show is nothing.
const LEAST: f64 = 1.0 / 255.0;

/// Farther than any pixel, and small enough that adding a square to it loses nothing in double precision.
const FAR: f64 = 1e12;

struct Scratch {
    values: Vec<f64>,
    /// Where the parabolas of the lower envelope have their lowest point.
    places: Vec<usize>,
    /// Where one parabola gives way to the next.
    borders: Vec<f64>,
}

impl Scratch {
    fn pass(&mut self, line: &mut [f64]) {
        let Self {
            values,
            places,
            borders,
        } = self;
        let n = line.len();
        if n == 0 {
            return;
        }
        values[..n].copy_from_slice(line);
        let square = |i: usize| (i * i) as f64;
        let mut last = 0;
        places[0] = 0;
        borders[0] = f64::NEG_INFINITY;
        borders[1] = f64::INFINITY;
        for q in 1..n {
            let meet = |r: usize| {
                let lift = (values[q] + square(q)) - (values[r] + square(r));
                lift / (2 * (q - r)) as f64
            };
            let mut at = meet(places[last]);
            while at <= borders[last] && last > 0 {
                last -= 1;
                at = meet(places[last]);
            }
            last += 1;
            places[last] = q;
            borders[last] = at;
            borders[last + 1] = f64::INFINITY;
        }
        let mut k = 0;
        for (q, v) in line.iter_mut().enumerate() {
            while borders[k + 1] < q as f64 {
                k += 1;
            }
            let r = places[k];
            *v = values[r] + square(q.abs_diff(r));
        }
    }
}

/// Blurs like a Gaussian that reaches `radius` pixels: three box blurs, whose sum of widths that is.
pub(super) fn blur(coverage: &mut [f32], width: usize, height: usize, radius: f32) {
    if radius < 0.5 || width == 0 {
        return;
    }
    let half = (radius / 3.0).round().max(1.0) as usize;
    let mut column = vec![0.0; height];
    let mut scratch = vec![0.0; width.max(height)];
    for _ in 0..3 {
        for row in coverage.chunks_exact_mut(width) {
            box_blur(row, &mut scratch, half);
        }
        for x in 0..width {
            for (y, v) in column.iter_mut().enumerate() {
                *v = coverage[y * width + x];
            }
            box_blur(&mut column, &mut scratch, half);
            for (y, v) in column.iter().enumerate() {
                coverage[y * width + x] = *v;
            }
        }
    }
}

/// Mean of `2 * half + 1` values; nothing beyond the ends.
fn box_blur(line: &mut [f32], scratch: &mut [f32], half: usize) {
    let n = line.len();
    scratch[..n].copy_from_slice(line);
    let share = 1.0 / (2 * half + 1) as f32;
    // in double precision: single adds up rounding errors over long lines
    let mut sum: f64 = scratch[..n.min(half)].iter().map(|v| f64::from(*v)).sum();
    for (i, v) in line.iter_mut().enumerate() {
        if i + half < n {
            sum += f64::from(scratch[i + half]);
        }
        if i > half {
            sum -= f64::from(scratch[i - half - 1]);
        }
        *v = (sum as f32 * share).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_euclidean() {
        // wide, and most of it far from everything
        let (width, height) = (300, 40);
        let mut rng = fastrand::Rng::with_seed(3);
        let dots: Vec<_> = (0..9)
            .map(|_| (rng.usize(0..width), rng.usize(0..height)))
            .collect();
        // what rounding errors leave is nothing
        let mut coverage = vec![1e-6; width * height];
        for (x, y) in &dots {
            coverage[y * width + x] = 1.0;
        }
        let field = distance(&coverage, width, height);
        for y in 0..height {
            for x in 0..width {
                let to = |(px, py): &(usize, usize)| {
                    (x as f32 - *px as f32).hypot(y as f32 - *py as f32)
                };
                let want = dots.iter().map(to).fold(f32::MAX, f32::min);
                let got = field[y * width + x];
                assert!((got - want).abs() < 1e-3, "{x} {y}: {got} not {want}");
            }
        }
        assert!(distance(&[0.0; 4], 2, 2).iter().all(|d| *d > 1e5));
    }

    #[test]
    fn a_blur_keeps_the_sum_and_spreads_evenly() {
        let (width, height) = (41, 41);
        let mut picture = vec![0.0; width * height];
        picture[20 * width + 20] = 1.0;
        blur(&mut picture, width, height, 9.0);
        let sum: f32 = picture.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        let at = |x: usize, y: usize| picture[y * width + x];
        assert!((at(15, 20) - at(25, 20)).abs() < 1e-6 && (at(15, 20) - at(20, 15)).abs() < 1e-6);
        assert!(at(20, 20) > at(24, 20) && at(24, 20) > at(28, 20) && at(30, 20) < 1e-6);
    }
}
