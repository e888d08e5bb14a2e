//! A disk that is full: the recording ends with a file that plays, the user is told, and the stream does not notice.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kaibo::container::Format;

use super::pictures;
use super::program::Kaibo;
use super::support::fake_server::{FakeServer, Then, Until};
use super::support::{have, say};

/// A file system of 256 KiB in memory; unmounted when dropped.
struct SmallDisk {
    at: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and the reason is printed, where that is not permitted.
    fn mount() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "kaibo-test"])
            .arg(at.path())
            .output();
        match mounted {
            Ok(done) if done.status.success() => Some(Self { at }),
            other => {
                say(&format!("SKIPPED: no small disk can be mounted: {other:?}"));
                None
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.at.path()).status().ok(); // stays until the next boot otherwise
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_stream() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in Format::ALL {
        let Some(disk) = SmallDisk::mount() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("settings.toml");
        std::fs::write(&settings, "[recording]\nkeep_free_mb = 0\n").unwrap();
        let server = FakeServer::start(Until::Forever, Then::Silence);
        let file = disk.file(&format!("show.{}", format.extension()));
        let url = server.address("show");
        let mut args = vec![
            "push",
            "--source",
            "test",
            "--audio",
            "none",
            "--software-gpu",
        ];
        args.extend(["--url", &url, "--record", file.to_str().unwrap()]);
        args.extend(["--config", settings.to_str().unwrap(), "--no-adapt"]);
        args.extend(["--size", "320x180", "--video-bitrate", "4M", "--fps", "30"]);
        args.extend(["--duration", "9s", "--stats", "json"]);
        let run = Kaibo::start(&args).wait(Duration::from_secs(60));
        assert_eq!(
            run.code,
            Some(3),
            "what was asked for was not done to its end"
        );
        assert!(
            run.stdout
                .contains("the disk is full: the recording has ended"),
            "{}",
            run.stderr
        );
        assert_eq!(run.stdout.matches("recording_failed").count(), 1);

        // every picture of the nine seconds came, before and after
        let heard: Vec<_> = server.heard().into_iter().filter(|h| h.video).collect();
        let gap = heard.windows(2).map(|w| w[1].ms - w[0].ms).max().unwrap();
        let length = heard.last().unwrap().ms;
        assert!(
            length > 8500 && gap < 200,
            "{length} ms with a gap of {gap} ms"
        );

        let shown = pictures(&file);
        let seconds = shown.len() as f64 / 30.0;
        say(&format!(
            "{format:?}: {seconds:.1} s recorded, {length} ms streamed"
        ));
        assert!(shown.len() > 30 && seconds < 8.0, "{seconds} s");
        let names = std::fs::read_dir(disk.at.path()).unwrap();
        assert_eq!(names.count(), 1, "no marker: the file is closed");
    }
}
