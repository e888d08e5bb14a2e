// Beauty, before step 4 where skin is toned: where skin lies, from the picture of step 2. Spread over what looks alike
// nearby: eyes, mouth and cheeks in odd light lie in skin, while hair, all of it texture, does not come back.
// Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyMaskUniform {
    // Range of what is alike (x), gain (y).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyMaskUniform;

fn part(at: vec2i, last: vec2i, here: f32) -> vec2f {
    let texel = textureLoad(picture_plane0, clamp(at, vec2i(0), last), 0);
    let weight = skin_alike(skin_guide(texel.rgb) - here, settings.step.x);
    return vec2f(texel.a * weight, weight);
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = vec2i(vertex.position.xy);
    let last = vec2i(textureDimensions(picture_plane0)) - 1;
    let center = textureLoad(picture_plane0, at, 0);
    let here = skin_guide(center.rgb);
    // two rings of samples
    let sum = vec2f(center.a, 1.0)
        + part(at + vec2i(3, 1), last, here) + part(at + vec2i(-1, 3), last, here)
        + part(at + vec2i(-3, -1), last, here) + part(at + vec2i(1, -3), last, here)
        + part(at + vec2i(6, -2), last, here) + part(at + vec2i(2, 6), last, here)
        + part(at + vec2i(-6, 2), last, here) + part(at + vec2i(-2, -6), last, here)
        + part(at + vec2i(5, 5), last, here) + part(at + vec2i(-5, 5), last, here)
        + part(at + vec2i(-5, -5), last, here) + part(at + vec2i(5, -5), last, here);
    return vec4f(vec3f(min(settings.step.y * sum.x / sum.y, 1.0)), 1.0);
}
