// Beauty, step 3 of 4: the same along columns, and where the working picture has edges. Out: smoothed colour, and in
// alpha how far a pixel there may go towards it. Prepended: fullscreen, picture, extra, skin, even.
// Entry points: fs_fullscreen, fs. The extra picture is that of step 1.

struct BeautyDownUniform {
    // As in the step before.
    step: vec4f,
    texture: vec4f,
    // Variance of 3x3 texels that noise explains (x), and how fast more of it counts as an edge (y).
    edge: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyDownUniform;

fn moments(at: vec2i, last: vec2i) -> vec2f {
    let v = skin_guide(textureLoad(extra_plane, clamp(at, vec2i(0), last), 0).rgb);
    return vec2f(v, v * v);
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = vec2i(vertex.position.xy);
    let mean = even_mean(at, vec2i(0, 1));
    // as a guided filter does (K. He and others, "Guided image filtering", PAMI 35(6), 2013), with the noise taken off
    // before: 0 on flat skin, 1 on an edge
    let last = vec2i(textureDimensions(extra_plane)) - 1;
    let sum = moments(at + vec2i(-1, -1), last) + moments(at + vec2i(0, -1), last) + moments(at + vec2i(1, -1), last)
        + moments(at + vec2i(-1, 0), last) + moments(at, last) + moments(at + vec2i(1, 0), last)
        + moments(at + vec2i(-1, 1), last) + moments(at + vec2i(0, 1), last) + moments(at + vec2i(1, 1), last);
    let variance = max(sum.y / 9.0 - sum.x * sum.x / 81.0 - settings.edge.x, 0.0);
    let edge = variance / (variance + settings.edge.y);
    return vec4f(mean.rgb, mean.a * (1.0 - edge));
}
