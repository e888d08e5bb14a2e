// Squares of one colour over a part of the picture, so that nobody can read what is there.
// Prepended: fullscreen, picture, extra (one pixel for each square). Entry points: fs_fullscreen, fs.

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
    let at = floor(vertex.position.xy);
    let inside = all(at >= area.xy) && all(at < area.zw);
    if inside {
        let cell = vec2i(floor((at - area.xy) / square.x));
        return textureLoad(extra_plane, cell, 0);
    }
    return clamp(picture_pixel(vec2i(at)), vec4f(0.0), vec4f(1.0));
}
