// Brightness, contrast, saturation, gamma. Prepended: fullscreen, picture, color. Entry points: fs_fullscreen, fs.

// Gamma is not 1; a power costs as much as all the rest on a processor.
override COLOR_GAMMA: bool = false;

struct ColorUniform {
    // Added to each channel.
    brightness: f32,
    // Factor about mid grey.
    contrast: f32,
    // 0 grey, 1 unchanged.
    saturation: f32,
    // 1 / gamma.
    exponent: f32,
}

@group(1) @binding(0) var<uniform> settings: ColorUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let source = picture_at(vertex.uv);
    var rgb = (source.rgb - 0.5) * settings.contrast + 0.5 + settings.brightness;
    rgb = mix(vec3f(color_luma(rgb)), rgb, settings.saturation);
    rgb = clamp(rgb, vec3f(0.0), vec3f(1.0));
    if COLOR_GAMMA {
        rgb = pow(rgb, vec3f(settings.exponent));
    }
    return vec4f(rgb, source.a);
}
