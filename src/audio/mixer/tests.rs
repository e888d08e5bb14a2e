//! The mix in virtual time: sources deliver as devices do, the mixer is called when blocks are due.

use std::time::Duration;

use super::*;
use crate::audio::chain::ChainSettings;
use crate::media::ring::{AudioSink, audio_ring};

pub(super) const ORIGIN: MediaTime = MediaTime::from_millis(5_000);

/// A device: from `start` on it delivers `block` frames of `wave` at a time, `latency` after the last one's capture.
pub(super) struct Device {
    sink: AudioSink,
    start: MediaTime,
    block: usize,
    latency: Duration,
    sent: u64,
    until: u64,
    wave: Box<dyn Fn(u64) -> f32>,
}

impl Device {
    fn new(
        mixer: &mut Mixer,
        source: u32,
        format: AudioFormat,
        wave: impl Fn(u64) -> f32 + 'static,
    ) -> Self {
        let ring = Duration::from_millis(500);
        let (sink, tap) = audio_ring(SourceId(source), format, ring);
        mixer.add(tap).unwrap();
        Self {
            sink,
            start: ORIGIN,
            block: format.frames_in(Duration::from_millis(20)),
            latency: Duration::from_millis(5),
            sent: 0,
            until: u64::MAX,
            wave: Box::new(wave),
        }
    }

    pub(super) fn stereo(
        mixer: &mut Mixer,
        source: u32,
        wave: impl Fn(u64) -> f32 + 'static,
    ) -> Self {
        Self::new(mixer, source, AudioFormat::ENGINE, wave)
    }

    fn time_of(&self, frame: u64) -> MediaTime {
        let format = self.sink.format();
        self.start + format.duration_of(usize::try_from(frame).unwrap())
    }

    pub(super) fn deliver(&mut self, now: MediaTime) {
        let channels = usize::from(self.sink.format().channels);
        while self.sent < self.until
            && self.time_of(self.sent + self.block as u64) + self.latency <= now
        {
            let pts = self.time_of(self.sent);
            let samples: Vec<f32> = (0..self.block as u64)
                .flat_map(|i| std::iter::repeat_n((self.wave)(self.sent + i), channels))
                .collect();
            self.sink.push(pts, &samples);
            self.sent += self.block as u64;
        }
    }
}

/// Makes `blocks` blocks, each when it is due.
pub(super) fn run(mixer: &mut Mixer, devices: &mut [&mut Device], blocks: usize) -> Vec<Frame> {
    let mut out = Vec::with_capacity(blocks * BLOCK_FRAMES);
    for _ in 0..blocks {
        let now = mixer.due();
        for device in &mut *devices {
            device.deliver(now);
        }
        mixer.drain(now);
        out.extend_from_slice(mixer.mix().samples.as_chunks().0);
    }
    out
}

pub(super) fn gain(gain_db: f32, muted: bool) -> InputMix {
    InputMix {
        gain_db,
        muted,
        ..InputMix::default()
    }
}

pub(super) fn only(source: u32, mix: InputMix) -> BTreeMap<SourceId, InputMix> {
    [(SourceId(source), mix)].into()
}

pub(super) fn stats(mixer: &Mixer) -> AudioStats {
    let mut stats = AudioStats::default();
    mixer.report(mixer.due(), &mut stats);
    stats
}

pub(super) fn sine(frame: u64, period: f64) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "test tone"
    )]
    {
        (0.5 * (frame as f64 % period * std::f64::consts::TAU / period).sin()) as f32
    }
}

fn largest_step(frames: &[Frame]) -> f32 {
    let steps = frames.windows(2).map(|w| (w[1][0] - w[0][0]).abs());
    steps.fold(0.0, f32::max)
}

fn nonzero(frames: &[Frame]) -> Vec<usize> {
    let sounding = |f: &Frame| f.iter().any(|s| *s != 0.0);
    (0..frames.len())
        .filter(|i| sounding(&frames[*i]))
        .collect()
}

