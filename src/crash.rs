//! A report for whoever mends the bug: when any thread panics, a text file with what happened, where, and the way there
//! (backtrace); addresses' keys, logins and query values are hidden in it. The panic's words go to the log the same way,
//! and not, as they would by themselves, to standard error as they are. Runs on the thread that panicked; a stage that
//! does is started again by its supervisor.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::fs;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::rtmp::redact::Redactor;
use crate::rtmp::url::RtmpUrl;

/// Addresses whose secrets are kept in mind.
const MOST_ADDRESSES: usize = 32;
/// Reports of one run: a thread that panics again and again must not fill the disk.
const MOST_REPORTS: u32 = 5;
/// Reports kept in the folder.
const MOST_KEPT: usize = 20;
const PREFIX: &str = "kaibo-crash-";

static SECRETS: Mutex<Vec<Redactor>> = Mutex::new(Vec::new());

/// Where reports lie: `~/.local/state/kaibo` on Linux, the like elsewhere. `None` without a home.
pub fn default_folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "kaibo")?;
    Some(dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_owned())
}

/// From now on a panic of any thread leaves a report in `folder`.
pub fn install(folder: Option<PathBuf>) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    std::panic::set_hook(Box::new(move |info| {
        let words = words(info);
        tracing::error!("a bug: {words}");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let Some(folder) = folder.as_deref().filter(|_| number < MOST_REPORTS) else {
            return;
        };
        match write(folder, number, &words) {
            Ok(path) => {
                tracing::error!("a report without secrets is in {}", path.display());
            }
            Err(error) => tracing::warn!(%error, "no report could be written"),
        }
    }));
}

/// The secrets of `url` appear in no report from now on.
pub fn hide(url: &RtmpUrl) {
    let mut secrets = SECRETS.lock();
    if secrets.len() == MOST_ADDRESSES {
        secrets.remove(0);
    }
    secrets.push(Redactor::new(url));
}

/// `text` without the secrets that are known.
fn clean(text: &str) -> String {
    // the lock may be held by the very thread that panics
    let Some(secrets) = SECRETS.try_lock() else {
        return "(not shown: it could hold a secret)".to_owned();
    };
    secrets
        .iter()
        .fold(text.to_owned(), |text, r| r.clean(&text))
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let said = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words");
    let thread = thread::current();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    format!(
        "{} (thread {} at {place})",
        clean(said),
        thread.name().unwrap_or("without a name")
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a report is found by the world's clock"
)]
fn write(folder: &Path, number: u32, words: &str) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    prune(folder)?;
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let path = folder.join(format!(
        "{PREFIX}{seconds}-{}-{number}.txt",
        std::process::id()
    ));
    let mut text = format!(
        "Kaibo {} on {} {}\n{words}\n\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    for line in Backtrace::force_capture().to_string().lines() {
        // names of functions and files; cleaned all the same, line by line as a redactor cuts long texts
        writeln!(text, "{}", clean(line)).ok();
    }
    fs::write(&path, text)?;
    Ok(path)
}

/// Leaves room for one more report: the oldest ones go.
fn prune(folder: &Path) -> std::io::Result<()> {
    let mut reports: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().map(|n| n.to_string_lossy());
            name.is_some_and(|n| n.starts_with(PREFIX))
        })
        .collect();
    reports.sort(); // by their second
    let surplus = (reports.len() + 1).saturating_sub(MOST_KEPT);
    reports.iter().take(surplus).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_a_report_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        for old in 0..30 {
            fs::write(dir.path().join(format!("{PREFIX}{old:02}.txt")), "old").unwrap();
        }
        let url = "rtmp://me:hunter2@h/app/live_k3y?sign=abcdef123";
        hide(&RtmpUrl::parse(url, None).unwrap());
        let before = std::panic::take_hook();
        install(Some(dir.path().to_owned()));
        let crashing = thread::Builder::new().name("crashing".to_owned());
        let crashed = crashing
            .spawn(|| panic!("live_k3y?sign=abcdef123 of me with hunter2"))
            .unwrap();
        crashed.join().unwrap_err();
        std::panic::set_hook(before);
        let reports: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(reports.len(), MOST_KEPT, "the oldest are gone");
        let texts = reports.iter().map(|p| fs::read_to_string(p).unwrap());
        let mut ours: Vec<_> = texts.filter(|t| t.contains("thread crashing")).collect();
        let report = ours.pop().unwrap();
        assert!(ours.is_empty() && report.contains("crash.rs"), "{report}");
        for secret in ["live_k3y", "abcdef123", "hunter2"] {
            assert!(!report.contains(secret), "{report}");
        }
    }
}
