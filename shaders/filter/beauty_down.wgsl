// Beauty, step 3 of 4: the same along columns, and where the working picture has edges. Out: smoothed colour, and in
// alpha how far a pixel there may go towards it. Prepended: fullscreen, picture, extra, skin.
// Entry points: fs_fullscreen, fs. The extra picture is that of step 1.

struct BeautyDownUniform {
    // As in the step before, along columns.
    step: vec4f,
    texture: vec4f,
    // One texel in uv (xy); variance of 3x3 texels that noise explains (z), and how fast more of it counts as an edge (w).
    edge: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyDownUniform;

const RADIUS = 4;
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

    // as a guided filter does (K. He and others, "Guided image filtering", PAMI 35(6), 2013), with the noise taken off
    // before: 0 on flat skin, 1 on an edge
    var first = 0.0;
    var second = 0.0;
    for (var y = -1; y <= 1; y++) {
        for (var x = -1; x <= 1; x++) {
            let v = skin_guide(extra_at(vertex.uv + vec2f(f32(x), f32(y)) * settings.edge.xy).rgb);
            first += v;
            second += v * v;
        }
    }
    let variance = max(second / 9.0 - first * first / 81.0 - settings.edge.z, 0.0);
    let edge = variance / (variance + settings.edge.w);
    return vec4f(mean.rgb, mean.a * (1.0 - textured) * (1.0 - edge));
}
