//! Files made on the spot by the `ffmpeg` program, played against a time that the tests tell.

use std::path::{Path, PathBuf};
use std::process::Command;

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::media::ring::AudioTap;
use crate::media::time::MediaClock;
use crate::media::video::{ColorMatrix, ColorRange, PixelFormat};

/// A folder of files that goes away with the test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs `ffmpeg` with the words of `args` and returns the file it made.
    fn make(&self, name: &str, args: &str) -> PathBuf {
        let path = self.0.path().join(name);
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(args.split_whitespace())
            .arg(&path)
            .output()
            .expect("ffmpeg is installed");
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "{told}");
        path
    }
}

const PICTURE: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=3";
/// Silence, and from second 1 on a tone.
const BEEP: &str = "-f lavfi -i aevalsrc=gte(t\\,1)*0.5*sin(2*PI*1000*t):s=44100:d=3";
const H264_AAC: &str = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac";

/// A player with its clock at `now` and the reading end of its sound.
struct Rig {
    player: Player,
    taps: Receiver<AudioTap>,
    tap: Option<AudioTap>,
    now: MediaTime,
    frames: Vec<VideoFrame>,
    sound: Vec<(MediaTime, Vec<f32>)>,
}

fn context() -> (SourceContext, Receiver<AudioTap>) {
    let (tx, taps) = bounded(4);
    let cx = SourceContext {
        id: SourceId(3),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::HD,
        taps: tx,
    };
    (cx, taps)
}

fn try_open(path: &Path, looped: bool) -> Result<Rig, SourceError> {
    let (cx, taps) = context();
    let mut player = Player::open(path, looped, &MediaFileSettings::default(), &cx)?;
    player.connect(None, &cx);
    Ok(Rig {
        player,
        tap: taps.try_recv().ok(),
        taps,
        now: MediaTime::from_millis(10_000),
        frames: Vec::new(),
        sound: Vec::new(),
    })
}

impl Rig {
    fn open(path: &Path, looped: bool) -> Self {
        try_open(path, looped).unwrap()
    }

    /// One step, and the clock goes on to when there is something to do again.
    fn step(&mut self) -> Option<VideoFrame> {
        let step = self.player.step(self.now).unwrap();
        if let Some(tap) = &mut self.tap {
            let mut samples = Vec::new();
            while let Some(pts) = tap.pop_into(&mut samples) {
                let ahead = pts.nanos_since(self.now);
                assert!((0..=200_000_000).contains(&ahead), "{ahead} ns ahead");
                self.sound.push((pts, std::mem::take(&mut samples)));
            }
            assert_eq!(tap.overrun(), 0);
        }
        if let Some(frame) = &step.frame {
            let late = self.now.nanos_since(frame.pts);
            assert!((0..1_000_000).contains(&late), "delivered {late} ns late");
            self.frames.push(frame.clone());
        }
        if !self.player.finished {
            let least = Duration::from_millis(u64::from(step.frame.is_none()));
            self.now = step.wake.max(self.now + least);
        }
        step.frame
    }

    fn play(&mut self, length: Duration) {
        let end = self.now + length;
        while self.now < end && !self.player.finished {
            self.step();
        }
    }

    fn start(&self) -> MediaTime {
        self.player.start.unwrap()
    }

    /// Times of the pictures after the start, in microseconds.
    fn times(&self) -> Vec<i64> {
        let micros = |f: &VideoFrame| (f.pts.nanos_since(self.start()) + 500) / 1000;
        self.frames.iter().map(micros).collect()
    }

    /// Length of the sound, with every step from block to block checked for being seamless within `gap_ns`.
    fn sound_length(&self, gap_ns: i64) -> Duration {
        for pair in self.sound.windows(2) {
            let end = pair[0].0 + AudioFormat::ENGINE.duration_of(pair[0].1.len() / 2);
            let gap = pair[1].0.nanos_since(end);
            assert!((-1_000..=gap_ns).contains(&gap), "{gap} ns");
        }
        let frames: usize = self.sound.iter().map(|(_, s)| s.len() / 2).sum();
        AudioFormat::ENGINE.duration_of(frames)
    }
}

