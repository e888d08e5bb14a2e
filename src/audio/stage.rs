//! The audio thread: wakes for each block, takes what sources delivered, mixes, encodes, tells how it went.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::clock::BLOCK_STEP;
use super::encoder::{EncoderSlot, OpenEncoder};
use super::listen::Listening;
use super::master::MasterSettings;
use super::mixer::Mixer;
use super::tracks::Tracks;
use super::{AudioConfig, AudioStats, InputMix, Listen, TrackPlan};
use crate::encode::{AudioEncoderSettings, EncodeError};
use crate::media::SourceId;
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioTap;
use crate::media::time::{MediaClock, MediaTime};
use crate::stage::{StageHandle, StartError, StopFlag, spawn};

/// Blocks that are overdue by more than this are left out: the program was stopped meanwhile. More than what is overdue
/// when nothing needs to wait for an offset of −2 s any more.
const CATCH_UP: Duration = Duration::from_millis(2500);
/// So many blocks are made before commands are looked at again.
const IN_A_ROW: u32 = 16;
/// While blocks wait for an offset, rings are emptied this often: they hold 500 ms.
const EMPTY_EACH: Duration = Duration::from_millis(100);
/// How long the engine waits for the encoder to open: it is milliseconds unless the stage is stuck.
const OPEN_WITHIN: Duration = Duration::from_secs(2);
/// And for it to close: a stop must not wait for a stuck stage.
const CLOSE_WITHIN: Duration = Duration::from_millis(400);

/// What the engine asks for.
struct SetEncoder {
    settings: Option<AudioEncoderSettings>,
    reply: Sender<Result<(), EncodeError>>,
}

/// Latest values, read by the audio thread at each block.
#[derive(Default)]
struct Controls {
    /// Set when they changed.
    mixes: Option<BTreeMap<SourceId, InputMix>>,
    /// Set when it changed.
    listen: Option<Option<Listen>>,
    master: Option<MasterSettings>,
    /// Set when it changed.
    tracks: Option<Option<TrackPlan>>,
    talking: bool,
    loudness_reset: bool,
    video_delay_ns: i64,
}

#[derive(Default)]
struct Shared {
    controls: Mutex<Controls>,
    stats: Mutex<AudioStats>,
}

/// The hand on the audio thread.
pub(super) struct Running {
    handle: StageHandle,
    /// Sent by whoever calls `set_encoder`, received by the audio thread; bound 4; when full the caller waits.
    commands: Sender<SetEncoder>,
    shared: Arc<Shared>,
}

/// What lives on the audio thread.
struct Worker {
    clock: MediaClock,
    taps: Receiver<AudioTap>,
    commands: Receiver<SetEncoder>,
    shared: Arc<Shared>,
    mixer: Mixer,
    encoder: EncoderSlot,
    listening: Option<Listening>,
    tracks: Option<Tracks>,
    skipped: u64,
}

impl Running {
    pub(super) fn start(config: AudioConfig, open: OpenEncoder) -> Result<Self, EncodeError> {
        let AudioConfig {
            clock,
            taps,
            bus,
            on_exit,
        } = config;
        let shared = Arc::new(Shared::default());
        let (commands, received) = bounded(4);
        let worker = {
            let shared = Arc::clone(&shared);
            move || Worker {
                clock,
                taps,
                commands: received,
                shared,
                mixer: Mixer::new(clock.now()),
                encoder: EncoderSlot::new(open, bus),
                listening: None,
                tracks: None,
                skipped: 0,
            }
        };
        let stop = StopFlag::new();
        let handle = spawn(
            "audio",
            &stop,
            move || Ok::<_, EncodeError>(worker()),
            |mut worker, stop| worker.run(stop),
            on_exit,
        )
        .map_err(|e| match e {
            StartError::Init(e) => e,
            e => EncodeError::Stage {
                name: "audio",
                reason: e.to_string(),
            },
        })?;
        Ok(Self {
            handle,
            commands,
            shared,
        })
    }

