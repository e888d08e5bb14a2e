//! Inputs whose sound is wanted earlier, later, or of one channel alone.

use std::time::Duration;

use super::tests::{Device, ORIGIN, only, run, sine, stats};
use super::*;
use crate::media::ring::audio_ring;

/// Where a click that the device sends each half second is heard, in frames after its capture.
fn heard_after(out: &[Frame], base: usize) -> Vec<i64> {
    let beeps = (0..out.len()).filter(|i| out[*i][0] > 0.6);
    let late = beeps.map(|i| i64::try_from((base + i) % 24_000).unwrap());
    late.map(|f| if f > 12_000 { f - 24_000 } else { f })
        .collect()
}

#[test]
fn a_sound_is_heard_earlier_or_later_and_nothing_of_another_is_lost() {
    let click = |i: u64| if i.is_multiple_of(24_000) { 0.7 } else { 0.0 };
    for offset_ms in [-2000_i32, -250, 120, 2000] {
        let mut mixer = Mixer::new(ORIGIN);
        let mut moved = Device::stereo(&mut mixer, 1, click);
        let mut other = Device::stereo(&mut mixer, 2, |i| 0.1 * sine(i, 96.0));
        run(&mut mixer, &mut [&mut moved, &mut other], 100);
        let mix = InputMix {
            offset_ms,
            ..InputMix::default()
        };
        let due = mixer.due();
        mixer.set_mixes(only(1, mix));
        let waits = mixer.due().nanos_since(due) / 1_000_000;
        assert_eq!(
            waits,
            i64::from((-offset_ms).max(0)),
            "only for what is earlier"
        );
        // rings hold half a second: while blocks wait they are emptied in between
        let mut now = due;
        while now < mixer.due() {
            moved.deliver(now);
            other.deliver(now);
            mixer.collect(now);
            now += Duration::from_millis(100);
        }
        let out = run(&mut mixer, &mut [&mut moved, &mut other], 300);
        let base = 100 * 1024;
        let from = 130 * 1024;
        let heard = heard_after(&out[from..], base + from);
        let wanted = i64::from(offset_ms) * 48 % 24_000;
        assert!(heard.len() >= 3, "{offset_ms}: {heard:?}");
        let right = |f: &i64| (*f - wanted) % 24_000 == 0;
        assert!(heard.iter().all(right), "{offset_ms}: {heard:?}");
        // the other one went on without a break
        let quiet = |i: usize| out[i][0] <= 0.5;
        let wrong = (0..out.len()).filter(|i| {
            quiet(*i) && (out[*i][1] - 0.1 * sine((base + i) as u64, 96.0)).abs() > 1e-5
        });
        assert_eq!(wrong.count(), 0, "{offset_ms}");
        let stats = stats(&mixer);
        assert_eq!(
            (stats.late, stats.overruns),
            (0, 0),
            "{offset_ms}: {stats:?}"
        );
        assert!(stats.queued_ms < 200, "{offset_ms}: {stats:?}");
    }
}

#[test]
fn channels_are_picked() {
    let mut mixer = Mixer::new(ORIGIN);
    let ring = Duration::from_millis(500);
    let (mut sink, tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, ring);
    mixer.add(tap).unwrap();
    let mix = InputMix {
        channels: crate::media::audio::ChannelPick::Right,
        ..InputMix::default()
    };
    mixer.set_mixes(only(1, mix));
    let samples: Vec<f32> = (0..9600).flat_map(|_| [0.5, -0.25]).collect();
    sink.push(ORIGIN, &samples);
    let out = run(&mut mixer, &mut [], 8);
    assert!(out[1000..8000].iter().all(|f| *f == [-0.25; 2]));
}
