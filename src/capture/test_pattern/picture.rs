//! The picture of the test pattern: what stands still is drawn once, what moves is drawn into a copy of it.
//!
//! In: a moment (time, frame number, flash). Out: a tightly packed NV12 picture, BT.709 limited range. Pure; a picture
//! depends on nothing but its moment and size. The layout is given for 1280x720; areas scale with the picture's width
//! and height, text and circles with the smaller of the two.

use super::barcode::{self, COLS, Mark, ROWS};
use super::canvas::{Area, Canvas, Coverage, Yuv, plane_lengths};
use super::text::{Digits, Typeface};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// 75 % bars from left to right, as gamma-encoded red, green, blue.
pub const BARS: [[f64; 3]; 7] = [
    [0.75, 0.75, 0.75],
    [0.75, 0.75, 0.0],
    [0.0, 0.75, 0.75],
    [0.0, 0.75, 0.0],
    [0.75, 0.0, 0.75],
    [0.75, 0.0, 0.0],
    [0.0, 0.0, 0.75],
];
/// Black and white of limited range.
const BLACK: u8 = 16;
const WHITE: u8 = 235;
/// Ground of header, lane and footer.
const DARK: u8 = 26;
/// Ground of the clock's panel and of the unlit flash band.
const DEEP: u8 = 20;
/// Secondary text and lines.
const DIM: u8 = 140;
const LINE: u8 = 70;
/// The ball and the dot before the name.
const CORAL: [f64; 3] = [1.0, 0.30, 0.29];
/// Steps of the grey scale.
const STEPS: i32 = 16;

/// What one picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Capture time on `CLOCK_MONOTONIC`, in nanoseconds.
    pub monotonic_ns: i64,
    /// Number of the frame.
    pub frame: u64,
    /// Whether the band is lit.
    pub flash: bool,
}

impl Moment {
    /// Milliseconds, rounded down.
    fn millis(self) -> i64 {
        self.monotonic_ns.div_euclid(1_000_000)
    }

    /// What the barcode of this moment says.
    pub fn mark(self) -> Mark {
        Mark {
            monotonic_ms: (self.millis() & 0xffff_ffff) as u32,
            frame: (self.frame & 0xffff) as u16,
        }
    }

    /// The clock's text: hours (modulo 100), minutes, seconds, milliseconds.
    fn clock(self) -> [u8; 12] {
        let ms = self.millis().max(0);
        let mut text = *b"00:00:00.000";
        put(&mut text[0..2], ms / 3_600_000);
        put(&mut text[3..5], ms / 60_000 % 60);
        put(&mut text[6..8], ms / 1000 % 60);
        put(&mut text[9..12], ms % 1000);
        text
    }
}

/// Writes the lowest decimal digits of a number.
fn put(text: &mut [u8], mut n: i64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// The whole-width band that is white for 100 ms each second and nearly black otherwise.
pub fn flash_area(size: Resolution) -> Area {
    Scaled::new(size).area(0.0, 608.0, 1280.0, 656.0)
}

/// From the layout's coordinates to pixels.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    x: f32,
    y: f32,
}

impl Scaled {
    fn new(size: Resolution) -> Self {
        Self {
            x: size.width as f32 / 1280.0,
            y: size.height as f32 / 720.0,
        }
    }

    /// Scale of text and circles.
    fn unit(self) -> f32 {
        self.x.min(self.y)
    }

    fn point(self, x: f32, y: f32) -> (f32, f32) {
        (x * self.x, y * self.y)
    }

    fn area(self, left: f32, top: f32, right: f32, bottom: f32) -> Area {
        let (l, t) = self.point(left, top);
        let (r, b) = self.point(right, bottom);
        Area::between(
            l.round() as i32,
            t.round() as i32,
            r.round() as i32,
            b.round() as i32,
        )
    }
}

/// Everything a picture of one size needs.
#[derive(Debug)]
pub struct Picture {
    size: Resolution,
    ground: Vec<u8>,
    coral: Yuv,
    clock: Digits,
    clock_at: (i32, i32),
    counter: Digits,
    counter_at: (i32, i32),
    progress: Area,
}

