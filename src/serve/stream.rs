//! One live stream: a publisher's messages in; units for RTMP players and fragments for browsers out, each with the
//! newest group of pictures for those who come later.
//!
//! [`Publication`] belongs to the publisher's task and does the work; [`Stream`] is what everybody else sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;

use super::codec::{self, AudioBody, VideoBody};
use super::fanout::{Fanout, Subscription, Unit};
use super::meter::Meter;
use super::timeline::{Placed, Timeline};
use crate::encode::fmp4::{Fmp4Muxer, Sample, codec_string};
use crate::flv::tag::{FlvTag, TagKind};
use crate::media::packet::{CodecParameters, Track};

/// A publisher with sound alone gets its MP4 after this much of it; until then a picture may still come.
const SOUND_ALONE_AFTER: Duration = Duration::from_secs(2);

/// A piece of a fragmented MP4: the init segment or one fragment.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    /// Whole boxes.
    pub(super) data: Bytes,
    starts_gop: bool,
}

impl Unit for Fragment {
    fn size(&self) -> usize {
        self.data.len()
    }

    fn starts_gop(&self) -> bool {
        self.starts_gop
    }
}

/// A message for RTMP players.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// As it came.
    pub(super) tag: FlvTag,
    starts_gop: bool,
}

impl Unit for Message {
    fn size(&self) -> usize {
        self.tag.body.len()
    }

    fn starts_gop(&self) -> bool {
        self.starts_gop
    }
}

/// What a stream consists of and how it does. The watch page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamStats {
    /// The stream's name: in most set-ups it is the key; do not log it.
    #[serde(skip)]
    pub name: String,
    /// Picture width, 0 without a picture.
    pub width: u32,
    /// Picture height, 0 without a picture.
    pub height: u32,
    /// RFC 6381 name of the picture's codec, "" without one.
    pub video_codec: String,
    /// RFC 6381 name of the sound's codec, "" without one.
    pub audio_codec: String,
    /// Measured kbit/s (1000 bits) of the picture.
    pub video_kbps: u32,
    /// Measured kbit/s (1000 bits) of the sound.
    pub audio_kbps: u32,
    /// Measured pictures per second.
    pub fps: f64,
    /// Watch pages and RTMP players now.
    pub viewers: usize,
    /// Units that slow viewers lost.
    pub dropped: u64,
    /// Seconds since the publisher began.
    pub uptime_s: u64,
    /// Decode time of the newest picture or sound, in the MP4's milliseconds.
    pub newest_ms: i64,
    /// Why browsers cannot play it; "" when they can.
    pub problem: String,
}

/// A stream as viewers see it.
#[derive(Debug)]
pub(super) struct Stream {
    name: String,
    started: Instant,
    state: Mutex<State>,
    /// Milliseconds; see [`StreamStats::newest_ms`].
    newest_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    metadata: Option<FlvTag>,
    video: Option<Header>,
    audio: Option<Header>,
    messages: Fanout<Message>,
    mp4: Option<Mp4>,
    problem: &'static str,
    meter: Meter,
}

/// A sequence header as it came, and what it says (`None`: it is broken).
#[derive(Debug, Clone)]
struct Header {
    tag: FlvTag,
    parameters: Option<Arc<CodecParameters>>,
}

/// The MP4 of one set of codec parameters. When they change its viewers are sent away, and come back by themselves.
#[derive(Debug)]
struct Mp4 {
    init: Fragment,
    content_type: Arc<str>,
    fragments: Fanout<Fragment>,
}

