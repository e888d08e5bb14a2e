//! Rate control of every encoder that works here, at virtual time: pictures are fed as fast as they are taken, their time
//! stamps say when they are.

use std::sync::LazyLock;

use kaibo::encode::probe::Prober;
use kaibo::encode::{
    Reconfigured, Style, VideoEncoder, VideoEncoderSettings, VideoFormat, open_video,
};
use kaibo::media::packet::{Bitrate, EncodedPacket};
use kaibo::media::time::{FrameRate, MediaTime};
use kaibo::media::video::{Resolution, VideoFrame};

use super::video::kbps;
use super::{picture, say_figure};

const SIZE: Resolution = Resolution::new(480, 270);
const FORMAT: VideoFormat = VideoFormat {
    resolution: SIZE,
    rate: FrameRate::FPS_30,
};

/// H.264 encoders that work here, with the styles that they can do.
fn encoders() -> Vec<VideoEncoderSettings> {
    let prober = Prober::new(env!("CARGO_BIN_EXE_kaibo").into());
    let reports = prober.probe(&VideoEncoderSettings::default(), FORMAT);
    let names = reports.iter().filter(|r| r.works()).map(|r| r.name.clone());
    let all = names.flat_map(|encoder| {
        Style::ALL.map(|style| {
            VideoEncoderSettings {
                encoder: encoder.clone(),
                ..Default::default()
            }
            .styled(style)
        })
    });
    let can: Vec<_> = all.filter(|s| open_video(s, FORMAT, 0).is_ok()).collect();
    assert!(can.iter().filter(|s| s.encoder == "x264").count() == 3);
    can
}

/// When picture `i` is.
fn picture_time(i: u64) -> MediaTime {
    MediaTime::from_millis(5_000) + FrameRate::FPS_30.frame_offset(i)
}

fn encode(
    encoder: &mut dyn VideoEncoder,
    pictures: std::ops::Range<u64>,
    out: &mut Vec<EncodedPacket>,
) {
    // sixty pictures again and again: the cut falls on a keyframe
    static PICTURES: LazyLock<Vec<VideoFrame>> =
        LazyLock::new(|| (0..60).map(|i| picture(i, SIZE, 0)).collect());
    for i in pictures {
        let frame = VideoFrame {
            pts: picture_time(i),
            ..PICTURES[(i % 60) as usize].clone()
        };
        encoder.encode(&frame, false, out).unwrap();
    }
}

#[test]
fn a_minute_of_cbr_is_even() {
    for settings in encoders() {
        let settings = VideoEncoderSettings {
            bitrate_kbps: 1500,
            ..settings
        };
        let mut encoder = open_video(&settings, FORMAT, 0).unwrap();
        let mut packets = Vec::new();
        encode(encoder.as_mut(), 0..1800, &mut packets);
        encoder.flush(&mut packets).unwrap();
        let mean = kbps(&packets, 0, 60_000) / 1500.0;
        let windows: Vec<f64> = (0..590)
            .map(|i| kbps(&packets, i * 100, 1000) / 1500.0)
            .collect();
        let most = windows.iter().copied().fold(0.0, f64::max);
        let least = windows.iter().copied().fold(f64::MAX, f64::min);
        let name = format!("{} {:?}", settings.encoder, settings.style());
        say_figure(&format!(
            "{name}: mean {mean:.3}, any second {least:.3} to {most:.3}"
        ));
        assert!((mean - 1.0).abs() <= 0.03, "{name}: {mean}");
        assert!(least >= 0.75 && most <= 1.25, "{name}: {least} to {most}");
    }
}

#[test]
fn a_live_change_is_reached_within_twelve_tenths_of_a_second() {
    for settings in encoders() {
        let settings = VideoEncoderSettings {
            bitrate_kbps: 2400,
            ..settings
        };
        let mut encoder = open_video(&settings, FORMAT, 0).unwrap();
        let mut packets = Vec::new();
        encode(encoder.as_mut(), 0..150, &mut packets);
        let done = encoder.set_bitrate(Bitrate::from_kbps(1200)).unwrap();
        if done == Reconfigured::NeedsReopen {
            continue; // the stage does it: see the stage's tests
        }
        encode(encoder.as_mut(), 150..300, &mut packets);
        encoder.set_bitrate(Bitrate::from_kbps(2000)).unwrap();
        encode(encoder.as_mut(), 300..450, &mut packets);
        encoder.flush(&mut packets).unwrap();
        let name = format!("{} {:?}", settings.encoder, settings.style());
        for (change, target) in [(5_000, 1200.0), (10_000, 2000.0)] {
            // the second that begins 1.2 s after the change, and those after it
            let after: Vec<f64> = (0..20)
                .map(|i| kbps(&packets, change + 1200 + i * 100, 1000) / target)
                .collect();
            say_figure(&format!("{name} to {target}: {:.2?}", &after[..6]));
            let wrong = after.iter().find(|r| (**r - 1.0).abs() > 0.25);
            assert_eq!(wrong, None, "{name} to {target}: {after:.2?}");
        }
    }
}