#[test]
fn without_inputs_there_is_silence_by_the_clock() {
    let mut mixer = Mixer::new(ORIGIN);
    for k in 0..1000_u32 {
        let at = |k: u32| ORIGIN.offset_nanos(i64::from(k) * 1024 * 1_000_000_000 / 48_000);
        // 60 ms after its end at first, when its time begins once it is clear that nothing comes
        let due = mixer.due().nanos_since(at(k + 1));
        assert_eq!(due, if k < 100 { 60_000_000 } else { due });
        assert!(mixer.due() >= at(k) && due <= 60_000_000);
        mixer.drain(mixer.due());
        let block = mixer.mix();
        assert_eq!(block.pts, at(k));
        assert_eq!((block.frames(), block.format), (1024, AudioFormat::ENGINE));
        assert!(block.samples.iter().all(|s| *s == 0.0));
    }
    assert_eq!(stats(&mixer).alignment_ms, -21);
    assert_eq!(stats(&mixer).levels, Levels::default());
}

#[test]
fn a_block_somebody_still_holds_is_not_written_over() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    run(&mut mixer, &mut [&mut device], 3);
    let held = mixer.mix().clone();
    let before = held.samples.to_vec();
    run(&mut mixer, &mut [], 3);
    assert_eq!(*held.samples, *before);
}

#[test]
fn a_beep_is_heard_at_its_time() {
    let mut mixer = Mixer::new(ORIGIN);
    // begins 12,345 frames and a third after the origin, that is at position 12,345
    let mut device = Device::stereo(&mut mixer, 1, |i| if i % 4800 == 0 { 0.8 } else { 0.0 });
    device.start = ORIGIN + Duration::from_nanos(12_345 * 62_500 / 3 + 7_000);
    let out = run(&mut mixer, &mut [&mut device], 100);
    let expected: Vec<usize> = (12_345..100 * 1024).step_by(4800).collect();
    assert_eq!(nonzero(&out), expected);
    assert!(expected.iter().all(|i| out[*i] == [0.8, 0.8]));
    let stats = stats(&mixer);
    assert_eq!((stats.gap_ms, stats.late, stats.overruns), (0, 0, 0));
    assert_eq!(stats.active_inputs, 1);
}

#[test]
fn mono_at_44100_keeps_its_pitch_and_does_not_drift_in_ten_minutes() {
    let mut mixer = Mixer::new(ORIGIN);
    let mono = AudioFormat {
        rate: 44_100,
        channels: 1,
    };
    let mut device = Device::new(&mut mixer, 1, mono, |i| sine(i, 100.0));
    let period = 100.0 * 48_000.0 / 44_100.0;
    let blocks = 10 * 60 * 48_000 / 1024;
    let mut position = 0_u64;
    for minute in 0..10 {
        let out = run(&mut mixer, &mut [&mut device], blocks / 10);
        let tail = out.len() - 48_000;
        let worst = (tail..out.len())
            .map(|i| (out[i][0] - sine(position + i as u64, period)).abs())
            .fold(0.0, f32::max);
        // half a sample of displacement would show as 0.5 · τ / 108.8 / 2 = 0.014
        assert!(worst < 0.014, "minute {minute}: {worst}");
        position += out.len() as u64;
    }
    let stats = stats(&mixer);
    assert_eq!((stats.gap_ms, stats.late, stats.overruns), (0, 0, 0));
    assert!(stats.queued_ms < 100, "{}", stats.queued_ms);
}

#[test]
fn jitter_is_smoothed() {
    let mut mixer = Mixer::new(ORIGIN);
    let (mut sink, tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, Duration::from_millis(500));
    mixer.add(tap).unwrap();
    let jitter_us = [0, 9_000, -11_000, 4_000, -2_000, 60_000, -1_000, -14_000];
    let mut out = Vec::new();
    for k in 0..200_u64 {
        let at = ORIGIN + Duration::from_millis(20) * u32::try_from(k).unwrap();
        let late = jitter_us[usize::try_from(k).unwrap() % jitter_us.len()];
        let samples: Vec<f32> = (k * 960..(k + 1) * 960)
            .flat_map(|i| [sine(i, 100.0); 2])
            .collect();
        sink.push(at.offset_nanos(late * 1000), &samples);
        let due = usize::from(mixer.due() < at);
        out.extend(run(&mut mixer, &mut [], due));
    }
    assert!(out.len() > 3 * 48_000);
    let wrong = (0..out.len()).filter(|i| out[*i][0] != sine(*i as u64, 100.0));
    assert_eq!(wrong.count(), 0);
}

