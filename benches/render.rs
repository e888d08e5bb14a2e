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
    use std::time::{Duration, Instant};

    use arc_swap::{ArcSwap, ArcSwapOption};
    use crossbeam_channel::bounded;
    use kaibo::capture::SourceSpec;
    use kaibo::gpu::context::{AdapterChoice, GpuContext};
    use kaibo::media::SourceId;
    use kaibo::media::slot::LatestSlot;
    use kaibo::media::time::{FrameRate, MediaClock, MediaTime};
    use kaibo::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
    use kaibo::render::filter::FilterSpec;
    use kaibo::render::filter::color::ColorSettings;
    use kaibo::render::preview::PreviewSink;
    use kaibo::render::scene::{Layer, Placement};
    use kaibo::render::still::Still;
    use kaibo::render::{Plan, RenderConfig, RenderStage, SceneState};

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
        for case in &cases {
            measure(&mut still, case, &noise);
        }
        println!("after stills: {}", memory());
        drop(still);
        for case in &cases {
            if case.plan.is_none() {
                run_stage(&gpu, case, &noise);
            }
        }
        println!("end: {}", memory());
    }

    /// Three seconds of the render thread at 30 frames a second: processor share, and how old a picture is when the encoder
    /// gets it (a source in step with the ticks would add less waiting).
    fn run_stage(gpu: &GpuContext, case: &Case, noise: &[u8]) {
        let slot = Arc::new(LatestSlot::default());
        let clock = MediaClock::start();
        let (sender, frames) = bounded(3);
        let stage = RenderStage::start(RenderConfig {
            gpu: gpu.clone(),
            clock,
            resolution: Resolution::HD,
            rate: FrameRate::FPS_30,
            scene: Arc::new(ArcSwap::from_pointee(state(case, &slot))),
            encoder: Arc::new(ArcSwapOption::from_pointee(
                kaibo::render::EncoderInputs::from(sender),
            )),
            recorder: Arc::default(),
            preview: PreviewSink::None,
            on_exit: Box::new(|exit| println!("ended: {exit:?}")),
        })
        .expect("a stage");
        let mut template = frame(0, case.source, case.bgra, noise);
        let (mut delay, mut received) = (Vec::new(), 0);
        let (mut cpu, mut start) = (0.0, clock.now());
        for n in 0..120 {
            if n == 30 {
                (cpu, start, received) = (cpu_ms(), clock.now(), 0);
                delay.clear();
            }
            template.seq += 1;
            template.pts = clock.now();
            slot.store(template.clone());
            let next = clock.now() + Duration::from_micros(33_333);
            while let Ok(frame) = frames.recv_timeout(clock.until(next)) {
                delay.push(clock.now().nanos_since(frame.pts) as f64 / 1e6);
                received += 1;
            }
        }
        let seconds = clock.now().saturating_since(start).as_secs_f64();
        let used = (cpu_ms() - cpu) / 1e3 / seconds;
        let stats = stage.stats();
        stage.request_stop();
        stage.join_until(Instant::now() + Duration::from_secs(1));
        delay.sort_by(f64::total_cmp);
        println!(
            "{:38} {used:.3} CPU s/s, {:.1} fps, tick to encoder {:.1} ms median {:.1} p95, source age {:.1} ms, submit p99 {} us, lagged {} skipped {}",
            case.name,
            f64::from(received) / seconds,
            delay[delay.len() / 2],
            delay[delay.len() * 95 / 100],
            stats.source_age_ms,
            stats.submit_us_p99,
            stats.lagged,
            stats.skipped
        );
    }

    fn state(case: &Case, slot: &Arc<LatestSlot<VideoFrame>>) -> SceneState {
        let mut state = SceneState::default();
        state.scene.layers.push(Layer {
            filters: case.filter.map(FilterSpec::Color).into_iter().collect(),
            placement: Placement::default(),
            ..Layer::new(SourceSpec::Test {})
        });
        state.layer_sources.push(SourceId(1));
        state.sources.insert(SourceId(1), Arc::clone(slot));
        state
    }

    fn measure(still: &mut Still, case: &Case, noise: &[u8]) {
        let slot = Arc::new(LatestSlot::default());
        let state = state(case, &slot);
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
