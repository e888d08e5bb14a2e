//! The sound: every input resampled to 48 kHz stereo, aligned by time stamps, sent through its chain, mixed, limited,
//! metered, encoded (thread `audio`).
//!
//! Blocks of 1024 sample frames are made by the clock, so the AAC track never stops: where no input has samples there
//! is silence of the right length.
//!
//! In: [`AudioTap`]s (one per source), how each is treated, the age of the picture. Out: [`EncodedPacket`]s on the [`PacketBus`] while
//! an encoder is on, and figures. One input is `input`, placed on its `timeline`; [`chain`] is what is
//! done to it, [`master`] what is done to all of them; [`Mixer`] is the pure arithmetic;
//! `stage` is the thread.
//!
//! [`EncodedPacket`]: crate::media::packet::EncodedPacket

pub mod chain;
mod clock;
mod drift;
mod encoder;
mod input;
mod listen;
pub mod master;
mod meter;
mod mixer;
mod outgoing;
mod pace;
pub mod params;
mod pick;
mod resample;
mod stage;
mod timeline;
mod tracks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;

use self::chain::ChainSettings;
pub use self::encoder::OpenEncoder;
use self::master::{Loudness, MasterSettings};
pub use self::mixer::Mixer;
pub use self::tracks::TrackPlan;
use crate::encode::{AudioEncoderSettings, EncodeError};
use crate::media::SourceId;
use crate::media::audio::ChannelPick;
use crate::media::packet::PacketBus;
use crate::media::playback::PlaybackSink;
use crate::media::ring::AudioTap;
use crate::media::time::MediaClock;

/// Everything the audio stage needs.
pub struct AudioConfig {
    /// The session's clock.
    pub clock: MediaClock,
    /// New sound rings from sources (bound 16).
    pub taps: Receiver<AudioTap>,
    /// Where packets go while an encoder is on.
    pub bus: Arc<PacketBus>,
    /// Called when the stage ends by itself (with the reason).
    pub on_exit: Box<dyn FnOnce(&crate::stage::StageExit) + Send>,
}

/// Levels of the mix, −120 dBFS (silence) to 0 (and above: clipped).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Levels {
    /// Highest sample of the last block, left and right, with about 1.5 s hold and fall.
    pub peak_dbfs: [f32; 2],
    /// Root mean square over about 300 ms, left and right.
    pub rms_dbfs: [f32; 2],
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            peak_dbfs: [-120.0; 2],
            rms_dbfs: [-120.0; 2],
        }
    }
}

/// How an input is mixed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InputMix {
    /// Gain in dB, −60 to 20; changed over 10 ms.
    pub gain_db: f32,
    /// Silent; changed over 10 ms.
    pub muted: bool,
    /// Which of its channels are heard; changed over 10 ms.
    pub channels: ChannelPick,
    /// Heard this many milliseconds later than captured; negative: earlier, for which everything else waits.
    pub offset_ms: i32,
    /// Processors, pan, push-to-talk, live without clicks. A role of [`Role::Auto`](chain::Role::Auto) counts as music.
    pub chain: ChainSettings,
}

/// What somebody listens to on an output of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenTo {
    /// Everything, as viewers get it.
    Mix,
    /// One input, before its gain and mute.
    Input(SourceId),
}

/// Listening in.
#[derive(Debug, Clone)]
pub struct Listen {
    /// To what.
    pub to: ListenTo,
    /// Gain in dB, −60 to 20.
    pub gain_db: f32,
    /// Outputs as they are opened (bound 4); the newest is played to.
    pub sinks: Receiver<PlaybackSink>,
}

/// Figures of listening in.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct ListenStats {
    /// Milliseconds of sound that wait for the output.
    pub queued_ms: u32,
    /// By how many millionths the output's clock was found to be faster than ours.
    pub drift_ppm: Option<f32>,
    /// Blocks left out because the output stood still.
    pub dropped: u64,
    /// Times that nothing was there for the output.
    pub ran_dry: u64,
}

/// Figures of one input of the mix.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct InputStats {
    /// Which.
    pub source: SourceId,
    /// By how many millionths its clock was found to be slower than ours, after which its sound is stretched. `None`
    /// while there was nothing to correct.
    pub drift_ppm: Option<f32>,
    /// Levels as it goes into the mix.
    pub levels: Levels,
    /// Frames so far in which it was at full scale: as it came in, or as it goes into the mix.
    pub clipped: u64,
    /// By how many decibels its compressor turns it down; not above 0.
    pub compression_db: f32,
    /// Its gate lets it through, or is off.
    pub gate_open: bool,
}