#[test]
fn a_lasting_offset_of_stamps_is_followed() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |i| if i % 4800 == 0 { 0.9 } else { 0.0 });
    run(&mut mixer, &mut [&mut device], 50);
    // 30 ms were lost on the way: the stamps jump, but by less than jitter may
    device.start += Duration::from_millis(30);
    let from = 50 * 1024;
    let out = run(&mut mixer, &mut [&mut device], 100);
    let beeps: Vec<usize> = nonzero(&out).iter().map(|i| i + from).collect();
    let after: Vec<_> = beeps.iter().filter(|b| **b > from + 36_000).collect();
    assert!(after.len() >= 10);
    assert!(after.iter().all(|b| *b % 4800 == 1440), "{after:?}");
    assert_eq!(stats(&mixer).gap_ms, 30);
}

#[test]
fn a_gap_is_silence_of_its_length() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    device.until = 960 * 10;
    run(&mut mixer, &mut [&mut device], 8);
    device.start += Duration::from_millis(200);
    device.until = u64::MAX;
    let out = run(&mut mixer, &mut [&mut device], 30);
    let base = 8 * 1024;
    let silent: Vec<usize> = (0..out.len()).filter(|i| out[*i][0] == 0.0).collect();
    assert_eq!(silent.len(), 9600);
    assert_eq!((silent[0] + base, silent[9599] + base), (9600, 19_199));
    // its edges are faded
    assert!(largest_step(&out) < 0.5 / 100.0, "{}", largest_step(&out));
    assert_eq!(stats(&mixer).gap_ms, 200);
}

#[test]
fn refused_blocks_are_counted_and_leave_a_gap() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    // 800 ms pile up in a ring of 500
    device.deliver(ORIGIN + Duration::from_millis(805));
    let out = run(&mut mixer, &mut [&mut device], 60);
    let stats = stats(&mixer);
    assert_eq!(stats.overruns, 15);
    assert_eq!(stats.gap_ms, 300);
    assert_eq!(out.iter().filter(|f| f[0] == 0.0).count(), 14_400);
}

#[test]
fn two_inputs_add_up() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut a = Device::stereo(&mut mixer, 1, |i| sine(i, 96.0));
    let mono = AudioFormat {
        rate: 48_000,
        channels: 1,
    };
    let mut b = Device::new(&mut mixer, 2, mono, |_| 0.125);
    let out = run(&mut mixer, &mut [&mut a, &mut b], 40);
    let wrong = (0..out.len())
        .filter(|i| (out[*i][1] - sine(*i as u64, 96.0) - 0.125).abs() > 1e-6)
        .count();
    assert_eq!(wrong, 0);
    assert_eq!(stats(&mixer).active_inputs, 2);
    drop(a);
    run(&mut mixer, &mut [&mut b], 10);
    assert_eq!(mixer.inputs.len(), 1, "an input that ended is forgotten");
}

#[test]
fn mute_and_gain_do_not_click() {
    let mut mixer = Mixer::new(ORIGIN);
    mixer.set_mixes(only(1, gain(-6.0206, false)));
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.8);
    let before = run(&mut mixer, &mut [&mut device], 10);
    assert!(before.iter().all(|f| (f[0] - 0.4).abs() < 1e-4));
    mixer.set_mixes(only(1, gain(0.0, true)));
    let mut out = run(&mut mixer, &mut [&mut device], 5);
    assert_eq!(out[480 + LOOKAHEAD], [0.0; 2]);
    mixer.set_mixes(only(1, gain(0.0, false)));
    out.extend(run(&mut mixer, &mut [&mut device], 5));
    assert_eq!(out[5 * 1024 + 480 + LOOKAHEAD], [0.8; 2]);
    assert!(largest_step(&out) < 1.01 * 0.8 / 480.0);
}

#[test]
fn the_sum_is_limited_and_shown_as_it_is() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut a = Device::stereo(&mut mixer, 1, |i| 1.8 * sine(i, 96.0));
    let mut b = Device::stereo(&mut mixer, 2, |i| 1.8 * sine(i, 96.0));
    let out = run(&mut mixer, &mut [&mut a, &mut b], 40);
    assert!(out.iter().flatten().all(|s| s.abs() <= 0.8913));
    let stats = stats(&mixer);
    assert_eq!(stats.limited, 40);
    assert!(stats.limiter_db < -5.0 && stats.clipped > 1000, "{stats:?}");
    assert!(
        (stats.levels.peak_dbfs[0] - 5.105).abs() < 0.01,
        "{stats:?}"
    );
}

