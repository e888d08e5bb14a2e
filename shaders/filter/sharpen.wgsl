// Unsharp mask on luma, then per-pixel steps. Prepended: fullscreen, picture, color, point.
// Entry points: fs_fullscreen, fs.

struct SharpenUniform {
    // Distance of samples in pixels (x), strength (z), most that a pixel may change (w).
    step: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: SharpenUniform;
const POINT_ROWS = 2;

fn luma_at(at: vec2i) -> f32 {
    return color_luma(picture_pixel(at).rgb);
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let step = vertex.n0;
    let at = vec2i(vertex.position.xy);
    let d = i32(step.x);
    let source = picture_pixel(at);
    let around = luma_at(at + vec2i(d, 0)) + luma_at(at - vec2i(d, 0)) + luma_at(at + vec2i(0, d))
        + luma_at(at - vec2i(0, d));
    let detail = (color_luma(source.rgb) - around * 0.25) * step.z;
    let rgb = source.rgb + clamp(detail, -step.w, step.w);
    return point_apply(vec4f(clamp(rgb, vec3f(0.0), vec3f(1.0)), source.a), vertex);
}
