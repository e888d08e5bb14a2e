//! Who may use whom. Reads `use crate::` paths (and plain `crate::` paths) of every file under `src/` and checks them
//! against the table of allowed edges; also keeps foreign types where they belong.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module -> modules it may name. `main` and `lib` stand above all of them.
const ALLOWED: &[(&str, &[&str])] = &[
    ("media", &[]),
    ("stage", &[]),
    ("logging", &[]),
    ("gpu", &["media", "stage"]),
    ("flv", &["media"]),
    ("rtmp", &["flv"]),
    ("crash", &["rtmp"]),
    ("container", &["media", "flv"]),
    ("capture", &["media", "stage"]),
    ("playback", &["media", "stage", "capture"]),
    ("encode", &["media", "stage"]),
    ("audio", &["media", "stage", "encode"]),
    ("render", &["media", "stage", "gpu", "capture"]),
    ("output", &["media", "stage", "flv", "rtmp", "container"]),
    ("serve", &["media", "encode", "flv", "rtmp"]),
    (
        "settings",
        &[
            "media",
            "capture",
            "encode",
            "render",
            "output",
            "rtmp",
            "audio",
            "container",
        ],
    ),
    (
        "engine",
        &[
            "media",
            "stage",
            "gpu",
            "capture",
            "render",
            "audio",
            "playback",
            "encode",
            "output",
            "rtmp",
            "serve",
            "settings",
            "container",
            "crash",
        ],
    ),
    (
        "ui",
        &[
            "media",
            "stage",
            "gpu",
            "capture",
            "render",
            "audio",
            "playback",
            "encode",
            "output",
            "rtmp",
            "settings",
            "engine",
            "container",
        ],
    ),
    (
        "cli",
        &[
            "media",
            "stage",
            "gpu",
            "capture",
            "render",
            "playback",
            "encode",
            "output",
            "rtmp",
            "serve",
            "settings",
            "engine",
            "ui",
            "container",
        ],
    ),
];

/// Crate -> modules that may name it.
const FOREIGN: &[(&str, &[&str])] = &[
    (
        "ffmpeg_next",
        &[
            "encode",
            "container",
            "capture/media_file",
            "capture/camera/mjpeg",
        ],
    ),
    ("v4l", &["capture/camera/v4l2"]),
    ("nokhwa", &["capture/camera"]),
    ("eframe", &["ui"]),
    ("egui", &["ui"]),
    (
        "tokio",
        &[
            "output",
            "serve",
            "engine",
            "cli",
            "capture/screen/portal/session",
        ],
    ),
    ("ashpd", &["capture/screen/portal/session"]),
    ("pipewire", &["capture/screen/portal"]),
    ("rustls", &["output"]),
    (
        "libc",
        &[
            "output/probe_linux",
            "output/probe_macos",
            "encode/background",
        ],
    ),
    ("windows_sys", &["output/probe_windows"]),
    ("hyper", &["serve", "output/net"]),
    ("tokio_rustls", &["output/net"]),
    ("tokio_socks", &["output/net/proxy"]),
    ("psl", &["rtmp/demand"]),
    ("md5", &["rtmp/auth"]),
    ("base64", &["rtmp/auth", "output/net/proxy"]),
    ("cpal", &["capture/microphone", "playback/system"]),
    (
        "pulseaudio",
        &[
            "capture/microphone/pulse",
            "capture/microphone/server",
            "playback/pulse",
        ],
    ),
    ("rubato", &["audio"]),
    ("nnnoiseless", &["audio/chain/noise"]),
    (
        "ebur128",
        &["audio/master/loudness", "audio/master/limiter/tests"],
    ),
    ("moxcms", &["capture/still/icc"]),
    ("x11rb", &["capture/screen"]),
    ("wgpu", &["gpu", "render", "ui"]),
    ("fontdb", &["render/overlay/text"]),
    ("harfrust", &["render/overlay/text"]),
    ("skrifa", &["render/overlay/text"]),
    ("jiff", &["render/overlay", "output/record/name"]),
    ("rml_rtmp", &["rtmp", "serve"]),
    ("anyhow", &["cli", "main"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let name = |p: &Path| {
        p.strip_prefix(&root)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/")
    };
    files
        .iter()
        .map(|p| (name(p), fs::read_to_string(p).unwrap()))
        .collect()
}

/// Code without comments (doc links may point anywhere) and without its test modules.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end]
        .lines()
        .map(|l| l.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// Modules named as `crate::x` or in `crate::{x, y}`.
fn crate_modules(code: &str) -> BTreeSet<String> {
    let word = |s: &str| {
        s.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or("");
            found.extend(list.split(',').map(|item| word(item.trim())));
        } else {
            found.insert(word(rest));
        }
    }
    found.remove("");
    found
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module_of(&file);
        if matches!(module, "main" | "lib") {
            continue;
        }
        let Some(may) = allowed.get(module) else {
            wrong.push(format!(
                "{file}: module {module} is not in the table of tests/layering.rs"
            ));
            continue;
        };
        for used in crate_modules(&code(&text)) {
            if used != module && !may.contains(&used.as_str()) {
                wrong.push(format!(
                    "{file} names crate::{used}, which {module} may not use"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn foreign_types_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let code = code(&text);
        for (krate, places) in FOREIGN {
            let at_home = places.iter().any(|p| file.starts_with(p));
            if !at_home && code.contains(&format!("{krate}::")) {
                wrong.push(format!("{file} names {krate}, which only {places:?} may"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > 600)
        .map(|(file, lines)| format!("{file}: {lines} lines; split it by concern"))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}
