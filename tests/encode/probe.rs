//! Probing encoders in child processes of the built program: what this machine says, and drivers that crash, hang or
//! are too old. The drivers are made here: FFmpeg loads `libcuda.so.1` and `libnvidia-encode.so.1` by name.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kaibo::encode::probe::{EncoderReport, Outcome, Prober, Why, listed};
use kaibo::encode::{VideoEncoderSettings, VideoFormat, select};
use kaibo::media::time::FrameRate;
use kaibo::media::video::Resolution;

const FORMAT: VideoFormat = VideoFormat {
    resolution: Resolution::HD,
    rate: FrameRate::FPS_30,
};

fn prober() -> Prober {
    Prober::new(env!("CARGO_BIN_EXE_kaibo").into())
}

fn report<'a>(reports: &'a [EncoderReport], name: &str) -> &'a EncoderReport {
    reports.iter().find(|r| r.name == name).unwrap()
}

fn why(report: &EncoderReport) -> (Why, &str) {
    match &report.outcome {
        Outcome::Unusable { why, reason } => (*why, reason),
        Outcome::Works(_) => panic!("{} works", report.name),
    }
}

/// Five seconds; where others use the machine, too, what a busy one is given.
fn limit() -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load
        .split(' ')
        .next()
        .and_then(|l| l.parse().ok())
        .unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    Duration::from_secs(if load > cores { 17 } else { 5 })
}

#[test]
fn every_candidate_works_or_says_why_not_within_five_seconds() {
    let settings = VideoEncoderSettings::default();
    let began = Instant::now();
    let reports = prober().probe(&settings, FORMAT);
    let took = began.elapsed();
    assert!(took < limit(), "{took:?}");
    assert!(reports.len() > 20, "{}", reports.len());
    assert!(report(&reports, "x264").works(), "{reports:?}");
    for listed in listed(&reports) {
        if let Outcome::Unusable { reason, .. } = listed.outcome {
            assert!(reason.len() > 10, "{}: {reason:?}", listed.name);
        }
    }
    let Outcome::Works(measured) = &report(&reports, "x264").outcome else {
        unreachable!()
    };
    assert!(measured.presets.len() >= 3, "presets were measured");
    let chosen = select::ladder(&settings, FORMAT, &reports);
    let last = chosen.iter().find(|s| s.encoder == "x264").unwrap();
    assert!(measured.presets.iter().any(|c| c.preset == last.preset));
    if !Path::new("/dev/dri").exists() && !Path::new("/dev/nvidia0").exists() {
        assert_eq!(chosen[0].encoder, "x264");
        for (name, word) in [
            ("nvenc", "NVIDIA"),
            ("vaapi", "VAAPI"),
            ("qsv", "Quick Sync"),
        ] {
            let (why, reason) = why(report(&reports, name));
            // another FFmpeg may have been built without it
            let expected = why == Why::NoDevice && reason.contains(word);
            assert!(expected || why == Why::NotBuilt, "{name}: {why:?} {reason}");
        }
    }
}

#[test]
fn what_was_found_out_is_kept_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut prober = Prober {
        cache: Some(folder.path().join("encoders.json")),
        ..prober()
    };
    let settings = VideoEncoderSettings::default();
    assert_eq!(prober.known(&settings, FORMAT), None);
    let reports = prober.reports(&settings, FORMAT);
    prober.program = "/nowhere/kaibo".into();
    let lasting = |r: &EncoderReport| {
        !matches!(
            &r.outcome,
            Outcome::Unusable {
                why: Why::Failed | Why::Hung,
                ..
            }
        )
    };
    if reports.iter().all(lasting) {
        assert_eq!(
            prober.reports(&settings, FORMAT),
            reports,
            "nothing was started"
        );
    }
    // a program that does not start is no reason to fall
    let again = prober.again(&settings, FORMAT);
    let (why, reason) = why(report(&again, "x264"));
    assert_eq!(why, Why::Failed);
    assert!(reason.contains("/nowhere/kaibo"), "{reason}");
}

/// Compiles C into a library of this name.
fn library(folder: &Path, name: &str, code: &str) {
    let source = folder.join(format!("{name}.c"));
    std::fs::write(&source, code).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .arg(folder.join(name))
        .arg(&source)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// Probes with the libraries in this folder as NVIDIA's driver.
fn with_driver(folder: &Path) -> (Vec<EncoderReport>, Duration) {
    let prober = Prober {
        env: vec![("LD_LIBRARY_PATH".to_owned(), folder.into())],
        limit: Duration::from_secs(3),
        ..prober()
    };
    let began = Instant::now();
    let reports = prober.probe(&VideoEncoderSettings::default(), FORMAT);
    (reports, began.elapsed())
}

fn has_nvenc() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (reports, _) = with_driver(folder.path());
    !matches!(
        &report(&reports, "nvenc").outcome,
        Outcome::Unusable {
            why: Why::NotBuilt,
            ..
        }
    )
}

