//! The built program as a child process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::support::wait_for;

/// A running `kaibo`; killed when dropped.
pub(crate) struct Kaibo {
    child: Child,
    stdout: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    stderr: Arc<Mutex<String>>,
}

/// How it ended.
pub(crate) struct Run {
    /// Exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Everything it printed.
    pub(crate) stdout: String,
    /// Everything it said on standard error.
    pub(crate) stderr: String,
}

impl Kaibo {
    /// Starts the program that cargo built, with a home and a config folder of nobody's.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .args(args)
            .env_remove("KAIBO_URL")
            .env_remove("KAIBO_KEY")
            .env_remove("RUST_LOG")
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (
            Arc::<Mutex<String>>::default(),
            Arc::<Mutex<String>>::default(),
        );
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut err = child.stderr.take().unwrap();
        let (out_text, err_text) = (Arc::clone(&stdout), Arc::clone(&stderr));
        #[expect(clippy::disallowed_methods, reason = "a test's readers are no stages")]
        let readers = vec![
            std::thread::spawn(move || {
                for line in out.lines() {
                    *out_text.lock().unwrap() += &(line.unwrap() + "\n");
                }
            }),
            std::thread::spawn(move || {
                let mut text = Vec::new();
                err.read_to_end(&mut text).unwrap();
                *err_text.lock().unwrap() += &String::from_utf8_lossy(&text);
            }),
        ];
        Self {
            child,
            stdout,
            readers,
            stderr,
        }
    }

    /// Waits until a line of its output contains `text`.
    pub(crate) fn wait_for_line(&self, text: &str) {
        wait_for(text, Duration::from_secs(20), || {
            self.stdout.lock().unwrap().contains(text).then_some(())
        });
    }

    /// Number of the process.
    #[expect(clippy::allow_attributes, reason = "depends on the test file")]
    #[allow(dead_code, reason = "not every test file asks")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGINT ("INT") or the like.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self, limit: Duration) -> Run {
        let status = wait_for("the program's end", limit, || {
            self.child.try_wait().unwrap()
        });
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let text = |t: &Mutex<String>| t.lock().unwrap().clone();
        Run {
            code: status.code(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
        }
    }
}

impl Drop for Kaibo {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}
