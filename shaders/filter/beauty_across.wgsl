// Beauty, step 2 of 4: edge-preserving mean along rows of the working picture; rows that are all texture (hair, wood)
// lose their share of skin. Prepended: fullscreen, picture, skin, even. Entry points: fs_fullscreen, fs.

struct BeautyAcrossUniform {
    // One over the range of what is alike (x).
    step: vec4f,
    // Mean difference of neighbours at which texture begins and is certain (xy), and what one difference counts at most (z).
    texture: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyAcrossUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    return even_mean(vertex, vec2i(1, 0));
}
