//! The table of all WGSL, embedded in the program, and the cache of compiled modules.
//!
//! A module's text is its common files followed by its own, plainly concatenated: no preprocessor. Variants of a pass
//! are pipeline constants (`override`), never other texts. `tests/shaders.rs` checks the table against the folder and
//! each entry with naga.

use std::collections::HashMap;

/// One file that others share.
#[derive(Debug)]
pub struct CommonSource {
    /// Path below `shaders/`, without `.wgsl`.
    pub name: &'static str,
    /// Its text.
    pub code: &'static str,
}

/// One pass.
#[derive(Debug)]
pub struct ShaderSource {
    /// Path below `shaders/`, without `.wgsl`.
    pub name: &'static str,
    /// Common files that go before it, in order.
    pub prepend: &'static [&'static CommonSource],
    /// Its own text.
    pub code: &'static str,
    /// Its vertex entry point.
    pub vertex: &'static str,
    /// Its fragment entry points.
    pub fragments: &'static [&'static str],
    /// Name of the struct bound at group 1, binding 0.
    pub uniform: &'static str,
    /// Pictures it reads besides, at group 2: 0 or 1.
    pub extras: u32,
}

impl ShaderSource {
    /// It runs per-pixel steps at its end, for which a colour table is bound at group 3.
    pub fn has_table(&self) -> bool {
        self.prepend.iter().any(|common| common.name == TABLE.name)
    }

    /// The whole text of the module.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for common in self.prepend {
            text.push_str(common.code);
            text.push('\n');
        }
        text.push_str(self.code);
        text
    }
}

macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/shaders/",
            $name,
            ".wgsl"
        ))
    };
}

macro_rules! common {
    ($id:ident, $name:literal) => {
        static $id: CommonSource = CommonSource {
            name: $name,
            code: wgsl!($name),
        };
    };
}

common!(FULLSCREEN, "common/fullscreen");
common!(COLOR, "common/color");
common!(PICTURE, "common/picture");
common!(EXTRA, "common/extra");
common!(POINT, "common/point");
common!(TABLE, "common/table");
common!(SKIN, "common/skin");
common!(EVEN, "common/even");

/// Files that are only ever prepended.
pub static COMMON: &[&CommonSource] = &[
    &FULLSCREEN,
    &COLOR,
    &PICTURE,
    &EXTRA,
    &POINT,
    &TABLE,
    &SKIN,
    &EVEN,
];

/// Places one layer on the composed picture.
pub static LAYER: ShaderSource = ShaderSource {
    name: "compose/layer",
    prepend: &[&PICTURE],
    code: wgsl!("compose/layer"),
    vertex: "vs",
    fragments: &["fs"],
    uniform: "LayerUniform",
    extras: 0,
};

/// Makes the encoder's NV12.
pub static PICTURE_TO_NV12: ShaderSource = ShaderSource {
    name: "convert/picture_to_nv12",
    prepend: &[&PICTURE, &COLOR],
    code: wgsl!("convert/picture_to_nv12"),
    vertex: "vs",
    fragments: &["luma", "chroma"],
    uniform: "Nv12Uniform",
    extras: 0,
};

