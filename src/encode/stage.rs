//! The video encoder stage (thread `venc`): pictures from a bounded channel in, packets onto the [`PacketBus`] out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use parking_lot::Mutex;

use super::{
    BITRATE_BPS, EncodeError, Reconfigured, Tune, VideoEncoder, VideoEncoderSettings, VideoFormat,
    in_words, open_video,
};
use crate::media::Recovery;
use crate::media::packet::{Bitrate, EncodedPacket, PacketBus};
use crate::media::time::{MediaClock, MediaTime};
use crate::media::video::VideoFrame;
use crate::stage::{StageExit, StageHandle, StartError, StopFlag, spawn};

/// The engine's hand on a running encoder; latest value wins (edge 9).
#[derive(Debug, Default)]
pub struct EncoderControl {
    bitrate_bps: AtomicU32,
    /// What a link carries; 0 for "no matter".
    limit_bps: AtomicU32,
    half_rate: AtomicBool,
    keyframe: AtomicBool,
}

impl EncoderControl {
    /// A control that asks for `bitrate`.
    pub fn new(bitrate: Bitrate) -> Self {
        Self {
            bitrate_bps: AtomicU32::new(bitrate.bps()),
            ..Self::default()
        }
    }

    /// Asks for another bitrate from the next picture on.
    pub fn set_bitrate(&self, bitrate: Bitrate) {
        self.bitrate_bps.store(bitrate.bps(), Ordering::Relaxed);
    }

    /// The bitrate asked for, within what the link carries.
    pub fn bitrate(&self) -> Bitrate {
        let wanted = self.bitrate_bps.load(Ordering::Relaxed);
        match self.limit_bps.load(Ordering::Relaxed) {
            0 => Bitrate::from_bps(wanted),
            limit => Bitrate::from_bps(wanted.min(limit)),
        }
    }

    /// What the link carries, from the next picture on; `None` when it sets no limit.
    pub fn set_limit(&self, limit: Option<Bitrate>) {
        let bps = limit.map_or(0, |limit| limit.bps().max(1));
        self.limit_bps.store(bps, Ordering::Relaxed);
    }

    /// Leaves out every other picture, because the bits are too few for all of them.
    pub fn set_half_rate(&self, half: bool) {
        self.half_rate.store(half, Ordering::Relaxed);
    }

    /// Every other picture is left out.
    pub fn half_rate(&self) -> bool {
        self.half_rate.load(Ordering::Relaxed)
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// Takes the request, if there is one.
    pub fn take_keyframe(&self) -> bool {
        self.keyframe.swap(false, Ordering::Relaxed)
    }
}

/// Tells the engine what happened to the encoder. Called on the encoder's thread; must not block.
pub type EncoderListener = Arc<dyn Fn(EncoderEvent) + Send + Sync>;

/// What happened to the encoder.
#[derive(Debug)]
pub enum EncoderEvent {
    /// It failed while running and was opened anew (a keyframe follows).
    Rebuilt {
        /// Why.
        error: EncodeError,
    },
    /// It failed for the third time within 30 s, or could not be opened anew: no more packets come.
    Failed {
        /// Why.
        error: EncodeError,
    },
}

/// Figures of the encoder stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct EncoderStats {
    /// Name of the encoder in use.
    pub name: String,
    /// Pictures taken in.
    pub frames: u64,
    /// Keyframes made.
    pub keyframes: u64,
    /// Bytes made since the start.
    pub bytes: u64,
    /// Produced kbit/s over the last second.
    pub kbps: u32,
    /// Asked kbit/s.
    pub target_kbps: u32,
    /// Encoded pictures per second over the last second.
    pub fps: f32,
    /// Median milliseconds per picture over the last second.
    pub encode_ms: f32,
    /// Pictures waiting.
    pub queue: usize,
    /// Pictures left out on purpose, at half the frame rate.
    pub halved: u64,
}

/// Everything the encoder stage needs.
pub struct VideoEncodeConfig {
    /// Which encoder, and how.
    pub settings: VideoEncoderSettings,
    /// Size and rate.
    pub format: VideoFormat,
    /// The session's clock (for figures).
    pub clock: MediaClock,
    /// Pictures. Sent by the render stage; bound 3; when full the render stage skips the tick. A closed channel ends
    /// the stage after flushing.
    pub frames: Receiver<VideoFrame>,
    /// The engine's hand.
    pub control: Arc<EncoderControl>,
    /// Where packets go.
    pub bus: Arc<PacketBus>,
    /// Told what happens.
    pub listener: EncoderListener,
}