mod fuzz;
mod more;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn picture_and_sound_come_at_their_times_and_end() {
    let files = Files::new();
    let path = files.make("av.mp4", &format!("{PICTURE} {BEEP} {H264_AAC}"));
    let mut rig = Rig::open(&path, false);
    rig.play(MINUTE);
    let expected: Vec<i64> = (0..75).map(|i| i * 40_000).collect();
    assert_eq!(rig.times(), expected);
    assert!(rig.frames.iter().zip(0..).all(|(f, i)| f.seq == i));
    assert!(rig.player.finished);
    let total = rig.now.saturating_since(rig.start());
    assert!((3.0..3.03).contains(&total.as_secs_f64()), "{total:?}");

    let length = rig.sound_length(1_000).as_secs_f64();
    assert!((2.98..3.05).contains(&length), "{length} s of sound");
    assert_eq!(rig.sound[0].0, rig.start());
    let beep = rig.sound.iter().find_map(|(pts, s)| {
        let at = s.chunks(2).position(|s| s[0].abs() > 0.25)?;
        Some(*pts + AudioFormat::ENGINE.duration_of(at))
    });
    let late = beep.unwrap().nanos_since(rig.start()) - 1_000_000_000;
    assert!(late.abs() < 1_000_000, "beep {late} ns late");
    assert_eq!(rig.player.description, "160x90, 25 fps, h264, aac sound");
    assert_eq!(rig.frames[0].data.format(), PixelFormat::I420);
    assert_eq!(
        rig.frames[0].color,
        ColorSpec::BT601_LIMITED,
        "small, untold"
    );
    assert!(rig.taps.is_empty());
}

#[test]
fn a_loop_goes_on_without_a_step_in_time() {
    let files = Files::new();
    for name in ["loop.mp4", "loop.mkv", "loop.ts"] {
        let path = files.make(name, &format!("{PICTURE} {BEEP} {H264_AAC}"));
        let mut rig = Rig::open(&path, true);
        rig.play(Duration::from_secs(8));
        assert!(!rig.player.finished);
        let times = rig.times();
        assert!(times.len() > 190, "{name}: {}", times.len());
        // the sound's last packet may be longer than the picture: the next lap begins after the longer one
        for (i, pair) in times.windows(2).enumerate() {
            let step = pair[1] - pair[0];
            let lap = (i + 1) % 75 == 0;
            let most = if lap { 100_000 } else { 41_000 };
            assert!((39_000..=most).contains(&step), "{name}: {step} us at {i}");
        }
        let length = rig.sound_length(100_000_000).as_secs_f64();
        assert!(length > 7.7, "{name}: {length}");
    }
}

#[test]
fn uneven_frame_times_are_kept() {
    let files = Files::new();
    let path = files.make(
        "vfr.mkv",
        &format!("{PICTURE} -vf select=lt(n\\,20)+not(mod(n\\,7)) -vsync vfr -c:v libx264 -preset ultrafast"),
    );
    let mut rig = Rig::open(&path, false);
    rig.play(MINUTE);
    let expected: Vec<i64> = (0..75)
        .filter(|n| *n < 20 || n % 7 == 0)
        .map(|n| n * 40_000)
        .collect();
    assert_eq!(rig.times(), expected);
    assert!(rig.sound.is_empty() && rig.tap.is_none());
    assert!(rig.player.description.ends_with("no sound"));
}

#[test]
fn sound_alone_shows_empty_pictures_and_plays_to_its_end() {
    let files = Files::new();
    // six channels at 96 kHz, and one at 8 kHz
    for (name, args) in [
        ("a.wav", "-f lavfi -i anoisesrc=r=96000:d=2 -ac 6"),
        ("a.mp3", "-f lavfi -i sine=r=8000:d=2 -ac 1"),
    ] {
        let mut rig = Rig::open(&files.make(name, args), false);
        rig.play(MINUTE);
        assert!(rig.player.finished, "{name}");
        let length = rig.sound_length(1_000).as_secs_f64();
        assert!((1.95..2.1).contains(&length), "{name}: {length} s");
        assert!((58..72).contains(&rig.frames.len()), "{}", rig.frames.len());
        let FrameData::Rgba(plane) = &rig.frames[9].data else {
            panic!("not transparent")
        };
        assert!(plane.data.iter().all(|b| *b == 0));
    }
}

