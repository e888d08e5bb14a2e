//! Microphones and desktop sound of a PulseAudio server, or of PipeWire in its place.
//!
//! Spoken to directly rather than through cpal 0.18, whose PulseAudio host asks the server for a buffer of one piece:
//! under load the server drops what does not fit (8 % at 10 ms), and says so to nobody; an unplugged microphone becomes
//! desktop sound without a word; and waiting for the first sample of a silent source has no end. Here the server keeps
//! up to 4 MB for us, the stream may not be moved, and every wait has an end.
//!
//! Time: a few times a second the server is asked which sample it captures at present. From that follows when the
//! stream's first sample was captured, and so each block's time by counting, without the jitter of its delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, Prop, Props, PulseError, RecordLatency, RecordStreamParams, SampleFormat,
    SampleSpec, SourceInfo,
};
use pulseaudio::{ClientError, RecordStream};

use super::flow::Flow;
use super::names::{self, Label};
use super::server::{ANSWER_WITHIN, Server, text, within};
use super::{
    AudioDevice, Opened, PIECES_PER_S, Report, SoundKind, SourceContext, SourceError, Wanted,
};
use crate::media::audio::AudioFormat;
use crate::media::ring::AudioSink;
use crate::media::time::{MediaClock, MediaTime, SourceClock, duration_nanos};
use crate::stage::StopFlag;

/// How often it is asked for the time: at first, until [`Origin`] is known, and later.
const ASK_FIRST: Duration = Duration::from_millis(20);
const ASK_LATER: Duration = Duration::from_millis(200);
/// How often it is asked whether its default is another one.
const FOLLOW_EACH: Duration = Duration::from_secs(1);
/// Answers whose median counts.
const ANSWERS: usize = 5;
/// An answer that took longer than this says little about the time.
const SLOW_ANSWER: Duration = Duration::from_millis(40);
/// An answer this far from the median means that the stream had paused.
const PAUSED: Duration = Duration::from_millis(100);
/// Of more channels the server makes so many.
const LARGEST_CHANNELS: u8 = 2;

/// A source of the server.
struct Source {
    info: SourceInfo,
    label: Label,
}

impl Server {
    /// Lists sources, monitors of sinks (desktop sound) included.
    pub(super) fn list(&self) -> Vec<AudioDevice> {
        let sources = self.sources();
        let defaults = [SoundKind::Microphone, SoundKind::Desktop].map(|kind| {
            let found = self.default_name(kind).and_then(|name| {
                let is_it = |s: &&Source| s.is_default(kind, &name);
                sources.iter().find(is_it).map(|s| s.label.id.clone())
            });
            found.unwrap_or_default()
        });
        let describe = |source: Source| AudioDevice {
            default: defaults.contains(&source.label.id),
            format: names::words(source.native()),
            kind: source.kind(),
            name: source.label.name,
            id: source.label.id,
        };
        sources.into_iter().map(describe).collect()
    }

    fn sources(&self) -> Vec<Source> {
        let Some(Ok(infos)) = within(ANSWER_WITHIN, self.client.list_sources()) else {
            return Vec::new();
        };
        let mut sources: Vec<Source> = infos.into_iter().map(Source::new).collect();
        names::tell_apart(&mut sources.iter_mut().map(|s| &mut s.label).collect::<Vec<_>>());
        sources
    }

    /// Desktop sound is no microphone: without one the server calls that its default, and a person who chose nothing
    /// would broadcast what the machine plays. A part of a name does not lead there either; its full name does, as
    /// then somebody has asked for it.
    fn find(&self, wanted: &Wanted) -> Result<Source, SourceError> {
        let mut sources = self.sources();
        let Wanted { kind, device } = wanted;
        let Some(name) = device else {
            let name = self.default_name(*kind).ok_or_else(|| wanted.not_found())?;
            let mut sources = sources.into_iter();
            let found = sources.find(|s| s.is_default(*kind, &name));
            return found.ok_or_else(|| wanted.not_found());
        };
        let labels: Vec<&Label> = sources.iter().map(|s| &s.label).collect();
        let sink = sources.iter().position(|s| s.sink().as_ref() == Some(name));
        let exact = names::exactly(name, &labels).or(sink);
        if let Some(chosen) = exact {
            return Ok(sources.swap_remove(chosen));
        }
        sources.retain(|s| s.kind() == *kind);
        let labels: Vec<&Label> = sources.iter().map(|s| &s.label).collect();
        match names::choose(name, &labels) {
            Ok(chosen) => Ok(sources.swap_remove(chosen)),
            Err(SourceError::NotFound { .. }) => Err(wanted.not_found()),
            Err(several) => Err(several),
        }
    }

