//! Plain MP4s of recordings, one after another, each on a thread of its own; the recording stays until its MP4 is whole.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::container::remux::{self, RemuxError};
use crate::engine::notice::{Notice, NoticeSender};
use crate::engine::status::Mp4Progress;
use crate::output::record;
use crate::stage::{self, StageHandle, StopFlag};

/// Most recordings that wait; more are refused.
const MOST_WAITING: usize = 1000;
/// Most names that are tried.
const MOST_NAMES: u32 = 1000;

/// The recordings that wait, and the one that is copied.
#[derive(Debug, Default)]
pub(super) struct Mp4Queue {
    waiting: VecDeque<PathBuf>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    from: PathBuf,
    /// Thousandths.
    done: Arc<AtomicU32>,
    stage: StageHandle,
}

impl Mp4Queue {
    /// Puts a recording in the queue; false when it is full.
    pub(super) fn add(&mut self, from: PathBuf, notices: &NoticeSender) -> bool {
        if self.waiting.len() >= MOST_WAITING {
            return false;
        }
        let here = |r: &Running| r.from == from;
        if !self.waiting.contains(&from) && !self.running.as_ref().is_some_and(here) {
            self.waiting.push_back(from);
        }
        if self.running.is_none() {
            self.next(notices);
        }
        true
    }

    /// The one before has ended: begins the next.
    pub(super) fn next(&mut self, notices: &NoticeSender) {
        self.running = None;
        while let Some(from) = self.waiting.pop_front() {
            let done = Arc::new(AtomicU32::new(0));
            let (tell, told, path) = (notices.clone(), Arc::clone(&done), from.clone());
            let work = move |(), stop: &StopFlag| {
                let made = make(&path, &told, stop);
                tell.send(Notice::Mp4(path, made));
                Ok(())
            };
            let ready = || Ok::<_, std::convert::Infallible>(());
            match stage::spawn("mp4", &StopFlag::new(), ready, work, |_| {}) {
                Ok(stage) => {
                    self.running = Some(Running { from, done, stage });
                    return;
                }
                Err(error) => tracing::warn!(%error, "no MP4 of {}", from.display()),
            }
        }
    }

    /// Calls off the running one and those that wait.
    pub(super) fn cancel(&mut self) {
        self.waiting.clear();
        if let Some(running) = &self.running {
            running.stage.request_stop();
        }
    }

    /// Calls everything off and waits for the end; false when it did not come by `deadline`.
    pub(super) fn end_until(&mut self, deadline: Instant) -> bool {
        self.waiting.clear();
        let running = self.running.take();
        running.is_none_or(|r| r.stage.stop_until(deadline).is_some())
    }

    pub(super) fn progress(&self) -> Option<Mp4Progress> {
        self.running.as_ref().map(|r| Mp4Progress {
            from: r.from.clone(),
            done: r.done.load(Ordering::Relaxed) as f32 / 1000.0,
            waiting: self.waiting.len(),
        })
    }
}

/// Makes it, and puts it in the recording's place when that is an MP4 in fragments of which nothing was lost.
fn make(from: &Path, done: &AtomicU32, stop: &StopFlag) -> Result<PathBuf, RemuxError> {
    let is_mp4 = from
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("mp4"));
    let to = free_name(from, is_mp4);
    check_room(from)?;
    let chapters = record::chapters_of(from);
    let made = remux::to_mp4(from, &to, &chapters, &mut |part| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 1000"
        )]
        done.store((part * 1000.0) as u32, Ordering::Relaxed);
        !stop.is_stopped()
    })?;
    if let Err(error) = record::settle(from)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the marker of an interrupted recording stays");
    }
    if is_mp4 && made.damaged == 0 && std::fs::rename(&to, from).is_ok() {
        return Ok(from.to_owned());
    }
    Ok(to)
}

/// Refuses to fill the disk up: after a recording that ended for want of room there is none for its copy.
fn check_room(from: &Path) -> Result<(), RemuxError> {
    const MB: u64 = 1_000_000;
    /// What the index and the file system take besides the packets.
    const MORE: u64 = 5 * MB;
    let folder = from.parent().filter(|p| !p.as_os_str().is_empty());
    let free = record::free_bytes(folder.unwrap_or(Path::new(".")));
    let size = std::fs::metadata(from).map_or(0, |m| m.len());
    match free {
        Some(free) if free < size + MORE => Err(RemuxError::NoRoom {
            needed_mb: (size + MORE) / MB,
            free_mb: free / MB,
        }),
        _ => Ok(()),
    }
}

/// `show.mp4` beside `show.mkv`, `show (plain).mp4` beside `show.mp4`, with a number when that is taken.
fn free_name(from: &Path, is_mp4: bool) -> PathBuf {
    let stem = from.file_stem().unwrap_or_default().to_string_lossy();
    let plain = if is_mp4 { " (plain)" } else { "" };
    let name = |n: u32| {
        let number = if n == 1 {
            String::new()
        } else {
            format!(" ({n})")
        };
        from.with_file_name(format!("{stem}{plain}{number}.mp4"))
    };
    let free = (1..MOST_NAMES).map(name).find(|path| !path.exists());
    free.unwrap_or_else(|| name(MOST_NAMES))
}
