// A smaller picture, every pixel of it the mean of those it stands for. Prepended: fullscreen, picture.
// Entry points: fs_fullscreen, fs.

struct ShrinkUniform {
    // Pixels of the picture for one of the smaller picture, each way (xy).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: ShrinkUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = floor(vertex.position.xy);
    let low = vec2i(round(at * vertex.n0.xy));
    let high = max(vec2i(round((at + 1.0) * vertex.n0.xy)), low + 1);
    var sum = vec4f(0.0);
    for (var y = low.y; y < high.y; y++) {
        for (var x = low.x; x < high.x; x++) {
            let color = clamp(picture_pixel(vec2i(x, y)), vec4f(0.0), vec4f(1.0));
            // colours of what cannot be seen do not count
            sum += vec4f(color.rgb * color.a, color.a);
        }
    }
    let count = (high - low).x * (high - low).y;
    return vec4f(sum.rgb / max(sum.a, 0.0001), sum.a / f32(count));
}
