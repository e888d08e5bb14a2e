//! What can be changed on a running stream: read by its task at each look, written by the engine.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::adapt::{AdaptLimits, AdaptPreset};
use super::net::NetworkSettings;
use crate::media::packet::Bitrate;

/// How a stream treats its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTuning {
    /// The video bitrate follows the link.
    pub adapt: bool,
    /// Within these bounds.
    pub limits: AdaptLimits,
    /// No picture is sent that would come later than this; 500 ms to 10 s.
    pub max_delay: Duration,
    /// An encrypted connection is taken from a server whose certificate nobody vouches for; from the next connection on.
    pub trust_any_certificate: bool,
}

impl StreamTuning {
    /// Longest delay unless set otherwise.
    pub const MAX_DELAY: Duration = Duration::from_millis(2500);
}

impl Default for StreamTuning {
    /// The bitrate stays as it is.
    fn default() -> Self {
        Self {
            adapt: false,
            limits: AdaptLimits {
                preset: AdaptPreset::default(),
                floor: Bitrate::from_kbps(200),
                ceiling: Bitrate::from_kbps(2500),
                audio: Bitrate::from_kbps(128),
                pixel_rate: 0,
                shrink: false,
            },
            max_delay: Self::MAX_DELAY,
            trust_any_certificate: false,
        }
    }
}

/// Shared by the engine, which writes, and a stream's task, which reads.
#[derive(Debug, Clone, Default)]
pub struct TuningHandle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tuning: Mutex<StreamTuning>,
    network: Mutex<Arc<NetworkSettings>>,
}

impl TuningHandle {
    /// Begins with `tuning`.
    pub fn new(tuning: StreamTuning) -> Self {
        let handle = Self::default();
        handle.set(tuning);
        handle
    }

    /// What holds now.
    pub fn get(&self) -> StreamTuning {
        *self.0.tuning.lock()
    }

    /// From the next look on.
    pub fn set(&self, tuning: StreamTuning) {
        *self.0.tuning.lock() = tuning;
    }

    /// The way to servers.
    pub fn network(&self) -> Arc<NetworkSettings> {
        Arc::clone(&self.0.network.lock())
    }

    /// From the next connection on.
    pub fn set_network(&self, network: NetworkSettings) {
        *self.0.network.lock() = Arc::new(network);
    }
}
