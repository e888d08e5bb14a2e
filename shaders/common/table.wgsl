// Group 3: a colour table, for the steps that change each pixel by itself: one picture of square tiles, a tile for each step
// of blue, red to the right, green downwards. Prepended to: passes that run such steps. No entry points.

@group(3) @binding(1) var table_plane: texture_2d<f32>;
@group(3) @binding(4) var table_sampler: sampler;

// `a`: strength, steps of red and green less one, steps of blue less one, tiles in a row. `b`: one over the sides of the
// picture, steps of red and green, one over the tiles in a row. There are so many steps of blue that the nearest will do.
fn point_lut(rgb: vec3f, a: vec4f, b: vec4f) -> vec3f {
    let slice = floor(rgb.b * a.z + 0.5);
    let row = floor((slice + 0.5) * b.w);
    let texel = vec2f(slice - row * a.w, row) * b.z + rgb.rg * a.y + 0.5;
    return mix(rgb, textureSampleLevel(table_plane, table_sampler, texel * b.xy, 0.0).rgb, a.x);
}
