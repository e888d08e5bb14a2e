//! Compiled passes: which variant of a shader a pass needs, and the pipelines, compiled at first use or beside the render
//! thread (thread `pipelines`, only while there is something to compile), so that a tick does not wait for a driver.
//! Render thread.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use parking_lot::Mutex;

use super::context::GpuContext;
use super::pass::Uniforms;
use super::shader::{ShaderCache, ShaderSource};
use super::texture::{PictureKind, TexturePool};
use super::{PassError, ready};
use crate::stage::{self, StopFlag};

/// A pass as it must be compiled.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its shader.
    pub shader: &'static ShaderSource,
    /// Its fragment entry point.
    pub fragment: &'static str,
    /// Layout of the picture that it reads.
    pub kind: PictureKind,
    /// Samples per direction and output pixel: 1 or 2.
    pub taps: u8,
    /// A boolean constant of the shader that is set.
    pub option: Option<&'static str>,
    /// Per-pixel steps at its end, where it has any.
    pub points: PointKinds,
    /// Draws over what is there (premultiplied alpha), as a strip of four vertices.
    pub layer: Option<Blend>,
}

/// What a layer does to what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blend {
    /// Replaces it.
    Replace,
    /// Premultiplied alpha over it.
    Over,
    /// Premultiplied: darkens it.
    Multiply,
    /// Premultiplied: lightens it.
    Screen,
    /// Premultiplied: adds to it.
    Add,
}

impl Blend {
    /// With s and d premultiplied colours above and below, a the alpha above: what the fixed stage computes.
    const fn state(self) -> Option<wgpu::BlendState> {
        use wgpu::BlendFactor as F;
        let (src_factor, dst_factor) = match self {
            Self::Replace => return None,
            Self::Over => return Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
            Self::Multiply => (F::Dst, F::OneMinusSrcAlpha), // s d + (1 - a) d
            Self::Screen => (F::One, F::OneMinusSrc),        // s + (1 - s) d
            Self::Add => (F::One, F::One),                   // s + d
        };
        let operation = wgpu::BlendOperation::Add;
        Some(wgpu::BlendState {
            color: wgpu::BlendComponent {
                src_factor,
                dst_factor,
                operation,
            },
            // what is below stays as opaque as it is
            alpha: wgpu::BlendComponent {
                src_factor: F::Zero,
                dst_factor: F::One,
                operation,
            },
        })
    }
}

impl Variant {
    /// A pass over the whole target that reads one sample per pixel.
    pub fn plain(shader: &'static ShaderSource, kind: PictureKind) -> Self {
        Self {
            shader,
            fragment: shader.fragments[0],
            kind,
            taps: 1,
            option: None,
            points: [0; 8],
            layer: None,
        }
    }

    fn key(&self) -> Key {
        let Self {
            shader,
            fragment,
            kind,
            taps,
            option,
            points,
            layer,
        } = *self;
        (shader.name, fragment, kind, taps, option, points, layer)
    }
}

type Key = (
    &'static str,
    &'static str,
    PictureKind,
    u8,
    Option<&'static str>,
    PointKinds,
    Option<Blend>,
);

/// Kinds of the per-pixel steps at the end of a pass, 0 for none: the constants `POINT_STEP_0` to `POINT_STEP_7` of
/// `shaders/common/point.wgsl`.
pub type PointKinds = [u8; 8];

const POINT_STEPS: [&str; 8] = [
    "POINT_STEP_0",
    "POINT_STEP_1",
    "POINT_STEP_2",
    "POINT_STEP_3",
    "POINT_STEP_4",
    "POINT_STEP_5",
    "POINT_STEP_6",
    "POINT_STEP_7",
];

/// Compiled pipelines; all draw into `Rgba8Unorm`.
#[derive(Debug)]
pub struct Pipelines {
    compiler: Arc<Compiler>,
    /// Also what the driver refused: it would refuse it again.
    known: HashMap<Key, Result<wgpu::RenderPipeline, PassError>>,
    beside: Option<Beside>,
}

/// The thread that compiles, and what it is at.
#[derive(Debug)]
struct Beside {
    /// From the render thread; bound 64; when full it is asked again in the next tick. Its end ends the thread.
    wanted: Sender<Variant>,
    /// To the render thread; bound 64; when full the thread waits.
    done: Receiver<(Key, Result<wgpu::RenderPipeline, PassError>)>,
    under_way: HashSet<Key>,
}

