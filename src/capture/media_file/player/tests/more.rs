//! Pause, other places and tracks, lists, and what a file says of its pictures: turned, transparent, of high dynamic range.

use super::super::super::hdr::{Transfer, map};
use super::super::super::show::Show;
use super::*;
use crate::capture::VideoSource as _;

fn av(files: &Files, name: &str) -> PathBuf {
    files.make(name, &format!("{PICTURE} {BEEP} {H264_AAC}"))
}

/// Whether the tone is heard in a block of sound.
fn is_tone(samples: &[f32]) -> bool {
    samples.iter().any(|s| s.abs() > 0.25)
}

#[test]
fn it_stands_still_and_goes_on_where_it_stood() {
    let files = Files::new();
    let mut rig = Rig::open(&av(&files, "av.mp4"), false);
    rig.play(Duration::from_millis(1100));
    let before = rig.frames.len();
    let at = rig.player.position(rig.now);
    assert!((0.9..1.1).contains(&at.as_secs_f64()), "{at:?}");
    rig.player.pause(rig.now);
    rig.play(Duration::from_secs(5));
    assert_eq!(rig.frames.len(), before);
    assert_eq!(rig.player.position(rig.now), at, "stands still");
    assert!(rig.player.playback(rig.now).paused);
    rig.player.resume(rig.now);
    rig.play(MINUTE);
    assert!(rig.player.finished);
    assert_eq!(rig.frames.len(), 75, "no picture is lost");
    let gap = rig.frames[before]
        .pts
        .nanos_since(rig.frames[before - 1].pts);
    assert!((5_000_000_000..5_100_000_000).contains(&gap), "{gap}");
}

#[test]
fn another_place_is_found_exactly_with_its_sound() {
    let files = Files::new();
    for name in ["av.mp4", "av.mkv", "av.ts", "av.flv"] {
        let mut rig = Rig::open(&av(&files, name), false);
        rig.play(Duration::from_millis(500));
        let before = rig.frames.len();
        assert!(rig.player.seek(Duration::from_millis(2200)), "{name}");
        rig.sound.clear();
        rig.play(Duration::from_millis(150));
        let at = rig.player.position(rig.now).as_secs_f64();
        assert!((2.2..2.35).contains(&at), "{name}: {at}");
        rig.play(MINUTE);
        let left = rig.frames.len() - before;
        // 0.8 s at 25 a second
        assert!((19..=21).contains(&left), "{name}: {left}");
        assert!(is_tone(&rig.sound[0].1), "{name}: the beep began at 1 s");
        let length = rig.sound_length(1_000).as_secs_f64();
        assert!((0.7..0.9).contains(&length), "{name}: {length}");
        // back again from its end, into silence
        assert!(rig.player.finished && rig.player.seek(Duration::ZERO));
        rig.sound.clear();
        rig.play(Duration::from_millis(500));
        assert!(!rig.player.finished && !is_tone(&rig.sound[0].1), "{name}");
    }
}

#[test]
fn a_place_that_is_gone_to_while_it_stands_still_shows_one_picture() {
    let files = Files::new();
    let mut rig = Rig::open(&av(&files, "av.mp4"), true);
    rig.play(Duration::from_millis(500));
    rig.player.pause(rig.now);
    for ms in [2000, 700, 60_000] {
        let before = rig.frames.len();
        assert!(rig.player.seek(Duration::from_millis(ms)));
        rig.play(Duration::from_secs(2));
        assert_eq!(rig.frames.len(), before + 1);
        let at = rig.player.position(rig.now).as_millis();
        assert!(at.abs_diff(u128::from(ms.min(2900))) < 150, "{at}");
    }
    rig.player.resume(rig.now);
    let before = rig.frames.len();
    rig.play(Duration::from_secs(4));
    assert!(rig.frames.len() > before + 90, "and goes on, over the end");
}

