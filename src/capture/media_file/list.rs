//! The files that are played one after another: a single one, the media files of a folder, or those that a list (M3U)
//! names; in order or shuffled. Reads the disk when it is made, and never again.

use std::path::{Path, PathBuf};

use super::{MediaFileSettings, is_media};
use crate::capture::SourceError;
use crate::media::disk::read_start;

/// Longest list file.
const LONGEST: u64 = 4 << 20;
/// Files of a list; more are left out.
const MOST: usize = 10_000;

/// Which file comes when.
#[derive(Debug)]
pub(super) struct Playlist {
    files: Vec<PathBuf>,
    /// Places in `files`, in the order of playing.
    order: Vec<usize>,
    /// The one that plays, in `order`.
    at: usize,
    looped: bool,
    shuffled: Option<fastrand::Rng>,
}

impl Playlist {
    pub(super) fn open(settings: &MediaFileSettings) -> Result<Self, SourceError> {
        let path = &settings.path;
        let files = if path.is_dir() {
            of_folder(path)?
        } else if is_list(path) {
            of_list(path)?
        } else {
            vec![path.clone()]
        };
        let mut list = Self {
            order: (0..files.len()).collect(),
            files,
            at: 0,
            looped: settings.looped,
            shuffled: settings.shuffled.then(|| match settings.seed {
                Some(seed) => fastrand::Rng::with_seed(seed),
                None => fastrand::Rng::new(),
            }),
        };
        list.shuffle(None);
        Ok(list)
    }

    /// Another order; it does not begin with `last`, which has just been played.
    fn shuffle(&mut self, last: Option<usize>) {
        if let Some(rng) = &mut self.shuffled {
            rng.shuffle(&mut self.order);
            if self.order.len() > 1 && self.order.first().copied() == last {
                self.order.rotate_left(1);
            }
        }
    }

    pub(super) fn file(&self) -> &Path {
        self.order
            .get(self.at)
            .and_then(|n| self.files.get(*n))
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// The one file there is loops by itself, without a gap.
    pub(super) const fn loops_inside(&self) -> bool {
        self.looped && self.files.len() == 1
    }

    pub(super) const fn set_looped(&mut self, looped: bool) {
        self.looped = looped;
    }

    pub(super) const fn index(&self) -> usize {
        self.at
    }

    pub(super) const fn count(&self) -> usize {
        self.files.len()
    }

    /// On to the next; false at the end of a list that does not loop.
    pub(super) fn next(&mut self) -> bool {
        if self.at + 1 < self.order.len() {
            self.at += 1;
            return true;
        }
        if self.looped {
            let last = self.order.get(self.at).copied();
            self.shuffle(last);
            self.at = 0;
        }
        self.looped
    }

    /// Back to the one before; from the first to the last.
    pub(super) fn previous(&mut self) {
        self.at = self.at.checked_sub(1).unwrap_or(self.order.len() - 1);
    }
}

/// A list of files, as players write them.
fn is_list(path: &Path) -> bool {
    let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    ending.is_some_and(|e| e == "m3u" || e == "m3u8")
}

fn named(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn cannot(path: &Path, error: std::io::Error) -> SourceError {
    let what = named(path);
    match error.kind() {
        std::io::ErrorKind::NotFound => SourceError::NotFound { what },
        std::io::ErrorKind::PermissionDenied => SourceError::Denied { what },
        _ => SourceError::Failed {
            what: format!("reading {what}"),
            source: Box::new(error),
        },
    }
}

fn empty(path: &Path) -> SourceError {
    SourceError::Unsupported {
        what: named(path),
        reason: "there is no video or sound file in it; choose another".to_owned(),
    }
}

/// The media files of a folder, by name.
fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = std::fs::read_dir(folder).map_err(|e| cannot(folder, e))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_media(path) && path.is_file())
        .take(MOST)
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(empty(folder));
    }
    Ok(files)
}

/// The files that a list names, from where it lies; what is no file (addresses, comments) is left out.
fn of_list(list: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let bytes = read_start(list, LONGEST).map_err(|e| cannot(list, e))?;
    let text = String::from_utf8_lossy(&bytes);
    let folder = list.parent().unwrap_or(Path::new(""));
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let files: Vec<PathBuf> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("://"))
        .map(|line| folder.join(line))
        .take(MOST)
        .collect();
    if files.is_empty() {
        return Err(empty(list));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: &Path) -> MediaFileSettings {
        MediaFileSettings {
            path: path.to_owned(),
            looped: true,
            ..MediaFileSettings::default()
        }
    }

    fn played(list: &mut Playlist, count: usize) -> String {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(
                list.file()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
            if !list.next() {
                break;
            }
        }
        names.concat()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "b.mkv",
            "a.MP4",
            "c.mp3",
            "notes.txt",
            "cover.png",
            "d.webm",
        ] {
            std::fs::write(folder.path().join(name), b"x").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_played_in_order_and_again() {
        let folder = folder();
        let mut list = Playlist::open(&settings(folder.path())).unwrap();
        assert_eq!(played(&mut list, 6), "abcdab");
        list.previous();
        assert_eq!(list.file().file_stem().unwrap(), "b");
        let mut once = Playlist::open(&MediaFileSettings {
            looped: false,
            ..settings(folder.path())
        })
        .unwrap();
        assert_eq!(played(&mut once, 9), "abcd");
    }

    #[test]
    fn a_shuffled_list_is_the_same_for_the_same_seed_and_never_twice_the_same_file() {
        let folder = folder();
        let open = |seed| {
            Playlist::open(&MediaFileSettings {
                shuffled: true,
                seed: Some(seed),
                ..settings(folder.path())
            })
            .unwrap()
        };
        let orders: Vec<String> = (0..8).map(|seed| played(&mut open(seed), 40)).collect();
        assert_eq!(orders[3], played(&mut open(3), 40));
        assert!(orders.iter().any(|o| *o != orders[0]));
        for order in &orders {
            let bytes = order.as_bytes();
            assert!(bytes.windows(2).all(|w| w[0] != w[1]), "{order}");
            for round in bytes.chunks(4) {
                let mut sorted = round.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, b"abcd", "{order}");
            }
        }
    }

    #[test]
    fn a_list_names_its_files() {
        let folder = folder();
        let path = folder.path().join("show.m3u");
        std::fs::write(
            &path,
            "\u{feff}#EXTM3U\r\n#EXTINF:3,x\r\nc.mp3\r\n\r\nhttp://x/y\r\nb.mkv\r\n",
        )
        .unwrap();
        let mut list = Playlist::open(&settings(&path)).unwrap();
        assert_eq!(played(&mut list, 3), "cbc");
        std::fs::write(&path, "# nothing").unwrap();
        let error = Playlist::open(&settings(&path)).unwrap_err().to_string();
        assert!(
            error.contains("show.m3u") && error.contains("no video"),
            "{error}"
        );
    }
}
