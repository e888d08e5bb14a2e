//! Encoders that err, hang, swallow pictures or are too slow, in the stage as it runs in a show: the next one takes over.
//! Real encoders, spoilt at a given picture; the stage's own watch; 30 pictures a second of real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TrySendError, bounded};
use kaibo::encode::stage::{
    EncoderControl, EncoderEvent, EncoderFactory, VideoEncodeConfig, VideoEncodeStage,
};
use kaibo::encode::{
    AudioEncoder, AudioEncoderSettings, EncodeError, Reconfigured, VideoEncoder,
    VideoEncoderSettings, VideoFormat, open_audio, open_video,
};
use kaibo::media::audio::{AudioBlock, AudioFormat};
use kaibo::media::packet::{Bitrate, EncodedPacket, PacketBus, PacketSink};
use kaibo::media::time::{FrameRate, MediaClock, MediaTime};
use kaibo::media::video::VideoFrame;
use parking_lot::Mutex;

use super::video::decode_video;
use super::{SMALL, picture};

/// How an encoder falls ill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Illness {
    /// An error at each picture from this one on.
    Errs(u64),
    /// It does not come back from this picture for a while.
    Hangs(u64),
    /// It takes pictures from this one on and gives nothing.
    Swallows(u64),
    /// It takes three times as long as there is.
    Slow(u64),
    /// The same, until this picture: the machine has other things to do.
    Busy(u64, u64),
    /// It panics.
    Panics(u64),
    /// It cannot even be opened.
    Closed,
}

struct Ill {
    inner: Box<dyn VideoEncoder>,
    illness: Illness,
    slow: bool,
}

impl VideoEncoder for Ill {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        match self.illness {
            Illness::Errs(at) if frame.seq >= at => {
                return Err(EncodeError::Codec {
                    what: "encoding a picture",
                    source: ffmpeg_next::Error::External,
                });
            }
            Illness::Hangs(at) if frame.seq >= at => std::thread::sleep(Duration::from_secs(4)),
            Illness::Swallows(at) if frame.seq >= at => return Ok(()),
            Illness::Panics(at) if frame.seq >= at => panic!("the driver lost its mind"),
            Illness::Busy(from, to) if (from..to).contains(&frame.seq) && self.slow => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Illness::Slow(at) if frame.seq >= at && self.slow => {
                std::thread::sleep(Duration::from_millis(100));
            }
            _ => {}
        }
        self.inner.encode(frame, keyframe, out)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError> {
        self.inner.set_bitrate(bitrate)
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.inner.flush(out)
    }
}

/// Opens libx264 under whatever name is asked for: `nvenc` falls ill, and so does `x264` before preset "ultrafast" when
/// it is to be slow.
fn spoilt(illness: Illness) -> EncoderFactory {
    Arc::new(move |settings, format, generation| {
        let is_hardware = settings.encoder == "nvenc";
        if is_hardware && illness == Illness::Closed {
            return Err(EncodeError::Missing {
                name: "h264_nvenc".to_owned(),
                hint: "",
            });
        }
        let real = VideoEncoderSettings {
            encoder: "x264".to_owned(),
            preset: if is_hardware {
                "ultrafast".to_owned()
            } else {
                settings.preset.clone()
            },
            ..settings.clone()
        };
        let inner = open_video(&real, format, generation)?;
        let slow = is_hardware || settings.preset != "ultrafast";
        if is_hardware || matches!(illness, Illness::Slow(_) | Illness::Busy(..)) {
            return Ok(Box::new(Ill {
                inner,
                illness,
                slow,
            }));
        }
        Ok(inner)
    })
}

struct Sink(Mutex<Vec<(Instant, EncodedPacket)>>);

impl PacketSink for Sink {
    fn push(&self, packet: &EncodedPacket) {
        self.0.lock().push((Instant::now(), packet.clone()));
    }
}

pub(crate) struct Show {
    packets: Vec<(Instant, EncodedPacket)>,
    events: Vec<EncoderEvent>,
    skipped: u64,
}

/// Silence, encoded, for an output that interleaves.
struct Silence {
    encoder: Box<dyn AudioEncoder>,
    output: Option<Arc<dyn PacketSink>>,
    blocks: u64,
}

