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
    let at = floor(vertex.position.xy);
    let inside = all(at >= settings.area.xy) && all(at < settings.area.zw);
    if inside {
        let square = vec2i(floor((at - settings.area.xy) / settings.square.x));
        return textureLoad(extra_plane, square, 0);
    }
    return clamp(picture_pixel(vec2i(at)), vec4f(0.0), vec4f(1.0));
}
