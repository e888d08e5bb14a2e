//! Tests of the muxer: packets as encoders make them in, tags out.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::flv::amf0::Amf0Reader;
use crate::media::packet::{Bitrate, DropClass};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

fn h264(avcc: &'static [u8], width: u32, kbps: u32) -> Arc<CodecParameters> {
    Arc::new(CodecParameters::H264 {
        avcc: Bytes::from_static(avcc),
        resolution: Resolution::new(width, 720),
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(kbps),
    })
}

fn aac() -> Arc<CodecParameters> {
    Arc::new(CodecParameters::Aac {
        asc: Bytes::from_static(&[0x11, 0x90]),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(128),
    })
}

struct Feed {
    video: Arc<CodecParameters>,
    audio: Arc<CodecParameters>,
}

impl Feed {
    fn new() -> Self {
        Self {
            video: h264(b"avcc", 1280, 2500),
            audio: aac(),
        }
    }

    fn video(&self, dts_us: i64, pts_us: i64, keyframe: bool) -> EncodedPacket {
        EncodedPacket {
            track: Track::Video,
            pts: MediaTime::from_nanos(pts_us * 1000),
            dts: MediaTime::from_nanos(dts_us * 1000),
            duration: Duration::from_millis(33),
            keyframe,
            drop: DropClass::Reference,
            data: Bytes::from_static(b"nals"),
            parameters: Arc::clone(&self.video),
            generation: 0,
        }
    }

    fn audio(&self, dts_us: i64) -> EncodedPacket {
        EncodedPacket {
            track: Track::Audio,
            keyframe: true,
            drop: DropClass::Never,
            data: Bytes::from_static(b"aac"),
            parameters: Arc::clone(&self.audio),
            ..self.video(dts_us, dts_us, true)
        }
    }
}

fn mux(muxer: &mut FlvMuxer, packets: &[EncodedPacket]) -> Vec<FlvTag> {
    let mut out = Vec::new();
    for packet in packets {
        muxer.push(packet, &mut out);
    }
    out
}

/// Kind, time, header?, first two bytes of the body.
fn brief(tags: &[FlvTag]) -> Vec<(TagKind, u32, bool, [u8; 2])> {
    tags.iter()
        .map(|t| (t.kind, t.timestamp_ms, t.header, [t.body[0], t.body[1]]))
        .collect()
}

fn composition(tag: &FlvTag) -> u32 {
    u32::from_be_bytes([0, tag.body[2], tag.body[3], tag.body[4]])
}

#[test]
fn headers_come_first_and_time_begins_at_the_first_keyframe() {
    let f = Feed::new();
    let tags = mux(
        &mut FlvMuxer::new(0),
        &[
            f.video(900_000, 900_000, false),
            f.audio(990_000),
            f.video(1_000_000, 1_000_000, true),
            f.audio(1_011_333),
            f.video(1_033_333, 1_033_333, false),
        ],
    );
    assert_eq!(
        brief(&tags),
        [
            (TagKind::Script, 0, true, [2, 0]),
            (TagKind::Audio, 0, true, [0xAF, 0]),
            (TagKind::Video, 0, true, [0x17, 0]),
            (TagKind::Video, 0, false, [0x17, 1]),
            (TagKind::Audio, 11, false, [0xAF, 1]),
            (TagKind::Video, 33, false, [0x27, 1]),
        ]
    );
    assert_eq!(tags[2].body[5..], *b"avcc");
    assert_eq!(tags[1].body[2..], [0x11, 0x90]);
    let keyframes: Vec<bool> = tags.iter().map(|t| t.keyframe).collect();
    assert_eq!(keyframes, [false, false, false, true, false, false]);
}

