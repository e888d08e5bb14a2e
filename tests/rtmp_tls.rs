//! The RTMP output over TLS, against a server of our own whose certificate nobody vouches for.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kaibo::output::rtmp::RtmpOptions;
use kaibo::output::tuning::{StreamTuning, TuningHandle};
use kaibo::output::{OutputError, OutputState};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use support::fake_server::{FakeServer, Then, Until};
use support::outputs::{LIMIT, Running};
use support::{have, material, wait_for};

/// For localhost and 127.0.0.1 (tests use the latter: not every system knows the former), signed by itself, good for a hundred years.
const CERT: &[u8] = include_bytes!("support/tls/cert.der");
const KEY: &[u8] = include_bytes!("support/tls/key.der");

/// Takes TLS off and hands the bytes to another server.
struct TlsFront {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TlsFront {
    fn before(server: u16) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(CERT)],
                PrivatePkcs8KeyDer::from(KEY).into(),
            )
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || {
            let mut pairs = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((client, _)) = listener.accept() {
                    client.set_nonblocking(true).unwrap();
                    let plain = TcpStream::connect(("127.0.0.1", server)).unwrap();
                    plain.set_nonblocking(true).unwrap();
                    pairs.push((
                        client,
                        plain,
                        ServerConnection::new(Arc::clone(&config)).unwrap(),
                    ));
                }
                pairs.retain_mut(|(client, plain, tls)| shovel(client, plain, tls).is_ok());
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        #[expect(clippy::disallowed_methods, reason = "a test's peer is no stage")]
        let thread = std::thread::spawn(body);
        Self {
            port,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().unwrap().join());
    }
}

/// Moves what is there in both directions; an error when one side is gone.
fn shovel(
    client: &mut TcpStream,
    plain: &mut TcpStream,
    tls: &mut ServerConnection,
) -> std::io::Result<()> {
    let mut buffer = [0; 16 << 10];
    if tls.wants_read() {
        match tls.read_tls(client) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {
                tls.process_new_packets()
                    .map_err(|e| std::io::Error::other(e.to_string()))?;
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    while let Ok(n @ 1..) = tls.reader().read(&mut buffer) {
        plain.write_all(&buffer[..n])?;
    }
    match plain.read(&mut buffer) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(n) => tls.writer().write_all(&buffer[..n])?,
        Err(e) if e.kind() == ErrorKind::WouldBlock => {}
        Err(e) => return Err(e),
    }
    while tls.wants_write() {
        match tls.write_tls(client) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            other => other?,
        };
    }
    Ok(())
}

fn port_of(server: &FakeServer) -> u16 {
    let address = server.address("k");
    let rest = address.trim_start_matches("rtmp://127.0.0.1:");
    rest.split('/').next().unwrap().parse().unwrap()
}

fn trusting() -> TuningHandle {
    TuningHandle::new(StreamTuning {
        trust_any_certificate: true,
        ..StreamTuning::default()
    })
}

#[test]
fn a_trusted_server_gets_the_show_encrypted() {
    if !have(&["ffmpeg"]) {
        return;
    }
    let server = FakeServer::start(Until::Forever, Then::Silence);
    let front = TlsFront::before(port_of(&server));
    let address = format!("rtmps://127.0.0.1:{}/live/s3cr3t", front.port);
    let push = Running::rtmp_tuned(&address, RtmpOptions::default(), trusting());
    push.wait_connected();
    let packets = &material::packets()[..150];
    push.feed(packets.iter().cloned());
    push.stop();
    assert_eq!(push.state(), OutputState::Stopped);
    wait_for("the last packet", LIMIT, || {
        (server.heard().len() >= packets.len()).then_some(())
    });
    assert!(push.output.stats().target.starts_with("rtmps://127.0.0.1"));
}

#[test]
fn who_cannot_be_trusted_is_told_and_gets_nothing() {
    let server = FakeServer::start(Until::Forever, Then::Silence);
    let front = TlsFront::before(port_of(&server));
    let failure = |address: String, tuning| {
        let push = Running::rtmp_tuned(&address, RtmpOptions::default(), tuning);
        let error = push.wait_error();
        push.stop();
        let text = error.full_text();
        assert!(!text.contains("s3cr3t"), "{text}");
        (error, text)
    };
    let own = format!("rtmps://127.0.0.1:{}/live/s3cr3t", front.port);
    let (error, text) = failure(own, TuningHandle::default());
    assert!(
        matches!(error, OutputError::Tls { .. }) && text.contains("nobody this computer knows"),
        "{text}"
    );
    // a server that does not speak TLS at all
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n".to_vec();
    let web = FakeServer::start(Until::Accept, Then::Say(http));
    let plain = format!("rtmps://127.0.0.1:{}/live/s3cr3t", port_of(&web));
    let (error, text) = failure(plain, trusting());
    let words = [
        "does not answer encrypted",
        "no encryption could",
        "instead of agreeing on encryption",
    ];
    assert!(words.iter().any(|w| text.contains(w)), "{error:?} {text}");
    assert!(server.heard().is_empty());
}
