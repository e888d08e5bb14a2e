//! The render thread: one tick after another by absolute deadlines, and between ticks a look at what came back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use parking_lot::Mutex;

use super::budget::Budget;
use super::compositor::{Compositor, Job, Leaving, encoder_buffer};
use super::convert::{Delivered, delivered, packed_nv12, to_nv12};
use super::filter::tables;
use super::follow::Follow;
use super::overlay::Placed;
use super::overlay::nv12::Nv12Painter;
use super::plan::{Drawn, Plan, choose_with_overlays, is_active};
use super::preview::Preview;
use super::screenshot::{Screenshot, ScreenshotCallback};
use super::stats::{Rate, Window};
use super::transition::{OnShow, Transition};
use super::{RenderConfig, RenderError, RenderStats, SceneState};
use crate::gpu::pass::{align_row, buffer_size};
use crate::gpu::readback::{Readback, ReadbackRing};
use crate::media::SourceId;
use crate::media::pool::BufferPool;
use crate::media::time::{MediaTime, Tick, Ticker};
use crate::media::video::{ColorSpec, FrameData, VideoFrame};
use crate::stage::StopFlag;

/// How long to sleep between two looks at the readback ring: most pictures are back within a few milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What a tick's picture is made of; equal keys mean an equal picture.
#[derive(Clone)]
struct PictureId {
    /// Held, so that the address cannot be given to another state.
    state: Arc<SceneState>,
    layers: Vec<(SourceId, Option<(u64, MediaTime)>)>,
    overlays: Arc<Vec<Placed>>,
    /// Another one still shows through: this one is like no other.
    fading: bool,
    /// Colour tables that came or changed meanwhile: [`tables::changes`].
    tables: u64,
}

impl PartialEq for PictureId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
            && !self.fading
            && self.layers == other.layers
            && self.overlays == other.overlays
            && self.tables == other.tables
    }
}

struct Pending {
    pts: MediaTime,
    id: PictureId,
    /// What the buffer holds.
    kind: Delivered,
    /// The watermarks are still to be drawn, on the processor.
    bare: bool,
    /// The next picture will be another one, though nothing changes: this one is not to be repeated.
    passing: bool,
}

/// Fewer pictures than this tell nothing of a source's age.
const FEW_AGES: usize = 10;

/// The render thread's state.
pub(super) struct Stage {
    config: RenderConfig,
    compositor: Compositor,
    ring: ReadbackRing<Pending>,
    shots: ReadbackRing<ScreenshotCallback>,
    shot_requests: Receiver<ScreenshotCallback>,
    preview: Preview,
    preview_shows: Option<(PictureId, bool)>,
    follow: Follow,
    /// What it asked for in this tick.
    shift_ns: i64,
    /// What was drawn last, to notice a new one.
    state: Option<Arc<SceneState>>,
    /// The change of scenes that is under way, or was the last, from its first picture on.
    transition: Option<Arc<Transition>>,
    /// The newest picture that was handed over, to be repeated while nothing changes.
    newest: Option<(PictureId, FrameData)>,
    last_pts: Option<MediaTime>,
    sent: u64,
    convert_pool: BufferPool,
    painter: Nv12Painter,
    no_overlays: Arc<Vec<Placed>>,
    submit_us: Window,
    age_ns: Window,
    /// The frame whose age was taken last: one shown for long (a still, a slow film) is aged once, when it is new.
    aged: Option<(SourceId, u64)>,
    rate: Rate,
    budget: Budget,
    stats: RenderStats,
    shared: Arc<Mutex<RenderStats>>,
}

/// Works out what is wanted in a tick.
struct Wanted {
    encoder: bool,
    /// How the encoder's picture is drawn, if it must be.
    plan: Option<Plan>,
    preview: bool,
    shot: Option<ScreenshotCallback>,
}

impl Stage {
    pub(super) fn new(
        config: RenderConfig,
        shot_requests: Receiver<ScreenshotCallback>,
        shared: Arc<Mutex<RenderStats>>,
    ) -> Result<Self, RenderError> {
        let output = config.resolution;
        let gpu = &config.gpu;
        let compositor =
            Compositor::new(gpu, output).map_err(|e| RenderError::Gpu(e.to_string()))?;
        let ring = ReadbackRing::new(&gpu.device, "nv12 readback", encoder_buffer(gpu, output));
        Ok(Self {
            compositor,
            ring,
            // made when the first screenshot is asked for
            shots: ReadbackRing::with_buffers(&gpu.device, "screenshot", 0, 0),
            shot_requests,
            preview: Preview::new(config.preview.clone()),
            preview_shows: None,
            follow: Follow::default(),
            shift_ns: 0,
            state: None,
            transition: None,
            newest: None,
            last_pts: None,
            sent: 0,
            convert_pool: BufferPool::new(5),
            painter: Nv12Painter::new(),
            no_overlays: Arc::default(),
            submit_us: Window::default(),
            age_ns: Window::default(),
            aged: None,
            rate: Rate::default(),
            budget: Budget::new(config.rate.interval()),
            stats: RenderStats::default(),
            shared,
            config,
        })
    }

