// Beauty, step 2 of 4: edge-preserving mean along rows of the working picture; rows that are all texture (hair, wood)
// lose their share of skin. Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyAcrossUniform {
    // From one texel to the next in uv (xy); range of what is alike (z).
    step: vec4f,
    // Mean difference of neighbours at which texture begins and is certain (xy), and what one difference counts at most (z).
    texture: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyAcrossUniform;

const RADIUS = 4;
// Of the Gaussian, in texels.
const SIGMA = 2.5;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let here = skin_guide(picture_at(vertex.uv).rgb);
    var sum = vec4f(0.0);
    var weights = 0.0;
    var roughness = 0.0;
    var before = 0.0;
    for (var k = -RADIUS; k <= RADIUS; k++) {
        let texel = textureSampleLevel(picture_plane0, picture_sampler, vertex.uv + f32(k) * settings.step.xy, 0.0);
        let guide = skin_guide(texel.rgb);
        let weight = exp(-f32(k * k) / (2.0 * SIGMA * SIGMA)) * skin_alike(guide - here, settings.step.z);
        sum += texel * weight;
        weights += weight;
        if k > -RADIUS {
            roughness += min(abs(guide - before), settings.texture.z);
        }
        before = guide;
    }
    let mean = sum / weights;
    let textured = smoothstep(settings.texture.x, settings.texture.y, roughness / f32(2 * RADIUS));
    return vec4f(mean.rgb, mean.a * (1.0 - textured));
}
