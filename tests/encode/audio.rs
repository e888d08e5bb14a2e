//! AAC: times, length, what is heard.

use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::frame;
use kaibo::encode::{AudioEncoderSettings, open_audio};
use kaibo::media::audio::{AudioBlock, AudioFormat};
use kaibo::media::packet::{DropClass, EncodedPacket, Track};
use kaibo::media::time::MediaTime;

use super::{decoder_for, feed};

fn decode_audio(packets: &[EncodedPacket]) -> Vec<(MediaTime, f32)> {
    let mut decoder = decoder_for(&packets[0].parameters).audio().unwrap();
    let mut samples = Vec::new();
    for packet in packets {
        feed(&mut decoder, packet);
        let mut frame = frame::Audio::empty();
        while decoder.receive_frame(&mut frame).is_ok() {
            assert_eq!((frame.rate(), frame.samples()), (48_000, 1024));
            for (i, s) in frame.plane::<f32>(0).iter().enumerate() {
                let at = packet.pts + AudioFormat::ENGINE.duration_of(i);
                samples.push((at, *s));
            }
        }
    }
    samples
}

#[test]
fn a_beep_is_decoded_at_its_time() {
    let mut encoder = open_audio(&AudioEncoderSettings::default(), 3).unwrap();
    assert_eq!(encoder.frame_size(), 1024);
    let start = MediaTime::from_millis(777);
    let beep = MediaTime::from_millis(1_777);
    let mut packets = Vec::new();
    for block in 0..94 {
        let at = start + AudioFormat::ENGINE.duration_of(block * 1024);
        let samples: Arc<[f32]> = (0..1024)
            .flat_map(|i| {
                let n = block * 1024 + i;
                let on = start + AudioFormat::ENGINE.duration_of(n) >= beep;
                let tone = (n as f32 * 1000.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5;
                let s = if on { tone } else { 0.0 };
                [s, s]
            })
            .collect();
        let block = AudioBlock {
            pts: at,
            samples,
            format: AudioFormat::ENGINE,
        };
        encoder.encode(&block, &mut packets).unwrap();
    }
    encoder.flush(&mut packets).unwrap();
    assert_eq!(packets.len(), 95, "one more: the codec's priming");
    let one = Duration::from_nanos(21_333_333);
    assert_eq!(packets[0].pts, start - one);
    for pair in packets.windows(2) {
        let step = pair[1].pts.nanos_since(pair[0].pts);
        assert!((step - 21_333_333).abs() <= 1, "{step}");
    }
    for packet in &packets {
        assert_eq!((packet.track, packet.dts), (Track::Audio, packet.pts));
        assert_eq!((packet.duration, packet.drop), (one, DropClass::Never));
    }
    let bytes: usize = packets.iter().map(|p| p.data.len()).sum();
    assert!(bytes < 128_000 / 8 * 2 * 12 / 10, "{bytes} bytes in 2 s");

    let sound = decode_audio(&packets);
    assert_eq!(sound.len(), 95 * 1024);
    let first_loud = sound.iter().find(|(_, s)| s.abs() > 0.2).unwrap().0;
    let late_ns = first_loud.nanos_since(beep);
    assert!(late_ns.abs() < 1_000_000, "{late_ns} ns");
    // the beep's phase is the source's: no shift by whole blocks or samples
    let from = sound.iter().position(|(t, _)| *t >= beep).unwrap() + 4800;
    for (i, (t, s)) in sound[from..from + 4800].iter().enumerate() {
        let n = AudioFormat::ENGINE.frames_in(t.saturating_since(start));
        let tone = (n as f32 * 1000.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5;
        assert!((s - tone).abs() < 0.05, "sample {i}: {s} instead of {tone}");
    }
}

#[test]
fn sound_that_is_no_number_does_not_stop_the_encoder() {
    let mut encoder = open_audio(&AudioEncoderSettings::default(), 0).unwrap();
    let mut packets = Vec::new();
    for i in 0..4 {
        let block = AudioBlock {
            pts: MediaTime::ZERO + AudioFormat::ENGINE.duration_of(i * 1024),
            samples: [f32::NAN, f32::INFINITY].repeat(1024).into(),
            format: AudioFormat::ENGINE,
        };
        encoder.encode(&block, &mut packets).unwrap();
    }
    encoder.flush(&mut packets).unwrap();
    assert_eq!(packets.len(), 5);
}
