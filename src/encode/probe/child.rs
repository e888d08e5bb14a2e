//! The child's side of a probe: one encoder, opened with the real settings and given pictures. A request as JSON in,
//! an answer as JSON out; FFmpeg's words go to standard error, where the parent reads the reason.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::picture::picture;
use super::{Measured, PresetCost, os};
use crate::encode::av::Av;
use crate::encode::candidate::{self, Candidate, Place, VideoCodec};
use crate::encode::select::SLOWEST;
use crate::encode::settings::{AUTO, VideoEncoderSettings, VideoFormat};
use crate::encode::{EncodeError, in_words};
use crate::media::video::{Resolution, VideoFrame};
use crate::stage::{StopFlag, spawn};

/// Pictures that an encoder is tried with: enough to fill what it holds back.
const PICTURES: u64 = 8;
/// Pictures that a preset is measured with, after [`WARM_UP`] that do not count.
const MEASURED: u64 = 6;
const WARM_UP: u64 = 2;
/// Presets from this one on are measured; slower ones only where these leave room.
const FIRST_PRESET: &str = "veryfast";
/// Time for measuring presets, after which no further one is begun.
const MEASURING: Duration = Duration::from_millis(900);

/// Longest life of a child whose parent is gone.
const ORPHAN: Duration = Duration::from_secs(30);

/// What to try.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Names one encoder.
    pub settings: VideoEncoderSettings,
    /// Size and rate of the show.
    pub format: VideoFormat,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It works.
    Works(Measured),
    /// It does not; FFmpeg's error.
    Failed(String),
}

/// Tries what the text asks for; the answer is one line for standard output. The process ends itself when nobody does:
/// a program that was closed meanwhile leaves no stuck child behind.
pub fn run(request: &str) -> String {
    // a show may be on air while encoders are tried out
    crate::encode::background::step_back();
    let limit = |(), stop: &StopFlag| {
        if !stop.sleep(ORPHAN) {
            std::process::abort(); // an orderly exit would wait for the driver
        }
        Ok(())
    };
    let ready = || Ok::<_, std::convert::Infallible>(());
    let _limit = spawn("probe-limit", &StopFlag::new(), ready, limit, |_| {});
    let answer = match serde_json::from_str::<Request>(request) {
        Err(e) => Answer::Failed(format!("not a request: {e}")),
        Ok(request) => match tried(&request) {
            Ok(measured) => Answer::Works(measured),
            Err(e) => Answer::Failed(in_words(&e)),
        },
    };
    serde_json::to_string(&answer).unwrap_or_default()
}

fn tried(request: &Request) -> Result<Measured, EncodeError> {
    let Request { settings, format } = request;
    settings.validate()?;
    format.validate()?;
    crate::encode::ffmpeg::init()?;
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Verbose);
    let candidate = candidate::find(&settings.encoder).unwrap_or_else(candidate::processor);
    let format = tried_format(candidate, *format);
    let (mut measured, pictures) = once(candidate, settings, format)?;
    let measurable = candidate.capabilities.presets.contains(&FIRST_PRESET);
    if candidate.codec == VideoCodec::H264 && settings.preset == AUTO && measurable {
        measured.presets = presets(candidate, settings, format, &pictures)?;
        let scale = request.format.resolution.pixels() as f64 / format.resolution.pixels() as f64;
        for cost in &mut measured.presets {
            #[expect(clippy::cast_possible_truncation, reason = "a few milliseconds")]
            let scaled = (f64::from(cost.cpu_ms) * scale) as f32;
            cost.cpu_ms = scaled;
        }
    }
    Ok(measured)
}

/// The real format; for the processor, to which no size is too large, at most 1280x720, so that the probe is quick.
fn tried_format(candidate: &Candidate, format: VideoFormat) -> VideoFormat {
    if candidate.place == Place::Processor && format.resolution.pixels() > Resolution::HD.pixels() {
        return VideoFormat {
            resolution: Resolution::HD,
            ..format
        };
    }
    format
}

