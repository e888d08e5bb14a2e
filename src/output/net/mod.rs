//! How a connection to a server is made: its name looked up, by which proxy and from which interface it is reached, and
//! which of its addresses answers first. Runs in the output's task.

pub(super) mod connect;
mod http_get;
mod proxy;
pub(super) mod resolver;
mod settings;

pub use self::proxy::{ProxyError, ProxyUrl};
pub use self::settings::{EnhancedRtmp, NetworkSettings, ResolverKind};