#[test]
fn a_truncated_file_plays_as_far_as_it_goes() {
    let files = Files::new();
    let args = format!("{PICTURE} {BEEP} {H264_AAC} -movflags +faststart");
    let path = files.make("whole.mp4", &args);
    let bytes = std::fs::read(&path).unwrap();
    let cut = path.with_file_name("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut rig = Rig::open(&cut, false);
    rig.play(MINUTE);
    assert!(rig.player.finished);
    let frames = rig.frames.len();
    assert!((10..75).contains(&frames), "{frames}");
}

#[test]
fn what_cannot_be_played_is_said_in_words() {
    let files = Files::new();
    let dir = files.0.path();
    let text = dir.join("letter.mp4");
    std::fs::write(&text, "Dear reader, this is no film.\n".repeat(99)).unwrap();
    let empty = dir.join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    for (path, expected) in [
        (text, "it is not a media file"),
        (empty, "it is empty"),
        (dir.to_owned(), "it is a folder"),
        (PathBuf::new(), "no file is chosen"),
        (dir.join("gone.mp4"), "the file gone.mp4 was not found"),
        (PathBuf::from("/dev/null"), "device or a pipe"),
    ] {
        let error = try_open(&path, false).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_late_caller_gets_the_newest_picture_not_a_burst() {
    let files = Files::new();
    let path = files.make("av.mp4", &format!("{PICTURE} {BEEP} {H264_AAC}"));
    let mut rig = Rig::open(&path, false);
    rig.play(Duration::from_millis(500));
    let start = rig.start();
    // a fifth of a second late: within the sound's lead
    rig.now = start + Duration::from_millis(590 + 80);
    let last = rig.frames.last().unwrap().seq;
    let step = rig.player.step(rig.now).unwrap();
    let frame = step.frame.unwrap();
    assert_eq!(frame.pts, start + Duration::from_millis(640));
    assert!(frame.seq > last + 1, "numbers tell what was left out");
    // five seconds late: the file goes on from where it was
    let pause = rig.now + Duration::from_secs(5);
    let step = rig.player.step(pause).unwrap();
    let frame = step.frame.unwrap();
    assert!(pause.saturating_since(frame.pts) < Duration::from_millis(40));
    assert!(rig.start() > start + Duration::from_secs(4));
}

#[test]
fn a_picture_file_stays_and_a_cover_is_shown() {
    let files = Files::new();
    let png = files.make(
        "logo.png",
        "-f lavfi -i color=red@0.5:size=64x48,format=rgba -frames:v 1",
    );
    let mut rig = Rig::open(&png, true);
    rig.play(Duration::from_secs(5));
    assert_eq!(rig.frames.len(), 1);
    assert!(!rig.player.finished);
    let FrameData::Rgba(plane) = &rig.frames[0].data else {
        panic!("alpha is lost")
    };
    assert!((126..=129).contains(&plane.data[3]), "{}", plane.data[3]);

    let cover = format!(
        "-f lavfi -i sine=d=2 -i {} -map 0 -map 1 -c:v png -disposition:v attached_pic",
        png.display()
    );
    let song = files.make("song.mp3", &cover);
    let mut rig = Rig::open(&song, true);
    rig.play(Duration::from_secs(5));
    assert_eq!(rig.frames.len(), 1, "once, not in each lap");
    assert!(rig.sound_length(100_000_000) > Duration::from_millis(4_800));

    // without loop it ends, also when another place of it was gone to
    for to in [None, Some(Duration::from_secs(1))] {
        let mut rig = Rig::open(&song, false);
        rig.play(Duration::from_millis(200));
        if let Some(to) = to {
            assert!(rig.player.seek(to));
            rig.sound.clear();
        }
        rig.play(MINUTE);
        assert!(rig.player.finished, "{to:?}");
        let heard = rig.sound_length(100_000_000);
        assert!(heard > Duration::from_millis(900), "{to:?}: {heard:?}");
    }
}

/// The first picture of a file of one colour, and one sample of each component at the middle.
fn middle(path: &Path) -> (VideoFrame, Vec<u8>) {
    let mut rig = Rig::open(path, false);
    rig.play(MINUTE);
    let frame = rig.frames.swap_remove(0);
    let (x, y) = (
        frame.resolution.width as usize / 2,
        frame.resolution.height as usize / 2,
    );
    let at = |p: &Plane, x: usize, y: usize, n: usize| {
        p.data[y * p.stride + x..y * p.stride + x + n].to_vec()
    };
    let samples = match &frame.data {
        FrameData::I420 { y: l, u, v } => [
            at(l, x, y, 1),
            at(u, x / 2, y / 2, 1),
            at(v, x / 2, y / 2, 1),
        ]
        .concat(),
        FrameData::Nv12 { y: l, uv } => [at(l, x, y, 1), at(uv, x / 2 * 2, y / 2, 2)].concat(),
        FrameData::Yuyv422(p) => at(p, x / 2 * 4, y, 4),
        FrameData::Bgra(p) | FrameData::Rgba(p) => at(p, x * 4, y, 4),
    };
    (frame, samples)
}

#[test]
fn every_layout_arrives_in_one_the_renderer_knows() {
    use PixelFormat::{Bgra, I420, Nv12, Rgba, Yuyv422};
    // pure red in BT.601: Y 81, Cb 90, Cr 240 (limited); Y 76, Cb 85, Cr 255 (full)
    let red = vec![81, 90, 240];
    let cases = [
        ("yuv420p", "ffv1", I420, red.clone()),
        ("yuv444p", "ffv1", I420, red.clone()),
        ("yuv422p10le", "ffv1", I420, red.clone()),
        ("nv12", "rawvideo", Nv12, red.clone()),
        ("yuyv422", "rawvideo", Yuyv422, vec![81, 90, 81, 240]),
        ("yuvj420p", "mjpeg", I420, vec![76, 85, 255]),
        ("yuvj444p", "mjpeg", I420, vec![76, 85, 255]),
        ("bgr0", "ffv1", Bgra, vec![0, 0, 255]),
        ("rgb24", "png", Bgra, vec![0, 0, 255]),
        ("rgba", "png", Rgba, vec![255, 0, 0, 255]),
        ("yuva420p", "ffv1", Rgba, vec![255, 0, 0, 255]),
    ];
    let files = Files::new();
    for (format, codec, layout, expected) in cases {
        // an odd size, so that rounding shows; packed 4:2:2 and raw files need an even width
        let size = if codec == "rawvideo" {
            "62x34"
        } else {
            "61x33"
        };
        let scale = size.replace('x', ":");
        let path = files.make(
            &format!("{format}-{codec}.nut"),
            &format!("-f lavfi -i color=red:rate=5:duration=0.4,scale={scale},format={format} -c:v {codec}"),
        );
        let (frame, samples) = middle(&path);
        assert_eq!(frame.data.format(), layout, "{format}");
        assert_eq!(frame.resolution.to_string(), size, "{format}");
        for (got, want) in samples.iter().zip(&expected) {
            assert!(
                got.abs_diff(*want) <= 3,
                "{format}: {samples:?} not {expected:?}"
            );
        }
        let full = matches!(codec, "mjpeg");
        if layout == I420 {
            assert_eq!(frame.color.matrix, ColorMatrix::Bt601, "{format}");
            assert_eq!(frame.color.range == ColorRange::Full, full, "{format}");
        }
    }
}

#[test]
fn colour_tags_of_the_file_are_believed() {
    let files = Files::new();
    let args = "-f lavfi -i color=red:size=64x48:rate=5:duration=0.4 -pix_fmt yuv420p -c:v libx264 \
                -colorspace bt709 -color_range pc";
    let (frame, _) = middle(&files.make("tagged.mp4", args));
    assert_eq!(frame.color.matrix, ColorMatrix::Bt709);
    assert_eq!(frame.color.range, ColorRange::Full);
    let big = "-f lavfi -i color=red:size=1280x720:rate=5:duration=0.2 -pix_fmt yuv420p -c:v mpeg4";
    let (frame, _) = middle(&files.make("untagged.mkv", big));
    assert_eq!(frame.color, ColorSpec::BT709_LIMITED, "720 rows, untold");
}
