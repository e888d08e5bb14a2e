//! Peers that send what no RTMP client sends. They lose their connection; nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use kaibo::serve::Server;
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;

use super::{push, start, wait_live, wait_until};

/// A connection with its handshake done.
fn shaken_hands(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.rtmp_addr()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut handshake = Handshake::new(PeerType::Client);
    stream
        .write_all(&handshake.generate_outbound_p0_and_p1().unwrap())
        .unwrap();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "closed in the handshake");
        let (response, done) = match handshake.process_bytes(&buffer[..read]).unwrap() {
            HandshakeProcessResult::InProgress { response_bytes } => (response_bytes, false),
            HandshakeProcessResult::Completed { response_bytes, .. } => (response_bytes, true),
        };
        stream.write_all(&response).unwrap();
        if done {
            return stream;
        }
    }
}

fn command(data: Vec<u8>) -> Vec<u8> {
    ChunkSerializer::new()
        .serialize(
            &MessagePayload {
                timestamp: RtmpTimestamp::new(0),
                type_id: 20,
                message_stream_id: 0,
                data: data.into(),
            },
            true,
            false,
        )
        .unwrap()
        .bytes
}

/// Sends and expects the server to close the connection.
fn closes_on(server: &Server, bytes: &[u8]) {
    let mut stream = shaken_hands(server);
    // The server may close before all is sent.
    stream.write_all(bytes).ok();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "{e}"),
    }
}

#[test]
fn hostile_peers_harm_nobody_else() {
    let fixture = start();
    let server = &fixture.server;
    let _push = push(server, "survivor", &[]);
    wait_live(server, "survivor");
    let name = |s: &str| {
        let mut out = vec![2, 0, u8::try_from(s.len()).unwrap()];
        out.extend(s.as_bytes());
        out
    };
    // Commands of fewer than three values: these make rml_rtmp panic.
    closes_on(server, &command(name("connect")));
    closes_on(server, &command([name("connect"), vec![0; 9]].concat()));
    closes_on(server, &command(vec![5]));
    // Objects in objects: these make rml_amf0 overflow the stack.
    let nested = [1, b'x', 3].repeat(2000).iter().fold(
        [name("connect"), vec![0; 9], vec![3]].concat(),
        |mut all, byte| {
            if *byte == 1 {
                all.push(0);
            }
            all.push(*byte);
            all
        },
    );
    assert!(nested.len() < 16 * 1024);
    let nested: Vec<u8> = {
        // In chunks of 128 bytes with one-byte headers between.
        let mut out = vec![3, 0, 0, 0];
        out.extend(&u32::try_from(nested.len()).unwrap().to_be_bytes()[1..]);
        out.extend([20, 0, 0, 0, 0]);
        for (i, chunk) in nested.chunks(128).enumerate() {
            if i > 0 {
                out.push(0xc3);
            }
            out.extend(chunk);
        }
        out
    };
    closes_on(server, &nested);
    // A message of 16 MiB, a continuation of nothing, noise.
    closes_on(server, &[3, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]);
    closes_on(server, &[0xc5; 64]);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20 {
        let noise: Vec<u8> = (0..random.usize(1..5000)).map(|_| random.u8(..)).collect();
        let mut stream = shaken_hands(server);
        stream.write_all(&noise).ok();
        let mut plain = TcpStream::connect(server.rtmp_addr()).unwrap();
        plain.write_all(&noise).ok();
    }
    let before = server.streams()[0].newest_ms;
    wait_until("the other stream runs on", || {
        server.streams().iter().any(|s| s.newest_ms > before + 500)
    });
    let mut later = push(server, "later", &["-t", "0.5"]);
    assert!(later.0.wait().unwrap().success(), "a later push");
}
