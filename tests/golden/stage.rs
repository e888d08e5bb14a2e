//! The render thread with a fake source: rate, time stamps, full queues, preview, screenshots, stopping.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Receiver, bounded};
use kaibo::gpu::context::GpuContext;
use kaibo::gpu::pass::{buffer_size, copy_to_buffer};
use kaibo::gpu::readback::ReadbackRing;
use kaibo::media::SourceId;
use kaibo::media::slot::LatestSlot;
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::{ColorSpec, PixelFormat, Resolution, VideoFrame};
use kaibo::render::filter::FilterSpec;
use kaibo::render::filter::color::ColorSettings;
use kaibo::render::filter::pixelate::PixelateSettings;
use kaibo::render::preview::{PreviewSink, PreviewTexture};
use kaibo::render::scene::{Layer, Placement};
use kaibo::render::{EncoderInputs, RenderConfig, RenderError, RenderStage, SceneState};
use kaibo::stage::StageExit;

use super::reference::{Picture, frame, largest_difference, pixel, samples};
use super::scenes::{card, device, gradient, layer, scene};

const SIZE: Resolution = Resolution::new(64, 36);
const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    clock: MediaClock,
    slot: Arc<LatestSlot<VideoFrame>>,
    scene: Arc<ArcSwap<SceneState>>,
    encoder: Arc<ArcSwapOption<EncoderInputs>>,
    exit: Receiver<StageExit>,
    stage: RenderStage,
}

/// A stage at 30 frames a second that shows one source as `layer`.
fn rig(gpu: &GpuContext, layer: Layer, preview: PreviewSink) -> Rig {
    let state = scene(vec![(layer, None)], Vec::new());
    let slot = Arc::clone(&state.sources[&SourceId(1)]);
    let clock = MediaClock::start();
    let scene = Arc::new(ArcSwap::from_pointee(state));
    let encoder = Arc::new(ArcSwapOption::empty());
    let (exit_tx, exit) = bounded(1);
    let stage = RenderStage::start(RenderConfig {
        gpu: gpu.clone(),
        clock,
        resolution: SIZE,
        rate: FrameRate::FPS_30,
        scene: Arc::clone(&scene),
        encoder: Arc::clone(&encoder),
        recorder: Arc::default(),
        preview,
        on_exit: Box::new(move |exit| exit_tx.send(exit.clone()).unwrap()),
    })
    .unwrap();
    Rig {
        clock,
        slot,
        scene,
        encoder,
        exit,
        stage,
    }
}

impl Rig {
    fn show(&self, picture: &Picture, format: PixelFormat) {
        let mut frame = frame(picture, format, ColorSpec::BT709_LIMITED);
        frame.pts = self.clock.now();
        self.slot.store(frame);
    }

    fn encode(&self, bound: usize) -> Receiver<VideoFrame> {
        let (sender, receiver) = bounded(bound);
        self.encoder
            .store(Some(Arc::new(EncoderInputs::from(sender))));
        receiver
    }

    fn stop(self) {
        self.stage.request_stop();
        assert!(
            self.stage
                .join_until(Instant::now() + Duration::from_secs(1)),
            "stuck"
        );
        assert!(
            self.exit.try_recv().is_err(),
            "a stop is not an exit by itself"
        );
    }
}

fn next(frames: &Receiver<VideoFrame>) -> VideoFrame {
    frames.recv_timeout(PATIENCE).expect("a frame in time")
}

/// A layer that needs drawing on any adapter.
fn drawn_layer() -> Layer {
    layer(Placement {
        width: 0.5,
        ..Placement::default()
    })
}

#[test]
fn frames_arrive_at_the_rate_with_increasing_times() {
    let Some(gpu) = device() else { return };
    for (layer, plan) in [
        (layer(Placement::default()), "passed on"),
        (drawn_layer(), "drawn"),
    ] {
        let rig = rig(&gpu, layer, PreviewSink::None);
        rig.show(&gradient(SIZE), PixelFormat::Nv12);
        let frames = rig.encode(3);
        let first = next(&frames);
        let (mut last, mut most_passes) = (first, 0);
        for _ in 0..20 {
            rig.show(&gradient(SIZE), PixelFormat::Nv12);
            let frame = next(&frames);
            // whole ticks, moved a little to follow the source; gaps only where the machine was too slow
            let step = frame.pts.nanos_since(last.pts);
            let ticks = (step + 16_666_667) / 33_333_333;
            assert!(
                ticks >= 1 && (step - ticks * 33_333_333).abs() <= ticks * 33_333_333 / 150 + 100,
                "{plan}: step {step}"
            );
            assert_eq!((frame.seq, frame.resolution), (last.seq + 1, SIZE));
            assert_eq!(frame.color, ColorSpec::BT709_LIMITED);
            last = frame;
            most_passes = most_passes.max(rig.stage.stats().passes);
        }
        let stats = rig.stage.stats();
        assert!(
            stats.rendered >= 20 && stats.rendered >= last.seq,
            "{plan}: {stats:?}"
        );
        // the composing one; a software adapter leaves the conversion to the processor
        assert_eq!(most_passes, u32::from(plan == "drawn"), "{plan}");
        assert!(
            (0.0..1000.0).contains(&stats.source_age_ms) && stats.fps > 0.0,
            "{plan}: {stats:?}"
        );
        rig.stop();
    }
}