#[test]
fn lip_sync_delays_sound_without_touching_time_stamps() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |i| {
        if i % 9600 == 0 {
            0.9
        } else {
            0.25 * sine(i, 480.0)
        }
    });
    let mut out = Vec::new();
    let mut expected_pts = ORIGIN;
    for (delay_ms, blocks) in [(0, 50), (40, 50), (52, 50), (120, 50), (10, 100)] {
        mixer.set_delay(delay_ms * 1_000_000);
        let part = run(&mut mixer, &mut [&mut device], blocks);
        let made = mixer.block.pts;
        out.push(part);
        let frames: usize = out.iter().map(Vec::len).sum();
        expected_pts = ORIGIN + AudioFormat::ENGINE.duration_of(frames - 1024);
        assert_eq!(made, expected_pts);
    }
    assert!(expected_pts > ORIGIN);
    // 12 ms more than 40 are not worth a change
    let mut base = 0;
    for (part, applied) in out.iter().zip([0, 1920, 1920, 5760, 480]) {
        let beeps: Vec<usize> = (0..part.len()).filter(|i| part[*i][0] > 0.8).collect();
        assert!(beeps.len() >= 4, "{}", beeps.len());
        for beep in beeps {
            assert_eq!((base + beep) % 9600, applied);
        }
        base += part.len();
    }
    let stats = stats(&mixer);
    assert_eq!((stats.late, stats.gap_ms, stats.delay_ms), (0, 0, 10));
}

#[test]
fn lip_sync_changes_do_not_click() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |i| sine(i, 480.0));
    let mut out = run(&mut mixer, &mut [&mut device], 50);
    for delay_ms in [33, 105, 20] {
        mixer.set_delay(delay_ms * 1_000_000);
        out.extend(run(&mut mixer, &mut [&mut device], 30));
    }
    // of the tone itself 0.5 τ / 480 = 0.0066, and no more than the fade of its full swing on top
    assert!(
        largest_step(&out) < 0.0066 + 1.0 / 480.0,
        "{}",
        largest_step(&out)
    );
}

#[test]
fn what_comes_too_late_is_dropped_and_counted() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    run(&mut mixer, &mut [&mut device], 20);
    // held up for 150 ms, once
    device.latency = Duration::from_millis(155);
    run(&mut mixer, &mut [&mut device], 7);
    device.latency = Duration::from_millis(5);
    let out = run(&mut mixer, &mut [&mut device], 60);
    let stats = stats(&mixer);
    assert!((1..10).contains(&stats.late), "{}", stats.late);
    assert!((80..200).contains(&stats.gap_ms), "{}", stats.gap_ms);
    // and then goes on in its place
    assert!(out[8 * 1024..].iter().all(|f| f[0] == 0.5));
}

#[test]
fn an_input_that_is_always_late_is_heard_late_and_comes_back() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |i| if i % 4800 == 0 { 0.9 } else { 0.1 });
    device.latency = Duration::from_millis(180);
    run(&mut mixer, &mut [&mut device], 60);
    let out = run(&mut mixer, &mut [&mut device], 100);
    assert!(out.iter().all(|f| f[0] > 0.05), "no dropout any more");
    let late = stats(&mixer).late;
    device.latency = Duration::from_millis(5);
    run(&mut mixer, &mut [&mut device], 12 * 47);
    let made = mixer.made * BLOCK_STEP;
    let out = run(&mut mixer, &mut [&mut device], 10);
    let beep = (0..out.len()).find(|i| out[*i][0] > 0.8).unwrap();
    assert_eq!(
        (made + i64::try_from(beep).unwrap()) % 4800,
        0,
        "in its place again"
    );
    assert_eq!(stats(&mixer).late, late);
}

#[test]
fn stamps_of_nonsense_neither_grow_a_queue_nor_stop_the_sound() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    run(&mut mixer, &mut [&mut device], 20);
    device
        .sink
        .push(MediaTime::from_nanos(i64::MAX), &[1.0; 960]);
    device
        .sink
        .push(MediaTime::from_nanos(i64::MIN), &[1.0; 960]);
    run(&mut mixer, &mut [&mut device], 5);
    let out = run(&mut mixer, &mut [&mut device], 50);
    assert!(out.iter().all(|f| f[0] == 0.5));
    assert_eq!(stats(&mixer).ahead, 1);
    for input in &mixer.inputs {
        assert!(input.timeline().len() < 24_000 + 2048 + 24_000);
    }
}

