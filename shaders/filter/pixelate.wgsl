// Squares of one colour over a part of the picture, so that nobody can read what is there.
// Prepended: fullscreen, picture. Entry points: fs_fullscreen, fs.

struct PixelateUniform {
    // The part, in uv: left, top, right, bottom.
    area: vec4f,
    // Size of a square in uv (xy).
    square: vec4f,
}

@group(1) @binding(0) var<uniform> settings: PixelateUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let uv = vertex.uv;
    let inside = all(uv >= settings.area.xy) && all(uv < settings.area.zw);
    if !inside {
        return clamp(picture_at(uv), vec4f(0.0), vec4f(1.0));
    }
    let first = settings.area.xy + floor((uv - settings.area.xy) / settings.square.xy) * settings.square.xy;
    var sum = vec4f(0.0);
    for (var y = 0; y < 4; y++) {
        for (var x = 0; x < 4; x++) {
            let at = first + (vec2f(f32(x), f32(y)) + 0.5) * 0.25 * settings.square.xy;
            sum += picture_at(min(at, vec2f(1.0)));
        }
    }
    return clamp(sum / 16.0, vec4f(0.0), vec4f(1.0));
}
