//! Device and queue: choosing an adapter, opening it (without a window), and hearing of its loss.
//!
//! A window opens its device through eframe with [`select_adapter`] and [`device_descriptor`], so that limits and
//! features are the same with a window and without.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ready;
use super::share::WindowShare;

/// Why there is no graphics device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// No adapter at all, or no software one where that was asked for.
    #[error(
        "no graphics adapter was found, not even a software one: install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers)"
    )]
    NoAdapter,
    /// The adapter is there and would not open.
    #[error(
        "graphics adapter {name} could not be opened: update its driver, or choose another adapter"
    )]
    Device {
        /// The adapter, in words.
        name: String,
        /// wgpu's reason.
        #[source]
        source: wgpu::RequestDeviceError,
    },
}

/// Called once when the device is lost or broken, with the reason in words; from any thread, must not block.
pub type LostListener = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Default)]
struct Health {
    lost: Mutex<Option<String>>,
    listener: Mutex<Option<LostListener>>,
}

impl Health {
    fn fail(&self, reason: String) {
        let first = {
            let mut lost = self.lost.lock();
            let first = lost.is_none();
            lost.get_or_insert_with(|| reason.clone());
            first
        };
        if !first {
            return;
        }
        tracing::error!(reason, "graphics device lost");
        let listener = self.listener.lock().clone();
        if let Some(listener) = listener {
            listener(reason);
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Health(lost={:?})", self.lost.lock())
    }
}

/// Device and queue, given to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuContext {
    /// Name, kind and backend of the adapter.
    pub adapter_info: wgpu::AdapterInfo,
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// A window uses the same device.
    pub shared: bool,
    /// Order between the window's paints and our submissions.
    pub share: Arc<WindowShare>,
    health: Arc<Health>,
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
    /// Takes a device that somebody opened with [`device_descriptor`], and watches it for loss and errors. Call once per
    /// device: the hooks replace earlier ones. A `shared` one belongs to a window that draws on the calling thread.
    pub fn new(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        shared: bool,
    ) -> Self {
        let health = Arc::new(Health::default());
        let on_lost = Arc::clone(&health);
        device.set_device_lost_callback(move |_, message| {
            on_lost.fail(format!("the graphics device was lost ({message})"));
        });
        let on_error = Arc::clone(&health);
        // Errors are told on the thread that made the call. The window's own must not end the stream: reconfiguring its
        // surface fails whenever another thread submits meanwhile (wgpu-core 30, `Device::configure_surface`), and the
        // window tries again with its next picture.
        let window = shared.then(|| std::thread::current().id());
        let share = Arc::new(WindowShare::default());
        let on_window_error = Arc::clone(&share);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if window == Some(std::thread::current().id()) {
                tracing::debug!(%error, "a graphics call of the window failed");
                on_window_error.count_failure();
                return;
            }
            on_error.fail(match error {
                wgpu::Error::OutOfMemory { .. } => {
                    "the graphics adapter ran out of memory".to_owned()
                }
                wgpu::Error::Validation { description, .. }
                | wgpu::Error::Internal { description, .. } => {
                    format!("a graphics call failed ({description})")
                }
            });
        }));
        Self {
            adapter_info: adapter.get_info(),
            device,
            queue,
            shared,
            share,
            health,
        }
    }

    /// A device of its own, for running without a window.
    pub fn headless(choice: AdapterChoice) -> Result<Self, GpuError> {
        // GL is only looked at when nothing better is there: loading it costs start-up time and memory
        let stages = match wgpu::Backends::from_env() {
            Some(wanted) => vec![wanted],
            None => vec![wgpu::Backends::PRIMARY, wgpu::Backends::GL],
        };
        for backends in stages {
            let instance = wgpu::Instance::new(instance_descriptor(backends));
            let mut adapters = ready(instance.enumerate_adapters(backends)).unwrap_or_default();
            if choice == AdapterChoice::Software {
                adapters.retain(|a| a.get_info().device_type == wgpu::DeviceType::Cpu);
            }
            if let Ok(adapter) = select_adapter(&adapters, None) {
                return Self::open(&adapter);
            }
        }
        Err(GpuError::NoAdapter)
    }

    fn open(adapter: &wgpu::Adapter) -> Result<Self, GpuError> {
        let (device, queue) = match ready(adapter.request_device(&device_descriptor(adapter))) {
            Some(Ok(opened)) => opened,
            Some(Err(source)) => {
                return Err(GpuError::Device {
                    name: name_in_words(&adapter.get_info()),
                    source,
                });
            }
            None => return Err(GpuError::NoAdapter),
        };
        Ok(Self::new(adapter, device, queue, false))
    }

    /// Sets who hears of the loss of the device (one listener; `None` removes it). Called at once if it is lost already.
    pub fn on_lost(&self, listener: Option<LostListener>) {
        self.health.listener.lock().clone_from(&listener);
        if let (Some(listener), Some(reason)) = (listener, self.lost()) {
            listener(reason);
        }
    }

    /// Why the device cannot be used any more; `None` while it is well.
    pub fn lost(&self) -> Option<String> {
        self.health.lost.lock().clone()
    }

    /// Somebody noticed that the device is gone before its own callback said so. Returns the reason, the first one told.
    pub(crate) fn report_lost(&self) -> String {
        self.health.fail("the graphics device was lost".to_owned());
        self.lost().unwrap_or_default()
    }

    /// The adapter computes on the processor: every pass costs processor time.
    pub fn is_software(&self) -> bool {
        self.adapter_info.device_type == wgpu::DeviceType::Cpu
    }

    /// The adapter in words, as "llvmpipe (software, Vulkan)".
    pub fn adapter_name(&self) -> String {
        name_in_words(&self.adapter_info)
    }

    /// Largest side of a picture, in pixels.
    pub fn max_side(&self) -> u32 {
        self.device.limits().max_texture_dimension_2d
    }
}