#[test]
fn any_of_its_tracks_can_be_chosen() {
    let files = Files::new();
    let path = files.make(
        "tracks.mkv",
        &format!(
            "{PICTURE} -f lavfi -i testsrc2=size=64x48:rate=10:duration=3 {BEEP} -f lavfi -i anullsrc=d=3 \
             -map 0 -map 1 -map 2 -map 3 -metadata:s:a:1 language=deu -metadata:s:a:1 title=Quiet \
             -pix_fmt yuv420p -c:v libx264 -preset ultrafast -c:a aac -t 3"
        ),
    );
    let play = |picture_track, sound_track| {
        let (cx, taps) = context();
        let settings = MediaFileSettings {
            picture_track,
            sound_track,
            ..MediaFileSettings::default()
        };
        let mut player = Player::open(&path, false, &settings, &cx).unwrap();
        player.connect(None, &cx);
        let mut rig = Rig {
            player,
            tap: taps.try_recv().ok(),
            taps,
            now: MediaTime::from_millis(10_000),
            frames: Vec::new(),
            sound: Vec::new(),
        };
        rig.play(MINUTE);
        let tone = rig.sound.iter().any(|(_, s)| is_tone(s));
        (
            rig.frames[0].resolution.width,
            tone,
            rig.player.playback(rig.now),
        )
    };
    let (width, tone, playback) = play(None, None);
    assert!(width == 160 && tone);
    assert_eq!((playback.pictures.len(), playback.sounds.len()), (2, 2));
    assert!(
        playback.sounds[1].contains("Quiet"),
        "{:?}",
        playback.sounds
    );
    assert_eq!(playback.length_ms / 100, 30);
    let (width, tone, _) = play(Some(1), Some(1));
    assert!(width == 64 && !tone);
    let (width, tone, _) = play(Some(7), Some(7));
    assert!(width == 160 && tone, "what is not there is the main one");
}

/// Red on the left, blue on the right.
const HALVES: &str =
    "-f lavfi -i color=c=red:s=160x90:r=25:d=0.4,drawbox=x=80:y=0:w=80:h=90:color=blue:t=fill";

#[test]
fn a_film_that_was_taken_upright_is_turned() {
    let files = Files::new();
    let path = files.make(
        "phone.mp4",
        &format!("{HALVES} -pix_fmt yuv420p -c:v libx264 -preset ultrafast"),
    );
    // the matrix of the track's header, as a phone writes it for a quarter turn (ISO/IEC 14496-12, 8.3.2)
    let mut bytes = std::fs::read(&path).unwrap();
    let header = bytes.windows(4).position(|w| w == b"tkhd").unwrap();
    let matrix: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30];
    for (n, value) in matrix.into_iter().enumerate() {
        let at = header + 44 + 4 * n;
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let mut rig = Rig::open(&path, false);
    rig.play(MINUTE);
    assert!(
        rig.player.description.starts_with("90x160"),
        "{}",
        rig.player.description
    );
    assert_eq!(rig.frames.len(), 10);
    for frame in &rig.frames {
        assert_eq!(frame.resolution, Resolution::new(90, 160));
        let FrameData::I420 { v, .. } = &frame.data else {
            panic!("{:?}", frame.data.format());
        };
        // clockwise: what was on the left is above
        let [above, below] = [10, 70].map(|row| v.data[v.stride * row + 22]);
        assert!(above > 200 && below < 130, "{above}, {below}");
    }
}

#[test]
fn transparency_of_webm_and_of_numbered_pictures_is_kept() {
    let files = Files::new();
    let picture = "-f lavfi -i color=c=red@0.5:s=64x48:r=10:d=0.5,format=yuva420p";
    let webm = |name: &str, codec: &str| {
        let args = format!(
            "{picture} -c:v {codec} -auto-alt-ref 0 -deadline realtime -pix_fmt yuva420p -b:v 500k"
        );
        files.make(name, &args)
    };
    let numbered = files.make(
        "f%03d.png",
        "-f lavfi -i color=c=red@0.5:s=64x48:r=10:d=0.5,format=rgba",
    );
    let films = [
        webm("9.webm", "libvpx-vp9"),
        webm("8.webm", "libvpx"),
        numbered,
    ];
    for path in films {
        let mut rig = Rig::open(&path, false);
        rig.play(MINUTE);
        assert_eq!(rig.frames.len(), 5, "{}", path.display());
        for frame in &rig.frames {
            let FrameData::Rgba(plane) = &frame.data else {
                panic!("{}: {:?}", path.display(), frame.data.format());
            };
            let at = plane.stride * 20 + 30 * 4;
            let [r, g, b, a] = plane.data[at..at + 4].try_into().unwrap();
            assert!(a.abs_diff(128) < 6, "{}: alpha {a}", path.display());
            assert!(
                r > 235 && g < 20 && b < 20,
                "{}: {r} {g} {b}",
                path.display()
            );
        }
    }
}

