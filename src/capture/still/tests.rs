//! Stills against files made here.

use std::fs::File;

use crossbeam_channel::bounded;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, Rgba};

use super::*;
use crate::capture::{SourceSpec, open_video};
use crate::media::SourceId;
use crate::media::time::{FrameRate, MediaClock};

fn context() -> SourceContext {
    SourceContext {
        id: SourceId(3),
        clock: MediaClock::start(),
        rate: FrameRate::FPS_30,
        resolution: Resolution::new(64, 36),
        taps: bounded(1).0,
    }
}

fn opened(path: &Path) -> Result<Box<dyn VideoSource>, SourceError> {
    let path = path.to_owned();
    open_video(
        &SourceSpec::Still(StillSettings {
            path,
            ..StillSettings::default()
        }),
        &context(),
    )
}

const PATIENCE: Duration = Duration::from_secs(20);

fn first_pixel(frame: &VideoFrame) -> [u8; 4] {
    match &frame.data {
        FrameData::Bgra(p) => [p.data[2], p.data[1], p.data[0], 255],
        FrameData::Rgba(p) => [p.data[0], p.data[1], p.data[2], p.data[3]],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_picture_comes_once_and_again_when_its_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let save = |color: [u8; 4], side| {
        RgbaImage::from_pixel(side, side, Rgba(color))
            .save(&path)
            .unwrap();
    };
    save([10, 20, 30, 255], 8);
    let mut source = opened(&path).unwrap();
    let frame = source.next(PATIENCE).unwrap().unwrap();
    assert_eq!(first_pixel(&frame), [10, 20, 30, 255]);
    assert!(matches!(frame.data, FrameData::Bgra(_)), "opaque");
    assert!(source.next(Duration::ZERO).unwrap().is_none() && source.may_be_still());
    save([200, 20, 30, 128], 9);
    let frame = loop {
        if let Some(frame) = source.next(Duration::from_millis(10)).unwrap() {
            break frame;
        }
    };
    assert_eq!((first_pixel(&frame), frame.seq), ([200, 20, 30, 128], 1));
    assert!(matches!(frame.data, FrameData::Rgba(_)), "with its alpha");
}

/// Grey pictures: level and milliseconds.
fn animation(path: &Path, pictures: &[(u8, u32)]) {
    let mut encoder = GifEncoder::new(File::create(path).unwrap());
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for &(level, ms) in pictures {
        let image = RgbaImage::from_pixel(4, 4, Rgba([level, level, level, 255]));
        let delay = Delay::from_numer_denom_ms(ms, 1);
        encoder
            .encode_frame(Frame::from_parts(image, 0, 0, delay))
            .unwrap();
    }
}

#[test]
fn an_animation_keeps_its_own_timing_and_loops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    animation(&path, &[(0, 40), (100, 80), (200, 60)]);
    let mut source = opened(&path).unwrap();
    assert!(source.describe().contains("animation"));
    // it is shown out of memory: nothing of this is seen
    std::fs::remove_file(&path).unwrap();
    let frames: Vec<_> = (0..7)
        .map(|_| source.next(PATIENCE).unwrap().unwrap())
        .collect();
    let levels: Vec<_> = frames.iter().map(|f| first_pixel(f)[0]).collect();
    assert_eq!(levels, [0, 100, 200, 0, 100, 200, 0]);
    for (pair, ms) in frames.windows(2).zip([40, 80, 60, 40, 80, 60]) {
        let gap = pair[1].pts.nanos_since(pair[0].pts) / 1_000_000;
        // later on a busy machine, never earlier
        assert!(gap >= ms, "{gap} ms, not {ms}");
    }
}

/// An animated WebP (RFC 9649): plain pictures of one colour with their milliseconds.
fn animated_webp(side: u8, pictures: &[([u8; 4], u32)]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let mut out = name.to_vec();
        out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        out.extend(body);
        out.resize(out.len().next_multiple_of(2), 0);
        out
    };
    let three = |v: u32| v.to_le_bytes()[..3].to_vec();
    let last = u32::from(side) - 1;
    let header = [vec![0x12, 0, 0, 0], three(last), three(last)].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &header));
    body.extend(chunk(b"ANIM", &[0; 6]));
    for (color, ms) in pictures {
        let picture = RgbaImage::from_pixel(side.into(), side.into(), Rgba(*color));
        let mut file = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut file, image::ImageFormat::WebP)
            .unwrap();
        let place = [
            three(0),
            three(0),
            three(last),
            three(last),
            three(*ms),
            vec![2],
        ]
        .concat();
        // what follows the file's own header is the picture's chunk
        let frame = [place, file.into_inner()[12..].to_vec()].concat();
        body.extend(chunk(b"ANMF", &frame));
    }
    chunk(b"RIFF", &body)
}