    pub(super) fn set_encoder(
        &self,
        settings: Option<AudioEncoderSettings>,
    ) -> Result<(), EncodeError> {
        let gone = |reason: &str| EncodeError::Stage {
            name: "audio",
            reason: reason.to_owned(),
        };
        let (reply, answer) = bounded(1);
        let within = match settings {
            Some(_) => OPEN_WITHIN,
            None => CLOSE_WITHIN,
        };
        let deadline = Instant::now() + within;
        self.commands
            .send_deadline(SetEncoder { settings, reply }, deadline)
            .map_err(|_timeout| gone("it does not answer"))?;
        match answer.recv_deadline(deadline) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(gone("it does not answer")),
            Err(RecvTimeoutError::Disconnected) => Err(gone("it has ended")),
        }
    }

    pub(super) fn set_mixes(&self, mixes: BTreeMap<SourceId, InputMix>) {
        self.shared.controls.lock().mixes = Some(mixes);
    }

    pub(super) fn set_tracks(&self, tracks: Option<TrackPlan>) {
        self.shared.controls.lock().tracks = Some(tracks);
    }

    pub(super) fn set_listen(&self, listen: Option<Listen>) {
        self.shared.controls.lock().listen = Some(listen);
    }

    pub(super) fn set_master(&self, settings: MasterSettings) {
        self.shared.controls.lock().master = Some(settings);
    }

    pub(super) fn set_talking(&self, talking: bool) {
        self.shared.controls.lock().talking = talking;
    }

    pub(super) fn reset_loudness(&self) {
        self.shared.controls.lock().loudness_reset = true;
    }

    pub(super) fn set_video_delay(&self, nanos: i64) {
        self.shared.controls.lock().video_delay_ns = nanos;
    }

    pub(super) fn stats(&self) -> AudioStats {
        self.shared.stats.lock().clone()
    }

    pub(super) fn request_stop(&self) {
        self.handle.request_stop();
    }

    pub(super) fn join_until(&self, deadline: Instant) -> bool {
        self.handle.join_until(deadline).is_some()
    }
}

