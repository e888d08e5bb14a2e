//! High dynamic range (PQ and HLG in BT.2020) as BT.709: brightness by the curve of ITU-R BT.2390, colours by matrix and
//! clipping. Everything a picture's samples can be is worked out once into a table; pictures go through that. On the
//! source's thread.

use ffmpeg_next::{color, frame};

use crate::media::pool::BufferPool;
use crate::media::video::{FrameData, Plane};

/// How a file's numbers become light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transfer {
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// What of a file decides how it is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hdr {
    pub(super) transfer: Transfer,
    /// Samples use all of their range.
    pub(super) full: bool,
}

impl Hdr {
    /// A frame that has to be mapped.
    pub(super) fn of(frame: &frame::Video) -> Option<Self> {
        let transfer = match frame.color_transfer_characteristic() {
            color::TransferCharacteristic::SMPTE2084 => Transfer::Pq,
            color::TransferCharacteristic::ARIB_STD_B67 => Transfer::Hlg,
            _ => return None,
        };
        let full = frame.color_range() == color::Range::JPEG;
        Some(Self { transfer, full })
    }
}

/// White of ordinary pictures, in candela per square metre (ITU-R BT.2408: 203).
const WHITE: f64 = 203.0;
/// What is as bright as this, or brighter, becomes white: most films are graded up to here.
const PEAK: f64 = 1000.0;

/// SMPTE ST 2084: constants of the curve.
const M1: f64 = 2610.0 / 16384.0;
const M2: f64 = 2523.0 / 4096.0 * 128.0;
const C1: f64 = 3424.0 / 4096.0;
const C2: f64 = 2413.0 / 4096.0 * 32.0;
const C3: f64 = 2392.0 / 4096.0 * 32.0;

/// PQ signal (0 to 1) to candela per square metre.
fn pq_light(signal: f64) -> f64 {
    let power = signal.max(0.0).powf(1.0 / M2);
    10_000.0 * ((power - C1).max(0.0) / (C2 - C3 * power)).powf(1.0 / M1)
}

/// Candela per square metre to PQ signal.
fn pq_signal(light: f64) -> f64 {
    let power = (light.max(0.0) / 10_000.0).powf(M1);
    ((C1 + C2 * power) / (1.0 + C3 * power)).powf(M2)
}

/// HLG signal to scene light, 0 to 1 (ITU-R BT.2100, table 5).
fn hlg_scene(signal: f64) -> f64 {
    const A: f64 = 0.178_832_77;
    const B: f64 = 0.284_668_92;
    const C: f64 = 0.559_910_73;
    if signal <= 0.5 {
        signal * signal / 3.0
    } else {
        (((signal - C) / A).exp() + B) / 12.0
    }
}

/// Light of the brightest of three channels to what a screen for ordinary pictures shows (ITU-R BT.2390, section 5.4.1).
fn compressed(light: f64) -> f64 {
    let peak = pq_signal(PEAK);
    let most = pq_signal(WHITE) / peak;
    let knee = 1.5 * most - 0.5;
    let signal = (pq_signal(light) / peak).min(1.0);
    let mapped = if signal < knee {
        signal
    } else {
        let t = (signal - knee) / (1.0 - knee);
        let (t2, t3) = (t * t, t * t * t);
        (2.0 * t3 - 3.0 * t2 + 1.0) * knee
            + (t3 - 2.0 * t2 + t) * (1.0 - knee)
            + (3.0 * t2 - 2.0 * t3) * most
    };
    pq_light(mapped * peak)
}

/// Samples of BT.2020 (0 to 1, chroma about 0) to BT.709 samples of the same kind.
pub(super) fn map(transfer: Transfer, [y, cb, cr]: [f64; 3]) -> [f64; 3] {
    let (r, b) = (y + 1.4746 * cr, y + 1.8814 * cb);
    let g = (y - 0.2627 * r - 0.0593 * b) / 0.6780;
    let signal = [r, g, b].map(|v| v.clamp(0.0, 1.0));
    let light = match transfer {
        Transfer::Pq => signal.map(pq_light),
        Transfer::Hlg => {
            let scene = signal.map(hlg_scene);
            let whole = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2];
            scene.map(|v| PEAK * whole.powf(0.2) * v)
        }
    };
    let brightest = light.into_iter().fold(0.0, f64::max);
    let scale = if brightest > 1e-6 {
        compressed(brightest) / brightest / WHITE
    } else {
        0.0
    };
    let [r, g, b] = light.map(|v| v * scale);
    // BT.2020 to BT.709 primaries (ITU-R BT.2407); the screen's curve is that of BT.1886
    let shown = [
        1.6605 * r - 0.5876 * g - 0.0728 * b,
        -0.1246 * r + 1.1329 * g - 0.0083 * b,
        -0.0182 * r - 0.1006 * g + 1.1187 * b,
    ];
    let [r, g, b] = shown.map(|v| v.clamp(0.0, 1.0).powf(1.0 / 2.4));
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    [y, (b - y) / 1.8556, (r - y) / 1.5748]
}