    /// Opens what `wanted` says, reports, cares for the stream until told to stop; a default is followed when it
    /// changes. On the thread `mic`.
    pub(super) fn run(
        &self,
        wanted: &Wanted,
        cx: &SourceContext,
        flow: &Arc<Flow>,
        report: &Report,
        stop: &StopFlag,
    ) -> Result<(), String> {
        while !stop.is_stopped() {
            let source = match self.find(wanted) {
                Ok(source) => source,
                Err(error) => {
                    flow.lose();
                    return report.failed(error);
                }
            };
            let origin = Arc::new(Origin::default());
            let stream = match self.open(&source, cx, flow, &origin) {
                Ok((stream, opened)) => {
                    report.opened(opened);
                    stream
                }
                Err(error) => {
                    flow.lose();
                    return report.failed(error);
                }
            };
            let mut asked = cx.clock.now();
            let moved = || {
                let now = cx.clock.now();
                if wanted.device.is_some() || now.saturating_since(asked) < FOLLOW_EACH {
                    return false;
                }
                asked = now;
                let name = self.default_name(wanted.kind);
                name.is_some_and(|name| !source.is_default(wanted.kind, &name))
            };
            let watched = watch(&stream, source.format(), cx.clock, &origin, stop, moved);
            if let Err(reason) = watched {
                tracing::debug!(source = source.label.name, reason, "sound stream ended");
                flow.lose();
                return Err(reason);
            }
        }
        Ok(())
    }

    fn open(
        &self,
        source: &Source,
        cx: &SourceContext,
        flow: &Arc<Flow>,
        origin: &Arc<Origin>,
    ) -> Result<(RecordStream, Opened), SourceError> {
        let name = &source.label.name;
        let format = source.format();
        let sink = super::open_sink(cx, format, name)?;
        let mut capture = Capture {
            sink,
            clock: cx.clock,
            flow: Arc::clone(flow),
            origin: Arc::clone(origin),
            stamps: SourceClock::for_audio(),
            taken: 0,
        };
        let created = self
            .client
            .create_record_stream(source.params(), move |data: &[u8]| capture.take(data));
        let stream = match within(ANSWER_WITHIN, created) {
            Some(Ok(stream)) => stream,
            Some(Err(e)) => return Err(error(name, e)),
            None => return Err(stalled(name)),
        };
        let opened = Opened {
            name: name.clone(),
            format,
            may_be_silent: source.kind() == SoundKind::Desktop,
            output: source.sink(),
        };
        Ok((stream, opened))
    }
}

impl Source {
    fn new(info: SourceInfo) -> Self {
        let id = text(&info.name);
        let name = info.description.as_deref().map_or_else(|| id.clone(), text);
        Self {
            info,
            label: Label { name, id },
        }
    }

    /// It records what the machine plays, or not.
    const fn kind(&self) -> SoundKind {
        let info = &self.info;
        if info.monitor_of_sink_index.is_some() || info.monitor_of_sink_name.is_some() {
            SoundKind::Desktop
        } else {
            SoundKind::Microphone
        }
    }

    /// The output it records.
    fn sink(&self) -> Option<String> {
        self.info.monitor_of_sink_name.as_deref().map(text)
    }

    /// It is the default of its kind, which the server calls `name`.
    fn is_default(&self, kind: SoundKind, name: &str) -> bool {
        self.kind() == kind
            && match kind {
                SoundKind::Microphone => self.label.id == name,
                SoundKind::Desktop => self.sink().is_some_and(|sink| sink == name),
            }
    }

    /// What the hardware delivers.
    fn native(&self) -> AudioFormat {
        AudioFormat {
            rate: self.info.sample_spec.sample_rate,
            channels: u16::from(self.info.sample_spec.channels),
        }
    }

    /// What we ask for: the same, but of more than two channels the server, which knows where they stand, makes two.
    fn format(&self) -> AudioFormat {
        let native = self.native();
        AudioFormat {
            rate: native.rate,
            channels: native.channels.clamp(1, LARGEST_CHANNELS.into()),
        }
    }

