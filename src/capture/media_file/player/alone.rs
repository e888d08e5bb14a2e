//! The sound of a media file by itself: music, a jingle. In: a file. Out: samples in the source's ring, in real time.
//! Decoded on a thread of its own (`file-snd`), because nobody asks a sound source for its next block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::demux::{Demuxer, Kind};
use super::super::track::Track;
use super::{MediaFileSettings, Player};
use crate::capture::{AudioSource, SourceContext, SourceError};
use crate::media::time::MediaClock;
use crate::stage::{StageHandle, StartError, StopFlag, spawn};

/// How long closing waits: a read that hangs is cut off later.
const CLOSE_WITHIN: Duration = Duration::from_millis(200);

/// Opens the sound of a file. A file without sound is refused.
pub(in crate::capture) fn open_sound(
    settings: &MediaFileSettings,
    cx: &SourceContext,
) -> Result<Box<dyn AudioSource>, SourceError> {
    let ended = Arc::new(Mutex::new(None));
    let (settings, clock) = (settings.clone(), cx.clock);
    let description = Arc::new(Mutex::new(String::new()));
    let init = {
        let (cx, description) = (cx.clone(), Arc::clone(&description));
        move || {
            let player = Player::open_sound(&settings, &cx)?;
            description.lock().clone_from(&player.description);
            Ok::<_, SourceError>(player)
        }
    };
    let body = {
        let ended = Arc::clone(&ended);
        move |player: Player, stop: &StopFlag| {
            *ended.lock() = play(player, clock, stop);
            Ok(())
        }
    };
    let thread = spawn("file-snd", &StopFlag::new(), init, body, |_| {}).map_err(|e| match e {
        StartError::Init(e) => e,
        e => SourceError::Failed {
            what: "playing a sound file".to_owned(),
            source: Box::new(std::io::Error::other(e.to_string())),
        },
    })?;
    Ok(Box::new(FileSound {
        thread,
        ended,
        description,
    }))
}

/// Plays until the end, a failure, or until told to stop (`None`).
fn play(mut player: Player, clock: MediaClock, stop: &StopFlag) -> Option<Result<(), SourceError>> {
    loop {
        let now = clock.now();
        let wake = match player.step(now) {
            Ok(step) => step.wake,
            Err(error) => return Some(Err(error)),
        };
        if player.finished {
            return Some(Ok(()));
        }
        if stop.sleep(clock.until(wake).max(Duration::from_millis(1))) {
            return None;
        }
    }
}

impl Player {
    /// Plays the sound alone; its pictures are not even read.
    fn open_sound(settings: &MediaFileSettings, cx: &SourceContext) -> Result<Self, SourceError> {
        let tracks = [settings.picture_track, settings.sound_track];
        let mut demuxer = Demuxer::open(&settings.path, settings.looped, tracks)?;
        let Some(audio) = Track::open(&demuxer, Kind::Audio)? else {
            return Err(SourceError::Unsupported {
                what: demuxer.what().to_owned(),
                reason: "it has no sound: choose another file".to_owned(),
            });
        };
        demuxer.leave_out(Kind::Video);
        let mut player = Self::new(demuxer, None, Some(audio), cx);
        player.blank = false;
        player.connect(None, cx);
        Ok(player)
    }
}

struct FileSound {
    thread: StageHandle,
    /// How it ended: at its end, or broken.
    ended: Arc<Mutex<Option<Result<(), SourceError>>>>,
    description: Arc<Mutex<String>>,
}

impl AudioSource for FileSound {
    fn check(&mut self) -> Result<(), SourceError> {
        let gone = self.thread.is_finished();
        let mut ended = self.ended.lock();
        if let Some(Err(_)) = &*ended
            && let Some(Err(error)) = ended.take()
        {
            return Err(error);
        }
        if ended.is_none() && gone {
            return Err(SourceError::Lost {
                what: self.description.lock().clone(),
            });
        }
        Ok(())
    }

    fn describe(&self) -> String {
        self.description.lock().clone()
    }

    fn finished(&self) -> bool {
        matches!(&*self.ended.lock(), Some(Ok(())))
    }
}

impl Drop for FileSound {
    fn drop(&mut self) {
        let ended = self.thread.stop_until(Instant::now() + CLOSE_WITHIN);
        if ended.is_none() {
            tracing::warn!("the reader of a sound file hangs, its thread is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;
    use crate::media::SourceId;
    use crate::media::time::{FrameRate, MediaTime};
    use crate::media::video::Resolution;

    /// Half a second of a tone as a WAV file, written by hand: 16 bit, mono, 24 kHz.
    fn wav(path: &std::path::Path) {
        let samples: Vec<u8> = (0..12_000_i32)
            .flat_map(|i| i16::try_from((i % 48 - 24) * 600).unwrap().to_le_bytes())
            .collect();
        let length = u32::try_from(samples.len()).unwrap();
        let mut file = Vec::new();
        file.extend(b"RIFF");
        file.extend((length + 36).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        file.extend(24_000_u32.to_le_bytes());
        file.extend(48_000_u32.to_le_bytes());
        file.extend(b"\x02\0\x10\0data");
        file.extend(length.to_le_bytes());
        file.extend(samples);
        std::fs::write(path, file).unwrap();
    }

    #[test]
    fn a_file_is_heard_in_real_time_and_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jingle.wav");
        wav(&path);
        let (taps, received) = bounded(4);
        let cx = SourceContext {
            id: SourceId(1),
            clock: MediaClock::start(),
            rate: FrameRate::FPS_30,
            resolution: Resolution::HD,
            taps,
        };
        let settings = |path: &std::path::Path| MediaFileSettings {
            path: path.to_owned(),
            looped: false,
            ..MediaFileSettings::default()
        };
        let missing = open_sound(&settings(&dir.path().join("nothing.mp3")), &cx);
        assert!(matches!(missing, Err(SourceError::NotFound { .. })));
        let mut source = open_sound(&settings(&path), &cx).unwrap();
        let mut tap = received.recv_timeout(Duration::from_secs(5)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let (mut samples, mut last) = (Vec::new(), MediaTime::ZERO);
        let mut early = Duration::ZERO;
        while !(source.finished() && tap.is_finished()) {
            assert!(Instant::now() < deadline, "{} samples", samples.len());
            source.check().unwrap();
            while let Some(pts) = tap.pop_into(&mut samples) {
                early = early.max(pts.saturating_since(cx.clock.now()));
                last = pts;
            }
            std::thread::sleep(Duration::from_millis(2)); // it plays in real time
        }
        let frames = samples.len() / 2;
        assert!((23_000..25_100).contains(&frames), "{frames} of 24,000");
        assert!(early < Duration::from_millis(400), "{early:?}");
        assert!(last > MediaTime::ZERO);
        assert!(samples.iter().any(|s| s.abs() > 0.2));
        assert!(source.describe().contains("sound"), "{}", source.describe());
    }
}
