//! Free room on the disk of a folder or file: what the system lets this user fill. May wait as long as the file system
//! does; on the recording thread and threads of their own.

use std::path::Path;

/// Bytes; `None` when the system does not tell.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}
