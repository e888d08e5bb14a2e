//! A recording with an encoder of its own beside a stream, sounds on tracks of their own, and encoders that change while a
//! file is written.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use kaibo::container::Format;
use kaibo::encode::{
    AudioEncoderSettings, AudioRate, VideoEncoderSettings, VideoFormat, open_audio, open_video,
};
use kaibo::media::SourceId;
use kaibo::media::audio::AudioBlock;
use kaibo::media::packet::EncodedPacket;
use kaibo::media::time::{FrameRate, MediaTime};
use kaibo::media::video::{ColorSpec, FrameData, Plane, Resolution, VideoFrame};
use kaibo::output::record::{RecordNews, Recorder};
use kaibo::output::{Output as _, OutputEvent};
use serde_json::Value;

use super::parts::{config, context, end, feed};
use super::pictures;
use super::show::Show;
use super::support::nginx::{self, Nginx};
use super::support::outputs::LIMIT;
use super::support::{have, probe, say};

const SIZE: Resolution = Resolution::new(320, 180);

fn streams(path: &Path) -> Vec<Value> {
    let found = probe::probe(path.to_str().unwrap(), None);
    found["streams"].as_array().unwrap().clone()
}

fn codec(stream: &Value) -> &str {
    stream["codec_name"].as_str().unwrap()
}

