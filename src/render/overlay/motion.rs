//! Where a watermark lies at a moment: anchor and margins, drift, schedule, marquee. Pure arithmetic in whole pixels of the
//! output; render thread.

use std::sync::Arc;
use std::time::Duration;

use super::spec::{BlendMode, Drift, Schedule, Watermark};
use super::sprite::{Sprite, Strip};
use crate::media::time::MediaTime;
use crate::media::video::Resolution;

/// A sprite at its place in one tick.
#[derive(Debug, Clone)]
pub(in crate::render) struct Placed {
    /// What is drawn.
    pub(in crate::render) sprite: Arc<Sprite>,
    /// Its left edge.
    pub(in crate::render) x: i32,
    /// Its upper edge.
    pub(in crate::render) y: i32,
    /// What of the picture it may touch: left, top, right, bottom; even numbers within the picture.
    pub(in crate::render) clip: [i32; 4],
    /// 0 to 1.
    pub(in crate::render) opacity: f32,
    /// How it meets the picture.
    pub(in crate::render) blend: BlendMode,
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.sprite.id == other.sprite.id
            && (self.x, self.y, self.clip, self.blend)
                == (other.x, other.y, other.clip, other.blend)
            && self.opacity.to_bits() == other.opacity.to_bits()
    }
}

impl Placed {
    /// Left, top, right, bottom of what is touched; `None` when nothing is.
    pub(in crate::render) fn area(&self) -> Option<[i32; 4]> {
        let [left, top, right, bottom] = self.clip;
        let area = [
            self.x.max(left),
            self.y.max(top),
            (self.x + self.sprite.width as i32).min(right),
            (self.y + self.sprite.height as i32).min(bottom),
        ];
        (area[0] < area[2] && area[1] < area[3]).then_some(area)
    }
}

/// One picture of a watermark and how long it is shown.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) strip: Strip,
    /// Means nothing for a single one.
    pub(super) shown: Duration,
}

/// A watermark ready to be drawn.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Everything but its content.
    pub(super) watermark: Watermark,
    /// One, or the pictures of an animation.
    pub(super) frames: Arc<Vec<Frame>>,
    /// Marquee: per cent of the picture's width per second.
    pub(super) scroll: f32,
}

impl Ready {
    /// Appends what is drawn at `now` on a picture of `output` size.
    pub(super) fn place(&self, now: MediaTime, output: Resolution, out: &mut Vec<Placed>) {
        let w = &self.watermark;
        let seconds = now.as_nanos() as f64 / 1e9;
        if !w.visible || w.opacity <= 0.0 || w.schedule.is_some_and(|s| !is_on(s, seconds)) {
            return;
        }
        let Some(strip) = self.strip_at(seconds) else {
            return;
        };
        if self.scroll != 0.0 {
            self.marquee(strip, seconds, output, out);
            return;
        }
        let [x, y] = self.position(strip, seconds, output);
        put(w, strip, [x, y], whole(output), out);
    }

    fn strip_at(&self, seconds: f64) -> Option<&Strip> {
        if let [only] = &self.frames[..] {
            return Some(&only.strip);
        }
        let total: f64 = self.frames.iter().map(|f| f.shown.as_secs_f64()).sum();
        let mut left = if total > 0.0 {
            seconds.rem_euclid(total)
        } else {
            0.0
        };
        let at = self.frames.iter().find(|f| {
            left -= f.shown.as_secs_f64();
            left < 0.0
        });
        at.or(self.frames.last()).map(|f| &f.strip)
    }

    /// Left, top of the strip, without scrolling.
    fn position(&self, strip: &Strip, seconds: f64, output: Resolution) -> [i32; 2] {
        let w = &self.watermark;
        let cell = w.anchor.cell();
        let sides = [output.width, output.height].map(f64::from);
        let margins = [w.margin_x, w.margin_y].map(f64::from);
        let reach = w.drift.map_or([0.0; 2], |d| [d.x, d.y].map(f64::from));
        std::array::from_fn(|axis| {
            let margin = sides[axis] * margins[axis] / 100.0;
            let [low, high] = [strip.inset[axis], strip.inset[axis + 2]].map(f64::from);
            // what is put to the edge is without its shadow
            let length = f64::from(strip.size[axis]) - low - high;
            let (least, most) = (margin, sides[axis] - margin - length);
            let start = match cell[axis] {
                0 => least,
                1 => (sides[axis] - length) / 2.0,
                _ => most,
            };
            let reach = sides[axis] * reach[axis] / 100.0;
            let drifted = match w.drift {
                // larger than its room: it stays where it is
                Some(drift) if reach > 0.0 && least < most => {
                    let from = (start - reach).max(least);
                    let to = (start + reach).min(most);
                    from + (to - from) * swing(drift, axis, seconds)
                }
                _ => start,
            };
            (drifted - low).round() as i32
        })
    }

