// Beauty, before step 4 where skin is toned: where skin lies, from the picture of step 2. Spread over what looks alike
// nearby: eyes, mouth and cheeks in odd light lie in skin, while hair, all of it texture, does not come back.
// Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyMaskUniform {
    // Distance of samples in uv (xy), range of what is alike (z), gain (w).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyMaskUniform;

const RADIUS = 2;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let here = skin_guide(picture_at(vertex.uv).rgb);
    var sum = 0.0;
    var weights = 0.0;
    for (var y = -RADIUS; y <= RADIUS; y++) {
        for (var x = -RADIUS; x <= RADIUS; x++) {
            let uv = vertex.uv + vec2f(f32(x), f32(y)) * settings.step.xy;
            let texel = textureSampleLevel(picture_plane0, picture_sampler, uv, 0.0);
            let weight = skin_alike(skin_guide(texel.rgb) - here, settings.step.z);
            sum += texel.a * weight;
            weights += weight;
        }
    }
    return vec4f(vec3f(min(settings.step.w * sum / weights, 1.0)), 1.0);
}
