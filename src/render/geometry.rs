//! Where a layer's rectangle lies on the output and which part of the source fills it. Pure arithmetic, in output pixels
//! (y downwards) and shares of the source.

use super::scene::{Fit, Placement};
use crate::media::video::Resolution;

/// Where a rectangle may end beside a pixel border and still count as on it.
const SNAP: f32 = 1.0 / 64.0;

/// A placed layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quad {
    /// Middle of the rectangle, in output pixels.
    pub(super) center: [f32; 2],
    /// Width and height, in output pixels.
    pub(super) size: [f32; 2],
    /// Clockwise, in radians; exactly 0 for upright layers.
    pub(super) rotation: f32,
    /// Left, top, width, height of the part of the source that is shown (0 to 1).
    pub(super) uv: [f32; 4],
    /// That part is shown with left and right, or top and bottom, changed.
    pub(super) reversed: [bool; 2],
}

/// Places a source on the output; `None` when nothing of it is left to see. A source of unknown size (no picture yet)
/// fills its rectangle.
pub(super) fn place(
    placement: &Placement,
    source: Option<Resolution>,
    output: Resolution,
) -> Option<Quad> {
    let Placement {
        x,
        y,
        width,
        height,
        rotation,
        crop,
        fit,
        mirror,
        flip,
    } = *placement;
    let [out_w, out_h] = [output.width, output.height].map(pixels);
    let rect = [width * out_w, height * out_h];
    let center = [x * out_w + rect[0] / 2.0, y * out_h + rect[1] / 2.0];
    let share = |v: f32| {
        if v.is_finite() {
            v.clamp(0.0, 1.0)
        } else {
            0.0
        }
    };
    let [left, top] = [share(crop.left), share(crop.top)];
    let mut uv = [
        left,
        top,
        1.0 - left - share(crop.right),
        1.0 - top - share(crop.bottom),
    ];
    if !(rect[0] > 0.0 && rect[1] > 0.0 && uv[2] > 0.0 && uv[3] > 0.0) {
        return None;
    }
    let mut size = rect;
    if let Some(source) = source {
        let shown = [uv[2] * pixels(source.width), uv[3] * pixels(source.height)];
        let scale = [rect[0] / shown[0], rect[1] / shown[1]];
        match fit {
            Fit::Stretch => {}
            Fit::Contain => {
                let s = scale[0].min(scale[1]);
                size = [shown[0] * s, shown[1] * s];
            }
            Fit::Cover => {
                let s = scale[0].max(scale[1]);
                let kept = [rect[0] / (shown[0] * s), rect[1] / (shown[1] * s)];
                uv[0] += uv[2] * (1.0 - kept[0]) / 2.0;
                uv[1] += uv[3] * (1.0 - kept[1]) / 2.0;
                uv[2] *= kept[0];
                uv[3] *= kept[1];
            }
        }
    }
    let rotation = if rotation.is_finite() {
        rotation.rem_euclid(360.0)
    } else {
        0.0
    };
    let mut quad = Quad {
        center,
        size,
        rotation: rotation.to_radians(),
        uv,
        reversed: [mirror, flip],
    };
    if rotation == 0.0 {
        quad.snap();
    }
    let all = quad.center.iter().chain(&quad.size).chain(&quad.uv);
    (all.into_iter().all(|v| v.is_finite()) && quad.size[0] > 0.0 && quad.size[1] > 0.0)
        .then_some(quad)
}

/// A side in pixels; exact, sides are below 2^24.
#[expect(
    clippy::cast_precision_loss,
    reason = "picture sides are at most 16384"
)]
pub(super) const fn pixels(side: u32) -> f32 {
    side as f32
}

impl Quad {
    /// Left, top of an upright quad.
    pub(super) fn origin(&self) -> [f32; 2] {
        [
            self.center[0] - self.size[0] / 2.0,
            self.center[1] - self.size[1] / 2.0,
        ]
    }

    /// Moves the edges of an upright quad onto pixel borders, so that they are sharp.
    fn snap(&mut self) {
        for axis in 0..2 {
            let low = self.center[axis] - self.size[axis] / 2.0;
            let high = (low + self.size[axis]).round();
            let low = low.round();
            // thinner than a pixel: one pixel
            let high = high.max(low + 1.0);
            self.center[axis] = f32::midpoint(low, high);
            self.size[axis] = high - low;
        }
    }

    /// It is not turned.
    pub(super) fn is_upright(&self) -> bool {
        self.rotation == 0.0
    }

    /// It hides everything below it (if its picture is opaque).
    pub(super) fn covers(&self, output: Resolution) -> bool {
        let [left, top] = self.origin();
        self.is_upright()
            && left <= SNAP
            && top <= SNAP
            && left + self.size[0] >= pixels(output.width) - SNAP
            && top + self.size[1] >= pixels(output.height) - SNAP
    }

