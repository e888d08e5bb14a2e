//! Encoders and outputs of a show that is on: started with the first output, ended with the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;

use super::encoders::format;
use super::notice::{Notice, NoticeSender};
use super::own_encoder::{OwnEncoder, SoundOnly};
use crate::audio::AudioStage;
use crate::encode::stage::{
    EncoderControl, EncoderFactory, EncoderListener, EncoderStats, VideoEncodeConfig,
    VideoEncodeStage,
};
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
use crate::rtmp::url::RtmpUrl;
use crate::settings::Settings;

/// Edge 3: pictures between render and video encoder; when full the render stage skips the tick.
pub(super) const ENCODER_QUEUE: usize = 3;
/// How long the encoder may take to hand over what it still holds when it ends.
const FLUSH: Duration = Duration::from_millis(400);

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
    /// What is attached to the stream's packets.
    sink: Arc<dyn PacketSink>,
    /// And to those of the recording alone.
    also: Option<Arc<dyn PacketSink>>,
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
    frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    /// How encoders are opened.
    opener: EncoderFactory,
    encoder: Option<VideoEncodeStage>,
    /// Number of the running (or last) video encoder; word from another one is old.
    encoder_id: u32,
    sound_on: bool,
    next_id: u32,
    pub(super) stream: Option<Attached>,
    /// Further destinations; each has a queue and a task of its own, and none can hold up another.
    pub(super) more: Vec<Attached>,
    pub(super) recording: Option<Attached>,
    pub(super) recorder: Option<Arc<Recorder>>,
    /// The recording's own encoder, if it has one.
    pub(super) own: OwnEncoder,
    replay: Option<(Attached, Arc<ReplayBuffer>)>,
    ending: Vec<Ending>,
    /// How the stream treats its link.
    tuning: TuningHandle,
    /// Number of the output whose link binds the encoder; 0 for none. Held while the limit is set, so that a late word
    /// of a stream that ends binds nobody.
    limiter: Arc<Mutex<u32>>,
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
    OwnEncoder(#[source] EncodeError),
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
        frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
        record_frames: Arc<ArcSwapOption<Sender<VideoFrame>>>,
    ) -> Self {
        Self {
            clock,
            runtime,
            notices,
            bus,
            control: Arc::default(),
            frames,
            opener: Arc::new(open_video),
            encoder: None,
            encoder_id: 0,
            sound_on: false,
            next_id: 0,
            stream: None,
            more: Vec::new(),
            recording: None,
            recorder: None,
            own: OwnEncoder::new(record_frames),
            replay: None,
            ending: Vec::new(),
            tuning: TuningHandle::default(),
            limiter: Arc::default(),
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
        let attached = self.attach(Purpose::Stream, |cx| output::start(spec, cx))?;
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
        self.tuning.set(StreamTuning {
            adapt: stream.adapt.enabled,
            limits: AdaptLimits {
                preset: stream.adapt.preset,
                floor: kbps(stream.adapt.floor_kbps),
                ceiling: kbps(encoder.bitrate_kbps),
                audio: kbps(audio.encoder.bitrate_kbps),
                pixel_rate,
            },
            max_delay: Duration::from_millis(stream.max_delay_ms.into()),
            trust_any_certificate: stream.trust_any_certificate,
        });
    }

    /// Starts pushing the running stream to one more address.
    pub(super) fn start_more(&mut self, url: RtmpUrl) -> Result<(), BroadcastError> {
        let spec = OutputSpec::Rtmp(url);
        let attached = self.attach(Purpose::More, |cx| output::start(&spec, cx))?;
        self.more.push(attached);
        Ok(())
    }

    /// Ends one further destination.
    pub(super) fn stop_more(&mut self, id: u32, audio: &AudioStage) {
        if let Some(at) = self.more.iter().position(|a| a.id == id) {
            let attached = self.more.swap_remove(at);
            self.end(attached, audio, true);
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
        self.own.want(own);
        let mut recorder = None;
        let attached = self.attach(Purpose::Recording, |cx| {
            let started = Recorder::start(config, cx)?;
            recorder = Some(Arc::clone(&started));
            Ok(started)
        })?;
        let target = attached.stats().target;
        (self.recording, self.recorder) = (Some(attached), recorder);
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
        let attached = self.attach(Purpose::Replay, |cx| {
            let started = ReplayBuffer::start(keep, cx);
            buffer = Some(Arc::clone(&started));
            Ok(started)
        })?;
        self.replay = buffer.map(|buffer| (attached, buffer));
        self.start_encoders(settings, ladder, audio)
    }

    /// Ends the replay buffer; encoders end too when nothing else needs them.
    pub(super) fn stop_replay(&mut self, audio: &AudioStage) {
        if let Some((attached, _)) = self.replay.take() {
            self.end(attached, audio, true);
        }
    }

    /// The replay buffer, while it is on.
    pub(super) fn replay(&self) -> Option<&ReplayBuffer> {
        self.replay.as_ref().map(|(_, buffer)| &**buffer)
    }

    /// The hand on the encoder whose pictures are recorded.
    pub(super) const fn recording_control(&self) -> &Arc<EncoderControl> {
        if self.own.is_wanted() {
            &self.own.control
        } else {
            &self.control
        }
    }

    fn attach(
        &mut self,
        purpose: Purpose,
        start: impl FnOnce(OutputContext) -> Result<Arc<dyn Output>, OutputError>,
    ) -> Result<Attached, OutputError> {
        self.next_id += 1;
        let id = self.next_id;
        let records = purpose == Purpose::Recording;
        let control = match records {
            true => Arc::clone(self.recording_control()),
            false => Arc::clone(&self.control),
        };
        let notices = self.notices.clone();
        let leads = purpose == Purpose::Stream;
        let limiter = Arc::clone(&self.limiter);
        if leads {
            *limiter.lock() = id;
        }
        let tuning = if leads {
            self.tuning.clone()
        } else {
            // the encoder can follow one link only
            let own = TuningHandle::new(StreamTuning {
                adapt: false,
                ..self.tuning.get()
            });
            own.set_network((*self.tuning.network()).clone());
            own
        };
        let listener = Arc::new(move |event| match event {
            // straight to the encoder: a lost notice must not leave viewers without a picture
            OutputEvent::NeedKeyframe => control.request_keyframe(),
            OutputEvent::VideoRate(_) if !leads => {}
            OutputEvent::VideoRate(decision) => {
                let limiter = limiter.lock();
                if *limiter != id {
                    return;
                }
                control.set_limit(decision.map(|d| d.bitrate));
                control.set_half_rate(decision.is_some_and(|d| d.half_rate));
            }
            event => notices.send(Notice::Output(id, event)),
        });
        let cx = OutputContext {
            clock: self.clock,
            runtime: self.runtime.clone(),
            listener,
            tuning,
        };
        let output = start(cx)?;
        let all: Arc<dyn PacketSink> = Arc::<dyn Output>::clone(&output);
        let also = records.then(|| Arc::clone(&all));
        if let Some(also) = &also {
            self.own.bus.attach(also);
        }
        let sink = if records && self.own.is_wanted() {
            Arc::new(SoundOnly(all))
        } else {
            all
        };
        self.bus.attach(&sink);
        Ok(Attached {
            id,
            purpose,
            output,
            sink,
            also,
        })
    }

    fn start_encoders(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
        audio: &AudioStage,
    ) -> Result<(), BroadcastError> {
        if self.needs_video() && self.encoder.is_none() {
            self.start_video_encoder(settings, ladder)?;
        }
        if self.recording.is_some() {
            self.start_own(settings)
                .map_err(BroadcastError::OwnEncoder)?;
        }
        if !self.sound_on {
            audio.set_encoder(Some(settings.audio.encoder.clone()))?;
            self.sound_on = true;
        }
        Ok(())
    }

    /// Somebody takes the stream's pictures.
    const fn needs_video(&self) -> bool {
        let records = self.recording.is_some() && !self.own.is_wanted();
        self.stream.is_some() || self.replay.is_some() || records
    }

    /// Opens the recording's own encoder, if it has one.
    pub(super) fn start_own(&mut self, settings: &Settings) -> Result<(), EncodeError> {
        self.own
            .start(settings, self.clock, &self.notices, &self.opener)
    }

    fn start_video_encoder(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), EncodeError> {
        self.control
            .set_bitrate(Bitrate::from_kbps(settings.encoder.bitrate_kbps));
        let (tx, rx) = bounded(ENCODER_QUEUE);
        let notices = self.notices.clone();
        self.encoder_id += 1;
        let id = self.encoder_id;
        let listener: EncoderListener =
            Arc::new(move |event| notices.send(Notice::Encoder(id, event)));
        let config = VideoEncodeConfig {
            settings: settings.encoder.clone(),
            format: format(settings),
            background: false,
            clock: self.clock,
            frames: rx,
            control: Arc::clone(&self.control),
            bus: Arc::clone(&self.bus),
            listener,
        };
        let stage = VideoEncodeStage::start_ladder(config, ladder, Arc::clone(&self.opener))?;
        self.frames.store(Some(Arc::new(tx)));
        self.encoder = Some(stage);
        Ok(())
    }

    /// Ends the video encoder: no more pictures, then what it still holds goes out.
    fn stop_video_encoder(&mut self) -> bool {
        self.frames.store(None);
        let Some(stage) = self.encoder.take() else {
            return true;
        };
        let ended = stage.join_until(Instant::now() + FLUSH);
        if !ended {
            stage.abandon();
        }
        ended
    }

    /// Closes the video encoder while outputs go on; true if there was one, and [`Self::resume_video`] must follow.
    pub(super) fn pause_video(&mut self) -> bool {
        let was_on = self.encoder.is_some();
        if was_on && !self.stop_video_encoder() {
            tracing::warn!("the old encoder was left behind");
        }
        was_on
    }

    /// Opens a video encoder again. Outputs see the new parameters in the next packet.
    pub(super) fn resume_video(
        &mut self,
        settings: &Settings,
        ladder: Vec<VideoEncoderSettings>,
    ) -> Result<(), EncodeError> {
        self.start_video_encoder(settings, ladder)
    }

    /// Number of the running video encoder.
    pub(super) const fn encoder_id(&self) -> u32 {
        self.encoder_id
    }

    /// The encoder that should be running has ended by itself.
    pub(super) fn encoder_has_ended(&self) -> bool {
        self.encoder
            .as_ref()
            .is_some_and(VideoEncodeStage::is_finished)
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
            self.end(attached, audio, told);
            // what still records is bound by no link
            let mut limiter = self.limiter.lock();
            *limiter = 0;
            self.control.set_limit(None);
            self.control.set_half_rate(false);
        }
    }

    /// Ends the recording; encoders end too when nothing is streamed. `told`: the user knows already why.
    pub(super) fn stop_recording(&mut self, audio: &AudioStage, told: bool) {
        self.recorder = None;
        if let Some(attached) = self.recording.take() {
            self.end(attached, audio, told);
        }
    }

    fn end(&mut self, attached: Attached, audio: &AudioStage, told: bool) {
        // first, so that the last pictures still go out
        if !self.is_on() {
            self.stop_encoders(audio);
        } else if !self.needs_video() {
            self.stop_video_encoder();
        }
        if attached.purpose == Purpose::Recording {
            self.stop_own(audio);
        }
        self.bus.detach(&attached.sink);
        if let Some(also) = &attached.also {
            self.own.bus.detach(also);
        }
        attached.output.request_stop();
        let deadline = Instant::now() + super::Engine::SHUTDOWN;
        self.ending.push(Ending {
            attached,
            deadline,
            told,
        });
    }

    fn stop_own(&mut self, audio: &AudioStage) -> bool {
        audio.set_tracks(None);
        let ended = self.own.stop();
        self.own.want(Vec::new());
        ended
    }

    fn stop_encoders(&mut self, audio: &AudioStage) -> bool {
        let ended = self.stop_video_encoder() & self.stop_own(audio);
        if std::mem::take(&mut self.sound_on)
            && let Err(error) = audio.set_encoder(None)
        {
            tracing::warn!(%error, "sound encoder did not close properly");
        }
        ended
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
