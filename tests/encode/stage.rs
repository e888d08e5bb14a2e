//! The encoder stage: order, control, failures, end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use kaibo::encode::stage::{
    EncoderControl, EncoderEvent, EncoderFactory, VideoEncodeConfig, VideoEncodeStage,
};
use kaibo::encode::{
    EncodeError, Reconfigured, Tune, VideoEncoder, VideoEncoderSettings, VideoFormat, open_video,
};
use kaibo::media::packet::{Bitrate, CodecParameters, EncodedPacket, PacketBus, PacketSink};
use kaibo::media::time::{FrameRate, MediaClock};
use kaibo::media::video::{Resolution, VideoFrame};
use parking_lot::Mutex;

use super::{SMALL, picture};

/// Hands packets to the test, in order.
struct Tap(Sender<EncodedPacket>);

impl PacketSink for Tap {
    fn push(&self, packet: &EncodedPacket) {
        self.0.try_send(packet.clone()).unwrap();
    }
}

struct Rig {
    stage: VideoEncodeStage,
    frames: Sender<VideoFrame>,
    packets: Receiver<EncodedPacket>,
    events: Receiver<EncoderEvent>,
    control: Arc<EncoderControl>,
}

fn start(settings: VideoEncoderSettings, factory: EncoderFactory) -> Result<Rig, EncodeError> {
    let (frames, frames_rx) = bounded(3);
    let (packets_tx, packets) = bounded(200);
    let (events_tx, events) = bounded(20);
    let bus = Arc::new(PacketBus::new());
    let sink: Arc<dyn PacketSink> = Arc::new(Tap(packets_tx));
    bus.attach(&sink);
    let control = Arc::new(EncoderControl::new(Bitrate::from_kbps(
        settings.bitrate_kbps,
    )));
    let config = VideoEncodeConfig {
        settings,
        format: VideoFormat {
            resolution: SMALL,
            rate: FrameRate::FPS_30,
        },
        background: false,
        clock: MediaClock::start(),
        frames: frames_rx,
        control: Arc::clone(&control),
        bus,
        listener: Arc::new(move |event| events_tx.try_send(event).unwrap()),
    };
    let stage = VideoEncodeStage::start_with(config, factory)?;
    Ok(Rig {
        stage,
        frames,
        packets,
        events,
        control,
    })
}

const PATIENCE: Duration = Duration::from_secs(10);

fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// A real encoder that refuses the pictures with the given numbers and notes what is set.
struct Faulty {
    inner: Box<dyn VideoEncoder>,
    bad: Vec<u64>,
    live: bool,
    set: Arc<Mutex<Vec<u32>>>,
}

impl VideoEncoder for Faulty {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        if self.bad.contains(&frame.seq) {
            return Err(EncodeError::Codec {
                what: "encoding a picture",
                source: ffmpeg_next::Error::External,
            });
        }
        self.inner.encode(frame, keyframe, out)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError> {
        self.set.lock().push(bitrate.kbps());
        if self.live {
            self.inner.set_bitrate(bitrate)
        } else {
            Ok(Reconfigured::NeedsReopen)
        }
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.inner.flush(out)
    }
}

/// Makes [`Faulty`] encoders; `opened` collects the bitrates they are opened with.
fn faulty(
    bad: &[u64],
    live: bool,
    set: &Arc<Mutex<Vec<u32>>>,
    opened: &Arc<Mutex<Vec<u32>>>,
) -> EncoderFactory {
    let (bad, set, opened) = (bad.to_vec(), Arc::clone(set), Arc::clone(opened));
    Arc::new(move |settings, format, generation| {
        opened.lock().push(settings.bitrate_kbps);
        Ok(Box::new(Faulty {
            inner: open_video(settings, format, generation)?,
            bad: bad.clone(),
            live,
            set: Arc::clone(&set),
        }))
    })
}

