//! `kaibo devices` and `kaibo encoders`.

use serde::Serialize;

use super::{Exit, say};
use crate::capture::{self, AudioDevice, SourceSpec, VideoDevice};
use crate::encode;

/// How to print a list.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Devices {
    video: Vec<VideoDevice>,
    audio: Vec<AudioDevice>,
}

pub(super) fn devices(args: &ListArgs) -> Exit {
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
            SourceSpec::Screen(s) => s.display.as_ref().map_or_else(
                || "--source screen".to_owned(),
                |d| format!("--source screen --display {d}"),
            ),
            SourceSpec::File(f) => format!("--source {}", f.path.display()),
        };
        say(&format!("  {:<32} {how}", device.name));
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
        Err(e) => super::fail(&super::chain(&e), Exit::NotOpened),
    }
}
