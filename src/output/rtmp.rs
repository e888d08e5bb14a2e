//! RTMP output.
use super::{Output, OutputContext, OutputError};
use crate::rtmp::url::RtmpUrl;
use std::sync::Arc;
pub(super) fn start(url: RtmpUrl, _cx: OutputContext) -> Result<Arc<dyn Output>, OutputError> {
    Err(OutputError::UnknownHost { host: url.host })
}
/// What `kaibo check` found out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CheckReport {
    /// Address looked up, as `ip:port`.
    pub peer: String,
    /// TCP connection time in ms.
    pub tcp_ms: u32,
    /// RTMP handshake time in ms.
    pub handshake_ms: u32,
    /// From connect command to publish start, in ms.
    pub publish_ms: u32,
    /// What the server said, in order: "NetConnection.Connect.Success: Connection succeeded." and so on.
    pub answers: Vec<String>,
}
/// Connects, publishes without media, says goodbye: what would going live be answered?
pub async fn check(url: &RtmpUrl) -> Result<CheckReport, OutputError> {
    Err(OutputError::UnknownHost {
        host: url.host.clone(),
    })
}
