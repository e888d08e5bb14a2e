//! The built-in ingest and watch page against real programs: ffmpeg pushes and plays, Chromium watches, a hostile peer
//! sends garbage.

#[path = "support/browser.rs"]
mod browser;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kaibo::serve::{ServeConfig, Server};
use rml_rtmp::chunk_io::ChunkSerializer;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::messages::MessagePayload;
use rml_rtmp::time::RtmpTimestamp;
use serde_json::Value;

struct Fixture {
    server: Server,
    _runtime: tokio::runtime::Runtime,
}

fn start() -> Fixture {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = ServeConfig {
        rtmp: any,
        http: any,
    };
    let server = Server::start(config, runtime.handle()).unwrap();
    Fixture {
        server,
        _runtime: runtime,
    }
}

/// A child that is killed when the test ends.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Pushes a moving picture and a tone with the ffmpeg program, in real time.
fn push(server: &Server, name: &str, extra: &[&str]) -> Guard {
    let url = format!("{}/{name}", server.push_url());
    let child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-re"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"])
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
        ])
        .args(["-pix_fmt", "yuv420p", "-g", "60", "-b:v", "1000k"])
        .args(["-c:a", "aac", "-b:a", "96k", "-ac", "2"])
        .args(extra)
        .args(["-f", "flv", &url])
        .stdin(Stdio::null())
        .spawn()
        .expect("the ffmpeg program is needed (Debian: ffmpeg)");
    Guard(child)
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what}: not within 20 s"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The stream is there and browsers could play it.
fn wait_live(server: &Server, name: &str) {
    let path = format!("/stream/{name}.mp4");
    wait_until("live", || {
        let mut head = [0; 12];
        let mut stream = request(server.http_addr(), &path, "");
        stream.read_exact(&mut head).unwrap();
        &head == b"HTTP/1.1 200"
    });
}

fn request(addr: SocketAddr, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    stream
}

