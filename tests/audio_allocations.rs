//! The audio thread allocates nothing per block, with every processor on and while knobs are turned.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use kaibo::audio::chain::ChainSettings;
use kaibo::audio::master::MasterSettings;
use kaibo::audio::{AudioStats, InputMix, Mixer};
use kaibo::media::SourceId;
use kaibo::media::audio::AudioFormat;
use kaibo::media::playback::playback_ring;
use kaibo::media::ring::audio_ring;
use kaibo::media::time::MediaTime;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: as above
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn blocks_are_made_without_allocating() {
    let origin = MediaTime::from_millis(1000);
    let mut mixer = Mixer::new(origin);
    let mut master = MasterSettings::default();
    master.ducking.on = true;
    mixer.set_master(&master);
    let mut chain = ChainSettings::noisy_room();
    chain.equalizer.on = true;
    let mix = InputMix {
        chain,
        ..InputMix::default()
    };
    let music_mix = InputMix::default();
    mixer.set_mixes(BTreeMap::from([
        (SourceId(1), mix),
        (SourceId(2), music_mix),
    ]));
    let ring = Duration::from_millis(500);
    let music = AudioFormat {
        rate: 44_100,
        channels: 2,
    };
    let (mut voice, tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, ring);
    mixer.add(tap).unwrap();
    let (mut other, tap) = audio_ring(SourceId(2), music, ring);
    mixer.add(tap).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    // loud enough for the limiter
    let mut noise = |n: usize| -> Vec<f32> { (0..n).map(|_| 3.0 * rng.f32() - 1.5).collect() };
    let (voice_piece, music_piece) = (noise(1920), noise(1764));
    let mut stats = AudioStats::default();
    let mut sent = 0;
    for block in 0..400 {
        let now = mixer.due();
        while origin + Duration::from_millis(20) * (sent + 1) <= now {
            let pts = origin + Duration::from_millis(20) * sent;
            voice.push(pts, &voice_piece);
            other.push(pts, &music_piece);
            sent += 1;
        }
        // knobs: the map and a newly switched-on network are made where they are turned, not per block
        if block == 250 {
            let mut turned = mix;
            turned.chain.equalizer.mid_db = 9.0;
            turned.chain.compressor.ratio = 8.0;
            turned.gain_db = -6.0;
            mixer.set_mixes(BTreeMap::from([
                (SourceId(1), turned),
                (SourceId(2), music_mix),
            ]));
        }
        let before = ALLOCATIONS.get();
        mixer.drain(now);
        let peak = mixer
            .mix()
            .samples
            .iter()
            .fold(0.0_f32, |h, s| s.abs().max(h));
        mixer.report(now, &mut stats);
        let made = ALLOCATIONS.get() - before;
        // buffers find their size at first
        assert!(
            block < 100 || made == 0,
            "block {block}: {made} allocations"
        );
        assert!(peak < 0.8913);
    }
    assert!(stats.limited > 100 && stats.loudness.is_some_and(|l| l.integrated.is_some()));
    assert!(ALLOCATIONS.get() > 0, "it counts");
}

/// The two ends that a sound system's callback holds: what a microphone writes, also when there is no room, and what an
/// output reads, also when there is nothing. (Neither takes a lock: both are rings of one writer and one reader.)
#[test]
fn what_the_sound_systems_callbacks_do_allocates_nothing() {
    let ring = Duration::from_millis(100);
    let (mut sink, mut tap) = audio_ring(SourceId(1), AudioFormat::ENGINE, ring);
    let (mut output, mut played) = playback_ring(48_000);
    let hush = played.hush();
    let piece = [0.5_f32; 960];
    let mut popped = Vec::with_capacity(100_000);
    let (mut refused, mut sounded) = (0, 0);
    for n in 0..50_u32 {
        if n < 20 {
            output.push(&[[0.5; 2]; 480]);
        }
        if n == 10 {
            hush.now();
        }
        let before = ALLOCATIONS.get();
        refused += u32::from(!sink.push(MediaTime::from_millis(i64::from(n) * 10), &piece));
        played.read(480, |_, frame| sounded += u32::from(frame[0] > 0.0));
        assert_eq!(ALLOCATIONS.get(), before, "{n}");
        if n % 15 == 14 {
            while tap.pop_into(&mut popped).is_some() {}
        }
    }
    assert!(refused > 5 && sounded > 400, "{refused}, {sounded}");
}