#[test]
fn an_animated_webp_has_its_own_timing_and_alpha() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.webp");
    let pictures = [
        ([255, 0, 0, 255], 40),
        ([0, 255, 0, 128], 120),
        ([0, 0, 255, 255], 80),
    ];
    std::fs::write(&path, animated_webp(8, &pictures)).unwrap();
    let mut reader = StillReader::open(&path).unwrap();
    for (color, ms) in pictures {
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!(frame.image.get_pixel(3, 3).0, color);
        assert_eq!(frame.shown, Duration::from_millis(ms.into()));
    }
    assert!(reader.next_frame().unwrap().is_none());
}

#[test]
fn an_animation_of_one_picture_is_a_still() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    animation(&path, &[(100, 40)]);
    let mut source = opened(&path).unwrap();
    assert_eq!(source.describe(), "4x4, picture");
    let frame = source.next(PATIENCE).unwrap().unwrap();
    assert_eq!(first_pixel(&frame)[0], 100);
    assert!(source.next(Duration::from_millis(60)).unwrap().is_none());
}

#[test]
fn an_animation_that_breaks_off_goes_on_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    animation(&path, &[(0, 20), (100, 20)]);
    let two = std::fs::metadata(&path).unwrap().len();
    animation(&path, &[(0, 20), (100, 20), (200, 20)]);
    let mut bytes = std::fs::read(&path).unwrap();
    // in the third picture's header
    bytes.truncate(usize::try_from(two).unwrap() + 4);
    std::fs::write(&path, bytes).unwrap();
    let mut source = opened(&path).unwrap();
    let levels: Vec<_> = (0..5)
        .map(|_| first_pixel(&source.next(PATIENCE).unwrap().unwrap())[0])
        .collect();
    assert_eq!(levels, [0, 100, 0, 100, 0]);
}

#[test]
fn a_large_picture_is_made_smaller_with_every_pixel_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.png");
    RgbaImage::from_fn(1024, 512, |x, y| {
        let v = if (x + y) % 2 == 0 { 255 } else { 0 };
        Rgba([v, v, v, 255])
    })
    .save(&path)
    .unwrap();
    let frame = opened(&path).unwrap().next(PATIENCE).unwrap().unwrap();
    assert_eq!(frame.resolution, Resolution::new(128, 64));
    let FrameData::Bgra(plane) = &frame.data else {
        panic!("opaque");
    };
    assert!(
        plane.data.iter().step_by(4).all(|v| v.abs_diff(127) < 6),
        "grey"
    );
}

#[test]
fn what_is_wrong_is_told_in_words_and_tried_again_or_not() {
    use crate::media::Recovery;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let error = |path: &Path| opened(path).err().unwrap();
    assert_eq!(error(&path).recovery(), Recovery::Retry);
    std::fs::write(&path, "text").unwrap();
    let message = error(&path).to_string();
    assert!(
        message.contains("a.png") && message.contains("PNG"),
        "{message}"
    );
    std::fs::write(&path, b"\x89PNG\r\n\x1a\n cut off").unwrap();
    assert_eq!(
        error(&path).recovery(),
        Recovery::Retry,
        "still being written"
    );
}

#[test]
fn a_colour_fills_the_show() {
    let color: Color = "#ff8000".parse().unwrap();
    let spec = SourceSpec::Color(ColorSettings { color });
    let mut source = open_video(&spec, &context()).unwrap();
    let frame = source.next(PATIENCE).unwrap().unwrap();
    assert_eq!(first_pixel(&frame), [255, 128, 0, 255]);
    assert_eq!(frame.resolution, Resolution::new(64, 36));
    assert!(source.next(Duration::ZERO).unwrap().is_none());
}