impl Stream {
    pub(super) fn new(name: &str, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            started: now,
            state: Mutex::default(),
            newest_ms: AtomicU64::new(0),
        }
    }

    /// Fragments from the init segment on, and their content type; `None` while there is nothing to play.
    pub(super) fn watch(&self, now: Instant) -> Option<(Arc<str>, Subscription<Fragment>)> {
        let mut state = self.state.lock();
        let mp4 = state.mp4.as_mut()?;
        let init = mp4.init.clone();
        Some((
            Arc::clone(&mp4.content_type),
            mp4.fragments.join([init], now),
        ))
    }

    /// Messages from the headers on, for an RTMP player.
    pub(super) fn play(&self, now: Instant) -> Subscription<Message> {
        let mut state = self.state.lock();
        let headers: Vec<Message> = [
            state.metadata.clone(),
            state.video.as_ref().map(|h| h.tag.clone()),
            state.audio.as_ref().map(|h| h.tag.clone()),
        ]
        .into_iter()
        .flatten()
        .map(|tag| Message {
            tag,
            starts_gop: false,
        })
        .collect();
        state.messages.join(headers, now)
    }

    /// Figures as of now.
    pub(super) fn stats(&self, now: Instant) -> StreamStats {
        let mut state = self.state.lock();
        let rates = state.meter.rates(now);
        let parameters =
            |header: &Option<Header>| header.as_ref().and_then(|h| h.parameters.clone());
        let (video, audio) = (parameters(&state.video), parameters(&state.audio));
        let broken = [&state.video, &state.audio]
            .into_iter()
            .flatten()
            .any(|header| header.parameters.is_none());
        let resolution = match video.as_deref() {
            Some(CodecParameters::H264 { resolution, .. }) => Some(*resolution),
            _ => None,
        };
        let name =
            |p: Option<Arc<CodecParameters>>| p.and_then(|p| codec_string(&p)).unwrap_or_default();
        let mp4 = state.mp4.as_ref().map(|m| &m.fragments);
        StreamStats {
            name: self.name.clone(),
            width: resolution.map_or(0, |r| r.width),
            height: resolution.map_or(0, |r| r.height),
            video_codec: name(video),
            audio_codec: name(audio),
            video_kbps: rates.video_kbps,
            audio_kbps: rates.audio_kbps,
            fps: rates.fps,
            viewers: state.messages.viewers() + mp4.map_or(0, Fanout::viewers),
            dropped: state.messages.dropped() + mp4.map_or(0, Fanout::dropped),
            uptime_s: now.saturating_duration_since(self.started).as_secs(),
            newest_ms: self.newest_ms.load(Ordering::Relaxed).cast_signed(),
            problem: if broken {
                "the publisher's codec header is broken".to_owned()
            } else {
                state.problem.to_owned()
            },
        }
    }
}

/// The publisher's side of a [`Stream`]. Its viewers are sent away when it is dropped.
#[derive(Debug)]
pub(super) struct Publication {
    stream: Arc<Stream>,
    timeline: Timeline,
    muxer: Option<Fmp4Muxer>,
    /// The muxer refused these parameters; not tried again until they change.
    unplayable: bool,
    video: Option<Arc<CodecParameters>>,
    audio: Option<Arc<CodecParameters>>,
    /// When sound began while there was no picture.
    sound_since: Option<Instant>,
}

impl Publication {
    pub(super) const fn new(stream: Arc<Stream>) -> Self {
        Self {
            stream,
            timeline: Timeline::new(),
            muxer: None,
            unplayable: false,
            video: None,
            audio: None,
            sound_since: None,
        }
    }

    /// Takes `onMetaData` (the body begins with that name).
    pub(super) fn metadata(&self, body: Bytes, now: Instant) {
        let tag = FlvTag {
            kind: TagKind::Script,
            timestamp_ms: 0,
            header: true,
            keyframe: false,
            body,
        };
        let mut state = self.stream.state.lock();
        state.metadata = Some(tag.clone());
        let message = Message {
            tag,
            starts_gop: false,
        };
        state.messages.push(&message, now);
    }

    /// Takes a video message.
    pub(super) fn video(&mut self, timestamp_ms: u32, body: Bytes, now: Instant) {
        let content = codec::video(&body);
        let tag = FlvTag {
            kind: TagKind::Video,
            timestamp_ms,
            header: matches!(content, VideoBody::Header(_)),
            keyframe: matches!(content, VideoBody::Frame { keyframe: true, .. }),
            body,
        };
        match content {
            VideoBody::Header(avcc) => {
                let parameters = codec::h264_parameters(&avcc).map(Arc::new);
                self.header(tag, parameters, now);
            }
            VideoBody::Frame {
                keyframe,
                offset_ms,
                data,
            } => {
                let placed = self.timeline.video(timestamp_ms, offset_ms);
                if keyframe && self.muxer.is_none() {
                    self.open_muxer();
                }
                let fragment = self.mux(Track::Video, placed, keyframe, &data);
                self.publish(tag, keyframe, fragment, placed, now);
            }
            VideoBody::Nothing => {}
            VideoBody::Unsupported => {
                self.unsupported("the picture is not H.264", &tag, now);
            }
        }
    }

    /// Takes an audio message.
    pub(super) fn audio(&mut self, timestamp_ms: u32, body: Bytes, now: Instant) {
        let content = codec::audio(&body);
        let tag = FlvTag {
            kind: TagKind::Audio,
            timestamp_ms,
            header: matches!(content, AudioBody::Header(_)),
            keyframe: false,
            body,
        };
        match content {
            AudioBody::Header(asc) => {
                let parameters = codec::aac_parameters(&asc).map(Arc::new);
                self.header(tag, parameters, now);
            }
            AudioBody::Frame(data) => {
                let Some(CodecParameters::Aac { sample_rate, .. }) = self.audio.as_deref() else {
                    return;
                };
                let placed = self.timeline.audio(timestamp_ms, *sample_rate);
                let alone = self.video.is_none();
                if alone && self.muxer.is_none() {
                    let since = *self.sound_since.get_or_insert(now);
                    if now.saturating_duration_since(since) >= SOUND_ALONE_AFTER {
                        self.open_muxer();
                    }
                }
                let fragment = self.mux(Track::Audio, placed, alone, &data);
                self.publish(tag, alone, fragment, placed, now);
            }
            AudioBody::Nothing => {}
            AudioBody::Unsupported => self.unsupported("the sound is not AAC", &tag, now),
        }
    }

