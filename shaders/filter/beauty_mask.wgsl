// Beauty, before step 4 where skin is toned: skin again, from the smoothed colour and softened. Texture and edges do not
// count here: eyes and mouth lie in skin. Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyMaskUniform {
    // One texel in uv (xy).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyMaskUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    var sum = 0.0;
    for (var y = -1; y <= 1; y++) {
        for (var x = -1; x <= 1; x++) {
            sum += skin_probability(picture_at(vertex.uv + vec2f(f32(x), f32(y)) * settings.step.xy).rgb);
        }
    }
    return vec4f(vec3f(sum / 9.0), 1.0);
}
