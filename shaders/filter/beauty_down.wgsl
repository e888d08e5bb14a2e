// Beauty, step 3 of 4: the same along columns, where the working picture has edges, and where skin is toned. Out, all that
// the last step reads, in one texel: luma and Cr of the smoothed colour, how far a pixel there may go towards them, and
// the share of skin. Cb stays the pixel's own: neither blemishes nor what one sees of noise is in it.
// Prepended: fullscreen, picture, color, extra, skin, even. Entry points: fs_fullscreen, fs. The extra picture is that of
// step 1.

struct BeautyDownUniform {
    // As in the step before.
    step: vec4f,
    texture: vec4f,
    // Variance of 3x3 texels that noise explains (x), and how fast more of it counts as an edge (y).
    edge: vec4f,
    // One over the range of what is alike (x), and gain (y) of the share of skin.
    skin: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyDownUniform;

// Nobody tones the skin: its share is not worked out.
override BEAUTY_PLAIN: bool = false;

fn moments(at: vec2i, last: vec2i) -> vec2f {
    let v = skin_guide(textureLoad(extra_plane, clamp(at, vec2i(0), last), 0).rgb);
    return vec2f(v, v * v);
}

fn part(at: vec2i, last: vec2i, here: f32, by: f32) -> vec2f {
    let texel = textureLoad(picture_plane0, clamp(at, vec2i(0), last), 0);
    let weight = skin_alike(skin_guide(texel.rgb) - here, by);
    return vec2f(texel.a * weight, weight);
}

// Where skin lies, spread over what looks alike nearby: eyes, mouth and cheeks in odd light lie in skin, while hair, all of
// it texture, does not come back.
fn skin_around(at: vec2i, last: vec2i, tuning: vec4f) -> f32 {
    let by = tuning.x;
    let center = textureLoad(picture_plane0, at, 0);
    let here = skin_guide(center.rgb);
    // two rings of samples
    let sum = vec2f(center.a, 1.0)
        + part(at + vec2i(3, 1), last, here, by) + part(at + vec2i(-1, 3), last, here, by)
        + part(at + vec2i(-3, -1), last, here, by) + part(at + vec2i(1, -3), last, here, by)
        + part(at + vec2i(6, -2), last, here, by) + part(at + vec2i(2, 6), last, here, by)
        + part(at + vec2i(-6, 2), last, here, by) + part(at + vec2i(-2, -6), last, here, by)
        + part(at + vec2i(5, 5), last, here, by) + part(at + vec2i(-5, 5), last, here, by)
        + part(at + vec2i(-5, -5), last, here, by) + part(at + vec2i(5, -5), last, here, by);
    return min(tuning.y * sum.x / sum.y, 1.0);
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = vec2i(vertex.position.xy);
    let mean = even_mean(vertex, vec2i(0, 1));
    // as a guided filter does (K. He and others, "Guided image filtering", PAMI 35(6), 2013), with the noise taken off
    // before: 0 on flat skin, 1 on an edge
    let last = vec2i(textureDimensions(extra_plane)) - 1;
    let sum = moments(at + vec2i(-1, -1), last) + moments(at + vec2i(0, -1), last) + moments(at + vec2i(1, -1), last)
        + moments(at + vec2i(-1, 0), last) + moments(at, last) + moments(at + vec2i(1, 0), last)
        + moments(at + vec2i(-1, 1), last) + moments(at + vec2i(0, 1), last) + moments(at + vec2i(1, 1), last);
    let variance = max(sum.y / 9.0 - sum.x * sum.x / 81.0 - vertex.n2.x, 0.0);
    let edge = variance / (variance + vertex.n2.y);
    var skin = 0.0;
    if !BEAUTY_PLAIN {
        skin = skin_around(at, last, vertex.n3);
    }
    let y = color_luma(mean.rgb);
    let cr = (mean.r - y) * COLOR_BT709_BY_CR;
    return vec4f(y, cr * SKIN_CR_SCALE + 0.5, mean.a * (1.0 - edge), skin);
}
