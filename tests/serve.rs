//! The built-in ingest and watch page against real programs: ffmpeg pushes and plays, Chromium watches, a hostile peer
//! sends garbage.
#![expect(
    clippy::unwrap_used,
    reason = "test helpers: failing loudly is their job"
)]

#[path = "support/browser.rs"]
mod browser;
#[path = "serve/hostile.rs"]
mod hostile;
#[path = "serve/kaibo.rs"]
mod kaibo_push;
#[path = "serve/page.rs"]
mod page;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kaibo::serve::{ServeConfig, Server};
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
