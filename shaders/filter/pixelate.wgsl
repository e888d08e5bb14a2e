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
    // outside the part a square is a pixel: the same reads for all, since software adapters run both ways anyway
    let size = vec2f(textureDimensions(picture_plane0)) * picture.plane_scale.xy;
    let square = max(settings.square.xy * size, vec2f(1.0));
    let corner = settings.area.xy * size;
    let first = corner + floor((vertex.position.xy - corner) / square) * square;
    let start = select(vertex.position.xy, first + square * 0.25, inside);
    let apart = select(vec2f(0.0), square * 0.5, inside);
    let sum = picture_pixel(vec2i(start)) + picture_pixel(vec2i(start + vec2f(apart.x, 0.0)))
        + picture_pixel(vec2i(start + vec2f(0.0, apart.y))) + picture_pixel(vec2i(start + apart));
    return clamp(sum * 0.25, vec4f(0.0), vec4f(1.0));
}
