//! The video encoder stage (threads `venc` and `venc-watch`): pictures from a bounded channel in, packets onto the
//! [`PacketBus`] out. An encoder that errs, hangs or falls behind is replaced at a keyframe by the next one of a ladder;
//! outputs see a new generation of packets and nothing else.

mod health;
mod line;
mod meter;
mod smaller;
mod watch;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use crossbeam_channel::Receiver;
use parking_lot::Mutex;

use self::line::Core;
use super::{EncodeError, VideoEncoder, VideoEncoderSettings, VideoFormat, open_video};
use crate::media::packet::{Bitrate, CodecParameters, PacketBus};
use crate::media::time::MediaClock;
use crate::media::video::{Resolution, VideoFrame};

/// The engine's hand on a running encoder; latest value wins (edge 9).
#[derive(Debug, Default)]
pub struct EncoderControl {
    bitrate_bps: AtomicU32,
    /// What a link carries; 0 for "no matter".
    limit_bps: AtomicU32,
    half_rate: AtomicBool,
    half_size: AtomicBool,
    keyframe: AtomicBool,
    /// What the first keyframe was made with, and whether another one was made with something else.
    header: Mutex<(Option<Arc<CodecParameters>>, bool)>,
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

    /// Encodes pictures of half the width and height: the encoder is opened anew, and a keyframe with its own parameters
    /// follows. Pictures that would be tiny keep their size.
    pub fn set_half_size(&self, half: bool) {
        self.half_size.store(half, Ordering::Relaxed);
    }

    /// Pictures are half as wide and high.
    pub fn half_size(&self) -> bool {
        self.half_size.load(Ordering::Relaxed)
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// Whether the parameter sets are, or have been, others than those of the first keyframe: from then on keyframes carry
    /// theirs, because some receivers read a stream's header only once (FFmpeg's parser behind its FLV demuxer).
    fn header_changed(&self, now: &Arc<CodecParameters>) -> bool {
        let (first, changed) = &mut *self.header.lock();
        let first = first.get_or_insert_with(|| Arc::clone(now));
        *changed |= !Arc::ptr_eq(first, now) && first.extradata() != now.extradata();
        *changed
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
    /// It failed, and another one took over (a keyframe follows).
    Replaced {
        /// Name of the old one.
        from: String,
        /// Name of the new one.
        to: String,
        /// Why.
        error: EncodeError,
    },
    /// It could not keep up, pictures were skipped: a faster preset or encoder took over (a keyframe follows).
    Lowered {
        /// Encoder and preset before.
        from: String,
        /// Encoder and preset now.
        to: String,
    },
    /// It has had time to spare for a while: a better preset, at most the one it began with, took over (a keyframe
    /// follows).
    Raised {
        /// Encoder and preset before.
        from: String,
        /// Encoder and preset now.
        to: String,
    },
    /// The last encoder of the ladder failed for the third time within 30 s, or could not be opened anew: no more
    /// packets come.
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
    /// Its preset, or "auto" where it has its own.
    pub preset: String,
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
    /// Size of the pictures made; smaller than what is drawn while the link has too few bits for that.
    pub size: Option<Resolution>,
}

/// Everything the encoder stage needs.
pub struct VideoEncodeConfig {
    /// Which encoder, and how.
    pub settings: VideoEncoderSettings,
    /// Size and rate.
    pub format: VideoFormat,
    /// It gives way to everything else where the system can do that: a recording beside a stream.
    pub background: bool,
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

/// Opens an encoder, with the new generation; called on the stage's threads, at the start and at each replacement. One
/// that does not return is left behind.
pub type EncoderFactory = Arc<
    dyn Fn(&VideoEncoderSettings, VideoFormat, u32) -> Result<Box<dyn VideoEncoder>, EncodeError>
        + Send
        + Sync,
>;

/// The running video encoder stage.
#[derive(Debug)]
pub struct VideoEncodeStage {
    core: Arc<Core>,
}

impl VideoEncodeStage {
    /// Opens the encoder on its own thread; an error of opening comes back from here. One that fails later is opened
    /// anew, twice within half a minute.
    pub fn start(config: VideoEncodeConfig) -> Result<Self, EncodeError> {
        Self::start_with(config, Arc::new(open_video))
    }

    /// As [`start`](Self::start), with another way of opening encoders.
    pub fn start_with(
        config: VideoEncodeConfig,
        factory: EncoderFactory,
    ) -> Result<Self, EncodeError> {
        let ladder = vec![config.settings.clone()];
        Self::start_ladder(config, ladder, factory)
    }

    /// Opens the first encoder of the ladder (as [`select::ladder`](super::select::ladder) makes it) that can be
    /// opened; each takes over from the one before it. The ladder stands for the settings in `config`.
    pub fn start_ladder(
        config: VideoEncodeConfig,
        ladder: Vec<VideoEncoderSettings>,
        factory: EncoderFactory,
    ) -> Result<Self, EncodeError> {
        let core = Core::new(config, ladder, factory);
        Core::begin(&core)?;
        watch::start(&core)?;
        Ok(Self { core })
    }

    /// Figures so far.
    pub fn stats(&self) -> EncoderStats {
        self.core.stats()
    }

    /// Asks the stage to stop, without waiting (closing the channel does the same and flushes).
    pub fn request_stop(&self) {
        self.core.request_stop();
    }

    /// Waits for its end; false when it is stuck.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.core.join_until(deadline)
    }

    /// Leaves a stuck stage behind: when this returns, no packet of it reaches the bus any more, and it ends as soon as
    /// its encoder lets it.
    pub fn abandon(&self) {
        self.core.abandon();
    }

    /// It has ended.
    pub fn is_finished(&self) -> bool {
        self.core.is_finished()
    }
}

impl Drop for VideoEncodeStage {
    fn drop(&mut self) {
        self.core.request_stop();
    }
}

/// Generations grow over the whole life of the process, so that packets of a stage that was closed and started again
/// are told apart as well.
fn next_generation() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