    /// A sequence header. Pushers repeat it; only a new one matters.
    fn header(&mut self, tag: FlvTag, parameters: Option<Arc<CodecParameters>>, now: Instant) {
        let video = tag.kind == TagKind::Video;
        let old = if video { &self.video } else { &self.audio };
        let changed = *old != parameters;
        let mut state = self.stream.state.lock();
        if changed {
            state.mp4 = None;
            state.problem = "";
        }
        let header = Header {
            tag: tag.clone(),
            parameters: parameters.clone(),
        };
        if video {
            state.video = Some(header);
        } else {
            state.audio = Some(header);
        }
        let message = Message {
            tag,
            starts_gop: false,
        };
        state.messages.push(&message, now);
        drop(state);
        if changed {
            self.muxer = None;
            self.unplayable = false;
            if video {
                self.video = parameters;
            } else {
                self.audio = parameters;
            }
        }
    }

    /// A codec that only RTMP players may understand.
    fn unsupported(&self, problem: &'static str, tag: &FlvTag, now: Instant) {
        let mut state = self.stream.state.lock();
        state.problem = problem;
        let message = Message {
            tag: tag.clone(),
            starts_gop: false,
        };
        state.messages.push(&message, now);
    }

    fn open_muxer(&mut self) {
        if self.unplayable {
            return;
        }
        let tracks: Vec<&CodecParameters> = [&self.video, &self.audio]
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
            .collect();
        if tracks.is_empty() {
            return;
        }
        let names: Vec<String> = tracks.iter().filter_map(|t| codec_string(t)).collect();
        match Fmp4Muxer::open(&tracks) {
            Ok((muxer, init)) => {
                self.muxer = Some(muxer);
                let kind = if self.video.is_some() {
                    "video"
                } else {
                    "audio"
                };
                self.stream.state.lock().mp4 = Some(Mp4 {
                    init: Fragment {
                        data: init,
                        starts_gop: false,
                    },
                    content_type: format!("{kind}/mp4; codecs=\"{}\"", names.join(", ")).into(),
                    fragments: Fanout::default(),
                });
            }
            Err(error) => self.give_up_muxing(&error),
        }
    }

    fn give_up_muxing(&mut self, error: &crate::encode::EncodeError) {
        tracing::warn!(%error, "the stream has no watch page");
        self.unplayable = true;
        self.muxer = None;
        let mut state = self.stream.state.lock();
        state.mp4 = None;
        state.problem = "the stream cannot be packed for browsers";
    }

    fn mux(
        &mut self,
        track: Track,
        placed: Placed,
        keyframe: bool,
        data: &Bytes,
    ) -> Option<Fragment> {
        let known = match track {
            Track::Video => self.video.is_some(),
            Track::Audio | Track::Input(_) => self.audio.is_some(),
        };
        let muxer = self.muxer.as_mut().filter(|_| known)?;
        let sample = Sample {
            track,
            pts: placed.pts,
            dts: placed.dts,
            duration: placed.duration,
            keyframe: keyframe || track == Track::Audio,
            data,
        };
        match muxer.write(&sample) {
            Ok(data) => Some(Fragment {
                data,
                starts_gop: keyframe,
            }),
            Err(error) => {
                self.give_up_muxing(&error);
                None
            }
        }
    }

    fn publish(
        &self,
        tag: FlvTag,
        starts_gop: bool,
        fragment: Option<Fragment>,
        placed: Placed,
        now: Instant,
    ) {
        let track = if tag.kind == TagKind::Video {
            Track::Video
        } else {
            Track::Audio
        };
        let newest = placed.dts.as_millis().max(0).cast_unsigned();
        self.stream.newest_ms.fetch_max(newest, Ordering::Relaxed);
        let mut state = self.stream.state.lock();
        state.meter.count(track, tag.body.len(), now);
        state.messages.push(&Message { tag, starts_gop }, now);
        if let (Some(mp4), Some(fragment)) = (state.mp4.as_mut(), fragment) {
            mp4.fragments.push(&fragment, now);
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        // Dropping the senders is what tells the viewers.
        let mut state = self.stream.state.lock();
        state.mp4 = None;
        state.messages = Fanout::default();
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
