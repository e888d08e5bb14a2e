//! What the tests with real programs share: a server, material, readers, waiting with deadlines.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(unreachable_pub, reason = "pub reads better than pub(crate) here")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

pub mod fake_server;
pub mod flv;
pub mod material;
pub mod nginx;
pub mod outputs;
pub mod probe;
pub mod script_server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Whether all `programs` are installed. Where CI runs (`CI` is set) a missing one is a failure; elsewhere the caller
/// skips its test, and the reason is printed.
pub fn have(programs: &[&str]) -> bool {
    let Some(missing) = programs.iter().find(|p| find(p).is_none()) else {
        return true;
    };
    assert!(
        std::env::var_os("CI").is_none(),
        "{missing} is not installed, and CI must not skip tests"
    );
    say(&format!("SKIPPED: {missing} is not installed"));
    false
}

/// Where a program or, with a `/` in it, a file is.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|p| p.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into()); // nginx's place, which is not in everybody's PATH
    places
        .into_iter()
        .map(|d| d.join(program))
        .find(|p| p.is_file())
}

/// Prints for whoever reads the test's output.
#[expect(
    clippy::print_stderr,
    reason = "the test harness shows it with the test"
)]
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Asks `done` again and again until it gives something; panics with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A TCP port nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
