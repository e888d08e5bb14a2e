//! The thread `overlay`: runs only while there are watermarks, sleeps until a text or a file can have changed, and puts
//! finished pixels on the board.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use jiff::Zoned;
use parking_lot::Mutex;

use super::loader::{Loader, OverlayProblem};
use super::text::template::Facts;
use super::{OverlayBoard, Watermark};
use crate::media::video::Resolution;
use crate::stage::{StageExit, StageHandle, StopFlag};

/// Tells the engine what is wrong with watermarks; called on the overlay thread, must not block.
pub type OverlayListener = Arc<dyn Fn(OverlayProblem) + Send + Sync>;

/// What is wanted, newest only.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    watermarks: Vec<Watermark>,
    output: Resolution,
}

/// The wish and whether somebody is there to see to it, under one lock: a thread that ends and one that starts must not
/// miss each other, and there is never a second one.
#[derive(Debug, Default)]
struct Want {
    wish: Option<Wish>,
    /// A thread is there and will look at `wish` again before it ends.
    served: bool,
    /// The board was emptied since the thread last put something on it.
    emptied: bool,
}

impl Want {
    /// What `watermark` is made of is still asked for.
    fn has(&self, watermark: &Watermark, output: Resolution) -> bool {
        let same = |other: &Watermark| {
            other.visible
                && other.content == watermark.content
                && other.rotation == watermark.rotation
        };
        let wish = self.wish.as_ref().filter(|w| w.output == output);
        wish.is_some_and(|wish| wish.watermarks.iter().any(same))
    }
}

#[derive(Debug, Default)]
struct Shared {
    want: Mutex<Want>,
    facts: Mutex<Facts>,
    board: Arc<OverlayBoard>,
}

#[derive(Debug)]
struct Running {
    /// From the engine to the thread; bound 1, a full one means that it will look anyway. Its end ends the thread.
    wake: Sender<()>,
    handle: StageHandle,
}

/// The watermarks of the show.
pub struct Overlays {
    shared: Arc<Shared>,
    listener: OverlayListener,
    running: Option<Running>,
}

impl std::fmt::Debug for Overlays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Overlays(running={})", self.running.is_some())
    }
}

impl Overlays {
    /// None yet, and no thread.
    pub fn new(listener: OverlayListener) -> Self {
        Self {
            shared: Arc::default(),
            listener,
            running: None,
        }
    }

    /// Where the renderer finds them.
    pub fn board(&self) -> Arc<OverlayBoard> {
        Arc::clone(&self.shared.board)
    }

    /// Shows these, bottom to top, on pictures of `output` size. The pixels follow when they are made.
    pub fn show(&mut self, watermarks: &[Watermark], output: Resolution) {
        let any = watermarks.iter().any(|w| w.visible);
        let ended = |r: &Running| r.handle.is_finished();
        let served = {
            let mut want = self.shared.want.lock();
            want.wish = any.then(|| Wish {
                watermarks: watermarks.to_vec(),
                output,
            });
            if !any {
                self.shared.board.show(Vec::new());
                want.emptied = true;
            }
            // one that panicked could not say that it ended
            let there = want.served && !self.running.as_ref().is_none_or(ended);
            want.served = there || any;
            there
        };
        if any && !served {
            self.running = self.start();
        }
        if let Some(running) = &self.running {
            running.wake.try_send(()).ok(); // full: it looks anyway
        }
    }

    /// The show's figures, for texts that say them.
    pub fn tell(&self, facts: Facts) {
        if self.shared.want.lock().served {
            *self.shared.facts.lock() = facts;
        }
    }