#[test]
fn blocks_are_made_as_soon_as_the_inputs_allow() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut device = Device::stereo(&mut mixer, 1, |i| sine(i, 480.0));
    run(&mut mixer, &mut [&mut device], 600);
    // pieces of 20 ms that come 5 ms late, 5 ms for the limiter to look ahead, and 10 ms of safety
    let ms = stats(&mixer).alignment_ms;
    assert!((38..=41).contains(&ms), "{ms}");
    // 20 ms later from now on: some is lost at first, then it fits again
    device.latency = Duration::from_millis(25);
    run(&mut mixer, &mut [&mut device], 20);
    let before = stats(&mixer);
    let out = run(&mut mixer, &mut [&mut device], 600);
    let after = stats(&mixer);
    assert!(before.late > 0);
    assert_eq!((after.late, after.gap_ms), (before.late, before.gap_ms));
    assert!((55..=63).contains(&after.alignment_ms), "{after:?}");
    assert!(largest_step(&out) < 0.0067);
}

#[test]
fn more_inputs_than_allowed_are_refused() {
    let mut mixer = Mixer::new(ORIGIN);
    let devices: Vec<Device> = (0..MAX_INPUTS)
        .map(|i| Device::stereo(&mut mixer, u32::try_from(i).unwrap(), |_| 0.0))
        .collect();
    let (_sink, tap) = audio_ring(
        SourceId(99),
        AudioFormat::ENGINE,
        Duration::from_millis(500),
    );
    assert!(mixer.add(tap).is_err());
    drop(devices);
    run(&mut mixer, &mut [], 1);
    assert!(mixer.inputs.is_empty());
}

fn with_chain(change: impl Fn(&mut ChainSettings)) -> InputMix {
    let mut mix = InputMix::default();
    change(&mut mix.chain);
    mix
}

/// Clicks and tones do not survive it; speech does, and lies where it is most like itself.
#[test]
fn noise_suppression_does_not_move_the_sound() {
    let voice = crate::audio::chain::tests::speech();
    let length = voice.len();
    let at = move |i: u64| voice[usize::try_from(i).unwrap() % length];
    let mut mixer = Mixer::new(ORIGIN);
    mixer.set_mixes(only(1, with_chain(|c| c.noise.on = true)));
    let mut device = Device::stereo(&mut mixer, 1, at.clone());
    let out = run(&mut mixer, &mut [&mut device], 150);
    let like = |shift: i64| -> f64 {
        (20_000..150_000_i64)
            .map(|i| {
                let there = out[usize::try_from(i + shift).unwrap()][0];
                f64::from(at(u64::try_from(i).unwrap())) * f64::from(there)
            })
            .sum()
    };
    for shift in [-960, -480, -240, -5, -1, 1, 5, 240, 480, 960] {
        assert!(like(0) > like(shift), "{shift}");
    }
    let before = stats(&mixer);
    assert_eq!((before.late, before.gap_ms), (0, 0));
    // and it is waited for, once what the device had to spare at first is taken off
    run(&mut mixer, &mut [&mut device], 600);
    let ms = stats(&mixer).alignment_ms;
    assert!((50..=61).contains(&ms), "{ms}");
    assert_eq!(stats(&mixer).late, 0);
}

#[test]
fn noise_suppression_is_switched_and_moved_without_a_click_or_a_gap() {
    let mut mixer = Mixer::new(ORIGIN);
    // nothing that it takes for noise: a low vowel of a few harmonics
    let vowel = |i: u64| 0.3 * sine(i, 400.0) + 0.2 * sine(i, 200.0) + 0.1 * sine(i, 100.0);
    let mut device = Device::stereo(&mut mixer, 1, vowel);
    let mut out = run(&mut mixer, &mut [&mut device], 300);
    for on in [true, false, true] {
        mixer.set_mixes(only(1, with_chain(|c| c.noise.on = on)));
        out.extend(run(&mut mixer, &mut [&mut device], 40));
        for delay_ms in [80, 0] {
            mixer.set_delay(delay_ms * 1_000_000);
            out.extend(run(&mut mixer, &mut [&mut device], 40));
        }
    }
    let stats = stats(&mixer);
    assert_eq!((stats.late, stats.gap_ms), (0, 0), "{stats:?}");
    let bend = |w: &[Frame]| (w[2][0] - 2.0 * w[1][0] + w[0][0]).abs();
    let worst = out.windows(3).map(bend).fold(0.0, f32::max);
    assert!(worst < 0.01, "{worst}");
}