#[test]
fn a_still_scene_repeats_its_picture_without_drawing() {
    let Some(gpu) = device() else { return };
    let rig = rig(&gpu, drawn_layer(), PreviewSink::None);
    rig.show(&card(SIZE), PixelFormat::Bgra);
    let frames = rig.encode(3);
    let first = next(&frames);
    let (a, b) = (next(&frames), next(&frames));
    assert!(first.pts < a.pts && a.pts < b.pts);
    let pictures = [&first, &a, &b].map(|f| samples(&f.data, SIZE));
    assert!(pictures[0] == pictures[1] && pictures[1] == pictures[2]);
    // a new picture, and a new scene of the same picture, are drawn again
    rig.show(&gradient(SIZE), PixelFormat::Bgra);
    while samples(&next(&frames).data, SIZE) == pictures[0] {}
    let before = samples(&next(&frames).data, SIZE);
    let mut changed = scene(vec![(layer(Placement::default()), None)], Vec::new());
    changed.sources.insert(SourceId(1), Arc::clone(&rig.slot));
    rig.scene.store(Arc::new(changed));
    while samples(&next(&frames).data, SIZE) == before {}
    assert!(rig.stage.stats().repeated > 0);
    rig.slot.clear();
    let grey = |f: &VideoFrame| {
        let all = samples(&f.data, SIZE).into_iter().map(f64::from);
        let want = (0..SIZE.pixels() * 3 / 2).map(|n| if n < SIZE.pixels() { 53.0 } else { 128.0 });
        largest_difference(all, want) <= 1.0
    };
    while !grey(&next(&frames)) {}
    rig.stop();
}

#[test]
fn a_filter_added_live_shows_within_moments_and_hides_its_part_at_once() {
    let Some(gpu) = device() else { return };
    let rig = rig(&gpu, drawn_layer(), PreviewSink::None);
    let bright = Picture::new(SIZE, |_, _| [250, 250, 250]);
    rig.show(&bright, PixelFormat::Bgra);
    let frames = rig.encode(3);
    let middle = |frame: &VideoFrame| pixel(frame, SIZE.width / 4, SIZE.height / 2)[0];
    while middle(&next(&frames)) < 200.0 {}
    let change = |filters: Vec<FilterSpec>| {
        let mut changed = scene(vec![(drawn_layer(), None)], Vec::new());
        changed.scene.layers[0].filters = filters;
        changed.sources.insert(SourceId(1), Arc::clone(&rig.slot));
        rig.scene.store(Arc::new(changed));
    };
    // a source that does not change: the picture with the filter must come nevertheless
    let dark = FilterSpec::Color(ColorSettings {
        exposure: -3.0,
        ..ColorSettings::default()
    });
    change(vec![dark.clone()]);
    while middle(&next(&frames)) > 100.0 {}
    // a mosaic over a picture of which half is black: nothing in it is as bright as before, from the first picture on
    let halves = Picture::new(SIZE, |x, _| if x % 8 < 4 { [250; 3] } else { [0; 3] });
    change(vec![]);
    rig.show(&halves, PixelFormat::Bgra);
    let brightest = |frame: &VideoFrame| {
        let row = (0..SIZE.width).map(|x| pixel(frame, x, SIZE.height / 2)[0]);
        row.fold(0.0, f64::max)
    };
    while brightest(&next(&frames)) < 200.0 {}
    let before = next(&frames);
    change(vec![FilterSpec::Pixelate(PixelateSettings {
        x: 0.0,
        y: 0.0,
        width: 100.0,
        height: 100.0,
        square: 20.0,
    })]);
    let mut hidden = 0;
    while hidden < 5 {
        let frame = next(&frames);
        // pictures that were on their way when the mosaic was asked for may still come
        if brightest(&frame) > 160.0 {
            assert_eq!(hidden, 0, "shown after it was hidden");
            assert!(
                frame.pts.nanos_since(before.pts) < 1_000_000_000,
                "shown for long"
            );
        } else {
            hidden += 1;
        }
    }
    rig.stop();
}