/// Figures of the audio stage.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct AudioStats {
    /// Levels of the mix.
    pub levels: Levels,
    /// Inputs that delivered samples within the last second.
    pub active_inputs: usize,
    /// Each input.
    pub inputs: Vec<InputStats>,
    /// Listening in, while somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<ListenStats>,
    /// Blocks refused by full rings, over all inputs.
    pub overruns: u64,
    /// Blocks stamped more than 500 ms in the future, dropped.
    pub ahead: u64,
    /// Blocks of which at least a part came after its time had been mixed; that part was dropped.
    pub late: u64,
    /// Milliseconds of silence filled in where an input had a gap (counted when its sound goes on).
    pub gap_ms: u64,
    /// Frames of the mix so far that were at full scale before the limiter.
    pub clipped: u64,
    /// Blocks in which the sum exceeded the ceiling and was limited.
    pub limited: u64,
    /// By how many decibels the limiter turned the last block down; not above 0.
    pub limiter_db: f32,
    /// The gain in decibels that music has because somebody speaks; not above 0.
    pub ducking_db: f32,
    /// Loudness, while it is measured.
    pub loudness: Option<Loudness>,
    /// AAC packets made.
    pub packets: u64,
    /// Times the encoder failed and was opened anew.
    pub rebuilt: u64,
    /// Blocks left out because the program was stopped for more than 2 s.
    pub skipped: u64,
    /// Milliseconds of sound waiting in the longest input.
    pub queued_ms: u32,
    /// Milliseconds from a block's last sample to its making; adapts to how the inputs deliver.
    pub alignment_ms: i32,
    /// Milliseconds by which sound is delayed to meet the picture.
    pub delay_ms: u32,
}

/// The running audio stage. Dropping it asks the thread to stop and does not wait.
pub struct AudioStage {
    running: stage::Running,
}

impl fmt::Debug for AudioStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioStage").finish_non_exhaustive()
    }
}

impl AudioStage {
    /// Starts the thread.
    pub fn start(config: AudioConfig) -> Result<Self, EncodeError> {
        Self::start_with(config, Box::new(crate::encode::open_audio))
    }

    /// As [`start`](Self::start), with another way to open encoders.
    pub fn start_with(config: AudioConfig, open: OpenEncoder) -> Result<Self, EncodeError> {
        let running = stage::Running::start(config, open)?;
        Ok(Self { running })
    }

    /// Turns AAC encoding on (a new generation) or, with `None`, off after flushing. An error of opening comes back
    /// from here, and an encoder that was on stays on. Waits for the audio thread, 5 s at most.
    pub fn set_encoder(&self, settings: Option<AudioEncoderSettings>) -> Result<(), EncodeError> {
        self.running.set_encoder(settings)
    }

    /// How each source is mixed, from the next block on; those left out are mixed as they are. A source not known yet
    /// gets its mix when it appears.
    pub fn set_mixes(&self, mixes: BTreeMap<SourceId, InputMix>) {
        self.running.set_mixes(mixes);
    }

    /// Gives single inputs tracks of their own beside the mix, for a recording; or (`None`) no longer.
    pub fn set_tracks(&self, tracks: Option<TrackPlan>) {
        self.running.set_tracks(tracks);
    }

    /// Lets somebody listen in, to something else, or (`None`) no longer. An output stays open while `sinks` is the
    /// same channel.
    pub fn set_listen(&self, listen: Option<Listen>) {
        self.running.set_listen(listen);
    }

    /// Limiter, loudness meter and ducking, from the next block on.
    pub fn set_master(&self, settings: MasterSettings) {
        self.running.set_master(settings);
    }

    /// The talk key is held or let go: sources with push-to-talk are heard while it is held.
    pub fn set_talking(&self, talking: bool) {
        self.running.set_talking(talking);
    }

    /// Measures loudness anew: a show begins.
    pub fn reset_loudness(&self) {
        self.running.reset_loudness();
    }

    /// The picture's age at its tick in nanoseconds (0 to 500 ms): all sound is heard that much later, so that lips
    /// match. Differences under 15 ms from the delay in force are ignored; packet times are not touched by a change.
    pub fn set_video_delay(&self, nanos: i64) {
        self.running.set_video_delay(nanos);
    }

    /// Figures so far.
    pub fn stats(&self) -> AudioStats {
        self.running.stats()
    }

    /// Asks the stage to stop, without waiting; the encoder is flushed.
    pub fn request_stop(&self) {
        self.running.request_stop();
    }

    /// Waits for its end; false when it is stuck and was left behind.
    pub fn join_until(&self, deadline: Instant) -> bool {
        self.running.join_until(deadline)
    }
}