/// Opens the encoder; called on the stage's thread, at the start and after each failure, with the new generation.
pub type EncoderFactory = Box<
    dyn FnMut(&VideoEncoderSettings, VideoFormat, u32) -> Result<Box<dyn VideoEncoder>, EncodeError>
        + Send,
>;

/// The running video encoder stage.
#[derive(Debug)]
pub struct VideoEncodeStage {
    handle: StageHandle,
    abandoned: Arc<Mutex<bool>>,
    meter: Arc<Mutex<Meter>>,
    queue: Receiver<VideoFrame>,
    control: Arc<EncoderControl>,
    clock: MediaClock,
}

impl VideoEncodeStage {
    /// Opens the encoder on its own thread; an error of opening comes back from here.
    pub fn start(config: VideoEncodeConfig) -> Result<Self, EncodeError> {
        Self::start_with(config, Box::new(open_video))
    }

    /// As [`start`](Self::start), with another way of opening encoders.
    pub fn start_with(
        config: VideoEncodeConfig,
        factory: EncoderFactory,
    ) -> Result<Self, EncodeError> {
        let meter = Arc::new(Mutex::new(Meter::new(&config.settings.encoder)));
        let (queue, control) = (config.frames.clone(), Arc::clone(&config.control));
        let (clock, listener) = (config.clock, Arc::clone(&config.listener));
        let thread_meter = Arc::clone(&meter);
        let abandoned = Arc::new(Mutex::new(false));
        let thread_abandoned = Arc::clone(&abandoned);
        let handle = spawn(
            "venc",
            &StopFlag::new(),
            move || Worker::open(config, factory, thread_meter, thread_abandoned),
            Worker::run,
            move |exit| {
                if let StageExit::Panicked(message) = exit {
                    let error = EncodeError::Stage {
                        name: "venc",
                        reason: message.clone(),
                    };
                    listener(EncoderEvent::Failed { error });
                }
            },
        )
        .map_err(|e| match e {
            StartError::Init(e) => e,
            StartError::Thread { source, .. } => EncodeError::Stage {
                name: "venc",
                reason: source.to_string(),
            },
            StartError::Panicked { message, .. } => EncodeError::Stage {
                name: "venc",
                reason: message,
            },
        })?;
        Ok(Self {
            handle,
            abandoned,
            meter,
            queue,
            control,
            clock,
        })
    }

    /// Figures so far.
    pub fn stats(&self) -> EncoderStats {
        let mut stats = self.meter.lock().stats(self.clock.now());
        stats.target_kbps = self.control.bitrate().kbps();
        stats.queue = self.queue.len();
        stats
    }

    /// Asks the stage to stop, without waiting (closing the channel does the same and flushes).
    pub fn request_stop(&self) {
        self.handle.request_stop();
    }

    /// Waits for its end; false when it is stuck.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.handle.is_finished() || self.handle.join_until(deadline).is_some()
    }

    /// Leaves a stuck stage behind: when this returns, no packet of it reaches the bus any more, and it ends as soon as
    /// its encoder lets it.
    pub fn abandon(&self) {
        *self.abandoned.lock() = true;
        self.handle.request_stop();
    }

    /// It has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

/// How often a stage that gets no pictures looks at its stop flag.
const IDLE: Duration = Duration::from_millis(50);

struct Worker {
    config: VideoEncodeConfig,
    factory: EncoderFactory,
    encoder: Box<dyn VideoEncoder>,
    /// What the encoder was last told.
    bitrate: Bitrate,
    failures: FailureWindow,
    last_dts: Option<MediaTime>,
    /// The last picture was left out, for half the frame rate.
    left_out: bool,
    /// Time of the newest keyframe asked for or made.
    keyframe_at: Option<MediaTime>,
    packets: Vec<EncodedPacket>,
    meter: Arc<Mutex<Meter>>,
    /// A successor may be at work: nothing is sent or told any more. Held while a packet is sent.
    abandoned: Arc<Mutex<bool>>,
}

