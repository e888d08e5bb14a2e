// Vertex stage of passes that cover their whole target: one triangle, `uv` from (0, 0) top left to (1, 1) bottom right.
// Prepended to: filters. Entry point: fs_fullscreen.

struct FsVertex {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
}

@vertex
fn fs_fullscreen(@builtin(vertex_index) index: u32) -> FsVertex {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return FsVertex(vec4f(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0), corner);
}
