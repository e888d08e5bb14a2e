//! One thread with one encoder at a time: control, pictures, packets, and what to do when the encoder is ill.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender};

use super::health::{Ease, FollowCheck, Pace, Reopens, held_back};
use super::line::{Beat, Core, Next};
use super::{EncoderEvent, next_generation, smaller};
use crate::encode::settings::BITRATE_BPS;
use crate::encode::{
    EncodeError, Reconfigured, Tune, VideoEncoder, VideoEncoderSettings, VideoFormat, background,
    in_words, select,
};
use crate::media::packet::{Bitrate, EncodedPacket};
use crate::media::time::MediaTime;
use crate::media::video::VideoFrame;
use crate::stage::{StopFlag, spawn};

/// How often a stage that gets no pictures looks at its stop flag.
const IDLE: Duration = Duration::from_millis(50);
/// An encoder that takes pictures and gives nothing back for this long, and holds more than it may, hangs.
const SILENCE: Duration = Duration::from_millis(300);

pub(super) struct Worker {
    core: Arc<Core>,
    id: u64,
    rung: usize,
    beat: Arc<Beat>,
    /// Told once how the first opening went.
    opened: Option<Sender<Result<(), EncodeError>>>,
    /// Those of the rung, with the preset that is really used.
    settings: VideoEncoderSettings,
    encoder: Option<Box<dyn VideoEncoder>>,
    /// What the encoder was last told.
    bitrate: Bitrate,
    /// Only opening it anew changes its bitrate.
    deaf: bool,
    follow: Option<FollowCheck>,
    reopens: Reopens,
    pace: Pace,
    ease: Ease,
    /// Presets that were given up because they were too slow, the cheapest last.
    given_up: Vec<String>,
    /// Pictures since the last packet, and when the first of them went in.
    silent: (u64, Option<Instant>),
    /// The last picture was left out, for half the frame rate.
    left_out: bool,
    /// What it encodes: the stage's, or half of that each way.
    format: VideoFormat,
    /// It has refused smaller ones.
    only_full: bool,
    /// Time of the newest keyframe asked for or made.
    keyframe_at: Option<MediaTime>,
    packets: Vec<EncodedPacket>,
}

impl Worker {
    pub(super) fn new(
        core: Arc<Core>,
        id: u64,
        rung: usize,
        beat: Arc<Beat>,
        opened: Option<Sender<Result<(), EncodeError>>>,
    ) -> Self {
        let settings = core.rung(rung).cloned().unwrap_or_default();
        let format = wanted_format(&core);
        Self {
            format,
            only_full: false,
            core,
            id,
            rung,
            beat,
            opened,
            bitrate: Bitrate::from_kbps(settings.bitrate_kbps),
            settings,
            encoder: None,
            deaf: false,
            follow: None,
            reopens: Reopens::default(),
            pace: Pace::default(),
            ease: Ease::default(),
            given_up: Vec::new(),
            silent: (0, None),
            left_out: false,
            keyframe_at: None,
            packets: Vec::with_capacity(8),
        }
    }

