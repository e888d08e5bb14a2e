// Unsharp mask on luma, then per-pixel steps. Prepended: fullscreen, picture, color, point.
// Entry points: fs_fullscreen, fs.

struct SharpenUniform {
    // Distance of samples in uv (xy), strength (z), most that a pixel may change (w).
    step: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: SharpenUniform;

fn point_lut(rgb: vec3f, strength: f32) -> vec3f {
    return rgb; // a table is never put behind this pass
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let uv = vertex.uv;
    let d = settings.step.xy;
    let source = picture_at(uv);
    let around = picture_at(uv + vec2f(d.x, 0.0)).rgb + picture_at(uv - vec2f(d.x, 0.0)).rgb
        + picture_at(uv + vec2f(0.0, d.y)).rgb + picture_at(uv - vec2f(0.0, d.y)).rgb;
    let detail = color_luma(source.rgb - around * 0.25) * settings.step.z;
    let rgb = source.rgb + clamp(detail, -settings.step.w, settings.step.w);
    return point_apply(vec4f(clamp(rgb, vec3f(0.0), vec3f(1.0)), source.a), uv);
}