    /// Some of it lies on the output.
    pub(super) fn touches(&self, output: Resolution) -> bool {
        let reach = if self.is_upright() {
            [self.size[0] / 2.0, self.size[1] / 2.0]
        } else {
            [self.size[0].hypot(self.size[1]) / 2.0; 2]
        };
        let [w, h] = [output.width, output.height].map(pixels);
        let inside =
            |center: f32, reach: f32, side: f32| center + reach > 0.0 && center - reach < side;
        inside(self.center[0], reach[0], w) && inside(self.center[1], reach[1], h)
    }

    /// Each pixel shown is one pixel of the source, not between pixels.
    pub(super) fn is_pixel_exact(&self, source: Resolution) -> bool {
        let whole = |v: f32| (v - v.round()).abs() < SNAP;
        let sides = [source.width, source.height].map(pixels);
        self.is_upright()
            && (0..2).all(|axis| {
                let shown = self.uv[axis + 2] * sides[axis];
                (shown - self.size[axis]).abs() < SNAP
                    && whole(self.uv[axis] * sides[axis])
                    && whole(self.origin()[axis])
            })
    }

    /// The whole source is the whole output, pixel for pixel.
    pub(super) fn is_identity(&self, source: Resolution, output: Resolution) -> bool {
        source == output
            && self.is_pixel_exact(source)
            && self.covers(output)
            && self.uv == [0.0, 0.0, 1.0, 1.0]
            && self.reversed == [false; 2]
    }

    /// Where the shown part begins and how far it goes, in the direction in which it is shown: the length is negative where
    /// it is reversed.
    pub(super) fn directed_uv(&self) -> [f32; 4] {
        let mut uv = self.uv;
        for axis in (0..2).filter(|&axis| self.reversed[axis]) {
            uv[axis] += uv[axis + 2];
            uv[axis + 2] = -uv[axis + 2];
        }
        uv
    }

    /// Source pixels per output pixel in the direction where there are most.
    pub(super) fn shrink(&self, source: Resolution) -> f32 {
        let [w, h] = [source.width, source.height].map(pixels);
        (self.uv[2] * w / self.size[0]).max(self.uv[3] * h / self.size[1])
    }

    /// What part of the source (as `uv`) fills the whole output, for a quad that covers it.
    pub(super) fn output_uv(&self, output: Resolution) -> [f32; 4] {
        let [left, top] = self.origin();
        let uv = self.directed_uv();
        let per_pixel = [uv[2] / self.size[0], uv[3] / self.size[1]];
        [
            uv[0] - left * per_pixel[0],
            uv[1] - top * per_pixel[1],
            pixels(output.width) * per_pixel[0],
            pixels(output.height) * per_pixel[1],
        ]
    }

    /// Where the source may be read so that nothing cropped away bleeds in: low x, y, high x, y.
    pub(super) fn bounds(&self, source: Resolution) -> [f32; 4] {
        let half = [0.5 / pixels(source.width), 0.5 / pixels(source.height)];
        let range = |axis: usize| {
            let (low, high) = (self.uv[axis], self.uv[axis] + self.uv[axis + 2]);
            let (inner_low, inner_high) = (low + half[axis], high - half[axis]);
            if inner_low <= inner_high {
                (inner_low, inner_high)
            } else {
                (f32::midpoint(low, high), f32::midpoint(low, high))
            }
        };
        let (x, y) = (range(0), range(1));
        [x.0, y.0, x.1, y.1]
    }