impl Picture {
    /// Prepares what stands still.
    pub fn new(size: Resolution, rate: FrameRate) -> Self {
        let s = Scaled::new(size);
        let face = Typeface::load();
        let mut ground = vec![0; plane_lengths(size).1];
        let mut canvas = Canvas::new(size, &mut ground);
        canvas.fill(s.area(0.0, 0.0, 1280.0, 720.0), Yuv::grey(DARK));
        let coral = Yuv::from_rgb(CORAL);

        bars(&mut canvas, s);
        grey_scale(&mut canvas, s);
        lane(&mut canvas, s);
        canvas.fill(flash_area(size), Yuv::grey(DEEP));
        header(&mut canvas, size, &face, coral);
        let counter_at = footer(&mut canvas, size, rate, &face);

        // the clock may be wider than the layout's unit says where the picture is narrow
        let unit = (s.x * 1.6).min(s.y);
        let clock = face.digits(78.0 * unit);
        let (cx, cy) = s.point(640.0, 284.0);
        let (w, h) = (clock.width(b"00:00:00.000") as f32, clock.height() as f32);
        let (hw, hh) = (w / 2.0 + 36.0 * unit, h / 2.0 + 34.0 * unit);
        let panel = Area::between(
            (cx - hw) as i32,
            (cy - hh) as i32,
            (cx + hw) as i32,
            (cy + hh) as i32,
        );
        let radius = (0.455 * 392.0 * s.y).min(0.455 * size.width as f32);
        canvas.ring((cx, cy), radius, 3.0 * unit, Yuv::grey(WHITE));
        canvas.rounded(panel, 16.0 * unit, Yuv::grey(DEEP));
        let line = |at: f32| (cy + at).round() as i32;
        let progress = Area::between(
            (cx - w / 2.0) as i32,
            line(h / 2.0 + 11.0 * unit),
            (cx + w / 2.0) as i32,
            line(h / 2.0 + 16.0 * unit),
        );
        canvas.fill_luma(progress, LINE);

        Self {
            size,
            ground,
            coral,
            clock,
            clock_at: ((cx - w / 2.0) as i32, line(-h / 2.0 - 8.0 * unit)),
            counter: face.digits(18.0 * s.unit()),
            counter_at,
            progress,
        }
    }

    /// Bytes of a picture: the luma plane, then the chroma plane, rows packed tightly (chroma rows are even).
    pub fn len(size: Resolution) -> usize {
        plane_lengths(size).1
    }

    /// Draws the picture of a moment over all of `out`, which must have [`len`](Self::len) bytes.
    pub fn draw(&self, out: &mut [u8], moment: &Moment) {
        out.copy_from_slice(&self.ground);
        let mut canvas = Canvas::new(self.size, out);
        let s = Scaled::new(self.size);

        for (row, cells) in moment.mark().cells().iter().enumerate() {
            for (col, &white) in cells.iter().enumerate() {
                // the ground is black there
                if white {
                    canvas.fill_luma(barcode::cell_area(self.size, row, col), WHITE);
                }
            }
        }

        number(
            &mut canvas,
            &self.clock,
            self.clock_at,
            &moment.clock(),
            WHITE,
        );
        let mut count = *b"00000000";
        put(&mut count, i64::try_from(moment.frame).unwrap_or(0));
        number(&mut canvas, &self.counter, self.counter_at, &count, WHITE);

        let into_second = (moment.millis().rem_euclid(1000)) as i32;
        let done = Area {
            right: self.progress.left + self.progress.width() * into_second / 1000,
            ..self.progress
        };
        canvas.fill_luma(done, WHITE);

        canvas.disc(ball(s, moment.monotonic_ns), BALL * s.unit(), self.coral);
        if moment.flash {
            canvas.fill_luma(flash_area(self.size), WHITE);
        }
    }
}

/// Radius of the ball.
const BALL: f32 = 22.0;

/// Where the ball's centre is: a pendulum that touches an end at each whole second, with the flash and the beep.
fn ball(s: Scaled, monotonic_ns: i64) -> (f32, f32) {
    let t = monotonic_ns.rem_euclid(2_000_000_000) as f64 / 1e9;
    let swing = (0.5 - 0.5 * (std::f64::consts::PI * t).cos()) as f32;
    let reach = BALL * s.unit() / s.x.max(f32::MIN_POSITIVE);
    let (left, right) = (32.0 + reach, 1248.0 - reach);
    s.point(left + (right - left) * swing, 568.0)
}

fn number(canvas: &mut Canvas<'_>, digits: &Digits, at: (i32, i32), text: &[u8], luma: u8) {
    let mut x = at.0;
    for &c in text {
        let cell = digits.cell(c);
        canvas.blend_luma(x, at.1, cell, luma);
        x += cell.width as i32;
    }
}