fn name_in_words(info: &wgpu::AdapterInfo) -> String {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "graphics card, ",
        wgpu::DeviceType::IntegratedGpu => "built-in graphics, ",
        wgpu::DeviceType::VirtualGpu => "virtual, ",
        wgpu::DeviceType::Cpu => "software, ",
        wgpu::DeviceType::Other => "",
    };
    let backend = match info.backend {
        wgpu::Backend::Vulkan => "Vulkan",
        wgpu::Backend::Metal => "Metal",
        wgpu::Backend::Dx12 => "DirectX 12",
        wgpu::Backend::Gl => "OpenGL",
        wgpu::Backend::BrowserWebGpu => "WebGPU",
        wgpu::Backend::Noop => "none",
    };
    // drivers put versions in brackets behind the name
    let name = info.name.split('(').next().unwrap_or_default().trim();
    let name = if name.is_empty() {
        "unnamed adapter"
    } else {
        name
    };
    format!("{name} ({kind}{backend})")
}

/// How an instance is made, with a window and without. `WGPU_*` variables are respected.
pub fn instance_descriptor(backends: wgpu::Backends) -> wgpu::InstanceDescriptor {
    wgpu::InstanceDescriptor {
        backends,
        flags: wgpu::InstanceFlags::from_build_config().with_env(),
        backend_options: wgpu::BackendOptions::from_env_or_default(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    }
}

/// The best adapter of `adapters` that can show on `surface` (any, without one). Fits eframe's adapter selector.
pub fn select_adapter(
    adapters: &[wgpu::Adapter],
    surface: Option<&wgpu::Surface<'_>>,
) -> Result<wgpu::Adapter, String> {
    adapters
        .iter()
        .filter(|a| surface.is_none_or(|s| a.is_surface_supported(s)))
        .min_by_key(|a| {
            let info = a.get_info();
            (kind_rank(info.device_type), backend_rank(info.backend))
        })
        .cloned()
        .ok_or_else(|| GpuError::NoAdapter.to_string())
}

const fn kind_rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

const fn backend_rank(backend: wgpu::Backend) -> u8 {
    match backend {
        wgpu::Backend::Metal => 0,
        wgpu::Backend::Vulkan => 1,
        wgpu::Backend::Dx12 => 2,
        wgpu::Backend::Gl | wgpu::Backend::BrowserWebGpu | wgpu::Backend::Noop => 3,
    }
}

/// What the device must offer: the least that any GPU of the last ten years has, and the adapter's own texture size;
/// timestamps where there are any. Fits eframe's device descriptor.
pub fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    let base = match adapter.get_info().backend {
        wgpu::Backend::Gl => wgpu::Limits::downlevel_webgl2_defaults(),
        _ => wgpu::Limits::downlevel_defaults(),
    };
    wgpu::DeviceDescriptor {
        label: Some("kaibo"),
        required_limits: base.using_resolution(adapter.limits()),
        // only for figures: without them nothing but the times of passes is missing
        required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
        // few, pooled allocations: small blocks cost nothing and keep the program small
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..wgpu::DeviceDescriptor::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_once_with_its_first_reason() {
        let health = Health::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        *health.listener.lock() = Some(Arc::new(move |reason| sink.lock().push(reason)));
        health.fail("first".to_owned());
        health.fail("second".to_owned());
        assert_eq!(*heard.lock(), ["first"]);
        assert_eq!(health.lost.lock().as_deref(), Some("first"));
    }
}
