//! A headless Chromium for tests, driven through chromedriver's WebDriver interface (plain HTTP and JSON). Include it
//! with `#[path = "support/browser.rs"] mod browser;`.
//!
//! Without Chromium a test is skipped with a printed reason, but fails where the environment has `CI` set.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test harness: failing loudly is its job"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A running browser; closed when dropped.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| names.iter().map(move |n| dir.join(n)))
        .find(|p| p.is_file())
}

impl Browser {
    /// Starts a browser with a fresh profile; `None` when there is none and the test should be skipped.
    pub(crate) fn start() -> Option<Self> {
        let chromium = find(&["chromium", "chromium-browser", "google-chrome"]);
        let driver = find(&["chromedriver"]);
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            let reason = "no Chromium with chromedriver here (Debian: chromium chromium-driver)";
            assert!(std::env::var_os("CI").is_none(), "{reason}");
            println!("skipped: {reason}");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("chromedriver ended").unwrap();
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').parse().unwrap();
            }
        };
        // Its output must go on being read, or it would stop on a full pipe.
        std::thread::Builder::new()
            .name("chromedriver".into())
            .spawn(move || lines.for_each(drop))
            .unwrap();
        let mut browser = Self {
            driver: child,
            port,
            session: String::new(),
            _profile: profile,
        };
        let user_data = format!("--user-data-dir={}", browser._profile.path().display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--autoplay-policy=no-user-gesture-required",
            "--window-size=1280,960",
            &user_data,
        ];
        let answer = browser.request(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": chromium, "args": args},
                "goog:loggingPrefs": {"browser": "ALL"},
            }}}),
        );
        browser.session = answer["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("no browser session: {answer}"))
            .to_owned();
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    /// Runs a function body in the page and returns what it returns.
    pub(crate) fn execute(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Runs `script` until it returns something true, for at most `limit`.
    pub(crate) fn wait_for(&self, what: &str, script: &str, limit: Duration) -> Value {
        let start = Instant::now();
        loop {
            let value = self.execute(script);
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if start.elapsed() > limit {
                let picture = std::env::temp_dir().join("kaibo-browser.new.png");
                self.screenshot(&picture);
                panic!(
                    "{what}: not within {limit:?}; see {}; console: {}",
                    picture.display(),
                    self.console()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the page wrote to its console since the last call.
    fn console(&self) -> Value {
        self.command("se/log", &json!({"type": "browser"}))
    }

    /// Writes a PNG of the window.
    fn screenshot(&self, to: &Path) {
        let path = format!("/session/{}/screenshot", self.session);
        let answer = self.request("GET", &path, &Value::Null);
        std::fs::write(to, base64(answer.as_str().unwrap())).unwrap();
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        self.request("POST", &format!("/session/{}/{name}", self.session), body)
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
        }
        let mut content = vec![0; length];
        reader.read_exact(&mut content).unwrap();
        let answer: Value = serde_json::from_slice(&content).unwrap();
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.request(
                "DELETE",
                &format!("/session/{}", self.session),
                &Value::Null,
            );
        } else {
            // A panic while another unwinds would abort: ask without looking at the answer.
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                write!(
                    stream,
                    "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                    self.session
                )
                .ok();
                stream.set_read_timeout(Some(Duration::from_secs(5))).ok();
                stream.read_to_end(&mut Vec::new()).ok();
            }
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').collect();
    digits
        .chunks(4)
        .flat_map(|quad| {
            let word = quad.iter().fold(0, |w, c| w << 6 | value(*c)) << (6 * (4 - quad.len()));
            word.to_be_bytes()[1..quad.len()].to_vec()
        })
        .collect()
}
