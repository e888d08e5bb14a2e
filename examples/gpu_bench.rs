//! What filters cost: milliseconds a picture for each, and for the full chain (beauty, colour table, two watermarks) up to
//! the encoder's NV12, at 720p, 1080p and 2160p. Needs no display, and without default features no FFmpeg:
//! `cargo run --release --no-default-features --example gpu_bench`.
//!
//! `--size 1280x720`, `--name Beauty` and `--software` choose among them. "GPU" is the sum of the passes' own times
//! (timestamps), "-" where the adapter has none; "CPU" is processor time of the whole process with upload and readback,
//! which on a software adapter is the cost. Medians; of the processor's time also the best, which other work on the machine
//! disturbs least.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use kaibo::capture::SourceSpec;
use kaibo::gpu::context::{AdapterChoice, GpuContext};
use kaibo::media::SourceId;
use kaibo::media::slot::LatestSlot;
use kaibo::media::time::MediaTime;
use kaibo::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::beauty::BeautySettings;
use kaibo::render::filter::lut::LutSettings;
use kaibo::render::overlay::spec::{Anchor, Content, ImageSettings, TextSettings};
use kaibo::render::overlay::{OverlayBoard, Watermark};
use kaibo::render::scene::Layer;
use kaibo::render::still::Still;
use kaibo::render::{Plan, SceneState};

#[cfg(unix)]
fn cpu_ms() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

#[cfg(not(unix))]
fn cpu_ms() -> f64 {
    f64::NAN
}

/// A table that changes nothing, with the usual 33 steps.
fn table(folder: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
    let mut text = "LUT_3D_SIZE 33\n".to_owned();
    for n in 0..33 * 33 * 33_i32 {
        let v = |n: i32| f64::from(n % 33) / 32.0;
        text += &format!("{} {} {}\n", v(n), v(n / 33), v(n / 33 / 33));
    }
    let path = folder.join("neutral.cube");
    std::fs::write(&path, text).map(|()| path)
}

/// Skin in the middle, noise over all.
fn picture(size: Resolution) -> Plane {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut data = Vec::with_capacity(size.width as usize * size.height as usize * 4);
    for y in 0..size.height {
        for x in 0..size.width {
            let skin = x.abs_diff(size.width / 2) < size.height / 4 && y > size.height / 6;
            let [b, g, r] = if skin {
                [124, 158, 210]
            } else {
                [126, 118, 112]
            };
            let n = rng.u8(..16);
            data.extend([b + n, g + n, r + n, 255]);
        }
    }
    Plane {
        data: data.into(),
        stride: size.width as usize * 4,
    }
}

/// A text and a half transparent logo, as a streamer puts them into the corners.
fn watermarks(folder: &std::path::Path) -> Result<Vec<Watermark>, image::ImageError> {
    let path = folder.join("logo.png");
    let logo = |x: u32, y: u32| image::Rgba([x as u8, y as u8, 160, if x > y { 200 } else { 60 }]);
    image::RgbaImage::from_fn(256, 256, logo).save(&path)?;
    let text = TextSettings {
        text: "Kaibo 12:34:56".to_owned(),
        ..TextSettings::default()
    };
    let at = |anchor, content| Watermark {
        anchor,
        content,
        ..Watermark::default()
    };
    Ok(vec![
        at(Anchor::TopLeft, Content::Text(text)),
        at(
            Anchor::BottomRight,
            Content::Image(ImageSettings { path, size: 15.0 }),
        ),
    ])
}

/// What is measured.
struct Work<'a> {
    name: &'a str,
    filters: Vec<FilterSpec>,
    watermarks: &'a [Watermark],
}

