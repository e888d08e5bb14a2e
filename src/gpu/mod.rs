//! Everything that touches wgpu and is not a picture idea: context, shader table, passes, textures, upload, readback.
//!
//! The engine never creates a device by itself: it is given a [`context::GpuContext`]. Only [`readback`] polls, and
//! it never blocks: a blocking poll stalls a window that shares the device.

pub mod context;
pub mod readback;
pub mod shader;
