//! Files with random damage: they end, or are refused, and never take the program with them.

use super::*;

/// Plays to the end, or for so many steps.
fn play(path: &Path) -> Result<(), SourceError> {
    let (cx, _taps) = context();
    let mut player = Player::open(path, false, &MediaFileSettings::default(), &cx)?;
    player.connect(None, &cx);
    let mut now = MediaTime::from_millis(1000);
    for n in 0..400 {
        let step = player.step(now)?;
        if let Some(frame) = &step.frame {
            assert!(frame.resolution.pixels() > 0);
        }
        if player.finished {
            break;
        }
        if n == 60 {
            player.seek(Duration::from_millis(300));
        }
        now = step.wake.max(now + Duration::from_millis(5));
    }
    player.take_trouble();
    Ok(())
}

#[test]
fn mutated_files_are_played_or_refused() {
    let files = Files::new();
    let picture = "-f lavfi -i testsrc2=size=96x64:rate=25:duration=1";
    let sound = "-f lavfi -i sine=frequency=440:duration=1";
    let h264 = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -g 10";
    let kinds = [
        (
            "a.mp4",
            format!("{picture} {sound} {h264} -c:a aac -movflags +faststart"),
        ),
        ("b.mkv", format!("{picture} {sound} {h264} -c:a flac")),
        ("c.flv", format!("{picture} {sound} {h264} -c:a aac")),
        ("d.ts", format!("{picture} {sound} {h264} -c:a aac")),
        ("e.avi", format!("{picture} -c:v mjpeg")),
        (
            "f.webm",
            format!("{picture} -c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k"),
        ),
        ("g.mkv", format!("{picture} -c:v ffv1")),
        ("h.gif", picture.to_owned()),
        ("i.wav", sound.to_owned()),
    ];
    let mut rng = fastrand::Rng::with_seed(20_260_101);
    let (mut played, mut refused) = (0, 0);
    for (name, args) in kinds {
        let whole = std::fs::read(files.make(name, &args)).unwrap();
        let path = files.0.path().join(format!("broken-{name}"));
        for round in 0..12 {
            let mut bytes = whole.clone();
            let hits = 1 << rng.u32(0..9);
            for _ in 0..hits {
                // headers are where a single byte does most
                let end = if rng.bool() {
                    bytes.len()
                } else {
                    bytes.len().min(600)
                };
                let at = rng.usize(0..end);
                match rng.u8(0..4) {
                    0 => bytes[at] ^= 1 << rng.u8(0..8),
                    1 => bytes[at] = 0xff,
                    2 => bytes[at] = 0,
                    _ => bytes[at] = rng.u8(..),
                }
            }
            match round % 4 {
                0 => bytes.truncate(rng.usize(1..bytes.len())),
                1 => {
                    let at = rng.usize(0..bytes.len());
                    let length = rng.usize(0..200.min(bytes.len() - at).max(1));
                    bytes.drain(at..at + length);
                }
                _ => {}
            }
            std::fs::write(&path, bytes).unwrap();
            match play(&path) {
                Ok(()) => played += 1,
                Err(error) => {
                    refused += 1;
                    assert!(
                        error.to_string().contains("broken-"),
                        "names the file: {error}"
                    );
                }
            }
        }
    }
    assert!(
        played > 30 && refused > 3,
        "{played} played, {refused} refused"
    );
}