#[test]
fn a_full_encoder_queue_holds_nothing_up() {
    let Some(gpu) = device() else { return };
    let (woken, wakes) = bounded(100);
    let preview = Arc::new(PreviewTexture::new(move || {
        woken.try_send(()).ok();
    }));
    preview.visible.store(true, Ordering::Relaxed);
    let rig = rig(
        &gpu,
        drawn_layer(),
        PreviewSink::Texture(Arc::clone(&preview)),
    );
    rig.show(&card(SIZE), PixelFormat::Bgra);
    let frames = rig.encode(1);
    for _ in 0..10 {
        wakes.recv_timeout(PATIENCE).expect("the preview goes on");
        rig.show(&card(SIZE), PixelFormat::Bgra);
    }
    assert_eq!(frames.len(), 1);
    assert!(rig.stage.stats().skipped >= 5, "{:?}", rig.stage.stats());
    assert_eq!(preview.generation.load(Ordering::Relaxed), 1);
    let texture = preview.texture.load_full().unwrap();
    assert_eq!(
        (texture.width(), texture.height()),
        (SIZE.width, SIZE.height)
    );
    rig.stop();
}

#[test]
fn the_preview_is_drawn_beside_a_picture_that_is_passed_on() {
    let Some(gpu) = device() else { return };
    let preview = Arc::new(PreviewTexture::new(|| {}));
    preview.visible.store(true, Ordering::Relaxed);
    let whole = layer(Placement::default());
    let rig = rig(&gpu, whole, PreviewSink::Texture(Arc::clone(&preview)));
    let frames = rig.encode(3);
    let shown = frame(&gradient(SIZE), PixelFormat::Nv12, ColorSpec::BT709_LIMITED);
    rig.slot.store(shown.clone());
    while samples(&next(&frames).data, SIZE) != samples(&shown.data, SIZE) {}
    // drawn in the same tick, which ends before the stage does
    rig.stop();
    let rgba = read_texture(&gpu, &preview.texture.load_full().unwrap());
    let got = rgba
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|p| [p[0], p[1], p[2]]);
    let all = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y)));
    let want = all.flat_map(|(x, y)| pixel(&shown, x, y));
    let worst = largest_difference(got.map(f64::from), want);
    assert!(worst <= 1.01, "{worst} of 255 off");
}

#[test]
fn the_preview_compares_and_viewers_see_the_filtered_picture() {
    let Some(gpu) = device() else { return };
    let preview = Arc::new(PreviewTexture::new(|| {}));
    preview.visible.store(true, Ordering::Relaxed);
    preview.compare.store(true, Ordering::Relaxed);
    let mut grey = layer(Placement::default());
    grey.filters = vec![FilterSpec::Color(ColorSettings {
        saturation: 0.0,
        ..ColorSettings::default()
    })];
    let rig = rig(&gpu, grey, PreviewSink::Texture(Arc::clone(&preview)));
    let frames = rig.encode(3);
    rig.show(&Picture::new(SIZE, |_, _| [200, 40, 40]), PixelFormat::Bgra);
    let colour = |frame: &VideoFrame, x: u32| {
        let [r, g, _] = pixel(frame, x, 9);
        r - g
    };
    // the placeholder is grey, too: the picture itself is brighter
    let sent = loop {
        let frame = next(&frames);
        if pixel(&frame, 9, 9)[0] > 60.0 {
            break frame;
        }
    };
    assert!(colour(&sent, 9).abs() < 4.0 && colour(&sent, 55).abs() < 4.0);
    // the preview pauses after a picture that was dear, as the first one with its passes is
    let shown = || read_texture(&gpu, &preview.texture.load_full().unwrap());
    let old = (0..150).find(|_| {
        next(&frames);
        shown()[..3] == [200, 40, 40]
    });
    assert!(old.is_some(), "the preview never shows it");
    rig.stop();
    let rgba = read_texture(&gpu, &preview.texture.load_full().unwrap());
    for (n, p) in rgba.as_chunks::<4>().0.iter().enumerate() {
        if n % 64 < 32 {
            assert_eq!(p[..3], [200, 40, 40], "before, on the left");
        } else {
            assert!(p[0] == p[1] && p[1] == p[2], "after, on the right: {p:?}");
        }
    }
}

