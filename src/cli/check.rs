//! `kaibo check URL`: would this server take the stream?

use super::network_args::NetworkArgs;
use super::{Exit, block_on, chain, fail, say};
use crate::output::check::check;
use crate::output::net::NetworkSettings;
use crate::output::tuning::{StreamTuning, TuningHandle};
use crate::rtmp::url::{RtmpUrl, StreamKey};

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Push address with the stream key (rtmp://host/app/key), or without it and the key in KAIBO_KEY.
    url: String,
    /// For rtmps://: trust a server whose certificate nobody vouches for (your own).
    #[arg(long)]
    trust_any_certificate: bool,
    #[command(flatten)]
    network: NetworkArgs,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> Exit {
    let key = std::env::var("KAIBO_KEY").ok().map(StreamKey::new);
    let url = match RtmpUrl::parse(&args.url, key.as_ref()) {
        Ok(url) => url,
        Err(e) => return fail(&format!("URL: {e}"), Exit::BadSettings),
    };
    let tuning = match tuning(args) {
        Ok(tuning) => tuning,
        Err(problems) => return fail(&problems, Exit::BadSettings),
    };
    match block_on(check(&url, &tuning)) {
        Ok(Ok(report)) if args.json => {
            say(&serde_json::to_string_pretty(&report).unwrap_or_default());
            Exit::Done
        }
        Ok(Ok(report)) => {
            say(&format!("{url} takes the stream."));
            say(&format!("  server      {}", report.peer));
            say(&format!("  TCP         {} ms", report.tcp_ms));
            say(&format!("  handshake   {} ms", report.handshake_ms));
            say(&format!("  publish     {} ms", report.publish_ms));
            for answer in &report.answers {
                say(&format!("  said        {answer}"));
            }
            Exit::Done
        }
        Ok(Err(e)) => {
            let exit = if e.is_rejection() {
                Exit::Rejected
            } else {
                Exit::Lost
            };
            fail(&chain(&e), exit)
        }
        Err(e) => fail(&chain(&e), Exit::NotOpened),
    }
}

/// The way to the server as the options say.
fn tuning(args: &CheckArgs) -> Result<TuningHandle, String> {
    let mut network = NetworkSettings::default();
    args.network.apply(&mut network);
    if let Some((field, reason)) = network.problems().first() {
        return Err(format!("{field}: {reason}"));
    }
    let tuning = TuningHandle::new(StreamTuning {
        trust_any_certificate: args.trust_any_certificate,
        ..StreamTuning::default()
    });
    tuning.set_network(network);
    Ok(tuning)
}