#[test]
#[cfg(target_os = "linux")]
fn a_driver_that_crashes_or_hangs_takes_only_its_child_down() {
    if !has_nvenc() {
        return;
    }
    let cases = [
        (
            "__attribute__((constructor)) void f(void) { *(volatile int *)8 = 1; }",
            Why::Crashed,
            "segmentation fault",
        ),
        (
            "void abort(void);\n__attribute__((constructor)) void f(void) { abort(); }",
            Why::Crashed,
            "abort",
        ),
        (
            "void exit(int);\n__attribute__((constructor)) void f(void) { exit(0); }",
            Why::Crashed,
            "crashed",
        ),
        (
            "int pause(void);\n__attribute__((constructor)) void f(void) { for (;;) pause(); }",
            Why::Hung,
            "hangs",
        ),
    ];
    for (code, expected, word) in cases {
        let folder = tempfile::tempdir().unwrap();
        library(folder.path(), "libcuda.so.1", code);
        let (reports, took) = with_driver(folder.path());
        let (why, reason) = why(report(&reports, "nvenc"));
        assert_eq!(why, expected, "{reason}");
        assert!(reason.contains(word), "{reason}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        let crashed = |r: &&EncoderReport| {
            matches!(
                &r.outcome,
                Outcome::Unusable {
                    why: Why::Crashed,
                    ..
                }
            )
        };
        let others = reports.iter().filter(|r| !r.name.starts_with("nvenc"));
        assert_eq!(others.filter(crashed).count(), 0, "{reports:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_old_driver_is_told_with_the_version_that_is_needed() {
    if !has_nvenc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // every function that FFmpeg's loader wants to find, as its own library names them
    let library_of_ffmpeg = ffmpeg_library();
    let bytes = std::fs::read(&library_of_ffmpeg).unwrap();
    let mut names: Vec<&str> = bytes
        .split(|b| *b == 0)
        .filter_map(|s| std::str::from_utf8(s).ok())
        .filter(|s| {
            let is_function = s
                .strip_prefix("cu")
                .is_some_and(|r| r.starts_with(char::is_uppercase));
            is_function && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.contains(&"cuInit"), "{names:?}");
    let code: String = names
        .iter()
        .map(|n| format!("int {n}(void) {{ return 0; }}\n"))
        .collect();
    library(folder.path(), "libcuda.so.1", &code);
    // NVENC API 8.1, of 2018
    let code = "int NvEncodeAPIGetMaxSupportedVersion(unsigned *v) { *v = 8 << 4 | 1; return 0; }\n\
                int NvEncodeAPICreateInstance(void *list) { return 0; }\n";
    library(folder.path(), "libnvidia-encode.so.1", code);
    let (reports, _) = with_driver(folder.path());
    let (why, reason) = why(report(&reports, "nvenc"));
    assert_eq!(why, Why::DriverTooOld, "{reason}");
    assert!(reason.starts_with("driver too old: needs "), "{reason}");
    assert!(reason.contains(|c: char| c.is_ascii_digit()), "{reason}");
}

/// The libavcodec that this test runs with.
#[cfg(target_os = "linux")]
fn ffmpeg_library() -> std::path::PathBuf {
    ffmpeg_next::init().unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|l| l.contains("libavcodec")).unwrap();
    line.split_whitespace().last().unwrap().into()
}

#[test]
fn the_list_names_every_encoder_with_its_state() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .args(args)
            .env("XDG_CACHE_HOME", home.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    let table = run(&["encoders"]);
    for name in [
        "nvenc",
        "vaapi",
        "qsv",
        "amf",
        "videotoolbox",
        "v4l2m2m",
        "vulkan",
        "x264",
        "aac",
    ] {
        assert!(
            table.lines().any(|l| l.starts_with(&format!("{name} "))),
            "{name}: {table}"
        );
    }
    assert!(table.contains("\"auto\" uses "), "{table}");
    let json: serde_json::Value = serde_json::from_str(&run(&["encoders", "--json"])).unwrap();
    let video = json["video"].as_array().unwrap();
    let x264 = video.iter().find(|e| e["name"] == "x264").unwrap();
    assert_eq!(x264["state"], "works");
    assert_eq!(x264["capabilities"]["live_bitrate"], "follows");
    for encoder in video.iter().filter(|e| e["state"] == "unusable") {
        assert!(encoder["reason"].as_str().unwrap().len() > 10, "{encoder}");
    }
    #[cfg(target_os = "linux")]
    assert!(home.path().join("kaibo").join("encoders.json").exists());
}