/// The pixels of an `Rgba8Unorm` texture of [`SIZE`] (whose rows need no padding).
fn read_texture(gpu: &GpuContext, texture: &wgpu::Texture) -> Vec<u8> {
    let mut ring = ReadbackRing::with_buffers(&gpu.device, "test", buffer_size(SIZE), 1);
    let buffer = ring.begin().unwrap();
    let mut encoder = gpu
        .device
        .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    copy_to_buffer(&mut encoder, texture, &buffer);
    gpu.queue.submit([encoder.finish()]);
    ring.submitted(buffer, ());
    loop {
        if let Some(back) = ring.poll() {
            return back.data.unwrap().to_vec();
        }
        std::thread::yield_now();
    }
}

#[test]
fn without_a_consumer_nothing_is_drawn() {
    let Some(gpu) = device() else { return };
    let (woken, wakes) = bounded(100);
    let preview = Arc::new(PreviewTexture::new(move || {
        woken.try_send(()).ok();
    }));
    let rig = rig(&gpu, drawn_layer(), PreviewSink::Texture(preview));
    rig.show(&card(SIZE), PixelFormat::Bgra);
    // the first picture of the encoder that comes now is drawn in a later tick than those counted as idle
    while rig.stage.stats().idle < 3 {
        std::thread::yield_now();
    }
    assert_eq!((rig.stage.stats().rendered, wakes.len()), (0, 0));
    let frames = rig.encode(3);
    next(&frames);
    assert!(wakes.is_empty(), "the preview is hidden");
    rig.stop();
}

#[test]
fn screenshots_show_the_composed_picture() {
    let Some(gpu) = device() else { return };
    let rig = rig(&gpu, layer(Placement::default()), PreviewSink::None);
    let picture = card(SIZE);
    rig.show(&picture, PixelFormat::Bgra);
    let (done, shots) = bounded(1);
    rig.stage
        .request_screenshot(Box::new(move |shot| done.send(shot).unwrap()))
        .unwrap();
    let shot = shots.recv_timeout(PATIENCE).unwrap().unwrap();
    let want: Vec<u8> = picture
        .pixels
        .iter()
        .flat_map(|[r, g, b]| [*r, *g, *b, 255])
        .collect();
    assert_eq!((shot.to_rgba(), shot.resolution), (want.clone(), SIZE));
    let folder = tempfile::tempdir().unwrap();
    shot.save_png(&folder.path().join("a.png")).unwrap();
    assert_eq!(
        image::open(folder.path().join("a.png"))
            .unwrap()
            .to_rgba8()
            .into_raw(),
        want
    );
    let error = shot
        .save_png(&folder.path().join("no/a.png"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("a.png"), "{error}");
    rig.stop();
}

#[test]
fn a_lost_device_ends_the_stage_with_a_reason() {
    let Some(gpu) = device() else { return };
    let (told, losses) = bounded(1);
    gpu.on_lost(Some(Arc::new(move |reason| told.send(reason).unwrap())));
    let rig = rig(&gpu, drawn_layer(), PreviewSink::None);
    rig.show(&card(SIZE), PixelFormat::Bgra);
    let frames = rig.encode(3);
    next(&frames);
    rig.show(&gradient(SIZE), PixelFormat::Bgra);
    gpu.device.destroy();
    let StageExit::Failed(reason) = rig.exit.recv_timeout(PATIENCE).unwrap() else {
        panic!("not a failure");
    };
    assert!(reason.contains("lost"), "{reason}");
    assert!(losses.recv_timeout(PATIENCE).unwrap().contains("lost"));
    assert!(rig.stage.join_until(Instant::now() + PATIENCE));
}

#[test]
fn odd_sizes_are_refused_in_words() {
    let Some(gpu) = device() else { return };
    let config = RenderConfig {
        gpu,
        clock: MediaClock::start(),
        resolution: Resolution::new(63, 36),
        rate: FrameRate::FPS_30,
        scene: Arc::default(),
        encoder: Arc::default(),
        recorder: Arc::default(),
        preview: PreviewSink::None,
        on_exit: Box::new(|_| {}),
    };
    let error = RenderStage::start(config).unwrap_err();
    assert!(
        matches!(error, RenderError::OddSize(_)) && error.to_string().contains("even"),
        "{error}"
    );
}
