//! What the workers of one stage share: the way to the bus, which only one of them holds at a time, and the ladder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use parking_lot::Mutex;

use super::health::FailureWindow;
use super::meter::Meter;
use super::worker::Worker;
use super::{
    EncoderControl, EncoderEvent, EncoderFactory, EncoderListener, EncoderStats, VideoEncodeConfig,
};
use crate::encode::candidate::{self, Place};
use crate::encode::{EncodeError, VideoEncoderSettings, VideoFormat};
use crate::media::Recovery;
use crate::media::packet::{EncodedPacket, PacketBus};
use crate::media::parameter_sets;
use crate::media::time::{MediaClock, MediaTime};
use crate::media::video::VideoFrame;
use crate::stage::{StageExit, StageHandle, StartError, StopFlag, spawn};

/// Longest wait for the first encoder; a driver that takes longer is passed over.
const OPENING: Duration = Duration::from_secs(3);

/// What one stage is made of, over all its encoders.
pub(super) struct Core {
    pub(super) format: VideoFormat,
    pub(super) background: bool,
    pub(super) clock: MediaClock,
    pub(super) frames: Receiver<VideoFrame>,
    pub(super) control: Arc<EncoderControl>,
    bus: Arc<PacketBus>,
    pub(super) listener: EncoderListener,
    pub(super) factory: EncoderFactory,
    ladder: Vec<VideoEncoderSettings>,
    pub(super) meter: Mutex<Meter>,
    /// Held while a packet is sent.
    line: Mutex<Line>,
    failures: Mutex<FailureWindow>,
    /// The worker that is to hold the line.
    current: Mutex<Option<Arc<Running>>>,
    /// The stage is to end: nobody takes over any more.
    pub(super) stopping: AtomicBool,
}

/// The way to the bus.
#[derive(Debug, Default)]
struct Line {
    /// Number of the worker that may send; 0 for none.
    holder: u64,
    /// Newest decode time that was sent.
    last_dts: Option<MediaTime>,
}

/// A worker at work.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) beat: Arc<Beat>,
    handle: StageHandle,
    joined: AtomicBool,
}

/// A worker's sign of life.
#[derive(Debug, Default)]
pub(super) struct Beat {
    /// It is inside its encoder.
    pub(super) busy: AtomicBool,
    /// Calls into the encoder so far.
    pub(super) calls: AtomicU64,
    /// It opens one or waits for its first packet: that may take longer.
    pub(super) starting: AtomicBool,
    /// Place in the ladder.
    pub(super) rung: AtomicU64,
}

