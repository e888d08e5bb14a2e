//! Runs a source on its own thread: opens it, takes its frames, reopens it when it fails.
//!
//! In: a [`SourceSpec`] or [`AudioSpec`]. Out: the newest frame in a slot (for a lost source its last one for half a
//! second, then a picture that says so), [`SourceEvent`]s to the engine, figures.
//! Threads: `vsrc-<id>` for a picture source, `asrc-<id>` for a sound source. What to do after a failure is decided in
//! `retry.rs`, without a clock and without a device.

mod retry;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::camera::control::Control;
use super::play::{PlayOrder, Playback};
use super::{
    AudioSource, AudioSpec, SourceContext, SourceError, SourceSpec, VideoSource, no_signal,
    open_audio, open_video,
};
use crate::media::slot::LatestSlot;
use crate::media::video::{ColorSpec, Resolution, VideoFrame};
use crate::stage::{self, StageExit, StageHandle, StopFlag};
use retry::{Cause, Next, RetryPlan, StallWatch, Timing};

/// Tells the engine what happened to a source. Called on the source's thread; must not block.
pub type SourceListener = Arc<dyn Fn(SourceEvent) + Send + Sync>;

/// What happened to a source.
#[derive(Debug)]
pub enum SourceEvent {
    /// It delivers (for the first time or again); the text is [`super::VideoSource::describe`].
    Up { description: String },
    /// It stopped delivering; `retrying` tells whether the supervisor goes on by itself. Told once for each reason, not
    /// for each attempt that fails for the same one.
    Down { error: SourceError, retrying: bool },
    /// It goes on, but something is wrong with it: in words.
    Trouble(String),
    /// It reached its end (a file that does not loop).
    Ended,
}

/// Figures of one source.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct SourceStats {
    /// Delivering now.
    pub up: bool,
    /// In words: format, size, rate.
    pub description: String,
    /// Size of the newest frame.
    pub resolution: Option<Resolution>,
    /// Frames captured since the start.
    pub captured: u64,
    /// Frames replaced before the renderer looked at them.
    pub replaced: u64,
    /// Times it was reopened.
    pub reopened: u64,
    /// Pictures that came broken and were left out.
    pub corrupt: u64,
    /// What can be set while it runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// For desktop sound: the system's name of the output that is captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Where a file stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playback: Option<Playback>,
}

/// A supervised source. Dropping it asks the source to stop and does not wait.
#[derive(Debug)]
pub struct SourceHandle {
    slot: Arc<LatestSlot<VideoFrame>>,
    shared: Arc<Shared>,
    /// `None` when the system refused a thread.
    stage: Option<StageHandle>,
    /// What a picture source is opened with.
    spec: Option<Arc<Mutex<SourceSpec>>>,
}

/// What the source's thread tells the handle. Locked for a moment, by the thread only when something changes.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    up: bool,
    description: String,
    resolution: Option<Resolution>,
    reopened: u64,
    corrupt: u64,
    controls: Vec<Control>,
    output: Option<String>,
    /// Settings that the running source has not seen yet.
    adjust: Option<SourceSpec>,
    /// What the running source has not been told yet (edge: engine to source; bound [`MOST_ORDERS`]; more are ignored).
    orders: VecDeque<PlayOrder>,
    playback: Option<Playback>,
    ended: bool,
    /// Troubles that were told.
    told: VecDeque<String>,
}

/// Orders that wait for a source that is busy.
const MOST_ORDERS: usize = 16;

impl SourceHandle {
    /// It came to its end or was given up: its thread is gone.
    pub fn has_ended(&self) -> bool {
        self.shared.state.lock().ended
    }

    /// Tells a source that is played what to do; does nothing to others. Returns at once.
    pub fn play(&self, order: PlayOrder) {
        let orders = &mut self.shared.state.lock().orders;
        // of places to go to the last one counts: a slider gives many
        if matches!(order, PlayOrder::Seek(_)) {
            orders.retain(|o| !matches!(o, PlayOrder::Seek(_)));
        }
        if orders.len() < MOST_ORDERS {
            orders.push_back(order);
        }
    }

    /// Starts supervising a picture source (its sound goes to the audio stage by itself). Returns at once; the first
    /// opening happens on the source's thread.
    pub fn start_video(spec: SourceSpec, cx: SourceContext, listener: SourceListener) -> Self {
        let name = spec.name();
        let shared = Arc::new(Mutex::new(spec));
        let spec = Arc::clone(&shared);
        let mut handle = Self::video_with(name, cx, listener, Timing::NORMAL, move |cx| {
            let spec = spec.lock().clone();
            open_video(&spec, cx)
        });
        handle.spec = Some(shared);
        handle
    }