    /// Ticks until stopped or until the device is lost.
    pub(super) fn run(mut self, stop: &StopFlag) -> Result<(), String> {
        let clock = self.config.clock;
        let mut ticker = Ticker::new(clock.now(), self.config.rate);
        while !stop.sleep(clock.until(ticker.next_due())) {
            let tick = ticker.advance(clock.now());
            self.collect()?;
            self.tick(tick).map_err(|e| e.to_string())?;
            ticker.shift(std::mem::take(&mut self.shift_ns));
            self.collect()?;
            while self.is_waiting() && clock.now() + LOOK_AGAIN < ticker.next_due() {
                if stop.sleep(LOOK_AGAIN) {
                    return Ok(());
                }
                self.collect()?;
            }
            if let Some(reason) = self.config.gpu.lost() {
                return Err(reason);
            }
        }
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.ring.in_flight() + self.shots.in_flight() > 0
    }

    fn tick(&mut self, tick: Tick) -> Result<(), RenderError> {
        self.stats.lagged += tick.lagged;
        self.stats.passes = 0;
        let mut wanted = Wanted {
            encoder: self.config.encoder.load().is_some() || self.config.recorder.load().is_some(),
            plan: None,
            preview: self.preview.is_visible(),
            shot: self.shot_requests.try_recv().ok(),
        };
        if !wanted.preview {
            self.preview_shows = None;
        }
        if wanted.encoder || wanted.preview || wanted.shot.is_some() {
            self.draw(tick.at, &mut wanted)?;
            self.stats.rendered += 1;
            self.rate.tick(tick.at);
        } else {
            self.stats.idle += 1;
            self.newest = None;
            self.age_ns.clear();
        }
        if let Some(times) = self.compositor.pass_times() {
            let total: f32 = times.iter().map(|t| t.ms).sum();
            let cost = Duration::try_from_secs_f32(total / 1e3).unwrap_or_default();
            self.stats.quality = self.budget.update(tick.at, cost);
            self.compositor.quality = self.stats.quality;
            self.stats.pass_times = times;
        }
        self.publish(tick.at);
        Ok(())
    }

    fn draw(&mut self, at: MediaTime, wanted: &mut Wanted) -> Result<(), RenderError> {
        let output = self.config.resolution;
        let given = self.config.scene.load_full();
        self.notice(&given);
        let compositor = &mut self.compositor;
        let OnShow {
            state,
            drawn,
            leaving,
        } = OnShow::of(given, at, output, || compositor.prepare_fade());
        self.change_scenes(&state);
        if let Some(frame) = drawn.iter().find_map(|d| d.frame.as_ref()) {
            let identity = Some((frame.source, frame.seq));
            if std::mem::replace(&mut self.aged, identity) != identity {
                self.age_ns.push(at.nanos_since(frame.pts));
            }
        }
        let interval = self.config.rate.interval();
        self.shift_ns = self.follow.tick(&state, &drawn, Instant::now(), interval);
        let id = PictureId {
            layers: drawn.iter().map(Drawn::stamp).collect(),
            overlays: match state.overlays.place(at, output) {
                none if none.is_empty() => Arc::clone(&self.no_overlays),
                some => Arc::new(some),
            },
            tables: tables::changes(),
            fading: leaving.is_some(),
            state,
        };
        let shown = self.preview_shows.as_ref();
        let shown = shown.is_some_and(|(old, c)| *old == id && *c == self.preview.compares());
        wanted.preview &= !shown && self.preview.is_due(at);
        if wanted.encoder {
            if let Some((old, data)) = &self.newest
                && *old == id
            {
                let data = data.clone();
                self.stats.repeated += 1;
                self.deliver(at, data);
            } else if id.fading {
                wanted.plan = Some(Plan::Compose);
            } else {
                wanted.plan = self.without_gpu(at, &id, &drawn);
            }
        }
        if wanted.plan.is_some() || wanted.preview || wanted.shot.is_some() {
            self.submit(at, id, &drawn, leaving, wanted)?;
        }
        Ok(())
    }

