// Beauty, step 1 of 4: the picture at working size, every pixel of it averaged, and in alpha whether it is skin.
// Prepended: fullscreen, picture, skin. Entry points: fs_fullscreen, fs.

struct BeautyShrinkUniform {
    // Pixels of the picture for one of the working picture, each way (xy).
    step: vec4f,
}

@group(1) @binding(0) var<uniform> settings: BeautyShrinkUniform;

// Four pixels each way make one: a software adapter reads them without a loop.
override BEAUTY_BY_FOUR: bool = false;

fn mean_of(low: vec2i, high: vec2i) -> vec3f {
    var sum = vec3f(0.0);
    for (var y = low.y; y < high.y; y++) {
        for (var x = low.x; x < high.x; x++) {
            sum += picture_pixel(vec2i(x, y)).rgb;
        }
    }
    let count = (high - low).x * (high - low).y;
    return sum / f32(count);
}

fn row_of_four(at: vec2i) -> vec3f {
    return picture_pixel(at).rgb + picture_pixel(at + vec2i(1, 0)).rgb + picture_pixel(at + vec2i(2, 0)).rgb
        + picture_pixel(at + vec2i(3, 0)).rgb;
}

fn mean_of_four(at: vec2i) -> vec3f {
    let sum = row_of_four(at) + row_of_four(at + vec2i(0, 1)) + row_of_four(at + vec2i(0, 2))
        + row_of_four(at + vec2i(0, 3));
    return sum / 16.0;
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let at = floor(vertex.position.xy);
    var mean: vec3f;
    if BEAUTY_BY_FOUR {
        mean = mean_of_four(vec2i(at) * 4);
    } else {
        let low = vec2i(round(at * vertex.n0.xy));
        mean = mean_of(low, max(vec2i(round((at + 1.0) * vertex.n0.xy)), low + 1));
    }
    let rgb = clamp(mean, vec3f(0.0), vec3f(1.0));
    return vec4f(rgb, skin_probability(rgb));
}
