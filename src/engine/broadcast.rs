//! Encoders and outputs of a show that is on: started with the first output, ended with the last.

mod encoders;
mod more;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::Sender;

use super::limits::Limits;
use super::notice::{Notice, NoticeSender};
use super::own_encoder::{OwnEncoder, SoundOnly};
use super::record_encoder::RecordEncoder;
use crate::audio::AudioStage;
use crate::encode::stage::{EncoderControl, EncoderFactory, EncoderStats, VideoEncodeStage};
use crate::encode::{EncodeError, VideoEncoderSettings, open_video};
use crate::media::packet::{Bitrate, PacketBus, PacketSink};
use crate::media::time::MediaClock;
use crate::media::video::VideoFrame;
use crate::output::adapt::AdaptLimits;
use crate::output::record::replay::ReplayBuffer;
use crate::output::record::{RecordConfig, Recorder};
use crate::output::tuning::{StreamTuning, TuningHandle};
use crate::output::{
    self, Output, OutputContext, OutputError, OutputEvent, OutputSpec, OutputState, OutputStats,
};
use crate::render::EncoderInputs;
use crate::settings::Settings;

/// Edge 3: pictures between render and video encoder; when full the render stage skips the tick.
pub(super) const ENCODER_QUEUE: usize = 3;

/// Which encoder an output's words are for.
type Hand = (Arc<EncoderControl>, Arc<Limits>);

/// What an output is to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Stream,
    /// A further destination of the stream.
    More,
    Recording,
    Replay,
}

/// One attached output.
pub(super) struct Attached {
    pub(super) id: u32,
    purpose: Purpose,
    output: Arc<dyn Output>,
    /// What is on the bus of the shared encoders.
    sink: Arc<dyn PacketSink>,
    /// And to those of the recording alone.
    also: Option<Arc<dyn PacketSink>>,
    tuning: TuningHandle,
    /// The encoder for this output alone, if it has one.
    own: Option<OwnEncoder>,
    hand: Arc<ArcSwap<Hand>>,
}

impl Attached {
    pub(super) fn stats(&self) -> OutputStats {
        self.output.stats()
    }
}

/// Encoders and outputs.
pub(super) struct Broadcast {
    clock: MediaClock,
    runtime: tokio::runtime::Handle,
    notices: NoticeSender,
    bus: Arc<PacketBus>,
    control: Arc<EncoderControl>,
    frames: Arc<ArcSwapOption<EncoderInputs>>,
    /// Where the pictures of the shared encoder go in, while it runs.
    input: Option<Sender<VideoFrame>>,
    /// How encoders are opened.
    opener: EncoderFactory,
    encoder: Option<VideoEncodeStage>,
    /// Number of the running (or last) video encoder; word from another one is old.
    encoder_id: u32,
    /// Encoders started so far, those of single destinations included.
    encoders: u32,
    sound_on: bool,
    next_id: u32,
    pub(super) stream: Option<Attached>,
    /// Further destinations; each has a queue and a task of its own, and none can hold up another.
    pub(super) more: Vec<Attached>,
    pub(super) recording: Option<Attached>,
    pub(super) recorder: Option<Arc<Recorder>>,
    /// The recording's own encoder, if it has one.
    pub(super) record_encoder: RecordEncoder,
    replay: Option<(Attached, Arc<ReplayBuffer>)>,
    ending: Vec<Ending>,
    /// How the stream treats its link.
    tuning: TuningHandle,
    /// Whose links bind the shared encoder.
    limits: Arc<Limits>,
}

/// An output that says goodbye.
struct Ending {
    attached: Attached,
    deadline: Instant,
    told: bool,
}

/// An output that has ended.
pub(super) struct Ended {
    pub(super) purpose: Purpose,
    pub(super) stats: OutputStats,
    /// The user knows already why.
    pub(super) told: bool,
}