/// Opens it, gives it pictures and expects as many packets. Most encoders that do not work here fail at the opening, so
/// the pictures are made after it.
fn once(
    candidate: &Candidate,
    settings: &VideoEncoderSettings,
    format: VideoFormat,
) -> Result<(Measured, Vec<VideoFrame>), EncodeError> {
    let began = Instant::now();
    let mut av = Av::open(candidate, settings, format)?;
    let opening = began.elapsed();
    let make = |i| picture(i, format.resolution, format.rate);
    let pictures: Vec<_> = (0..PICTURES).map(make).collect();
    let began = Instant::now();
    let (mut packets, mut first) = (0usize, None);
    for picture in &pictures {
        av.send(picture, false)?;
        while av.receive()?.is_some() {
            packets += 1;
            first.get_or_insert_with(|| began.elapsed());
        }
    }
    av.send_end()?;
    while av.receive()?.is_some() {
        packets += 1;
    }
    if packets != pictures.len() {
        return Err(EncodeError::Bitstream(format!(
            "{} pictures went in, {packets} came out",
            pictures.len()
        )));
    }
    let all = began.elapsed();
    let first = first.unwrap_or(all);
    #[expect(clippy::cast_precision_loss, reason = "a few pictures")]
    let picture_ms = (all - first).as_secs_f32() * 1000.0 / (pictures.len() - 1).max(1) as f32;
    let measured = Measured {
        first_ms: (opening + first).as_secs_f32() * 1000.0,
        picture_ms,
        presets: Vec::new(),
    };
    Ok((measured, pictures))
}

/// What presets cost: [`FIRST_PRESET`], then slower ones while one costs less than a frame interval, or else faster
/// ones until one does.
fn presets(
    candidate: &Candidate,
    settings: &VideoEncoderSettings,
    format: VideoFormat,
    pictures: &[VideoFrame],
) -> Result<Vec<PresetCost>, EncodeError> {
    let names = candidate.capabilities.presets;
    let first = names.iter().position(|p| *p == FIRST_PRESET).unwrap_or(0);
    let mut costs = Vec::new();
    let mut measure = |preset: &str| -> Result<f32, EncodeError> {
        let settings = VideoEncoderSettings {
            preset: preset.to_owned(),
            ..settings.clone()
        };
        let cpu_ms = cost(candidate, &settings, format, pictures)?;
        costs.push(PresetCost {
            preset: preset.to_owned(),
            cpu_ms,
        });
        Ok(cpu_ms)
    };
    let interval_ms = format.rate.interval().as_secs_f32() * 1000.0;
    let began = Instant::now();
    // what one core does in time may be held by several; what it does not is not worth a look at slower ones
    if measure(names[first])? < interval_ms {
        for preset in &names[first + 1..] {
            let late = began.elapsed() > MEASURING;
            if late || measure(preset)? >= interval_ms || *preset == SLOWEST {
                break; // slower ones are never chosen
            }
        }
    }
    for preset in names[..first].iter().rev() {
        measure(preset)?;
    }
    Ok(costs)
}

/// Milliseconds of processor time a picture.
fn cost(
    candidate: &Candidate,
    settings: &VideoEncoderSettings,
    format: VideoFormat,
    pictures: &[VideoFrame],
) -> Result<f32, EncodeError> {
    let mut av = Av::open(candidate, settings, format)?;
    let mut began = os::cpu_time();
    for (i, picture) in (0..WARM_UP + MEASURED).zip(pictures) {
        if i == WARM_UP {
            began = os::cpu_time();
        }
        av.send(picture, false)?;
        while av.receive()?.is_some() {}
    }
    av.send_end()?;
    while av.receive()?.is_some() {}
    let spent = os::cpu_time().saturating_sub(began);
    #[expect(clippy::cast_precision_loss, reason = "a few pictures")]
    Ok(spent.as_secs_f32() * 1000.0 / MEASURED as f32)
}
