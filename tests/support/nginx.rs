//! A real nginx with the RTMP module, with its own configuration, folder and port.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{find, flv, free_port, say, wait_for};

/// Where Debian and Ubuntu put the module.
pub const MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
/// What a test has to have.
pub const NEEDS: [&str; 2] = ["nginx", MODULE];

/// The server; killed when dropped, its log shown if the test failed.
///
/// Applications: `live` records what it gets, `closed` lets nobody publish.
pub struct Nginx {
    child: Option<Child>,
    dir: TempDir,
    port: u16,
}

impl Nginx {
    /// Starts it and waits until it listens.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("kaibo-nginx").tempdir();
        let mut server = Self {
            child: None,
            dir: dir.unwrap(),
            port: free_port(),
        };
        fs::create_dir(server.recordings()).unwrap();
        server.configure();
        server.run();
        server
    }

    fn configure(&self) {
        let dir = self.dir.path().display();
        let (port, recordings) = (self.port, self.recordings());
        let recordings = recordings.display();
        // one process without privileges to change: killing it is all there is to stopping it
        let config = format!(
            "daemon off; master_process off; load_module {MODULE};
            error_log {dir}/error.log info; pid {dir}/nginx.pid;
            events {{ worker_connections 64; }}
            rtmp {{ access_log {dir}/access.log; server {{ listen 127.0.0.1:{port};
                application live {{ live on; record all; record_path {recordings}; record_unique on; }}
                application closed {{ live on; deny publish all; }}
            }} }}"
        );
        fs::write(self.dir.path().join("nginx.conf"), config).unwrap();
    }

    /// Starts it again after [`Self::kill`], on the same port.
    pub fn run(&mut self) {
        let log = fs::File::create(self.dir.path().join("output.log")).unwrap();
        let child = Command::new(find("nginx").unwrap())
            .arg("-p")
            .arg(self.dir.path())
            .arg("-c")
            .arg(self.dir.path().join("nginx.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for("nginx listens", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// `rtmp://127.0.0.1:port/app/key`.
    pub fn address(&self, app: &str, key: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{app}/{key}", self.port)
    }

    fn recordings(&self) -> PathBuf {
        self.dir.path().join("rec")
    }

    /// Recordings of `key`, oldest first.
    pub fn recorded(&self, key: &str) -> Vec<PathBuf> {
        let prefix = format!("{key}-");
        let mut files: Vec<_> = fs::read_dir(self.recordings())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|p| {
                p.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(&prefix)
            })
            .collect();
        files.sort();
        files
    }

    /// The one recording of `key`, once it holds `media` packets and nothing more is being written.
    pub fn complete_recording(&self, key: &str, media: usize) -> (PathBuf, flv::Flv) {
        wait_for("the whole recording", Duration::from_secs(10), || {
            let files = self.recorded(key);
            let file = flv::read(files.first()?)?;
            (file.media.len() >= media).then(|| (files[0].clone(), file))
        })
    }

    /// Whether its log has `text`.
    pub fn logged(&self, text: &str) -> bool {
        self.log("error.log").contains(text)
    }

    /// Whether the publisher said goodbye (rather than just went away, which nginx logs the other way round).
    pub fn logged_goodbye(&self) -> bool {
        let log = self.log("error.log");
        let after = log.split("publish: name=").last().unwrap_or_default();
        let place = |text| after.find(text).unwrap_or(usize::MAX);
        place("deleteStream") < place("disconnect")
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            for name in ["output.log", "error.log"] {
                let log = self.log(name);
                let tail: Vec<_> = log.lines().rev().take(40).collect();
                say(&format!(
                    "--- nginx {name} (newest first)\n{}",
                    tail.join("\n")
                ));
            }
        }
    }
}
