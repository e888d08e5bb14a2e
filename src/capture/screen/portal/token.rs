//! The desktop's tokens for what the user has allowed before, so that it does not ask at every start.
//!
//! A small file in the user's state directory, readable by the user only. A token serves once and brings the next one.
//! A file that cannot be read or written means one more question, nothing else.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

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

/// The token kept under `key`.
pub(super) fn load(file: &Path, key: &str) -> Option<String> {
    read(file).remove(key)
}

/// Keeps `token` under `key`, or forgets it.
pub(super) fn store(file: &Path, key: &str, token: Option<&str>) {
    let mut all = read(file);
    let old = match token {
        Some(token) => all.insert(key.to_owned(), token.to_owned()),
        None => all.remove(key),
    };
    if old.as_deref() == token {
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
    fn tokens_are_kept_by_key_and_a_broken_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/er/tokens.json");
        assert_eq!(load(&file, "a"), None);
        store(&file, "a", Some("one"));
        store(&file, "b", Some("two"));
        store(&file, "a", Some("three"));
        assert_eq!(load(&file, "a").as_deref(), Some("three"));
        store(&file, "a", None);
        assert_eq!(load(&file, "a"), None);
        assert_eq!(load(&file, "b").as_deref(), Some("two"));
        std::fs::write(&file, "{ nonsense").unwrap();
        assert_eq!(load(&file, "b"), None);
        store(&file, "b", Some("again"));
        assert_eq!(load(&file, "b").as_deref(), Some("again"));
    }
}
