//! Log lines on standard error. Stream keys cannot get there: they are a secret by type
//! ([`crate::rtmp::url::StreamKey`]).

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Sets logging up once for the process. `verbose` 0: warnings and what happens to the show; 1: more; 2: everything of
/// ours. `RUST_LOG` overrides it.
pub fn init(verbose: u8) {
    let default = match verbose {
        0 => "error,pulseaudio=off,kaibo=info",
        1 => "warn,kaibo=debug",
        _ => "info,kaibo=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was set up before");
    }
}