/// Edges lie on even columns, so that no chroma sample mixes two bars.
fn bars(canvas: &mut Canvas<'_>, s: Scaled) {
    let edge = |i: usize| 1280.0 * i as f32 / BARS.len() as f32;
    for (i, rgb) in BARS.iter().enumerate() {
        let mut area = s.area(edge(i), 88.0, edge(i + 1), 480.0);
        area.left &= !1;
        if i + 1 < BARS.len() {
            area.right &= !1;
        }
        canvas.fill(area, Yuv::from_rgb(*rgb));
    }
}

/// Equal steps from black to white.
fn grey_scale(canvas: &mut Canvas<'_>, s: Scaled) {
    let edge = |i: i32| 1280.0 * i as f32 / STEPS as f32;
    for i in 0..STEPS {
        let y = i32::from(BLACK) + i32::from(WHITE - BLACK) * i / (STEPS - 1);
        canvas.fill(
            s.area(edge(i), 480.0, edge(i + 1), 528.0),
            Yuv::grey(y as u8),
        );
    }
}

/// The ball's way: a line with a tick each tenth and an end at both sides.
fn lane(canvas: &mut Canvas<'_>, s: Scaled) {
    canvas.fill_luma(s.area(32.0, 567.0, 1248.0, 569.0), LINE);
    for i in 0..=10 {
        let x = 32.0 + 1216.0 * i as f32 / 10.0;
        let half = if i % 5 == 0 { 26.0 } else { 12.0 };
        canvas.fill_luma(s.area(x - 1.0, 568.0 - half, x + 1.0, 568.0 + half), LINE);
    }
}

/// The barcode's ground, the name, and what this is.
fn header(canvas: &mut Canvas<'_>, size: Resolution, face: &Typeface, coral: Yuv) {
    let s = Scaled::new(size);
    canvas.fill_luma(barcode::border_area(size), DIM);
    for (row, col) in (0..ROWS).flat_map(|r| (0..COLS).map(move |c| (r, c))) {
        canvas.fill_luma(barcode::cell_area(size, row, col), BLACK);
    }
    let name = face.line("Kaibo 开播", 32.0 * s.unit());
    let kind = face.line("TEST PATTERN", 14.0 * s.unit());
    let (right, middle) = s.point(1248.0, 44.0);
    let left = right as i32 - name.width as i32;
    let baseline = |height: f32| middle + height * s.unit() / 2.0;
    put_line(canvas, &name, left, baseline(32.0), WHITE);
    let gap = 26.0 * s.unit();
    let dot = (left as f32 - gap, middle);
    canvas.disc(dot, 11.0 * s.unit(), coral);
    let kind_left = dot.0 - gap - kind.width as f32;
    put_line(canvas, &kind, kind_left as i32, baseline(14.0), DIM);
}

/// Counter, format and a word about the beep. Returns where the counter's digits go.
fn footer(
    canvas: &mut Canvas<'_>,
    size: Resolution,
    rate: FrameRate,
    face: &Typeface,
) -> (i32, i32) {
    let s = Scaled::new(size);
    let height = 18.0 * s.unit();
    let (left, middle) = s.point(32.0, 688.0);
    let baseline = middle + height / 2.0;
    let label = face.line("Frame", height);
    put_line(canvas, &label, left as i32, baseline, DIM);
    let format = format!("{} × {} · {rate} fps", size.width, size.height);
    let format = face.line(&format, height);
    let centre = s.point(640.0, 0.0).0 as i32 - format.width as i32 / 2;
    put_line(canvas, &format, centre, baseline, WHITE);
    let beep = face.line("flash and beep each second", height);
    let right = s.point(1248.0, 0.0).0 as i32 - beep.width as i32;
    put_line(canvas, &beep, right, baseline, DIM);
    let x = left as i32 + label.width as i32 + (12.0 * s.unit()) as i32;
    (x, baseline.round() as i32 - face.digits(height).rise())
}