    pub(super) fn run(mut self, stop: &StopFlag) -> Result<(), String> {
        if self.core.background {
            background::step_back();
        }
        let opened = self.open();
        match (self.opened.take(), opened) {
            (Some(tell), Err(error)) => {
                tell.send(Err(error)).ok(); // whoever started the stage has given up on it
                return Ok(());
            }
            (Some(tell), Ok(())) => {
                tell.send(Ok(())).ok();
            }
            (None, Err(error)) => self.recover(error)?,
            (None, Ok(())) => {}
        }
        while !stop.is_stopped() && self.core.holds(self.id) {
            match self.core.frames.recv_timeout(IDLE) {
                Ok(frame) => self.frame(&frame)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.core.holds(self.id) {
            return Ok(());
        }
        if let Err(error) = self.flush() {
            tracing::warn!(error = %in_words(&error), "the last pictures were lost");
        }
        self.deliver();
        Ok(())
    }

    /// Encodes one picture. An `Err` ends the stage; the listener knows.
    fn frame(&mut self, frame: &VideoFrame) -> Result<(), String> {
        self.left_out = self.core.control.half_rate() && !self.left_out;
        if self.left_out {
            self.core.meter.lock().totals.halved += 1;
            return Ok(());
        }
        let started = Instant::now();
        let result = self
            .apply_size()
            .and_then(|()| self.apply_bitrate(frame.pts))
            .and_then(|()| self.encode_sized(frame));
        let took = started.elapsed();
        let now = self.core.clock.now();
        self.core.meter.lock().frame(now, took);
        let deaf = self.deliver();
        if let Err(error) = result {
            return self.recover(error);
        }
        if deaf {
            tracing::debug!("the encoder did not follow its bitrate and is opened anew for it");
            self.deaf = true;
            return self.reopen_at(self.bitrate).or_else(|e| self.recover(e));
        }
        let waiting = self.core.frames.len();
        if let Some(mean) = self.pace.record(now, took, waiting) {
            return self.lower(mean);
        }
        let interval = self.core.format.rate.interval();
        if !self.given_up.is_empty()
            && !self.core.control.half_rate()
            && self.format == self.core.format
            && self.ease.record(now, took, waiting, interval)
        {
            return self.raise();
        }
        Ok(())
    }

    /// Goes over to the size that is wanted.
    fn apply_size(&mut self) -> Result<(), EncodeError> {
        let wanted = wanted_format(&self.core);
        if wanted == self.format || self.only_full {
            return Ok(());
        }
        self.flush()?; // what it still holds has the old size
        self.deliver();
        self.settings = self.settings.at_bitrate(clamped(self.wanted_or_now()));
        self.format = wanted;
        self.close(); // first: some hardware has room for one only
        let Err(error) = self.open() else {
            return Ok(());
        };
        if wanted == self.core.format {
            return Err(error);
        }
        tracing::warn!(error = %in_words(&error), "the encoder does not take small pictures");
        self.only_full = true;
        self.format = self.core.format;
        self.open()
    }

    fn encode_sized(&mut self, frame: &VideoFrame) -> Result<(), EncodeError> {
        if self.format == self.core.format {
            return self.encode_one(frame);
        }
        let small = smaller::shrink(frame, self.format.resolution);
        self.encode_one(small.as_ref().unwrap_or(frame))
    }

    fn encode_one(&mut self, frame: &VideoFrame) -> Result<(), EncodeError> {
        let mut keyframe = self.core.control.take_keyframe();
        // the encoder counts pictures: with every other one left out its keyframes would be twice as far apart
        if self.core.control.half_rate() {
            let since = self.keyframe_at.map(|at| frame.pts.saturating_since(at));
            let interval = Duration::from_secs_f32(self.settings.keyframe_interval);
            keyframe |= since.is_some_and(|since| since >= interval);
        }
        if keyframe {
            self.keyframe_at = Some(frame.pts);
        }
        let before = self.packets.len();
        self.inside(|encoder, packets| encoder.encode(frame, keyframe, packets))?;
        if self.packets.len() > before {
            self.silent = (0, None);
            return Ok(());
        }
        let since = *self.silent.1.get_or_insert_with(Instant::now);
        self.silent.0 += 1;
        if self.silent.0 > held_back(&self.settings, self.format) && since.elapsed() >= SILENCE {
            let millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            return Err(EncodeError::Hangs { millis });
        }
        Ok(())
    }

    /// Calls the encoder under the eyes of the watch.
    fn inside<T>(
        &mut self,
        call: impl FnOnce(&mut dyn VideoEncoder, &mut Vec<EncodedPacket>) -> Result<T, EncodeError>,
    ) -> Result<T, EncodeError> {
        let Some(encoder) = &mut self.encoder else {
            return Err(EncodeError::Stage {
                name: "venc",
                reason: "no encoder is open".to_owned(),
            });
        };
        self.beat.calls.fetch_add(1, Ordering::Relaxed);
        self.beat.busy.store(true, Ordering::Relaxed);
        let done = call(encoder.as_mut(), &mut self.packets);
        self.beat.busy.store(false, Ordering::Relaxed);
        done
    }

    /// What to ask of the encoder. With `zerolatency` x264 spends by the picture, not by the time, so that at half the
    /// frame rate it would make half of the bits.
    fn wanted_bitrate(&self) -> Bitrate {
        let wanted = self.core.control.bitrate();
        if self.core.control.half_rate() && self.settings.tune == Tune::LowLatency {
            return Bitrate::from_bps(wanted.bps().saturating_mul(2));
        }
        wanted
    }

    fn apply_bitrate(&mut self, now: MediaTime) -> Result<(), EncodeError> {
        let wanted = self.wanted_bitrate();
        // a control that was never given a bitrate leaves the settings' one
        if wanted == self.bitrate || wanted == Bitrate::default() {
            return Ok(());
        }
        if !self.deaf {
            let told = self.inside(|encoder, _| encoder.set_bitrate(clamped(wanted)))?;
            match told {
                Reconfigured::Live => {}
                Reconfigured::Unproven => {
                    self.follow = FollowCheck::begin(now, self.bitrate, wanted);
                }
                Reconfigured::NeedsReopen => self.deaf = true,
            }
        }
        if self.deaf {
            if !self.reopens.allow(now, self.bitrate, wanted) {
                return Ok(());
            }
            return self.reopen_at(wanted);
        }
        self.bitrate = wanted;
        Ok(())
    }

    /// Sends what the encoder still holds, and opens it anew at another bitrate; a new encoder begins with a keyframe by
    /// itself.
    fn reopen_at(&mut self, bitrate: Bitrate) -> Result<(), EncodeError> {
        self.flush()?;
        self.deliver();
        self.settings = self.settings.at_bitrate(clamped(bitrate));
        self.close(); // first: some hardware has room for one only
        self.open()?;
        self.bitrate = bitrate;
        Ok(())
    }

    /// Closes the encoder and waits for it, under the eyes of the watch.
    fn close(&mut self) {
        self.beat.calls.fetch_add(1, Ordering::Relaxed);
        self.beat.busy.store(true, Ordering::Relaxed);
        self.encoder = None;
        self.beat.busy.store(false, Ordering::Relaxed);
    }

    fn flush(&mut self) -> Result<(), EncodeError> {
        if self.encoder.is_none() {
            return Ok(());
        }
        self.inside(|encoder, packets| encoder.flush(packets))
    }

    /// Opens an encoder by the settings as they are; the old one is gone then.
    fn open(&mut self) -> Result<(), EncodeError> {
        self.beat.starting.store(true, Ordering::Relaxed);
        self.beat.calls.fetch_add(1, Ordering::Relaxed);
        self.beat.busy.store(true, Ordering::Relaxed);
        let (factory, format) = (Arc::clone(&self.core.factory), self.format);
        let opened = factory(&self.settings, format, next_generation());
        self.beat.busy.store(false, Ordering::Relaxed);
        if let Some(old) = self.encoder.replace(opened?) {
            close(old);
        }
        self.bitrate = Bitrate::from_kbps(self.settings.bitrate_kbps);
        self.follow = None;
        self.silent = (0, None);
        self.pace.reset();
        self.core
            .meter
            .lock()
            .uses(&self.settings, format.resolution);
        Ok(())
    }

    /// The encoder is too slow: a faster preset of it, or the next encoder.
    fn lower(&mut self, mean: Duration) -> Result<(), String> {
        let mut cheaper = select::cheaper(&self.settings);
        let mut given_up = vec![self.settings.preset.clone()];
        // far too slow: two steps
        if mean > 2 * self.core.format.rate.interval()
            && let Some(step) = &cheaper
            && let Some(further) = select::cheaper(step)
        {
            given_up.push(step.preset.clone());
            cheaper = Some(further);
        }
        let mut rung = self.rung;
        if cheaper.is_none() && self.core.is_hardware(rung) {
            rung += 1;
            cheaper = self.core.rung(rung).cloned();
        }
        let Some(settings) = cheaper else {
            return Ok(()); // pictures are skipped, and the engine says so
        };
        let before = title(&self.settings);
        // what it still holds is given up: it would come too late
        self.settings = settings.at_bitrate(clamped(self.wanted_or_now()));
        if rung == self.rung {
            self.given_up.append(&mut given_up);
        }
        self.set_rung(rung);
        self.ease.lowered(self.core.clock.now());
        if let Err(error) = self.open() {
            return self.recover(error);
        }
        let to = title(&self.settings);
        (self.core.listener)(EncoderEvent::Lowered { from: before, to });
        Ok(())
    }

    /// The encoder has had time to spare: the next better of the presets that were given up.
    fn raise(&mut self) -> Result<(), String> {
        let Some(preset) = self.given_up.pop() else {
            return Ok(());
        };
        let before = title(&self.settings);
        self.settings.preset = preset;
        if let Err(error) = self.reopen_at(self.wanted_or_now()) {
            return self.recover(error);
        }
        let to = title(&self.settings);
        (self.core.listener)(EncoderEvent::Raised { from: before, to });
        Ok(())
    }

    fn set_rung(&mut self, rung: usize) {
        if rung != self.rung {
            self.deaf = false;
            self.given_up.clear();
        }
        self.rung = rung;
        self.beat.rung.store(rung as u64, Ordering::Relaxed);
    }

    fn wanted_or_now(&self) -> Bitrate {
        match self.wanted_bitrate() {
            none if none == Bitrate::default() => self.bitrate,
            wanted => wanted,
        }
    }

    /// Puts another encoder in the place of one that failed.
    fn recover(&mut self, error: EncodeError) -> Result<(), String> {
        let (mut latest, from) = (None, self.rung);
        loop {
            if !self.core.holds(self.id) {
                return Ok(()); // the watch was faster
            }
            match self
                .core
                .after(self.rung, latest.as_ref().unwrap_or(&error))
            {
                Next::Same => self.close(),
                Next::Rung(rung) => {
                    let next = self.core.rung(rung).cloned().unwrap_or_default();
                    self.settings = next.at_bitrate(clamped(self.wanted_or_now()));
                    self.set_rung(rung);
                }
                Next::Nothing => {
                    let error = latest.unwrap_or(error);
                    let reason = in_words(&error);
                    (self.core.listener)(EncoderEvent::Failed { error });
                    return Err(reason);
                }
            }
            match self.open() {
                Ok(()) => break,
                Err(e) => latest = Some(e),
            }
        }
        self.core.tell_taken_over(from, self.rung, error);
        Ok(())
    }

    /// Sends what is ready; true when the encoder turned out not to follow its bitrate.
    fn deliver(&mut self) -> bool {
        let mut deaf = false;
        for packet in self.packets.drain(..) {
            if packet.keyframe {
                self.keyframe_at = Some(packet.pts);
            }
            let verdict = self
                .follow
                .as_mut()
                .and_then(|f| f.packet(packet.pts, packet.data.len(), packet.keyframe));
            if let Some(followed) = verdict {
                self.follow = None;
                deaf |= !followed;
            }
            if !self.core.send(self.id, packet) {
                continue;
            }
            self.beat.starting.store(false, Ordering::Relaxed);
        }
        deaf
    }
}

fn wanted_format(core: &Core) -> VideoFormat {
    if core.control.half_size() {
        smaller::halved(core.format)
    } else {
        core.format
    }
}

fn clamped(bitrate: Bitrate) -> Bitrate {
    Bitrate::from_bps(
        bitrate
            .bps()
            .clamp(*BITRATE_BPS.start(), *BITRATE_BPS.end()),
    )
}

/// An encoder with its preset, for people.
fn title(settings: &VideoEncoderSettings) -> String {
    format!("{} {}", settings.encoder, settings.preset)
}

/// Closes an encoder that failed, on a thread of its own: its driver may hang on that, too.
fn close(encoder: Box<dyn VideoEncoder>) {
    let body = |encoder, _: &StopFlag| {
        drop(encoder);
        Ok(())
    };
    let ready = || Ok::<_, std::convert::Infallible>(encoder);
    match spawn("venc-close", &StopFlag::new(), ready, body, |_| {}) {
        Ok(handle) => drop(handle),
        Err(e) => tracing::warn!(error = %e, "no thread to close the old encoder"),
    }
}
