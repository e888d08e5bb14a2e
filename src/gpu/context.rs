//! Device and queue.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    #[error(
        "no graphics adapter was found, not even a software one: install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers)"
    )]
    NoAdapter,
}
/// Device and queue, given to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuContext {
    pub adapter_info: wgpu::AdapterInfo,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// A window uses the same device.
    pub shared: bool,
}
/// Which adapter a headless engine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The fastest one, software when there is no other.
    #[default]
    Best,
    /// Software; tests use it so that results do not depend on the machine.
    Software,
}
impl GpuContext {
    /// A device of its own, for running without a window.
    pub fn headless(_choice: AdapterChoice) -> Result<Self, GpuError> {
        Err(GpuError::NoAdapter)
    }
}
