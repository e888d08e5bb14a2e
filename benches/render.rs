//! What a picture costs: processor time per frame of each plan at 720p, with upload and readback, and resident memory.
//! `cargo bench --bench render --no-default-features`
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod unix {
    use std::sync::Arc;
    use std::time::Instant;

    use kaibo::capture::SourceSpec;
    use kaibo::gpu::context::{AdapterChoice, GpuContext};
    use kaibo::media::SourceId;
    use kaibo::media::slot::LatestSlot;
    use kaibo::media::time::MediaTime;
    use kaibo::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
    use kaibo::render::filter::FilterSpec;
    use kaibo::render::filter::color::ColorSettings;
    use kaibo::render::scene::{Layer, Placement};
    use kaibo::render::still::Still;
    use kaibo::render::{Plan, SceneState};

    fn cpu_ms() -> f64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
    }

    fn memory() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let lines = status
            .lines()
            .filter(|l| l.starts_with("VmRSS") || l.starts_with("RssAnon"));
        lines
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn frame(seq: u64, size: Resolution, bgra: bool, data: &[u8]) -> VideoFrame {
        let row = size.width as usize;
        let plane = |stride, rows: u32| Plane {
            data: bytes::Bytes::copy_from_slice(&data[..stride * rows as usize]),
            stride,
        };
        VideoFrame {
            pts: MediaTime::ZERO,
            source: SourceId(1),
            seq,
            resolution: size,
            data: if bgra {
                FrameData::Bgra(plane(row * 4, size.height))
            } else {
                FrameData::Nv12 {
                    y: plane(row, size.height),
                    uv: plane(row, size.height / 2),
                }
            },
            color: ColorSpec::BT709_LIMITED,
        }
    }

    struct Case {
        name: &'static str,
        source: Resolution,
        bgra: bool,
        filter: Option<ColorSettings>,
        plan: Option<Plan>,
    }

    pub(super) fn main() {
        let start = Instant::now();
        println!("before: {}", memory());
        let gpu = GpuContext::headless(AdapterChoice::Software).expect("a software adapter");
        println!(
            "{} after {:.0} ms: {}",
            gpu.adapter_name(),
            start.elapsed().as_secs_f64() * 1e3,
            memory()
        );
        let out = Resolution::HD;
        let mut still = Still::new(&gpu, out).expect("pipelines");
        println!(
            "pipelines after {:.0} ms: {}",
            start.elapsed().as_secs_f64() * 1e3,
            memory()
        );
        let mild = ColorSettings {
            contrast: 1.1,
            saturation: 1.2,
            ..ColorSettings::default()
        };
        let gamma = ColorSettings { gamma: 1.2, ..mild };
        let full_hd = Resolution::new(1920, 1080);
        let case = |name, source, bgra, filter, plan| Case {
            name,
            source,
            bgra,
            filter,
            plan,
        };
        let cases = [
            case("a  nv12 passed on", out, false, None, None),
            case("b' bgra converted on the processor", out, true, None, None),
            case("b  bgra direct", out, true, None, Some(Plan::Direct)),
            case("b  nv12 direct", out, false, None, Some(Plan::Direct)),
            case("b  bgra 1080p scaled, direct", full_hd, true, None, None),
            case("c  bgra composed", out, true, None, Some(Plan::Compose)),
            case("c  bgra + colour, direct", out, true, Some(mild), None),
            case(
                "c  bgra + colour with gamma, direct",
                out,
                true,
                Some(gamma),
                None,
            ),
            case(
                "c  bgra + colour, composed",
                out,
                true,
                Some(mild),
                Some(Plan::Compose),
            ),
        ];
        let mut rng = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..full_hd.pixels() * 4)
            .map(|n| rng.u8(..) / 4 + (n / 64) as u8 / 2)
            .collect();
        for case in cases {
            measure(&mut still, &case, &noise);
        }
        println!("end: {}", memory());
    }

    fn measure(still: &mut Still, case: &Case, noise: &[u8]) {
        let slot = Arc::new(LatestSlot::default());
        let mut state = SceneState::default();
        state.scene.layers.push(Layer {
            filters: case.filter.map(FilterSpec::Color).into_iter().collect(),
            placement: Placement::default(),
            ..Layer::new(SourceSpec::Test {})
        });
        state.layer_sources.push(SourceId(1));
        state.sources.insert(SourceId(1), Arc::clone(&slot));
        const FRAMES: u32 = 60;
        let (mut cpu, mut wall, mut passes) = (Vec::new(), Vec::new(), 0);
        let mut template = frame(0, case.source, case.bgra, noise);
        for n in 0..FRAMES + 5 {
            template.seq += 1;
            slot.store(template.clone());
            let (cpu_before, before) = (cpu_ms(), Instant::now());
            passes = still
                .encoder_picture(&state, case.plan)
                .expect("a picture")
                .1;
            if n >= 5 {
                cpu.push(cpu_ms() - cpu_before);
                wall.push(before.elapsed().as_secs_f64() * 1e3);
            }
        }
        cpu.sort_by(f64::total_cmp);
        wall.sort_by(f64::total_cmp);
        let (low, mid) = (cpu.len() / 10, cpu.len() / 2);
        println!(
            "{:38} {passes} passes, CPU {:6.2} ms median, {:6.2} at best tenth; wall {:6.2} ms median",
            case.name, cpu[mid], cpu[low], wall[mid]
        );
    }
}