    /// Frees what a new state does not need.
    fn notice(&mut self, given: &Arc<SceneState>) {
        let known = |old: &Arc<SceneState>| Arc::ptr_eq(old, given);
        if !self.state.as_ref().is_some_and(known) {
            self.forget_unused(given);
            self.state = Some(Arc::clone(given));
            if given.transition.is_none() {
                self.transition = None;
                self.compositor.forget_left();
            }
        }
    }

    /// The first picture of a new scene: its filters are others.
    fn change_scenes(&mut self, shown: &SceneState) {
        let Some(transition) = &shown.transition else {
            return;
        };
        let known = |old: &Arc<Transition>| Arc::ptr_eq(old, transition);
        if !self.transition.as_ref().is_some_and(known) {
            self.transition = Some(Arc::clone(transition));
            self.compositor.leave_scene();
        }
    }

    /// Sends the encoder's picture if no pass is needed for it; otherwise says by which plan it must be drawn.
    fn without_gpu(&mut self, at: MediaTime, id: &PictureId, drawn: &[Drawn]) -> Option<Plan> {
        let scene_filtered = is_active(&id.state.scene.filters);
        let size = self.config.resolution;
        let plan = choose_with_overlays(
            size,
            drawn,
            scene_filtered,
            self.config.gpu.is_software(),
            !id.overlays.is_empty(),
        );
        let frame = drawn.first().and_then(|d| d.frame.as_ref());
        let data = match (plan, frame) {
            (Plan::Passthrough, Some(frame)) if id.overlays.is_empty() => frame.data.clone(),
            (Plan::Passthrough, Some(frame)) => {
                match self.painter.over(&frame.data, size, &id.overlays) {
                    Some(data) => data,
                    None => return Some(Plan::Compose),
                }
            }
            (Plan::Convert, Some(frame)) => match to_nv12(&self.convert_pool, frame) {
                Some(mut buffer) => {
                    self.painter.paint(&mut buffer, size, &id.overlays);
                    packed_nv12(buffer, size)
                }
                None => return Some(Plan::Direct),
            },
            (plan, _) => return Some(plan),
        };
        self.newest = Some((id.clone(), data.clone()));
        self.deliver(at, data);
        None
    }

    fn submit(
        &mut self,
        at: MediaTime,
        id: PictureId,
        drawn: &[Drawn],
        leaving: Option<(Arc<SceneState>, Vec<Drawn>, f32)>,
        wanted: &mut Wanted,
    ) -> Result<(), RenderError> {
        let below = leaving.as_ref().map(|(state, ..)| {
            let placed = state.overlays.place(at, self.config.resolution);
            (&state.scene, placed)
        });
        let Self {
            compositor,
            config,
            preview,
            ..
        } = self;
        let preview = wanted
            .preview
            .then(|| preview.target(&config.gpu, compositor.pool(), config.resolution))
            .flatten();
        let buffer = wanted
            .plan
            .and_then(|plan| Some((plan, self.ring.begin()?)));
        let shot = wanted
            .shot
            .take()
            .and_then(|callback| self.shot_buffer(callback));
        let compare = self.preview.compares();
        let job = Job {
            scene: &id.state.scene,
            drawn,
            overlays: &id.overlays,
            leaving: below.as_ref().zip(leaving.as_ref()).map(
                |((scene, overlays), (_, drawn, share))| Leaving {
                    scene,
                    drawn,
                    overlays,
                    share: *share,
                },
            ),
            nv12: buffer.as_ref().map(|(plan, buffer)| (*plan, buffer)),
            preview: preview.clone(),
            compare,
            screenshot: shot.as_ref().map(|(buffer, _)| buffer),
        };
        let begun = self.config.clock.now();
        let rendered = self.compositor.render(&job);
        let cost = self.config.clock.now().saturating_since(begun);
        let submitted = match rendered {
            Ok(submitted) => submitted,
            Err(error) => {
                if let Some((_, buffer)) = buffer {
                    self.ring.cancel(buffer);
                }
                return Err(RenderError::Gpu(error.to_string()));
            }
        };
        self.stats.passes = submitted.passes;
        self.stats.failed_filters = self.compositor.failed_filters();
        self.submit_us
            .push(i64::try_from(submitted.submit.as_micros()).unwrap_or(i64::MAX));
        if preview.is_some() {
            self.preview.submitted(at, cost);
            self.preview_shows = (!submitted.waiting).then(|| (id.clone(), compare));
        }
        if let Some((buffer, callback)) = shot {
            self.shots.submitted(buffer, callback);
        }
        if let Some((_, buffer)) = buffer {
            let pending = Pending {
                pts: at,
                id,
                kind: submitted.delivered,
                bare: !submitted.composed,
                passing: submitted.waiting,
            };
            self.ring.submitted(buffer, pending);
        }
        Ok(())
    }

