//! Files that a user names, on whichever thread asks. In: a path. Out: a file that has an end, or at most so many bytes of
//! it: a pipe would block its reader for ever, and a device such as `/dev/zero` would fill the memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Opens a file and tells its length in bytes.
///
/// # Errors
///
/// The system's, and [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // before it is opened: opening a pipe waits for its other end
    let data = std::fs::metadata(path)?;
    if !data.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a file but a folder, a pipe or a device",
        ));
    }
    Ok((File::open(path)?, data.len()))
}

/// The first `most` bytes of a file, or all when it is shorter.
///
/// # Errors
///
/// As [`open_regular`], and what reading brings.
pub fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.txt");
        // 1 TiB of nothing: takes no room on the disk, and would not go into memory
        let file = File::create(&path).unwrap();
        if file.set_len(1 << 40).is_err() {
            file.set_len(1 << 30).unwrap(); // a file system with a lower limit
        }
        assert_eq!(read_start(&path, 10).unwrap(), [0; 10]);
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read_start(&path, 10).unwrap(), b"abc");
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |path: &Path| open_regular(path).unwrap_err().kind();
        assert_eq!(kind(folder.path()), io::ErrorKind::InvalidInput);
        assert_eq!(
            kind(&folder.path().join("none")),
            io::ErrorKind::NotFound,
            "the system's own reason"
        );
        #[cfg(unix)]
        assert_eq!(kind(Path::new("/dev/zero")), io::ErrorKind::InvalidInput);
    }
}
