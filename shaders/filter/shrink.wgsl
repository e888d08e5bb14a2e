// A smaller picture, every pixel of it the mean of those it stands for. Prepended: fullscreen, picture.
// Entry points: fs_fullscreen, fs.

struct ShrinkUniform {
    // One texel of the smaller picture in uv (xy); samples along each side of it (z).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: ShrinkUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let count = u32(settings.step.z);
    let apart = settings.step.xy / settings.step.z;
    let first = vertex.uv - settings.step.xy * 0.5 + apart * 0.5;
    var sum = vec4f(0.0);
    for (var y = 0u; y < count; y++) {
        for (var x = 0u; x < count; x++) {
            let color = clamp(picture_at(first + vec2f(f32(x), f32(y)) * apart), vec4f(0.0), vec4f(1.0));
            // colours of what cannot be seen do not count
            sum += vec4f(color.rgb * color.a, color.a);
        }
    }
    return vec4f(sum.rgb / max(sum.a, 0.0001), sum.a / f32(count * count));
}
