// Beauty, step 1 of 4: the picture at working size, every pixel of it averaged, and in alpha whether it is skin.
// Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyShrinkUniform {
    // One texel of the working picture in uv (xy); samples along each side of it (z).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyShrinkUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let count = u32(settings.step.z);
    let apart = settings.step.xy / settings.step.z;
    let first = vertex.uv - settings.step.xy * 0.5 + apart * 0.5;
    var sum = vec3f(0.0);
    for (var y = 0u; y < count; y++) {
        for (var x = 0u; x < count; x++) {
            sum += picture_at(first + vec2f(f32(x), f32(y)) * apart).rgb;
        }
    }
    let rgb = clamp(sum / f32(count * count), vec3f(0.0), vec3f(1.0));
    return vec4f(rgb, skin_probability(rgb));
}
