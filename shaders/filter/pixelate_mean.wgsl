// One pixel for each square: the mean of all pixels in it, so that nothing of what was there can be read from it.
// Prepended: fullscreen, picture. Entry points: fs_fullscreen, fs.

struct PixelateUniform {
    // The part, in pixels: left, top, right, bottom.
    area: vec4f,
    // Pixels of a square each way (x); size of the picture (zw).
    square: vec4f,
}

@group(1) @binding(0) var<uniform> settings: PixelateUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let area = vertex.n0;
    let square = vertex.n1;
    let side = i32(square.x);
    let first = vec2i(area.xy) + vec2i(floor(vertex.position.xy)) * side;
    // whole squares only, moved inwards at the picture's edge: a narrow rest would be the mean of too little
    let low = max(min(first, vec2i(square.zw) - side), vec2i(0));
    let high = min(low + side, vec2i(square.zw));
    var sum = vec4f(0.0);
    for (var y = low.y; y < high.y; y++) {
        var row = vec4f(0.0);
        for (var x = low.x; x < high.x; x++) {
            let color = clamp(picture_pixel(vec2i(x, y)), vec4f(0.0), vec4f(1.0));
            // colours of what cannot be seen do not count
            row += vec4f(color.rgb * color.a, color.a);
        }
        sum += row;
    }
    let count = (high - low).x * (high - low).y;
    return vec4f(sum.rgb / max(sum.a, 0.0001), sum.a / f32(count));
}