impl Pipelines {
    /// None compiled yet.
    pub fn new(gpu: &GpuContext, pool: &TexturePool, uniforms: &Uniforms) -> Self {
        let (picture, numbers) = (Some(pool.layout()), Some(uniforms.layout()));
        let layout = |groups: &[Option<&wgpu::BindGroupLayout>]| {
            gpu.device
                .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some("passes"),
                    bind_group_layouts: groups,
                    immediate_size: 0,
                })
        };
        let layouts = [
            layout(&[picture, numbers]),
            layout(&[picture, numbers, picture]),
            layout(&[picture, numbers, picture, picture]),
        ];
        Self {
            compiler: Arc::new(Compiler {
                device: gpu.device.clone(),
                layouts,
                shaders: Mutex::default(),
            }),
            known: HashMap::new(),
            beside: None,
        }
    }

    /// The pipeline of `variant`, compiled now if it is not known (some milliseconds).
    pub fn get(&mut self, variant: &Variant) -> Result<&wgpu::RenderPipeline, PassError> {
        let compiler = &self.compiler;
        let known = self.known.entry(variant.key());
        let pipeline = known.or_insert_with(|| compiler.compile(variant));
        pipeline.as_ref().map_err(PassError::clone)
    }

    /// All of `variants` are compiled, or refused: [`get`](Self::get) does not wait for them. What is not is compiled
    /// beside.
    pub fn prepare(&mut self, variants: &[Variant]) -> bool {
        self.take_finished();
        let missing = variants
            .iter()
            .filter(|v| !self.known.contains_key(&v.key()));
        let missing: Vec<Variant> = missing.copied().collect();
        if missing.is_empty() {
            if self.beside.as_ref().is_some_and(|b| b.under_way.is_empty()) {
                self.beside = None; // the thread ends
            }
            return true;
        }
        if self.beside.is_none() {
            self.beside = Beside::start(&self.compiler);
        }
        match &mut self.beside {
            Some(beside) => {
                missing.iter().for_each(|variant| beside.ask(variant));
                false
            }
            // no thread to be had: as they are used, then
            None => true,
        }
    }

    fn take_finished(&mut self) {
        let Some(beside) = &mut self.beside else {
            return;
        };
        loop {
            match beside.done.try_recv() {
                Ok((key, result)) => {
                    beside.under_way.remove(&key);
                    self.known.entry(key).or_insert(result);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.beside = None; // it broke: the next request starts another one
                    return;
                }
            }
        }
    }
}

impl Beside {
    fn start(compiler: &Arc<Compiler>) -> Option<Self> {
        let (wanted, requests) = bounded::<Variant>(64);
        let (finished, done) = bounded(64);
        let compiler = Arc::clone(compiler);
        let run = move |(), _: &StopFlag| {
            for variant in requests {
                let pipeline = compiler.compile(&variant);
                if finished.send((variant.key(), pipeline)).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let init = || Ok::<(), std::convert::Infallible>(());
        let started = stage::spawn("pipelines", &StopFlag::new(), init, run, |_| {});
        started
            .inspect_err(|error| tracing::warn!(%error, "filters are compiled as they are used"))
            .ok()?;
        Some(Self {
            wanted,
            done,
            under_way: HashSet::new(),
        })
    }

    fn ask(&mut self, variant: &Variant) {
        let key = variant.key();
        if !self.under_way.contains(&key) && self.wanted.try_send(*variant).is_ok() {
            self.under_way.insert(key);
        }
    }
}

/// Makes pipelines; any thread.
#[derive(Debug)]
struct Compiler {
    device: wgpu::Device,
    /// By the number of extra pictures; the last one with a colour table, too.
    layouts: [wgpu::PipelineLayout; 3],
    shaders: Mutex<ShaderCache>,
}

impl Compiler {
    fn compile(&self, variant: &Variant) -> Result<wgpu::RenderPipeline, PassError> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let pipeline = self.create(variant);
        match ready(scope.pop()) {
            Some(None) => Ok(pipeline),
            error => Err(PassError::Pipeline {
                name: format!("{}:{}", variant.shader.name, variant.fragment),
                reason: error
                    .flatten()
                    .map_or_else(|| "no answer".to_owned(), |e| e.to_string()),
            }),
        }
    }

    fn create(&self, variant: &Variant) -> wgpu::RenderPipeline {
        let mut constants = vec![
            ("PICTURE_KIND", f64::from(variant.kind as u8)),
            ("PICTURE_TAPS", f64::from(variant.taps)),
        ];
        constants.extend(variant.option.map(|name| (name, 1.0)));
        let steps = POINT_STEPS.into_iter().zip(variant.points);
        constants.extend(
            steps
                .filter(|(_, k)| *k > 0)
                .map(|(n, k)| (n, f64::from(k))),
        );
        let layout = if variant.shader.has_table() {
            &self.layouts[2]
        } else {
            &self.layouts[variant.shader.extras.min(1) as usize]
        };
        let module = &self.shaders.lock().get(&self.device, variant.shader);
        let options = wgpu::PipelineCompilationOptions {
            constants: &constants,
            ..wgpu::PipelineCompilationOptions::default()
        };
        let blend = variant.layer.and_then(Blend::state);
        self.device
            .create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(variant.shader.name),
                layout: Some(layout),
                vertex: wgpu::VertexState {
                    module,
                    entry_point: Some(variant.shader.vertex),
                    compilation_options: options.clone(),
                    buffers: &[],
                },
                primitive: wgpu::PrimitiveState {
                    topology: if variant.layer.is_some() {
                        wgpu::PrimitiveTopology::TriangleStrip
                    } else {
                        wgpu::PrimitiveTopology::TriangleList
                    },
                    ..wgpu::PrimitiveState::default()
                },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module,
                    entry_point: Some(variant.fragment),
                    compilation_options: options,
                    targets: &[Some(wgpu::ColorTargetState {
                        format: wgpu::TextureFormat::Rgba8Unorm,
                        blend,
                        write_mask: wgpu::ColorWrites::ALL,
                    })],
                }),
                multiview_mask: None,
                cache: None,
            })
    }
}