    fn marquee(&self, strip: &Strip, seconds: f64, output: Resolution, out: &mut Vec<Placed>) {
        let w = &self.watermark;
        let width = f64::from(output.width);
        let margin = (width * f64::from(w.margin_x) / 100.0).round() as i32 & !1;
        let clip = [
            margin,
            0,
            (output.width as i32 - margin) & !1,
            output.height as i32,
        ];
        let [_, y] = self.position(strip, seconds, output);
        let text = strip.size[0];
        // the next one enters when this one has left, or when its end is a little way in
        let period = text.max(clip[2] - clip[0]) + 2 * strip.size[1];
        let moved = seconds * width * f64::from(self.scroll.abs()) / 100.0;
        let offset = moved.rem_euclid(f64::from(period)) as i32;
        for turn in [0, period] {
            let x = if self.scroll > 0.0 {
                clip[2] - offset - turn
            } else {
                clip[0] - text + offset + turn
            };
            put(w, strip, [x, y], clip, out);
        }
    }
}

/// Between 0 and 1, there and back. The two directions differ in length by the golden ratio, so that the path does not
/// come back to where it was for long.
fn swing(drift: Drift, axis: usize, seconds: f64) -> f64 {
    let period = f64::from(drift.period) * [1.0, 1.618_033_988_749_895][axis];
    0.5 + 0.5 * (seconds / period * std::f64::consts::TAU).sin()
}

fn is_on(schedule: Schedule, seconds: f64) -> bool {
    seconds.rem_euclid(f64::from(schedule.every)) < f64::from(schedule.show)
}

const fn whole(output: Resolution) -> [i32; 4] {
    [0, 0, output.width as i32, output.height as i32]
}