/// What comes after a failure.
pub(super) enum Next {
    /// The same again.
    Same,
    /// Another rung.
    Rung(usize),
    /// The end.
    Nothing,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("format", &self.format)
            .field("ladder", &self.ladder)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn new(
        config: VideoEncodeConfig,
        ladder: Vec<VideoEncoderSettings>,
        factory: EncoderFactory,
    ) -> Arc<Self> {
        let VideoEncodeConfig {
            settings,
            format,
            background,
            clock,
            frames,
            control,
            bus,
            listener,
        } = config;
        let ladder = if ladder.is_empty() {
            vec![settings]
        } else {
            ladder
        };
        Arc::new(Self {
            format,
            background,
            clock,
            frames,
            control,
            bus,
            listener,
            factory,
            ladder,
            meter: Mutex::new(Meter::new()),
            line: Mutex::default(),
            failures: Mutex::default(),
            current: Mutex::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Opens the first encoder that can be; returns the error of the last.
    pub(super) fn begin(self: &Arc<Self>) -> Result<(), EncodeError> {
        let mut failed = None;
        for rung in 0..self.ladder.len() {
            let (opened_tx, opened) = bounded(1); // one word of the worker, taken below
            self.spawn_worker(rung, Some(opened_tx))?;
            let error = match opened.recv_timeout(OPENING) {
                Ok(Ok(())) => {
                    if let Some((from, error)) = failed {
                        let to = self.name(rung);
                        (self.listener)(EncoderEvent::Replaced { from, to, error });
                    }
                    return Ok(());
                }
                Ok(Err(error)) => error,
                Err(RecvTimeoutError::Timeout) => EncodeError::Hangs {
                    millis: u64::try_from(OPENING.as_millis()).unwrap_or(u64::MAX),
                },
                Err(RecvTimeoutError::Disconnected) => EncodeError::Stage {
                    name: "venc",
                    reason: "it ended while its encoder was opened".to_owned(),
                },
            };
            self.line.lock().holder = 0;
            if rung + 1 == self.ladder.len() || error.recovery() == Recovery::GiveUp {
                return Err(error);
            }
            failed.get_or_insert((self.name(rung), error));
        }
        Ok(())
    }

    /// Gives the line to a new worker for this rung.
    fn spawn_worker(
        self: &Arc<Self>,
        rung: usize,
        opened: Option<crossbeam_channel::Sender<Result<(), EncodeError>>>,
    ) -> Result<(), EncodeError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let beat = Arc::new(Beat::default());
        beat.starting.store(true, Ordering::Relaxed);
        beat.rung.store(rung as u64, Ordering::Relaxed);
        let worker = Worker::new(Arc::clone(self), id, rung, Arc::clone(&beat), opened);
        self.line.lock().holder = id;
        let core = Arc::clone(self);
        let handle = spawn(
            if self.background { "rec-venc" } else { "venc" },
            &StopFlag::new(),
            || Ok::<_, std::convert::Infallible>(worker),
            Worker::run,
            move |exit| {
                if let StageExit::Panicked(message) = exit {
                    let reason = message.clone();
                    let error = EncodeError::Stage {
                        name: "venc",
                        reason,
                    };
                    core.replace(id, error);
                }
            },
        )
        .map_err(|e| thread_error(&e))?;
        let running = Running {
            id,
            beat,
            handle,
            joined: AtomicBool::new(false),
        };
        *self.current.lock() = Some(Arc::new(running));
        Ok(())
    }

    /// A worker is lost (it hangs, or panicked): another takes its place.
    pub(super) fn replace(self: &Arc<Self>, id: u64, error: EncodeError) {
        {
            let mut line = self.line.lock();
            if line.holder != id || self.stopping.load(Ordering::Relaxed) {
                return;
            }
            line.holder = 0;
        }
        let lost = self.current.lock().clone();
        let rung = lost.map_or(0, |lost| {
            lost.handle.request_stop();
            usize::try_from(lost.beat.rung.load(Ordering::Relaxed)).unwrap_or(0)
        });
        let next = match self.after(rung, &error) {
            Next::Nothing => return (self.listener)(EncoderEvent::Failed { error }),
            Next::Same => rung,
            Next::Rung(next) => next,
        };
        match self.spawn_worker(next, None) {
            Ok(()) => self.tell_taken_over(rung, next, error),
            Err(error) => (self.listener)(EncoderEvent::Failed { error }),
        }
    }

    /// Tells who took over from whom.
    pub(super) fn tell_taken_over(&self, from: usize, to: usize, error: EncodeError) {
        tracing::debug!(%error, from, to, "the encoder failed, another took over");
        (self.listener)(if from == to {
            EncoderEvent::Rebuilt { error }
        } else {
            let (from, to) = (self.name(from), self.name(to));
            EncoderEvent::Replaced { from, to, error }
        });
    }

    /// What comes after a failure of this rung: the next one, and at the end the same until it fails too often.
    pub(super) fn after(&self, rung: usize, error: &EncodeError) -> Next {
        let too_many = self.failures.lock().record(self.clock.now());
        match error.recovery() {
            Recovery::GiveUp => Next::Nothing,
            _ if rung + 1 < self.ladder.len() => Next::Rung(rung + 1),
            Recovery::Rebuild if !too_many => Next::Same,
            Recovery::Rebuild | Recovery::Retry | Recovery::Fallback => Next::Nothing,
        }
    }

    pub(super) fn rung(&self, rung: usize) -> Option<&VideoEncoderSettings> {
        self.ladder.get(rung)
    }

    fn name(&self, rung: usize) -> String {
        let named = self.rung(rung).and_then(|s| candidate::find(&s.encoder));
        named.unwrap_or_else(candidate::processor).name.to_owned()
    }

    /// Whether this rung runs on hardware, whose drivers can hang.
    pub(super) fn is_hardware(&self, rung: usize) -> bool {
        let named = self.rung(rung).and_then(|s| candidate::find(&s.encoder));
        named.is_some_and(|c| c.place == Place::Hardware)
    }

    pub(super) fn holds(&self, id: u64) -> bool {
        self.line.lock().holder == id
    }

    /// Sends a packet, if this worker holds the line. Decode times never go back, not even where a new encoder with
    /// B-frames begins before the end of the old one.
    pub(super) fn send(&self, id: u64, mut packet: EncodedPacket) -> bool {
        let mut line = self.line.lock();
        if line.holder != id {
            return false;
        }
        if let Some(last) = line.last_dts {
            packet.dts = packet.dts.max(last);
            packet.pts = packet.pts.max(packet.dts);
        }
        line.last_dts = Some(packet.dts);
        if packet.keyframe
            && self.control.header_changed(&packet.parameters)
            && let Some(data) = parameter_sets::in_band(&packet)
        {
            packet.data = data;
        }
        self.meter.lock().packet(self.clock.now(), &packet);
        self.bus.push(&packet);
        true
    }

    pub(super) fn stats(&self) -> EncoderStats {
        let mut stats = self.meter.lock().stats(self.clock.now());
        stats.target_kbps = self.control.bitrate().kbps();
        stats.queue = self.frames.len();
        stats
    }

    pub(super) fn current(&self) -> Option<Arc<Running>> {
        self.current.lock().clone()
    }

    pub(super) fn request_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(current) = self.current() {
            current.handle.request_stop();
        }
    }

    pub(super) fn abandon(&self) {
        self.line.lock().holder = 0;
        self.request_stop();
    }

    pub(super) fn is_finished(&self) -> bool {
        self.current().is_none_or(|c| c.is_finished())
    }

    pub(super) fn join_until(&self, deadline: Instant) -> bool {
        loop {
            let Some(current) = self.current() else {
                return true;
            };
            let ended = current.join_until(deadline);
            let same = self.current().is_none_or(|now| now.id == current.id);
            if same || !ended {
                return ended;
            }
        }
    }
}

impl Running {
    pub(super) fn is_finished(&self) -> bool {
        self.joined.load(Ordering::Relaxed) || self.handle.is_finished()
    }

    fn join_until(&self, deadline: Instant) -> bool {
        if self.is_finished() || self.handle.join_until(deadline).is_some() {
            self.joined.store(true, Ordering::Relaxed);
        }
        self.is_finished()
    }
}

/// Why a thread of the stage did not start.
pub(super) fn thread_error<E: fmt::Debug>(error: &StartError<E>) -> EncodeError {
    let reason = match error {
        StartError::Thread { source, .. } => source.to_string(),
        StartError::Panicked { message, .. } => message.clone(),
        StartError::Init(e) => format!("{e:?}"),
    };
    EncodeError::Stage {
        name: "venc",
        reason,
    }
}