impl Worker {
    fn run(&mut self, stop: &StopFlag) -> Result<(), String> {
        while !stop.is_stopped() {
            self.take_taps();
            self.take_controls();
            let now = self.clock.now();
            self.skip_to(now);
            for _ in 0..IN_A_ROW {
                // anew for each block: on a starved machine catching up takes a while, and what came meanwhile is not
                // from the future
                let now = self.clock.now();
                if self.mixer.due() > now {
                    break;
                }
                self.mixer.drain(now);
                self.mixer.mix();
                let block = self.mixer.block();
                if let Some(tracks) = &mut self.tracks {
                    tracks.encode(block.pts, self.mixer.tracks());
                }
                let encoded = self.encoder.encode(block, now);
                if let Some(listening) = &mut self.listening {
                    listening.feed(self.mixer.heard());
                    self.mixer.listen(Some(listening.to()));
                }
                if let Err(error) = encoded {
                    return Err(format!("the audio encoder keeps failing: {error}"));
                }
            }
            self.report(now);
            let wait = self.clock.until(self.mixer.due());
            if wait > EMPTY_EACH {
                self.mixer.collect(now);
            }
            match self.commands.recv_timeout(wait.min(EMPTY_EACH)) {
                Ok(SetEncoder { settings, reply }) => {
                    let result = self.encoder.set(settings);
                    reply.send(result).ok(); // the caller may have given up waiting
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break, // the stage was dropped
            }
        }
        if let Some(mut tracks) = self.tracks.take() {
            tracks.finish();
        }
        self.encoder
            .set(None)
            .map_err(|e| format!("the audio encoder did not end cleanly: {e}"))
    }

    fn take_taps(&mut self) {
        for tap in self.taps.try_iter() {
            let source = tap.source;
            if let Err(reason) = self.mixer.add(tap) {
                tracing::warn!(%source, reason, "a source stays silent");
            }
        }
    }

    fn take_controls(&mut self) {
        let mut controls = self.shared.controls.lock();
        self.mixer.set_delay(controls.video_delay_ns);
        self.mixer.set_talking(controls.talking);
        if let Some(mixes) = controls.mixes.take() {
            self.mixer.set_mixes(mixes);
        }
        if let Some(listen) = controls.listen.take() {
            match (&mut self.listening, listen) {
                (Some(listening), Some(listen)) => listening.set(listen),
                (listening, listen) => *listening = listen.map(Listening::new),
            }
            self.mixer
                .listen(self.listening.as_ref().map(Listening::to));
        }
        if let Some(plan) = controls.tracks.take() {
            self.mixer
                .set_tracks(plan.as_ref().map_or(&[][..], |p| &p.inputs));
            match (&mut self.tracks, plan) {
                (Some(tracks), Some(plan)) => tracks.change(plan),
                (Some(tracks), None) => {
                    tracks.finish();
                    self.tracks = None;
                }
                (tracks, plan) => *tracks = plan.map(Tracks::new),
            }
        }
        if let Some(master) = controls.master.take() {
            self.mixer.set_master(&master);
        }
        if std::mem::take(&mut controls.loudness_reset) {
            self.mixer.reset_loudness();
        }
    }

    /// After a long stop of the whole program no burst of old silence is sent: time stamps jump instead.
    fn skip_to(&mut self, now: MediaTime) {
        let overdue = now.saturating_since(self.mixer.due());
        if overdue > CATCH_UP {
            let frames = i64::try_from(AudioFormat::ENGINE.frames_in(overdue)).unwrap_or(0);
            let blocks = frames / BLOCK_STEP;
            self.mixer.skip(blocks);
            self.skipped += u64::try_from(blocks).unwrap_or(0);
            tracing::warn!(?overdue, "the audio stage was stopped for a while");
        }
    }

    fn report(&self, now: MediaTime) {
        let mut stats = self.shared.stats.lock();
        self.mixer.report(now, &mut stats);
        stats.packets = self.encoder.packets;
        stats.rebuilt = self.encoder.rebuilt;
        stats.skipped = self.skipped;
        stats.listen = self.listening.as_ref().map(Listening::stats);
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::tests::{FAILING, REFUSED, bus, fakes};
    use super::*;
    use crate::media::packet::EncodedPacket;
    use crate::media::ring::audio_ring;
    use crate::stage::StageExit;

    struct Started {
        running: Running,
        packets: Receiver<EncodedPacket>,
        exit: Receiver<StageExit>,
        taps: Sender<AudioTap>,
        clock: MediaClock,
    }

    fn start() -> Started {
        let clock = MediaClock::start();
        let (taps, received) = bounded(16);
        let (bus, packets) = bus();
        let (exited, exit) = bounded(1);
        let config = AudioConfig {
            clock,
            taps: received,
            bus,
            on_exit: Box::new(move |e| {
                exited.send(e.clone()).ok();
            }),
        };
        let running = Running::start(config, fakes()).unwrap();
        Started {
            running,
            packets,
            exit,
            taps,
            clock,
        }
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn packets_follow_each_other_without_a_gap_and_end_with_a_flush() {
        let stage = start();
        let refused = stage.running.set_encoder(Some(REFUSED));
        assert!(matches!(refused, Err(EncodeError::Setting { .. })));
        let settings = AudioEncoderSettings::default();
        stage.running.set_encoder(Some(settings)).unwrap();
        let (mut sink, tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, Duration::from_secs(1));
        stage.taps.send(tap).unwrap();
        sink.push(stage.clock.now() + Duration::from_millis(50), &[0.5; 960]);
        let mut last: Option<MediaTime> = None;
        for k in 0..25 {
            let packet = stage.packets.recv_timeout(SOON).unwrap();
            if let Some(last) = last {
                let step = packet.pts.nanos_since(last);
                assert!((21_333_333..=21_333_334).contains(&step), "{k}: {step}");
            }
            last = Some(packet.pts);
            // lip sync and gains change meanwhile
            stage.running.set_video_delay(k * 10_000_000);
            let mix = InputMix {
                muted: k % 2 == 0,
                ..InputMix::default()
            };
            stage.running.set_mixes([(SourceId(1), mix)].into());
        }
        let stats = stage.running.stats();
        assert!(stats.packets >= 24, "{stats:?}");
        stage.running.request_stop();
        assert_eq!(stage.exit.recv_timeout(SOON), Ok(StageExit::Finished));
        assert!(stage.running.join_until(Instant::now() + SOON));
        let rest = stage.packets.try_iter().last().unwrap();
        assert!(Some(rest.pts) > last, "the encoder was flushed");
        let gone = stage.running.set_encoder(None);
        assert!(matches!(gone, Err(EncodeError::Stage { .. })), "{gone:?}");
    }

    #[test]
    fn an_encoder_that_keeps_failing_ends_the_stage_with_its_reason() {
        let stage = start();
        stage.running.set_encoder(Some(FAILING)).unwrap();
        let exit = stage.exit.recv_timeout(SOON).unwrap();
        let StageExit::Failed(reason) = exit else {
            panic!("{exit:?}");
        };
        assert!(reason.contains("made to fail"), "{reason}");
    }
}