/// Why the show did not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum BroadcastError {
    #[error(transparent)]
    Encoder(#[from] EncodeError),
    #[error("the recording's own encoder cannot be used")]
    RecordEncoder(#[source] EncodeError),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Broadcast {
    /// `frames` and `record_frames` are where the render stage looks for the queues of the stream's encoder and the
    /// recording's own.
    pub(super) fn new(
        clock: MediaClock,
        runtime: tokio::runtime::Handle,
        notices: NoticeSender,
        bus: Arc<PacketBus>,
        frames: Arc<ArcSwapOption<EncoderInputs>>,
        record_frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    ) -> Self {
        Self {
            clock,
            runtime,
            notices,
            bus,
            control: Arc::default(),
            frames,
            input: None,
            opener: Arc::new(open_video),
            encoder: None,
            encoder_id: 0,
            encoders: 0,
            sound_on: false,
            next_id: 0,
            stream: None,
            more: Vec::new(),
            recording: None,
            recorder: None,
            record_encoder: RecordEncoder::new(record_frames),
            replay: None,
            ending: Vec::new(),
            tuning: TuningHandle::default(),
            limits: Arc::default(),
        }
    }

    /// The running encoder's control; what is asked of it while none runs holds for the next one.
    pub(super) fn control(&self) -> &EncoderControl {
        &self.control
    }

    pub(super) fn encoder_stats(&self) -> Option<EncoderStats> {
        self.encoder.as_ref().map(VideoEncodeStage::stats)
    }

    /// Starts pushing. The encoders start while the connection is being made.
    pub(super) fn start_stream(
        &mut self,
        spec: &OutputSpec,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
        audio: &AudioStage,
    ) -> Result<(), BroadcastError> {
        self.tune(settings);
        let attached = self.attach(Purpose::Stream, None, |cx| output::start(spec, cx))?;
        self.limits.admit(attached.id);
        self.stream = Some(attached);
        self.start_encoders(settings, ladder, audio)
    }

    /// A stream that waits before its next try tries at once.
    pub(super) fn retry_now(&self) {
        if let Some(stream) = &self.stream {
            stream.output.retry_now();
        }
        for more in &self.more {
            more.output.retry_now();
        }
    }

    /// The stream key may be sent to this host.
    pub(super) fn allow_redirect(&self, host: &str) {
        for attached in self.stream.iter().chain(&self.more) {
            attached.output.allow_redirect(host);
        }
    }

    /// The stream treats its link by these settings from now on.
    pub(super) fn tune(&self, settings: &Settings) {
        let Settings {
            video,
            encoder,
            audio,
            stream,
            network,
            ..
        } = settings;
        self.tuning.set_network(network.clone());
        let kbps = Bitrate::from_kbps;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a frame rate is at most 240"
        )]
        let pixel_rate = video.size.pixels() * video.fps.as_f64().round() as u64;
        let tuning = StreamTuning {
            adapt: stream.adapt.enabled,
            limits: AdaptLimits {
                preset: stream.adapt.preset,
                floor: kbps(stream.adapt.floor_kbps),
                ceiling: kbps(encoder.bitrate_kbps),
                audio: kbps(audio.encoder.bitrate_kbps),
                pixel_rate,
                shrink: stream.adapt.shrink,
            },
            max_delay: Duration::from_millis(stream.max_delay_ms.into()),
            trust_any_certificate: stream.trust_any_certificate,
        };
        self.tuning.set(tuning);
        for more in &self.more {
            self.tune_more(more, stream.more);
        }
    }

    /// Starts recording the same packets, or those of an encoder of its own (`own`, best first; none: the same); returns the
    /// file really used.
    pub(super) fn start_recording(
        &mut self,
        config: RecordConfig,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
        own: Vec<VideoEncoderSettings>,
        audio: &AudioStage,
    ) -> Result<String, BroadcastError> {
        self.record_encoder.want(own);
        let mut recorder = None;
        let attached = self.attach(Purpose::Recording, None, |cx| {
            let started = Recorder::start(config, cx)?;
            recorder = Some(Arc::clone(&started));
            Ok(started)
        })?;
        let target = attached.stats().target;
        (self.recording, self.recorder) = (Some(attached), recorder);
        self.keep_size();
        self.start_encoders(settings, ladder, audio)?;
        self.recording_control().request_keyframe();
        Ok(target)
    }

    /// Starts keeping the last seconds of the same packets.
    pub(super) fn start_replay(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
        audio: &AudioStage,
    ) -> Result<(), BroadcastError> {
        if self.replay.is_some() {
            return Ok(());
        }
        let keep = Duration::from_secs(settings.recording.replay_seconds.into());
        let mut buffer = None;
        let attached = self.attach(Purpose::Replay, None, |cx| {
            let started = ReplayBuffer::start(keep, cx);
            buffer = Some(Arc::clone(&started));
            Ok(started)
        })?;
        self.replay = buffer.map(|buffer| (attached, buffer));
        self.keep_size();
        self.start_encoders(settings, ladder, audio)
    }

    /// Ends the replay buffer; encoders end too when nothing else needs them.
    pub(super) fn stop_replay(&mut self, audio: &AudioStage) {
        if let Some((attached, _)) = self.replay.take() {
            self.keep_size();
            self.end(attached, audio, true);
        }
    }

    /// The replay buffer, while it is on.
    pub(super) fn replay(&self) -> Option<&ReplayBuffer> {
        self.replay.as_ref().map(|(_, buffer)| &**buffer)
    }

    /// The hand on the encoder whose pictures are recorded.
    pub(super) const fn recording_control(&self) -> &Arc<EncoderControl> {
        if self.record_encoder.is_wanted() {
            &self.record_encoder.control
        } else {
            &self.control
        }
    }

    /// A file has pictures of one size: while one is written, a poor link makes them fewer, not smaller.
    fn keep_size(&self) {
        let records = self.recording.is_some() && !self.record_encoder.is_wanted();
        let writes = records || self.replay.is_some();
        self.limits.keep_size(writes, &self.control);
    }

    fn attach(
        &mut self,
        purpose: Purpose,
        own: Option<OwnEncoder>,
        start: impl FnOnce(OutputContext) -> Result<Arc<dyn Output>, OutputError>,
    ) -> Result<Attached, OutputError> {
        self.next_id += 1;
        let id = self.next_id;
        let records = purpose == Purpose::Recording;
        let control = match records {
            true => self.recording_control(),
            false => &self.control,
        };
        let shared = (Arc::clone(control), Arc::clone(&self.limits));
        let hand = own.as_ref().map_or(shared, |own| {
            own.limits.admit(id);
            (Arc::clone(&own.control), Arc::clone(&own.limits))
        });
        let hand: Arc<ArcSwap<Hand>> = Arc::new(ArcSwap::from_pointee(hand));
        let told = Arc::clone(&hand);
        let tuning = match purpose {
            Purpose::Stream => self.tuning.clone(),
            _ => TuningHandle::new(StreamTuning {
                adapt: false,
                ..self.tuning.get()
            }),
        };
        tuning.set_network((*self.tuning.network()).clone());
        let notices = self.notices.clone();
        let listener = Arc::new(move |event| match event {
            // straight to the encoder: a lost notice must not leave viewers without a picture
            OutputEvent::NeedKeyframe => told.load().0.request_keyframe(),
            OutputEvent::VideoRate(decision) => {
                let hand = told.load();
                hand.1.tell(id, decision, &hand.0);
            }
            event => notices.send(Notice::Output(id, event)),
        });
        let cx = OutputContext {
            clock: self.clock,
            runtime: self.runtime.clone(),
            listener,
            tuning: tuning.clone(),
        };
        let output = start(cx)?;
        let all: Arc<dyn PacketSink> = Arc::<dyn Output>::clone(&output);
        let also = records.then(|| Arc::clone(&all));
        if let Some(also) = &also {
            self.record_encoder.bus.attach(also);
        }
        let sink = match &own {
            Some(own) => own.attach(&all),
            None if records && self.record_encoder.is_wanted() => Arc::new(SoundOnly(all)),
            None => all,
        };
        self.bus.attach(&sink);
        Ok(Attached {
            id,
            purpose,
            output,
            sink,
            also,
            tuning,
            own,
            hand,
        })
    }

    /// Whether anything is on.
    pub(super) const fn is_on(&self) -> bool {
        self.stream.is_some() || self.recording.is_some() || self.replay.is_some()
    }

    /// Ends the stream; encoders end too when nothing records. `told`: the user knows already why.
    pub(super) fn stop_stream(&mut self, audio: &AudioStage, told: bool) {
        if let Some(attached) = self.stream.take() {
            for more in std::mem::take(&mut self.more) {
                self.end(more, audio, true);
            }
            self.publish_inputs();
            self.end(attached, audio, told);
        }
    }

    /// Ends the recording; encoders end too when nothing is streamed. `told`: the user knows already why.
    pub(super) fn stop_recording(&mut self, audio: &AudioStage, told: bool) {
        self.recorder = None;
        if let Some(attached) = self.recording.take() {
            self.keep_size();
            self.end(attached, audio, told);
        }
    }

    fn end(&mut self, mut attached: Attached, audio: &AudioStage, told: bool) {
        // what goes on is not bound by this link
        self.limits.dismiss(attached.id, &self.control);
        if let Some(own) = &mut attached.own {
            own.stop(Instant::now());
        }
        // first, so that the last pictures still go out
        if !self.is_on() {
            self.stop_encoders(audio);
        } else if !self.needs_video() {
            self.stop_video_encoder();
        }
        if attached.purpose == Purpose::Recording {
            self.stop_record_encoder(audio);
        }
        self.bus.detach(&attached.sink);
        if let Some(also) = &attached.also {
            self.record_encoder.bus.detach(also);
        }
        attached.output.request_stop();
        let deadline = Instant::now() + super::Engine::SHUTDOWN;
        self.ending.push(Ending {
            attached,
            deadline,
            told,
        });
    }

    /// Looks after outputs that are saying goodbye, without waiting; returns those that have ended since the last call.
    /// One that is past its deadline is cut.
    pub(super) fn poll_ending(&mut self) -> Vec<Ended> {
        let now = Instant::now();
        let over = |e: &mut Ending| {
            let output = &e.attached.output;
            output.has_ended() || (e.deadline <= now && !output.join_until(now))
        };
        let ended = self.ending.extract_if(.., over);
        ended
            .map(|Ending { attached, told, .. }| Ended {
                purpose: attached.purpose,
                stats: attached.stats(),
                told,
            })
            .collect()
    }

    /// The stream is still saying goodbye.
    pub(super) fn stream_is_ending(&self) -> bool {
        self.ending
            .iter()
            .any(|e| e.attached.purpose == Purpose::Stream)
    }

    /// Ends everything by `deadline`; names what did not.
    pub(super) fn shutdown(&mut self, audio: &AudioStage, deadline: Instant) -> Vec<String> {
        let mut left = Vec::new();
        if !self.stop_encoders(audio) {
            left.push("venc".to_owned());
        }
        self.stop_stream(audio, false);
        self.stop_recording(audio, false);
        self.stop_replay(audio);
        for Ending { attached, told, .. } in self.ending.drain(..) {
            if !attached.output.join_until(deadline) {
                left.push(attached.stats().target);
            } else if let OutputState::Failed { message } = attached.stats().state
                && !told
            {
                tracing::error!(message);
            }
        }
        left
    }
}