fn measure(gpu: &GpuContext, size: Resolution, work: Work<'_>) {
    let Work {
        name,
        filters,
        watermarks,
    } = work;
    let slot = Arc::new(LatestSlot::default());
    let mut state = SceneState::default();
    state.scene.layers.push(Layer {
        filters,
        ..Layer::new(SourceSpec::Test {})
    });
    state.layer_sources.push(SourceId(1));
    state.sources.insert(SourceId(1), Arc::clone(&slot));
    let (board, problems) = OverlayBoard::of(watermarks, size);
    for problem in problems {
        println!("{name:28} {}", problem.message);
    }
    state.overlays = Arc::new(board);
    // a bare picture is measured as if it had to be drawn; with watermarks the adapter decides who draws them
    let plan = watermarks.is_empty().then_some(Plan::Direct);
    let mut still = match Still::new(gpu, size) {
        Ok(still) => still,
        Err(error) => return println!("{name:28} {error}"),
    };
    let plane = picture(size);
    let (mut gpu_ms, mut cpu, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    let mut passes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for seq in 0..36 {
        slot.store(VideoFrame {
            pts: MediaTime::ZERO,
            source: SourceId(1),
            seq,
            resolution: size,
            data: FrameData::Bgra(plane.clone()),
            color: ColorSpec::default(),
        });
        let (cpu_before, before) = (cpu_ms(), Instant::now());
        if let Err(error) = still.encoder_picture(&state, plan) {
            return println!("{name:28} {error}");
        }
        // the first pictures compile passes and fill pools
        if seq >= 6 {
            cpu.push(cpu_ms() - cpu_before);
            wall.push(before.elapsed().as_secs_f64() * 1e3);
        }
        let times = still.pass_times();
        for time in times.iter().filter(|_| seq >= 6) {
            passes
                .entry(time.name)
                .or_default()
                .push(f64::from(time.ms));
        }
        if seq >= 6 && !times.is_empty() {
            gpu_ms.push(times.iter().map(|t| f64::from(t.ms)).sum());
        }
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let gpu_ms = median(&mut gpu_ms).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
    let [middle, wall] = [median(&mut cpu), median(&mut wall)].map(|v| v.unwrap_or(f64::NAN));
    let best = cpu.first().copied().unwrap_or(f64::NAN);
    println!(
        "{name:28} GPU {gpu_ms:>8} ms   CPU {middle:7.2} ms (best {best:6.2})   wall {wall:7.2} ms"
    );
    for (pass, times) in passes {
        let mut times = times;
        println!("    {pass:24} {:8.3} ms", median(&mut times).unwrap_or(0.0));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let software = std::env::args().any(|a| a == "--software");
    let after = |name: &str| std::env::args().skip_while(|a| a != name).nth(1);
    let (only, part) = (after("--size"), after("--name").unwrap_or_default());
    let choice = if software {
        AdapterChoice::Software
    } else {
        AdapterChoice::Best
    };
    let gpu = GpuContext::headless(choice)?;
    println!("{}", gpu.adapter_name());
    let folder = tempfile::tempdir()?;
    let lut = FilterSpec::Lut(LutSettings {
        path: table(folder.path())?,
        strength: 100.0,
    });
    let marks = watermarks(folder.path())?;
    let all = [
        Resolution::HD,
        Resolution::new(1920, 1080),
        Resolution::new(3840, 2160),
    ];
    for size in all {
        if only.as_ref().is_some_and(|o| *o != size.to_string()) {
            continue;
        }
        println!("{size}, up to NV12:");
        let run = |name: &str, filters, watermarks: &[Watermark]| {
            if name.contains(&part) {
                let work = Work {
                    name,
                    filters,
                    watermarks,
                };
                measure(&gpu, size, work);
            }
        };
        run("no filter", Vec::new(), &[]);
        for (name, mut spec) in FilterSpec::kinds() {
            if let (FilterSpec::Lut(_), lut) = (&spec, &lut) {
                spec = lut.clone();
            }
            if let FilterSpec::Color(color) = &mut spec {
                (color.contrast, color.saturation, color.temperature) = (1.1, 1.2, 10.0);
            }
            run(name, vec![spec], &[]);
        }
        let smooth = FilterSpec::Beauty(BeautySettings {
            smoothing: 60.0,
            ..BeautySettings::default()
        });
        run("Beauty, smoothing only", vec![smooth], &[]);
        let beauty = |settings| vec![FilterSpec::Beauty(settings), lut.clone()];
        run("chain without beauty", vec![lut.clone()], &marks);
        run("full chain", beauty(BeautySettings::NATURAL), &marks);
        run(
            "full chain, all of it",
            beauty(BeautySettings::STRONG),
            &marks,
        );
    }
    Ok(())
}
