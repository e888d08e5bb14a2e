// One direction of a Gaussian blur, alpha and all. Prepended: fullscreen, picture. Entry points: fs_fullscreen, fs.

struct BlurUniform {
    // From sample to sample in uv (xy); 1 over twice the variance in samples (z).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BlurUniform;

const RADIUS = 8;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let step = vertex.n0;
    var sum = vec4f(0.0);
    var weights = 0.0;
    for (var k = -RADIUS; k <= RADIUS; k++) {
        let weight = exp(-f32(k * k) * step.z);
        let color = clamp(picture_at(vertex.uv + f32(k) * step.xy), vec4f(0.0), vec4f(1.0));
        // colours of what cannot be seen do not count
        sum += vec4f(color.rgb * color.a, color.a) * weight;
        weights += weight;
    }
    return vec4f(sum.rgb / max(sum.a, 0.0001), sum.a / weights);
}