/// Text that stands on `baseline`.
fn put_line(canvas: &mut Canvas<'_>, text: &Coverage, left: i32, baseline: f32, luma: u8) {
    canvas.blend_luma(left, baseline.round() as i32 - text.rise, text, luma);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(u32, u32); 7] = [
        (1280, 720),
        (1920, 1080),
        (426, 240),
        (427, 241),
        (720, 1280),
        (640, 480),
        (3840, 2160),
    ];

    fn picture(size: Resolution, moment: &Moment) -> Vec<u8> {
        let mut out = vec![0; Picture::len(size)];
        Picture::new(size, FrameRate::FPS_30).draw(&mut out, moment);
        out
    }

    fn moment(ms: i64, frame: u64, flash: bool) -> Moment {
        Moment {
            monotonic_ns: ms * 1_000_000 + 999_999,
            frame,
            flash,
        }
    }

    #[test]
    fn the_barcode_reads_back_at_every_size() {
        for (w, h) in SIZES {
            let size = Resolution::new(w, h);
            let m = moment(0x1_89ab_cdef, 0x1_2345, true);
            let data = picture(size, &m);
            let mark = barcode::read(&data, w as usize, size);
            let expected = Mark {
                monotonic_ms: 0x89ab_cdef,
                frame: 0x2345,
            };
            assert_eq!(mark, Some(expected), "{size}");
        }
    }

    #[test]
    fn tiny_pictures_do_not_panic() {
        for (w, h) in [(16, 16), (16, 8192), (17, 33)] {
            picture(Resolution::new(w, h), &moment(5, 5, true));
        }
    }

    #[test]
    fn bars_have_the_values_of_bt709() {
        // 75 % bars, 8 bits, BT.709 (luma and chroma from the standard's equations, rounded)
        let expected = [
            (180, 128, 128),
            (168, 44, 136),
            (145, 147, 44),
            (133, 63, 52),
            (63, 193, 204),
            (51, 109, 212),
            (28, 212, 120),
        ];
        for (w, h) in SIZES {
            let size = Resolution::new(w, h);
            let data = picture(size, &moment(5, 5, false));
            let (stride, uv_stride) = (w as usize, 2 * (w as usize).div_ceil(2));
            let uv = &data[plane_lengths(size).0..];
            // above the circle and the clock
            let row = (h as usize * 94).div_ceil(720);
            for (i, (y, u, v)) in expected.iter().enumerate() {
                let edge = |i: usize| (w as usize * i).div_ceil(7);
                for x in [edge(i) + 2, (edge(i) + edge(i + 1)) / 2, edge(i + 1) - 4] {
                    let c = row / 2 * uv_stride + x / 2 * 2;
                    let got = (data[row * stride + x], uv[c], uv[c + 1]);
                    assert_eq!(got, (*y, *u, *v), "bar {i} at {x} of {size}");
                }
            }
        }
    }

    #[test]
    fn only_the_flash_lights_the_band() {
        for (w, h) in SIZES {
            let size = Resolution::new(w, h);
            let a = flash_area(size);
            let mean = |flash| {
                let data = picture(size, &moment(5, 5, flash));
                let rows = &data[a.top as usize * w as usize..a.bottom as usize * w as usize];
                let sum: u64 = rows.iter().map(|&v| u64::from(v)).sum();
                sum as f64 / rows.len() as f64
            };
            assert_eq!(
                (mean(false), mean(true)),
                (f64::from(DEEP), f64::from(WHITE))
            );
        }
    }

    #[test]
    fn consecutive_frames_differ_in_clock_ball_and_counter_alone() {
        let size = Resolution::HD;
        let (a, b) = (
            picture(size, &moment(1000, 7, false)),
            picture(size, &moment(1033, 8, false)),
        );
        let differ = |top: usize, bottom: usize| {
            a[top * 1280..bottom * 1280] != b[top * 1280..bottom * 1280]
        };
        assert!(differ(16, 64) && differ(240, 340) && differ(540, 600) && differ(670, 710));
        assert!(!differ(88, 200) && !differ(480, 528) && !differ(608, 656));
    }

    #[test]
    fn the_ball_turns_at_whole_seconds_and_stays_in_the_picture() {
        let s = Scaled::new(Resolution::HD);
        let x = |ms: i64| ball(s, ms * 1_000_000).0;
        assert!((x(0) - 54.0).abs() < 0.01 && (x(1000) - 1226.0).abs() < 0.01);
        assert!((x(500) - 640.0).abs() < 0.01 && (x(2000) - x(0)).abs() < 0.01);
        assert!((0..999).all(|t| x(t) < x(t + 1)), "one way for a second");
    }

    #[test]
    fn the_clock_counts() {
        assert_eq!(&moment(0, 0, false).clock(), b"00:00:00.000");
        assert_eq!(&moment(45_296_789, 0, false).clock(), b"12:34:56.789");
        assert_eq!(&moment(360_000_000 + 1, 0, false).clock(), b"00:00:00.001");
    }
}