impl Silence {
    fn new(output: Option<Arc<dyn PacketSink>>) -> Self {
        Self {
            encoder: open_audio(&AudioEncoderSettings::default(), 0).unwrap(),
            output,
            blocks: 0,
        }
    }

    fn until(&mut self, time: MediaTime) {
        let Some(output) = &self.output else { return };
        let start = picture(0, SMALL, 0).pts;
        let mut out = Vec::new();
        loop {
            let pts = start + Duration::from_nanos(self.blocks * 1024 * 1_000_000_000 / 48_000);
            if pts > time {
                break;
            }
            let block = AudioBlock {
                pts,
                samples: vec![0.0; self.encoder.frame_size() * 2].into(),
                format: AudioFormat::ENGINE,
            };
            self.encoder.encode(&block, &mut out).unwrap();
            self.blocks += 1;
        }
        for packet in out {
            output.push(&packet);
        }
    }
}

/// A show of `pictures` at 30 a second, with the policy of the render stage: a full queue skips the picture.
fn show(ladder: &[(&str, &str)], illness: Illness, pictures: u64) -> Show {
    show_to(None, ladder, illness, pictures)
}

/// The same with one more listener, which gets silence as sound besides.
pub(crate) fn show_to(
    output: Option<Arc<dyn PacketSink>>,
    ladder: &[(&str, &str)],
    illness: Illness,
    pictures: u64,
) -> Show {
    let ladder: Vec<_> = ladder
        .iter()
        .map(|(encoder, preset)| VideoEncoderSettings {
            encoder: (*encoder).to_owned(),
            preset: (*preset).to_owned(),
            ..Default::default()
        })
        .collect();
    let (frames, frames_rx) = bounded(3);
    let (events_tx, events): (_, Receiver<EncoderEvent>) = bounded(20);
    let bus = Arc::new(PacketBus::new());
    let sink = Arc::new(Sink(Mutex::default()));
    let as_sink: Arc<dyn PacketSink> = Arc::<Sink>::clone(&sink);
    bus.attach(&as_sink);
    if let Some(output) = &output {
        bus.attach(output);
    }
    let mut sound = Silence::new(output);
    let config = VideoEncodeConfig {
        settings: ladder[0].clone(),
        format: VideoFormat {
            resolution: SMALL,
            rate: FrameRate::FPS_30,
        },
        background: false,
        clock: MediaClock::start(),
        frames: frames_rx,
        control: Arc::new(EncoderControl::new(Bitrate::from_kbps(2500))),
        bus,
        listener: Arc::new(move |event| events_tx.try_send(event).unwrap()),
    };
    let stage = VideoEncodeStage::start_ladder(config, ladder, spoilt(illness)).unwrap();
    let mut skipped = 0;
    let began = Instant::now();
    for i in 0..pictures {
        let due = began + FrameRate::FPS_30.interval() * u32::try_from(i).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let picture = picture(i, SMALL, 0);
        sound.until(picture.pts);
        match frames.try_send(picture) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => skipped += 1,
            Err(TrySendError::Disconnected(_)) => break,
        }
    }
    drop(frames);
    assert!(stage.join_until(Instant::now() + Duration::from_secs(3)));
    let packets = std::mem::take(&mut *sink.0.lock());
    Show {
        packets,
        events: events.try_iter().collect(),
        skipped,
    }
}

impl Show {
    /// How many pictures were sent.
    pub(crate) fn packets(&self) -> usize {
        self.packets.len()
    }
}

/// Longest break that viewers may see.
const LIMIT: Duration = Duration::from_millis(500);

/// The longest, and what a busy machine does anyhow: the second longest, beyond two pictures.
fn longest(gaps: &[Duration]) -> (Duration, Duration) {
    let mut gaps = gaps.to_vec();
    gaps.sort_unstable();
    let own = gaps[gaps.len() - 2].saturating_sub(2 * FrameRate::FPS_30.interval());
    (gaps[gaps.len() - 1], own)
}

