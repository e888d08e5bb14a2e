// Beauty, step 1 of 4: the picture at working size, every pixel of it averaged, and in alpha whether it is skin.
// Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyShrinkUniform {
    // Pixels of the picture for one of the working picture, each way (xy).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyShrinkUniform;

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = floor(vertex.position.xy);
    let low = vec2i(round(at * settings.step.xy));
    let high = max(vec2i(round((at + 1.0) * settings.step.xy)), low + 1);
    var sum = vec3f(0.0);
    for (var y = low.y; y < high.y; y++) {
        for (var x = low.x; x < high.x; x++) {
            sum += picture_pixel(vec2i(x, y)).rgb;
        }
    }
    let count = (high - low).x * (high - low).y;
    let rgb = clamp(sum / f32(count), vec3f(0.0), vec3f(1.0));
    return vec4f(rgb, skin_probability(rgb));
}
