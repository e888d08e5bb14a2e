//! The whole program recording without a stream, told on its standard input to pause, cut, mark, save a replay and a
//! picture; plain MP4s made at the end.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::support::{have, wait_for};
use super::{pictures, probe};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Show {
    child: Child,
    lines: Arc<Mutex<String>>,
}

impl Show {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .args(args)
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::<Mutex<String>>::default();
        let (out, into) = (child.stdout.take().unwrap(), Arc::clone(&lines));
        #[expect(clippy::disallowed_methods, reason = "a test's reader is no stage")]
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                *into.lock() += &(line.unwrap() + "\n");
            }
        });
        Self { child, lines }
    }

    fn say(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    pub(crate) fn wait(&self, text: &str, times: usize) {
        wait_for(text, LIMIT, || {
            (self.lines.lock().matches(text).count() >= times).then_some(())
        });
    }

    /// Waits until this much is recorded.
    pub(crate) fn recorded(&self, ms: u64) {
        wait_for("recorded", LIMIT, || {
            let lines = self.lines.lock();
            let last = lines.rsplit_once("\"recorded_ms\":")?.1;
            let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
            (digits.parse::<u64>().ok()? >= ms).then_some(())
        });
    }

    pub(crate) fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "INT", &pid]).status();
        assert!(sent.unwrap().success());
        let status = wait_for("the end", LIMIT, || self.child.try_wait().unwrap());
        status.code()
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

#[test]
fn a_show_is_recorded_alone_and_takes_orders() {
    if !have(&["ffmpeg", "ffprobe", "kill"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.toml");
    let videos = dir.path().join("videos");
    fs::write(
        &settings,
        format!(
            "[recording]\nfolder = {:?}\nname = \"{{title}}-{{n}}\"\nformat = \"mkv\"\nmake_mp4 = true\nkeep_free_mb = 0\n",
            videos.to_str().unwrap()
        ),
    )
    .unwrap();
    let mut args = vec!["record", "--config", settings.to_str().unwrap()];
    args.extend(["--source", "test", "--audio", "none", "--software-gpu"]);
    args.extend(["--size", "320x180", "--fps", "15", "--stats", "json"]);
    args.extend(["--record-title", "晚安", "--replay", "5s", "--control"]);
    let mut show = Show::start(&args);
    show.recorded(2000);
    show.say("mark boss");
    show.wait("\"marks\":1", 1);
    show.say("pause");
    show.wait("\"paused\":true", 2);
    show.say("resume");
    show.say("split");
    show.wait("recording_split", 1);
    let picture = dir.path().join("picture.png");
    show.say(&format!("picture {}", picture.display()));
    show.wait("screenshot_saved", 1);
    show.say("dance");
    show.say("replay");
    show.wait("replay_saved", 1);
    // the first file is closed: its plain MP4 is made while the second grows
    show.wait("mp4_made", 1);
    assert!(
        show.lines.lock().contains("\"stream\":null"),
        "nothing is pushed"
    );
    assert_eq!(show.end(), Some(0));

    let recordings = files(&videos, "mkv");
    let names: Vec<_> = recordings
        .iter()
        .map(|p| p.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["晚安-0001 replay.mkv", "晚安-0001.mkv", "晚安-0002.mkv"]
    );
    for recording in &recordings {
        let times = pictures(recording);
        let hole = times.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        // sound that lies before the first picture by less than one of its blocks belongs to it
        assert!(
            times[0].abs() <= 22 && hole < 300,
            "{recording:?}: from {} on, {hole} ms",
            times[0]
        );
    }
    let plain = videos.join("晚安-0001.mp4");
    assert_eq!(pictures(&plain).len(), pictures(&recordings[1]).len());
    let found = probe::probe(plain.to_str().unwrap(), None);
    assert_eq!(found["format"]["tags"]["title"], "晚安");
    assert_eq!(image::open(&picture).unwrap().width(), 320);
    let left = files(&videos, "unfinished");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_address_and_a_kind_we_do_not_write_are_refused() {
    for (args, reason) in [
        (vec!["record", "show.avi"], ".mp4, .mkv or .flv"),
        (
            vec!["record", "a.mp4", "--url", "rtmp://127.0.0.1/live/x"],
            "kaibo push --record",
        ),
        (
            vec!["push", "--record", "a.mp4", "--record-split", "90s"],
            "whole minutes",
        ),
        (vec!["remux", "/nowhere/a.mp4"], "name the plain MP4"),
        (vec!["remux", "/nowhere/a.mkv"], "cannot be read"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .args(&args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            !run.status.success() && said.contains(reason),
            "{args:?}: {said}"
        );
    }
}
