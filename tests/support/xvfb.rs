//! A private X server (Xvfb) for tests. Include it with `#[path = "support/xvfb.rs"] mod xvfb;`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test harness: failing loudly is its job, and a skipped test says why"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// An X server of our own, ended when dropped.
pub(crate) struct Xvfb {
    pub(crate) server: Child,
    /// ":7".
    pub(crate) display: String,
}

impl Xvfb {
    /// `None` (with a reason printed) where there is no Xvfb and this is no CI.
    pub(crate) fn start(screen: &str, more: &[&str]) -> Option<Self> {
        let started = Command::new("Xvfb")
            .args(["-displayfd", "1", "-noreset", "-screen", "0", screen])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = match started {
            Ok(server) => server,
            Err(e) => {
                assert!(std::env::var_os("CI").is_none(), "Xvfb: {e}; install xvfb");
                println!("skipped: Xvfb: {e}; install xvfb");
                return None;
            }
        };
        let mut number = String::new();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        out.read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        assert!(display.len() > 1, "Xvfb ended at once: {:?}", server.wait());
        Some(Self { server, display })
    }

    /// Sends the server a signal ("STOP").
    #[expect(clippy::allow_attributes, reason = "depends on the test file")]
    #[allow(dead_code, reason = "not every test file stops it")]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.server.id();
        // the shell's own kill: the program is not everywhere
        let kill = format!("kill -s {name} {pid}");
        let done = Command::new("sh").args(["-c", &kill]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        self.server.kill().ok(); // may be gone already
        self.server.wait().ok();
    }
}
