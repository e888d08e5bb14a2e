//! `NAME.unfinished` beside a recording: it exists while the file is written and is locked by the program that writes,
//! so that one without a lock tells of an interrupted recording. Chapter marks go into it as they are made and so
//! survive with the pictures. A file format that holds no marks keeps them in `NAME.chapters.txt` at the end.
//! On the recording thread; [`unfinished`] on a thread of its own.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::container::Chapter;
use crate::media::disk::read_start;

const UNFINISHED: &str = ".unfinished";
const CHAPTERS: &str = ".chapters.txt";
/// A file of marks is never larger.
const MOST_BYTES: u64 = 1 << 20;
/// Most files of a folder that are looked at.
const MOST_FILES: usize = 20_000;

/// Beside one recording.
#[derive(Debug)]
pub(super) struct Sidecar {
    file: File,
    path: PathBuf,
    recording: PathBuf,
    marks: Vec<Chapter>,
}

fn beside(recording: &Path, ending: &str) -> PathBuf {
    let mut name = recording.file_name().map_or_else(OsString::new, Into::into);
    name.push(ending);
    recording.with_file_name(name)
}

impl Sidecar {
    /// For a recording that begins now.
    pub(super) fn create(recording: &Path) -> io::Result<Self> {
        let path = beside(recording, UNFINISHED);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        // on a file system without locks no recording counts as interrupted
        file.try_lock().ok();
        let text = "; Kaibo is writing the file of this name. When Kaibo is not running, the recording was interrupted:\n\
                    ; it plays to its last second, and `kaibo remux` makes a plain MP4 of it.\n";
        file.write_all(text.as_bytes())?;
        Ok(Self {
            file,
            path,
            recording: recording.to_owned(),
            marks: Vec::new(),
        })
    }

    /// Notes a mark.
    pub(super) fn mark(&mut self, at: Duration, title: &str) -> io::Result<()> {
        let title = title.replace(['\n', '\r'], " ");
        let written = writeln!(self.file, "{} {title}", at.as_millis());
        self.marks.push(Chapter { at, title });
        written
    }

    /// The marks so far.
    pub(super) fn marks(&self) -> &[Chapter] {
        &self.marks
    }

    /// The recording is complete. `kept`: its file holds the marks itself.
    pub(super) fn finish(self, kept: bool) -> io::Result<()> {
        if !kept && !self.marks.is_empty() {
            let path = beside(&self.recording, CHAPTERS);
            let line = |c: &Chapter| format!("{} {}\n", c.at.as_millis(), c.title);
            let text: String = self.marks.iter().map(line).collect();
            std::fs::write(path, text)?;
        }
        std::fs::remove_file(&self.path)
    }
}

/// The marks that are kept beside a recording, complete or not.
pub fn chapters_of(recording: &Path) -> Vec<Chapter> {
    let text = [UNFINISHED, CHAPTERS]
        .iter()
        .find_map(|ending| read_start(&beside(recording, ending), MOST_BYTES).ok())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let chapter = |line: &str| {
        let (ms, title) = line.split_once(' ')?;
        Some(Chapter {
            at: Duration::from_millis(ms.parse().ok()?),
            title: title.to_owned(),
        })
    };
    text.lines().filter_map(chapter).collect()
}

/// Recordings in `folder` that were interrupted: their file is there, and nobody writes it. May take as long as the disk
/// does.
pub fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new(); // nothing was ever recorded there
    };
    let recording = |entry: io::Result<std::fs::DirEntry>| {
        let marker = entry.ok()?.path();
        let name = marker.file_name()?.to_str()?.strip_suffix(UNFINISHED)?;
        let recording = marker.with_file_name(name);
        (recording.is_file() && is_abandoned(&marker)).then_some(recording)
    };
    let mut found: Vec<_> = entries.take(MOST_FILES).filter_map(recording).collect();
    found.sort();
    found
}

fn is_abandoned(marker: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(marker) else {
        return false;
    };
    file.try_lock().is_ok()
}

/// The user has dealt with an interrupted recording: it is not told of again. Its marks are kept.
pub fn settle(recording: &Path) -> io::Result<()> {
    let marker = beside(recording, UNFINISHED);
    if chapters_of(recording).is_empty() {
        std::fs::remove_file(marker)
    } else {
        std::fs::rename(marker, beside(recording, CHAPTERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(ms: u64, title: &str) -> Chapter {
        Chapter {
            at: Duration::from_millis(ms),
            title: title.to_owned(),
        }
    }

    #[test]
    fn an_interrupted_recording_is_found_with_its_marks_and_a_running_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (running, torn) = (dir.path().join("a.mp4"), dir.path().join("b.mp4"));
        std::fs::write(&running, "x").unwrap();
        std::fs::write(&torn, "x").unwrap();
        let mut kept = Sidecar::create(&running).unwrap();
        let mut lost = Sidecar::create(&torn).unwrap();
        lost.mark(Duration::from_millis(1500), "第二局").unwrap();
        drop(lost); // as a kill does it: the lock is gone, the file is there
        assert_eq!(unfinished(dir.path()), std::slice::from_ref(&torn));
        assert_eq!(chapters_of(&torn), [chapter(1500, "第二局")]);
        settle(&torn).unwrap();
        assert!(unfinished(dir.path()).is_empty());
        assert_eq!(chapters_of(&torn).len(), 1, "the marks stay");

        kept.mark(Duration::from_millis(10), "one\ntwo").unwrap();
        kept.finish(false).unwrap();
        assert!(!beside(&running, UNFINISHED).exists());
        assert_eq!(chapters_of(&running)[0].at, Duration::from_millis(10));
    }
}
