//! Everything that touches wgpu and is not a picture idea: context, shader table, passes, textures, upload, readback.
//!
//! The engine never creates a device by itself: it is given a [`context::GpuContext`]. Only [`readback`] polls, and
//! it never blocks: a blocking poll stalls a window that shares the device.

pub mod context;
pub mod pass;
pub mod pipeline;
pub mod readback;
pub mod shader;
pub mod share;
pub mod texture;
pub mod timer;
pub mod upload;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// What wgpu refused to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PassError {
    /// A shader or pipeline was refused by the driver.
    #[error("the graphics driver refused pass {name}: {reason}")]
    Pipeline {
        /// Shader and entry point.
        name: String,
        /// wgpu's own words.
        reason: String,
    },
    /// A picture larger than the adapter takes.
    #[error("a picture of {0} is larger than this graphics adapter can hold ({1} pixels a side)")]
    TooLarge(crate::media::video::Resolution, u32),
    /// A frame whose planes are shorter than its size says.
    #[error("a {0} picture is incomplete: plane {1} is too short")]
    ShortPlane(crate::media::video::Resolution, usize),
}

/// The result of a wgpu future. On native platforms they are finished when they are returned, so this does not wait;
/// `None` would mean that a backend broke that promise.
pub(crate) fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
