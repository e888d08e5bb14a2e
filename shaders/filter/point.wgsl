// A chain of steps that change each pixel by itself.
// Prepended: fullscreen, picture, color, table, point. Entry points: fs_fullscreen, fs.

struct PointUniform {
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: PointUniform;
const POINT_ROWS = 1;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let source = picture_pixel(vec2i(vertex.position.xy));
    return point_apply(vec4f(clamp(source.rgb, vec3f(0.0), vec3f(1.0)), source.a), vertex);
}
