//! `kaibo check URL`: would this server take the stream?

use super::bandwidth::{Bandwidth, BandwidthArgs};
use super::network_args::NetworkArgs;
use super::{Exit, block_on, chain, fail, say};
use crate::output::check::{CheckReport, check};
use crate::output::net::NetworkSettings;
use crate::output::tuning::{StreamTuning, TuningHandle};
use crate::rtmp::url::{RtmpUrl, StreamKey};

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Push address with the stream key (rtmp://host/app/key), or without it and the key in KAIBO_KEY. Or KAIBO_URL.
    url: Option<String>,
    #[command(flatten)]
    bandwidth: BandwidthArgs,
    /// For rtmps://: trust a server whose certificate nobody vouches for (your own).
    #[arg(long)]
    trust_any_certificate: bool,
    #[command(flatten)]
    network: NetworkArgs,
    /// As JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// All of it, for programs.
#[derive(serde::Serialize)]
struct Whole {
    #[serde(flatten)]
    report: CheckReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<Bandwidth>,
}

pub(super) fn run(args: &CheckArgs) -> Exit {
    let key = std::env::var("KAIBO_KEY").ok().map(StreamKey::new);
    let address = args.url.clone().or_else(|| std::env::var("KAIBO_URL").ok());
    let Some(address) = address else {
        return fail("URL: give the address to check", Exit::BadSettings);
    };
    let url = match RtmpUrl::parse(&address, key.as_ref()) {
        Ok(url) => url,
        Err(e) => return fail(&format!("URL: {e}"), Exit::BadSettings),
    };
    let tuning = match tuning(args) {
        Ok(tuning) => tuning,
        Err(problems) => return fail(&problems, Exit::BadSettings),
    };
    let test = match args.bandwidth.address(&url) {
        Ok(test) => test,
        Err(problem) => return fail(&problem, Exit::BadSettings),
    };
    match block_on(check(&url, &tuning)) {
        Ok(Ok(report)) => {
            let bandwidth = test.map(|url| args.bandwidth.run(url, &tuning));
            let bandwidth = match bandwidth.transpose() {
                Ok(bandwidth) => bandwidth,
                Err(problem) => return fail(&format!("bandwidth test: {problem}"), Exit::Lost),
            };
            if args.json {
                let whole = Whole { report, bandwidth };
                say(&serde_json::to_string_pretty(&whole).unwrap_or_default());
                return Exit::Done;
            }
            say(&format!("{url} takes the stream."));
            say(&format!("  server      {}", report.peer));
            say(&format!("  TCP         {} ms", report.tcp_ms));
            say(&format!("  handshake   {} ms", report.handshake_ms));
            say(&format!("  publish     {} ms", report.publish_ms));
            for answer in &report.answers {
                say(&format!("  said        {answer}"));
            }
            for line in bandwidth.iter().flat_map(Bandwidth::lines) {
                say(&line);
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