    fn start(&self) -> Option<Running> {
        let (wake, woken) = bounded(1);
        let (shared, listener) = (Arc::clone(&self.shared), Arc::clone(&self.listener));
        let failed = Arc::clone(&self.listener);
        let problem = |what: &str| OverlayProblem {
            index: 0,
            message: format!("{what}: watermarks stay as they are until they are changed"),
        };
        let stage = crate::stage::spawn(
            "overlay",
            &StopFlag::new(),
            || Ok::<_, std::convert::Infallible>(()),
            move |(), stop: &StopFlag| {
                run(&shared, &woken, stop, &*listener);
                Ok(())
            },
            move |exit: &StageExit| {
                if *exit != StageExit::Finished {
                    failed(problem("drawing the watermarks failed"));
                }
            },
        );
        match stage {
            Ok(handle) => Some(Running { wake, handle }),
            Err(error) => {
                (self.listener)(problem(&error.to_string()));
                None
            }
        }
    }
}

fn run(shared: &Shared, woken: &Receiver<()>, stop: &StopFlag, listener: &dyn Fn(OverlayProblem)) {
    /// Nothing to wait for but a change of settings.
    const LONG: Duration = Duration::from_secs(3600);
    let mut loader = Loader::default();
    let mut told: Vec<OverlayProblem> = Vec::new();
    let mut latest = Vec::new();
    let mut fresh = false;
    loop {
        let wish = {
            let mut want = shared.want.lock();
            want.served = want.wish.is_some();
            want.wish.clone()
        };
        let Some(wish) = wish else { return };
        let facts = *shared.facts.lock();
        let wanted =
            |mark: &Watermark| !stop.is_stopped() && shared.want.lock().has(mark, wish.output);
        let now = Zoned::now();
        let loaded = loader.update(&wish.watermarks, wish.output, &now, &facts, &wanted);
        if let Some(ready) = loaded.ready {
            latest = ready;
            fresh = true;
        }
        {
            // not what is wanted any more: the board was emptied, or something else is to come
            let mut current = shared.want.lock();
            if current.wish.as_ref() == Some(&wish)
                && !stop.is_stopped()
                && (fresh || current.emptied)
            {
                shared.board.show(latest.clone());
                fresh = false;
                current.emptied = false;
            }
        }
        for problem in &loaded.problems {
            if !told.contains(problem) {
                tracing::warn!(index = problem.index, message = %problem.message, "watermark");
                listener(problem.clone());
            }
        }
        told = loaded.problems;
        match woken.recv_timeout(loaded.wake.unwrap_or(LONG)) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::spec::{Content, ImageSettings};
    use super::*;
    use crate::media::time::MediaTime;

    const OUT: Resolution = Resolution::new(64, 36);

    #[test]
    fn a_bad_file_is_told_once_and_a_good_one_is_shown() {
        let (tell, told) = bounded(16);
        let mut overlays = Overlays::new(Arc::new(move |problem| {
            tell.send(problem).unwrap();
        }));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        let mark = Watermark {
            content: Content::Image(ImageSettings {
                path: path.clone(),
                size: 50.0,
            }),
            ..Watermark::default()
        };
        overlays.show(std::slice::from_ref(&mark), OUT);
        let wait = Duration::from_secs(20);
        let problem: OverlayProblem = told.recv_timeout(wait).unwrap();
        assert!(problem.message.contains("logo.png"), "{}", problem.message);
        // it comes into being: found within a second or two
        image::RgbaImage::new(8, 8).save(&path).unwrap();
        let deadline = Instant::now() + wait;
        while overlays.board().place(MediaTime::ZERO, OUT).is_empty() {
            assert!(Instant::now() < deadline, "not loaded");
            std::thread::yield_now();
        }
        assert!(told.is_empty(), "told once");
        overlays.show(&[], OUT);
        assert!(overlays.board().place(MediaTime::ZERO, OUT).is_empty());
        // the thread ends, and the next one finds the watermark again
        let handle = &overlays.running.as_ref().unwrap().handle;
        assert!(handle.join_until(Instant::now() + wait).is_some());
        assert!(!overlays.shared.want.lock().served);
        for _ in 0..2 {
            overlays.show(std::slice::from_ref(&mark), OUT);
            while overlays.board().place(MediaTime::ZERO, OUT).is_empty() {
                assert!(Instant::now() < deadline + wait, "not shown again");
                std::thread::yield_now();
            }
            // shown again at once, by the same thread or the next
            overlays.show(&[], OUT);
        }
    }
}
