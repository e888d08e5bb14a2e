//! `kaibo devices` and `kaibo encoders`.

use serde::Serialize;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Exit, chain, fail, say};
use crate::capture::camera::CameraInfo;
use crate::capture::camera::mode::{CameraMode, rate_words};
use crate::capture::probe::{ProbeReport, probe};
use crate::capture::screen::area::{PortalKind, ScreenArea};
use crate::capture::{self, AudioDevice, SourceSpec, VideoDevice, spec_of};
use crate::encode;
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// How to print a list.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// `kaibo devices`, `kaibo devices test ID`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DevicesArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<DevicesCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum DevicesCommand {
    /// Open a picture source for a few seconds and say what really comes from it.
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// A camera's id as `kaibo devices` lists it, "camera" for the first one, "screen", "monitor:NAME", "window:TITLE",
    /// "region:WxH+LEFT+TOP" or "test".
    #[arg(value_parser = spec_of)]
    id: SourceSpec,
    /// Picture size that "auto" aims at
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    size: Resolution,
    /// Frames per second that "auto" aims at
    #[arg(long, default_value = "30")]
    fps: FrameRate,
    /// What to ask the camera for, as mjpeg:1280x720@30 [default: what suits size and rate best]
    #[arg(long, value_name = "FORMAT:WxH@FPS")]
    camera_mode: Option<CameraMode>,
    /// Seconds to watch
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Devices {
    video: Vec<VideoDevice>,
    audio: Vec<AudioDevice>,
}

pub(super) fn devices(args: &DevicesArgs) -> Exit {
    match &args.command {
        Some(DevicesCommand::Test(test)) => run_test(test),
        None => list(&args.list),
    }
}

/// Opens the source and prints what came.
fn run_test(args: &TestArgs) -> Exit {
    let mut spec = args.id.clone();
    if let SourceSpec::Camera(camera) = &mut spec {
        camera.mode = args.camera_mode;
    }
    let Ok(duration) = Duration::try_from_secs_f64(args.seconds.clamp(0.1, 3600.0)) else {
        return fail("--seconds is not a number", Exit::BadSettings);
    };
    let report = match probe(&spec, args.size, args.fps, duration) {
        Ok(report) => report,
        Err(e) => return fail(&chain(&e), Exit::NotOpened),
    };
    if args.json {
        return print_json(&report);
    }
    let ProbeReport {
        negotiated,
        resolution,
        first_picture_ms,
        frames,
        lost,
        corrupt,
        fps,
        jitter_ms,
        longest_gap_ms,
        delay_ms,
        monotonic,
    } = &report;
    say(&format!("negotiated     {negotiated}"));
    say(&format!(
        "pictures       {resolution}, {frames} came, {lost} lost, {corrupt} broken"
    ));
    say(&format!(
        "rate           {fps:.2} fps, jitter {jitter_ms:.2} ms, longest gap {longest_gap_ms:.1} ms"
    ));
    say(&format!(
        "delay          {delay_ms:.1} ms; first picture after {first_picture_ms:.0} ms"
    ));
    if !monotonic {
        say("time stamps    ran backwards");
    }
    Exit::Done
}

/// Sizes and rates of a camera, a line for each format and size.
fn mode_lines(camera: &CameraInfo) -> Vec<String> {
    let mut rates: BTreeMap<_, Vec<FrameRate>> = BTreeMap::new();
    for CameraMode { format, size, rate } in &camera.modes {
        let key = (*format, size.pixels(), size.width);
        rates.entry(key).or_default().push(*rate);
    }
    let lines = rates
        .into_iter()
        .map(|((format, pixels, width), mut rates)| {
            rates.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
            let rates: Vec<_> = rates.into_iter().map(rate_words).collect();
            let height = pixels / u64::from(width.max(1));
            let size = format!("{width}x{height}");
            format!("{:<6} {size:<10} {} fps", format.name(), rates.join(", "))
        });
    lines.collect()
}

fn list(args: &ListArgs) -> Exit {
    let devices = Devices {
        video: capture::list_video(),
        audio: capture::list_audio(),
    };
    if args.json {
        return print_json(&devices);
    }
    say("Picture sources:");
    for device in &devices.video {
        let how = match &device.spec {
            SourceSpec::Test {} => "--source test".to_owned(),
            SourceSpec::Screen(s) => match &s.area {
                ScreenArea::Whole => "--source screen".to_owned(),
                ScreenArea::Monitor { name } => format!("--source monitor:{name}"),
                ScreenArea::Region(region) => format!("--source region:{region}"),
                ScreenArea::Portal { kind, .. } => match kind {
                    PortalKind::Monitor => "--source portal".to_owned(),
                    PortalKind::Window => "--source portal:window".to_owned(),
                },
                ScreenArea::Window(w) => format!("--source window:0x{:x}", w.id.unwrap_or(0)),
            },
            SourceSpec::Camera(c) => format!(
                "--source camera:{}",
                c.device.as_deref().unwrap_or_default()
            ),
            SourceSpec::File(f) => format!("--source {}", f.path.display()),
            SourceSpec::Still(s) => format!("--source {}", s.path.display()),
            SourceSpec::Color(_) => "in a settings file".to_owned(),
        };
        say(&format!("  {:<32} {how}", device.name));
        let Some(camera) = &device.camera else {
            continue;
        };
        if let Some(problem) = &camera.problem {
            say(&format!("      {problem}"));
        }
        for line in mode_lines(camera) {
            say(&format!("      {line}"));
        }
    }
    say("  any media file                   --source FILE");
    say("Sound inputs:");
    if devices.audio.is_empty() {
        say("  none found: the stream carries silence");
    }
    for AudioDevice {
        name,
        default,
        format,
    } in &devices.audio
    {
        let mark = if *default { " (default)" } else { "" };
        say(&format!("  {name}{mark}  [{format}]  --audio {name:?}"));
    }
    Exit::Done
}

pub(super) fn encoders(args: &ListArgs) -> Exit {
    let list = encode::list();
    if args.json {
        return print_json(&list);
    }
    for encoder in &list {
        let state = encoder.usable.as_ref().map_or_else(
            |why| format!("not usable: {why}"),
            |()| "works here".to_owned(),
        );
        say(&format!(
            "{:<12} {:<40} {state}",
            encoder.name, encoder.title
        ));
    }
    Exit::Done
}

fn print_json<T: Serialize>(value: &T) -> Exit {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            say(&text);
            Exit::Done
        }
        Err(e) => fail(&chain(&e), Exit::NotOpened),
    }
}
