//! A whole stream to rml_rtmp's server session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kaibo::flv::mux::FlvMuxer;
use kaibo::flv::tag::TagKind;
use kaibo::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use kaibo::media::time::{FrameRate, MediaTime};
use kaibo::media::video::Resolution;
use kaibo::rtmp::session::{Phase, SessionEvent as Event};
use rml_rtmp::sessions::ServerSessionEvent;

use super::rtmp_peer::RmlServer;
use super::session;

/// Ten seconds of pictures with B-frames and sound, as encoders hand them over and the interleaver orders them.
fn show() -> Vec<EncodedPacket> {
    let h264 = Arc::new(CodecParameters::H264 {
        avcc: Bytes::from_static(b"\x01\x64\x00\x1F"),
        resolution: Resolution::HD,
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(2500),
    });
    let aac = Arc::new(CodecParameters::Aac {
        asc: Bytes::from_static(b"\x11\x90"),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(160),
    });
    let packet =
        |track, ns: i64, delay_ns: i64, keyframe, len: usize, parameters: &Arc<_>| EncodedPacket {
            track,
            pts: MediaTime::from_nanos(ns + delay_ns),
            dts: MediaTime::from_nanos(ns),
            duration: Duration::ZERO,
            keyframe,
            drop: DropClass::Never,
            data: Bytes::from(vec![u8::try_from(ns.rem_euclid(251)).unwrap(); len]),
            parameters: Arc::clone(parameters),
            generation: 0,
        };
    let video = (0..300).map(|k| {
        let len = if k % 60 == 0 { 40_000 } else { 5_000 };
        packet(
            Track::Video,
            k * 33_333_333,
            66_666_666,
            k % 60 == 0,
            len,
            &h264,
        )
    });
    let audio = (0..470).map(|k| packet(Track::Audio, k * 21_333_333, 0, true, 400, &aac));
    let mut all: Vec<_> = video.chain(audio).collect();
    all.sort_by_key(|p| p.dts);
    all
}

#[test]
fn rml_rtmps_server_gets_the_whole_show_at_the_right_times() {
    for start in [0, 0xFF_FFFF - 5000, u32::MAX - 5000 + 1] {
        let mut client = session("rtmp://example.com/app/key?auth=1");
        let mut server = RmlServer::new(100_000);
        let mut events = server.connect(&mut client);
        assert_eq!(client.phase(), Phase::Live);

        let mut muxer = FlvMuxer::new(start);
        let mut tags = Vec::new();
        for packet in show() {
            muxer.push(&packet, &mut tags);
        }
        for tag in &tags {
            let mut out = Vec::new();
            client.publish(tag, &mut out).unwrap();
            events.extend(server.exchange(&mut client, &out));
        }
        let mut out = Vec::new();
        client.finish(&mut out);
        server.exchange(&mut client, &out);
        let acked = events.iter().rev().find_map(|e| match e {
            Event::Acked(n) => Some(*n),
            _ => None,
        });
        // rml_rtmp acknowledges what came since the last time instead of the total; close is all one can ask
        assert!(acked.unwrap() > client.sent_bytes() / 20, "{acked:?}");

        let mut arrived = Vec::new();
        let mut finished = false;
        for event in server.events {
            match event {
                ServerSessionEvent::StreamMetadataChanged {
                    metadata: m,
                    app_name,
                    stream_key,
                } => {
                    assert_eq!(
                        (app_name.as_str(), stream_key.as_str()),
                        ("app", "key?auth=1")
                    );
                    assert_eq!((m.video_width, m.video_height), (Some(1280), Some(720)));
                    assert_eq!((m.video_codec_id, m.audio_codec_id), (Some(7), Some(10)));
                    assert_eq!(
                        (m.video_frame_rate, m.video_bitrate_kbps),
                        (Some(30.0), Some(2500))
                    );
                    assert_eq!(
                        (m.audio_sample_rate, m.audio_channels),
                        (Some(48_000), Some(2))
                    );
                    assert_eq!(
                        (m.audio_is_stereo, m.audio_bitrate_kbps),
                        (Some(true), Some(160))
                    );
                    arrived.push((TagKind::Script, start, Bytes::new()));
                }
                ServerSessionEvent::AudioDataReceived {
                    data, timestamp, ..
                } => {
                    arrived.push((TagKind::Audio, timestamp.value, data));
                }
                ServerSessionEvent::VideoDataReceived {
                    data, timestamp, ..
                } => {
                    arrived.push((TagKind::Video, timestamp.value, data));
                }
                ServerSessionEvent::PublishStreamFinished { .. } => finished = true,
                _ => {}
            }
        }
        assert!(finished, "the goodbye was understood");
        assert_eq!(arrived.len(), 773);
        assert_eq!(arrived.len(), tags.len());
        for (tag, (kind, ms, data)) in tags.iter().zip(&arrived) {
            assert_eq!((tag.kind, tag.timestamp_ms), (*kind, *ms));
            assert!(tag.kind == TagKind::Script || tag.body == *data);
        }
        let last = arrived.last().unwrap().1;
        assert_eq!(
            last.wrapping_sub(start),
            10_005,
            "ten seconds, over the edge"
        );
    }
}

#[test]
fn rml_rtmps_refusal_is_understood() {
    let mut client = session("rtmp://example.com/app/key");
    let mut server = RmlServer::new(100_000);
    server.refuse_publish = Some(("NetStream.Publish.BadName", "taken"));
    let events = server.connect(&mut client);
    let rejected = events.iter().any(|e| {
        matches!(e, Event::Rejected { code, phase: Phase::Requesting, busy: true, .. }
            if code == "NetStream.Publish.BadName")
    });
    assert!(rejected, "{events:?}");
}