    /// Changes what can be changed while it runs; the rest of `spec` must be what it was started with
    /// ([`SourceSpec::is_same_stream`]). Returns at once.
    pub fn adjust(&self, spec: SourceSpec) {
        if let Some(shared) = &self.spec {
            shared.lock().clone_from(&spec); // for the next opening
        }
        self.shared.state.lock().adjust = Some(spec); // for the running one
    }

    /// Starts supervising a sound source.
    pub fn start_audio(spec: AudioSpec, cx: SourceContext, listener: SourceListener) -> Self {
        let open = move |cx: &SourceContext| open_audio(&spec, cx);
        let name = "sound".to_owned(); // of a picture that stands in, which sound has not
        Self::audio_with(name, cx, listener, Timing::SOUND, open)
    }

    fn video_with<O>(
        name: String,
        cx: SourceContext,
        listener: SourceListener,
        timing: Timing,
        mut open: O,
    ) -> Self
    where
        O: FnMut(&SourceContext) -> OpenedVideo + Send + 'static,
    {
        let thread = format!("vsrc-{}", cx.id);
        Self::start(thread, name, cx, listener, timing, move |run, stop| {
            run.video(&mut open, stop)
        })
    }

    fn audio_with<O>(
        name: String,
        cx: SourceContext,
        listener: SourceListener,
        timing: Timing,
        mut open: O,
    ) -> Self
    where
        O: FnMut(&SourceContext) -> OpenedAudio + Send + 'static,
    {
        let thread = format!("asrc-{}", cx.id);
        Self::start(thread, name, cx, listener, timing, move |run, stop| {
            run.audio(&mut open, stop)
        })
    }

    fn start<A>(
        thread: String,
        name: String,
        cx: SourceContext,
        listener: SourceListener,
        timing: Timing,
        attempt: A,
    ) -> Self
    where
        A: FnMut(&mut Run, &StopFlag) -> Result<End, SourceError> + Send + 'static,
    {
        let slot = Arc::<LatestSlot<VideoFrame>>::default();
        let shared = Arc::<Shared>::default();
        let run = Run {
            name,
            cx,
            listener: Arc::clone(&listener),
            timing,
            slot: Arc::clone(&slot),
            shared: Arc::clone(&shared),
            delivering_since: None,
            clear_at: None,
            cleared: false,
            missed: false,
            reported: None,
        };
        let at_exit = Arc::clone(&shared);
        let spawned = stage::spawn(
            thread,
            &StopFlag::new(),
            || Ok::<_, SourceError>(()),
            move |(), stop| run.supervise(attempt, stop),
            move |_: &StageExit| {
                let mut state = at_exit.state.lock();
                state.up = false;
                state.ended = true;
            },
        );
        let stage = match spawned {
            Ok(stage) => Some(stage),
            Err(error) => {
                shared.state.lock().ended = true;
                listener(SourceEvent::Down {
                    error: SourceError::Failed {
                        what: "starting the source".to_owned(),
                        source: Box::new(error),
                    },
                    retrying: false,
                });
                None
            }
        };
        Self {
            slot,
            shared,
            stage,
            spec: None,
        }
    }

    /// Where the newest frame lies (stays empty for sound sources).
    pub const fn slot(&self) -> &Arc<LatestSlot<VideoFrame>> {
        &self.slot
    }

    /// Figures so far.
    pub fn stats(&self) -> SourceStats {
        let state = self.shared.state.lock();
        SourceStats {
            up: state.up,
            description: state.description.clone(),
            resolution: state.resolution,
            captured: self.slot.stored(),
            replaced: self.slot.replaced(),
            reopened: state.reopened,
            corrupt: state.corrupt,
            controls: state.controls.clone(),
            output: state.output.clone(),
            playback: state.playback.clone(),
        }
    }

    /// Asks the source to stop, without waiting.
    pub fn request_stop(&self) {
        if let Some(stage) = &self.stage {
            stage.request_stop();
        }
    }

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, deadline: Instant) -> bool {
        let joined = self.stage.as_ref().and_then(|s| s.join_until(deadline));
        joined.is_some() || self.shared.state.lock().ended
    }
}

type OpenedVideo = Result<Box<dyn VideoSource>, SourceError>;
type OpenedAudio = Result<Box<dyn AudioSource>, SourceError>;