/// What viewers see: it decodes, time goes on, and nowhere stands the picture still for half a second.
fn check(show: &Show, illness: Illness) {
    let packets: Vec<_> = show.packets.iter().map(|(_, p)| p.clone()).collect();
    for pair in packets.windows(2) {
        assert!(pair[0].dts <= pair[1].dts);
        if pair[0].generation != pair[1].generation {
            assert!(pair[1].keyframe, "a new encoder begins with a keyframe");
        }
    }
    let gaps: Vec<_> = packets
        .windows(2)
        .map(|w| w[1].pts.saturating_since(w[0].pts))
        .collect();
    let arrivals: Vec<_> = show
        .packets
        .windows(2)
        .map(|w| w[1].0.duration_since(w[0].0))
        .collect();
    let (gap, arrival) = (longest(&gaps), longest(&arrivals));
    assert!(
        gap.0 < LIMIT + gap.1 && arrival.0 < LIMIT + arrival.1,
        "{illness:?}: {gap:?} of picture, {arrival:?} of time"
    );
    let (gap, arrival) = (gap.0, arrival.0);
    super::say_figure(&format!(
        "{illness:?}: gap {gap:?}, arrival {arrival:?}, {} skipped",
        show.skipped
    ));
    // as an output does it: the decoder gets a new header only where it differs
    let mut from = 0;
    for at in 1..=packets.len() {
        let differs = packets
            .get(at)
            .is_none_or(|p| p.parameters.extradata() != packets[from].parameters.extradata());
        if differs {
            assert_eq!(decode_video(&packets[from..at]).len(), at - from);
            from = at;
        }
    }
}

#[test]
fn the_next_encoder_takes_over_and_viewers_see_a_hitch_at_most() {
    for illness in [
        Illness::Errs(40),
        Illness::Hangs(40),
        Illness::Swallows(40),
        Illness::Panics(40),
    ] {
        let show = show(&[("nvenc", "p4"), ("x264", "ultrafast")], illness, 100);
        check(&show, illness);
        match &show.events[..] {
            [EncoderEvent::Replaced { from, to, .. }] => {
                assert_eq!((from.as_str(), to.as_str()), ("nvenc", "x264"));
            }
            other => panic!("{illness:?}: {other:?}"),
        }
        assert!(
            show.packets.last().unwrap().1.pts > picture(95, SMALL, 0).pts,
            "{illness:?}"
        );
    }
}

#[test]
fn an_encoder_that_cannot_be_opened_is_passed_over() {
    let show = show(
        &[("nvenc", "p4"), ("x264", "ultrafast")],
        Illness::Closed,
        10,
    );
    assert_eq!(show.packets.len() as u64 + show.skipped, 10);
    assert!(
        matches!(&show.events[..], [EncoderEvent::Replaced { to, .. }] if to == "x264"),
        "{:?}",
        show.events
    );
}

#[test]
fn an_encoder_that_falls_behind_skips_first_and_gets_a_faster_preset_then() {
    let illness = Illness::Slow(30);
    let show = show(&[("x264", "superfast")], illness, 180);
    check(&show, illness);
    assert!(show.skipped > 5, "{}", show.skipped);
    match &show.events[..] {
        [EncoderEvent::Lowered { from, to }] => {
            assert_eq!(
                (from.as_str(), to.as_str()),
                ("x264 superfast", "x264 ultrafast")
            );
        }
        other => panic!("{other:?}"),
    }
    // the last second is whole again
    let end = picture(180, SMALL, 0).pts;
    let whole = show
        .packets
        .iter()
        .filter(|(_, p)| end.saturating_since(p.pts) <= Duration::from_secs(1));
    assert!(whole.count() >= 29);
}

#[test]
fn a_machine_that_is_free_again_gets_its_preset_back() {
    let illness = Illness::Busy(20, 90);
    let show = show(&[("x264", "superfast")], illness, 470);
    check(&show, illness);
    let told: Vec<_> = show
        .events
        .iter()
        .map(|event| match event {
            EncoderEvent::Lowered { from, to } => (*from == "x264 superfast", to.as_str()),
            EncoderEvent::Raised { from, to } => (*from == "x264 ultrafast", to.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [(true, "x264 ultrafast"), (true, "x264 superfast")]);
}