/// Left channel of a sound track, at 8 kHz, by the clock of the file.
fn samples(path: &Path, track: usize) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-nostdin", "-i"])
        .arg(path)
        .args(["-map", &format!("0:a:{track}")])
        .args(["-af", "aresample=8000:async=1:first_pts=0,pan=mono|c0=c0"])
        .args(["-f", "f32le", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    let samples = output.stdout.as_chunks::<4>().0.iter();
    samples.map(|b| f32::from_le_bytes(*b)).collect()
}

fn energy(samples: impl Iterator<Item = f32>) -> f64 {
    samples.map(|s| f64::from(s * s)).sum()
}

#[test]
fn a_recording_has_an_encoder_and_tracks_of_its_own_and_the_stream_does_not_notice() {
    if !have(&nginx::NEEDS) || !have(&["ffmpeg", "ffprobe", "kill"]) {
        return;
    }
    let server = Nginx::start();
    let dir = tempfile::tempdir().unwrap();
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/speech.wav");
    for extension in ["mp4", "mkv"] {
        let file = dir.path().join(format!("show.{extension}"));
        let address = server.address("live", extension);
        let mut args = vec![
            "push",
            "--url",
            &address,
            "--source",
            "test",
            "--software-gpu",
        ];
        args.extend(["--size", "320x180", "--fps", "15", "--stats", "json"]);
        args.extend(["--video-bitrate", "300k", "--preset", "ultrafast"]);
        args.extend(["--sound-file", speech]);
        args.extend(["--record", file.to_str().unwrap(), "--record-tracks"]);
        args.extend(["--record-encoder", "x265", "--record-preset", "ultrafast"]);
        args.extend(["--record-quality", "20"]);
        let show = Show::start(&args);
        show.recorded(6000);
        show.wait("\"record_encoder\":{\"name\":\"x265\"", 1);
        show.wait("\"encoder\":{\"name\":\"x264\"", 1);
        assert_eq!(show.end(), Some(0));

        let recorded = streams(&file);
        let codecs: Vec<_> = recorded.iter().map(codec).collect();
        assert_eq!(codecs, ["hevc", "aac", "aac", "aac"], "{extension}");
        let names: Vec<_> = recorded[1..]
            .iter()
            .map(|s| {
                let tags = &s["tags"];
                let name = tags["title"].as_str().or(tags["handler_name"].as_str());
                name.unwrap().to_owned()
            })
            .collect();
        assert!(
            names[0] == "Mix" && names[1].contains("speech") && names[2] == "Pictures",
            "{names:?}"
        );
        let defaults = recorded
            .iter()
            .map(|s| s["disposition"]["default"].as_i64());
        assert_eq!(
            defaults.collect::<Vec<_>>(),
            [Some(1), Some(1), Some(0), Some(0)]
        );
        let times = pictures(&file);
        // it gives way to everything else, so that a busy machine costs the recording pictures
        assert!(times.len() >= 30, "{}", times.len());

        // each alone, and together the mix at the same time
        let [mix, speech, beeps] = [0, 1, 2].map(|track| samples(&file, track));
        let all = energy(mix.iter().copied());
        let both: Vec<f32> = speech.iter().zip(&beeps).map(|(a, b)| a + b).collect();
        // a file may begin between the blocks of two tracks: at most one block (21 ms) apart
        const BLOCK: usize = 8000 * 1024 / 48_000 + 2;
        let apart = |a: &[f32], b: &[f32], by: usize| {
            let pairs = a.iter().skip(by).zip(b);
            energy(pairs.map(|(a, b)| a - b)) / all
        };
        let rest = (0..=BLOCK)
            .flat_map(|by| [apart(&mix, &both, by), apart(&both, &mix, by)])
            .fold(f64::INFINITY, f64::min);
        let of = |track: &[f32]| energy(track.iter().copied()) / all;
        say(&format!(
            "{extension}: speech {:.2}, beeps {:.2} of the mix, differing by {rest:.4}",
            of(&speech),
            of(&beeps)
        ));
        assert!(of(&speech) > 0.05 && of(&beeps) > 0.05, "neither is silent");
        assert!(rest < 0.03, "{rest}");

        // the stream: what it would have been anyway
        let sent = server.recorded(extension);
        assert_eq!(sent.len(), 1, "one session");
        let sent: Vec<_> = streams(&sent[0]);
        let mut codecs: Vec<_> = sent.iter().map(codec).collect();
        codecs.sort_unstable();
        assert_eq!(codecs, ["aac", "h264"]);
    }
}

#[test]
fn what_a_file_has_no_room_for_is_refused_with_the_reason() {
    for (args, reason) in [
        (
            ["a.flv", "--record-tracks", "--source", "test"],
            "room for one sound",
        ),
        (
            ["a.flv", "--record-encoder", "x265", "--source"],
            "choose MP4 or MKV",
        ),
        (
            ["a.mkv", "--record-encoder", "x999", "--source"],
            "is not one of",
        ),
    ] {
        let mut all = vec!["record"];
        all.extend(args);
        if all.last() == Some(&"--source") {
            all.push("test");
        }
        let run = Command::new(env!("CARGO_BIN_EXE_kaibo"))
            .args(&all)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(
            !run.status.success() && said.contains(reason),
            "{all:?}: {said}"
        );
        assert!(!Path::new(args[0]).exists());
    }
}

/// A ramp that drifts.
fn picture(index: u64) -> VideoFrame {
    let (w, h) = (SIZE.width as usize, SIZE.height as usize);
    let t = usize::try_from(index).unwrap();
    let y: Vec<u8> = (0..w * h)
        .map(|i| u8::try_from(40 + (i % w * 3 + i / w * 2 + t * 5) % 160).unwrap())
        .collect();
    let plane = |data: Vec<u8>| Plane {
        data: data.into(),
        stride: w,
    };
    VideoFrame {
        pts: MediaTime::from_millis(1000) + FrameRate::FPS_30.frame_offset(index),
        source: SourceId(0),
        seq: index,
        resolution: SIZE,
        data: FrameData::Nv12 {
            y: plane(y),
            uv: plane(vec![128; w * h / 2]),
        },
        color: ColorSpec::BT709_LIMITED,
    }
}

/// Two seconds by each preset, one after the other.
fn by_presets(presets: &[&str]) -> Vec<EncodedPacket> {
    let mut packets = Vec::new();
    for (n, preset) in (0..).zip(presets) {
        let settings = VideoEncoderSettings {
            encoder: "x264".to_owned(),
            preset: (*preset).to_owned(),
            bitrate_kbps: 600,
            ..Default::default()
        };
        let format = VideoFormat {
            resolution: SIZE,
            rate: FrameRate::FPS_30,
        };
        let mut encoder = open_video(&settings, format, n).unwrap();
        let first = u64::from(n) * 60;
        for i in first..first + 60 {
            encoder.encode(&picture(i), false, &mut packets).unwrap();
        }
        encoder.flush(&mut packets).unwrap();
    }
    packets
}

/// Sound from 1 s on, for these seconds by each settings.
fn sound(settings: &[AudioEncoderSettings], seconds: f64) -> Vec<EncodedPacket> {
    let mut packets = Vec::new();
    let mut at = MediaTime::from_millis(1000);
    for (n, settings) in (0..).zip(settings) {
        let mut encoder = open_audio(settings, n).unwrap();
        let (format, size) = (settings.format(), encoder.frame_size());
        let blocks = (seconds * f64::from(format.rate)) as usize / size;
        for k in 0..blocks {
            let tone = (0..size).flat_map(|i| {
                let t = (k * size + i) as f64 / f64::from(format.rate);
                let s = (t * 440.0 * std::f64::consts::TAU).sin() as f32 * 0.3;
                std::iter::repeat_n(s, format.channels.into())
            });
            let block = AudioBlock {
                pts: at,
                samples: tone.collect(),
                format,
            };
            encoder.encode(&block, &mut packets).unwrap();
            at += format.duration_of(size);
        }
        encoder.flush(&mut packets).unwrap();
    }
    packets
}

fn merged(mut pictures: Vec<EncodedPacket>, sound: Vec<EncodedPacket>) -> Vec<EncodedPacket> {
    pictures.extend(sound);
    pictures.sort_by_key(|p| p.dts);
    pictures
}

#[test]
fn another_preset_goes_on_in_the_same_file_wherever_a_player_jumps_to() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    for format in [Format::Mp4, Format::Mkv] {
        let dir = tempfile::tempdir().unwrap();
        let (cx, events, _runtime) = context();
        let recorder = Recorder::start(config(dir.path(), format), cx).unwrap();
        let video = by_presets(&["veryfast", "ultrafast", "veryfast"]);
        let headers = video.iter().map(|p| p.parameters.extradata());
        assert!(
            headers
                .clone()
                .any(|h| *h != video[0].parameters.extradata())
        );
        feed(
            &recorder,
            merged(video, sound(&[AudioEncoderSettings::default()], 6.2)),
        );
        let files = end(&recorder, &events);
        assert_eq!(files.len(), 1, "{format:?}");
        assert_eq!(pictures(&files[0]).len(), 180, "{format:?}");
        // to the second stretch, and back to the first by the same decoder
        let seek = Command::new("ffmpeg")
            .args(["-v", "error", "-xerror", "-nostdin", "-ss", "2.5", "-i"])
            .arg(&files[0])
            .args(["-map", "0:v", "-f", "null", "-"])
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&seek.stderr);
        assert!(
            seek.status.success() && complaints.is_empty(),
            "{complaints}"
        );
        let looped = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-xerror",
                "-nostdin",
                "-stream_loop",
                "1",
                "-i",
            ])
            .arg(&files[0])
            .args(["-map", "0:v", "-f", "null", "-"])
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&looped.stderr);
        assert!(
            looped.status.success() && complaints.is_empty(),
            "{complaints}"
        );
    }
}

