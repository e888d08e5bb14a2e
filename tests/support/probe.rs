//! What FFmpeg's ffprobe says about a file or an address.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

/// Streams and packets of `target`. `read` limits what is read (`%+#30`: 30 packets), for live addresses.
pub fn probe(target: &str, read: Option<&str>) -> Value {
    let mut command = Command::new("ffprobe");
    command
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_streams",
            "-show_format",
        ])
        .arg("-show_packets")
        .stdin(Stdio::null());
    if let Some(read) = read {
        command.args(["-read_intervals", read]);
    }
    let output = command.arg(target).output().unwrap();
    assert!(
        output.status.success(),
        "ffprobe: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A viewer of a live address; killed when dropped.
pub struct Viewer {
    child: Child,
    /// Reads what it prints, so that it never waits for us.
    output: Option<JoinHandle<Vec<u8>>>,
}

impl Viewer {
    /// Starts watching.
    pub fn start(address: &str) -> Self {
        let mut child = Command::new("ffprobe")
            .args(["-v", "error", "-of", "json", "-show_packets", address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's reader is no stage")]
        let output = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).unwrap();
            bytes
        });
        Self {
            child,
            output: Some(output),
        }
    }

    /// What it saw, once the server has closed the connection.
    pub fn finish(mut self) -> Value {
        let output = self.output.take().unwrap().join().unwrap();
        serde_json::from_slice(&output).unwrap()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}

/// The stream of a kind ("video", "audio").
pub fn stream<'a>(probe: &'a Value, kind: &str) -> &'a Value {
    let streams = probe["streams"].as_array().unwrap();
    let mut of_kind = streams.iter().filter(|s| s["codec_type"] == kind);
    let found = of_kind.next().unwrap_or_else(|| panic!("no {kind} stream"));
    assert!(of_kind.next().is_none(), "two {kind} streams");
    found
}

/// Decode times in ms of a kind, and whether each is a keyframe.
pub fn times(probe: &Value, kind: &str) -> Vec<(i64, bool)> {
    let packets = probe["packets"].as_array().unwrap();
    packets
        .iter()
        .filter(|p| p["codec_type"] == kind)
        .map(|p| {
            let key = p["flags"].as_str().unwrap().contains('K');
            (p["dts"].as_i64().unwrap(), key) // FLV's time base is 1 ms
        })
        .collect()
}

/// Decodes everything; panics if the decoder complains.
pub fn decode(target: &str) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-xerror", "-i", target])
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}
