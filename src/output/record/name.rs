//! Names of recordings: a template and the time in, a file that did not exist before out. On whichever thread begins a
//! file.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use crate::container::Format;

/// Most files of one name in one folder.
const MAX_NUMBER: u32 = 9_999;
/// Longest name without its extension, in bytes: file systems end at 255, and `.unfinished` has to fit.
const MAX_NAME: usize = 180;

/// Where files go, and what they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// This file, then `NAME (2)` and so on.
    File(PathBuf),
    /// In a folder, by a template.
    Named {
        /// The folder; made if it is missing.
        folder: PathBuf,
        /// Name without extension; see [`expand`].
        template: String,
        /// What `{title}` stands for.
        title: String,
        /// Gives the extension.
        format: Format,
    },
}

impl Place {
    /// Makes the next file: a new one always.
    pub(super) fn create(&self) -> io::Result<(File, PathBuf)> {
        match self {
            Self::File(path) => create_free(path),
            Self::Named {
                folder,
                template,
                title,
                format,
            } => {
                std::fs::create_dir_all(folder)?;
                create_named(folder, template, title, format.extension(), &Zoned::now())
            }
        }
    }

    /// The path the next file would have if none is in the way; for words.
    pub fn wanted(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Named { folder, .. } => folder.clone(),
        }
    }
}

/// A file in `folder` named by `template`, with the lowest number that is free where it has `{n}`.
pub(super) fn create_named(
    folder: &Path,
    template: &str,
    title: &str,
    extension: &str,
    now: &Zoned,
) -> io::Result<(File, PathBuf)> {
    let path = |n: u32| folder.join(format!("{}.{extension}", expand(template, title, n, now)));
    if !template.contains("{n}") {
        return create_free(&path(1));
    }
    for n in 1..=MAX_NUMBER {
        match create(&path(n)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((made?, path(n))),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// `path`, or `path (2)` and so on, whichever is free.
pub(super) fn create_free(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut candidate = path.to_owned();
    for number in 2..=MAX_NUMBER {
        match create(&candidate) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok((made?, candidate)),
        }
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!(" ({number})"));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        candidate = path.with_file_name(name);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A path that no file has at this moment, for what writes its own file.
pub(super) fn free_path(folder: &Path, template: &str, title: &str, extension: &str) -> PathBuf {
    let now = Zoned::now();
    let path = |n: u32| {
        let mut name = expand(template, title, n, &now);
        if n > 1 && !template.contains("{n}") {
            name.push_str(&format!(" ({n})"));
        }
        folder.join(format!("{name}.{extension}"))
    };
    let free = (1..MAX_NUMBER).map(path).find(|path| !path.exists());
    free.unwrap_or_else(|| path(MAX_NUMBER))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Fills a template in: `{date}` (2026-11-22), `{time}` (20-15-00), `{title}`, `{n}` (0001). What no file may be called
/// is replaced.
pub fn expand(template: &str, title: &str, number: u32, now: &Zoned) -> String {
    let filled = template
        .replace("{date}", &now.strftime("%Y-%m-%d").to_string())
        .replace("{time}", &now.strftime("%H-%M-%S").to_string())
        .replace("{n}", &format!("{number:04}"))
        .replace("{title}", title);
    clean(&filled)
}

/// A name that every usual file system takes.
fn clean(name: &str) -> String {
    const RESERVED: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];
    let allowed = |c: char| {
        if c.is_control() || r#"/\:*?"<>|"#.contains(c) {
            '-'
        } else {
            c
        }
    };
    let mut name: String = name.chars().map(allowed).collect();
    while name.len() > MAX_NAME {
        name.pop();
    }
    // a leading dot would hide it, Windows drops one at the end
    let name = name.trim_matches([' ', '.']);
    let is_name = |reserved: &&str| name.eq_ignore_ascii_case(reserved);
    if name.is_empty() || RESERVED.iter().any(is_name) {
        return format!("Kaibo {name}").trim_end().to_owned();
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        let second: jiff::Timestamp = "2026-02-03T04:05:06Z".parse().unwrap();
        second.to_zoned(jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn templates_are_filled_in_and_made_into_names() {
        let name = |template: &str, title: &str| expand(template, title, 7, &now());
        assert_eq!(
            name("{title} {date} {time}", "晚安"),
            "晚安 2026-02-03 04-05-06"
        );
        assert_eq!(name("show-{n}", ""), "show-0007");
        assert_eq!(name("{title}", "a/b: \"c\"?"), "a-b- -c--");
        assert_eq!(name("../../{title}", "x"), "-..-x", "stays in its folder");
        assert_eq!(name("{title}", ""), "Kaibo");
        assert_eq!(name("nul", ""), "Kaibo nul");
        assert!(name(&"长".repeat(200), "").len() <= MAX_NAME);
    }

    #[test]
    fn no_file_is_ever_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let make = |template: &str| {
            let (_, path) = create_named(dir.path(), template, "", "mkv", &now()).unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(make("k-{n}"), "k-0001.mkv");
        assert_eq!(make("k-{n}"), "k-0002.mkv");
        assert_eq!(make("{time}"), "04-05-06.mkv");
        assert_eq!(make("{time}"), "04-05-06 (2).mkv");
    }
}
