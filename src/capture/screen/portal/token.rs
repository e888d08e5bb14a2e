//! The desktop's tokens for what the user has allowed before, so that it does not ask at every start.
//!
//! A small file in the user's state directory, readable by the user only. A token serves once and brings the next one.
//! A file that cannot be read or written means one more question, nothing else.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::super::area::PortalKind;

/// What a token is for. One is kept for each kind, for the choice that was made last: an older choice is asked about anew,
/// rather than shared without a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) kind: PortalKind,
    pub(super) choice: u32,
}

/// Several sources may write.
static FILE: Mutex<()> = Mutex::new(());

/// The file, if the system has a place for it.
pub(super) fn file() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "kaibo")?;
    let dir = dirs.state_dir().unwrap_or(dirs.data_local_dir());
    Some(dir.join("screen-sharing.json"))
}

fn read(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The token kept for `key`.
pub(super) fn load(file: &Path, key: Key) -> Option<String> {
    let _held = FILE.lock();
    let kept = read(file).remove(key.kind.key())?;
    let (choice, token) = kept.split_once(':')?;
    (choice == key.choice.to_string()).then(|| token.to_owned())
}

/// Keeps `token` for `key`, or forgets it.
pub(super) fn store(file: &Path, key: Key, token: Option<&str>) {
    let _held = FILE.lock();
    let mut all = read(file);
    let kept = token.map(|token| format!("{}:{token}", key.choice));
    let old = match &kept {
        Some(kept) => all.insert(key.kind.key().to_owned(), kept.clone()),
        None => all.remove(key.kind.key()),
    };
    if old == kept {
        return;
    }
    let write = || {
        let dir = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let mut new = tempfile::NamedTempFile::new_in(dir)?; // readable by the owner only
        new.write_all(&serde_json::to_vec(&all)?)?;
        new.persist(file)?;
        std::io::Result::Ok(())
    };
    if let Err(e) = write() {
        tracing::warn!(error = %e, "what may be shared is not kept: the desktop will ask again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_by_kind_for_the_last_choice_and_a_broken_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/er/tokens.json");
        let key = |kind, choice| Key { kind, choice };
        let (screen, again) = (key(PortalKind::Monitor, 0), key(PortalKind::Monitor, 1));
        let window = key(PortalKind::Window, 0);
        assert_eq!(load(&file, screen), None);
        store(&file, screen, Some("one"));
        store(&file, window, Some("t:wo"));
        assert_eq!(load(&file, screen).as_deref(), Some("one"));
        assert_eq!(load(&file, again), None, "another choice is asked about");
        store(&file, again, Some("three"));
        assert_eq!(load(&file, again).as_deref(), Some("three"));
        assert_eq!(load(&file, screen), None, "and so is the old one then");
        store(&file, again, None);
        assert_eq!(load(&file, again), None);
        assert_eq!(load(&file, window).as_deref(), Some("t:wo"));
        std::fs::write(&file, "{ nonsense").unwrap();
        assert_eq!(load(&file, window), None);
        store(&file, window, Some("again"));
        assert_eq!(load(&file, window).as_deref(), Some("again"));
    }
}
