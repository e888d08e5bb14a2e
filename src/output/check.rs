//! What would going live be answered? Runs in the caller's task.

use std::sync::Arc;
use std::time::Duration;

use super::OutputError;
use super::dial::{Consent, Dialer, Wish};
use super::link::Limits;
use super::tuning::TuningHandle;
use crate::rtmp::url::RtmpUrl;

/// What `kaibo check` found out.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CheckReport {
    /// Address looked up, as `ip:port`; the proxy's if there is one.
    pub peer: String,
    /// Name lookup and TCP connection time in ms.
    pub tcp_ms: u32,
    /// RTMP handshake time in ms.
    pub handshake_ms: u32,
    /// From connect command to publish start, in ms.
    pub publish_ms: u32,
    /// What the server said, in order: "NetConnection.Connect.Success: Connection succeeded." and so on.
    pub answers: Vec<String>,
}

/// Connects, publishes without media, says goodbye: what would going live be answered?
/// `tuning`: the way to the server, and whether its certificate needs nobody to vouch for it.
pub async fn check(url: &RtmpUrl, tuning: &TuningHandle) -> Result<CheckReport, OutputError> {
    let dialer = Dialer {
        home: url,
        limits: &Limits::default(),
        tuning,
        resolver: &Arc::default(),
        consent: &Consent::default(),
    };
    let wish = Wish {
        url: url.clone(),
        avoid: None,
        hold: false,
    };
    let link = dialer.establish(&wish, &mut None).await?;
    let trace = link.trace().clone();
    link.close().await;
    let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
    Ok(CheckReport {
        peer: trace.peer,
        tcp_ms: ms(trace.tcp),
        handshake_ms: ms(trace.handshake),
        publish_ms: ms(trace.publish),
        answers: trace.answers,
    })
}