    /// Rows of the matrix from the unit square to clip space.
    pub(super) fn clip(&self, output: Resolution) -> [[f32; 4]; 2] {
        let (sin, cos) = self.rotation.sin_cos();
        let [w, h] = self.size;
        let [out_w, out_h] = [output.width, output.height].map(pixels);
        // where local (0, 0) lies
        let x0 = self.center[0] - (cos * w - sin * h) / 2.0;
        let y0 = self.center[1] - (sin * w + cos * h) / 2.0;
        [
            [
                2.0 * cos * w / out_w,
                -2.0 * sin * h / out_w,
                2.0 * x0 / out_w - 1.0,
                0.0,
            ],
            [
                -2.0 * sin * w / out_h,
                -2.0 * cos * h / out_h,
                1.0 - 2.0 * y0 / out_h,
                0.0,
            ],
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::scene::Crop;

    const OUT: Resolution = Resolution::new(160, 90);

    fn quad(placement: Placement, source: Resolution) -> Quad {
        place(&placement, Some(source), OUT).unwrap()
    }

    fn fit(fit: Fit) -> Placement {
        Placement {
            fit,
            ..Placement::default()
        }
    }

    #[test]
    fn default_placement_of_an_equal_source_is_the_identity() {
        let q = quad(Placement::default(), OUT);
        assert!(q.is_identity(OUT, OUT));
        assert_eq!(q.output_uv(OUT), [0.0, 0.0, 1.0, 1.0]);
        let larger = Resolution::new(320, 180);
        let q = quad(Placement::default(), larger);
        assert!(q.covers(OUT) && !q.is_pixel_exact(larger));
        assert!((q.shrink(larger) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn fits_keep_the_aspect_or_not() {
        let tall = Resolution::new(90, 90);
        let contain = quad(fit(Fit::Contain), tall);
        assert_eq!(
            (contain.size, contain.origin()),
            ([90.0, 90.0], [35.0, 0.0])
        );
        assert!(!contain.covers(OUT) && contain.is_pixel_exact(tall));
        let cover = quad(fit(Fit::Cover), tall);
        assert_eq!(cover.size, [160.0, 90.0]);
        assert!((cover.uv[3] - 90.0 / 160.0).abs() < 1e-6 && (cover.uv[1] - 0.21875).abs() < 1e-6);
        let stretch = quad(fit(Fit::Stretch), tall);
        assert_eq!(
            (stretch.size, stretch.uv),
            ([160.0, 90.0], [0.0, 0.0, 1.0, 1.0])
        );
    }

    #[test]
    fn crop_is_taken_before_fitting() {
        let crop = Crop {
            left: 0.5,
            ..Crop::default()
        };
        let q = quad(
            Placement {
                crop,
                ..Placement::default()
            },
            OUT,
        );
        assert_eq!((q.size, q.uv), ([80.0, 90.0], [0.5, 0.0, 0.5, 1.0]));
        assert!(q.is_pixel_exact(OUT) && !q.is_identity(OUT, OUT));
        assert_eq!(
            q.bounds(OUT),
            [
                0.5 + 0.5 / 160.0,
                0.5 / 90.0,
                1.0 - 0.5 / 160.0,
                1.0 - 0.5 / 90.0
            ]
        );
        let nothing = Crop {
            left: 0.6,
            right: 0.4,
            ..Crop::default()
        };
        assert_eq!(
            place(
                &Placement {
                    crop: nothing,
                    ..Placement::default()
                },
                Some(OUT),
                OUT
            ),
            None
        );
    }

    #[test]
    fn a_quarter_turn_maps_the_top_left_to_the_top_right() {
        let placement = Placement {
            x: 0.25,
            y: 0.25,
            width: 0.5,
            height: 0.5,
            rotation: 90.0,
            fit: Fit::Stretch,
            ..Placement::default()
        };
        let q = quad(placement, OUT);
        let [cx, cy] = q.clip(OUT);
        let (x, y) = ((cx[2] + 1.0) * 80.0, (1.0 - cy[2]) * 45.0);
        // 80x45 about (80, 45) turned clockwise: the top left corner goes to (80 + 22.5, 45 - 40)
        assert!(
            (x - 102.5).abs() < 1e-3 && (y - 5.0).abs() < 1e-3,
            "{x} {y}"
        );
        assert!(!q.covers(OUT) && q.touches(OUT));
    }

    #[test]
    fn a_mirrored_layer_is_read_backwards() {
        let crop = Crop {
            left: 0.25,
            ..Crop::default()
        };
        let mirrored = Placement {
            crop,
            mirror: true,
            fit: Fit::Stretch,
            ..Placement::default()
        };
        let q = quad(mirrored, OUT);
        // what is cut is cut from the source, not from what is shown
        assert_eq!(q.directed_uv(), [1.0, 0.0, -0.75, 1.0]);
        assert_eq!(q.output_uv(OUT), [1.0, 0.0, -0.75, 1.0]);
        let flipped = Placement {
            flip: true,
            ..Placement::default()
        };
        let q = quad(flipped, OUT);
        assert_eq!(q.output_uv(OUT), [0.0, 1.0, 1.0, -1.0]);
        assert!(!q.is_identity(OUT, OUT) && q.is_pixel_exact(OUT) && q.covers(OUT));
    }

    #[test]
    fn off_screen_and_broken_numbers_draw_nothing() {
        let off = quad(
            Placement {
                x: 1.5,
                ..Placement::default()
            },
            OUT,
        );
        assert!(!off.touches(OUT));
        for bad in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
            assert_eq!(
                place(
                    &Placement {
                        width: bad,
                        ..Placement::default()
                    },
                    Some(OUT),
                    OUT
                ),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn an_oversized_layer_covers_and_shows_its_middle() {
        let q = quad(
            Placement {
                x: -0.5,
                y: -0.5,
                width: 2.0,
                height: 2.0,
                ..Placement::default()
            },
            OUT,
        );
        assert!(q.covers(OUT));
        assert_eq!(q.output_uv(OUT), [0.25, 0.25, 0.5, 0.5]);
    }
}