macro_rules! filter {
    ($(#[$meta:meta])* $id:ident, $name:literal, [$($common:ident),*], [$($fragment:literal),*], $uniform:literal, $extras:literal) => {
        $(#[$meta])*
        pub static $id: ShaderSource = ShaderSource {
            name: $name,
            prepend: &[&FULLSCREEN, &PICTURE, $(&$common),*],
            code: wgsl!($name),
            vertex: "fs_fullscreen",
            fragments: &[$($fragment),*],
            uniform: $uniform,
            extras: $extras,
        };
    };
}

filter!(
    /// Steps that change each pixel by itself.
    FILTER_POINT, "filter/point", [COLOR, TABLE, POINT], ["fs"], "PointUniform", 0
);
filter!(
    /// Beauty: the picture at working size.
    FILTER_BEAUTY_SHRINK, "filter/beauty_shrink", [SKIN], ["fs"], "BeautyShrinkUniform", 0
);
filter!(
    /// Beauty: edge-preserving mean along rows.
    FILTER_BEAUTY_ACROSS, "filter/beauty_across", [SKIN, EVEN], ["fs"], "BeautyAcrossUniform", 0
);
filter!(
    /// Beauty: edge-preserving mean along columns, and edges.
    FILTER_BEAUTY_DOWN, "filter/beauty_down", [COLOR, EXTRA, SKIN, EVEN], ["fs"], "BeautyDownUniform", 1
);
filter!(
    /// Beauty: the pass at full size.
    FILTER_BEAUTY, "filter/beauty", [COLOR, EXTRA, SKIN, TABLE, POINT],
    ["smooth_only", "smooth_tone", "smooth_sharpen", "smooth_tone_sharpen"], "BeautyUniform", 1
);

filter!(
    /// Unsharp mask.
    FILTER_SHARPEN, "filter/sharpen", [COLOR, TABLE, POINT], ["fs"], "SharpenUniform", 0
);
filter!(
    /// A smaller picture.
    FILTER_SHRINK, "filter/blur_shrink", [], ["fs"], "ShrinkUniform", 0
);
filter!(
    /// One direction of a Gaussian blur.
    FILTER_BLUR, "filter/blur", [], ["fs"], "BlurUniform", 0
);
filter!(
    /// A blurred picture at full size, with a sharp oval in it.
    FILTER_BLUR_MIX, "filter/blur_mix", [COLOR, EXTRA, TABLE, POINT], ["fs"], "BlurMixUniform", 1
);
filter!(
    /// One pixel for each square.
    FILTER_PIXELATE_MEAN, "filter/pixelate_mean", [], ["fs"], "PixelateUniform", 0
);
filter!(
    /// Squares of one colour.
    FILTER_PIXELATE, "filter/pixelate", [EXTRA], ["fs"], "PixelateUniform", 1
);

/// Draws the preview in the window.
pub static WINDOW_PREVIEW: CommonSource = CommonSource {
    name: "window/preview",
    code: wgsl!("window/preview"),
};

/// Files that stand alone: no picture pass, with bindings of their own.
pub static STANDALONE: &[&CommonSource] = &[&WINDOW_PREVIEW];

/// Every pass.
pub static ALL: &[&ShaderSource] = &[
    &LAYER,
    &PICTURE_TO_NV12,
    &FILTER_POINT,
    &FILTER_BEAUTY_SHRINK,
    &FILTER_BEAUTY_ACROSS,
    &FILTER_BEAUTY_DOWN,
    &FILTER_BEAUTY,
    &FILTER_SHARPEN,
    &FILTER_SHRINK,
    &FILTER_BLUR,
    &FILTER_BLUR_MIX,
    &FILTER_PIXELATE_MEAN,
    &FILTER_PIXELATE,
];

/// Compiled modules, by name. One per device.
#[derive(Debug, Default)]
pub struct ShaderCache {
    modules: HashMap<&'static str, wgpu::ShaderModule>,
}

impl ShaderCache {
    /// The module of `source`, compiled at first use. Errors surface in the error scope around the pipeline.
    pub fn get(&mut self, device: &wgpu::Device, source: &ShaderSource) -> wgpu::ShaderModule {
        let module = self.modules.entry(source.name).or_insert_with(|| {
            device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(source.name),
                source: wgpu::ShaderSource::Wgsl(source.text().into()),
            })
        });
        module.clone()
    }
}

/// Size and member offsets of a uniform struct on the Rust side, to be compared with WGSL's.
#[derive(Debug)]
pub struct UniformLayout {
    /// The struct's name, here and in WGSL.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Member names and offsets in bytes, in order.
    pub members: &'static [(&'static str, usize)],
}

/// A struct that goes to a shader as a uniform.
pub trait Uniform: bytemuck::Pod {
    /// Where its members lie.
    const LAYOUT: UniformLayout;
}

/// Declares a uniform struct together with its [`UniformLayout`].
macro_rules! uniform {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$field_meta:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$field_meta])* $field: $ty,)* }

        impl $crate::gpu::shader::Uniform for $name {
            const LAYOUT: $crate::gpu::shader::UniformLayout = $crate::gpu::shader::UniformLayout {
                name: stringify!($name),
                size: size_of::<Self>(),
                members: &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*],
            };
        }
    };
}
pub(crate) use uniform;
