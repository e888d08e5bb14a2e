// A chain of steps that change each pixel by itself, with at most one colour table (the extra picture).
// Prepended: fullscreen, picture, color, extra, point. Entry points: fs_fullscreen, fs.

struct PointUniform {
    // Cells along a side of the colour table (x), tiles in a row of its picture (y), size of the picture (zw).
    table: vec4f,
    after: PointOps,
}

@group(1) @binding(0) var<uniform> settings: PointUniform;

// A constant of the pipeline, so that no sample is taken where there is no table.
override POINT_TABLE: bool = false;

fn point_lut_slice(rg: vec2f, slice: f32) -> vec3f {
    let cells = settings.table.x;
    let tile = vec2f(slice % settings.table.y, floor(slice / settings.table.y));
    let texel = tile * cells + rg * (cells - 1.0) + 0.5;
    return extra_at(texel / settings.table.zw).rgb;
}

fn point_lut(rgb: vec3f, strength: f32) -> vec3f {
    if !POINT_TABLE {
        return rgb;
    }
    let blue = rgb.b * (settings.table.x - 1.0);
    let low = floor(blue);
    let high = min(low + 1.0, settings.table.x - 1.0);
    let mapped = mix(point_lut_slice(rgb.rg, low), point_lut_slice(rgb.rg, high), blue - low);
    return mix(rgb, mapped, strength);
}

@fragment
fn fs(vertex: FsVertex) -> @location(0) vec4f {
    let source = picture_pixel(vec2i(vertex.position.xy));
    return point_apply(vec4f(clamp(source.rgb, vec3f(0.0), vec3f(1.0)), source.a), vertex.uv);
}
