//! The options about the way to the server, shared by `kaibo push` and `kaibo check`.

use clap::ValueEnum;

use crate::output::net::{EnhancedRtmp, NetworkSettings, ProxyUrl, ResolverKind};

/// The way to the server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArgs {
    /// Connect through this proxy: socks5://host:port or http://host:port. With user and password:
    /// KAIBO_PROXY in the environment, which other users of this machine cannot see.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Connect from this network interface (Linux) or address of this computer.
    #[arg(long, value_name = "NAME")]
    bind: Option<String>,
    /// Who looks up the server's name [default: system]
    #[arg(long, value_enum, value_name = "WHO")]
    resolver: Option<ResolverArg>,
    /// Address of the DNS over HTTPS (JSON) or HTTPDNS service.
    #[arg(long, value_name = "URL")]
    resolver_url: Option<String>,
    /// A host that servers may redirect the stream, and with it the key, to; may be given several times. Those of the
    /// same owner need not be named.
    #[arg(long, value_name = "HOST")]
    allow_redirect: Vec<String>,
    /// Whether servers are told that we speak Enhanced RTMP [default: auto]
    #[arg(long, value_enum, value_name = "WHEN")]
    enhanced_rtmp: Option<EnhancedArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResolverArg {
    /// The operating system.
    System,
    /// DNS over HTTPS.
    Doh,
    /// An HTTP service that returns addresses.
    Httpdns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EnhancedArg {
    /// Services known to take it.
    Auto,
    /// All.
    On,
    /// None.
    Off,
}

impl NetworkArgs {
    /// Lays the options over settings.
    pub(super) fn apply(&self, network: &mut NetworkSettings) {
        let kept = std::env::var("KAIBO_PROXY").ok();
        if let Some(proxy) = self.proxy.clone().or(kept) {
            network.proxy = ProxyUrl::new(proxy);
        }
        if let Some(bind) = &self.bind {
            network.bind.clone_from(bind);
        }
        if let Some(resolver) = self.resolver {
            network.resolver = match resolver {
                ResolverArg::System => ResolverKind::System,
                ResolverArg::Doh => ResolverKind::Doh,
                ResolverArg::Httpdns => ResolverKind::Httpdns,
            };
        }
        if let Some(url) = &self.resolver_url {
            match network.resolver {
                ResolverKind::Doh => network.doh_url.clone_from(url),
                ResolverKind::System | ResolverKind::Httpdns => {
                    network.httpdns_url.clone_from(url);
                }
            }
        }
        if let Some(enhanced) = self.enhanced_rtmp {
            network.enhanced = match enhanced {
                EnhancedArg::Auto => EnhancedRtmp::Auto,
                EnhancedArg::On => EnhancedRtmp::On,
                EnhancedArg::Off => EnhancedRtmp::Off,
            };
        }
        network
            .redirect_hosts
            .extend(self.allow_redirect.iter().cloned());
    }
}