#[test]
fn music_steps_back_for_speech_and_what_is_apart_does_not() {
    let mut mixer = Mixer::new(ORIGIN);
    let mut master = MasterSettings::default();
    master.ducking.on = true;
    mixer.set_master(&master);
    let mixes = [Role::Speech, Role::Music, Role::Apart].map(|role| with_chain(|c| c.role = role));
    mixer.set_mixes((1..).map(SourceId).zip(mixes).collect());
    let speaks = |i: u64| if i < 96_000 { 0.2 } else { 0.0 };
    let mut speech = Device::stereo(&mut mixer, 1, speaks);
    let mut music = Device::stereo(&mut mixer, 2, |_| 0.1);
    let mut apart = Device::stereo(&mut mixer, 3, |_| 0.01);
    let devices = &mut [&mut speech, &mut music, &mut apart];
    let out = run(&mut mixer, devices, 90);
    let ducked = 0.1 * 10.0_f32.powf(-12.0 / 20.0);
    assert!(
        (out[90_000][0] - 0.2 - ducked - 0.01).abs() < 1e-4,
        "{:?}",
        out[90_000]
    );
    assert!((stats(&mixer).ducking_db + 12.0).abs() < 0.01);
    let out = run(&mut mixer, devices, 300);
    assert!((out.last().unwrap()[0] - 0.11).abs() < 1e-6);
    assert_eq!(stats(&mixer).ducking_db, 0.0);
}

#[test]
fn each_input_has_its_levels_and_a_clip_mark() {
    let mut mixer = Mixer::new(ORIGIN);
    mixer.set_mixes(only(2, gain(-20.0, false)));
    let mut quiet = Device::stereo(&mut mixer, 1, |i| 0.2 * sine(i, 96.0));
    let mut clipped = Device::stereo(&mut mixer, 2, |i| if i == 50_000 { 1.0 } else { 0.0 });
    run(&mut mixer, &mut [&mut quiet, &mut clipped], 70);
    let stats = stats(&mixer);
    let [first, second] = &stats.inputs[..] else {
        panic!("{stats:?}");
    };
    assert!((first.levels.peak_dbfs[0] + 20.0).abs() < 0.01, "{first:?}");
    assert!((first.levels.rms_dbfs[1] + 23.01).abs() < 0.05, "{first:?}");
    // as it came in, whatever is made of it
    assert_eq!((first.clipped, second.clipped, stats.clipped), (0, 1, 0));
    assert!(second.levels.peak_dbfs[0] < -19.0);
}

#[test]
fn a_frame_at_full_scale_before_and_after_is_marked_once() {
    let mut mixer = Mixer::new(ORIGIN);
    mixer.set_mixes(only(1, gain(6.0206, false)));
    // ten frames come at full scale, twenty more are driven there by the gain
    let mut device = Device::stereo(&mut mixer, 1, |i| match i {
        20_000..20_010 => 1.0,
        30_000..30_020 => 0.6,
        _ => 0.1,
    });
    run(&mut mixer, &mut [&mut device], 50);
    assert_eq!(stats(&mixer).inputs[0].clipped, 30);
}

#[test]
fn the_talk_key_opens_what_waits_for_it() {
    let mut mixer = Mixer::new(ORIGIN);
    mixer.set_mixes(only(1, with_chain(|c| c.push_to_talk = true)));
    let mut device = Device::stereo(&mut mixer, 1, |_| 0.5);
    let silent = |out: &[Frame]| out.iter().all(|f| *f == [0.0; 2]);
    assert!(silent(&run(&mut mixer, &mut [&mut device], 10)));
    mixer.set_talking(true);
    let out = run(&mut mixer, &mut [&mut device], 10);
    assert!(out[2048..].iter().all(|f| *f == [0.5; 2]));
    mixer.set_talking(false);
    assert!(silent(&run(&mut mixer, &mut [&mut device], 10)[1024..]));
}
