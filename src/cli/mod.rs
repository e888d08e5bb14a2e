//! The command line: arguments into [`Settings`](crate::settings::Settings), and one file per subcommand. Uses the same engine handle as the
//! window and nothing else.

mod bandwidth;
mod check;
mod control;
mod devices;
mod encoder_args;
mod encoders;
mod hide;
mod link_args;
mod network_args;
mod play_args;
mod push;
mod push_args;
mod record_args;
mod remux;
mod serve;
mod snapshot;
mod sound_args;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::hide::hide_secrets;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// Arguments or settings are wrong.
    BadSettings,
    /// A source, the encoder or the graphics device could not be opened.
    NotOpened,
    /// The server refused the stream.
    Rejected,
    /// The connection was lost, or never made, and did not come back.
    Lost,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::BadSettings => 2,
            Self::NotOpened => 3,
            Self::Rejected => 4,
            Self::Lost => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Kaibo (开播): broadcast a screen, a file or the test pattern over RTMP. Without a command it opens the window.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 done, 2 wrong arguments or settings, 3 a source or encoder \
    could not be opened, 4 refused by the server, 5 connection lost and not recovered."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<CliCommand>,
    /// More words on standard error (-v, -vv); RUST_LOG is honoured too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Settings file of the window, instead of the usual place.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Broadcast without a window.
    Push(Box<push_args::PushArgs>),
    /// Record without a window and without a stream.
    Record(Box<record_args::RecordArgs>),
    /// Make a plain MP4 of a recording; nothing is encoded anew.
    Remux(remux::RemuxArgs),
    /// List screens, cameras and sound inputs, or try one out.
    Devices(devices::DevicesArgs),
    /// List encoders and whether they work here.
    Encoders(encoders::EncodersArgs),
    /// What `encoders` starts to try one out: a driver that crashes takes this process down and no other.
    #[command(name = crate::encode::probe::SUBCOMMAND, hide = true)]
    ProbeEncoder {
        /// What to try, as JSON.
        request: String,
    },
    /// Ask a server whether it would take the stream; nothing is shown to viewers.
    Check(check::CheckArgs),
    /// Run the built-in RTMP server and watch page alone.
    Serve(serve::ServeArgs),
    /// Draw one picture with all filters into a PNG file, without a window or a stream.
    Snapshot(snapshot::SnapshotArgs),
}

/// Runs what the arguments ask for.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Some(CliCommand::Push(args)) => push::run(*args),
        Some(CliCommand::Record(args)) => push::run(args.into_push()),
        Some(CliCommand::Remux(args)) => remux::run(&args),
        Some(CliCommand::Devices(args)) => devices::devices(&args),
        Some(CliCommand::Encoders(args)) => encoders::run(&args),
        Some(CliCommand::ProbeEncoder { request }) => {
            say(&crate::encode::probe::child::run(&request));
            Exit::Done
        }
        Some(CliCommand::Check(args)) => check::run(&args),
        Some(CliCommand::Serve(args)) => serve::run(&args),
        Some(CliCommand::Snapshot(args)) => snapshot::run(&args),
        None => window(cli.config),
    }
}

#[cfg(feature = "gui")]
fn window(config: Option<PathBuf>) -> Exit {
    use crate::settings::file;
    use crate::ui;

    let path = config.or_else(file::default_path);
    let (settings, problem) = match path.as_deref().map(file::load) {
        None | Some(Ok(None)) => (crate::settings::Settings::default(), None),
        Some(Ok(Some(settings))) => (settings, None),
        Some(Err(e)) => (crate::settings::Settings::default(), Some(chain(&e))),
    };
    match ui::run(ui::RunOptions {
        settings,
        settings_path: path,
        settings_problem: problem,
        ..ui::RunOptions::default()
    }) {
        Ok(()) => Exit::Done,
        Err(e) => fail(&chain(&e), Exit::NotOpened),
    }
}

#[cfg(not(feature = "gui"))]
fn window(_config: Option<PathBuf>) -> Exit {
    fail(
        "this build has no window: use `kaibo push` (see `kaibo push --help`)",
        Exit::BadSettings,
    )
}

/// Says on standard error why the program ends.
fn fail(reason: &str, exit: Exit) -> Exit {
    writeln!(std::io::stderr(), "kaibo: {reason}").ok(); // nobody to tell when standard error is closed
    exit
}

/// Prints a line on standard output; a closed pipe (`| head`) is no error.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// An error with its causes: "what: why: why".
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source()).map(ToString::to_string);
    std::iter::once(error.to_string())
        .chain(causes)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Resolves when the user or the system asks the program to end (SIGINT, SIGTERM).
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut int), Ok(mut term)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return std::future::pending().await;
        };
        tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// A small runtime for a subcommand's own waiting.
fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future))
}
