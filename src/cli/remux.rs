//! `kaibo remux`: a recording into a plain MP4. The copying runs on a thread of its own; the main thread waits for it or for
//! Ctrl+C, which calls it off.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::{Exit, block_on, chain, fail, interrupted, say};
use crate::container::remux;
use crate::output::record;
use crate::stage::{StopFlag, spawn};

/// What to copy, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct RemuxArgs {
    /// The recording: MP4, MKV or FLV, complete or interrupted.
    #[arg(value_name = "IN")]
    from: PathBuf,
    /// The plain MP4; must not exist [default: beside it, with .mp4]
    #[arg(value_name = "OUT")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: &RemuxArgs) -> Exit {
    let from = args.from.clone();
    let to = args
        .to
        .clone()
        .unwrap_or_else(|| from.with_extension("mp4"));
    if to == from {
        let reason = "the recording itself is called so: name the plain MP4, as in kaibo remux show.mp4 plain.mp4";
        return fail(reason, Exit::BadSettings);
    }
    let (done_tx, done) = oneshot::channel();
    let stop = StopFlag::new();
    let target = to.clone();
    let work = move |(), stop: &StopFlag| {
        let chapters = record::chapters_of(&from);
        let mut show = Progress::new();
        let made = remux::to_mp4(&from, &target, &chapters, &mut |part| {
            show.at(part);
            !stop.is_stopped()
        });
        done_tx.send(made).ok(); // nobody waits when the program ends
        Ok(())
    };
    let ready = || Ok::<_, std::convert::Infallible>(());
    let stage = match spawn("mp4", &stop, ready, work, |_| {}) {
        Ok(stage) => stage,
        Err(e) => return fail(&e.to_string(), Exit::NotOpened),
    };
    let made = block_on(async {
        let mut done = done;
        tokio::select! {
            made = &mut done => made,
            () = interrupted() => {
                stage.request_stop();
                done.await
            }
        }
    });
    match made {
        Ok(Ok(Ok(made))) => {
            let torn = match made.damaged {
                0 => String::new(),
                n => format!(", {n} damaged packets left out"),
            };
            say(&format!(
                "{} ({} packets{torn})",
                to.display(),
                made.packets
            ));
            Exit::Done
        }
        Ok(Ok(Err(e))) => fail(&chain(&e), Exit::NotOpened),
        Ok(Err(e)) => fail(&e.to_string(), Exit::NotOpened),
        Err(e) => fail(&chain(&e), Exit::NotOpened),
    }
}

/// Percent on a terminal, nothing in a log.
struct Progress {
    terminal: bool,
    told: u32,
}

impl Progress {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            told: 0,
        }
    }

    fn at(&mut self, part: f32) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 100"
        )]
        let percent = (part * 100.0) as u32;
        if self.terminal && percent > self.told {
            self.told = percent;
            let end = if percent >= 100 { "\n" } else { "" };
            write!(std::io::stderr(), "\r{percent} %{end}").ok(); // the terminal may be gone
        }
    }
}
