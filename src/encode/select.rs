//! Which encoder to use, and what to use when it fails: what probes found in, settings with an encoder and a preset out.
//! Pure functions; any thread.

use super::candidate::{self, Candidate, Place, VideoCodec};
use super::family::x264;
use super::probe::{EncoderReport, Outcome, PresetCost};
use super::settings::{AUTO, VideoEncoderSettings, VideoFormat};

/// Share of the machine's processor time that the encoder may take when the program chooses its preset: sources, filters
/// and whatever is being shown need the rest.
const SHARE: f64 = 0.25;

/// The settings to try, best first: the encoder that is wished for (for "auto" the best hardware encoder that works),
/// others that work here, libx264 last. All make H.264. Every one names an encoder, and its preset where it has some.
pub fn ladder(
    wanted: &VideoEncoderSettings,
    format: VideoFormat,
    reports: &[EncoderReport],
) -> Vec<VideoEncoderSettings> {
    let works = |c: &Candidate| reports.iter().any(|r| r.name == c.name && r.works());
    let hardware = candidate::all().filter(|c| c.place == Place::Hardware && works(c));
    // where nothing was found out libx264 is taken for good
    let processor = candidate::all()
        .filter(|c| c.place == Place::Processor)
        .filter(|c| works(c) || (reports.is_empty() && c.name == candidate::processor().name));
    let named = candidate::find(&wanted.encoder);
    let mut rungs: Vec<&Candidate> = named.into_iter().collect();
    if named.is_none_or(|c| c.place == Place::Hardware) {
        rungs.extend(hardware);
    }
    rungs.extend(processor);
    if rungs.is_empty() {
        rungs.push(candidate::processor()); // opening it says what is missing
    }
    let mut ladder: Vec<VideoEncoderSettings> = Vec::new();
    for c in rungs {
        let is_named = named.is_some_and(|n| n.name == c.name);
        let settings = with_preset(wanted.for_candidate(c), c, format, reports);
        let fits = c.codec == VideoCodec::H264 && c.accepts(&settings).is_ok();
        let new = ladder.iter().all(|s| s.encoder != settings.encoder);
        if new && (fits || is_named) {
            ladder.push(settings);
        }
    }
    ladder
}

fn with_preset(
    settings: VideoEncoderSettings,
    c: &Candidate,
    format: VideoFormat,
    reports: &[EncoderReport],
) -> VideoEncoderSettings {
    if settings.preset != AUTO || c.name != candidate::processor().name {
        return settings;
    }
    let measured = reports.iter().find_map(|r| match &r.outcome {
        Outcome::Works(measured) if r.name == c.name => Some(measured.presets.as_slice()),
        _ => None,
    });
    VideoEncoderSettings {
        preset: measured
            .and_then(|costs| held(costs, format))
            .unwrap_or_else(|| x264::USUAL_PRESET.to_owned()),
        ..settings
    }
}

/// The slowest of the measured presets that stays within [`SHARE`] of this machine; the cheapest when none does.
fn held(costs: &[PresetCost], format: VideoFormat) -> Option<String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    held_by(costs, format, cores)
}

fn held_by(costs: &[PresetCost], format: VideoFormat, cores: usize) -> Option<String> {
    let interval_ms = format.rate.interval().as_secs_f64() * 1000.0;
    #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
    let budget_ms = SHARE * cores as f64 * interval_ms;
    let place = |c: &&PresetCost| x264::PRESETS.iter().position(|p| *p == c.preset);
    let slowest = costs
        .iter()
        .filter(|c| f64::from(c.cpu_ms) <= budget_ms)
        .filter(|c| place(c) <= x264::PRESETS.iter().position(|p| *p == SLOWEST))
        .max_by_key(place);
    let cheapest = || costs.iter().min_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    slowest.or_else(cheapest).map(|c| c.preset.clone())
}

/// No slower preset is chosen by the program: each further one gains 0.1 dB for half as much time again
/// (benches/encoders.md).
pub(super) const SLOWEST: &str = "faster";