#[test]
fn high_dynamic_range_becomes_what_any_screen_shows() {
    let files = Files::new();
    for (trc, transfer) in [("smpte2084", Transfer::Pq), ("arib-std-b67", Transfer::Hlg)] {
        let mut lumas = Vec::new();
        for code in [64_u16, 300, 573, 940] {
            let path = files.make(
                &format!("{trc}-{code}.mkv"),
                &format!(
                    "-f lavfi -i nullsrc=s=64x48:r=10:d=0.2,format=yuv420p10,geq=lum={code}:cb=512:cr=512 \
                     -color_primaries bt2020 -color_trc {trc} -colorspace bt2020nc -color_range tv -c:v ffv1"
                ),
            );
            let mut rig = Rig::open(&path, false);
            rig.play(MINUTE);
            let frame = &rig.frames[0];
            assert_eq!(frame.color, ColorSpec::BT709_LIMITED);
            let FrameData::I420 { y, u, v } = &frame.data else {
                panic!("{:?}", frame.data.format());
            };
            let want = map(transfer, [(f64::from(code) - 64.0) / 876.0, 0.0, 0.0])[0];
            let luma = y.data[y.stride * 20 + 20];
            let off = (f64::from(luma) - (16.0 + 219.0 * want)).abs();
            assert!(off < 3.0, "{trc} {code}: {luma}");
            let chroma = [u.data[200], v.data[200]];
            assert!(chroma.iter().all(|c| c.abs_diff(128) <= 1), "{chroma:?}");
            lumas.push(luma);
        }
        assert!(
            lumas.is_sorted() && lumas[0] == 16 && lumas[3] >= 234,
            "{lumas:?}"
        );
    }
}

#[test]
fn a_file_that_is_cut_off_says_so() {
    let files = Files::new();
    let path = files.make(
        "cut.mkv",
        &format!("-f lavfi -i testsrc2=size=160x90:rate=25:duration=8 {H264_AAC}"),
    );
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let mut rig = Rig::open(&path, false);
    rig.play(MINUTE);
    assert!(rig.player.finished && rig.frames.len() > 40);
    let said = rig.player.take_trouble().unwrap();
    assert!(
        said.contains("cut.mkv") && said.contains("of 8 s"),
        "{said}"
    );
    assert_eq!(rig.player.take_trouble(), None, "once");
    let mut whole = Rig::open(&av(&files, "whole.mp4"), false);
    whole.play(MINUTE);
    assert_eq!(whole.player.take_trouble(), None);
}

#[test]
fn a_list_goes_from_file_to_file_without_a_gap_and_leaves_out_what_is_broken() {
    let files = Files::new();
    let one = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=1 -f lavfi -i sine=r=48000:d=1 \
               -pix_fmt yuv420p -c:v libx264 -preset ultrafast -c:a flac";
    files.make("a.mkv", one);
    files.make("c.mkv", one);
    std::fs::write(files.0.path().join("b.mkv"), b"no film").unwrap();
    let (cx, taps) = context();
    let settings = MediaFileSettings {
        path: files.0.path().to_owned(),
        looped: true,
        ..MediaFileSettings::default()
    };
    let mut show = Show::open(&settings, &cx).unwrap();
    let mut tap = taps.try_recv().unwrap();
    let mut now = cx.clock.now();
    let (mut frames, mut sound) = (Vec::new(), 0);
    let mut troubles = Vec::new();
    let end = now + Duration::from_millis(5100);
    while now < end {
        let step = show.step(now).unwrap();
        let mut samples = Vec::new();
        while tap.pop_into(&mut samples).is_some() {
            sound += samples.len() / 2;
            samples.clear();
        }
        troubles.extend(show.trouble());
        frames.extend(step.frame);
        now = step.wake.max(now + Duration::from_micros(500));
    }
    assert!((120..=127).contains(&frames.len()), "{}", frames.len());
    for pair in frames.windows(2) {
        let gap = pair[1].pts.nanos_since(pair[0].pts);
        assert!((35_000_000..60_000_000).contains(&gap), "{gap}");
        assert_eq!(pair[1].seq, pair[0].seq + 1);
    }
    let seconds = sound as f64 / 48_000.0;
    assert!((4.8..5.4).contains(&seconds), "one ring for all: {seconds}");
    assert!(
        taps.is_empty() && troubles.iter().any(|t| t.contains("b.mkv")),
        "{troubles:?}"
    );
    let playback = show.playback().unwrap();
    assert_eq!(playback.count, 3);
}
