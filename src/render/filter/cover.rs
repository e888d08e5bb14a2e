//! A part of the picture under one flat colour: what is to be hidden stays hidden while, or because, the filter that hides
//! it cannot run. Render thread.

use super::chain::drawn;
use crate::gpu::PassError;
use crate::gpu::pass::{Blend, Draw, PassContext, Variant};
use crate::gpu::shader::LAYER;
use crate::gpu::texture::{GpuFrame, PictureKind, Sampling};
use crate::render::compositor::LayerUniform;

/// Left, top, right, bottom in pixels.
pub(super) type Area = [f32; 4];

/// The picture with `areas` covered. Where not even that can be drawn there is no picture at all rather than one that shows
/// them.
pub(super) fn cover(cx: &mut PassContext<'_>, frame: GpuFrame, areas: &[Area]) -> GpuFrame {
    if areas.is_empty() {
        return frame;
    }
    covered(cx, frame, areas).unwrap_or_else(|error| {
        tracing::debug!(%error, "a part that is to be hidden cannot be covered");
        cx.blank.clone()
    })
}

fn covered(
    cx: &mut PassContext<'_>,
    frame: GpuFrame,
    areas: &[Area],
) -> Result<GpuFrame, PassError> {
    let target = if frame.picture().key().target {
        frame // made by a pass before, nobody else's
    } else {
        drawn(cx, &frame)?
    };
    let size = target.resolution();
    let draw = |area: &Area| Draw {
        // the compositor has this one compiled when it starts
        variant: Variant {
            layer: Some(Blend::Replace),
            ..Variant::plain(&LAYER, PictureKind::Rgb)
        },
        input: cx.blank,
        sampling: Sampling::Nearest,
        uniform: LayerUniform::filling(*area, size),
        viewport: None,
    };
    let draws: Vec<_> = areas.iter().map(draw).collect();
    cx.draw_onto("cover", target.picture().view(), &draws)?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::context::{AdapterChoice, GpuContext};
    use crate::gpu::pass::{Pipelines, Quality, Uniforms, buffer_size, copy_to_buffer};
    use crate::gpu::readback::ReadbackRing;
    use crate::gpu::texture::TexturePool;
    use crate::media::video::Resolution;

    const SIZE: Resolution = Resolution::new(64, 32);

    #[test]
    fn the_part_is_covered_and_nothing_else() {
        let gpu = match GpuContext::headless(AdapterChoice::Software) {
            Ok(gpu) => gpu,
            Err(_) if std::env::var_os("CI").is_none() => return,
            Err(error) => panic!("{error}"),
        };
        let mut pool = TexturePool::new(&gpu);
        let mut uniforms = Uniforms::new(&gpu);
        uniforms.begin(8);
        let mut pipelines = Pipelines::new(&gpu, &pool, &uniforms);
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = gpu.device.create_command_encoder(&descriptor);
        let upload = |pool: &mut TexturePool, size: Resolution, rgba: [u8; 4]| {
            let frame = crate::media::video::VideoFrame {
                pts: crate::media::time::MediaTime::ZERO,
                source: crate::media::SourceId(1),
                seq: 0,
                resolution: size,
                data: crate::media::video::FrameData::Bgra(crate::media::video::Plane {
                    data: rgba.repeat((size.width * size.height) as usize).into(),
                    stride: size.width as usize * 4,
                }),
                color: crate::media::video::ColorSpec::default(),
            };
            crate::gpu::upload::upload(&gpu, pool, &frame).unwrap()
        };
        let white = upload(&mut pool, SIZE, [255; 4]);
        let blank = upload(&mut pool, Resolution::new(1, 1), [43, 43, 43, 255]);
        let mut passes = 0;
        let mut cx = PassContext {
            encoder: &mut encoder,
            pool: &mut pool,
            pipelines: &mut pipelines,
            uniforms: &mut uniforms,
            passes: &mut passes,
            timer: None,
            quality: Quality::Full,
            blank: &blank,
            table: None,
            dry: None,
        };
        let done = cover(&mut cx, white, &[[16.0, 8.0, 40.0, 24.0]]);
        uniforms.flush();
        let mut ring = ReadbackRing::with_buffers(&gpu.device, "test", buffer_size(SIZE), 1);
        let buffer = ring.begin().unwrap();
        copy_to_buffer(&mut encoder, &done.picture().planes()[0], &buffer);
        gpu.queue.submit([encoder.finish()]);
        ring.submitted(buffer, ());
        let data = loop {
            if let Some(back) = ring.poll() {
                break back.data.unwrap();
            }
            std::thread::yield_now();
        };
        for (n, pixel) in data.as_chunks::<4>().0.iter().enumerate() {
            let (x, y) = (n % 64, n / 64);
            let inside = (16..40).contains(&x) && (8..24).contains(&y);
            let want = if inside { [43, 43, 43, 255] } else { [255; 4] };
            assert_eq!(*pixel, want, "{x}, {y}");
        }
    }
}