    fn params(&self) -> RecordStreamParams {
        let format = self.format();
        let mono = format.channels == 1;
        let frame_bytes = u32::from(format.channels) * 4;
        let mut props = Props::new();
        props.set(Prop::MediaName, c"live sound");
        RecordStreamParams {
            sample_spec: SampleSpec {
                format: SampleFormat::Float32Le,
                channels: if mono { 1 } else { LARGEST_CHANNELS },
                sample_rate: format.rate,
            },
            channel_map: if mono {
                ChannelMap::mono()
            } else {
                ChannelMap::stereo()
            },
            source_index: Some(self.info.index),
            buffer_attr: BufferAttr {
                fragment_size: (format.rate / PIECES_PER_S).max(1) * frame_bytes,
                ..BufferAttr::default()
            },
            flags: StreamFlags {
                start_corked: true,
                adjust_latency: true,
                no_move: true,
                ..StreamFlags::default()
            },
            props,
            ..RecordStreamParams::default()
        }
    }
}

/// Lets the stream run, keeps its time, and sees that it is still there: the error says why not. Ends without one when
/// told to stop, or when `moved` says that another source is to be opened.
fn watch(
    stream: &RecordStream,
    format: AudioFormat,
    clock: MediaClock,
    origin: &Origin,
    stop: &StopFlag,
    mut moved: impl FnMut() -> bool,
) -> Result<(), String> {
    let answer = |answer: Option<Result<_, ClientError>>| match answer {
        Some(result) => result.map_err(|e| e.to_string()),
        None => Err("the sound server does not answer".to_owned()),
    };
    if let Some(Err(error)) = within(ANSWER_WITHIN, stream.uncork()) {
        return Err(error.to_string());
    }
    let mut answers = Answers::default();
    let mut pause = ASK_FIRST;
    let mut slow = 0;
    while !stop.sleep(pause) {
        let asked = clock.now();
        let timing: RecordLatency = answer(within(ANSWER_WITHIN, stream.timing_info()))?;
        let trip = clock.now().nanos_since(asked);
        let now = asked.offset_nanos(trip / 2);
        let flows = timing.playing && timing.write_offset > 0;
        // on a busy machine the answer may lie about for long, and nobody knows on which way
        slow = if trip > duration_nanos(SLOW_ANSWER) {
            slow + 1
        } else {
            0
        };
        let good = slow == 0 || (origin.get().is_none() && slow > ANSWERS);
        if flows
            && good
            && let Some(at) = answers.add(first_sample(&timing, format, now))
        {
            origin.set(at);
        }
        pause = match origin.get() {
            None if flows => ASK_FIRST,
            _ => ASK_LATER,
        };
        if moved() {
            break;
        }
    }
    Ok(())
}

/// When the stream's first sample was captured, or for desktop sound: heard. As `pa_stream_get_time` of libpulse: at
/// `now` the device is at what the server has written for us, and what it still holds, less what is yet to be heard.
fn first_sample(timing: &RecordLatency, format: AudioFormat, now: MediaTime) -> MediaTime {
    let frame_bytes = u64::from(format.channels) * 4;
    let written = u64::try_from(timing.write_offset).unwrap_or(0) / frame_bytes;
    let written = format.duration_of(usize::try_from(written).unwrap_or(usize::MAX));
    let held = Duration::from_micros(timing.source_usec);
    let unheard = Duration::from_micros(timing.sink_usec);
    now - written - held + unheard
}

/// The last few answers about the stream's first sample.
#[derive(Debug, Default)]
struct Answers {
    last: [i64; ANSWERS],
    count: usize,
}

impl Answers {
    /// Takes one; returns the median once there are enough.
    fn add(&mut self, origin: MediaTime) -> Option<MediaTime> {
        if let Some(median) = self.median()
            && origin.nanos_since(median).abs() > duration_nanos(PAUSED)
        {
            *self = Self {
                last: [origin.as_nanos(); ANSWERS],
                count: ANSWERS,
            };
            return Some(origin);
        }
        self.last[self.count % ANSWERS] = origin.as_nanos();
        self.count += 1;
        self.median()
    }

    fn median(&self) -> Option<MediaTime> {
        if self.count < ANSWERS {
            return None;
        }
        let mut sorted = self.last;
        sorted.sort_unstable();
        Some(MediaTime::from_nanos(sorted[ANSWERS / 2]))
    }
}