impl Worker {
    fn open(
        config: VideoEncodeConfig,
        mut factory: EncoderFactory,
        meter: Arc<Mutex<Meter>>,
        abandoned: Arc<Mutex<bool>>,
    ) -> Result<Self, EncodeError> {
        let encoder = factory(&config.settings, config.format, next_generation())?;
        Ok(Self {
            bitrate: Bitrate::from_kbps(config.settings.bitrate_kbps),
            config,
            factory,
            encoder,
            failures: FailureWindow::default(),
            last_dts: None,
            left_out: false,
            keyframe_at: None,
            packets: Vec::with_capacity(8),
            meter,
            abandoned,
        })
    }

    fn run(mut self, stop: &StopFlag) -> Result<(), String> {
        while !stop.is_stopped() {
            match self.config.frames.recv_timeout(IDLE) {
                Ok(frame) => self.frame(&frame)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if *self.abandoned.lock() {
            return Ok(());
        }
        if let Err(error) = self.encoder.flush(&mut self.packets) {
            tracing::warn!(error = %in_words(&error), "the last pictures were lost");
        }
        self.deliver();
        Ok(())
    }

    /// Encodes one picture. An `Err` ends the stage; the listener knows.
    fn frame(&mut self, frame: &VideoFrame) -> Result<(), String> {
        self.left_out = self.config.control.half_rate() && !self.left_out;
        if self.left_out {
            self.meter.lock().totals.halved += 1;
            return Ok(());
        }
        let started = Instant::now();
        let result = self.apply_bitrate().and_then(|()| self.encode_one(frame));
        self.meter
            .lock()
            .frame(self.config.clock.now(), started.elapsed());
        self.deliver();
        result.or_else(|error| self.recover(error))
    }

    fn encode_one(&mut self, frame: &VideoFrame) -> Result<(), EncodeError> {
        let mut keyframe = self.config.control.take_keyframe();
        // the encoder counts pictures: with every other one left out its keyframes would be twice as far apart
        if self.config.control.half_rate() {
            let since = self.keyframe_at.map(|at| frame.pts.saturating_since(at));
            let interval = Duration::from_secs_f32(self.config.settings.keyframe_interval);
            keyframe |= since.is_some_and(|since| since >= interval);
        }
        if keyframe {
            self.keyframe_at = Some(frame.pts);
        }
        self.encoder.encode(frame, keyframe, &mut self.packets)
    }

    /// What to ask of the encoder. With `zerolatency` x264 spends by the picture, not by the time, so that at half the
    /// frame rate it would make half of the bits.
    fn wanted_bitrate(&self) -> Bitrate {
        let wanted = self.config.control.bitrate();
        if self.config.control.half_rate() && self.config.settings.tune == Tune::LowLatency {
            return Bitrate::from_bps(wanted.bps().saturating_mul(2));
        }
        wanted
    }

    fn apply_bitrate(&mut self) -> Result<(), EncodeError> {
        let wanted = self.wanted_bitrate();
        // a control that was never given a bitrate leaves the settings' one
        if wanted == self.bitrate || wanted == Bitrate::default() {
            return Ok(());
        }
        let bps = wanted.bps().clamp(*BITRATE_BPS.start(), *BITRATE_BPS.end());
        if self.encoder.set_bitrate(Bitrate::from_bps(bps))? == Reconfigured::NeedsReopen {
            self.encoder.flush(&mut self.packets)?;
            self.deliver();
            self.config.settings.bitrate_kbps = bps / 1000;
            self.reopen()?;
        }
        self.bitrate = wanted;
        Ok(())
    }

    /// A new encoder begins with a keyframe by itself.
    fn reopen(&mut self) -> Result<(), EncodeError> {
        let VideoEncodeConfig {
            settings, format, ..
        } = &self.config;
        self.encoder = (self.factory)(settings, *format, next_generation())?;
        self.bitrate = Bitrate::from_kbps(settings.bitrate_kbps);
        Ok(())
    }

    fn recover(&mut self, error: EncodeError) -> Result<(), String> {
        let too_many = self.failures.record(self.config.clock.now());
        let error = match error.recovery() {
            Recovery::Rebuild if !too_many => match self.reopen() {
                Ok(()) => {
                    tracing::debug!(error = %in_words(&error), "the encoder failed and was opened anew");
                    (self.config.listener)(EncoderEvent::Rebuilt { error });
                    return Ok(());
                }
                Err(e) => e,
            },
            Recovery::Rebuild | Recovery::Retry | Recovery::Fallback | Recovery::GiveUp => error,
        };
        let reason = in_words(&error);
        (self.config.listener)(EncoderEvent::Failed { error });
        Err(reason)
    }

    /// Sends what is ready. Decode times never go back, not even where a new encoder with B-frames begins before the
    /// end of the old one.
    fn deliver(&mut self) {
        for mut packet in self.packets.drain(..) {
            let abandoned = self.abandoned.lock();
            if *abandoned {
                continue;
            }
            if let Some(last) = self.last_dts {
                packet.dts = packet.dts.max(last);
                packet.pts = packet.pts.max(packet.dts);
            }
            if packet.keyframe {
                self.keyframe_at = Some(packet.pts);
            }
            self.last_dts = Some(packet.dts);
            self.meter.lock().packet(self.config.clock.now(), &packet);
            self.config.bus.push(&packet);
        }
    }
}

/// Generations grow over the whole life of the process, so that packets of a stage that was closed and started again
/// are told apart as well.
fn next_generation() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Counts failures within [`Self::SPAN`].
#[derive(Debug, Default)]
struct FailureWindow {
    times: VecDeque<MediaTime>,
}

impl FailureWindow {
    const SPAN: Duration = Duration::from_secs(30);
    const LIMIT: usize = 3;

    /// Notes a failure; true when it was one too many.
    fn record(&mut self, now: MediaTime) -> bool {
        self.times.retain(|t| now.saturating_since(*t) < Self::SPAN);
        self.times.push_back(now);
        self.times.len() >= Self::LIMIT
    }
}

/// Totals, and what happened within the last second.
#[derive(Debug)]
struct Meter {
    totals: EncoderStats,
    frames: VecDeque<(MediaTime, Duration)>,
    packets: VecDeque<(MediaTime, usize)>,
}

impl Meter {
    const SPAN: Duration = Duration::from_secs(1);
    /// More than a second's frames at the highest rate.
    const MOST: usize = 256;

    fn new(name: &str) -> Self {
        Self {
            totals: EncoderStats {
                name: name.to_owned(),
                ..EncoderStats::default()
            },
            frames: VecDeque::with_capacity(Self::MOST),
            packets: VecDeque::with_capacity(Self::MOST),
        }
    }

    fn frame(&mut self, now: MediaTime, took: Duration) {
        self.totals.frames += 1;
        forget(&mut self.frames, now);
        self.frames.push_back((now, took));
    }

    fn packet(&mut self, now: MediaTime, packet: &EncodedPacket) {
        self.totals.keyframes += u64::from(packet.keyframe);
        self.totals.bytes += packet.data.len() as u64;
        forget(&mut self.packets, now);
        self.packets.push_back((now, packet.data.len()));
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 256 frames")]
    fn stats(&mut self, now: MediaTime) -> EncoderStats {
        forget(&mut self.frames, now);
        forget(&mut self.packets, now);
        let bits: usize = self.packets.iter().map(|(_, len)| len * 8).sum();
        let mut times: Vec<Duration> = self.frames.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        EncoderStats {
            kbps: u32::try_from(bits / 1000).unwrap_or(u32::MAX),
            fps: self.frames.len() as f32 / Self::SPAN.as_secs_f32(),
            encode_ms: median.as_secs_f32() * 1000.0,
            ..self.totals.clone()
        }
    }
}

fn forget<T>(window: &mut VecDeque<(MediaTime, T)>, now: MediaTime) {
    while window.len() >= Meter::MOST
        || window
            .front()
            .is_some_and(|(at, _)| now.saturating_since(*at) >= Meter::SPAN)
    {
        window.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_within_half_a_minute_is_too_many() {
        let at = |s: i64| MediaTime::from_millis(s * 1000);
        let mut window = FailureWindow::default();
        assert!(!window.record(at(0)));
        assert!(!window.record(at(20)));
        assert!(!window.record(at(31)), "the first is forgotten");
        assert!(window.record(at(49)));
    }

    #[test]
    fn figures_are_those_of_the_last_second() {
        let mut meter = Meter::new("x264");
        let at = MediaTime::from_millis;
        for i in 0..90 {
            meter.frame(
                at(i * 33),
                Duration::from_millis(if i < 80 { 50 } else { 4 }),
            );
        }
        let stats = meter.stats(at(89 * 33));
        assert_eq!((stats.frames, stats.fps), (90, 31.0));
        assert!((stats.encode_ms - 50.0).abs() < 0.1);
        let later = meter.stats(at(89 * 33 + 600));
        assert!((later.encode_ms - 4.0).abs() < 0.1);
        assert_eq!(meter.stats(at(9_000)).fps, 0.0);
    }
}
