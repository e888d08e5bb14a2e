//! How long passes take on the GPU: timestamps around each, where the adapter has them, read back without waiting. One
//! measurement is under way at a time, so that nothing is measured while the last is not back. Render thread.

use super::context::GpuContext;
use super::readback::{Readback, ReadbackRing};

/// Time of the passes of one name in a picture.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PassTime {
    /// Shader or label of the pass.
    pub name: &'static str,
    /// Milliseconds on the GPU.
    pub ms: f32,
}

/// Timestamps around passes.
#[derive(Debug)]
pub struct PassTimer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    ring: ReadbackRing<Vec<&'static str>>,
    /// Passes of the picture that is being recorded.
    names: Vec<&'static str>,
    buffer: Option<wgpu::Buffer>,
    /// Nanoseconds of a tick.
    period: f32,
}

impl PassTimer {
    /// Most passes that are measured of one picture; further ones are not.
    const MOST: u32 = 64;

    /// `None` where the adapter has no timestamps.
    pub fn new(gpu: &GpuContext) -> Option<Self> {
        let device = &gpu.device;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let size = u64::from(Self::MOST) * 2 * 8;
        Some(Self {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("pass times"),
                ty: wgpu::QueryType::Timestamp,
                count: Self::MOST * 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("pass times"),
                size,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            ring: ReadbackRing::with_buffers(device, "pass times", size, 1),
            names: Vec::new(),
            buffer: None,
            period: gpu.queue.get_timestamp_period(),
        })
    }

    /// A picture's passes are measured from now on, unless the last measurement is not back.
    pub fn begin(&mut self) {
        self.names.clear();
        if self.ring.in_flight() == 0 {
            self.buffer = self.ring.begin();
        }
    }

    /// Where the next pass writes its times.
    pub fn pass(&mut self, name: &'static str) -> Option<wgpu::RenderPassTimestampWrites<'_>> {
        let at = u32::try_from(self.names.len()).ok()?;
        if self.buffer.is_none() || at >= Self::MOST {
            return None;
        }
        self.names.push(name);
        Some(wgpu::RenderPassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(at * 2),
            end_of_pass_write_index: Some(at * 2 + 1),
        })
    }

    /// The picture's passes are recorded: fetches their times.
    pub fn end(&self, encoder: &mut wgpu::CommandEncoder) {
        let count = u32::try_from(self.names.len()).unwrap_or(0) * 2;
        if let Some(buffer) = self.buffer.as_ref().filter(|_| count > 0) {
            encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, buffer, 0, u64::from(count) * 8);
        }
    }

    /// The picture was submitted.
    pub fn submitted(&mut self) {
        let Some(buffer) = self.buffer.take() else {
            return;
        };
        if self.names.is_empty() {
            self.ring.cancel(buffer);
        } else {
            self.ring.submitted(buffer, std::mem::take(&mut self.names));
        }
    }

    /// The times of a picture, once they are back; the passes of one name added up, in order of their first.
    pub fn poll(&mut self) -> Option<Vec<PassTime>> {
        if self.ring.in_flight() == 0 {
            return None;
        }
        let Readback { data, tag } = self.ring.poll()?;
        Some(add_up(&data?, &tag, self.period))
    }
}

fn add_up(data: &[u8], names: &[&'static str], period: f32) -> Vec<PassTime> {
    let mut times: Vec<PassTime> = Vec::new();
    for (pair, name) in data.as_chunks::<16>().0.iter().zip(names) {
        let [from, to] =
            [&pair[..8], &pair[8..]].map(|b| b.try_into().map_or(0, u64::from_le_bytes));
        #[expect(clippy::cast_precision_loss, reason = "a display figure")]
        let ms = to.saturating_sub(from) as f32 * period / 1e6;
        match times.iter_mut().find(|t| t.name == *name) {
            Some(time) => time.ms += ms,
            None => times.push(PassTime { name, ms }),
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_one_name_add_up() {
        let stamps: [u64; 6] = [0, 1_000_000, 5_000_000, 5_500_000, 9, 3];
        let data: Vec<u8> = stamps.iter().flat_map(|s| s.to_le_bytes()).collect();
        let times = add_up(&data, &["a", "b", "a"], 2.0);
        let time = |name, ms| PassTime { name, ms };
        assert_eq!(times, [time("a", 2.0), time("b", 1.0)]);
        assert_eq!(add_up(&data[..20], &["a", "b", "a"], 1.0).len(), 1);
    }
}
