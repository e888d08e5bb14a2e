//! What probes found out, on disk: by drivers, FFmpeg, program and settings, so that a new driver asks again. A file that
//! cannot be read is as good as none.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::{EncoderReport, Reports};
use crate::encode::ffmpeg;
use crate::encode::settings::{AUTO, VideoEncoderSettings, VideoFormat};

/// Settings whose results are kept at a time; then the oldest goes.
const ENTRIES: usize = 16;

/// The file: newest first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    key: String,
    reports: Vec<EncoderReport>,
}

/// `~/.cache/kaibo/encoders.json` on Linux, the like elsewhere. `None` without a home.
pub fn default_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "kaibo")
        .map(|dirs| dirs.cache_dir().join("encoders.json"))
}

/// Everything that a result depends on. Bitrates are left out: no encoder works at one and not at another, and they
/// change often.
pub fn key(settings: &VideoEncoderSettings, format: VideoFormat) -> String {
    let settings = VideoEncoderSettings {
        bitrate_kbps: 0,
        max_bitrate_kbps: 0,
        encoder: if settings.options.is_empty() {
            AUTO.to_owned()
        } else {
            settings.encoder.clone()
        },
        ..settings.clone()
    };
    let mut hash = DefaultHasher::new();
    format!("{settings:?} {format:?}").hash(&mut hash);
    drivers().hash(&mut hash);
    let (program, settings) = (env!("CARGO_PKG_VERSION"), hash.finish());
    format!(
        "kaibo {program}, FFmpeg {}, {settings:016x}",
        ffmpeg::version()
    )
}

/// Everything about drivers that can be seen without loading one: device files and whether they open, versions, when
/// libraries changed. What is not there on a system (or is of another system) says nothing.
fn drivers() -> Vec<String> {
    let mut seen = Vec::new();
    for file in [
        "/proc/driver/nvidia/version",
        "/proc/sys/kernel/osrelease",
        "/System/Library/CoreServices/SystemVersion.plist",
    ] {
        seen.push(std::fs::read_to_string(file).unwrap_or_default());
    }
    for folder in ["/dev/dri", "/dev"] {
        for (name, path) in names(folder) {
            let wanted =
                folder == "/dev/dri" || name.starts_with("nvidia") || name.starts_with("video");
            if wanted {
                let opens = std::fs::File::open(&path).is_ok();
                seen.push(format!("{} {opens}", path.display()));
            }
        }
    }
    for folder in [
        "/usr/lib/x86_64-linux-gnu/dri",
        "/usr/lib/aarch64-linux-gnu/dri",
        "/usr/lib64/dri",
        "/usr/lib/dri",
    ] {
        seen.extend(names(folder).into_iter().map(|(_, path)| stamp(&path)));
    }
    for file in [
        "C:\\Windows\\System32\\nvEncodeAPI64.dll",
        "C:\\Windows\\System32\\amfrt64.dll",
        "C:\\Windows\\System32\\libvpl.dll",
        "C:\\Windows\\System32\\vulkan-1.dll",
        "/usr/lib/x86_64-linux-gnu/libva.so.2",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib64/libcuda.so.1",
    ] {
        seen.push(stamp(Path::new(file)));
    }
    for variable in ["LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH", "LD_LIBRARY_PATH"] {
        seen.push(format!("{:?}", std::env::var_os(variable)));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    seen.push(format!("{cores} cores"));
    seen
}

fn names(folder: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .collect();
    names.sort();
    names
}

/// A file's name, length and time of change.
fn stamp(path: &Path) -> String {
    let Ok(meta) = std::fs::metadata(path) else {
        return String::new();
    };
    let changed = meta.modified().ok();
    let changed = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    format!("{} {} {changed:?}", path.display(), meta.len())
}

/// What is kept under this key.
pub(super) fn load(path: &Path, key: &str) -> Option<Reports> {
    let file = read(path);
    file.entries
        .into_iter()
        .find(|e| e.key == key)
        .map(|e| e.reports)
}

fn read(path: &Path) -> File {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Keeps a result; written beside the file and put in its place, so that two programs never mix.
pub(super) fn store(path: &Path, key: String, reports: &[EncoderReport]) -> std::io::Result<()> {
    let mut file = read(path);
    file.entries.retain(|e| e.key != key);
    file.entries.insert(
        0,
        Entry {
            key,
            reports: reports.to_vec(),
        },
    );
    file.entries.truncate(ENTRIES);
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&mut new, &file)?;
    new.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Tune;
    use crate::encode::probe::{Outcome, Why};
    use crate::media::time::FrameRate;
    use crate::media::video::Resolution;

    #[test]
    fn results_are_kept_by_what_they_depend_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("encoders.json");
        let format = VideoFormat {
            resolution: Resolution::HD,
            rate: FrameRate::FPS_30,
        };
        let settings = VideoEncoderSettings::default();
        let reports = vec![EncoderReport {
            name: "vaapi".to_owned(),
            outcome: Outcome::Unusable {
                why: Why::NoDevice,
                reason: "no VAAPI device".to_owned(),
            },
        }];
        assert_eq!(load(&path, &key(&settings, format)), None);
        store(&path, key(&settings, format), &reports).unwrap();
        let faster = VideoEncoderSettings {
            bitrate_kbps: 6000,
            ..settings.clone()
        };
        assert_eq!(load(&path, &key(&faster, format)), Some(reports));
        let other = VideoEncoderSettings {
            tune: Tune::Quality,
            ..settings
        };
        assert_eq!(load(&path, &key(&other, format)), None);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(load(&path, &key(&faster, format)), None, "broken is none");
    }
}