/// The next cheaper settings of the same encoder, for a machine that cannot keep up.
pub(super) fn cheaper(settings: &VideoEncoderSettings) -> Option<VideoEncoderSettings> {
    let candidate = candidate::find(&settings.encoder).unwrap_or_else(candidate::processor);
    let preset = match settings.preset.as_str() {
        AUTO if candidate.name == candidate::processor().name => x264::USUAL_PRESET,
        preset => preset,
    };
    let preset = candidate.cheaper(preset)?.to_owned();
    Some(VideoEncoderSettings {
        encoder: candidate.name.to_owned(),
        preset,
        ..settings.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::RateControl;
    use crate::encode::probe::{Measured, Why};
    use crate::media::time::FrameRate;
    use crate::media::video::Resolution;

    const FORMAT: VideoFormat = VideoFormat {
        resolution: Resolution::HD,
        rate: FrameRate::FPS_30,
    };

    fn cost(preset: &str, cpu_ms: f32) -> PresetCost {
        PresetCost {
            preset: preset.to_owned(),
            cpu_ms,
        }
    }

    fn works(name: &str) -> EncoderReport {
        EncoderReport {
            name: name.to_owned(),
            outcome: Outcome::Works(Measured::default()),
        }
    }

    fn names(ladder: &[VideoEncoderSettings]) -> Vec<&str> {
        ladder.iter().map(|s| s.encoder.as_str()).collect()
    }

    #[test]
    fn the_preset_is_the_slowest_that_the_machine_holds() {
        let costs = [
            cost("veryfast", 9.0),
            cost("faster", 16.0),
            cost("fast", 24.0),
            cost("superfast", 6.0),
            cost("ultrafast", 4.0),
        ];
        let held = |cores| held_by(&costs, FORMAT, cores).unwrap();
        assert_eq!(held(1), "superfast"); // 8.3 ms
        assert_eq!(held(2), "faster"); // 16.7 ms
        assert_eq!(held(8), "faster", "a slower one gains nothing");
        let slow = [cost("veryfast", 90.0), cost("ultrafast", 40.0)];
        assert_eq!(held_by(&slow, FORMAT, 2).unwrap(), "ultrafast");
        let quick = [cost("faster", 1.0), cost("slow", 1.0)];
        assert_eq!(held_by(&quick, FORMAT, 64).unwrap(), "faster");
    }

    #[test]
    fn the_best_that_works_comes_first_and_the_processor_last() {
        let auto = VideoEncoderSettings::default();
        assert_eq!(names(&ladder(&auto, FORMAT, &[])), ["x264"]);
        let reports = [
            EncoderReport {
                name: "nvenc".to_owned(),
                outcome: Outcome::Unusable {
                    why: Why::Crashed,
                    reason: String::new(),
                },
            },
            works("qsv"),
            works("vaapi"),
            works("vaapi-hevc"),
            works("x264"),
        ];
        let found = ladder(&auto, FORMAT, &reports);
        assert_eq!(names(&found), ["qsv", "vaapi", "x264"]);
        assert_eq!(
            found[2].preset, "veryfast",
            "named, so that it can be lowered"
        );
        let wish = |encoder: &str| VideoEncoderSettings {
            encoder: encoder.to_owned(),
            ..auto.clone()
        };
        let named = ladder(&wish("vaapi"), FORMAT, &reports);
        assert_eq!(names(&named), ["vaapi", "qsv", "x264"]);
        assert_eq!(names(&ladder(&wish("x264"), FORMAT, &reports)), ["x264"]);
        // what an encoder cannot do is no reason to use it all the same
        let crf = VideoEncoderSettings {
            rate_control: RateControl::Crf,
            ..auto
        };
        assert_eq!(names(&ladder(&crf, FORMAT, &reports)), ["x264"]);
    }

    #[test]
    fn settings_get_cheaper_step_by_step_until_they_cannot() {
        let auto = VideoEncoderSettings::default();
        let once = cheaper(&auto).unwrap();
        assert_eq!(
            (once.encoder.as_str(), once.preset.as_str()),
            ("x264", "superfast")
        );
        let twice = cheaper(&once).unwrap();
        assert_eq!(twice.preset, "ultrafast");
        assert_eq!(cheaper(&twice), None);
    }
}
