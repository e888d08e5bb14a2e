//! `kaibo serve`: the built-in RTMP server and watch page alone.

use std::net::SocketAddr;

use super::{Exit, block_on, chain, fail, interrupted, say};
use crate::serve::{ServeConfig, Server};

/// Where to listen.
#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// RTMP address; use 0.0.0.0:1935 to let other machines push.
    #[arg(long, default_value = "127.0.0.1:1935", value_name = "ADDRESS:PORT")]
    rtmp: SocketAddr,
    /// Watch page address; use 0.0.0.0:8935 to let other machines watch.
    #[arg(long, default_value = "127.0.0.1:8935", value_name = "ADDRESS:PORT")]
    http: SocketAddr,
}

pub(super) fn run(args: &ServeArgs) -> Exit {
    let served = block_on(async {
        let config = ServeConfig {
            rtmp: args.rtmp,
            http: args.http,
        };
        let server = Server::start(config, &tokio::runtime::Handle::current())?;
        say(&format!("push to  {}/NAME", server.push_url()));
        say(&format!("watch at {}", server.watch_url("NAME")));
        interrupted().await;
        Ok(())
    });
    match served {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(e)) => {
            let e: crate::serve::ServeError = e;
            fail(&chain(&e), Exit::NotOpened)
        }
        Err(e) => fail(&chain(&e), Exit::NotOpened),
    }
}