#[test]
fn sound_that_changes_begins_a_file_and_spoils_none() {
    if !have(&["ffmpeg", "ffprobe"]) {
        return;
    }
    let other = AudioEncoderSettings {
        rate: AudioRate::Hz44100,
        ..Default::default()
    };
    for format in [Format::Mp4, Format::Mkv] {
        let dir = tempfile::tempdir().unwrap();
        let (cx, events, _runtime) = context();
        let recorder = Recorder::start(config(dir.path(), format), cx).unwrap();
        let video = by_presets(&["ultrafast", "ultrafast", "ultrafast"]);
        // the sound changes half a second before the second keyframe
        let sound = sound(&[AudioEncoderSettings::default(), other.clone()], 1.5);
        feed(&recorder, merged(video, sound));
        recorder.request_stop();
        assert!(recorder.join_until(Instant::now() + LIMIT));
        let left_out = recorder.record_stats().left_out;
        say(&format!("{format:?}: {left_out} packets of sound left out"));
        assert!((15..=25).contains(&left_out), "{left_out}");
        let told: Vec<_> = events.try_iter().collect();
        let asked = told
            .iter()
            .filter(|e| matches!(e, OutputEvent::NeedKeyframe));
        assert!(asked.count() >= 2, "at the start, and for the new sound");
        let closed = told.into_iter().filter_map(|event| match event {
            OutputEvent::Record(RecordNews::Closed { path }) => Some(path),
            _ => None,
        });
        let rates: Vec<_> = closed
            .map(|file| {
                assert!(!pictures(&file).is_empty());
                samples(&file, 0);
                let sound = streams(&file)
                    .into_iter()
                    .find(|s| s["codec_type"] == "audio");
                sound.unwrap()["sample_rate"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(rates, ["48000", "44100"], "{format:?}");
    }
}
