// Vertex stage of passes that cover their whole target: one triangle, `uv` from (0, 0) top left to (1, 1) bottom right, and
// the first numbers of the pass's uniform `settings`. A software adapter reads a uniform anew for each pixel and checks its
// bounds, but these once for a triangle: a fifth off the longest passes.
// Prepended to: filters. Entry point: fs_fullscreen.

struct FsVertex {
    @builtin(position) position: vec4f,
    @location(0) uv: vec2f,
    // The first vectors of `settings`.
    @location(1) @interpolate(flat) n0: vec4f,
    @location(2) @interpolate(flat) n1: vec4f,
    @location(3) @interpolate(flat) n2: vec4f,
    @location(4) @interpolate(flat) n3: vec4f,
    @location(5) @interpolate(flat) n4: vec4f,
    @location(6) @interpolate(flat) n5: vec4f,
    @location(7) @interpolate(flat) n6: vec4f,
    @location(8) @interpolate(flat) n7: vec4f,
    @location(9) @interpolate(flat) n8: vec4f,
    @location(10) @interpolate(flat) n9: vec4f,
    @location(11) @interpolate(flat) n10: vec4f,
    @location(12) @interpolate(flat) n11: vec4f,
}

@group(1) @binding(0) var<uniform> fs_numbers: array<vec4f, 12>;

@vertex
fn fs_fullscreen(@builtin(vertex_index) index: u32) -> FsVertex {
    let corner = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return FsVertex(
        vec4f(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0),
        corner,
        fs_numbers[0], fs_numbers[1], fs_numbers[2], fs_numbers[3],
        fs_numbers[4], fs_numbers[5], fs_numbers[6], fs_numbers[7],
        fs_numbers[8], fs_numbers[9], fs_numbers[10], fs_numbers[11],
    );
}

// The same as an array; indices are constants where it is read.
fn fs_vectors(vertex: FsVertex) -> array<vec4f, 12> {
    return array<vec4f, 12>(
        vertex.n0, vertex.n1, vertex.n2, vertex.n3, vertex.n4, vertex.n5,
        vertex.n6, vertex.n7, vertex.n8, vertex.n9, vertex.n10, vertex.n11,
    );
}