#[test]
fn closing_the_channel_flushes_every_picture() {
    let settings = VideoEncoderSettings {
        tune: Tune::Quality,
        b_frames: 2,
        ..Default::default()
    };
    let rig = start(settings, Arc::new(open_video)).unwrap();
    for i in 0..25 {
        rig.frames
            .send_timeout(picture(i, SMALL, 0), PATIENCE)
            .unwrap();
    }
    drop(rig.frames);
    assert!(rig.stage.join_until(deadline()));
    let packets: Vec<_> = rig.packets.try_iter().collect();
    assert_eq!(packets.len(), 25);
    assert!(packets.windows(2).all(|w| w[0].dts < w[1].dts));
    let stats = rig.stage.stats();
    assert_eq!((stats.frames, stats.keyframes, stats.queue), (25, 1, 0));
    assert_eq!((stats.name.as_str(), stats.target_kbps), ("x264", 2500));
    let bytes: usize = packets.iter().map(|p| p.data.len()).sum();
    assert_eq!(stats.bytes, bytes as u64);
    assert!(stats.encode_ms > 0.0 && stats.fps > 0.0);
}

#[test]
fn an_opening_error_comes_back_to_the_caller() {
    let settings = VideoEncoderSettings {
        preset: "instant".to_owned(),
        ..Default::default()
    };
    let error = start(settings, Arc::new(open_video)).err().unwrap();
    assert!(matches!(error, EncodeError::Setting { field, .. } if field == "encoder.preset"));
}

#[test]
fn a_failing_encoder_is_rebuilt_twice_and_then_given_up() {
    let (set, opened) = (Arc::default(), Arc::default());
    let factory = faulty(&[3, 6, 9], true, &set, &opened);
    let rig = start(VideoEncoderSettings::default(), factory).unwrap();
    let mut generations = Vec::new();
    for i in 0..9 {
        rig.frames
            .send_timeout(picture(i, SMALL, 0), PATIENCE)
            .unwrap();
        if matches!(i, 3 | 6) {
            let event = rig.events.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(event, EncoderEvent::Rebuilt { .. }), "{event:?}");
        } else {
            let packet = rig.packets.recv_timeout(PATIENCE).unwrap();
            assert_eq!(packet.keyframe, matches!(i, 0 | 4 | 7), "{i}");
            generations.push(packet.generation);
        }
    }
    assert_eq!(generations[0], generations[2]);
    assert!(generations[2] < generations[3] && generations[4] < generations[5]);
    rig.frames
        .send_timeout(picture(9, SMALL, 0), PATIENCE)
        .unwrap();
    let event = rig.events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, EncoderEvent::Failed { .. }), "{event:?}");
    assert!(rig.stage.join_until(deadline()));
    assert_eq!(opened.lock().len(), 3);
}

#[test]
fn control_is_applied_before_the_next_picture() {
    for live in [true, false] {
        let (set, opened) = (Arc::default(), Arc::default());
        let factory = faulty(&[], live, &set, &opened);
        let rig = start(VideoEncoderSettings::default(), factory).unwrap();
        let next = |i| {
            let frame = picture(i, SMALL, 0);
            rig.frames.send_timeout(frame, PATIENCE).unwrap();
            rig.packets.recv_timeout(PATIENCE).unwrap()
        };
        let first = next(0);
        assert!(!next(1).keyframe);
        rig.control.request_keyframe();
        assert!(next(2).keyframe);
        assert!(!next(3).keyframe, "asked once, made once");
        assert!(set.lock().is_empty());
        rig.control.set_bitrate(Bitrate::from_kbps(800));
        let fourth = next(4);
        assert!(!next(5).keyframe);
        assert_eq!(*set.lock(), [800], "told once");
        if live {
            assert_eq!(fourth.generation, first.generation);
            assert_eq!(*opened.lock(), [2500]);
        } else {
            assert!(fourth.keyframe && fourth.generation > first.generation);
            assert_eq!(*opened.lock(), [2500, 800]);
        }
        rig.stage.request_stop();
        assert!(rig.stage.join_until(deadline()));
        assert!(rig.events.is_empty());
    }
}

