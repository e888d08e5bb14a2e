//! The options of `kaibo push` that are about the video encoder, laid over the settings.

use clap::ValueEnum;

use super::push_args::parse_kbps;
use crate::encode::{Profile, RateControl, Style, Tune, VideoEncoderSettings};

/// How the picture is encoded.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Video encoder")]
pub(super) struct EncoderArgs {
    /// Which encoder, as `kaibo encoders` lists them [default: auto, the best that works]
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,
    /// A bundle of tuning, B-frames, look-ahead and buffer; the options below win over it
    #[arg(long, value_enum)]
    style: Option<StyleArg>,
    /// What is held: the bitrate (cbr), its mean (vbr), or the quality within the bitrate (crf) [default: cbr]
    #[arg(long, value_enum, value_name = "MODE")]
    rate_control: Option<RateArg>,
    /// Peak of vbr, as 4M [default: one and a half times the bitrate]
    #[arg(long, value_parser = parse_kbps, value_name = "RATE")]
    max_bitrate: Option<u32>,
    /// Quality for crf, 0 (best) to 51 (worst) [default: 23]
    #[arg(long, value_name = "NUMBER")]
    quality: Option<u8>,
    /// Decoder buffer in milliseconds, 100 to 5000; small is even, large lets keyframes be good [default: auto]
    #[arg(long, value_name = "MS")]
    buffer: Option<u32>,
    /// Preset of the encoder (x264: ultrafast to veryslow) [default: auto, the slowest this machine holds]
    #[arg(long)]
    preset: Option<String>,
    /// H.264 profile [default: auto]
    #[arg(long, value_enum)]
    profile: Option<ProfileArg>,
    /// Seconds between keyframes [default: 2]
    #[arg(long, value_name = "SECONDS")]
    keyint: Option<f32>,
    /// What the encoder optimises: low delay or quality (look-ahead, about half a second more delay) [default: low-latency]
    #[arg(long)]
    tune: Option<TuneArg>,
    /// Consecutive B-frames, 0 to 4 [default: 0]
    #[arg(long, value_name = "NUMBER")]
    b_frames: Option<u8>,
    /// Pictures to look ahead, 0 to 60, with tune quality [default: auto]
    #[arg(long, value_name = "NUMBER")]
    look_ahead: Option<u8>,
    /// Further options of the encoder as FFmpeg names them, as "aq-mode=2 refs=3"; needs --encoder
    #[arg(long, value_name = "OPTIONS")]
    encoder_options: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StyleArg {
    LowLatency,
    Balanced,
    Quality,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RateArg {
    Cbr,
    Vbr,
    Crf,
    Cqp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileArg {
    Auto,
    Baseline,
    Main,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TuneArg {
    LowLatency,
    Quality,
}

impl EncoderArgs {
    /// Lays what was given over the settings.
    pub(super) fn over(&self, settings: &mut VideoEncoderSettings) {
        if let Some(style) = self.style {
            *settings = settings.styled(match style {
                StyleArg::LowLatency => Style::LowLatency,
                StyleArg::Balanced => Style::Balanced,
                StyleArg::Quality => Style::Quality,
            });
        }
        set(&mut settings.encoder, self.encoder.clone());
        set(
            &mut settings.rate_control,
            self.rate_control.map(|r| match r {
                RateArg::Cbr => RateControl::Cbr,
                RateArg::Vbr => RateControl::Vbr,
                RateArg::Crf => RateControl::Crf,
                RateArg::Cqp => RateControl::Cqp,
            }),
        );
        set(&mut settings.max_bitrate_kbps, self.max_bitrate);
        set(&mut settings.quality, self.quality);
        set(&mut settings.buffer_ms, self.buffer);
        set(&mut settings.preset, self.preset.clone());
        set(
            &mut settings.profile,
            self.profile.map(|p| match p {
                ProfileArg::Auto => Profile::Auto,
                ProfileArg::Baseline => Profile::Baseline,
                ProfileArg::Main => Profile::Main,
                ProfileArg::High => Profile::High,
            }),
        );
        set(&mut settings.keyframe_interval, self.keyint);
        set(
            &mut settings.tune,
            self.tune.map(|t| match t {
                TuneArg::LowLatency => Tune::LowLatency,
                TuneArg::Quality => Tune::Quality,
            }),
        );
        set(&mut settings.b_frames, self.b_frames);
        if self.look_ahead.is_some() {
            settings.look_ahead = self.look_ahead;
        }
        set(&mut settings.options, self.encoder_options.clone());
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
