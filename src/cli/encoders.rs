//! `kaibo encoders`: what can encode here, and why the rest cannot.

use serde::Serialize;

use super::devices::print_json;
use super::{Exit, fail, say};
use crate::encode::probe::{Listed, Outcome, Prober, listed};
use crate::encode::{self, EncoderInfo, VideoEncoderSettings, VideoFormat, select};
use crate::media::time::FrameRate;
use crate::media::video::Resolution;

/// `kaibo encoders`.
#[derive(Debug, clap::Args)]
pub(super) struct EncodersArgs {
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Picture size to try them with
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    size: Resolution,
    /// Frames per second to try them with
    #[arg(long, default_value = "30")]
    fps: FrameRate,
    /// Try all of them again instead of telling what was found out earlier.
    #[arg(long)]
    again: bool,
}

/// Everything found out, for programs.
#[derive(Serialize)]
struct Report<'a> {
    video: Vec<Listed<'a>>,
    audio: Vec<EncoderInfo>,
    /// In the order in which they would be used.
    chosen: Vec<Chosen>,
}

#[derive(Serialize)]
struct Chosen {
    encoder: String,
    preset: String,
}

pub(super) fn run(args: &EncodersArgs) -> Exit {
    let Some(prober) = Prober::of_this_program() else {
        return fail("cannot tell where this program lies", Exit::NotOpened);
    };
    let settings = VideoEncoderSettings::default();
    let format = VideoFormat {
        resolution: args.size,
        rate: args.fps,
    };
    if let Err(e) = format.validate() {
        return fail(&e.to_string(), Exit::BadSettings);
    }
    let reports = if args.again {
        prober.again(&settings, format)
    } else {
        prober.reports(&settings, format)
    };
    let chosen = select::ladder(&settings, format, &reports);
    let chosen = chosen.into_iter().map(|s| Chosen {
        encoder: s.encoder,
        preset: s.preset,
    });
    let report = Report {
        video: listed(&reports),
        audio: encode::audio_infos().into(),
        chosen: chosen.collect(),
    };
    if args.json {
        return print_json(&report);
    }
    table(&report);
    Exit::Done
}

fn table(report: &Report<'_>) {
    for encoder in &report.video {
        let state = match &encoder.outcome {
            Outcome::Works(m) => format!("works here, {:.1} ms a picture", m.picture_ms),
            Outcome::Unusable { reason, .. } => format!("not usable: {reason}"),
        };
        say(&format!(
            "{:<21} {:<34} {state}",
            encoder.name, encoder.title
        ));
    }
    for encoder in &report.audio {
        let EncoderInfo {
            name,
            title,
            usable,
        } = encoder;
        let state = match usable {
            Ok(()) => "works here".to_owned(),
            Err(why) => format!("not usable: {why}"),
        };
        say(&format!("{name:<21} {title:<34} {state}"));
    }
    let order: Vec<_> = report
        .chosen
        .iter()
        .map(|c| match c.preset.as_str() {
            "auto" => c.encoder.clone(),
            preset => format!("{} ({preset})", c.encoder),
        })
        .collect();
    say(&format!("\"auto\" uses {}", order.join(", then ")));
}