/// A real encoder that holds each picture until it is let go.
struct Stuck {
    inner: Box<dyn VideoEncoder>,
    began: Sender<()>,
    go: Receiver<()>,
}

impl VideoEncoder for Stuck {
    fn encode(
        &mut self,
        frame: &VideoFrame,
        keyframe: bool,
        out: &mut Vec<EncodedPacket>,
    ) -> Result<(), EncodeError> {
        self.began.send(()).unwrap();
        self.go.recv().unwrap();
        self.inner.encode(frame, keyframe, out)
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Reconfigured, EncodeError> {
        self.inner.set_bitrate(bitrate)
    }

    fn flush(&mut self, out: &mut Vec<EncodedPacket>) -> Result<(), EncodeError> {
        self.inner.flush(out)
    }
}

#[test]
fn a_stuck_encoder_that_was_left_behind_sends_nothing_any_more() {
    for left_behind in [false, true] {
        let (began_tx, began) = bounded(10);
        let (go, go_rx) = bounded(10);
        let factory: EncoderFactory = Arc::new(move |settings, format, generation| {
            Ok(Box::new(Stuck {
                inner: open_video(settings, format, generation)?,
                began: began_tx.clone(),
                go: go_rx.clone(),
            }))
        });
        let rig = start(VideoEncoderSettings::default(), factory).unwrap();
        rig.frames
            .send_timeout(picture(0, SMALL, 0), PATIENCE)
            .unwrap();
        began.recv_timeout(PATIENCE).unwrap();
        assert!(!rig.stage.join_until(Instant::now()), "it is stuck");
        if left_behind {
            rig.stage.abandon();
        }
        drop(rig.frames);
        go.send(()).unwrap();
        assert!(rig.stage.join_until(deadline()));
        let expected = usize::from(!left_behind);
        assert_eq!(rig.packets.try_iter().count(), expected);
        assert!(rig.events.is_empty());
    }
}

#[test]
fn pictures_become_smaller_and_full_again_at_keyframes() {
    let rig = start(VideoEncoderSettings::default(), Arc::new(open_video)).unwrap();
    let mut number = 0;
    let mut next = || {
        rig.frames
            .send_timeout(picture(number, SMALL, 0), PATIENCE)
            .unwrap();
        number += 1;
        let packet = rig.packets.recv_timeout(PATIENCE).unwrap();
        let CodecParameters::H264 { resolution, .. } = *packet.parameters else {
            panic!("{:?}", packet.parameters);
        };
        (resolution, packet.keyframe, packet.generation)
    };
    let first = next();
    assert_eq!((first.0, next().1), (SMALL, false));
    rig.control.set_half_size(true);
    let small = next();
    assert_eq!((small.0, small.1), (Resolution::new(160, 90), true));
    assert!(small.2 > first.2, "its own parameters");
    assert_eq!(next(), (small.0, false, small.2), "and stays so");
    assert_eq!(rig.stage.stats().size, Some(small.0));
    rig.control.set_half_size(false);
    let full = next();
    assert_eq!((full.0, full.1), (SMALL, true));
    assert!(rig.events.is_empty(), "nothing to tell: it was asked for");
}

#[test]
fn an_encoder_that_takes_no_small_pictures_goes_on_with_full_ones() {
    let picky: EncoderFactory = Arc::new(|settings, format, generation| {
        if format.resolution != SMALL {
            return Err(EncodeError::Codec {
                what: "opening",
                source: ffmpeg_next::Error::InvalidData,
            });
        }
        open_video(settings, format, generation)
    });
    let rig = start(VideoEncoderSettings::default(), picky).unwrap();
    rig.control.set_half_size(true);
    for i in 0..3 {
        rig.frames
            .send_timeout(picture(i, SMALL, 0), PATIENCE)
            .unwrap();
        rig.packets.recv_timeout(PATIENCE).unwrap();
    }
    assert!(rig.events.is_empty() && rig.stage.stats().frames == 3);
    assert_eq!(rig.stage.stats().size, Some(SMALL));
}