fn put(w: &Watermark, strip: &Strip, [x, y]: [i32; 2], clip: [i32; 4], out: &mut Vec<Placed>) {
    for ([left, top], sprite) in &strip.tiles {
        let placed = Placed {
            sprite: Arc::clone(sprite),
            x: x + left,
            y: y + top,
            clip,
            opacity: w.opacity.min(1.0),
            blend: w.blend,
        };
        if placed.area().is_some() {
            out.push(placed);
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;

    use super::super::spec::Anchor;
    use super::*;

    const OUT: Resolution = Resolution::new(1000, 500);

    fn ready(watermark: Watermark, sizes: &[(u32, u32)], inset: [i32; 4]) -> Ready {
        let frame = |&(w, h): &(u32, u32)| Frame {
            strip: Strip::new(RgbaImage::new(w, h), inset),
            shown: Duration::from_millis(100),
        };
        Ready {
            watermark,
            frames: Arc::new(sizes.iter().map(frame).collect()),
            scroll: 0.0,
        }
    }

    fn at(ready: &Ready, seconds: f64) -> Vec<(i32, i32)> {
        let mut out = Vec::new();
        let now = MediaTime::from_nanos((seconds * 1e9) as i64);
        ready.place(now, OUT, &mut out);
        out.iter().map(|p| (p.x, p.y)).collect()
    }

    #[test]
    fn nine_anchors_with_margins_in_per_cent() {
        let expected = [
            (30, 20),
            (450, 20),
            (870, 20),
            (30, 225),
            (450, 225),
            (870, 225),
            (30, 430),
            (450, 430),
            (870, 430),
        ];
        for (anchor, place) in Anchor::ALL.into_iter().zip(expected) {
            let watermark = Watermark {
                anchor,
                margin_x: 3.0,
                margin_y: 4.0,
                ..Watermark::default()
            };
            assert_eq!(
                at(&ready(watermark.clone(), &[(100, 50)], [0; 4]), 1.0),
                [place]
            );
            // a shadow of 5 pixels about it does not move it
            let with_room = ready(watermark, &[(110, 60)], [5; 4]);
            assert_eq!(
                at(&with_room, 1.0),
                [(place.0 - 5, place.1 - 5)],
                "{anchor:?}"
            );
        }
    }

    #[test]
    fn drift_stays_within_its_bounds_and_moves() {
        let watermark = Watermark {
            anchor: Anchor::TopRight,
            margin_x: 1.0,
            margin_y: 1.0,
            drift: Some(Drift {
                x: 10.0,
                y: 20.0,
                period: 10.0,
            }),
            ..Watermark::default()
        };
        let r = ready(watermark, &[(100, 50)], [0; 4]);
        let path: Vec<_> = (0..300).flat_map(|n| at(&r, f64::from(n) / 10.0)).collect();
        let [xs, ys]: [Vec<i32>; 2] = [
            path.iter().map(|p| p.0).collect(),
            path.iter().map(|p| p.1).collect(),
        ];
        // reach 100 to the left of 890, 100 down from 5, and never nearer to the edge than the margin
        assert_eq!((xs.iter().min(), xs.iter().max()), (Some(&790), Some(&890)));
        assert!(
            ys.iter().all(|y| (5..=105).contains(y)) && ys.contains(&105),
            "{ys:?}"
        );
        assert!(
            path.windows(2).all(|p| (p[0].0 - p[1].0).abs() <= 4),
            "slow"
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            failure_persistence: None,
            ..proptest::test_runner::Config::default()
        })]

        #[test]
        fn wherever_it_drifts_it_keeps_its_margins_and_shows_on_time(
            anchor in 0_usize..9,
            margins in proptest::array::uniform2(0.0_f32..20.0),
            reach in proptest::array::uniform2(0.0_f32..100.0),
            period in 5.0_f32..600.0,
            every in 2.0_f32..600.0,
            share in 0.01_f32..1.0,
            seconds in 0.0_f64..100_000.0,
        ) {
            let watermark = Watermark {
                anchor: Anchor::ALL[anchor],
                margin_x: margins[0],
                margin_y: margins[1],
                drift: Some(Drift { x: reach[0], y: reach[1], period }),
                ..Watermark::default()
            };
            let r = ready(watermark.clone(), &[(100, 50)], [0; 4]);
            let [(x, y)] = at(&r, seconds)[..] else { panic!("it is shown") };
            let room = [1000.0 * f64::from(margins[0]) / 100.0, 500.0 * f64::from(margins[1]) / 100.0];
            let inside = |at: i32, room: f64, side: f64, length: f64| {
                f64::from(at) >= room - 0.51 && f64::from(at) <= side - room - length + 0.51
            };
            proptest::prop_assert!(inside(x, room[0], 1000.0, 100.0), "{x}");
            proptest::prop_assert!(inside(y, room[1], 500.0, 50.0), "{y}");
            // a tenth of a second is no jump
            let [(next_x, next_y)] = at(&r, seconds + 0.1)[..] else { panic!("it is shown") };
            let most = 1.0 + 1000.0 * std::f64::consts::PI * 0.1 / f64::from(period);
            proptest::prop_assert!(f64::from((next_x - x).abs().max((next_y - y).abs())) <= most);

            let schedule = Schedule { every, show: every * share };
            let scheduled = Watermark { schedule: Some(schedule), ..watermark };
            let shown = !at(&ready(scheduled, &[(100, 50)], [0; 4]), seconds).is_empty();
            let place = seconds.rem_euclid(f64::from(every));
            proptest::prop_assert_eq!(shown, place < f64::from(schedule.show));
        }
    }

    #[test]
    fn a_schedule_shows_and_hides() {
        let watermark = Watermark {
            schedule: Some(Schedule {
                every: 60.0,
                show: 10.0,
            }),
            ..Watermark::default()
        };
        let r = ready(watermark, &[(10, 10)], [0; 4]);
        for (second, shown) in [
            (0.0, true),
            (9.9, true),
            (10.1, false),
            (59.0, false),
            (61.0, true),
        ] {
            assert_eq!(!at(&r, second).is_empty(), shown, "{second}");
        }
    }

    #[test]
    fn animations_keep_their_own_time() {
        let r = ready(
            Watermark {
                anchor: Anchor::TopLeft,
                margin_x: 0.0,
                margin_y: 0.0,
                ..Watermark::default()
            },
            &[(10, 10), (20, 10), (30, 10)],
            [0; 4],
        );
        let width = |seconds: f64| {
            let mut out = Vec::new();
            r.place(MediaTime::from_nanos((seconds * 1e9) as i64), OUT, &mut out);
            out[0].sprite.width
        };
        assert_eq!([0.05, 0.15, 0.25, 0.35].map(width), [10, 20, 30, 10]);
    }

    #[test]
    fn a_marquee_runs_through_and_comes_again() {
        for (scroll, width) in [(10.0, 300), (-10.0, 300), (10.0, 3000)] {
            let mut r = ready(Watermark::default(), &[(width, 20)], [0; 4]);
            r.scroll = scroll;
            let mut seen = 0;
            for n in 0..600 {
                let mut out = Vec::new();
                r.place(MediaTime::from_millis(n * 100), OUT, &mut out);
                for p in &out {
                    let [left, _, right, _] = p.area().unwrap();
                    assert!(left >= 30 && right <= 970, "within the margins");
                    assert_eq!((p.clip[0] % 2, p.clip[2] % 2), (0, 0));
                }
                seen += usize::from(!out.is_empty());
            }
            // a period of 980 or 3040 pixels at 100 a second: hidden for the rest only
            let hidden = 600 - seen;
            assert!(hidden < 60 * 3, "{scroll} {width}: hidden {hidden} of 600");
            let first = |seconds: f64| at(&r, seconds).iter().map(|p| p.0).max();
            let (a, b) = (first(2.0), first(2.1));
            assert_eq!(b.unwrap() - a.unwrap(), if scroll > 0.0 { -10 } else { 10 });
        }
    }
}
