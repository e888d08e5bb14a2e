//! Encoded pictures and sound, made once per test run by the ffmpeg program, so that tests of outputs need no encoder
//! of ours.

use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use kaibo::media::packet::{Bitrate, CodecParameters, DropClass, EncodedPacket, Track};
use kaibo::media::time::{FrameRate, MediaTime};
use kaibo::media::video::Resolution;

use super::flv::{self, Media};

/// Seconds of material.
pub const SECONDS: u32 = 12;
/// Picture size of the material.
pub const SIZE: Resolution = Resolution::new(320, 180);

/// 12 s of a moving pattern (H.264 high, 30 fps, a keyframe every 2 s) and a tone (AAC, 48 kHz), in decode order.
pub fn packets() -> &'static [EncodedPacket] {
    static PACKETS: OnceLock<Vec<EncodedPacket>> = OnceLock::new();
    PACKETS.get_or_init(make)
}

fn make() -> Vec<EncodedPacket> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("material.flv");
    let seconds = SECONDS.to_string();
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i"])
        .arg(format!("testsrc=size={SIZE}:rate=30"))
        .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
        .args(["-t", &seconds, "-c:v", "libx264", "-profile:v", "high"])
        .args(["-preset", "veryfast", "-tune", "zerolatency"])
        .args(["-pix_fmt", "yuv420p", "-b:v", "400k", "-g", "60"])
        .args(["-keyint_min", "60", "-sc_threshold", "0"])
        .args(["-c:a", "aac", "-ac", "2", "-b:a", "96k"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success(), "ffmpeg");
    let flv = flv::read(&path).unwrap();
    let video = Arc::new(CodecParameters::H264 {
        avcc: Bytes::from(flv.avcc),
        resolution: SIZE,
        rate: FrameRate::FPS_30,
        bitrate: Bitrate::from_kbps(400),
    });
    let audio = Arc::new(CodecParameters::Aac {
        asc: Bytes::from(flv.asc),
        sample_rate: 48_000,
        channels: 2,
        bitrate: Bitrate::from_kbps(96),
    });
    let first_key = flv.media.iter().position(|m| !m.audio && m.key).unwrap();
    flv.media[first_key..]
        .iter()
        .map(|m| packet(m, if m.audio { &audio } else { &video }))
        .collect()
}

fn packet(m: &Media, parameters: &Arc<CodecParameters>) -> EncodedPacket {
    let dts = MediaTime::from_millis(i64::from(m.dts_ms));
    EncodedPacket {
        track: if m.audio { Track::Audio } else { Track::Video },
        pts: dts.offset_nanos(i64::from(m.cts_ms) * 1_000_000),
        dts,
        duration: Duration::from_millis(if m.audio { 21 } else { 33 }),
        keyframe: m.key,
        drop: if m.key {
            DropClass::Never
        } else {
            DropClass::Reference
        },
        data: Bytes::copy_from_slice(&m.data),
        parameters: Arc::clone(parameters),
        generation: 0,
    }
}

/// The material again and again, for ever, on a clock that goes on.
pub fn endless() -> impl Iterator<Item = EncodedPacket> {
    (0_u32..).flat_map(|round| {
        packets().iter().map(move |p| {
            let by = Duration::from_secs(u64::from(round * SECONDS));
            EncodedPacket {
                pts: p.pts + by,
                dts: p.dts + by,
                ..p.clone()
            }
        })
    })
}