/// How an attempt ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// We were asked to stop.
    Stopped,
    /// The source has nothing more.
    Finished,
}

/// A panic in a source: a bug of ours or of a library.
#[derive(Debug, thiserror::Error)]
#[error("an internal error: {0}")]
struct Panicked(String);

/// The supervising thread's state.
struct Run {
    name: String,
    cx: SourceContext,
    listener: SourceListener,
    timing: Timing,
    slot: Arc<LatestSlot<VideoFrame>>,
    shared: Arc<Shared>,
    /// When the present attempt delivered first.
    delivering_since: Option<Instant>,
    /// When the last frame of a lost source is taken away.
    clear_at: Option<Instant>,
    /// It was taken away: nothing is shown but that there is nothing.
    cleared: bool,
    /// A picture is missing while it is gone: it is no sound source, and not at its end.
    missed: bool,
    /// The last [`SourceEvent::Down`], until the source is up again.
    reported: Option<(String, bool)>,
}

impl Run {
    fn supervise<A>(mut self, mut attempt: A, stop: &StopFlag) -> Result<(), String>
    where
        A: FnMut(&mut Self, &StopFlag) -> Result<End, SourceError>,
    {
        let mut plan = RetryPlan::default();
        loop {
            self.delivering_since = None;
            let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&mut self, stop)));
            if stop.is_stopped() {
                return Ok(());
            }
            {
                let mut state = self.shared.state.lock();
                state.up = false;
                state.controls.clear();
                state.output = None;
                state.playback = None;
            }
            if !self.cleared {
                self.clear_at
                    .get_or_insert(Instant::now() + self.timing.hold);
            }
            let (error, cause) = match outcome {
                Ok(Ok(End::Stopped)) => return Ok(()),
                Ok(Ok(End::Finished)) => {
                    self.missed = false;
                    (self.listener)(SourceEvent::Ended);
                    self.wait(self.timing.hold, stop);
                    return Ok(());
                }
                Ok(Err(error)) => {
                    let cause = Cause::Error(error.recovery());
                    (error, cause)
                }
                Err(panic) => (self.panicked(&*panic), Cause::Panic),
            };
            let delivered = self
                .delivering_since
                .map_or(Duration::ZERO, |t| t.elapsed());
            let next = plan.failed(cause, delivered, &self.timing);
            let text = self.report(error, next != Next::GiveUp);
            match next {
                Next::GiveUp => {
                    self.wait(self.timing.hold, stop);
                    return Err(text);
                }
                Next::After(delay) => self.wait(delay, stop),
            }
            if stop.is_stopped() {
                return Ok(());
            }
            self.shared.state.lock().reopened += 1;
        }
    }

    /// Opens a picture source and takes its frames until it fails, ends, or we are to stop.
    fn video(
        &mut self,
        open: &mut dyn FnMut(&SourceContext) -> OpenedVideo,
        stop: &StopFlag,
    ) -> Result<End, SourceError> {
        self.missed = true;
        let mut source = open(&self.cx)?;
        let before = self.shared.state.lock().corrupt;
        let mut watch = StallWatch::new(Instant::now(), self.timing.stall);
        let mut resolution = None;
        while !stop.is_stopped() {
            self.adjust(&mut *source, before);
            if let Some(frame) = source.next(self.timing.poll)? {
                watch.fed(Instant::now());
                let size = frame.resolution;
                self.slot.store(frame);
                if resolution.replace(size) != Some(size) {
                    let controls = source.controls();
                    self.delivers(source.describe(), Some(size), controls);
                }
                continue;
            }
            if source.finished() {
                return Ok(End::Finished);
            }
            if source.reworded() {
                self.shared.state.lock().description = source.describe();
            }
            let now = Instant::now();
            if source.is_waiting() {
                watch = StallWatch::new(now, self.timing.stall);
            }
            if let Some(silent) = watch.stalled(now, source.may_be_still()) {
                return Err(SourceError::Stalled {
                    what: self.name.clone(),
                    seconds: silent.as_secs(),
                });
            }
            self.clear_if_due(now);
        }
        Ok(End::Stopped)
    }

    /// What was not said before; a list comes by its broken file in each round.
    fn is_news(&self, trouble: &str) -> bool {
        const MOST: usize = 64;
        let told = &mut self.shared.state.lock().told;
        if told.iter().any(|t| t == trouble) {
            return false;
        }
        if told.len() == MOST {
            told.pop_front();
        }
        told.push_back(trouble.to_owned());
        true
    }

    /// Hands new settings to the running source, and takes its counters.
    fn adjust(&self, source: &mut dyn VideoSource, corrupt_before: u64) {
        if let Some(trouble) = source.trouble().filter(|t| self.is_news(t)) {
            tracing::debug!(source = %self.cx.id, name = self.name, trouble, "source is in trouble");
            (self.listener)(SourceEvent::Trouble(trouble));
        }
        let playback = source.playback();
        let (adjust, orders) = {
            let mut state = self.shared.state.lock();
            state.corrupt = corrupt_before + source.corrupt();
            state.playback = playback;
            (state.adjust.take(), std::mem::take(&mut state.orders))
        };
        orders.into_iter().for_each(|order| source.play(order));
        if let Some(spec) = adjust {
            source.adjust(&spec);
            let controls = source.controls();
            self.shared.state.lock().controls = controls;
        }
    }

    /// Opens a sound source and asks it how it is until it fails or we are to stop.
    fn audio(
        &mut self,
        open: &mut dyn FnMut(&SourceContext) -> OpenedAudio,
        stop: &StopFlag,
    ) -> Result<End, SourceError> {
        let mut source = open(&self.cx)?;
        let mut told = None;
        loop {
            source.check()?;
            if source.finished() {
                return Ok(End::Finished);
            }
            let description = source.describe();
            if told.as_ref() != Some(&description) {
                // the system's default changed: that is news as well
                self.delivering_since = None;
                self.shared.state.lock().output = source.output();
                self.delivers(description.clone(), None, Vec::new());
                told = Some(description);
            }
            if stop.sleep(self.timing.check) {
                return Ok(End::Stopped);
            }
        }
    }

    /// The source delivers for the first time in this attempt, or something else than before.
    fn delivers(
        &mut self,
        description: String,
        resolution: Option<Resolution>,
        controls: Vec<Control>,
    ) {
        {
            let mut state = self.shared.state.lock();
            state.up = true;
            state.resolution = resolution;
            state.controls = controls;
            state.description.clone_from(&description);
        }
        self.clear_at = None;
        self.cleared = false;
        if self.delivering_since.is_none() {
            self.delivering_since = Some(Instant::now());
            self.reported = None;
            tracing::debug!(source = %self.cx.id, name = self.name, description, "source is up");
            (self.listener)(SourceEvent::Up { description });
        }
    }

    fn panicked(&self, panic: &(dyn std::any::Any + Send)) -> SourceError {
        let message = stage::panic_message(panic);
        tracing::error!(source = %self.cx.id, name = self.name, message, "source panicked");
        SourceError::Failed {
            what: self.name.clone(),
            source: Box::new(Panicked(message)),
        }
    }

    /// Tells the engine, unless it knows already; returns the error's text.
    fn report(&mut self, error: SourceError, retrying: bool) -> String {
        let report = (error.to_string(), retrying);
        let text = report.0.clone();
        // a thing that went away is not there: that is the same news
        let known = self.reported.as_ref().is_some_and(|(_, retried)| {
            *retried && retrying && matches!(error, SourceError::NotFound { .. })
        });
        if self.reported.as_ref() != Some(&report) && !known {
            tracing::debug!(source = %self.cx.id, name = self.name, error = %error, retrying, "source is down");
            self.reported = Some(report);
            (self.listener)(SourceEvent::Down { error, retrying });
        }
        text
    }

    /// Sleeps, unless asked to stop, and takes the last frame away when its time has come.
    fn wait(&mut self, delay: Duration, stop: &StopFlag) {
        let end = Instant::now() + delay;
        loop {
            let now = Instant::now();
            self.clear_if_due(now);
            let until = self.clear_at.map_or(end, |at| at.min(end));
            if now >= end || stop.sleep(until.saturating_duration_since(now)) {
                return;
            }
        }
    }

    fn clear_if_due(&mut self, now: Instant) {
        if self.clear_at.is_some_and(|at| now >= at) {
            self.clear_at = None;
            self.cleared = true;
            if self.missed {
                self.show_no_signal();
            } else {
                self.slot.clear();
            }
        }
    }

    /// Puts a picture that says so in place of the one that is missing, in the size it had, so that nothing moves.
    fn show_no_signal(&self) {
        let known = self.shared.state.lock().resolution;
        let resolution = known.unwrap_or(self.cx.resolution);
        self.slot.stand_in(VideoFrame {
            pts: self.cx.clock.now(),
            source: self.cx.id,
            seq: 0,
            resolution,
            data: no_signal::picture(&self.name, resolution),
            color: ColorSpec::BT709_LIMITED,
        });
    }
}