/// Head and body of a short answer.
fn get(addr: SocketAddr, path: &str, headers: &str) -> (String, String) {
    let mut answer = String::new();
    request(addr, path, headers)
        .read_to_string(&mut answer)
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn probe(args: &[&str]) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json"])
        .args(args)
        .output()
        .expect("the ffprobe program is needed (Debian: ffmpeg)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "complaints");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn seconds(packet: &Value, field: &str) -> f64 {
    packet[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_ffmpeg_pushes_is_served_as_mp4() {
    let fixture = start();
    let server = &fixture.server;
    let _push = push(server, "stage", &[]);
    wait_live(server, "stage");
    let url = format!("http://{}/stream/stage.mp4", server.http_addr());
    let answer = probe(&[
        "-read_intervals",
        "%+3",
        "-show_streams",
        "-show_packets",
        &url,
    ]);
    let streams = answer["streams"].as_array().unwrap();
    let stream = |kind: &str| {
        streams
            .iter()
            .find(|s| s["codec_type"] == kind)
            .unwrap_or_else(|| panic!("no {kind}"))
    };
    assert_eq!(stream("video")["codec_name"], "h264");
    assert_eq!(stream("video")["width"], 640);
    assert_eq!(stream("video")["height"], 360);
    assert_eq!(stream("audio")["codec_name"], "aac");
    assert_eq!(stream("audio")["sample_rate"], "48000");
    assert_eq!(stream("audio")["channels"], 2);
    for kind in ["video", "audio"] {
        let packets: Vec<&Value> = answer["packets"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| p["codec_type"] == kind)
            .collect();
        let times: Vec<f64> = packets.iter().map(|p| seconds(p, "dts_time")).collect();
        assert!(times.len() > 60, "{kind}: {} packets", times.len());
        let (period, slack) = if kind == "video" {
            (1.0 / 30.0, 0.0011) // RTMP rounds to milliseconds
        } else {
            (1024.0 / 48_000.0, 0.000_03) // sound is put back in line exactly
        };
        for pair in times.windows(2) {
            let step = pair[1] - pair[0];
            assert!((step - period).abs() <= slack, "{kind}: step of {step} s");
        }
        if kind == "video" {
            let flags = packets[0]["flags"].as_str().unwrap();
            assert!(flags.starts_with('K'), "begins with a keyframe: {flags}");
        }
    }
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-t", "2", "-i", &url, "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(decoded.status.success());
    assert_eq!(
        String::from_utf8_lossy(&decoded.stderr),
        "",
        "decoding errors"
    );
}

#[test]
fn b_frames_and_rtmp_players_are_served() {
    let fixture = start();
    let server = &fixture.server;
    let _push = push(
        server,
        "b",
        &["-tune", "film", "-preset", "veryfast", "-bf", "2"],
    );
    wait_live(server, "b");
    for url in [
        format!("http://{}/stream/b.mp4", server.http_addr()),
        format!("{}/b", server.push_url()),
    ] {
        let answer = probe(&[
            "-read_intervals",
            "%+2",
            "-select_streams",
            "v",
            "-show_packets",
            &url,
        ]);
        let packets = answer["packets"].as_array().unwrap();
        assert!(
            packets[0]["flags"].as_str().unwrap().starts_with('K'),
            "{url}"
        );
        let reordered = packets
            .iter()
            .filter(|p| seconds(p, "pts_time") > seconds(p, "dts_time") + 0.02)
            .count();
        assert!(reordered > 20, "{url}: {reordered} reordered packets");
    }
}

#[test]
fn a_viewer_in_mid_group_starts_at_the_newest_keyframe_at_once() {
    let fixture = start();
    let server = &fixture.server;
    // A keyframe every 10 s: whoever waited for the next one would take long.
    let _push = push(server, "gop", &["-g", "300"]);
    wait_live(server, "gop");
    wait_until("two seconds of stream", || {
        server.streams().iter().any(|s| s.newest_ms > 2000)
    });
    let begin = Instant::now();
    let url = format!("http://{}/stream/gop.mp4", server.http_addr());
    let answer = probe(&[
        "-read_intervals",
        "%+#60",
        "-select_streams",
        "v",
        "-show_packets",
        &url,
    ]);
    let first = &answer["packets"][0];
    assert!(first["flags"].as_str().unwrap().starts_with('K'));
    assert!(seconds(first, "pts_time") < 0.1, "the kept group");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn figures_are_measured() {
    let fixture = start();
    let server = &fixture.server;
    let (_, body) = get(server.http_addr(), "/stats/none", "");
    assert_eq!(body, "{\"live\":false}");
    let _push = push(server, "a%20b", &[]); // the pusher's name is "a%20b" literally
    wait_until("a steady rate", || {
        server
            .streams()
            .iter()
            .any(|s| (29.0..31.0).contains(&s.fps) && s.uptime_s >= 3)
    });
    let (head, body) = get(server.http_addr(), "/stats/a%2520b", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let stats: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(stats["live"], true);
    assert_eq!(
        (&stats["width"], &stats["height"]),
        (&640.into(), &360.into())
    );
    assert!(stats["video_codec"].as_str().unwrap().starts_with("avc1."));
    assert_eq!(stats["audio_codec"], "mp4a.40.2");
    let kbps = stats["audio_kbps"].as_u64().unwrap();
    assert!((70..130).contains(&kbps), "{stats}");
    assert!(stats["video_kbps"].as_u64().unwrap() > 200, "{stats}");
    let (head, body) = get(server.http_addr(), "/", "");
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(body.contains("href=\"/watch/a%2520b\""), "{body}");
}

#[test]
fn other_web_sites_are_kept_out() {
    let fixture = start();
    let addr = fixture.server.http_addr();
    let status = |headers: &str| get(addr, "/", headers).0[9..12].to_owned();
    assert_eq!(status(""), "200");
    assert_eq!(status("Origin: http://evil.example\r\n"), "403");
    assert_eq!(status("Sec-Fetch-Site: cross-site\r\n"), "403");
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("access-control"));
}

#[test]
fn a_busy_name_is_refused_and_free_again_afterwards() {
    let fixture = start();
    let server = &fixture.server;
    let first = push(server, "one", &[]);
    wait_live(server, "one");
    let mut second = push(server, "one", &["-t", "5"]);
    assert!(!second.0.wait().unwrap().success(), "a second publisher");
    assert_eq!(server.streams().len(), 1);
    drop(first);
    wait_until("the name is free", || server.streams().is_empty());
    let mut third = push(server, "one", &["-t", "0.5"]);
    assert!(
        third.0.wait().unwrap().success(),
        "after the first has gone"
    );
    wait_until("and free again", || server.streams().is_empty());
}

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

#[test]
fn the_watch_page_plays_in_a_browser() {
    let Some(browser) = browser::Browser::start() else {
        return;
    };
    let fixture = start();
    let server = &fixture.server;
    browser.open(&server.watch_url("show"));
    let limit = Duration::from_secs(30);
    browser.wait_for(
        "the page says that nothing is live",
        "return document.querySelector('#message b').textContent === 'Not live yet'",
        limit,
    );
    let pusher = push(server, "show", &[]);
    watch_it_move(&browser, limit);
    drop(pusher);
    browser.wait_for(
        "the page says that the stream has ended",
        "return document.querySelector('#message b').textContent === 'The stream has ended'",
        limit,
    );
    let _pusher = push(server, "show", &[]);
    watch_it_move(&browser, limit);
    let sessions = browser.execute("return window.kaibo.sessions");
    assert!(sessions.as_u64() >= Some(2), "{sessions}");
}

/// The picture moves, time advances, and the delay is under a second.
fn watch_it_move(browser: &browser::Browser, limit: Duration) {
    const PIXELS: &str = "const v = document.getElementById('video'); \
        const c = document.createElement('canvas'); c.width = 64; c.height = 36; \
        const x = c.getContext('2d'); x.drawImage(v, 0, 0, 64, 36); \
        return [v.currentTime, Array.from(x.getImageData(0, 0, 64, 36).data).join()]";
    browser.wait_for(
        "the video plays",
        "const v = document.getElementById('video'); return window.kaibo.live && v.readyState >= 3 && !v.paused \
         && document.getElementById('message').classList.contains('off')",
        limit,
    );
    let first = browser.execute(PIXELS);
    let at = first[0].as_f64().unwrap();
    browser.wait_for(
        "two seconds of it",
        &format!("return document.getElementById('video').currentTime > {at} + 2"),
        limit,
    );
    let second = browser.execute(PIXELS);
    assert_ne!(first[1], second[1], "the pixels change");
    browser.wait_for(
        "a delay under one second, shown",
        "const shown = parseFloat(document.getElementById('delay').textContent); \
         return window.kaibo.delay !== null && window.kaibo.delay < 1 && shown < 1",
        limit,
    );
    let size = browser.execute("return document.getElementById('picture').textContent");
    assert_eq!(size, "640×360");
}
