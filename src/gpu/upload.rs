//! A frame in system memory into textures: one `write_texture` per plane, straight out of the frame's own bytes (wgpu
//! copies them once into its staging memory). Render thread.

use super::PassError;
use super::context::GpuContext;
use super::texture::{GpuFrame, PictureKey, TexturePool};
use crate::media::video::{FrameData, Plane, VideoFrame};

/// Puts `frame` into a picture of the pool; it is on the GPU before the next submission's passes.
pub fn upload(
    gpu: &GpuContext,
    pool: &mut TexturePool,
    frame: &VideoFrame,
) -> Result<GpuFrame, PassError> {
    let key = PictureKey::upload(frame.data.format(), frame.resolution, frame.color);
    let target = pool.get(key, frame.pts)?;
    let write = |index: usize, plane: &Plane| {
        let texture = &target.picture().planes()[index];
        write_plane(&gpu.queue, texture, plane)
            .ok_or(PassError::ShortPlane(frame.resolution, index))
    };
    match &frame.data {
        FrameData::Nv12 { y, uv } => {
            write(0, y)?;
            write(1, uv)?;
        }
        FrameData::I420 { y, u, v } => {
            write(0, y)?;
            write(1, u)?;
            write(2, v)?;
        }
        FrameData::Yuyv422(packed) => {
            write(0, packed)?;
            write(1, packed)?;
        }
        FrameData::Bgra(plane) | FrameData::Rgba(plane) => write(0, plane)?,
    }
    Ok(target)
}

/// `None` when the plane has fewer bytes than the texture.
fn write_plane(queue: &wgpu::Queue, texture: &wgpu::Texture, plane: &Plane) -> Option<()> {
    let texel = texture.format().block_copy_size(None)? as usize;
    let row = texture.width() as usize * texel;
    let rows = texture.height() as usize;
    if plane.stride < row || plane.data.len() < plane.stride * rows.checked_sub(1)? + row {
        return None;
    }
    queue.write_texture(
        texture.as_image_copy(),
        &plane.data,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(u32::try_from(plane.stride).ok()?),
            rows_per_image: None,
        },
        texture.size(),
    );
    Some(())
}