/// Steps of the table: of luma and of chroma, in 10-bit samples.
const LUMA_STEP: usize = 8;
const CHROMA_STEP: usize = 16;
const LUMAS: usize = 1024 / LUMA_STEP + 1;
const CHROMAS: usize = 1024 / CHROMA_STEP + 1;

/// The mapping for samples of 10 bits, as a table between whose entries is interpolated.
pub(super) struct ToneMap {
    pub(super) hdr: Hdr,
    /// Luma and chroma of 8 bits (limited range), times 64.
    table: Vec<[u16; 3]>,
}

impl ToneMap {
    pub(super) fn new(hdr: Hdr) -> Self {
        let (black, luma, chroma) = if hdr.full {
            (0.0, 1023.0, 1023.0)
        } else {
            (64.0, 876.0, 896.0)
        };
        let mut table = Vec::with_capacity(LUMAS * CHROMAS * CHROMAS);
        for y in 0..LUMAS {
            for u in 0..CHROMAS {
                for v in 0..CHROMAS {
                    let colour = |c: usize| ((c * CHROMA_STEP) as f64 - 512.0) / chroma;
                    let light = ((y * LUMA_STEP) as f64 - black) / luma;
                    let [y, u, v] = map(hdr.transfer, [light, colour(u), colour(v)]);
                    let eight = [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v];
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "16 to 240, times 64"
                    )]
                    table.push(eight.map(|v| (v * 64.0).round() as u16));
                }
            }
        }
        Self { hdr, table }
    }

    /// One entry, interpolated; `channel` 0 is luma. Samples beyond 10 bits are taken for the largest.
    fn at(&self, channel: usize, y: u16, u: u16, v: u16) -> u8 {
        let [y, u, v] = [y, u, v].map(|s| usize::from(s.min(1023)));
        let (y0, fy) = (y / LUMA_STEP, y % LUMA_STEP);
        let (u0, fu) = (u / CHROMA_STEP, u % CHROMA_STEP);
        let (v0, fv) = (v / CHROMA_STEP, v % CHROMA_STEP);
        let plane = |y: usize| {
            let entry = |u: usize, v: usize| {
                usize::from(self.table[(y * CHROMAS + u) * CHROMAS + v][channel])
            };
            (entry(u0, v0) * (CHROMA_STEP - fv) + entry(u0, v0 + 1) * fv) * (CHROMA_STEP - fu)
                + (entry(u0 + 1, v0) * (CHROMA_STEP - fv) + entry(u0 + 1, v0 + 1) * fv) * fu
        };
        const SCALE: usize = CHROMA_STEP * CHROMA_STEP * LUMA_STEP * 64;
        let sum = plane(y0) * (LUMA_STEP - fy) + plane(y0 + 1) * fy;
        #[expect(clippy::cast_possible_truncation, reason = "16 to 240")]
        let sample = ((sum + SCALE / 2) / SCALE) as u8;
        sample
    }

    /// A picture of `width` by `height` whose planes hold 10-bit samples, two bytes each, chroma of half the size; `None`
    /// where a plane is too short.
    pub(super) fn apply(
        &self,
        planes: &[Plane; 3],
        (width, height): (usize, usize),
        pool: &BufferPool,
    ) -> Option<FrameData> {
        let (across, down) = (width.div_ceil(2), height.div_ceil(2));
        let holds = |p: &Plane, w: usize, h: usize| p.data.len() >= p.stride * (h - 1) + w * 2;
        let [y, u, v] = planes;
        if height == 0
            || !holds(y, width, height)
            || !holds(u, across, down)
            || !holds(v, across, down)
        {
            return None;
        }
        let sample = |p: &Plane, x: usize, row: usize| {
            let at = p.stride * row + x * 2;
            u16::from_le_bytes([p.data[at], p.data[at + 1]])
        };
        let mut luma = pool.get(width * height);
        let mut chroma = [pool.get(across * down), pool.get(across * down)];
        for cy in 0..down {
            for cx in 0..across {
                let (su, sv) = (sample(u, cx, cy), sample(v, cx, cy));
                let (mut sum, mut count) = (0_u32, 0);
                for row in 2 * cy..(2 * cy + 2).min(height) {
                    for x in 2 * cx..(2 * cx + 2).min(width) {
                        let sy = sample(y, x, row);
                        luma[row * width + x] = self.at(0, sy, su, sv);
                        sum += u32::from(sy);
                        count += 1;
                    }
                }
                let mean = u16::try_from(sum / count).unwrap_or(u16::MAX);
                for (n, plane) in chroma.iter_mut().enumerate() {
                    plane[cy * across + cx] = self.at(n + 1, mean, su, sv);
                }
            }
        }
        let [cb, cr] = chroma.map(|plane| Plane {
            data: plane.freeze(),
            stride: across,
        });
        Some(FrameData::I420 {
            y: Plane {
                data: luma.freeze(),
                stride: width,
            },
            u: cb,
            v: cr,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(transfer: Transfer, signal: f64) -> f64 {
        let [y, cb, cr] = map(transfer, [signal, 0.0, 0.0]);
        assert!(cb.abs() < 0.01 && cr.abs() < 0.01, "grey stays grey");
        y
    }

    #[test]
    fn the_curves_have_the_values_of_their_standards() {
        // ITU-R BT.2408: 203 cd/m2 is 58 % of PQ and 75 % of HLG
        assert!(
            (pq_light(0.5807) - 203.0).abs() < 1.0,
            "{}",
            pq_light(0.5807)
        );
        assert!((pq_signal(1000.0) - 0.7518).abs() < 1e-4);
        assert!((pq_light(pq_signal(37.0)) - 37.0).abs() < 1e-6);
        let hlg = PEAK * hlg_scene(0.75).powf(1.2);
        assert!((hlg - 203.0).abs() < 2.0, "{hlg}");
    }

    #[test]
    fn black_and_white_stay_and_everything_between_is_in_order() {
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            assert!(grey(transfer, 0.0) < 0.01);
            let steps: Vec<f64> = (0..=100)
                .map(|n| grey(transfer, f64::from(n) / 100.0))
                .collect();
            assert!(steps.windows(2).all(|w| w[1] >= w[0] - 1e-9), "{steps:?}");
            assert!(steps[100] > 0.99, "{}", steps[100]);
        }
        // diffuse white is bright, and leaves room for what is brighter
        let white = grey(Transfer::Pq, 0.5807);
        assert!((0.8..0.97).contains(&white), "{white}");
        assert!((grey(Transfer::Hlg, 0.75) - white).abs() < 0.02);
        // dark parts are as bright as they were: 5 cd/m2 of 203
        let dark = grey(Transfer::Pq, pq_signal(5.0));
        assert!(
            (dark - (5.0_f64 / 203.0).powf(1.0 / 2.4)).abs() < 0.01,
            "{dark}"
        );
    }

    #[test]
    fn the_table_is_the_mapping() {
        let mut rng = fastrand::Rng::with_seed(9);
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            let tone = ToneMap::new(Hdr {
                transfer,
                full: false,
            });
            let (mut worst, mut total) = (0.0_f64, 0.0);
            const ALL: u32 = 4000;
            for _ in 0..ALL {
                // colours that a camera sees: not the far corners, where clipping bends the table
                let code = [rng.u16(64..700), rng.u16(450..574), rng.u16(450..574)];
                let [y, u, v] = code.map(f64::from);
                let place = [(y - 64.0) / 876.0, (u - 512.0) / 896.0, (v - 512.0) / 896.0];
                let want = 16.0 + 219.0 * map(transfer, place)[0];
                let got = f64::from(tone.at(0, code[0], code[1], code[2]));
                worst = worst.max((got - want).abs());
                total += (got - want).abs();
            }
            let mean = total / f64::from(ALL);
            assert!(worst < 9.0 && mean < 0.7, "{transfer:?}: {worst}, {mean}");
        }
    }
}