#[test]
fn metadata_has_the_fields_servers_read() {
    let f = Feed::new();
    let tags = mux(
        &mut FlvMuxer::new(0),
        &[f.audio(0), f.video(0, 0, true), f.audio(1)],
    );
    let mut reader = Amf0Reader::new(&tags[0].body);
    assert_eq!(reader.read(), Ok(Some("onMetaData".into())));
    let Ok(Some(Amf0Value::EcmaArray(p))) = reader.read() else {
        panic!("no ECMA array");
    };
    assert_eq!(reader.read(), Ok(None));
    let (encoder, rest) = p.split_last().unwrap();
    let expected: Vec<(String, Amf0Value)> = [
        ("duration", 0.0.into()),
        ("fileSize", 0.0.into()),
        ("width", 1280.0.into()),
        ("height", 720.0.into()),
        ("videocodecid", 7.0.into()),
        ("videodatarate", 2500.0.into()),
        ("framerate", 30.0.into()),
        ("audiocodecid", 10.0.into()),
        ("audiodatarate", 128.0.into()),
        ("audiosamplerate", 48_000.0.into()),
        ("audiosamplesize", 16.0.into()),
        ("audiochannels", 2.0.into()),
        ("stereo", true.into()),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .collect();
    assert_eq!(rest, expected);
    assert!(encoder.1.as_str().unwrap().starts_with("Kaibo "));
}

#[test]
fn the_first_picture_waits_for_the_sound_but_not_for_ever() {
    let f = Feed::new();
    let mut muxer = FlvMuxer::new(0);
    let tags = mux(
        &mut muxer,
        &[f.video(0, 0, true), f.video(33_000, 33_000, false)],
    );
    assert_eq!(tags, []);
    let tags = mux(&mut muxer, &[f.audio(40_000)]);
    assert_eq!(
        brief(&tags).iter().map(|t| (t.0, t.1)).collect::<Vec<_>>(),
        [
            (TagKind::Script, 0),
            (TagKind::Audio, 0),
            (TagKind::Video, 0),
            (TagKind::Video, 0),
            (TagKind::Video, 33),
            (TagKind::Audio, 40),
        ]
    );

    // sound that was announced and never came: pictures start without, and sound that comes late gets its header
    let mut muxer = FlvMuxer::new(0);
    let frames: Vec<_> = (0..17)
        .map(|k| f.video(k * 33_000, k * 33_000, k == 0))
        .collect();
    assert_eq!(mux(&mut muxer, &frames[..16]), []);
    let tags = mux(&mut muxer, &frames[16..]);
    assert_eq!(tags.len(), 2 + 17);
    assert!(tags.iter().all(|t| t.kind != TagKind::Audio));
    let tags = mux(&mut muxer, &[f.audio(600_000)]);
    assert_eq!(
        brief(&tags),
        [
            (TagKind::Script, 600, true, [2, 0]),
            (TagKind::Audio, 600, true, [0xAF, 0]),
            (TagKind::Audio, 600, false, [0xAF, 1]),
        ]
    );
}

#[test]
fn without_a_sound_track_nothing_waits() {
    let f = Feed::new();
    let mut muxer = FlvMuxer::new(0).with_audio(false);
    let tags = mux(&mut muxer, &[f.video(5, 5, true)]);
    assert_eq!(tags.len(), 3);

    // a stream that ends while waiting still gives what it had
    let mut muxer = FlvMuxer::new(0);
    let mut tags = mux(&mut muxer, &[f.video(5, 5, true)]);
    assert_eq!(tags, []);
    muxer.flush(&mut tags);
    assert_eq!(tags.len(), 3);
    muxer.flush(&mut tags);
    assert_eq!(tags.len(), 3);
}

#[test]
fn with_b_frames_decode_starts_at_zero_and_composition_carries_the_delay() {
    let f = Feed::new();
    // presentation 0, 100, 33, 66 ms; decode two frames earlier, below zero on the clock
    let tags = mux(
        &mut FlvMuxer::new(0),
        &[
            f.audio(-70_000),
            f.video(-66_666, 0, true),
            f.video(-33_333, 100_000, false),
            f.audio(0),
            f.video(0, 33_333, false),
            f.video(33_333, 66_666, false),
        ],
    );
    let pictures: Vec<(u32, u32)> = tags
        .iter()
        .filter(|t| t.kind == TagKind::Video && !t.header)
        .map(|t| (t.timestamp_ms, t.timestamp_ms + composition(t)))
        .collect();
    assert_eq!(pictures, [(0, 66), (33, 166), (66, 99), (99, 133)]);
    // sound of the same moment as the first picture is heard when that is shown
    let sound = tags.iter().find(|t| t.kind == TagKind::Audio && !t.header);
    assert_eq!(sound.unwrap().timestamp_ms, 66);
}

#[test]
fn timestamps_pass_2_to_the_24_and_wrap_at_2_to_the_32() {
    let f = Feed::new();
    for start in [0xFF_FFFF - 5000, u32::MAX - 4999] {
        let mut packets = vec![f.audio(0)];
        for k in 0..300 {
            packets.push(f.video(k * 33_333, k * 33_333, k % 60 == 0));
            packets.push(f.audio(k * 33_333 + 10));
        }
        let tags = mux(&mut FlvMuxer::new(start), &packets);
        assert_eq!(tags[0].timestamp_ms, start);
        for (tag, ms) in tags.iter().skip(3).step_by(2).zip(0..) {
            assert_eq!(tag.kind, TagKind::Video);
            let expected = u32::try_from(ms * 33_333 / 1000).unwrap();
            assert_eq!(tag.timestamp_ms, start.wrapping_add(expected));
        }
    }
    // 60 days after the start
    let day = 86_400_000_000;
    let tags = mux(
        &mut FlvMuxer::new(7).with_audio(false),
        &[f.video(0, 0, true), f.video(60 * day, 60 * day, false)],
    );
    assert_eq!(
        u64::from(tags[3].timestamp_ms),
        (60 * 86_400_000 + 7) % (1 << 32)
    );
}

#[test]
fn new_parameters_make_new_headers_only_if_they_differ() {
    let mut f = Feed::new();
    let mut muxer = FlvMuxer::new(0);
    mux(&mut muxer, &[f.audio(0), f.video(0, 0, true)]);

    // the same again in a new Arc, with another bitrate
    f.video = h264(b"avcc", 1280, 900);
    let tags = mux(&mut muxer, &[f.video(33_000, 33_000, false)]);
    assert_eq!(brief(&tags), [(TagKind::Video, 33, false, [0x27, 1])]);

    // another size: metadata and header, then nothing until the keyframe
    f.video = h264(b"other", 640, 900);
    let tags = mux(
        &mut muxer,
        &[
            f.video(66_000, 66_000, false),
            f.audio(70_000),
            f.video(99_000, 99_000, true),
            f.video(132_000, 132_000, false),
        ],
    );
    assert_eq!(
        brief(&tags),
        [
            (TagKind::Script, 66, true, [2, 0]),
            (TagKind::Video, 66, true, [0x17, 0]),
            (TagKind::Audio, 70, false, [0xAF, 1]),
            (TagKind::Video, 99, false, [0x17, 1]),
            (TagKind::Video, 132, false, [0x27, 1]),
        ]
    );
    assert_eq!(tags[1].body[5..], *b"other");
    assert_eq!(muxer.skipped(), 2, "sound before the start and one picture");
}

proptest! {
    #[test]
    fn time_never_goes_back_within_a_track_whatever_comes(
        steps in prop::collection::vec((any::<bool>(), any::<bool>(), -50_000i64..200_000, 0i64..100_000), 1..100)
    ) {
        let f = Feed::new();
        let mut muxer = FlvMuxer::new(0);
        let mut clock = 0;
        let mut tags = Vec::new();
        for (is_video, keyframe, step, delay) in steps {
            clock += step;
            let packet = if is_video { f.video(clock, clock + delay, keyframe) } else { f.audio(clock) };
            muxer.push(&packet, &mut tags);
        }
        for kind in [TagKind::Video, TagKind::Audio] {
            let times: Vec<u32> = tags.iter().filter(|t| t.kind == kind).map(|t| t.timestamp_ms).collect();
            prop_assert!(times.is_sorted(), "{kind:?}");
        }
        prop_assert!(tags.iter().filter(|t| t.kind == TagKind::Video).all(|t| composition(t) < 1_000_000));
        if let Some(first) = tags.iter().find(|t| !t.header) {
            prop_assert!(first.keyframe, "the first media is a keyframe");
        }
    }
}

#[test]
fn hevc_and_av1_go_out_as_enhanced_rtmp() {
    let hevc = Arc::new(CodecParameters::Hevc {
        hvcc: Bytes::from_static(b"hvcc"),
        resolution: Resolution::HD,
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(2000),
    });
    let av1 = Arc::new(CodecParameters::Av1 {
        av1c: Bytes::from_static(b"av1c"),
        resolution: Resolution::HD,
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(2000),
    });
    for (video, start, key, later, number) in [
        (
            hevc,
            b"\x90hvc1hvcc".as_slice(),
            b"\x93hvc1nals".as_slice(),
            b"\xA1hvc1\x00\x00\x21nals".as_slice(),
            1_752_589_105.0,
        ),
        (
            av1,
            b"\x90av01av1c",
            b"\x91av01nals",
            b"\xA1av01nals",
            1_635_135_537.0,
        ),
    ] {
        let feed = Feed {
            video,
            audio: aac(),
        };
        let mut muxer = FlvMuxer::new(0).with_audio(false);
        let tags = mux(
            &mut muxer,
            &[feed.video(0, 0, true), feed.video(33_000, 66_000, false)],
        );
        let bodies: Vec<_> = tags[1..].iter().map(|t| &t.body[..]).collect();
        assert_eq!(bodies, [start, key, later]);
        let mut metadata = Amf0Reader::new(&tags[0].body);
        metadata.read().unwrap();
        let values = metadata.read().unwrap().unwrap();
        assert_eq!(values.get("videocodecid").unwrap().as_f64(), Some(number));
    }
}

#[test]
fn another_codec_begins_with_its_own_header() {
    let old = Feed::new();
    let new = Feed {
        video: Arc::new(CodecParameters::Hevc {
            hvcc: Bytes::from_static(b"avcc"), // even with the same bytes
            resolution: Resolution::HD,
            rate: FrameRate::FPS_30,
            bitrate: Bitrate::from_kbps(2500),
        }),
        audio: aac(),
    };
    let mut muxer = FlvMuxer::new(0).with_audio(false);
    let tags = mux(
        &mut muxer,
        &[old.video(0, 0, true), new.video(33_000, 33_000, true)],
    );
    let firsts: Vec<_> = tags.iter().map(|t| t.body[0]).collect();
    assert_eq!(firsts, [2, 0x17, 0x17, 2, 0x90, 0x93]);
}
