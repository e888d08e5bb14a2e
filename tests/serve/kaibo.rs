//! Kaibo's own publish session against the built-in ingest: they understand each other, acknowledgements included, and
//! a packet is with the viewer at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kaibo::flv::tag::{FlvTag, TagKind};
use kaibo::rtmp::session::{PublishConfig, PublishSession, SessionEvent};
use kaibo::rtmp::url::RtmpUrl;
use kaibo::serve::Server;

use super::{request, start, wait_live, wait_until};

/// libx264's header for 1280x720, high profile.
const AVCC: &[u8] = &[
    0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0x1b, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40,
    0x50, 0x05, 0xbb, 0x01, 0x10, 0, 0, 0x03, 0, 0x10, 0, 0, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19,
    0x60, 1, 0, 4, 0x68, 0xeb, 0xe3, 0xcb,
];

struct Publisher {
    stream: TcpStream,
    session: PublishSession,
}

impl Publisher {
    fn connect(server: &Server, name: &str) -> Self {
        let stream = TcpStream::connect(server.rtmp_addr()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let address = format!("{}/{name}", server.push_url());
        let url = RtmpUrl::parse(&address, None).unwrap();
        let mut session = PublishSession::new(PublishConfig::new(url).with_ack_window_for(0));
        let mut out = Vec::new();
        session.start(&mut out);
        let mut publisher = Self { stream, session };
        publisher.stream.write_all(&out).unwrap();
        publisher
    }

    /// Reads until `wanted` says yes to an event.
    fn wait_for(&mut self, mut wanted: impl FnMut(&SessionEvent) -> bool) -> SessionEvent {
        let mut buffer = [0; 4096];
        loop {
            let read = self.stream.read(&mut buffer).unwrap();
            assert!(read > 0, "the server closed the connection");
            let (mut out, mut events) = (Vec::new(), Vec::new());
            self.session
                .on_bytes(&buffer[..read], &mut out, &mut events)
                .unwrap();
            self.stream.write_all(&out).unwrap();
            if let Some(event) = events.into_iter().find(|e| wanted(e)) {
                return event;
            }
        }
    }

    fn send(&mut self, timestamp_ms: u32, body: Vec<u8>) {
        let tag = FlvTag {
            kind: TagKind::Video,
            timestamp_ms,
            header: false,
            keyframe: false,
            body: Bytes::from(body),
        };
        let mut out = Vec::new();
        self.session.publish(&tag, &mut out).unwrap();
        self.stream.write_all(&out).unwrap();
    }
}

fn live(server: &Server, name: &str) -> Publisher {
    let mut publisher = Publisher::connect(server, name);
    publisher.wait_for(|e| matches!(e, SessionEvent::Publishing { .. }));
    publisher
}

#[test]
fn a_packet_reaches_the_viewer_in_milliseconds() {
    let fixture = start();
    let server = &fixture.server;
    let mut publisher = live(server, "quick");
    publisher.send(0, AVCC.to_vec());
    // 2.5 Mbit/s at 30 pictures a second; the mark makes each findable in the answer.
    let picture = |number: u32| {
        let mut body = vec![if number == 0 { 0x17 } else { 0x27 }, 1, 0, 0, 0];
        body.extend(10_409_u32.to_be_bytes());
        body.push(0x41);
        body.extend([0; 10_400]);
        body.extend(b"mark");
        body.extend(number.to_be_bytes());
        body
    };
    publisher.send(0, picture(0));
    wait_live(server, "quick");
    let mut viewer = request(server.http_addr(), "/stream/quick.mp4", "");
    let mut received = Vec::new();
    let mut buffer = vec![0; 65_536];
    let mut wait_for_mark = |number: u32| {
        let mark = [b"mark".as_slice(), &number.to_be_bytes()].concat();
        while !received.windows(8).any(|w| w == mark) {
            let read = viewer.read(&mut buffer).unwrap();
            assert!(read > 0, "the stream ended");
            received.extend_from_slice(&buffer[..read]);
        }
        received.clear();
    };
    wait_for_mark(0);
    let mut delays: Vec<Duration> = (1..=100)
        .map(|number| {
            let body = picture(number);
            let sent = Instant::now();
            publisher.send(number * 33, body);
            wait_for_mark(number);
            sent.elapsed()
        })
        .collect();
    delays.sort_unstable();
    let median = delays[50];
    // A muxer that waits for the next packet never answers here; Nagle's algorithm would show as 40 ms.
    assert!(median < Duration::from_millis(15), "median {median:?}");
    // What the send queue's estimate stands on: the count of all bytes, not more than a window behind.
    let sent = publisher.session.sent_bytes();
    publisher.wait_for(|e| matches!(e, SessionEvent::Acked(n) if sent - n < 32_000));
    let mut goodbye = Vec::new();
    publisher.session.finish(&mut goodbye);
    publisher.stream.write_all(&goodbye).unwrap();
    wait_until("the name is free", || server.streams().is_empty());
}

#[test]
fn a_taken_name_is_told_apart_from_other_refusals() {
    let fixture = start();
    let server = &fixture.server;
    let _first = live(server, "taken-one");
    let mut second = Publisher::connect(server, "taken-one");
    let event = second.wait_for(|e| matches!(e, SessionEvent::Rejected { .. }));
    let SessionEvent::Rejected {
        code,
        description,
        busy,
        ..
    } = event
    else {
        unreachable!("waited for it");
    };
    assert!(busy);
    assert_eq!(code, "NetStream.Publish.BadName");
    assert_eq!(description, "this name is already being published");
}