    /// A buffer for a screenshot; answers `callback` if there is none.
    fn shot_buffer(
        &mut self,
        callback: ScreenshotCallback,
    ) -> Option<(wgpu::Buffer, ScreenshotCallback)> {
        if self.shots.in_flight() > 0 {
            callback(Err(RenderError::Busy));
            return None;
        }
        // one that is used once in a while need not be kept
        let device = &self.config.gpu.device;
        self.shots = ReadbackRing::with_buffers(
            device,
            "screenshot",
            buffer_size(self.config.resolution),
            1,
        );
        Some((self.shots.begin()?, callback))
    }

    /// Hands over whatever came back from the GPU.
    fn collect(&mut self) -> Result<(), String> {
        let output = self.config.resolution;
        let make = |bytes: &[u8], tag: &Pending, pool: &BufferPool| {
            delivered(bytes, tag.kind, output, pool)
        };
        while let Some(Readback { data, tag }) = self.ring.poll_as(make) {
            let Some(mut data) = data else {
                return Err(self.config.gpu.report_lost());
            };
            if tag.bare && !tag.id.overlays.is_empty() {
                let drawn = self.painter.over(&data, output, &tag.id.overlays);
                data = drawn.unwrap_or(data);
            }
            self.newest = (!tag.passing).then(|| (tag.id, data.clone()));
            self.deliver(tag.pts, data);
        }
        while let Some(Readback {
            data,
            tag: callback,
        }) = self.shots.poll()
        {
            let stride = align_row(output.width * 4) as usize;
            let shot = data.map(|data| Screenshot {
                resolution: output,
                stride,
                data,
            });
            callback(shot.ok_or(RenderError::Busy));
        }
        Ok(())
    }

    fn deliver(&mut self, pts: MediaTime, data: FrameData) {
        let (encoder, recorder) = (self.config.encoder.load(), self.config.recorder.load());
        if encoder.is_none() && recorder.is_none() {
            return;
        }
        // a picture that was drawn may come back after a later one that needed no drawing
        if self.last_pts.is_some_and(|last| pts <= last) {
            self.stats.skipped += 1;
            return;
        }
        let frame = VideoFrame {
            pts,
            source: SourceId(0),
            seq: self.sent,
            resolution: self.config.resolution,
            data,
            color: ColorSpec::BT709_LIMITED,
        };
        // one that is going away has its slot emptied soon
        let full = |to: &Sender<VideoFrame>| {
            matches!(to.try_send(frame.clone()), Err(TrySendError::Full(_)))
        };
        if let Some(encoder) = encoder.as_deref() {
            self.stats.skipped += u64::from(full(&encoder.main));
            for more in &encoder.more {
                full(more); // its own loss: it must not hold up anything
            }
        }
        self.stats.record_skipped += u64::from(recorder.as_deref().is_some_and(full));
        self.sent += 1;
        self.last_pts = Some(pts);
    }

    fn forget_unused(&mut self, state: &SceneState) {
        let left = state.transition.as_ref().map(|t| &t.from().layer_sources);
        let left = left.into_iter().flatten();
        let wanted: HashSet<SourceId> = state.layer_sources.iter().chain(left).copied().collect();
        self.compositor.forget_all_but(&wanted);
    }

    fn publish(&mut self, at: MediaTime) {
        let micros = |us: i64| u32::try_from(us).unwrap_or(u32::MAX);
        let [p50, p99] = self.submit_us.percentiles([50, 99]);
        // The first tick comes late, when shaders are compiled: that is no age of a still, which is aged once.
        let [age] = match self.age_ns.len() {
            0..FEW_AGES => [0],
            _ => self.age_ns.percentiles([50]),
        };
        let stats = &mut self.stats;
        (stats.submit_us_p50, stats.submit_us_p99) = (micros(p50), micros(p99));
        stats.source_age_ms = milliseconds(age);
        stats.fps = self.rate.per_second(at);
        let mut shared = self.shared.lock();
        shared.clone_from(stats);
        shared.skipped += self.ring.skipped();
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a display figure"
)]
fn milliseconds(ns: i64) -> f32 {
    (ns as f64 / 1e6) as f32
}