/// The time of the stream's first sample, from the thread that asks to the callback that counts.
#[derive(Debug)]
struct Origin(AtomicI64);

impl Default for Origin {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Origin {
    fn set(&self, t: MediaTime) {
        self.0.store(t.as_nanos(), Ordering::Relaxed);
    }

    fn get(&self) -> Option<MediaTime> {
        let ns = self.0.load(Ordering::Relaxed);
        (ns != i64::MIN).then_some(MediaTime::from_nanos(ns))
    }
}

/// The state of the data callback, on the crate's reactor thread.
struct Capture {
    sink: AudioSink,
    clock: MediaClock,
    flow: Arc<Flow>,
    origin: Arc<Origin>,
    stamps: SourceClock,
    /// Frames since the stream's start.
    taken: u64,
}

impl Capture {
    fn take(&mut self, data: &[u8]) {
        if self.flow.is_closed() {
            return;
        }
        self.flow.block(self.clock.now());
        let format = self.sink.format();
        let samples = data.as_chunks::<4>().0;
        let frames = samples.len() / usize::from(format.channels);
        let position = format.duration_of(usize::try_from(self.taken).unwrap_or(usize::MAX));
        self.taken += frames as u64;
        // what comes before the time is known, a tenth of a second, is left out
        let Some(origin) = self.origin.get() else {
            return;
        };
        let stamp = origin + position;
        let length = format.duration_of(frames);
        let pts = self.stamps.map(stamp.as_nanos(), stamp, length).pts;
        let pushed = self.sink.push_with(pts, samples.len(), |to, from| {
            for (sample, bytes) in to.iter_mut().zip(&samples[from..]) {
                *sample = f32::from_le_bytes(*bytes);
            }
        });
        if !pushed {
            self.flow.refuse();
        }
    }
}

fn stalled(name: &str) -> SourceError {
    SourceError::Stalled {
        what: name.to_owned(),
        seconds: ANSWER_WITHIN.as_secs(),
    }
}

/// The server's answer about a source, in our terms.
fn error(name: &str, error: ClientError) -> SourceError {
    let what = name.to_owned();
    match error {
        ClientError::ServerError(PulseError::NoEntity) => SourceError::NotFound { what },
        ClientError::ServerError(PulseError::AccessDenied | PulseError::AuthKey) => {
            SourceError::Denied { what }
        }
        ClientError::ServerError(PulseError::Busy) => SourceError::Busy { what },
        ClientError::Disconnected | ClientError::Io(_) => SourceError::Lost { what },
        error => SourceError::Failed {
            what: format!("opening {name}"),
            source: Box::new(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: AudioFormat = AudioFormat::ENGINE;

    fn timing(written_ms: i64, source_ms: u64, sink_ms: u64) -> RecordLatency {
        RecordLatency {
            sink_usec: sink_ms * 1000,
            source_usec: source_ms * 1000,
            playing: true,
            local_time: std::time::UNIX_EPOCH,
            remote_time: std::time::UNIX_EPOCH,
            write_offset: written_ms * 48 * 8,
            read_offset: 0,
        }
    }

    #[test]
    fn the_first_samples_time_follows_from_the_servers_figures() {
        let now = MediaTime::from_millis(10_000);
        let at = |t| first_sample(&t, STEREO, now).as_millis();
        assert_eq!(at(timing(3_000, 0, 0)), 7_000);
        // 15 ms lie in the device: the sample captured now is number 3,015
        assert_eq!(at(timing(3_000, 15, 0)), 6_985);
        // desktop sound that will be heard in 40 ms
        assert_eq!(at(timing(3_000, 0, 40)), 7_040);
    }

    #[test]
    fn the_median_counts_and_a_pause_is_followed_at_once() {
        let mut answers = Answers::default();
        let mut add = |ms| {
            answers
                .add(MediaTime::from_millis(ms))
                .map(MediaTime::as_millis)
        };
        assert_eq!(add(1000), None);
        assert_eq!(add(1020), None);
        assert_eq!(add(999), None);
        assert_eq!(add(1001), None);
        assert_eq!(add(990), Some(1000));
        assert_eq!(add(1002), Some(1001));
        assert_eq!(add(5000), Some(5000));
        assert_eq!(add(5001), Some(5000));
    }
}
