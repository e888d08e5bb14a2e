//! Tests of [`super`].

use super::*;
use crate::media::packet::Bitrate;
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

fn video() -> CodecParameters {
    CodecParameters::H264 {
        avcc: Bytes::from_static(&[
            1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 2, 0x68, 0xee,
        ]),
        resolution: Resolution::new(1280, 720),
        rate: FrameRate::new(30, 1).unwrap(),
        bitrate: Bitrate::from_kbps(2500),
    }
}

fn audio() -> CodecParameters {
    CodecParameters::Aac {
        asc: Bytes::from_static(&[0x11, 0x90]),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(128),
    }
}

/// Direct children of a box body: (type, body).
fn boxes(mut data: &[u8]) -> Vec<(String, &[u8])> {
    let mut out = Vec::new();
    while data.len() >= 8 {
        let size = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        out.push((
            String::from_utf8_lossy(&data[4..8]).into_owned(),
            &data[8..size],
        ));
        data = &data[size..];
    }
    assert!(data.is_empty(), "trailing bytes");
    out
}

fn child<'a>(data: &'a [u8], name: &str) -> &'a [u8] {
    boxes(data)
        .into_iter()
        .find(|(n, _)| n == name)
        .unwrap_or_else(|| panic!("no {name}"))
        .1
}

/// Presentation time of a fragment's only sample, in ticks: `tfdt` plus composition offset, and its duration.
fn presented(fragment: &[u8]) -> (u64, u32) {
    let u32_at = |d: &[u8], at: usize| u32::from_be_bytes(d[at..at + 4].try_into().unwrap());
    let traf = child(child(fragment, "moof"), "traf");
    let time = child(traf, "tfdt");
    assert_eq!(time[0], 1, "64-bit time");
    let time = u64::from_be_bytes(time[4..12].try_into().unwrap());
    let tfhd = child(traf, "tfhd");
    let tfhd_flags = u32_at(tfhd, 0) & 0xff_ffff;
    assert_eq!(tfhd_flags & 0x8, 0x8, "default duration");
    let mut duration = u32_at(tfhd, 8);
    let trun = child(traf, "trun");
    let flags = u32_at(trun, 0) & 0xff_ffff;
    assert_eq!(u32_at(trun, 4), 1, "one sample");
    let mut at = 8;
    at += if flags & 0x1 != 0 { 4 } else { 0 };
    at += if flags & 0x4 != 0 { 4 } else { 0 };
    if flags & 0x100 != 0 {
        duration = u32_at(trun, at);
        at += 4;
    }
    at += if flags & 0x200 != 0 { 4 } else { 0 };
    at += if flags & 0x400 != 0 { 4 } else { 0 };
    let offset = if flags & 0x800 != 0 {
        u32_at(trun, at)
    } else {
        0
    };
    (time + u64::from(offset), duration)
}

#[test]
fn every_packet_comes_out_at_once_with_its_own_time() {
    let (v, a) = (video(), audio());
    let (mut mux, init) = Fmp4Muxer::open(&[&v, &a]).unwrap();
    let names: Vec<_> = boxes(&init).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["ftyp", "moov"]);
    let frame = Duration::from_micros(33_333);
    for i in 0..100_i32 {
        let start = Duration::from_millis(500) + frame * u32::try_from(i).unwrap();
        let t = MediaTime::from_nanos(0) + start;
        let data = [0, 0, 0, 4, 0x65, 1, 2, i.to_be_bytes()[3]];
        let fragment = mux
            .write(&Sample {
                track: Track::Video,
                pts: t,
                dts: t,
                duration: frame - Duration::from_micros(100),
                keyframe: i == 0,
                data: &data,
            })
            .unwrap();
        let names: Vec<_> = boxes(&fragment).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["moof", "mdat"]);
        assert_eq!(child(&fragment, "mdat"), data);
        let expected = (start.as_nanos() * 90_000 + 500_000_000) / 1_000_000_000;
        let (time, duration) = presented(&fragment);
        assert_eq!(u128::from(time), expected);
        assert!((2990..=2992).contains(&duration), "{duration}");
    }
    let t = MediaTime::from_millis(700);
    let fragment = mux
        .write(&Sample {
            track: Track::Audio,
            pts: t,
            dts: t,
            duration: Duration::from_nanos(21_333_333),
            keyframe: true,
            data: &[0x21, 0x10, 5],
        })
        .unwrap();
    assert_eq!(presented(&fragment), (700 * 48, 1024));
}

#[test]
fn composition_offsets_survive() {
    let v = video();
    let (mut mux, _init) = Fmp4Muxer::open(&[&v]).unwrap();
    let fragment = mux
        .write(&Sample {
            track: Track::Video,
            pts: MediaTime::from_millis(166),
            dts: MediaTime::from_millis(100),
            duration: Duration::from_millis(33),
            keyframe: true,
            data: &[0, 0, 0, 1, 0x65],
        })
        .unwrap();
    assert_eq!(presented(&fragment), (166 * 90, 33 * 90));
}

#[test]
fn packets_that_come_too_early_stay_in_order() {
    let v = video();
    let (mut mux, _init) = Fmp4Muxer::open(&[&v]).unwrap();
    let mut at = |ms: i64| {
        let t = MediaTime::from_millis(ms);
        let fragment = mux
            .write(&Sample {
                track: Track::Video,
                pts: t,
                dts: t,
                duration: Duration::from_millis(40),
                keyframe: false,
                data: &[0, 0, 0, 1, 0x41],
            })
            .unwrap();
        presented(&fragment).0
    };
    assert_eq!(at(1000), 90_000);
    assert_eq!(at(1020), 93_600, "moved to the end of the one before");
    assert_eq!(at(900), 95_400);
    assert_eq!(at(3000), 270_000, "after a gap: as given");
}

#[test]
fn broken_parameters_and_packets_are_errors() {
    assert!(Fmp4Muxer::open(&[]).is_err());
    let short = CodecParameters::Aac {
        asc: Bytes::from_static(&[0x11]),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(128),
    };
    assert!(Fmp4Muxer::open(&[&short]).is_err());
    let CodecParameters::H264 {
        avcc,
        rate,
        bitrate,
        ..
    } = video()
    else {
        unreachable!()
    };
    let no_size = CodecParameters::H264 {
        avcc,
        resolution: Resolution::new(0, 0),
        rate,
        bitrate,
    };
    assert!(Fmp4Muxer::open(&[&no_size]).is_err());
    let a = audio();
    let (mut mux, _init) = Fmp4Muxer::open(&[&a]).unwrap();
    let t = MediaTime::from_millis(0);
    let mut sample = Sample {
        track: Track::Audio,
        pts: t,
        dts: t,
        duration: Duration::ZERO,
        keyframe: true,
        data: &[],
    };
    assert!(mux.write(&sample).is_err());
    sample.track = Track::Video;
    sample.data = &[1];
    assert!(mux.write(&sample).is_err());
}

#[test]
fn codecs_are_named_as_browsers_name_them() {
    assert_eq!(codec_string(&video()).as_deref(), Some("avc1.64001f"));
    assert_eq!(codec_string(&audio()).as_deref(), Some("mp4a.40.2"));
}
