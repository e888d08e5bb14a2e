//! Settings that an encoder cannot do, and options that it does not have: refused in words, never changed in silence.

use kaibo::encode::{
    EncodeError, Profile, RateControl, Style, Tune, VideoEncoderSettings, VideoFormat, open_video,
};
use kaibo::media::packet::EncodedPacket;
use kaibo::media::time::FrameRate;

use super::{SMALL, picture};

fn with(change: impl FnOnce(&mut VideoEncoderSettings)) -> VideoEncoderSettings {
    let mut settings = VideoEncoderSettings {
        encoder: "x264".to_owned(),
        ..Default::default()
    };
    change(&mut settings);
    settings
}

/// Field and reason of the refusal.
fn refused(settings: &VideoEncoderSettings) -> (String, String) {
    match settings.validate_for_stream() {
        Err(EncodeError::Setting { field, reason }) => (field.to_owned(), reason),
        other => panic!("{other:?}: {settings:?}"),
    }
}

#[test]
fn options_go_by_ffmpegs_own_table() {
    let set = |text: &str| with(|s| text.clone_into(&mut s.options));
    for good in [
        "",
        "aq-mode=2",
        "  refs=3   aq-strength=0.8 ",
        "b-pyramid=none",
    ] {
        set(good).validate_for_stream().unwrap();
    }
    for (bad, word) in [
        ("aq-mod=2", "libx264 has no option \"aq-mod\""),
        ("aq-mode=sometimes", "aq-mode does not take \"sometimes\""),
        ("psy=7", "it goes from -1 to 1"),
        ("refs", "not of the form name=value"),
        ("=3", "not of the form name=value"),
        ("preset=slow", "encoder.preset decides: set that instead"),
        ("b=9000000", "encoder.bitrate_kbps decides"),
        ("nal-hrd=cbr", "ignores every later change of the bitrate"),
        (
            "x264-params=nal-hrd=cbr",
            "FFmpeg does not check what is in it",
        ),
        ("pass=2", "cannot be encoded twice"),
    ] {
        let (field, reason) = refused(&set(bad));
        assert_eq!(field, "encoder.options");
        assert!(reason.contains(word), "{bad}: {reason}");
    }
    let mut settings = set("aq-mode=2");
    settings.encoder = "auto".to_owned();
    assert!(
        refused(&settings)
            .1
            .contains("options belong to one encoder")
    );
}

#[test]
fn options_reach_the_encoder() {
    let size = |text: &str| {
        let settings = with(|s| {
            text.clone_into(&mut s.options);
            s.rate_control = RateControl::Crf;
            s.bitrate_kbps = 50_000;
        });
        bytes(&settings)
    };
    // a chroma offset of 12 throws colour away
    assert!(size("chromaoffset=12") < size(""));
}

fn bytes(settings: &VideoEncoderSettings) -> usize {
    let format = VideoFormat {
        resolution: SMALL,
        rate: FrameRate::FPS_30,
    };
    let mut encoder = open_video(settings, format, 0).unwrap();
    let mut out: Vec<EncodedPacket> = Vec::new();
    for i in 0..30 {
        encoder
            .encode(&picture(i, SMALL, 0), false, &mut out)
            .unwrap();
    }
    encoder.flush(&mut out).unwrap();
    out.iter().map(|p| p.data.len()).sum()
}

#[test]
fn what_an_encoder_or_a_stream_cannot_do_is_refused_with_the_reason() {
    let named = |name: &str| with(|s| name.clone_into(&mut s.encoder));
    let cases = [
        (
            with(|s| s.rate_control = RateControl::Cqp),
            "encoder.rate_control",
            "overrun the link",
        ),
        (named("x265"), "encoder.encoder", "streams H.264 only"),
        (named("vaapi-av1"), "encoder.encoder", "makes AV1"),
        (
            VideoEncoderSettings {
                rate_control: RateControl::Crf,
                ..named("vaapi")
            },
            "encoder.rate_control",
            "vaapi cannot do crf: choose cbr or vbr or cqp",
        ),
        (
            VideoEncoderSettings {
                b_frames: 2,
                ..named("v4l2m2m")
            },
            "encoder.b_frames",
            "at most 0 B-frames",
        ),
        (
            VideoEncoderSettings {
                profile: Profile::Main,
                ..named("openh264")
            },
            "encoder.profile",
            "no profile main: choose auto or baseline or high",
        ),
        (
            VideoEncoderSettings {
                preset: "veryfast".to_owned(),
                ..named("nvenc")
            },
            "encoder.preset",
            "auto, p1, p2",
        ),
        (
            with(|s| s.look_ahead = Some(10)),
            "encoder.look_ahead",
            "low latency means no look-ahead",
        ),
        (
            with(|s| (s.profile, s.b_frames) = (Profile::Baseline, 1)),
            "encoder.b_frames",
            "baseline profile has no B-frames",
        ),
        (
            with(|s| s.max_bitrate_kbps = 1000),
            "encoder.max_bitrate_kbps",
            "between the bitrate (2500)",
        ),
        (
            with(|s| s.buffer_ms = 20),
            "encoder.buffer_ms",
            "between 100 and 5000",
        ),
        (
            with(|s| s.quality = 60),
            "encoder.quality",
            "between 0 (best) and 51",
        ),
    ];
    for (settings, field, word) in cases {
        let (at, reason) = refused(&settings);
        assert_eq!(at, field, "{reason}");
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn old_settings_files_still_load() {
    let text = "encoder = \"x264\"\nbitrate_kbps = 3000\npreset = \"fast\"\nprofile = \"high\"\ntune = \"quality\"\n\
                keyframe_interval = 2.0\nb_frames = 2\n";
    let settings: VideoEncoderSettings = toml::from_str(text).unwrap();
    settings.validate_for_stream().unwrap();
    assert_eq!(
        (settings.tune, settings.rate_control),
        (Tune::Quality, RateControl::Cbr)
    );
    assert_eq!(settings.style(), Some(Style::Quality));
}

#[test]
fn constant_quality_stays_below_the_bitrate_and_quantisers_do_not_care() {
    let rate = |rate_control, quality, bitrate_kbps| {
        bytes(&with(|s| {
            (s.rate_control, s.quality, s.bitrate_kbps) = (rate_control, quality, bitrate_kbps);
        }))
    };
    let free = rate(RateControl::Crf, 18, 50_000);
    let worse = rate(RateControl::Crf, 35, 50_000);
    assert!(worse * 2 < free, "{worse} {free}");
    let capped = rate(RateControl::Crf, 18, 500);
    // a second of 500 kbit/s and what the buffer of half a second holds
    assert!(capped < 500_000 / 8 * 3 / 2, "{capped}");
    let quantiser = |kbps| {
        let settings =
            with(|s| (s.rate_control, s.quality, s.bitrate_kbps) = (RateControl::Cqp, 20, kbps));
        bytes(&settings)
    };
    assert_eq!(quantiser(500), quantiser(5000));
}
